"""What a plan is made of: steps that turn held values into held values.

A step with private states keeps them between calls; all others have no memory.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from mapper.executor.native.held import Held
from mapper.executor.native.layers import NativeLayer
from mapper.executor.native.logic import Logic
from mapper.executor.native.neurons import NeuronTables
from mapper.executor.native.trace import Trace
from mapper.executor.numpy.run import Executor, executor_of
from mapper.ir.core import Array, Graph, Op, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.units import CrossbarLayer, Unit
from mapper.kernels.pool import Pool
from mapper.kernels.structs import NeuronStates

Env = dict[str, Held]


class Ends(TypedDict):
    """The fields that every step has."""

    reads: tuple[str, ...]
    makes: tuple[str, ...]
    private: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Step(ABC):
    """One or two units, run over some time steps at once."""

    reads: tuple[str, ...]
    makes: tuple[str, ...]
    private: tuple[str, ...] = ()
    """States that only this step reads."""

    def start(self, states: Mapping[str, Array]) -> None:  # noqa: B027 - most have no memory
        """Begin a run from ``[B, *shape]`` by name of the private states."""

    @abstractmethod
    def run(self, env: Env, pool: Pool, trace: Trace | None) -> Env:
        """Return what the step makes; ``trace`` is told what kernels count of crossbars."""


@dataclass(slots=True, kw_only=True)
class LayerStep(Step):
    """A crossbar layer, with the neurons behind it where nothing else reads its sums."""

    layer: NativeLayer
    neurons: NeuronTables | None = None
    digital: bool = False
    """Whether it stands for a layer without crossbars."""
    _states: NeuronStates | None = None

    def start(self, states: Mapping[str, Array]) -> None:
        if self.neurons is not None:
            self._states = _started(self.neurons, states)

    def run(self, env: Env, pool: Pool, trace: Trace | None) -> Env:
        layer = self.layer.layer
        x, counted = env[layer.mvm.x.name], None if self.digital else trace
        key = layer.read.key
        keys = None if key is None else env[key.name].as_dense()
        y, made = self.layer.run(x, self.neurons, self._states, pool, counted, keys)
        if self.neurons is not None:
            return self.neurons.held(made)
        return {layer.add.result.name: Held(layer.add.result, last=y)}


@dataclass(slots=True, kw_only=True)
class CountedStep(Step):
    """A packed layer of a die: sums of its cells, and what is taken back of its own wordlines."""

    whole: CrossbarLayer
    cells: NativeLayer
    taken_back: NativeLayer

    def run(self, env: Env, pool: Pool, trace: Trace | None) -> Env:
        x, key = env[self.whole.mvm.x.name], self.whole.read.key
        keys = None if key is None else env[key.name].as_dense()
        sums, _ = self.cells.run(x, None, None, pool, trace, keys)
        own, _ = self.taken_back.run(x, None, None, pool)
        assert sums is not None  # no neurons are behind them
        assert own is not None
        total = (sums.astype(np.int64) + own) >> self.whole.add.shift
        result = self.whole.add.result
        return {result.name: Held(result, last=total.astype(np.int32))}


@dataclass(slots=True, kw_only=True)
class NeuronStep(Step):
    """Neurons behind something that is no crossbar layer of their own."""

    neurons: NeuronTables
    level: int
    _states: NeuronStates | None = None

    def start(self, states: Mapping[str, Array]) -> None:
        self._states = _started(self.neurons, states)

    def run(self, env: Env, pool: Pool, trace: Trace | None) -> Env:
        assert self._states is not None  # started
        made = self.neurons.run(env[self.neurons.op.x.name], self._states, self.level)
        return self.neurons.held(made)


def _started(neurons: NeuronTables, states: Mapping[str, Array]) -> NeuronStates:
    op = neurons.op
    current = None if op.current is None else states[op.current.name]
    return neurons.initial(states[op.membrane.name], current)


@dataclass(slots=True, kw_only=True)
class LogicStep(Step):
    """An op on packed values."""

    result: Value
    logic: Logic

    def run(self, env: Env, pool: Pool, trace: Trace | None) -> Env:
        return {self.result.name: self.logic([env[name] for name in self.reads])}


@dataclass(slots=True, kw_only=True)
class NumpyStep(Step):
    """One unit on the generated NumPy executor."""

    values: tuple[Value, ...]
    """Its operands, each once."""
    results: tuple[Value, ...]
    executor: Executor
    crossbars: CrossbarMvm | None = None
    """Of the unit, for the trace."""

    def run(self, env: Env, pool: Pool, trace: Trace | None) -> Env:
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
        executor=executor_of(program),
        crossbars=next((op for op in ops if isinstance(op, CrossbarMvm)), None),
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


@dataclass(slots=True, kw_only=True)
class DelayStep(Step):
    """A state that others read: what it was given in the step before."""

    state: Value
    following: str
    _carried: Held | None = None

    def start(self, states: Mapping[str, Array]) -> None:
        self._carried = Held(self.state, dense=states[self.state.name][None])

    @property
    def carried(self) -> Held:
        assert self._carried is not None
        return self._carried

    def run(self, env: Env, pool: Pool, trace: Trace | None) -> Env:
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
