"""Spikes and sums that wait in states for some time steps: how many of them a chip must keep.

A file writes a delay as a ring, a line, or states that hand values on. What of these ever arrives
somewhere is kept, and the rest is not: of channels that wait ``d`` steps each, ``sum(d)`` values,
and not the longest delay for each. A buffer that is written round and round moves none of them,
so their traffic is that of the input buffer they are part of.
"""

from math import prod

import numpy as np

from mapper.cost.count_arithmetic import bits_of
from mapper.cost.flow import OUTSIDE, Flow
from mapper.ir.core import INT64, Array, Graph, Op, State, param
from mapper.ir.hardware import ScaledAdd
from mapper.ir.units import LayerOp
from mapper.ir.waiting import is_wire, waiting_states

NEW = -1
"""In place of the number of an element that waits: one that does not come from a state."""


def delayed_bits(graph: Graph, flow: Flow) -> dict[int, int]:
    """Return how many bits wait in states, by the layer that reads them.

    A value that is handed to the next step as a whole, and waits for that one step alone, is within
    the two time steps that every layer keeps of its input.
    """
    waiting = tuple(waiting_states(graph))
    if not waiting:
        return {}
    line = _Line(graph, waiting)
    kept = line.kept()
    found: dict[int, int] = {}
    for index, state in enumerate(waiting):
        if line.is_handed_over(index):
            continue
        numbers = line.numbers[index]
        home = line.home(index, flow)
        bits = int(kept[numbers].sum()) * bits_of(state.read)
        found[home] = found.get(home, 0) + bits
    return found


class _Line:
    """Every element of every waiting state by number, followed through wires."""

    def __init__(self, graph: Graph, waiting: tuple[State, ...]) -> None:
        self.graph = graph
        sizes = [prod(state.read.shape) for state in waiting]
        ends = np.cumsum(sizes, dtype=np.int64)
        self.size = int(ends[-1])
        self.numbers = [np.arange(end - n, end) for end, n in zip(ends, sizes, strict=True)]
        self.held: dict[str, Array] = {
            state.read.name: numbers.reshape(1, *state.read.shape)
            for state, numbers in zip(waiting, self.numbers, strict=True)
        }
        self.readers: dict[int, list[Op]] = {}
        """Ops that are no wires, by the state whose elements they read."""
        self.read = np.zeros(self.size, dtype=bool)
        for op in graph.ops:
            self._follow(op)
        for value in graph.outputs:
            self._mark(value.name, None)
        self.comes_from = np.concatenate(
            [
                self.held.get(s.next, np.full(n, NEW)).reshape(-1)
                for s, n in zip(waiting, sizes, strict=True)
            ]
        )
        """For each element, the number of the one that takes its place in the next step."""

    def _follow(self, op: Op) -> None:
        if not any(value.name in self.held for value in op.operands):
            return
        if not is_wire(op):
            for place, value in enumerate(op.operands):
                self._mark(value.name, op, _counts(op, place, self.graph))
            return
        given = [
            self.held.get(value.name, np.full((1, *value.shape), NEW)) for value in op.operands
        ]
        (self.held[op.results[0].name],) = op.evaluate({}, *given)

    def _mark(self, name: str, reader: Op | None, counts: Array | None = None) -> None:
        """Note what is read: all elements of a value, or those that count."""
        if name not in self.held:
            return
        numbers = self.held[name]
        numbers = numbers[(numbers != NEW) & (True if counts is None else counts)]
        self.read[numbers] = True
        if reader is None:
            return
        for index, own in enumerate(self.numbers):
            if ((numbers >= own[0]) & (numbers <= own[-1])).any():
                self.readers.setdefault(index, []).append(reader)

    def kept(self) -> Array:
        """Say which elements arrive somewhere, in this step or a later one."""
        kept = self.read.copy()
        fresh = np.flatnonzero(kept)
        while fresh.size:
            before = np.unique(self.comes_from[fresh])
            before = before[before != NEW]
            fresh = before[~kept[before]]
            kept[fresh] = True
        return kept

    def is_handed_over(self, index: int) -> bool:
        """Say whether a state takes new values alone, and no other takes its own."""
        own = self.numbers[index]
        return bool((self.comes_from[own] == NEW).all() and not np.isin(self.comes_from, own).any())

    def home(self, index: int, flow: Flow) -> int:
        """Return the first layer that reads a state, or one of those after it.

        Where no layer does, that of the first op. What counts the active inputs of a layer stands
        before it and belongs to the layer before.
        """
        places = {id(op): home for op, home in zip(self.graph.ops, flow.homes, strict=True)}
        seen = {index}
        while True:
            readers = [op for i in sorted(seen) for op in self.readers.get(i, [])]
            readers = [op for op in readers if isinstance(op, LayerOp)] or readers
            homes = [places[id(op)] for op in readers]
            homes = [home for home in homes if home != OUTSIDE]
            own = np.concatenate([self.numbers[i] for i in sorted(seen)])
            later = {
                i
                for i, numbers in enumerate(self.numbers)
                if np.isin(self.comes_from[numbers], own).any()
            }
            if homes or later <= seen:
                return min(homes, default=0)
            seen |= later


def _counts(op: Op, place: int, graph: Graph) -> Array | None:
    """Return which elements of an operand count: not those that are multiplied by 0."""
    if not isinstance(op, ScaledAdd):
        return None
    scale = param(graph.constants, op.scales[place], INT64)
    return np.broadcast_to(scale != 0, (1, *op.operands[place].shape))
