"""What a mapping would cost with one threshold more, or one fewer, in every sense amplifier."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mapper.cost import Cost, count_actions, price
from mapper.ir.core import Array, Graph, Op
from mapper.ir.infer import infer_types
from mapper.ir.readout import SenseAmpRead
from mapper.ir.readout_kinds import READOUTS, sensed_kind
from mapper.report.answer import Answer
from mapper.report.data import Report
from mapper.report.numbers import nominal, percent
from passes.shared.sums import with_merged_sums
from targets import Readout, Target

TERNARY, BINARY = (-1, 0, 1), (-1, 1)
"""Decoded levels of a ternary readout and of a sense amplifier."""


def counterpart_cost(report: Report, levels: tuple[int, ...]) -> Cost:
    """Return the cost of the same mapping, its sense amplifiers replaced by those of ``levels``.

    Crossbars, their placement and the input spikes stay; codes and sums get the widths that the
    levels give them, and adders for bit-slices where these make no code any more. The integers that
    layers compute would be others, and have to be trained for.
    """
    graph = with_levels(report.graph, levels)
    target = with_readout(report.target, levels)
    counts = count_actions(graph, target, report.counts.levels)  # the crossbars stay
    return price(counts, report.evidence.activity, report.evidence.steps, report.preset)


def with_levels(graph: Graph, levels: tuple[int, ...]) -> Graph:
    """Return the graph with as many thresholds in each sense amplifier as ``levels`` need."""
    constants: dict[str, Array] = dict(graph.constants)
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, SenseAmpRead):
            table = graph.constants[op.thresholds.name]
            constants[op.thresholds.name] = np.repeat(table[:1], len(levels) - 1, axis=0)
            op = replace(op, levels=levels)
        ops.append(op)
    return with_merged_sums(infer_types(replace(graph, ops=tuple(ops), constants=constants)))


def with_readout(target: Target, levels: tuple[int, ...]) -> Target:
    """Return the target with a readout of these levels wherever sense amplifiers read."""

    def changed(readout: Readout) -> Readout:
        kind = sensed_kind(levels)
        if not readout.is_sensed or kind is None:
            return readout
        return replace(readout, kind=kind, bits=READOUTS[kind].code_bits, levels=levels)

    macros = (replace(macro, readout=changed(macro.readout)) for macro in target.macros)
    return replace(target, macros=tuple(macros))


_SHOWN = (("energy by component", "chart-energy-by-component"), ("verification", "verification"))


def ternary_answer(report: Report) -> Answer:
    """Say whether another threshold at every bitline would pay off, as far as that is known."""
    question = "Would ternary readout pay off?"
    kinds = {macro.readout.kind for macro in report.target.macros}
    made: dict[str, Any] = {
        "question": question,
        "links": _SHOWN,
        "command": _compare_command(report),
    }
    if "ternary" in kinds:
        told = _priced(report, counterpart_cost(report, BINARY))
        return Answer(
            text=f"{_NOT_KNOWN} This target has it: with one sense amplifier a bitline, {told}",
            reasons=("What that loses in accuracy has to be trained and compared:",),
            **made,
        )
    if "sense-amp" not in kinds:
        return Answer(text=_bound(report), reasons=(_NOT_THIS_MAPPING,), **made)
    after = counterpart_cost(report, TERNARY)
    verdict, worth = _worth(report)
    return Answer(
        text=f"{verdict} With a second reference at every bitline, {_priced(report, after)}",
        reasons=(_readouts(report.cost, after), worth),
        **made,
    )


_NOT_KNOWN = "Not known: what it wins in accuracy was not measured."
_LITTLE = 0.05  # share of energy and of area below which saving all of it hardly pays off

_NOT_THIS_MAPPING = (
    "A ternary readout changes the integers that layers compute, so whether it keeps the accuracy "
    "has to be trained and compared:"
)


def _bound(report: Report) -> str:
    """Say what the readout costs now, which is the most that another one could save."""
    cost = report.cost
    energy = _part(cost.energy_pj["readout"].nominal, cost.total_pj.nominal)
    area = _part(cost.area_um2["readouts"].nominal, cost.total_um2.nominal)
    verdict = "Hardly" if max(energy, area) < _LITTLE else "Perhaps"
    reads = [macro.readout for macro in report.target.macros]
    ideal = all(read.is_ideal for read in reads)
    kind = "an ideal readout that no circuit gives" if ideal else _kinds(reads)
    return (
        f"{verdict}: at most {percent(energy)} of the energy and {percent(area)} of the area can "
        f"be saved by another readout. That is what the present one, {kind}, takes."
    )


def _kinds(reads: Sequence[Readout]) -> str:
    """Name circuits that are not ideal: all ADCs alike, sense amplifiers by their kind."""
    named = (_circuit(read) for read in reads if not read.is_ideal)
    return " and ".join(dict.fromkeys(named))


def _circuit(read: Readout) -> str:
    if read.form.adds:
        return "adder trees"
    return "ADCs" if read.is_adc else read.form.words


def _part(value: float, whole: float) -> float:
    return value / whole if whole else 0.0


def _priced(report: Report, after: Cost) -> str:
    """Say what changes: energy, area, pace."""
    before = report.cost
    energy = (before.total_pj.nominal, after.total_pj.nominal)
    area = (before.total_um2.nominal, after.total_um2.nominal)
    pace = tuple(cost.latency_ns["step_pipelined"].nominal for cost in (before, after))
    at = "the same pace" if pace[0] == pace[1] else f"{_part(pace[1], pace[0]):.2f}x the time step"
    return (
        f"the same mapping costs {_change(*energy)} energy ({nominal(energy[0], 'pJ')} to "
        f"{nominal(energy[1], 'pJ')}) and {_change(*area)} area ({nominal(area[0], 'um2')} to "
        f"{nominal(area[1], 'um2')}), at {at}."
    )


def _change(before: float, after: float) -> str:
    change = _part(after - before, before)
    return f"{percent(abs(change))} {'less' if change < 0 else 'more'}"


def _readouts(before: Cost, after: Cost) -> str:
    """Say how much of the change the sense amplifiers are."""
    shares = [
        percent(_part(cost.energy_pj["readout"].nominal, cost.total_pj.nominal))
        for cost in (before, after)
    ]
    return (
        f"Sense amplifiers take {shares[0]} of the energy now and {shares[1]} then; codes and sums "
        f"are as wide as three levels make them, crossbars and spikes stay.{_slices(before, after)}"
    )


def _slices(before: Cost, after: Cost) -> str:
    """Say where bit-slices make a code with one readout and not with the other."""
    added = [cost.energy_pj["shift_add"].nominal > 0 for cost in (before, after)]
    if added[0] == added[1]:
        return ""
    now, then = ("are added", "wires") if added[0] else ("are wires", "added one to another")
    return f" Bit-slices {now} now and {then} then."


def _worth(report: Report) -> tuple[str, str]:
    """Return the verdict, and what the mapping loses now, where that was measured."""
    found = report.evidence.verification
    if found is None:
        return _NOT_KNOWN, _HOW_TO_KNOW
    right, source = found.accuracy, found.source_accuracy
    if right is not None and source is not None:
        lost = 100 * (source - right)
        verdict = (
            "No: there is little accuracy to win."
            if lost < 1
            else f"Only if it wins back part of the {lost:.1f} points of accuracy that are lost."
        )
        return verdict, (
            f"The mapping is right on {found.score or percent(right)}, the trained network on "
            f"{found.source_score or percent(source)} (measured). "
            "The network has to be trained for three levels; compare:"
        )
    if found.spike_agreement is not None:
        return _NOT_KNOWN, (
            f"{percent(found.spike_agreement)} of all spikes equal those of the trained network "
            "(measured). Whether more would with a third level has to be trained and compared:"
        )
    return _NOT_KNOWN, _HOW_TO_KNOW


_HOW_TO_KNOW = "The network has to be trained for three levels. To compare, with recordings:"


def _compare_command(report: Report) -> str:
    if report.source.get("trained for"):  # such a file is compiled for its own hardware only
        return "spikeloom compare BUILD BUILD_OF_THE_OTHER --input recordings.npz"
    model = report.source.get("file", "model.onnx")
    other = "ternary-diff-64" if report.target.name != "ternary-diff-64" else "adcless-diff-64"
    shown = model if model.replace("_", "").replace("-", "").replace(".", "").isalnum() else "MODEL"
    return (
        f"spikeloom compare {shown} --targets {report.target.name},{other} --input recordings.npz"
    )
