"""What reals that wait in states stand for as integers: sums of layers that arrive steps later.

A line or ring of states moves numbers on and changes none. So what waits in an element are integers
of the layer whose sums get there, in its steps, and they wait as they are. A bias arrives with the
sums that it belongs to, and no sooner, so it is added to them before they wait.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import FLOAT, Array, Const, Graph, IntType, State, Value
from mapper.ir.hardware import ScaledAdd
from mapper.ir.infer import settled
from mapper.ir.neurons import Neuron
from mapper.ir.waiting import is_wire, waiting_states
from passes.integers.meaning import FORMS, Form, Meaning, is_whole, plain
from passes.shared.rewrite import number, simplest

_FINEST = 6
"""Fraction bits of sums that wait with their bias, at most: it is rounded to a 64th of a step."""


def with_bias(x: Meaning, name: str, loc: str) -> Form:
    """Return integers that stand for multiples of their scale: with what was their offset in them.

    The name is that of the value. They get as many fraction bits as the offset needs to be whole.
    """
    if not x.offset.any():
        return Form(None, x)
    steps = x.offset / np.where(x.scale == 0, 1.0, x.scale)
    bits = next((b for b in range(_FINEST) if is_whole(steps * (1 << b))), _FINEST)
    table = simplest(np.rint(steps * (1 << bits)).astype(np.int64))
    tables = {f"{name}.waits.offset": table}
    added = ScaledAdd(
        terms=(x.value,),
        scales=(1 << bits,),
        offset=Const(f"{name}.waits.offset"),
        result=replace(x.value, name=f"{name}.waits"),
        loc=loc,
    )
    added = settled(added, tables)
    scale = simplest(x.scale / (1 << bits))
    return Form(added, Meaning(value=added.result, scale=scale, offset=np.asarray(0.0)), tables)


class Waiting:
    """Finds what waiting reals mean, and what they start as.

    Args:
        graph: Of reals.
        known: What inputs and states of spikes mean, by name.
    """

    def __init__(self, graph: Graph, known: Mapping[str, Meaning]) -> None:
        self.graph = graph
        self.known = dict(known)
        self.states = tuple(s for s in waiting_states(graph) if s.read.type == FLOAT)
        self.made_by = {value.name: op for op in graph.ops for value in op.results}
        self.asked: set[str] = set()
        self.starting: dict[str, Array] = {}
        self.values: list[Value] = []
        """Where elements come from: the states, then what enters them."""
        self.starts: dict[str, int] = {}
        """Of each of these, the number of its first element."""
        self.size = 0
        self.held: dict[str, Array] = {}
        for state in self.states:
            self._numbered(state.read)
        self.sources = self._sources()
        lines = [self.sources[self.held[s.read.name].reshape(-1)] for s in self.states]
        self.entering = {v.name for numbers in lines for v in self._entering(numbers)}
        """Values of which elements come to wait."""

    def meaning(self, state: State) -> tuple[Meaning, Array]:
        """Return what a state's integers mean, and what they are before the first step.

        Raises:
            MappingError: ``unsupported-on-hardware`` where the reals do not only wait.
        """
        if state.read.name in self.starting:
            return self.known[state.read.name], self.starting[state.read.name]
        if state.read.name in self.asked:
            raise self._refusal(state)
        self.asked.add(state.read.name)
        numbers = self.sources[self.held[state.read.name].reshape(-1)]
        scale, low, high = np.ones(len(numbers)), 0, 0
        for value in self._entering(numbers):
            start, own = self.starts[value.name], self._ahead(value, state)
            at = np.flatnonzero((numbers >= start) & (numbers < start + _size(value)))
            scale[at] = np.broadcast_to(own.scale, value.shape).reshape(-1)[numbers[at] - start]
            low, high = min(low, own.type.min), max(high, own.type.max)
        scale = scale.reshape(state.read.shape)
        start_at = np.broadcast_to(number(self.graph, state.initial), scale.shape)
        codes = np.rint(start_at / np.where(scale == 0, 1.0, scale)).clip(low, high)
        read = replace(state.read, type=IntType.spanning(low, high))
        found = Meaning(value=read, scale=simplest(scale), offset=np.asarray(0.0))
        self.known[state.read.name] = found
        self.starting[state.read.name] = simplest(codes.astype(np.int64))
        return found, self.starting[state.read.name]

    # --- where elements come from ------------------------------------------------------------

    def _numbered(self, value: Value) -> Array:
        """Return the numbers of a value's elements: those it was given, or new ones."""
        if value.name not in self.held:
            self.values.append(value)
            self.starts[value.name] = self.size
            numbers = np.arange(self.size, self.size + _size(value))
            self.held[value.name] = numbers.reshape(1, *value.shape)
            self.size += _size(value)
        return self.held[value.name]

    def _sources(self) -> Array:
        """Return for each number that of the element that enters the line, steps before."""
        for op in self.graph.ops:
            if is_wire(op) and any(v.name in self.held for v in op.operands):
                given = [self._numbered(value) for value in op.operands]
                (self.held[op.results[0].name],) = op.evaluate({}, *given)
        written = {value.name: value for op in self.graph.ops for value in op.results}
        written |= {state.read.name: state.read for state in self.graph.states}
        written |= {value.name: value for value in self.graph.inputs}
        following = [self._numbered(written[state.next]).reshape(-1) for state in self.states]
        sources = np.arange(self.size)
        for state, numbers in zip(self.states, following, strict=True):
            sources[self.held[state.read.name].reshape(-1)] = numbers
        for _ in range(max(1, self.size).bit_length()):
            sources = sources[sources]
        return sources

    def _entering(self, numbers: Array) -> list[Value]:
        """Return the values that elements come from."""
        ends = np.array([self.starts[value.name] + _size(value) for value in self.values])
        return [self.values[k] for k in np.unique(np.searchsorted(ends, numbers, side="right"))]

    # --- what they mean ----------------------------------------------------------------------

    def _ahead(self, value: Value, state: State) -> Meaning:
        """Return what a value will mean, from what its op reads, before the op is rewritten."""
        if value.name in self.known:
            return self.known[value.name]
        waiting = next((s for s in self.states if s.read.name == value.name), None)
        if waiting is not None:
            return self.meaning(waiting)[0]
        op = self.made_by.get(value.name)
        if isinstance(op, Neuron) and op.spike is not None and value.name == op.spike.name:
            return plain(value)
        rule = None if op is None else FORMS.entry(type(op))
        if op is None or rule is None:
            raise self._refusal(state)
        read = [self._ahead(operand, state) for operand in op.operands]
        known = rule(op, read, self.graph).meaning
        if value.name in self.entering:
            known = with_bias(known, value.name, op.loc).meaning
        self.known[value.name] = known
        return known

    def _refusal(self, state: State) -> MappingError:
        readers = (op for op in self.graph.ops if state.read in op.operands)
        return refuse(
            "unsupported-on-hardware",
            f"the reals in {state.read.name!r} are changed from step to step outside a neuron, "
            "where the digital unit has them wait as they are",
            loc=next((op.loc for op in readers), self.graph.name),
            help="let a state that is no membrane hand on spikes or sums of layers unchanged",
        )


def _size(value: Value) -> int:
    return int(np.prod(value.shape, dtype=np.int64))
