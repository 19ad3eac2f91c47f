"""What a mapping would cost with one threshold more, or one fewer, in every sense amplifier."""

from dataclasses import replace

import numpy as np

from mapper.cost import Cost, count_actions, price
from mapper.ir.core import Array, Graph, Op
from mapper.ir.infer import infer_types
from mapper.ir.readout import SenseAmpRead
from mapper.ir.readout_kinds import READOUTS, sensed_kind
from mapper.report.data import Report
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
