"""Inputs that wait in states wait as their codes, which is how the digital unit holds them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mapper.ir.core import FLOAT, SPIKE, Array, Const, Graph, IntType, Op, State, Value
from mapper.ir.infer import substitute
from mapper.ir.network import Scale
from passes.shared.rewrite import number, simplest


@dataclass(frozen=True, kw_only=True)
class InputCode:
    """How one input is coded: ``real = step * code``."""

    type: IntType = SPIKE
    step: float = 1.0


@dataclass(frozen=True, kw_only=True)
class HeldInputs:
    """What of a graph holds nothing but numbers of its inputs, of this step or of one before."""

    graph: Graph
    inputs: Mapping[str, InputCode]
    """The codes of inputs that are reals, by name."""
    states: Mapping[str, InputCode]
    """Of states that hold what was given in steps before."""

    @property
    def codes(self) -> dict[str, InputCode]:
        return {**self.inputs, **self.states}

    def moved(self) -> dict[str, InputCode]:
        """Return what states are written with that is neither input nor state, and what of."""
        found: dict[str, InputCode] = {}
        codes = _codes(self.graph, self.codes)
        waiting = [s.next for s in self.graph.states if s.read.name in self.states]
        makers = {op.results[0].name: op for op in self.graph.ops}
        while waiting:
            name = waiting.pop()
            code = codes[name]
            if name not in self.codes and name not in found and code is not None:
                found[name] = code
                waiting += [v.name for v in makers[name].operands]
        return found

    def written_states(self) -> tuple[tuple[State, ...], dict[str, Array]]:
        """Return states that hold codes, and constants that some of them start from."""
        moved, constants = self.moved(), dict[str, Array]()
        states = []
        for state in self.graph.states:
            code = self.states.get(state.read.name)
            if code is not None:
                start = _start(self.graph, state, code).astype(np.int64)
                initial: int | Const = (
                    int(start) if start.ndim == 0 else Const(f"{state.read.name}.code")
                )
                if isinstance(initial, Const):
                    constants[initial.name] = start
                after = f"{state.next}.code" if state.next in moved else state.next
                state = State(read=replace(state.read, type=code.type), next=after, initial=initial)
            states.append(state)
        return tuple(states), constants

    def written_ops(self, reals: Mapping[str, Value]) -> Iterator[Op]:
        """Yield the ops: what only moves inputs on to a state does so with their codes."""
        moved = self.moved()
        values = {
            name: replace(real, name=name, type=self.codes[name].type)
            for name, real in reals.items()
        }
        for op in self.graph.ops:
            result = op.results[0]
            if (code := moved.get(result.name)) is None:
                yield substitute(op, reals)
                continue
            values[result.name] = replace(result, name=f"{result.name}.code", type=code.type)
            yield substitute(op, values)
            yield Scale(x=values[result.name], factor=code.step, result=result, loc=op.loc)


def held_inputs(graph: Graph, inputs: Mapping[str, InputCode]) -> HeldInputs:
    """Find the states that hold nothing but what inputs gave in steps before."""
    held: dict[str, InputCode | None] = {
        s.read.name: None for s in graph.states if s.read.type == FLOAT
    }
    while True:
        codes = _codes(graph, {**inputs, **held})
        found = {
            state.read.name: codes[state.next]
            for state in graph.states
            if state.read.name in held
            and state.next in codes
            and held[state.read.name] in (None, codes[state.next])
            and _starts_in(graph, state, codes[state.next])
        }
        known = {name: code for name, code in found.items() if code is not None}
        if found == held and len(known) == len(found):
            return HeldInputs(graph=graph, inputs=inputs, states=known)
        held = dict(known) if found == held else found


def _codes(graph: Graph, given: Mapping[str, InputCode | None]) -> dict[str, InputCode | None]:
    """Return the code of every value that holds elements of those that have one; None of any."""
    codes = dict(given)
    for op in graph.ops:
        if op.passes_on and all(v.name in codes for v in op.operands):
            kinds = {codes[v.name] for v in op.operands} - {None}
            if len(kinds) <= 1:
                codes[op.results[0].name] = next(iter(kinds), None)
    return codes


def _starts_in(graph: Graph, state: State, code: InputCode | None) -> bool:
    """Say whether a code says exactly what a state starts from."""
    if code is None:
        return True
    start = _start(graph, state, code)
    whole = np.all(start == np.rint(start))
    return bool(whole) and code.type.holds(int(start.min()), int(start.max()))


def _start(graph: Graph, state: State, code: InputCode) -> Array:
    return simplest(number(graph, state.initial) / code.step)
