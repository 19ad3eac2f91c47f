"""Charts of a study of dies: distributions, sweeps, what costs what, the faults of one die."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import sqrt

import numpy as np

from mapper.dies.layers import crossbar_layers
from mapper.ir.core import Array
from mapper.report.charts.base import Bar, Chart, Table, bar_table, interval_bars
from mapper.report.charts.floorplan import floorplan_data
from mapper.report.charts.placement import Coloured, Data, floorplans
from mapper.report.dies.data import DiesReport, FirstDie
from mapper.report.dies.tables import COSTS, effects_of, spikes_of
from mapper.report.names import labels
from mapper.report.numbers import number
from mapper.report.study.bands import sweep_chart, yield_chart
from mapper.report.study.effects import effect_chart
from mapper.report.study.histogram import histogram_chart
from mapper.study.statistics import HIGH, LOW
from passes.dies.faults import CrossbarFaults, faults_of
from targets.devices import SETTINGS

WIDE = 900
"""Of the floorplan on a page, in pixels."""


def distribution(told: DiesReport) -> Chart:
    """Draw how many dies have which accuracy."""
    return histogram_chart(told.distribution, told.quantity, bound=told.require)


def sweep_charts(told: DiesReport) -> Iterator[Chart]:
    """Draw each sweep: the quantity and, where something is required, the yield."""
    for place, swept in enumerate(told.found.sweeps, 1):
        unit = SETTINGS[swept.name].unit if swept.name in SETTINGS else "s"
        held = {"": swept}
        yield sweep_chart(held, told.quantity, name=f"sweep-{place}", unit=unit, bound=told.require)
        if told.require is not None:
            yield yield_chart(held, told.quantity, told.require, name=f"yield-{place}", unit=unit)


def cost_charts(told: DiesReport) -> Iterator[Chart]:
    """Draw what each imperfection and each layer costs."""
    costs, quantity = told.found.costs, told.quantity
    if costs is None:
        return
    rows = (("imperfection", costs.imperfections), ("layer", costs.layers))
    for what, held in rows:
        if held:
            yield effect_chart(
                effects_of(held),
                quantity,
                name=f"costs-{what}",
                title=f"Which {what} costs what",
                told=COSTS,
                what=f"{quantity.name} lost",
                label=what,
            )


def spike_chart(told: DiesReport) -> Chart:
    """Draw which share of spikes differs, by layer of neurons."""
    bars = [
        Bar(
            label=name,
            low=100 * held.quantile(LOW),
            nominal=100 * held.mean,
            high=100 * held.quantile(HIGH),
        )
        for name, held in spikes_of(told)
    ]
    return Chart(
        name="spikes",
        title="Spikes that differ from the ideal chip's, by layer",
        description="Share of spike positions, over all time steps and samples: the mean over "
        f"{told.quantity.many(told.found.plan.dies)}, a line from the 5th to the 95th percentile.",
        spec=interval_bars(bars, unit="%", what="spikes that differ", linear=True),
        table=bar_table(bars, unit="%", label="layer"),
    )


def fault_charts(die: FirstDie, width: int = WIDE) -> Iterator[Chart]:
    """Draw the faults of the first die on its floorplan."""
    seed = die.seed
    found = faults_of(die.graph, die.lot.of(die.chip), seed, die.lot.conditions)
    known = crossbar_layers(die.graph)
    names = labels(known[one.name] for one in found)
    by_layer = dict(zip(names, found, strict=True))
    data = floorplan_data(die.graph, die.chip, {}, names)
    for kind in _kinds(by_layer, seed):
        for chart in floorplans(data, kind, width):
            yield replace(chart, table=_fault_table(by_layer))


def _fault_table(found: Mapping[str, CrossbarFaults]) -> Table:
    """Write a row for each layer: what the drawings show, over its crossbars."""
    return Table(
        columns=("layer", "crossbars", "stuck cells", "offset (rms, counts)", "cell error (rms)"),
        rows=tuple(
            (
                name,
                f"{len(one.stuck):,}",
                f"{one.stuck.sum():,}",
                number(_whole(one.offset, one.reads)),
                number(_whole(one.cell_error, one.cells)),
            )
            for name, one in found.items()
        ),
    )


def _whole(rms: Array, counts: Array) -> float:
    """Return the root mean square over all crossbars of a layer, which are not all as full."""
    return sqrt(float(np.average(np.square(rms), weights=counts)))


def _kinds(found: Mapping[str, CrossbarFaults], seed: int) -> Iterator[Coloured]:
    """Yield what colours crossbars, of what the die has at all."""

    def stuck(layer: Data) -> list[float]:
        return [float(count) for count in found[layer["name"]].stuck]

    def offset(layer: Data) -> list[float]:
        return [float(rms) for rms in found[layer["name"]].offset]

    def error(layer: Data) -> list[float]:
        return [float(rms) for rms in found[layer["name"]].cell_error]

    known = (
        ("offset", "Offset (counts)", "the root mean square of its offsets, in counts", offset),
        ("stuck cells", "Stuck cells", "how many of its cells are stuck on another level", stuck),
        (
            "cell error",
            "Cell error (counts)",
            "the root mean square of what its cells conduct too much or too little, in counts",
            error,
        ),
    )
    for name, legend, told, values in known:
        if any(any(values({"name": layer})) for layer in found):
            yield Coloured(
                name=name,
                legend=legend,
                told=f"{told}, on die {seed}",
                values=values,
                format="~g",
            )
