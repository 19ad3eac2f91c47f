"""A build with every number of columns a readout and every number of copies: at nominal facts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mapper.compare.compared import Compared
from mapper.compare.designs import (
    Copies,
    all_copies,
    columns_of,
    most_columns,
    with_columns,
    with_copies,
)
from mapper.cost import Counts
from mapper.cost.actions import Activity
from mapper.cost.adders import as_added
from mapper.cost.estimate import activity_under
from mapper.cost.facts import chip_of, facts_of
from mapper.cost.points import totals
from targets import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One pair of settings, and what an inference costs with it at nominal facts."""

    columns: int | None
    """That share a readout; None where they are as compiled."""
    copies: Copies | None
    """None where they are as compiled."""
    energy_pj: float
    step_ns: float
    """From one time step to the next."""
    area_um2: float

    @property
    def costs(self) -> tuple[float, float, float]:
        """Energy of an inference in pJ, ns of a time step, um2: what a front compares."""
        return self.energy_pj, self.step_ns, self.area_um2


def sweep(one: Compared, preset: Preset, columns: Collection[int] = ()) -> tuple[Point, ...]:
    """Price a build with every pair of settings; the first is the build as it is.

    Columns are powers of two and those given, as far as the crossbars have them, and as compiled;
    copies those of one pace, from one copy a layer until the chips are full, and as compiled.
    Nothing is compiled and no event counted again: how often wordlines are driven depends on
    neither. Where the preset asks for an inference every so often, pairs that are slower are out.
    """
    counts = one.build.counts
    activity = activity_under(preset, counts.layers, one.activity, one.steps)
    numbers = _numbers(counts, columns)
    found = []
    for copies in (None, *all_copies(counts)):
        copied = counts if copies is None else with_copies(counts, copies)
        if copies is not None and _copies(copied) == _copies(counts):
            continue  # it is as compiled
        found += [_point(copied, number, copies, activity, preset) for number in numbers]
    if preset.every_ms is None:
        return tuple(found)
    most_ns = preset.every_ms * 1e6 / activity.steps
    return tuple(point for point in found if point.step_ns <= most_ns)


def with_point(counts: Counts, point: Point) -> Counts:
    """Return a mapping with the settings of a point."""
    copied = counts if point.copies is None else with_copies(counts, point.copies)
    return copied if point.columns is None else with_columns(copied, point.columns)


def _numbers(counts: Counts, columns: Collection[int]) -> tuple[int | None, ...]:
    own, most = columns_of(counts), most_columns(counts)
    if not own:
        return (None,)
    powers = (1 << power for power in range(most.bit_length()))
    numbers = sorted({number for number in (*powers, most, *columns) if number <= most})
    return (None, *(number for number in numbers if own != (number,)))


def _copies(counts: Counts) -> tuple[int, ...]:
    return tuple(layer.grid.copies for layer in counts.layers)


def _point(
    copied: Counts,
    columns: int | None,
    copies: Copies | None,
    activity: Activity,
    preset: Preset,
) -> Point:
    counts = copied if columns is None else with_columns(copied, columns)
    chip = chip_of(counts.target, preset, counts.layers)
    facts = facts_of(counts.target, preset, "nominal")
    found = totals(as_added(counts.layers, chip), chip, facts, activity)
    return Point(
        columns=columns,
        copies=copies,
        energy_pj=found["energy_pj"],
        step_ns=found["interval_ns"] / activity.steps,
        area_um2=found["area_um2"],
    )


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points that no other one beats: smaller in one cost and larger in none.

    They are in the order of their area; of points that cost the same, the first stays.
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.area_um2, p.step_ns, p.energy_pj)):
        if not any(_covers(other, point) for other in kept):
            kept.append(point)
    return tuple(kept)


def _covers(one: Point, other: Point) -> bool:
    return all(mine <= theirs for mine, theirs in zip(one.costs, other.costs, strict=True))
