"""Plain sentences for what people ask first: what dominates, what limits, what would pay off."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from mapper.cost import Cost, LayerCost, Range, count_layers, estimate
from mapper.cost.model import Layer
from mapper.report.breakdown import words
from mapper.report.charts import interval_text, number, percent, scaled
from mapper.report.data import Report
from mapper.report.names import layer_names
from targets import Readout, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question and its answer; ``command`` is what to run to know more."""

    question: str
    text: str
    command: str = ""


def answers(report: Report) -> tuple[Answer, ...]:
    """Answer the three questions of a newcomer from the estimate."""
    layers = count_layers(report.graph, report.target)
    return (
        Answer(
            question="Which layer dominates the energy, and why?",
            text=_dominating(report.cost, layers),
        ),
        Answer(question="What limits the latency?", text=_limiting(report, layers)),
        _ternary(report),
    )


def amount(value: Range, unit: str) -> str:
    """Write an interval in the unit that suits its nominal value."""
    factor, shown = scaled(value.nominal, unit)
    low, nominal, high = (end * factor for end in value)
    return interval_text(low, nominal, high, shown)


def between(value: Range, unit: str) -> str:
    """Write the ends of an interval alone, in the unit of its nominal value."""
    factor, shown = scaled(value.nominal, unit)
    if value.low == value.high:
        return "known exactly"
    return f"{number(value.low * factor)} to {number(value.high * factor)} {shown}"


def nominal(value: float, unit: str) -> str:
    factor, shown = scaled(value, unit)
    return f"{number(value * factor)} {shown}"


# --- energy --------------------------------------------------------------------------------


def _dominating(cost: Cost, layers: tuple[Layer, ...]) -> str:
    total = cost.total_pj.nominal
    if not total:
        return "No energy is charged for this mapping."
    names = layer_names(layer.name for layer in cost.layers)
    index = max(range(len(layers)), key=lambda i: cost.layers[i].total_pj.nominal)
    layer = cost.layers[index]
    part = _largest(layer.energy_pj)
    share = layer.energy_pj[part].nominal / layer.total_pj.nominal
    overall = _largest(cost.energy_pj)
    text = (
        f"{names[index]} takes {percent(layer.total_pj.nominal / total)} of the energy of an "
        f"inference, {amount(layer.total_pj, 'pJ')} of {nominal(total, 'pJ')}. "
        f"{percent(share)} of that is {words(part)}: {_why(part, layer, layers[index], cost)}."
    )
    if len(layers) > 1:
        text += (
            f" Over all layers, {words(overall)} is the largest part, "
            f"{percent(cost.energy_pj[overall].nominal / total)}."
        )
    return text


def _largest(parts: Mapping[str, Range]) -> str:
    return max(parts, key=lambda name: parts[name].nominal)


def _why(part: str, layer: LayerCost, counted: Layer, cost: Cost) -> str:
    """Say what is done so often, with the numbers of one time step."""
    runs = cost.steps * cost.samples
    work, positions = counted.work, _many(counted.positions, "output position")
    told = {
        "cells": f"current through {_each(layer.counts['on_cells'], runs)} conducting cells",
        "wordline_drive": f"{_each(layer.counts['wordline_events'], runs)} wordlines are driven, "
        "a spike once for every crossbar and output position it enters",
        "readout": f"{positions} with {work.conversions:,} conversions of bitlines",
        "shift_add": f"every one of {work.conversions:,} conversions is shifted and added",
        "accumulate": f"{work.accumulations:,} additions of partial results, "
        f"from {_many(counted.grid.row_blocks, 'row block')}",
        "scale_multiply": f"{work.scale_multiplies:,} products with a scale",
        "membrane_update": f"{work.membrane_updates:,} membranes are updated, spike or not",
        "membrane_memory": f"{work.membrane_bits:,} bits of membranes are read and written, "
        "spike or not",
        "buffer_read": f"{positions} fetch their whole window, {work.buffer_read_bits:,} bits, "
        "spikes or not",
        "buffer_write": f"{work.buffer_write_bits:,} bits of inputs are stored",
        "hop": f"{work.hop_bits:,} bit-hops between tiles",
        "collect": "results travel to the chip's accumulator",
    }
    return f"in every time step, {told.get(part, words(part))}"


def _each(count: int, runs: int) -> str:
    return f"{count / runs:,.0f}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


# --- latency -------------------------------------------------------------------------------


def _limiting(report: Report, layers: tuple[Layer, ...]) -> str:
    cost = report.cost
    names = layer_names(layer.name for layer in cost.layers)
    order = sorted(range(len(layers)), key=lambda i: -cost.layers[i].step_ns.nominal)
    index, slowest = order[0], cost.layers[order[0]]
    if not slowest.step_ns.nominal:
        return "No layer takes time under this preset."
    rounds = len({layer.round for layer in layers})
    if rounds > 1:
        begin = (
            f"Weights are loaded in {rounds} rounds, so layers follow each other and a time step "
            f"takes {amount(cost.latency_ns['step_sequential'], 'ns')}; the longest is "
        )
    else:
        begin = "The pace of the pipeline is set by "
    stage = cost.limited_by[1]
    text = (
        f"{begin}{names[index]}: a time step takes it {amount(slowest.step_ns, 'ns')}. Its longest "
        f"stage is {words(stage)}, because {_waits(stage, layers[index])}."
    )
    if len(order) > 1 and cost.layers[order[1]].step_ns.nominal:
        second = cost.layers[order[1]].step_ns.nominal
        gain = slowest.step_ns.nominal / second
        text += f" The next one, {names[order[1]]}, takes {nominal(second, 'ns')}: " + (
            f"making the first one faster gains at most {gain:.2g}x."
            if gain >= _ALIKE
            else f"{_alike(cost)} layers take about as long, and all have to be faster first."
        )
    return text


_ALIKE = 1.05  # ratio below which two layers take as long


def _alike(cost: Cost) -> int:
    """Count the layers that take as long as the slowest."""
    times = [layer.step_ns.nominal for layer in cost.layers]
    return sum(time * _ALIKE > max(times) for time in times)


def _waits(stage: str, layer: Layer) -> str:
    """Say what is done one after the other in a stage."""
    grid = layer.grid
    copies = _many(max(grid.copies, 1), "copy").replace("copys", "copies")
    share = ceil(layer.positions / max(grid.copies, 1))
    turns = f"{_many(share, 'output position')} for each of its {copies}, one after the other"
    if grid.copies <= 1:
        turns = f"{_many(share, 'output position')} one after the other"
    told = {
        "read": f"it reads {turns}"
        + (f", each in {grid.planes} bit planes" if grid.planes > 1 else ""),
        "shift_add": f"it shifts and adds the codes of {turns}",
        "accumulate": f"it adds {_many(grid.row_blocks, 'row block')} for {turns}",
        "digital": f"the digital unit computes {layer.digital_rows:,} products for {turns}",
        "membrane": f"it updates the membranes of {turns}",
        "arrival": f"its {layer.input_bits:,} input bits arrive through one link",
        "load": f"it loads the wordlines of {turns}, through the port of a tile's buffer",
        "buffer": "all its bits pass one buffer",
        "collect": "all its results pass one accumulator",
    }
    return told.get(stage, f"of its {words(stage)}")


# --- ternary readout -----------------------------------------------------------------------

_QUESTION = "Would ternary readout pay off?"


def _ternary(report: Report) -> Answer:
    kinds = {macro.readout.kind for macro in report.target.macros}
    command = _compare_command(report)
    if "ternary" in kinds:
        text = "This target has ternary readout already. What one sense amplifier would lose:"
        return Answer(question=_QUESTION, text=text, command=command)
    if "sense-amp" not in kinds:
        text = (
            "This target reads with ADCs or ideally; a ternary readout would change the integers "
            "that layers compute, so this mapping cannot say. Compare it with a ternary target:"
        )
        return Answer(question=_QUESTION, text=text, command=command)
    told = _priced(report, with_ternary(report.target))
    return Answer(question=_QUESTION, text=f"{told} {_worth(report)}", command=command)


def with_ternary(target: Target) -> Target:
    """Return the target with two thresholds in place of one wherever a sense amplifier reads."""

    def changed(readout: Readout) -> Readout:
        if readout.kind != "sense-amp":
            return readout
        return replace(readout, kind="ternary", bits=2, levels=(-1, 0, 1))

    macros = (replace(macro, readout=changed(macro.readout)) for macro in target.macros)
    return replace(target, macros=tuple(macros))


def _priced(report: Report, target: Target) -> str:
    """Say what the same reads cost with two comparisons a bitline; widths of sums stay."""
    evidence, before = report.evidence, report.cost
    preset = report.preset
    after = estimate(report.graph, target, evidence.activity, evidence.steps, preset)
    energy = after.total_pj.nominal / before.total_pj.nominal - 1 if before.total_pj.nominal else 0
    area = after.total_um2.nominal / before.total_um2.nominal - 1 if before.total_um2.nominal else 0
    times = [cost.latency_ns["step_pipelined"].nominal for cost in (before, after)]
    pace = "the same pace" if times[0] == times[1] else f"{times[1] / times[0]:.2f}x the time step"
    share = before.energy_pj["readout"].nominal / before.total_pj.nominal if energy else 0
    return (
        f"It would cost {percent(energy)} more energy ({nominal(before.total_pj.nominal, 'pJ')} to "
        f"{nominal(after.total_pj.nominal, 'pJ')}) and {percent(area)} more area, at {pace}: every "
        f"bitline is compared with two references, and sense amplifiers take {percent(share)} of "
        "the energy now. Sums are taken to stay as wide as they are."
    )


def _worth(report: Report) -> str:
    """Say what the mapping loses now, where that was measured."""
    found = report.evidence.verification or {}
    right, source = found.get("accuracy"), found.get("source_accuracy")
    if right is not None and source is not None:
        lost = 100 * (source - right)
        verdict = (
            "there is little to win"
            if lost < 1
            else f"it pays off if it wins back part of these {lost:.1f} points"
        )
        return (
            f"Measured here: the mapping is right on {percent(right)}, the trained network on "
            f"{percent(source)}, so {verdict}. To know, compare:"
        )
    if found.get("spike_agreement") is not None:
        return (
            f"Measured here: {percent(found['spike_agreement'])} of all spikes equal those of the "
            "trained network. Whether more of them would with a third level, a comparison says:"
        )
    return "Whether that buys accuracy cannot be seen in a mapping; compare with recordings:"


def _compare_command(report: Report) -> str:
    model = report.source.get("file", "model.onnx")
    other = "ternary-diff-64" if report.target.name != "ternary-diff-64" else "adcless-diff-64"
    shown = model if model.replace("_", "").replace("-", "").replace(".", "").isalnum() else "MODEL"
    return (
        f"spikeloom compare {shown} --targets {report.target.name},{other} --input recordings.npz"
    )
