"""A study of dies as lines and tables, for a terminal, a page and papers."""

from collections.abc import Iterator, Sequence

from mapper.dies.found import Cost
from mapper.report.charts.base import Table
from mapper.report.dies.data import DiesReport
from mapper.report.names import labels
from mapper.report.numbers import percent
from mapper.report.study.effects import Effect
from mapper.report.study.tables import effect_table, sweep_table
from mapper.study.statistics import HIGH, LOW, Distribution

ALONE, LEFT_OUT = "alone", "left out"

COSTS = (
    "Alone: what the ideal chip loses with it and nothing else. Left out: what real chips gain "
    "without it."
)
"""What bars of costs are."""


def subject_lines(told: DiesReport) -> tuple[str, str]:
    """Say which dies of what were run, and on what."""
    quantity, plan = told.quantity, told.found.plan
    seeds = f"seed {plan.first}" if plan.dies == 1 else f"seeds {plan.seeds[0]} to {plan.seeds[-1]}"
    dies = f"{quantity.many(plan.dies)} of {told.chips} ({seeds})"
    return (
        f"{told.network} on {told.target}: {dies}",
        f"recording: {told.recording}; noise of reads of die n: seed {told.run_seed} + n",
    )


def answer_lines(told: DiesReport) -> Iterator[str]:
    """Yield what is answered first, a line each."""
    found, quantity, held = told.found, told.quantity, told.distribution
    yield from subject_lines(told)
    low, least = quantity.digits(held.quantile(LOW)), quantity.digits(held.values[0])
    yield (
        f"{quantity.name}: {quantity.spread(held)} %, 5th percentile {low} %, least {least} %; "
        f"ideal chip {found.ideal}"
    )
    if told.score is None:
        yield "yield: nothing is required of a die (--require)"
    else:
        assert told.require is not None
        yield f"yield: {told.score} at {quantity.text(told.require)} or more"
    yield from (told.told(tolerance) for tolerance in told.tolerances)


def sweep_tables(told: DiesReport) -> Iterator[tuple[str, Table]]:
    """Yield a table for each sweep, with its title."""
    for swept in told.found.sweeps:
        yield f"sweep of {swept.name}", sweep_table(swept, told.quantity, told.require)


def effects_of(costs: Sequence[Cost]) -> list[Effect]:
    """Return two bars for each cost; layers that are called the same get a number."""
    return [
        Effect(label=label, difference=held, group=how)
        for label, cost in zip(labels(cost.label for cost in costs), costs, strict=True)
        for how, held in ((ALONE, cost.alone), (LEFT_OUT, cost.left_out))
    ]


def cost_tables(told: DiesReport) -> Iterator[tuple[str, Table]]:
    """Yield what costs what, with titles."""
    costs, quantity = told.found.costs, told.quantity
    if costs is None:
        return
    lost = f"{quantity.name} lost"
    for what, held in (("imperfection", costs.imperfections), ("layer", costs.layers)):
        if held:
            made = effect_table(effects_of(held), quantity, label=what, what=lost)
            yield f"which {what} costs what, on {quantity.many(costs.dies)}", made


def spike_table(told: DiesReport) -> Table:
    """Write a row for each layer of neurons."""
    return Table(
        columns=("layer", "mean", "5th percentile", "95th percentile"),
        rows=tuple(
            (name, *map(percent, (held.mean, held.quantile(LOW), held.quantile(HIGH))))
            for name, held in spikes_of(told)
        ),
    )


def spikes_of(told: DiesReport) -> list[tuple[str, Distribution]]:
    """Return the share of spikes that differ by layer; those called the same get a number."""
    found = told.found.spikes.values()
    names = labels(held.label for held in found)
    return [(name, held.differing) for name, held in zip(names, found, strict=True)]


def die_table(told: DiesReport) -> Table:
    """Write a row for each die."""
    quantity = told.quantity
    return Table(
        columns=("seed", f"{quantity.name} ({quantity.unit})"),
        rows=tuple(
            (str(seed), quantity.digits(value))
            for seed, value in zip(told.found.plan.seeds, told.found.values, strict=True)
        ),
    )
