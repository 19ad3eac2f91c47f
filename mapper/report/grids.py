"""The crossbars that each layer of a mapping takes, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from mapper.ir.assignment import layer_name
from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import BitlineRead
from mapper.ir.units import LayerOp
from targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGrid:
    """One layer on crossbars, and the crossbars it takes."""

    name: str
    """The node of the model it comes from, or else its value."""
    value: str
    """What its result is called in the graph."""
    macro: str
    readout: str
    wordlines: int
    outputs: int
    positions: int
    """Output positions of one time step."""
    row_blocks: int
    column_blocks: int
    packed: int
    """Groups of inputs on the block diagonal of one crossbar; 1 where none share one."""
    slices: int
    """Bit-slices of a weight."""
    encoding: str
    weight_bits: int
    """Width of its weights; 0 where they are not written on cells yet."""
    copies: int
    crossbars: int
    """All copies."""
    rows_used: float
    """Used wordlines over wordlines of its crossbars, 0..1."""
    columns_used: float
    """Used bitlines over bitlines of its crossbars, 0..1."""
    utilisation: float
    """Used cells over cells of its crossbars, 0..1."""
    chips: str
    stage: int


def layer_grids(graph: Graph, target: Target) -> tuple[LayerGrid, ...]:
    """Return every layer on crossbars, in execution order."""
    reads = readouts(graph)
    return tuple(
        _grid(op, reads, graph, target) for op in weighted(graph) if isinstance(op, CrossbarMvm)
    )


def chips_of(graph: Graph, target: Target) -> int:
    """Count the chips that a placed network takes: those of its widest round."""
    ops = (op for op in graph.ops if isinstance(op, CrossbarMvm))
    last = max((op.placement.slots.stop for op in ops), default=0)
    return max(1, -(-last // target.chip.crossbars))


def weights_in_words(graph: Graph, widest: int) -> str:
    """Say how wide weights on crossbars are: ``4-bit weights``, ``3- to 6-bit weights``."""
    coded = (op.encoding for op in graph.ops if isinstance(op, CrossbarMvm))
    narrowest = min((one.weight_bits for one in coded if one is not None), default=widest)
    return (
        f"{widest}-bit weights" if narrowest == widest else f"{narrowest}- to {widest}-bit weights"
    )


def weighted(graph: Graph) -> list[LayerOp]:
    """Return the first op of every layer, in the order of ``Cost.layers``."""
    return [op for op in graph.ops if isinstance(op, LayerOp)]


def readouts(graph: Graph) -> dict[str, BitlineRead]:
    """Return what reads each partial sum, by the sum's name."""
    reads = [op for op in graph.ops if isinstance(op, BitlineRead)]
    return {op.partial_sum.name: op for op in reads}


def bitlines_per_weight(op: CrossbarMvm) -> int:
    return 1 if op.encoding is None else op.encoding.bitlines_per_weight


def _grid(
    op: CrossbarMvm, reads: Mapping[str, BitlineRead], graph: Graph, target: Target
) -> LayerGrid:
    macro = target.macro(op.placement.macro)
    wordlines, outputs = graph.constants[op.weight.name].shape
    columns = outputs * bitlines_per_weight(op)
    value = op.partial_sum.name.removesuffix(".partial_sum")
    return LayerGrid(
        name=layer_name(op.loc, value),
        value=value,
        macro=macro.name,
        readout=reads[op.partial_sum.name].words,
        wordlines=wordlines * op.groups,
        outputs=outputs,
        positions=prod(op.positions),
        row_blocks=op.crossbars_down,
        column_blocks=len(op.columns),
        packed=op.packed,
        slices=op.partial_sum.shape[2],
        encoding="" if op.encoding is None else op.encoding.kind,
        weight_bits=0 if op.encoding is None else op.encoding.weight_bits,
        copies=op.placement.copies,
        crossbars=op.crossbars * op.placement.copies,
        rows_used=wordlines * (op.groups / op.packs) / (macro.wordlines * op.crossbars_down),
        columns_used=columns / (macro.bitlines * len(op.columns)),
        utilisation=wordlines * columns / (macro.wordlines * macro.bitlines * op.crossbars),
        chips=_chips(op, target),
        stage=op.placement.stage,
    )


def _chips(op: CrossbarMvm, target: Target) -> str:
    slots, per_chip = op.placement.slots, target.chip.crossbars
    if not len(slots):
        return "not placed"
    first, last = slots.start // per_chip, (slots.stop - 1) // per_chip
    return str(first) if first == last else f"{first}-{last}"
