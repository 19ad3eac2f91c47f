"""Fit a constant on all chips of its fit but one, and estimate that one: ``benchmarks/silicon.py``.

ZigZag-IMC fitted its gates with DIMC1 to DIMC4 and its converters with AIMC1 to AIMC3. Every
estimate is linear in one scale of such a constant, ``a + b s``; the scale is the one with the
smallest mean error over the chips that are left, which lies where one of them is met exactly.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import fsum

from benchmarks.chips import Chip, Quantity
from benchmarks.macro_area import area_parts, modelled_share
from benchmarks.macro_delay import converting_ns, delay_ns
from benchmarks.macro_model import CONTROL, Macro, energy_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What a chip is estimated at when it takes no part in the fit."""

    id: str
    quantity: Quantity
    constant: str
    measured: float
    scale: float
    """Of the constant, over the published one."""
    estimate: float
    error: float

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


Line = tuple[float, float]
"""``a`` and ``b`` of an estimate."""


def _energy(*names: str) -> Callable[[Macro], Line]:
    def line(macro: Macro) -> Line:
        parts = {**energy_parts(macro), "control": 0.0}
        moving = fsum(parts[name] for name in names)
        scale = (1 + CONTROL) / macro.macs * 1e3
        return (fsum(parts.values()) - moving) * scale, moving * scale

    return line


def _area(*names: str) -> Callable[[Macro], Line]:
    def line(macro: Macro) -> Line:
        parts = area_parts(macro)
        moving = fsum(parts[name] for name in names)
        scale = macro.macros / modelled_share(macro)
        return (fsum(parts.values()) - moving) * scale, moving * scale

    return line


def _gate_delay(macro: Macro) -> Line:
    whole = delay_ns(macro)
    assert whole is not None
    return 0.0, whole


def _conversion_delay(macro: Macro) -> Line:
    whole, moving = delay_ns(macro), macro.turns * converting_ns(macro)
    assert whole is not None
    return whole - moving, moving


GATES = ("DIMC1", "DIMC2", "DIMC3", "DIMC4")
CONVERTERS = ("AIMC1", "AIMC2", "AIMC3")
FITS: tuple[tuple[str, tuple[str, ...], Quantity, Callable[[Macro], Line]], ...] = (
    ("capacitance of a gate", GATES, "energy", _energy("cells", "adders", "inputs")),
    ("delay of a gate", GATES, "delay", _gate_delay),
    ("area of a gate", GATES, "area", _area("multipliers", "adders", "registers", "inputs")),
    ("charge of a conversion", CONVERTERS, "energy", _energy("converters")),
    ("time of a conversion", CONVERTERS, "delay", _conversion_delay),
    ("area of a converter", CONVERTERS, "area", _area("converters")),
)
"""Constant, the chips it was fitted with, the quantity, and its line."""


def left_out(chips: tuple[Chip, ...]) -> Iterator[LeftOut]:
    """Estimate every chip of every fit from the others."""
    for constant, names, quantity, line in FITS:
        lines = {}
        for chip in chips:
            for known in chip.measured:
                if chip.id in names and known.quantity == quantity:
                    lines[chip.id] = (*line(chip.informed), known.value)
        for name, (a, b, measured) in lines.items():
            scale = best_scale([other for key, other in lines.items() if key != name])
            estimate = a + b * scale
            yield LeftOut(
                id=name,
                quantity=quantity,
                constant=constant,
                measured=measured,
                scale=scale,
                estimate=estimate,
                error=abs(estimate / measured - 1),
            )


def best_scale(lines: list[tuple[float, float, float]]) -> float:
    """Return the scale of ``a + b s`` with the smallest mean of ``|(a + b s) / measured - 1|``.

    The mean is a sum of absolute values of lines: it is smallest where one of them is 0.

    >>> best_scale([(0, 1, 1), (0, 1, 2), (0, 1, 4)])
    2.0
    """

    def total(scale: float) -> float:
        return fsum(abs((a + b * scale) / measured - 1) for a, b, measured in lines)

    return min(((measured - a) / b for a, b, measured in lines), key=lambda s: (total(s), s))
