"""Which constants an estimate hangs on: each at its low and its high end alone, all others nominal.

The constants are those in force: of the target, or of a preset that brings its own. The result is
the data of a tornado chart. It says what the intervals of the component library do
to a total, not how likely their ends are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any, Literal

from mapper.cost.actions import Activity
from mapper.cost.adders import as_added
from mapper.cost.estimate import activity_under
from mapper.cost.facts import chip_of, facts_of
from mapper.cost.layer_counts import Counts
from mapper.cost.model import Chip, Facts, Layer
from mapper.cost.points import totals
from mapper.cost.resolved import resolved
from targets import Converter, Interval, Library, Preset, Target

Totals = Mapping[str, float]
"""By the names of ``TOTALS``, at the nominal facts."""
Evaluate = Callable[[Target], Totals]

SPREAD = 0.1
"""How far a constant is moved each way, as a share, where nothing has a low and a high end."""

TOTALS = ("energy_pj", "latency_ns", "area_um2")
"""What a constant can move: totals of one inference, pipelined, and the area in use."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Movable:
    """One constant in force, and the estimate with it at a value."""

    name: str
    ends: Interval
    at: Callable[[float], Totals]


def sensitivity(
    evaluate: Evaluate, target: Target, others: Iterable[Movable] = ()
) -> tuple[Tornado, ...]:
    """Move every constant of a target's library to its ends, one at a time.

    Args:
        evaluate: Returns the totals on a target; called with copies of ``target`` that differ from
            it in one constant.
        target: The target whose constants are moved.
        others: Constants beside those of its library.

    Returns:
        One tornado for each of ``TOTALS``. Constants without an interval, and those that do not
        move a total, are left out of it. Equal swings are in the order of the library.
    """
    base = evaluate(target)
    movables = [*_of_library(evaluate, resolved(target)), *others]
    moved = [
        (one, one.at(one.ends.low), one.at(one.ends.high))
        for one in movables
        if one.ends.low < one.ends.high
    ]
    return tuple(
        _tornado(
            total,
            base[total],
            [
                Swing(
                    constant=one.name,
                    low=one.ends.low,
                    nominal=one.ends.nominal,
                    high=one.ends.high,
                    at_low=low[total],
                    at_high=high[total],
                )
                for one, low, high in moved
            ],
        )
        for total in TOTALS
    )


def _of_library(evaluate: Evaluate, target: Target) -> Iterator[Movable]:
    for name, ends in intervals(target.components):
        yield Movable(name=name, ends=ends, at=partial(_at, evaluate, target, name))


def swings_of(
    counts: Counts, activity: Activity | float, steps: int, preset: Preset
) -> tuple[Tornado, ...]:
    """Move the constants in force under a preset, for one inference of a mapping.

    Args:
        counts: The mapping.
        activity: What ``measure`` counted, or the share of input bits that are 1.
        steps: Time steps of an inference, where ``activity`` is a share.
        preset: What to assume of the chip beyond the target.
    """
    found = activity_under(preset, counts.layers, activity, steps)
    return under_preset(_Points(counts.layers, found), counts.target, preset)


@dataclass
class _Points:
    """The totals of a mapping, from one set of facts to the next."""

    layers: tuple[Layer, ...]
    activity: Activity
    _first: tuple[Chip, Facts, Totals] | None = None

    def __call__(self, target: Target, preset: Preset) -> Totals:
        """Return the totals; those of the first call where no fact in force differs from it."""
        chip, facts = chip_of(target, preset, self.layers), facts_of(target, preset, "nominal")
        if self._first is not None and self._first[:2] == (chip, facts):
            return self._first[2]
        found = totals(as_added(self.layers, chip), chip, facts, self.activity)
        self._first = self._first or (chip, facts, found)
        return found


def under_preset(
    totals_under: Callable[[Target, Preset], Totals], target: Target, preset: Preset
) -> tuple[Tornado, ...]:
    """Move the constants that are in force under a preset: its own where it brings some.

    A fitted library has single numbers. They, and those of its hierarchy, are moved by ``SPREAD``
    each way: that compares constants with each other, and says nothing of how well they are known.
    """
    library = preset.components
    if library is None:
        return sensitivity(lambda one: totals_under(one, preset), target)
    single = replace(target, components=library)
    if all(ends.low == ends.high for _, ends in intervals(library)):
        for name, ends in intervals(library):
            single = with_ends(single, name, _spread(ends.nominal))
    bare = replace(preset, components=None)
    hierarchy = () if preset.hierarchy is None else tuple(fields(preset.hierarchy))
    others = [
        Movable(
            name=name,
            ends=_spread(value),
            at=partial(_with_number, totals_under, single, bare, name),
        )
        for name, value in _numbers(library)
    ] + [
        Movable(
            name=f"hierarchy.{member.name}",
            ends=_spread(getattr(preset.hierarchy, member.name)),
            at=partial(_with_hierarchy, totals_under, single, bare, member.name),
        )
        for member in hierarchy
    ]
    return sensitivity(lambda one: totals_under(one, bare), single, others)


def _numbers(library: Library) -> Iterator[tuple[str, float]]:
    """Walk through the fitted constants that a library gives as plain numbers."""
    yield "shift_add.code_bit_pj", library.shift_add.code_bit_pj
    kinds: tuple[Literal["flash", "sar", "cco"], ...] = ("flash", "sar", "cco")
    for kind in kinds:
        numbers = (adc for adc in library.converters(kind) if isinstance(adc, Converter))
        for adc in numbers:
            yield f"{kind}_adc.{adc.bits}.wordline_ns", adc.wordline_ns


def _with_number(
    totals_under: Callable[[Target, Preset], Totals],
    target: Target,
    preset: Preset,
    name: str,
    value: float,
) -> Totals:
    library = _replaced(target.components, name.split("."), value)
    return totals_under(replace(target, components=library), preset)


def _spread(value: float) -> Interval:
    return Interval(low=value * (1 - SPREAD), nominal=value, high=value * (1 + SPREAD))


def _with_hierarchy(
    totals_under: Callable[[Target, Preset], Totals],
    target: Target,
    preset: Preset,
    name: str,
    value: float,
) -> Totals:
    assert preset.hierarchy is not None
    hierarchy: dict[str, Any] = {name: value}
    return totals_under(target, replace(preset, hierarchy=replace(preset.hierarchy, **hierarchy)))


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
            if isinstance(item, Converter):  # others are names of works
                yield from _walk(f"{place}.{item.bits}", item)
    elif is_dataclass(value):
        for member in fields(value):
            name = f"{place}.{member.name}" if place else member.name
            held = getattr(value, member.name)
            if held != member.default:  # what the kind of a part has no use for
                yield from _walk(name, held)


def with_constant(target: Target, constant: str, value: float) -> Target:
    """Return a target with one constant of its library exactly known to be ``value``."""
    return with_ends(target, constant, Interval(low=value, nominal=value, high=value))


def with_ends(target: Target, constant: str, ends: Interval) -> Target:
    """Return a target with other ends of one constant of its library."""
    library = resolved(target).components
    return replace(target, components=_replaced(library, constant.split("."), ends))


def _replaced(owner: Any, path: list[str], ends: Interval | float) -> Any:
    if not path:
        return ends
    first, *rest = path
    if isinstance(owner, tuple):  # ADCs, by their bits
        return tuple(
            _replaced(item, rest, ends) if str(item.bits) == first else item for item in owner
        )
    return replace(owner, **{first: _replaced(getattr(owner, first), rest, ends)})


def _at(evaluate: Evaluate, target: Target, constant: str, value: float) -> Totals:
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
