"""Builds with one thing made equal: the area of the chip, the time per step, or the columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mapper.compare.compared import Compared
from mapper.compare.designs import all_copies, columns_of, copies_of, most_columns
from mapper.compare.equal import as_compiled, design_of
from mapper.compare.sweep import Point, front, sweep, with_point
from mapper.cost import Cost
from mapper.diagnostics import refuse
from mapper.report.comparison.designs import Design, FrontPoint, Iso, Kind
from mapper.report.numbers import number, scaled
from targets import Preset

KINDS: tuple[Kind, ...] = ("area", "throughput", "mux")


def iso_kind(text: str | None) -> Kind | None:
    """Read what is to be held equal.

    Raises:
        MappingError: ``compare-iso`` for anything but ``area``, ``throughput`` and ``mux``.
    """
    found = next((kind for kind in KINDS if kind == text), None)
    if text is not None and found is None:
        raise refuse(
            "compare-iso",
            f"{text!r:.80} is nothing that can be held equal; {', '.join(KINDS)} are",
            loc="--iso",
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Swept:
    """A build, its price as it is, and every pair of settings."""

    one: Compared
    cost: Cost
    points: tuple[Point, ...]


def iso(kind: Kind, found: Sequence[Compared], costs: Sequence[Cost], preset: Preset) -> Iso:
    """Make one thing of every comparable build equal to that of the first.

    Args:
        kind: What is made equal.
        found: The builds of a comparison.
        costs: What each costs as it is.
        preset: What to assume of the chips.

    Raises:
        MappingError: ``compare-iso`` where fewer than two builds can be compared, or the first
            has no one number of columns to hold.
    """
    pairs = [(one, cost) for one, cost in zip(found, costs, strict=True) if not one.incomparable]
    if len(pairs) < 2:
        raise refuse(
            "compare-iso",
            f"{len(pairs)} of the compared can be compared, and nothing can be equal to itself",
            loc="--iso",
            help="give two targets or builds that answer",
        )
    numbers = {number for one, _ in pairs for number in columns_of(one.build.counts)}
    swept = [_Swept(one=one, cost=cost, points=sweep(one, preset, numbers)) for one, cost in pairs]
    wanted = _wanted(kind, swept[0])
    met = [_equal(kind, wanted, each, preset) for each in swept[1:]]
    best = [_best(kind, wanted, each, preset) for each in swept]
    return Iso(
        kind=kind,
        over=pairs[0][0].title,
        wanted=wanted,
        equal=(as_compiled(*pairs[0]), *(design for design, _ in met)),
        best=tuple(design for design, _ in best),
        front=tuple(point for each in swept for point in _front(each)),
        swept=tuple(len(each.points) for each in swept),
        told=tuple(text for _, text in (*met, *best) if text),
    )


def _wanted(kind: Kind, first: _Swept) -> float:
    if kind != "mux":
        return _reached(kind, first.points[0])
    columns = columns_of(first.one.build.counts)
    if len(columns) != 1:
        told = " and ".join(map(str, columns)) or "no number of"
        raise refuse(
            "compare-iso",
            f"{first.one.title!r:.80} has {told} columns a readout, and one number is to be equal",
            loc="--iso",
            help="put a target with one number first, or hold the area or the throughput equal",
        )
    return float(columns[0])


def _reached(kind: Kind, point: Point) -> float:
    return point.area_um2 if kind == "area" else point.step_ns


def _design(each: _Swept, point: Point, preset: Preset) -> Design:
    if point == each.points[0]:
        return as_compiled(each.one, each.cost)
    positions = None if point.copies is None else point.copies.positions
    return design_of(each.one, with_point(each.one.build.counts, point), preset, positions)


# --- equal to the first --------------------------------------------------------------------------


def _equal(kind: Kind, wanted: float, each: _Swept, preset: Preset) -> tuple[Design, str]:
    """Return a build as near to what is wanted as it comes, and why it is no nearer."""
    if kind == "mux":
        return _equal_columns(int(wanted), each, preset)
    points = [point for point in each.points if point.columns is None]
    # Of equally near ones the smallest: more copies would wait.
    near = min(points, key=lambda p: (abs(_reached(kind, p) - wanted), p.area_um2))
    return _design(each, near, preset), _short_of(kind, wanted, each, points, near)


def _equal_columns(columns: int, each: _Swept, preset: Preset) -> tuple[Design, str]:
    counts, title = each.one.build.counts, each.one.title
    most = most_columns(counts)
    number = min(columns, most)
    if not columns_of(counts):
        told = f"{title}: no columns share a readout, it stays as it is"
        return as_compiled(each.one, each.cost), told
    points = (p for p in _at_columns(each, columns) if p.copies is None)
    if (point := next(points, None)) is None:
        told = f"{title}: with {number} columns a readout it does not infer as often as asked for"
        return as_compiled(each.one, each.cost), told
    told = f"{title}: its crossbars have {most} columns, {columns} cannot share a readout"
    return _design(each, point, preset), told if columns > most else ""


def _short_of(kind: Kind, wanted: float, each: _Swept, points: Sequence[Point], near: Point) -> str:
    """Say by how much copies miss what is wanted, and what keeps them from it; empty if equal."""
    reached = _reached(kind, near)
    if reached == wanted:
        return ""
    beyond = [p for p in points if (_reached(kind, p) < wanted) != (reached < wanted)]
    told = f"{each.one.title}: {_shown(kind, reached)} for {_shown(kind, wanted)}"
    told += f" ({100 * (reached / wanted - 1):+.2g} %), as near as copies come"
    if not beyond:
        return f"{told}: {_why(each, more=(kind == 'area') == (reached < wanted))}"
    other = min(beyond, key=lambda p: abs(_reached(kind, p) - wanted))
    return f"{told}: they are whole, and the next have {_shown(kind, _reached(kind, other))}"


def _shown(kind: Kind, value: float) -> str:
    """Write an area or a time with so many digits that near misses differ."""
    factor, unit = scaled(value, "um2" if kind == "area" else "ns")
    return f"{number(value * factor, 5)} {unit}"


def _why(each: _Swept, *, more: bool) -> str:
    """Say why there are no more copies, or no fewer."""
    if not more:
        return "every layer has one copy, or fewer would change nothing"
    *_, last = all_copies(each.one.build.counts)
    if last.positions > 1:
        return "the chips have no room for more"
    return "each output position has a copy of its own, or more would wait"


# --- the best pair of settings -------------------------------------------------------------------


def _best(kind: Kind, wanted: float, each: _Swept, preset: Preset) -> tuple[Design, str]:
    """Return a build with its best settings under what is wanted; the nearest where none is."""
    if kind == "mux":
        points = _at_columns(each, int(wanted)) or [each.points[0]]
        return _design(each, min(points, key=lambda p: p.area_um2 * p.step_ns), preset), ""
    within = [point for point in each.points if _reached(kind, point) <= wanted]
    if within:
        return _design(each, min(within, key=_ORDERS[kind]), preset), ""
    near = min(each.points, key=lambda p: _reached(kind, p))
    words = "so small" if kind == "area" else "so fast"
    told = (
        f"{each.one.title}: nothing is {words} as {_shown(kind, wanted)}, whatever the columns and "
        f"copies; the nearest has {_shown(kind, _reached(kind, near))}"
    )
    return _design(each, near, preset), told


def _at_columns(each: _Swept, columns: int) -> list[Point]:
    """Return the points with so many columns, or with as many as the crossbars have."""
    counts = each.one.build.counts
    number = min(columns, most_columns(counts))
    if columns_of(counts) in ((), (number,)):
        return [point for point in each.points if point.columns is None]
    return [point for point in each.points if point.columns == number]


_ORDERS: dict[Kind, Callable[[Point], tuple[float, ...]]] = {
    "area": lambda p: (p.step_ns, p.energy_pj, p.area_um2),
    "throughput": lambda p: (p.area_um2, p.energy_pj, p.step_ns),
}
"""What is best first, where area or time is given."""


def _front(each: _Swept) -> list[FrontPoint]:
    counts = each.one.build.counts
    own, copied = columns_of(counts), copies_of(counts)
    return [
        FrontPoint(
            side=each.one.title,
            columns=own if point.columns is None else (point.columns,),
            copies=copied if point.copies is None else point.copies.most,
            positions=None if point.copies is None else point.copies.positions,
            energy_pj=point.energy_pj,
            step_ns=point.step_ns,
            area_um2=point.area_um2,
        )
        for point in front(each.points)
    ]
