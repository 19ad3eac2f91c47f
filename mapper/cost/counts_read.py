"""Layers whose inputs count spikes: reads in bit planes and in binary steps, and their integers.

Both ways give the same integers where a readout keeps the sums of a read, as both write a count as
a sum of digits. Where it does not, a read of other digits is rounded elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from mapper.ir.assignment import layer_name
from mapper.ir.core import INT64, SPIKE, Constants, Graph, Op, param
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.infer import infer_types
from mapper.ir.levels import Levels
from mapper.ir.limits import MOST_BITS
from mapper.ir.planes import input_planes
from mapper.ir.readout import AdcRead, BitlineRead
from mapper.ir.spike_counts import spike_counts
from targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class CountsRead:
    """How a layer reads counts of spikes, and how it might."""

    name: str
    levels: Levels
    in_steps: bool
    planes: int
    """Reads of an output position in bit planes."""
    steps: int
    """Reads in binary steps."""
    alike: bool
    """Whether its readout keeps sums, so that both ways give the same integers."""


def counts_read(graph: Graph, target: Target) -> tuple[CountsRead, ...]:
    """Return the crossbar layers of a hardware graph that read counts, in execution order."""
    reads = {op.partial_sum.name: op for op in graph.ops if isinstance(op, BitlineRead)}
    return tuple(
        CountsRead(
            name=layer_name(op.loc, op.partial_sum.name),
            levels=levels,
            in_steps=op.steps is not None,
            planes=len(input_planes(op.x, target.macro(op.placement.macro).plane_bits(op.x))),
            steps=levels.thresholds,
            alike=keeps_sums(op, reads[op.partial_sum.name], graph.constants),
        )
        for op, levels in _reading_counts(graph)
        if op.partial_sum.name in reads
    )


def _reading_counts(graph: Graph) -> Iterator[tuple[CrossbarMvm, Levels]]:
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm) and op.x.type != SPIKE]
    counts = spike_counts(graph) if layers else {}
    for op in layers:
        levels = op.steps or counts.get(op.x.name)
        if levels is not None and levels.thresholds <= MOST_BITS:
            yield op, levels


def keeps_sums(layer: CrossbarMvm, read: BitlineRead, constants: Constants) -> bool:
    """Say whether a readout gives every sum of a layer as it is."""
    if not isinstance(read, AdcRead) or read.noise is not None:
        return False
    low, high = layer.sum_range(constants)
    first, width, step, base = (
        param(constants, table, INT64) for table in (read.first, read.spacing, read.step, read.base)
    )
    whole = (step == 1).all() and (width == 1).all() and (first == base + 1).all()
    return bool(whole and (base <= low).all() and (base + (1 << read.bits) > high).all())


def other_integers(graph: Graph, target: Target) -> tuple[str, ...]:
    """Say which layers read steps by readouts that do not keep sums; nothing where there are none.

    Their integers are not those of bit planes.
    """
    found = [one for one in counts_read(graph, target) if one.in_steps and not one.alike]
    if not found:
        return ()
    told = ", ".join(
        f"{one.name} ({one.steps} reads of steps, {one.planes} of planes)" for one in found
    )
    return (
        "counts are read in binary steps by readouts that do not keep sums, so integers are not "
        f"those of bit planes: {told}",
    )


def read_in(graph: Graph, target: Target, *, steps: bool) -> Graph:
    """Return a hardware graph whose layers read all counts in steps, or all in bit planes.

    References and all else stay: it is for counting what either way does.
    """
    way = {
        op.x.name: (1, levels)
        if steps
        else (target.macro(op.placement.macro).plane_bits(op.x), None)
        for op, levels in _reading_counts(graph)
    }

    def changed(op: Op) -> Op:
        if not op.inside_layer or op.operands[0].name not in way:
            return op
        bits, levels = way[op.operands[0].name]
        fields: dict[str, Any] = {"plane_bits": bits, "steps": levels}
        return replace(op, **fields)  # crossbars, or what counts the wordlines that they drive

    return infer_types(replace(graph, ops=tuple(map(changed, graph.ops))))
