"""What a hardware graph owes to its target: rules that passes keep and a file may break."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mapper.diagnostics import MappingError
from mapper.executor.base import ports_of
from mapper.ir.core import Array, Graph, IntType, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import defined_values
from mapper.ir.noise import recorded_inputs
from mapper.ir.readout import BitlineRead
from targets import Macro, Target


def integer_problems(graph: Graph) -> Iterator[str]:
    """Yield what hardware does not compute: every value is an integer."""
    for value in defined_values(graph):
        if not isinstance(value.type, IntType):
            yield f"{value} is no integer: compile the network to the end"


def shared_problems(network: Graph, hardware: Graph, samples: Mapping[str, Array]) -> Iterator[str]:
    """Yield where a mapping is not one of a network: ports, spikes, recordings for calibration."""
    hardware = replace(hardware, inputs=recorded_inputs(hardware))
    for what in ("inputs", "outputs"):
        theirs, ours = ({v.name: v.shape for v in getattr(g, what)} for g in (network, hardware))
        if theirs != ours:
            yield f"the network has {what} {theirs}, the mapping {ours}"
    made = {value.name: value.shape for op in hardware.ops for value in op.results}
    for op in network.ops:
        spike = getattr(op, "spike", None)
        if isinstance(spike, Value) and made.get(spike.name) != spike.shape:
            yield f"{spike} of the network is not in the mapping"
    for value in hardware.inputs:
        array = samples.get(value.name)
        if array is not None and array.ndim != len(value.shape) + 2:
            yield f"a recording for calibration of {value} has no axis of samples: {array.shape}"
    if samples:
        try:
            ports_of(hardware).checked_inputs(samples)
        except MappingError as refused:
            yield f"recordings for calibration: {refused.diagnostics[0].message}"


def placement_problems(graph: Graph, target: Target) -> Iterator[str]:
    """Yield why a graph cannot run on the target: macros, sizes, crossbars there are."""
    macros = {macro.name: macro for macro in target.macros}
    reads = {op.partial_sum.name for op in graph.ops if isinstance(op, BitlineRead)}
    for op in graph.ops:
        if not isinstance(op, CrossbarMvm):
            continue
        macro = macros.get(op.placement.macro)
        if macro is None:
            yield f"{op.loc} is on a macro {op.placement.macro!r}, which '{target.name}' has not"
        else:
            yield from _size_problems(op, macro)
        if op.partial_sum.name not in reads:
            yield f"{op.loc} is never read"
        slots, held = op.placement.slots, op.crossbars * op.placement.copies
        available = target.chip.crossbars * target.chip.max_chips
        if not 0 <= slots.start <= slots.stop <= available or len(slots) not in (0, held):
            yield f"{op.loc} has {held} crossbars in slots {slots} of {available}"


def _size_problems(op: CrossbarMvm, macro: Macro) -> Iterator[str]:
    rows = op.shared_rows
    tallest = max(len(span) for span in rows)
    inside = [rows[at : at + op.turns] for at in range(0, len(rows), op.turns)]
    held = max(sum(map(len, blocks)) for blocks in inside)
    widest = max(len(span) for span in op.columns)
    width = 1 if op.encoding is None else op.encoding.bitlines_per_weight
    if op.packed > 1 and macro.readout.shared_reference:
        yield (
            f"{op.packed} groups of {op.loc} share a crossbar, "
            f"'{macro.name}' makes one reference for all of its columns"
        )
    if tallest > macro.block_rows:
        yield f"{op.loc} drives {tallest} wordlines at once, '{macro.name}' {macro.block_rows}"
    if held > macro.wordlines or widest * width > macro.bitlines:
        yield (
            f"a crossbar of {op.loc} takes {held} wordlines and {widest * width} bitlines, "
            f"'{macro.name}' has {macro.wordlines} and {macro.bitlines}"
        )
