"""Numbers as readers see them: three digits, and the unit that suits."""

from math import isfinite
from typing import TYPE_CHECKING

from mapper.ir.firing import Firing

if TYPE_CHECKING:
    from mapper.cost import Range

_STEPS = {
    "pJ": ("fJ", "pJ", "nJ", "µJ", "mJ", "J"),
    "ns": ("ps", "ns", "µs", "ms", "s"),
    "mW": ("nW", "µW", "mW", "W"),
}


def scaled(value: float, unit: str) -> tuple[float, str]:
    """Return the factor and the unit that bring a value of ``unit`` to 1 .. 1000, if one does."""
    if unit == "um2":
        return (1e-6, "mm²") if value >= 1e4 else (1.0, "µm²")
    names = _STEPS[unit]
    own = names.index(unit)
    best = own
    while best + 1 < len(names) and value >= 1000 ** (best + 1 - own):
        best += 1
    while best > 0 and 0 < value < 1000.0 ** (best - own):
        best -= 1
    return 1000.0 ** (own - best), names[best]


def interval_text(low: float, nominal: float, high: float, unit: str) -> str:
    """Write ``nominal unit (low .. high)`` with three digits; the interval where there is one."""
    if low == nominal == high:
        return f"{number(nominal)} {unit}".rstrip()
    told = f"{three_digits(nominal)} {unit}".rstrip()
    return f"{told} ({three_digits(low)} .. {three_digits(high)})"


def range_text(value: "Range", factor: float = 1.0) -> str:
    """Write a range times a factor in the same way, without a unit."""
    return interval_text(value.low * factor, value.nominal * factor, value.high * factor, "")


def three_digits(value: float) -> str:
    """Write a result with three digits, zeros at the end among them: ``1.00``, ``0.0306``.

    Numbers that stand side by side are then as exact as each other. A large one has all its digits
    before the point, as ``12,345``.
    """
    if not value or not isfinite(value):
        return f"{value:g}"
    power = int(f"{value:.2e}".partition("e")[2])  # of the rounded number: 999.6 has four digits
    if 3 <= power < 9:
        return f"{value:,.0f}"
    return f"{value:.{2 - power}f}" if -7 < power < 3 else f"{value:.2e}"


def number(value: float, digits: int = 3) -> str:
    """Write a number with so many digits, a large one with all before the point."""
    return f"{value:,.0f}" if 10**digits - 0.5 <= abs(value) < 1e9 else f"{value:.{digits}g}"


def spread_text(mean: float, deviation: float) -> str:
    """Write ``mean ± deviation``, both to the second digit of the deviation: ``100.000 ± 0.015``.

    Of a deviation that lies further behind the point than ``_DECIMALS`` the mean is cut there.
    """
    if not deviation or not isfinite(deviation):
        return f"{number(mean)} ± {deviation:g}"
    power = int(f"{deviation:.1e}".partition("e")[2])  # of the rounded number
    places = max(0, 1 - power)
    if places > _DECIMALS or power >= _LARGE:
        return f"{mean:,.{min(places, _DECIMALS)}f} ± {deviation:.1e}"
    return f"{mean:,.{places}f} ± {deviation:,.{places}f}"


_DECIMALS, _LARGE = 6, 9
"""Digits behind the point of a mean, and powers of ten from which no number is written out."""


def times_text(ratio: float) -> str:
    """Write how many times something is gained: ``2.5x``."""
    return f"{number(ratio, 2)}x"


def percent(share: float) -> str:
    """Write a share with as many digits as help; only all is 100 %."""
    if 0.995 <= share < 1:
        return f"{min(100 * share, 99.99):.2f} %"
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.2g} %"


def amount(value: "Range", unit: str) -> str:
    """Write an interval in the unit that suits its nominal value."""
    factor, shown = scaled(value.nominal, unit)
    low, nominal, high = (end * factor for end in value)
    return interval_text(low, nominal, high, shown)


def between(value: "Range", unit: str) -> str:
    """Write the ends of an interval alone, in the unit of its nominal value."""
    factor, shown = scaled(value.nominal, unit)
    if value.low == value.high:
        return "no range stated"
    return f"{three_digits(value.low * factor)} to {three_digits(value.high * factor)} {shown}"


def nominal(value: float, unit: str) -> str:
    """Write one number in the unit that suits it."""
    factor, shown = scaled(value, unit)
    return f"{three_digits(value * factor)} {shown}"


def firing_text(found: Firing) -> str:
    """Write how often neurons fired: ``spikes per neuron and step: 0.0102 (0.0212, 0, 0)``."""
    if found.rate is None:
        return "no layer fires: there are no spikes to count"
    by_layer = ", ".join(three_digits(found.rate_of(layer)) for layer in found.layers[:_RATES])
    more = ", ..." if len(found.layers) > _RATES else ""
    total = three_digits(found.rate)
    return f"spikes per neuron and step: {total} over all, by layer {by_layer}{more}"


_RATES = 8
"""Layers whose rate stands in a line of text."""
