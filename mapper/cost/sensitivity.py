"""Which constants an estimate hangs on: each at its low and its high end alone, all others nominal.

The result is the data of a tornado chart. It says what the intervals of the component library do
to a total, not how likely their ends are.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any

from mapper.cost.summary import Cost
from targets import Interval, Library, Target

Evaluate = Callable[[Target], Cost]

TOTALS: dict[str, Callable[[Cost], float]] = {
    "energy_pj": lambda cost: cost.total_pj.nominal,
    "latency_ns": lambda cost: cost.latency_ns["inference_pipelined"].nominal,
    "area_um2": lambda cost: cost.total_um2.nominal,
}
"""What a constant can move, by name: totals of one inference, and the area in use."""

SHOWN = 8  # constants of each total in the text form


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """What one constant does to a total."""

    constant: str
    """Its place in the component library: ``sense_amp.energy_pj``."""
    low: float
    nominal: float
    high: float
    at_low: float
    """The total with this constant at its low end and all others nominal."""
    at_high: float

    @property
    def swing(self) -> float:
        """How far the total moves from one end to the other."""
        return abs(self.at_high - self.at_low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tornado:
    """All constants that move a total, the widest swing first."""

    total: str
    nominal: float
    swings: tuple[Swing, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        rows = [{**asdict(swing), "swing": swing.swing} for swing in self.swings]
        return {"total": self.total, "nominal": self.nominal, "constants": rows}


def sensitivity(evaluate: Evaluate, target: Target) -> tuple[Tornado, ...]:
    """Move every constant of a target's library to its ends, one at a time.

    Args:
        evaluate: Estimates the cost on a target; called with copies of ``target`` that differ from
            it in one constant.
        target: The target whose constants are moved.

    Returns:
        One tornado for each of ``TOTALS``. Constants without an interval, and those that do not
        move a total, are left out of it. Equal swings are in the order of the library.
    """
    library = target.components
    base = evaluate(target)
    moved = [
        (
            name,
            value,
            _at(evaluate, target, name, value.low),
            _at(evaluate, target, name, value.high),
        )
        for name, value in intervals(library)
        if value.low < value.high
    ]
    return tuple(
        _tornado(
            total,
            read(base),
            [
                Swing(
                    constant=name,
                    low=value.low,
                    nominal=value.nominal,
                    high=value.high,
                    at_low=read(low),
                    at_high=read(high),
                )
                for name, value, low, high in moved
            ],
        )
        for total, read in TOTALS.items()
    )


def _tornado(total: str, nominal: float, swings: list[Swing]) -> Tornado:
    moving = [swing for swing in swings if swing.swing > 0]
    ordered = sorted(moving, key=lambda swing: -swing.swing)
    return Tornado(total=total, nominal=nominal, swings=tuple(ordered))


def intervals(library: Library) -> Iterator[tuple[str, Interval]]:
    """Walk through all constants of a library, each with its place; an ADC's has its bits."""
    yield from _walk("", library)


def _walk(place: str, value: object) -> Iterator[tuple[str, Interval]]:
    if isinstance(value, Interval):
        yield place, value
    elif isinstance(value, tuple):
        for item in value:
            yield from _walk(f"{place}.{item.bits}", item)
    elif is_dataclass(value):
        for member in fields(value):
            name = f"{place}.{member.name}" if place else member.name
            yield from _walk(name, getattr(value, member.name))


def with_constant(target: Target, constant: str, value: float) -> Target:
    """Return a target with one constant of its library exactly known to be ``value``."""
    library = _replaced(target.components, constant.split("."), value)
    return replace(target, components=library)


def _replaced(owner: Any, path: list[str], value: float) -> Any:
    if not path:
        return Interval(low=value, nominal=value, high=value)
    first, *rest = path
    if isinstance(owner, tuple):  # ADCs, by their bits
        return tuple(
            _replaced(item, rest, value) if str(item.bits) == first else item for item in owner
        )
    return replace(owner, **{first: _replaced(getattr(owner, first), rest, value)})


def _at(evaluate: Evaluate, target: Target, constant: str, value: float) -> Cost:
    return evaluate(with_constant(target, constant, value))


def tornado_lines(tornados: tuple[Tornado, ...]) -> Iterator[str]:
    """Give the text form: the widest swings of each total, with the total at both ends."""
    for tornado in tornados:
        count = len(tornado.swings)
        yield f"{tornado.total}: {tornado.nominal:.4g}; {count} constants move it"
        for swing in tornado.swings[:SHOWN]:
            share = swing.swing / tornado.nominal if tornado.nominal else 0.0
            yield (
                f"  {swing.constant:<32} {swing.at_low:.4g} .. {swing.at_high:.4g}"
                f"  ({share:.1%}; {swing.low:g} .. {swing.high:g})"
            )
