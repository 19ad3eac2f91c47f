"""Fit a constant on all chips of its fit but one, and estimate that one: ``benchmarks/silicon.py``.

ZigZag-IMC fitted its gates with DIMC1 to DIMC4 and its converters with AIMC1 to AIMC3. Every
estimate is linear in one scale of such a constant, ``a + b s``; the scale is the one with the
smallest mean error over the chips that are left, which lies where one of them is met exactly.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import fsum

from benchmarks.chips import Chip, Known, Quantity
from benchmarks.one_layer import area_parts, delay_ns, energy_parts
from targets import Converter


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


def _energy(*names: str) -> Callable[[Known], Line]:
    def line(known: Known) -> Line:
        parts = energy_parts(known)
        scale = 1e3 / known.products
        return _moving(parts, names, scale)

    return line


def _area(*names: str) -> Callable[[Known], Line]:
    def line(known: Known) -> Line:
        return _moving(area_parts(known), names, known.macros)

    return line


def _moving(parts: dict[str, float], names: tuple[str, ...], scale: float) -> Line:
    """Split parts into those that a scale moves and the rest; control is a share of both."""
    others = {name: value for name, value in parts.items() if name != "control"}
    share = 1 + parts["control"] / fsum(others.values())
    moving = fsum(others[name] for name in names)
    return (fsum(others.values()) - moving) * scale * share, moving * scale * share


def _gate_delay(known: Known) -> Line:
    return 0.0, delay_ns(known)


def _conversion_delay(known: Known) -> Line:
    whole = delay_ns(known)
    kind, bits = known.description.converter
    converter = known.target().components.converter(kind, bits)
    assert isinstance(converter, Converter)
    return whole - converter.latency_ns.nominal, converter.latency_ns.nominal


GATES = ("DIMC1", "DIMC2", "DIMC3", "DIMC4")
CONVERTERS = ("AIMC1", "AIMC2", "AIMC3")
FITS: tuple[tuple[str, tuple[str, ...], Quantity, Callable[[Known], Line]], ...] = (
    ("capacitance of a gate", GATES, "energy", _energy("cells", "readout", "shift_add", "inputs")),
    ("delay of a gate", GATES, "delay", _gate_delay),
    ("area of a gate", GATES, "area", _area("readouts", "adders", "inputs")),
    ("charge of a conversion", CONVERTERS, "energy", _energy("readout")),
    ("time of a conversion", CONVERTERS, "delay", _conversion_delay),
    ("area of a converter", CONVERTERS, "area", _area("readouts")),
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
