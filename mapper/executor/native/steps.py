"""What a plan is made of: steps that turn held values into held values.

A step with private states keeps them between calls; all others have no memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mapper.executor.fusion import CrossbarLayer, Unit
from mapper.executor.generate import generate_executor
from mapper.executor.native.held import Held
from mapper.executor.native.layers import NativeLayer
from mapper.executor.native.logic import Logic
from mapper.executor.native.neurons import NeuronTables
from mapper.executor.native.pool import Pool
from mapper.executor.run import Executor, load_executor
from mapper.ir.core import Array, Graph, Op, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm

Env = dict[str, Held]


class Step(Protocol):
    """One or two units, run over some time steps at once."""

    reads: tuple[str, ...]
    makes: tuple[str, ...]

    @property
    def private(self) -> tuple[str, ...]:
        """States that only this step reads, by name."""

    def start(self, states: Mapping[str, Array]) -> None:
        """Begin a run from ``[B, *shape]`` by name of the private states."""

    def run(self, env: Env, pool: Pool) -> Env:
        """Return what the step makes."""


@dataclass(slots=True)
class LayerStep:
    """A crossbar layer, with the neurons behind it where nothing else reads its sums."""

    layer: NativeLayer
    neurons: NeuronTables | None
    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    digital: bool = False
    """Whether it stands for a layer without crossbars."""
    _states: dict[str, Array] = field(default_factory=dict)

    def start(self, states: Mapping[str, Array]) -> None:
        if self.neurons is not None:
            self._states = _started(self.neurons, states)

    def run(self, env: Env, pool: Pool) -> Env:
        layer = self.layer.layer
        y, made = self.layer.run(env[layer.mvm.x.name], self.neurons, self._states, pool)
        if self.neurons is not None:
            return self.neurons.held(made)
        return {layer.add.result.name: Held(layer.add.result, last=y)}


@dataclass(slots=True)
class NeuronStep:
    """Neurons behind something that is no crossbar layer of their own."""

    neurons: NeuronTables
    level: int
    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    _states: dict[str, Array] = field(default_factory=dict)

    def start(self, states: Mapping[str, Array]) -> None:
        self._states = _started(self.neurons, states)

    def run(self, env: Env, pool: Pool) -> Env:
        made = self.neurons.run(env[self.neurons.op.x.name], self._states, self.level)
        return self.neurons.held(made)


def _started(neurons: NeuronTables, states: Mapping[str, Array]) -> dict[str, Array]:
    op = neurons.op
    current = None if op.current is None else states[op.current.name]
    return neurons.initial(states[op.membrane.name], current)


@dataclass(slots=True)
class LogicStep:
    """An op on packed values."""

    result: Value
    logic: Logic
    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    def start(self, states: Mapping[str, Array]) -> None:
        pass

    def run(self, env: Env, pool: Pool) -> Env:
        return {self.result.name: self.logic([env[name] for name in self.reads])}


@dataclass(slots=True)
class NumpyStep:
    """One unit on the generated NumPy executor."""

    values: tuple[Value, ...]
    """Its operands, each once."""
    results: tuple[Value, ...]
    executor: Executor
    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    def start(self, states: Mapping[str, Array]) -> None:
        pass

    def run(self, env: Env, pool: Pool) -> Env:
        dense = {v.name: env[v.name].as_dense() for v in self.values}
        leading = next(iter(dense.values())).shape[:2]
        # Nothing here remembers the step before, so time steps are samples like any others.
        samples = {name: a.reshape(-1, *a.shape[2:]) for name, a in dense.items()}
        outputs, _ = self.executor.network.step(samples, {})
        return {
            value.name: Held(value, dense=outputs[value.name].reshape(*leading, *value.shape))
            for value in self.results
        }


def numpy_step(graph: Graph, unit: Unit) -> NumpyStep:
    """Generate a NumPy program of one unit."""
    ops = _ops_of(graph, unit)
    values = tuple(dict.fromkeys(unit.operands))
    program = Graph(
        name="unit",
        inputs=values,
        outputs=tuple(unit.results),
        ops=ops,
        constants={c.name: graph.constants[c.name] for op in ops for c in op.constants},
    )
    return NumpyStep(
        values=values,
        results=tuple(unit.results),
        executor=load_executor(generate_executor(program), program.constants),
        reads=tuple(v.name for v in values),
        makes=tuple(v.name for v in unit.results),
    )


def _ops_of(graph: Graph, unit: Unit) -> tuple[Op, ...]:
    """Return the ops of a unit, in order, with the counts of wordlines inside it."""
    if not isinstance(unit, CrossbarLayer):
        return (unit,)
    own: list[Op] = [unit.mvm, unit.read, unit.add]
    given = {v.name for op in own for v in op.operands}
    return tuple(
        op
        for op in graph.ops
        if op in own or (isinstance(op, CountActive) and op.active.name in given)
    )


@dataclass(slots=True)
class DelayStep:
    """A state that others read: what it was given in the step before."""

    state: Value
    following: str
    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    _carried: Held | None = None

    def start(self, states: Mapping[str, Array]) -> None:
        self._carried = Held(self.state, dense=states[self.state.name][None])

    @property
    def carried(self) -> Held:
        assert self._carried is not None
        return self._carried

    def run(self, env: Env, pool: Pool) -> Env:
        """Delay all of a feed-forward value; feedback calls ``keep`` step by step instead."""
        given = renamed(env[self.following], self.state)
        steps = given.leading[0]
        before = self.carried
        self.keep(given.steps(steps - 1, steps))
        if steps == 1:
            return {self.state.name: before}
        return {self.state.name: _both(before, given.steps(0, steps - 1))}

    def keep(self, given: Held) -> None:
        self._carried = renamed(given, self.state)


def _both(first: Held, rest: Held) -> Held:
    if rest.packed is not None:
        parts = [first.as_packed(), rest.packed]
        return Held(first.value, packed=np.concatenate(parts, axis=1))
    return Held(first.value, dense=np.concatenate([first.as_dense(), rest.as_dense()]))


def renamed(held: Held, value: Value) -> Held:
    return Held(value, held.packed, held.last, held.dense)


def crossbars_of(unit: Unit) -> Sequence[CrossbarMvm]:
    """Return the crossbars of a unit, for the trace."""
    if isinstance(unit, CrossbarLayer):
        return (unit.mvm,)
    return (unit,) if isinstance(unit, CrossbarMvm) else ()
