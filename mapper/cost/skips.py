"""What reaches a layer beside its input: residual operands, and inputs that are kept for a while.

A layer's own input is counted where the layer is. A residual operand is moved to the layer that
adds it, stored there and read; whatever passes over several pipeline stages is stored for as many
time steps as it is ahead.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from mapper.cost.count_arithmetic import bits_of
from mapper.cost.delays import delayed_bits
from mapper.cost.flow import OUTSIDE, Flow, distance_from
from mapper.ir.core import Graph, Op, Value
from mapper.ir.readout import ShiftAndAdd
from mapper.ir.units import LayerOp
from targets import Chip


@dataclass(frozen=True, slots=True, kw_only=True)
class Skips:
    """Of one layer, in one time step."""

    write_bits: int = 0
    """Of residual operands: each is moved and written once."""
    read_bits: int = 0
    hop_bits: int = 0
    stored_bits: int = 0
    """Of residual operands, of inputs beyond the two time steps that every input has, and of what
    waits in states."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bits of a value were computed."""

    name: str
    bits: int
    layer: int
    """``OUTSIDE`` for network inputs."""
    carried: bool = False
    """From the time step before, by a state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a layer takes beside its input, wherever its crossbars stand."""

    skips: Skips = Skips()
    """All but hops."""
    others: tuple[Origin, ...] = ()
    """Where residual operands come from."""

    def skips_at(self, index: int, flow: Flow, chip: Chip) -> Skips:
        """Return what reaches it there, of the layer of this index."""
        if not self.others:
            return self.skips
        hops = (o.bits * distance_from(o.layer, flow, index, chip) for o in self.others)
        return replace(self.skips, hop_bits=sum(hops))


def taken_of(graph: Graph, flow: Flow) -> tuple[Taken, ...]:
    """Count, for every layer, what it takes beside its input."""
    trail = Trail(graph, flow)
    members: list[list[Op]] = [[] for _ in flow.starts]
    for op, home in zip(graph.ops, flow.homes, strict=True):
        if op.results[0].name in trail.homes and not op.passes_on and not _of_crossbars(op):
            members[home].append(op)
    delayed = delayed_bits(graph, flow)
    return tuple(
        _of_layer(index, ops, trail, flow, delayed.get(index, 0))
        for index, ops in enumerate(members)
    )


def _of_layer(index: int, ops: list[Op], trail: "Trail", flow: Flow, delayed: int) -> Taken:
    own = tuple(trail.origins(flow.starts[index].x))
    known = {origin.name for origin in own}
    taken = {
        origin.name: origin
        for op in ops
        for value in op.operands
        for origin in trail.origins(value)
        if origin.layer != index
    }
    others = tuple(origin for name, origin in taken.items() if name not in known)
    delays = sum(origin.bits * max(_lag(origin, index, flow) - 1, 0) for origin in own)
    held = sum(origin.bits * (_lag(origin, index, flow) + 1) for origin in others)
    skips = Skips(
        write_bits=sum(origin.bits for origin in others),
        read_bits=sum(origin.bits for origin in taken.values()),
        stored_bits=delays + held + delayed,
    )
    return Taken(skips=skips, others=others)


def _lag(origin: Origin, index: int, flow: Flow) -> int:
    """Return the pipeline stages from where bits were computed to the layer that takes them."""
    if origin.carried:
        return 1
    before = -1 if origin.layer == OUTSIDE else flow.stages[origin.layer]
    return max(flow.stages[index] - before, 0)


class Trail:
    """Follows values back through wires, pools of spikes and states to what computed them."""

    def __init__(self, graph: Graph, flow: Flow) -> None:
        self.makers = {value.name: op for op in graph.ops for value in op.results}
        self.carried = {state.read.name: state.next for state in graph.states}
        self.homes: dict[str, int] = {}
        """The layer of every value that is computed in one."""
        for op, home in zip(graph.ops, flow.homes, strict=True):
            fed = any(value.name in self.homes for value in op.operands)
            if fed or isinstance(op, LayerOp):
                self.homes |= {value.name: home for value in op.results}

    def origins(self, value: Value) -> Iterator[Origin]:
        """Yield where the bits of a value come from, at most as many as it has."""
        yield from self._origins(value.name, bits_of(value) * prod(value.shape))

    def _origins(self, name: str, bits: int, *, carried: bool = False) -> Iterator[Origin]:
        if name in self.carried:
            if not carried:  # a state that takes over another one is of no layer
                yield from self._origins(self.carried[name], bits, carried=True)
            return
        maker = self.makers.get(name)
        if maker is None or not maker.passes_on:
            yield Origin(name, bits, self.homes.get(name, OUTSIDE), carried)
            return
        sizes = [bits_of(operand) * prod(operand.shape) for operand in maker.operands]
        whole = max(sum(sizes), 1)
        for operand, size in zip(maker.operands, sizes, strict=True):
            # A pool and a selection pass on fewer bits than they take, a repetition the same ones.
            kept = min(size, -(-size * bits // whole))
            yield from self._origins(operand.name, kept, carried=carried)


def _of_crossbars(op: Op) -> bool:
    """Whether what an op takes is its layer's input, or comes from the layer's crossbars."""
    return op.inside_layer or isinstance(op, LayerOp | ShiftAndAdd)
