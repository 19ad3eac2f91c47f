"""Settings: facts of a device that a user replaces by name, ``cell.sigma=0.1``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from mapper.diagnostics import Diagnostic, MappingError, nearest, refuse
from targets.devices.cell import Cell, CellNoise, Drift, Spread
from targets.devices.circuit import Amplifier, Replica, Wire
from targets.devices.fact import Fact

SET = "set by the user"
"""The source of a fact that a setting made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The tables of a device that settings change."""

    cell: Cell
    amplifier: Amplifier
    wire: Wire | None
    replica: Replica | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One number that may be set."""

    words: str
    unit: str
    low: float
    high: float
    change: Callable[[Parts, float], Parts]


def parse_set(text: str) -> tuple[str, float]:
    """Read one setting as the command line has it, ``cell.sigma=0.1``.

    Raises:
        MappingError: ``device-setting``.
    """
    name, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not equals or not isfinite(number):
        raise refuse(
            "device-setting",
            f"a setting is a name and a number, as cell.sigma=0.1, got {text!r}",
            loc="--set",
            help=f"names are {', '.join(SETTINGS)}",
        )
    check({name.strip(): number})
    return name.strip(), number


def check(values: Mapping[str, float], loc: str = "--set") -> None:
    """Refuse settings that there are not, or that are out of range; ``loc`` says who asked.

    Raises:
        MappingError: ``device-setting``, all of them.
    """
    _refuse([text for name, value in values.items() if (text := _problem(name, value))], loc)


def _refuse(problems: list[str], loc: str = "--set") -> None:
    if problems:
        known = ", ".join(SETTINGS)
        raise MappingError(
            Diagnostic(code="device-setting", message=text, loc=loc, help=f"names are {known}")
            for text in problems
        )


def _problem(name: str, value: float) -> str:
    if name not in SETTINGS:
        return f"no setting is named {name!r}{nearest(str(name), SETTINGS)}"
    setting = SETTINGS[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{name} is a number, got {value!r}"
    if not setting.low <= value <= setting.high:
        unit = f" {setting.unit}" if setting.unit else ""
        return f"{name} is {setting.low:g}..{setting.high:g}{unit}, got {value:g}"
    return ""


def changed(parts: Parts, values: Mapping[str, float]) -> Parts:
    """Return the parts with these settings, in the order of ``SETTINGS``, whatever theirs is."""
    check(values)
    for name, setting in SETTINGS.items():
        if name in values:
            parts = setting.change(parts, float(values[name]))
    _refuse([*parts.cell.problems(), *parts.amplifier.problems()])
    return parts


def _fact(value: float) -> Fact:
    return Fact(value=value, source=SET)


def _cell(name: str, *others: str) -> Callable[[Parts, float], Parts]:
    """Make what sets one fact of a cell, and takes out others that say the same."""

    def change(parts: Parts, value: float) -> Parts:
        made: dict[str, Any] = {**dict.fromkeys(others), name: _fact(value)}
        return replace(parts, cell=replace(parts.cell, **made))

    return change


def _amplifier(name: str, *others: str) -> Callable[[Parts, float], Parts]:
    def change(parts: Parts, value: float) -> Parts:
        made: dict[str, Any] = {**dict.fromkeys(others), name: _fact(value)}
        return replace(parts, amplifier=replace(parts.amplifier, **made))

    return change


def _wire(name: str, other: str) -> Callable[[Parts, float], Parts]:
    def change(parts: Parts, value: float) -> Parts:
        known = {name: _fact(value), other: None}
        supply = "rows" if parts.wire is None else parts.wire.supply
        return replace(parts, wire=Wire(**known, supply=supply))

    return change


def _sigma(parts: Parts, value: float) -> Parts:
    spread = Spread(step_share=value, source=SET)
    falls = parts.cell.relaxation
    if falls is not None:
        falls = replace(falls, sigma_us=0.0, sigma_per_log_us=0.0)
    return replace(parts, cell=replace(parts.cell, spread=(spread,), relaxation=falls))


def _read_noise(parts: Parts, value: float) -> Parts:
    noise = CellNoise(share=value, source=SET)
    return replace(parts, cell=replace(parts.cell, read_noise=noise))


def _nu(parts: Parts, value: float) -> Parts:
    old = parts.cell.drift or NO_DRIFT
    drift = replace(old, nu=value, nu_per_log=0.0, nu_range=(), source=SET)
    return replace(parts, cell=replace(parts.cell, drift=drift))


def _nu_sigma(parts: Parts, value: float) -> Parts:
    old = parts.cell.drift or NO_DRIFT
    drift = replace(old, sigma=value, sigma_per_log=0.0, sigma_range=(), source=SET)
    return replace(parts, cell=replace(parts.cell, drift=drift))


NO_DRIFT = Drift(t0_s=1.0, nu=0.0, source=SET)
"""Where drift is set of a device that has none."""

SETTINGS: dict[str, Setting] = {
    "cell.sigma": Setting(
        words="spread of programmed cells, at every level and age",
        unit="of a level step",
        low=0.0,
        high=10.0,
        change=_sigma,
    ),
    "cell.on_off": Setting(
        words="highest over lowest conductance",
        unit="",
        low=1.01,
        high=1e12,
        change=_cell("on_off", "off_us", "off_share"),
    ),
    "cell.stuck_on": Setting(
        words="share of cells that are always on",
        unit="",
        low=0.0,
        high=1.0,
        change=_cell("stuck_on"),
    ),
    "cell.stuck_off": Setting(
        words="share of cells that are always off",
        unit="",
        low=0.0,
        high=1.0,
        change=_cell("stuck_off"),
    ),
    "cell.nu": Setting(
        words="mean exponent of drift, at every level",
        unit="",
        low=0.0,
        high=1.0,
        change=_nu,
    ),
    "cell.nu_sigma": Setting(
        words="spread of the exponent of drift, at every level",
        unit="",
        low=0.0,
        high=1.0,
        change=_nu_sigma,
    ),
    "cell.read_noise": Setting(
        words="spread of cells from read to read, of their own conductance",
        unit="",
        low=0.0,
        high=10.0,
        change=_read_noise,
    ),
    "amplifier.offset": Setting(
        words="spread of offsets",
        unit="counts",
        low=0.0,
        high=1e4,
        change=_amplifier("offset_counts", "offset_mv", "mismatch_mv_um", "input_um2"),
    ),
    "amplifier.gain": Setting(
        words="spread of gains",
        unit="",
        low=0.0,
        high=1.0,
        change=_amplifier("gain"),
    ),
    "amplifier.noise": Setting(
        words="spread from read to read",
        unit="counts",
        low=0.0,
        high=1e4,
        change=_amplifier("read_noise_counts", "read_noise_mv"),
    ),
    "amplifier.trim_range": Setting(
        words="how far a trim moves a reference, up or down",
        unit="counts",
        low=0.0,
        high=1e6,
        change=_amplifier("trim_range_counts", "trim_range_mv"),
    ),
    "wire.ohm_per_cell": Setting(
        words="resistance from one cell to the next",
        unit="Ohm",
        low=0.0,
        high=1e6,
        change=_wire("ohm_per_cell", "share"),
    ),
    "wire.share": Setting(
        words="resistance from one cell to the next, over that of a cell that is on",
        unit="",
        low=0.0,
        high=1.0,
        change=_wire("share", "ohm_per_cell"),
    ),
}
"""What may be set, and in which order."""
