"""Builds with as many columns a readout as each other: beside what they are compiled with."""

from collections.abc import Sequence

from mapper.compare.compared import Compared
from mapper.compare.designs import columns_of, copies_of, most_columns, with_columns
from mapper.cost import Cost, Counts, price
from mapper.diagnostics import MappingError
from mapper.report.comparison.designs import Design, EqualColumns
from targets import Preset


def equal_columns(
    found: Sequence[Compared], costs: Sequence[Cost], preset: Preset
) -> tuple[EqualColumns, ...]:
    """Return every comparable build with the columns a readout that each of the others has.

    Args:
        found: The builds of a comparison.
        costs: What each costs as it is.
        preset: What to assume of the chips.

    Returns:
        One entry for each number of columns, smallest first; none where all builds agree on one.
        A build with ideal readouts stays as it is; one with smaller crossbars is left out, and one
        that does not infer as often as the preset asks for with so many columns.
    """
    pairs = [(one, cost) for one, cost in zip(found, costs, strict=True) if not one.incomparable]
    numbers = sorted({n for one, _ in pairs for n in columns_of(one.build.counts)})
    if len(numbers) < 2:
        return ()
    return tuple(
        EqualColumns(
            columns=number,
            designs=tuple(
                design
                for one, cost in pairs
                if number <= most_columns(one.build.counts) or not columns_of(one.build.counts)
                if (design := _in_time(one, cost, number, preset)) is not None
            ),
        )
        for number in numbers
    )


def _in_time(one: Compared, cost: Cost, columns: int, preset: Preset) -> Design | None:
    try:
        return design_at(one, cost, columns, preset)
    except MappingError as error:
        if any(problem.code != "cost-every" for problem in error.diagnostics):
            raise
        return None


def design_at(one: Compared, cost: Cost, columns: int, preset: Preset) -> Design:
    """Return a build with so many columns a readout; ``cost`` is that of the build as it is."""
    counts = one.build.counts
    if columns_of(counts) in ((), (columns,)):
        return as_compiled(one, cost)
    return design_of(one, with_columns(counts, columns), preset)


def as_compiled(one: Compared, cost: Cost) -> Design:
    """Return a build as it is."""
    return _design(one, one.build.counts, cost, positions=None, compiled=True)


def design_of(
    one: Compared, counts: Counts, preset: Preset, positions: int | None = None
) -> Design:
    """Price a build with other settings: ``counts`` are those of it with them."""
    cost = price(counts, one.activity, one.steps, preset)
    return _design(one, counts, cost, positions=positions, compiled=False)


def _design(
    one: Compared, counts: Counts, cost: Cost, *, positions: int | None, compiled: bool
) -> Design:
    return Design(
        side=one.title,
        columns=columns_of(counts),
        copies=copies_of(counts),
        positions=positions,
        compiled=compiled,
        energy_pj=cost.total_pj,
        latency_ns=cost.latency_ns["inference_pipelined"],
        step_ns=cost.latency_ns["step_pipelined"],
        area_um2=cost.total_um2,
    )
