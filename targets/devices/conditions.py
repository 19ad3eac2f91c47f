"""Conditions of a chip: its age after programming, and its temperature."""

from mapper.diagnostics import refuse
from targets.devices.fact import MOST_SECONDS

AGES = {"s": 1.0, "h": 3600.0, "d": 86400.0, "y": 365.25 * 86400}
"""Seconds of what an age may be counted in."""
YOUNGEST_S = 1e-6
COLDEST_C, HOTTEST_C = -273.0, 1000.0


def parse_age(text: str) -> float:
    """Read an age as the command line has it, ``3600``, ``12h``, ``30d``, ``10y``, as seconds.

    Raises:
        MappingError: ``device-age``.
    """
    unit = text[-1:] if text[-1:] in AGES else "s"
    try:
        seconds = float(text.removesuffix(unit)) * AGES[unit]
    except ValueError:
        seconds = float("nan")
    return _checked(seconds, f"{text!r:.80}", YOUNGEST_S, MOST_SECONDS, "an age", "s")


def check_conditions(age: float | None, temperature: float | None, loc: str | None = None) -> None:
    """Refuse ``device-age``: seconds and degrees that no chip has; ``loc`` says who asked."""
    if age is not None:
        _checked(age, f"{age}", YOUNGEST_S, MOST_SECONDS, "an age", "s", loc)
    if temperature is not None:
        _checked(
            temperature,
            f"{temperature}",
            COLDEST_C,
            HOTTEST_C,
            "a temperature",
            "degrees Celsius",
            loc,
        )


def _checked(
    value: float,
    said: str,
    low: float,
    high: float,
    what: str,
    unit: str,
    loc: str | None = None,
) -> float:
    if low <= value <= high:
        return value
    raise refuse(
        "device-age",
        f"{what} of a chip is {low:g}..{high:g} {unit}, got {said}",
        loc=loc or ("--age" if unit == "s" else "--temperature"),
        help="say 3600, 12h, 30d or 10y after programming" if unit == "s" else "",
    )
