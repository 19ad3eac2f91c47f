"""What passes need of the graph that they are given: the order of ``PIPELINE``, as facts.

A fact is looked at op by op, so it also holds where there is nothing to look at: a network without
crossbars is cut and read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mapper.ir.core import Graph, IntType, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.network import AvgPool2d
from mapper.ir.readout import BitlineRead
from mapper.ir.synapses import Synapse
from passes.shared.grid import encoding_of
from targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that is true of a graph once a pass has seen to it."""

    text: str
    """What is true, in words: "every value is an integer"."""
    by: str
    """The pass that makes it true."""
    broken: Callable[[Graph, Target], Iterator[str]]
    """Yields what does not keep to it."""


def without(kind: type[Op], by: str) -> Fact:
    """No op of this class is left."""

    def broken(graph: Graph, target: Target) -> Iterator[str]:
        yield from (f"%{op.results[0].name} is one" for op in graph.ops if type(op) is kind)

    return Fact(text=f"no {kind.mnemonic} is left", by=by, broken=broken)


def _analogue_inputs(graph: Graph, target: Target) -> Iterator[str]:
    yield from (f"input {v} is none" for v in graph.inputs if not isinstance(v.type, IntType))


def _trained_weights(graph: Graph, target: Target) -> Iterator[str]:
    for op in graph.ops:
        if isinstance(op, Synapse) and graph.constants[op.weight.name].dtype.kind not in "iu":
            yield f"those of %{op.result.name} are {graph.constants[op.weight.name].dtype}"


def _real_values(graph: Graph, target: Target) -> Iterator[str]:
    for op in graph.ops:
        yield from (f"{v} is none" for v in op.results if not isinstance(v.type, IntType))


def _unplaced(graph: Graph, target: Target) -> Iterator[str]:
    macros = {macro.name for macro in target.macros}
    for op in _grids(graph):
        if op.placement.macro not in macros:
            yield f"%{op.partial_sum.name} is on {op.placement.macro!r} of {sorted(macros)}"


def _tall_blocks(graph: Graph, target: Target) -> Iterator[str]:
    macros = {macro.name: macro for macro in target.macros}
    for op in _grids(graph):
        macro = macros.get(op.placement.macro)
        tallest, held = max(map(len, op.shared_rows)), macro.block_rows if macro else 0
        if tallest > held:
            yield f"%{op.partial_sum.name} drives {tallest} wordlines of {held}"
        elif macro and op.turns > macro.turns:
            yield f"%{op.partial_sum.name} has {op.turns} row blocks a crossbar of {macro.turns}"


def _wide_blocks(graph: Graph, target: Target) -> Iterator[str]:
    bitlines = {macro.name: macro.bitlines for macro in target.macros}
    for op in _grids(graph):
        each = encoding_of(op, graph, target).bitlines_per_weight
        widest, held = each * max(map(len, op.columns)), bitlines.get(op.placement.macro, 0)
        if widest > held:
            yield f"%{op.partial_sum.name} takes {widest} bitlines of {held}"


def _whole_weights(graph: Graph, target: Target) -> Iterator[str]:
    for op in _grids(graph):
        if op.encoding is None:
            yield f"those of %{op.partial_sum.name} are on one cell each"


def _unread(graph: Graph, target: Target) -> Iterator[str]:
    read = {op.partial_sum.name for op in graph.ops if isinstance(op, BitlineRead)}
    for op in _grids(graph):
        if op.partial_sum.name not in read:
            yield f"%{op.partial_sum.name} is not"


def _slotless(graph: Graph, target: Target) -> Iterator[str]:
    for op in _grids(graph):
        needed, given = op.crossbars * op.placement.copies, len(op.placement.slots)
        if needed != given:
            yield f"%{op.partial_sum.name} takes {needed} crossbars and has {given} slots"


def _grids(graph: Graph) -> Iterator[CrossbarMvm]:
    return (op for op in graph.ops if isinstance(op, CrossbarMvm))


CODED_INPUTS = Fact(
    text="every input is an integer code", by="encode-inputs", broken=_analogue_inputs
)
NO_MEANS = without(AvgPool2d, by="fold-pooling")
INTEGER_WEIGHTS = Fact(text="weights are integers", by="quantize-weights", broken=_trained_weights)
INTEGERS = Fact(text="every value is an integer", by="quantize-neurons", broken=_real_values)
ON_MACROS = Fact(
    text="every layer of crossbars is on a macro of the target", by="partition", broken=_unplaced
)
FITS_WORDLINES = Fact(
    text="row blocks fit on the wordlines of their macro", by="tile-rows", broken=_tall_blocks
)
FITS_BITLINES = Fact(
    text="column blocks fit on the bitlines of their macro", by="tile-columns", broken=_wide_blocks
)
SLICED = Fact(text="weights are written on cells", by="slice-weights", broken=_whole_weights)
READ = Fact(text="every partial sum is read", by="lower-readout", broken=_unread)
PLACED = Fact(text="every crossbar has a slot", by="place", broken=_slotless)
