"""What a page of an exploration is made from: what was found, and what is said of its points."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mapper.exploration.closer import Closer
from mapper.exploration.found import Evaluated, Explored, wanted
from mapper.exploration.grid import Value
from mapper.exploration.measures import MEASURES, Measure
from mapper.report.exploration.chips import nearest
from mapper.report.exploration.told import setting
from mapper.report.numbers import interval_text, number, percent, three_digits
from mapper.study.case import canonical

DATA = "explore.json"
"""The file of a folder that has all of it."""

MOST_SHOWN = 2000
"""Points that a page draws: those of the front, and the first others; files have all."""

MOST_CLOSER = 32
"""Points that are looked at more closely for a page, the first of those that have a command."""

MOST_MOVES = 12
"""Neighbours of a point that a page lists, the nearest numbers first."""

MOST_FACTS = 6
"""Facts that move a total, the widest swing first."""


@dataclass(frozen=True, kw_only=True)
class ExplorationReport:
    """What an exploration found, and of what."""

    found: Explored
    built: Mapping[int, Closer] = field(default_factory=dict)
    """What is known of single points, by number: of those that have a command."""

    @property
    def network(self) -> str:
        """Its name, as a person gave it."""
        return self.found.network or "a network"

    @property
    def target(self) -> str:
        """What points are made from."""
        return self.found.target or "a target"

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The objectives of its space."""
        return wanted(self.found.space)

    @property
    def drawn(self) -> tuple[Measure, ...]:
        """What charts are of: the objectives; beside a single one what else was measured."""
        if len(self.measures) > 1:
            return self.measures
        left = set(self.found.unmeasured) | {measure.name for measure in self.measures}
        return (*self.measures, *(one for name, one in MEASURES.items() if name not in left))

    @cached_property
    def shown(self) -> tuple[Evaluated, ...]:
        """Points that are drawn, by number: at most ``MOST_SHOWN``, or the front if it has more."""
        points, front = self.found.points, self.found.front
        if len(points) <= MOST_SHOWN:
            return points
        on_it = {point.number for point in front}
        others = (point for point in points if point.number not in on_it)
        left = max(0, MOST_SHOWN - len(front))
        kept = on_it | {point.number for point, _ in zip(others, range(left), strict=False)}
        return tuple(point for point in points if point.number in kept)


# --- one point in words -------------------------------------------------------------------------


def settings(point: Evaluated) -> str:
    """Write where a point is: ``array 64, readout sar4``."""
    return ", ".join(f"{name} {setting(value)}" for name, value in point.point.items())


def measured(measure: Measure, point: Evaluated) -> str:
    """Write what was measured, with its unit and its ends; a dash where it was not."""
    held = point.record.get(measure.key)
    if held is None:
        return "-"
    if not measure.ranged:
        return percent(held)
    low, nominal, high = held
    return interval_text(low, nominal, high, measure.unit)


def state(point: Evaluated, report: ExplorationReport) -> str:
    """Say whether a point may be chosen, and why not."""
    space = report.found.space
    if point.refused:
        return f"refused [{point.refused}]: {point.record['why']}"
    missed = [key for key, miss in zip(space.constraints, point.misses(space), strict=True) if miss]
    if missed:
        return f"beyond the constraint on {', '.join(missed)}"
    if not point.feasible(space):
        return "an objective was not measured"
    on_it = any(one.number == point.number for one in report.found.front)
    return "on the front: no other beats it" if on_it else "feasible; another point beats it"


# --- what would move it -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """From a point to one that differs from it in one axis alone."""

    axis: str
    to: Value
    number: int
    """Of the other point."""
    told: str
    """What the move does to each objective."""


def moves(report: ExplorationReport) -> Mapping[int, tuple[Move, ...]]:
    """Return the moves from each point that is shown, by its number: to points that were explored.

    At most ``MOST_MOVES`` of each, in the order of axes and points.
    """
    shown = report.shown
    by_rest: dict[tuple[str, str], list[Evaluated]] = {}
    for point in shown:
        for axis in point.point:
            by_rest.setdefault(_rest(point, axis), []).append(point)
    return {point.number: tuple(_moves(point, by_rest, report))[:MOST_MOVES] for point in shown}


def _rest(point: Evaluated, axis: str) -> tuple[str, str]:
    return axis, canonical({name: held for name, held in point.point.items() if name != axis})


def _moves(
    point: Evaluated,
    by_rest: Mapping[tuple[str, str], Sequence[Evaluated]],
    report: ExplorationReport,
) -> Iterator[Move]:
    for axis in point.point:
        for other in by_rest[_rest(point, axis)]:
            if other.number != point.number:
                yield Move(
                    axis=axis,
                    to=other.point[axis],
                    number=other.number,
                    told=_changed(point, other, report),
                )


def _changed(point: Evaluated, other: Evaluated, report: ExplorationReport) -> str:
    if other.refused:
        return f"refused [{other.refused}]"
    return ", ".join(_ratio(measure, point, other) for measure in report.measures)


def _ratio(measure: Measure, point: Evaluated, other: Evaluated) -> str:
    before, after = point.value(measure.key), other.value(measure.key)
    if before is None or after is None:
        return f"{measure.name} -"
    if not measure.ranged:
        return f"{measure.name} {100 * (after - before):+.2f} points"
    return f"{measure.name} x{three_digits(after / before)}" if before else f"{measure.name} -"


def fact_lines(built: Closer) -> list[str]:
    """Say which component facts move the totals of a point, the widest swing first."""
    lines = []
    for tornado in built.swings:
        name, factor, unit = _TOTALS[tornado.total]
        lines += [
            f"{name}: {swing.constant} from {number(swing.low)} to {number(swing.high)} moves it "
            f"from {three_digits(swing.at_low * factor)} to "
            f"{three_digits(swing.at_high * factor)} {unit}"
            for swing in tornado.swings[:MOST_FACTS]
        ]
    return lines


_TOTALS = {
    "energy_pj": ("energy", 1e-6, "µJ"),
    "latency_ns": ("latency", 1e-3, "µs"),
    "area_um2": ("area", 1e-6, "mm²"),
}


# --- the nearest published macro ----------------------------------------------------------------


def chip_lines(built: Closer) -> list[str]:
    """Set a design beside the published macro that it is nearest to."""
    chip, macro = nearest(built.target)
    cell, readout = built.target.components.cell, macro.readout
    bits = f"{readout.bits}-bit " if readout.bits > 1 else ""
    own = (
        f"{macro.name} of this design: {cell.node_nm:g} nm, {cell.kind} cells, columns of "
        f"{macro.rows_per_read or macro.wordlines:,}, {bits}{readout.kind}"
    )
    lines = [f"nearest: {chip.words}", own]
    told = f"measured: {three_digits(chip.fj_of_a_bit)} fJ a product of one bit ({chip.told})"
    if built.fj_per_bit is None:
        return [*lines, told]
    low, nominal, high = built.fj_per_bit
    times = three_digits(nominal / chip.fj_of_a_bit)
    return [
        *lines,
        told,
        f"estimated for all macros of this design: {interval_text(low, nominal, high, 'fJ')} a "
        f"product of one weight bit and one input, {times} times the measured one; at the spikes "
        "of this exploration, where published macros are driven as their papers say",
    ]
