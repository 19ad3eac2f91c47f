"""Which ops are computed together, so that partial sums are never in memory all at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mapper.ir.core import Constants, Graph, Op, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.readout import BitlineRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse

LayerOp = CrossbarMvm | Synapse
"""An op that starts a layer; a ``Synapse`` left in a lowered graph is on the digital unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossbarLayer:
    """A grid of crossbars with its readout and its shift-and-add: spikes in, integers out.

    Where ``half_active`` or ``offset`` is set, the layer counts its own driven wordlines.
    """

    mvm: CrossbarMvm
    read: BitlineRead
    add: ShiftAndAdd

    @property
    def half_active(self) -> bool:
        return self.read.follows_activity

    def copies(self, constants: Constants) -> int:
        """Return how many copies of the grid differ: 1 where all are alike, as on an ideal chip."""
        cells = () if self.mvm.cells is None else (len(constants[self.mvm.cells.name]),)
        return max(*cells, self.read.copies(constants), 1)

    @property
    def loc(self) -> str:
        return self.mvm.loc or self.add.loc

    @property
    def operands(self) -> tuple[Value, ...]:
        key = self.read.key
        return (self.mvm.x,) if key is None else (self.mvm.x, key)

    @property
    def results(self) -> tuple[Value, ...]:
        return (self.add.result,)


Unit = CrossbarLayer | Op
"""What is computed in one go."""


def held_values(graph: Graph) -> Iterator[Value]:
    """Yield inputs, states and what every unit of work leaves: what is held whole in memory.

    Columns that are read block by block are not among them, however many there are.
    """
    yield from graph.inputs
    yield from (state.read for state in graph.states)
    for unit in units(graph):
        yield from unit.results


def units(graph: Graph, watch: Sequence[str] = ()) -> tuple[Unit, ...]:
    """Return the graph's work in order, with crossbars joined to their readout where possible.

    That is where partial sums and codes go nowhere else: no other op, output, state or watched
    name reads them; nor are columns joined that other wordlines reach than those that are counted.
    Counts of active wordlines that only such layers read are left out.
    """
    uses = Counter(
        [value.name for op in graph.ops for value in op.operands]
        + [value.name for value in graph.outputs]
        + [state.next for state in graph.states]
        + list(watch)
    )
    layers = {layer.add.result.name: layer for layer in _layers(graph, uses)}
    inside = {name for layer in layers.values() for name in _inner_results(layer)}
    counted = Counter(name for layer in layers.values() for name in _counts(layer))
    inside |= {name for name, times in counted.items() if times == uses[name]}
    return tuple(
        layers.get(op.results[0].name, op)
        for op in graph.ops
        if op.results and op.results[0].name not in inside
    )


def _layers(graph: Graph, uses: Counter[str]) -> Iterator[CrossbarLayer]:
    made_by = {value.name: op for op in graph.ops for value in op.results}
    for add in graph.ops:
        if not isinstance(add, ShiftAndAdd):
            continue
        read = made_by.get(add.codes.name)
        if not isinstance(read, BitlineRead) or uses[read.result.name] != 1:
            continue
        mvm = made_by.get(read.partial_sum.name)
        if not isinstance(mvm, CrossbarMvm) or uses[mvm.partial_sum.name] != 1:
            continue
        layer = CrossbarLayer(mvm=mvm, read=read, add=add)
        if layer.half_active and mvm.cell_rows != mvm.rows:
            continue  # what is compared with is half of the group's own wordlines, not of all
        if all(_counts_wordlines_of(mvm, made_by.get(name)) for name in _counts(layer)):
            yield layer


def _counts(layer: CrossbarLayer) -> list[str]:
    reads = layer.read.active if isinstance(layer.read, SenseAmpRead) else None
    return [value.name for value in (reads, layer.add.active) if value is not None]


def _counts_wordlines_of(mvm: CrossbarMvm, count: Op | None) -> bool:
    return (
        isinstance(count, CountActive)
        and (count.x, count.window) == (mvm.x, mvm.window)
        and (count.groups, count.rows) == (mvm.groups, mvm.rows)
        and (count.plane_bits, count.steps) == (mvm.plane_bits, mvm.steps)
    )


def _inner_results(layer: CrossbarLayer) -> tuple[str, str]:
    return layer.mvm.partial_sum.name, layer.read.result.name
