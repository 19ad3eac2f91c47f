"""Plain sentences for what people ask first: what dominates, what limits, what would pay off."""

from collections.abc import Iterator, Mapping
from math import prod

from mapper.cost import Cost, LayerCost, Range
from mapper.cost.macro import latched_bits
from mapper.cost.model import Layer
from mapper.cost.timing import paced_stages
from mapper.diagnostics import many
from mapper.report.answer import Answer
from mapper.report.charts.breakdown import words
from mapper.report.data import Report
from mapper.report.names import layer_names
from mapper.report.numbers import amount, nominal, percent, times_text
from mapper.report.steps import steps_answer
from mapper.report.ternary import ternary_answer
from mapper.report.waiting import waits
from targets import CellKind


def answers(report: Report) -> tuple[Answer, ...]:
    """Answer the three questions of a newcomer from the estimate, and one of layers that count."""
    layers = report.counts.layers
    library = report.preset.components or report.target.components
    return (
        _dominating(report.cost, layers, library.cell.kind),
        _limiting(report, layers),
        ternary_answer(report),
        *steps_answer(report),
    )


# --- energy --------------------------------------------------------------------------------


_MOST_REASONS = 3
_MOST_OF_IT = 0.6  # share of a layer's energy after which no more components are explained


def _dominating(cost: Cost, layers: tuple[Layer, ...], cell: CellKind) -> Answer:
    question = "Which layer dominates the energy, and why?"
    total = cost.total_pj.nominal
    if not total:
        return Answer(question=question, text="No energy is charged for this mapping.")
    leaks = cost.energy_pj["leakage"].nominal / total
    standing = f"Leakage from one inference to the next is {percent(leaks)}. " * (leaks > 0.5)
    names = layer_names(layer.name for layer in cost.layers)
    order = sorted(range(len(layers)), key=lambda i: -cost.layers[i].total_pj.nominal)
    layer, counted = cost.layers[order[0]], layers[order[0]]
    text = standing + (
        f"{names[order[0]]}: {percent(layer.total_pj.nominal / total)} of the energy of an "
        f"inference, {amount(layer.total_pj, 'pJ')} of {nominal(total, 'pJ')}."
    )
    if len(order) > 1:
        second = cost.layers[order[1]].total_pj.nominal / total
        text += f" The next one, {names[order[1]]}, takes {percent(second)}."
    overall = _largest(cost.energy_pj)
    over_all = (
        f"Over all layers, the largest part is {words(overall)}, "
        f"{percent(cost.energy_pj[overall].nominal / total)}."
    )
    return Answer(
        question=question,
        text=text,
        reasons=(*_reasons(layer, counted, cost, cell), *([over_all] if len(layers) > 1 else [])),
        links=(
            ("energy by layer and component", "chart-energy-by-layer-and-component"),
            ("energy by component", "chart-energy-by-component"),
            ("table of layers", "layers"),
        ),
    )


def _reasons(layer: LayerCost, counted: Layer, cost: Cost, cell: CellKind) -> Iterator[str]:
    """Say of the largest components of a layer why they are so large."""
    total = layer.total_pj.nominal
    parts = sorted(layer.energy_pj, key=lambda name: -layer.energy_pj[name].nominal)
    told = 0.0
    for place, part in enumerate(parts[:_MOST_REASONS]):
        share = layer.energy_pj[part].nominal / total
        if told >= _MOST_OF_IT or not share:
            return
        told += share
        of = "of that " if place == 0 else ""
        why = _why(part, layer, counted, cost, cell)
        yield f"{percent(share)} {of}goes to {words(part)}: {why}."


def _largest(parts: Mapping[str, Range]) -> str:
    return max(parts, key=lambda name: parts[name].nominal)


def _cells(layer: LayerCost, counted: Layer, runs: int, cell: CellKind) -> str:
    """Say what the cells of a kind do."""
    on = _each(layer.counts["on_cells"], runs)
    where = f"on wordlines that spikes drive in {_reads(counted)}"
    told: dict[CellKind, str] = {
        "resistive": f"current through {on} conducting cells, {where}",
        "static": f"current through {on} conducting cells, {where}",
        "charge": f"the capacitors of all cells are charged in {_reads(counted)}, spikes or not",
        "discharge": f"{on} cells discharge their bitlines, {where}",
        "digital": f"{on} cells with a product that is not 0, {where}",
    }
    return told[cell]


def _why(part: str, layer: LayerCost, counted: Layer, cost: Cost, cell: CellKind) -> str:
    """Say what is done so often, with the numbers of one time step."""
    runs = cost.steps * cost.samples
    work, positions = counted.work, many(counted.positions, "output position")
    told = {
        "cells": _cells(layer, counted, runs, cell),
        "wordline_drive": f"{_each(layer.counts['wordline_events'], runs)} wordlines are driven, "
        "a spike once for every crossbar and output position it enters",
        "inputs": f"{many(latched_bits(counted), 'input bit')} are taken by the registers of "
        "crossbars, spike or not",
        "read_channel": f"{many(work.columns_read, 'conversion')} keep their amplifiers on",
        "control": "clocking and control, a share of all that macros take",
        "readout": f"{_sums(counted)} in {_reads(counted)}",
        "shift_add": f"every one of {work.columns_read:,} {_taken(counted)} is shifted and added, "
        f"after {_reads(counted)}",
        "accumulate": f"{many(work.accumulations, 'addition')} of partial results, "
        f"from {many(counted.grid.row_blocks, 'row block')} at {positions}",
        "scale_multiply": f"{many(work.scale_multiplies, 'product')} with a scale",
        "membrane_update": f"{work.membrane_updates:,} membranes are updated, spike or not",
        "membrane_memory": f"{work.membrane_bits:,} bits of membranes are read and written, "
        "spike or not",
        "buffer_read": f"{positions} fetch their whole window, {work.buffer_read_bits:,} bits, "
        "spikes or not",
        "buffer_write": f"{work.buffer_write_bits:,} bits of inputs are stored",
        "hop": f"{_hops(counted)}, and partial results between tiles: {work.hop_bits:,} bit-hops",
        "collect": "results travel to the chip's accumulator",
    }
    return f"in every time step, {told.get(part, words(part))}"


def _taken(layer: Layer) -> str:
    return "sums" if layer.work.tree_sums else "conversions"


def _sums(layer: Layer) -> str:
    """Say how often bitlines are converted, or how much adder trees add."""
    work = layer.work
    if not work.tree_sums:
        return f"{many(work.conversions, 'conversion')} of bitlines"
    return f"{work.tree_additions:,} additions in {many(work.tree_sums, 'sum')} of adder trees"


def _reads(layer: Layer) -> str:
    """Write the crossbar reads of a time step as the product that they are."""
    grid, reads = layer.grid, layer.work.crossbar_reads
    factors = [(layer.positions, "output position"), (grid.row_blocks, "row block")]
    factors += [(grid.column_blocks, "column block"), (grid.planes, "input digit")]
    factors.append((grid.turns, "row turn"))
    shown = [factor for factor in factors if factor[0] > 1]
    if prod(count for count, _ in factors) != reads or len(shown) < 2:
        return many(reads, "crossbar read")
    return f"{' x '.join(many(*factor) for factor in shown)} = {reads:,} crossbar reads"


def _hops(layer: Layer) -> str:
    bits = f"{layer.input_bits:,} input bits"
    return f"{bits} travel {many(layer.distance, 'hop')}" if layer.distance else bits


def _each(count: int, runs: int) -> str:
    return f"{count / runs:,.0f}"


# --- latency -------------------------------------------------------------------------------


def _limiting(report: Report, layers: tuple[Layer, ...]) -> Answer:
    question, cost = "What limits the latency?", report.cost
    names = layer_names(layer.name for layer in cost.layers)
    order = sorted(range(len(layers)), key=lambda i: -cost.layers[i].step_ns.nominal)
    slowest = cost.layers[order[0]]
    if not slowest.step_ns.nominal:
        return Answer(question=question, text="No layer takes time under this preset.")
    stages = {name: ns.nominal for name, ns in slowest.stages_ns.items()}
    paced = paced_stages(layers[order[0]], stages, cost.latency_ns["cycle"].nominal)
    stage = max(paced, key=lambda name: paced[name])
    text = (
        f"{names[order[0]]}: {amount(slowest.step_ns, 'ns')} of every time step. Its longest stage "
        f"is {words(stage)}, because "
        f"{waits(stage, layers[order[0]], report.target, shared=report.preset.shared_units)}."
    )
    return Answer(
        question=question,
        text=text,
        reasons=(
            *_rounds(report, layers),
            *_next_stage(paced, stage, overlap=report.preset.overlap),
            *_next_layer(cost, names, order),
        ),
        links=(
            ("pipeline", "chart-pipeline"),
            ("inside the limiting layer", "chart-limiting-layer"),
            ("time by layer", "chart-time-by-layer"),
        ),
    )


def _rounds(report: Report, layers: tuple[Layer, ...]) -> Iterator[str]:
    rounds = len({layer.round for layer in layers})
    if rounds > 1:
        step = amount(report.cost.latency_ns["step_sequential"], "ns")
        told = (
            f"Weights are loaded in {rounds} rounds, so layers follow each other and a time step "
            f"takes {step}, all layers together."
        )
        written = report.cost.programming
        if written is not None:
            loading = written.time_ns.nominal * written.loads
            share = loading / report.cost.latency_ns["inference_interval"].nominal
            told += f" Loading takes {nominal(loading, 'ns')}, {percent(share)} of an inference."
        yield told


def _next_stage(paced: Mapping[str, float], stage: str, *, overlap: bool) -> Iterator[str]:
    """Say what limits the slowest layer once its longest stage is faster."""
    others = {name: ns for name, ns in paced.items() if name != stage and ns}
    if not others:
        return
    if not overlap:
        rest = sum(others.values())
        yield (
            f"In that layer, stages follow each other and the others take {nominal(rest, 'ns')}: "
            f"a faster {words(stage)} gains at most {times_text(1 + paced[stage] / rest)}."
        )
        return
    second = max(others, key=lambda name: others[name])
    yield (
        f"In that layer, the next longest stage is {words(second)}, "
        f"{nominal(others[second], 'ns')}: a faster {words(stage)} gains at most "
        f"{times_text(paced[stage] / others[second])}."
    )


_ALIKE = 1.05  # ratio below which two layers take as long


def _next_layer(cost: Cost, names: tuple[str, ...], order: list[int]) -> Iterator[str]:
    """Say which layers take about as long, and which one limits after them."""
    times = [cost.layers[index].step_ns.nominal for index in order]
    alike = sum(time * _ALIKE > times[0] for time in times)
    if alike > 1:
        others = ", ".join(names[index] for index in order[1 : min(alike, 4)])
        more = f" and {alike - 4} more" if alike > 4 else ""
        yield (
            f"{alike} layers take about as long ({others}{more}, too), and all have to be faster "
            "first."
        )
    if alike < len(order) and times[alike]:
        gain = times[0] / times[alike]
        yield (
            f"The next layer, {names[order[alike]]}, takes {nominal(times[alike], 'ns')}: at most "
            f"{times_text(gain)} can be gained before it limits."
        )
