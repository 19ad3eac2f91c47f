"""Run a hardware graph on the native kernels: the same integers as the definition."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from math import prod

import numpy as np

from mapper.diagnostics import refuse
from mapper.executor.base import Arrays, Generated, Progress, Traced, check_watched, ports_of
from mapper.executor.names import check_distinct, check_names
from mapper.executor.native.again import planned_again
from mapper.executor.native.held import Held, joined, layout, pack, words
from mapper.executor.native.logic import MOST_PLANES
from mapper.executor.native.plan import Component, Plan, make_plan
from mapper.executor.native.steps import CountedStep, DelayStep, Env, LayerStep, NumpyStep
from mapper.executor.native.trace import Trace, joined_parts, packed_spikes
from mapper.ir.activity import counted_shapes
from mapper.ir.core import SPIKE, Array, Graph, IntType, State, param
from mapper.ir.evaluate import recorded_names
from mapper.ir.neurons import IntegerNeuron
from mapper.kernels import core
from mapper.kernels.pool import Pool

_Record = dict[str, list[Array]]

CHUNK_BYTES = 48 << 20
"""Of a network's packed values: so many time steps are run layer by layer at once."""


class NativeExecutor:
    """A planned graph, ready to run on any inputs.

    Results do not depend on the number of threads or the processor: every step is exact.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        watch: Sequence[str] = (),
        threads: int | None = None,
        level: int | None = None,
    ) -> None:
        """Plan a graph that has passed ``check_graph``.

        Args:
            graph: The network, in integers.
            watch: Names of further values to return.
            threads: How many threads share the work; as many as there are processors if None.
            level: Index into ``core.VARIANTS``; the processor's best if None.

        Raises:
            MappingError: ``backend-unavailable`` where the kernels were not built,
                ``not-hardware`` for floats, ``unknown-value`` for a watched name.
        """
        if core.unavailable():
            raise refuse("backend-unavailable", core.unavailable(), help="use --backend numpy")
        self.graph = graph
        self.ports = ports_of(graph)
        _check_values(graph, watch)
        self.level = core.best_level() if level is None else level
        self.plan: Plan = make_plan(graph, self.level, watch)
        self.threads, self.watch = threads, tuple(watch)
        neurons = [op for op in graph.ops if isinstance(op, IntegerNeuron)]
        self._octets = _held_octets(graph)
        self._spikes = {op.spike.name for op in neurons if op.spike is not None}
        self._kept_packed = {op.spike.name for op in neurons if op.spike and op.levels.is_spike}

    def again(self, graph: Graph) -> "NativeExecutor":
        """Return an executor of another die of the same build.

        Only crossbars and readouts are packed anew where nothing else differs; any other graph is
        planned by itself. Both executors may run at the same time.
        """
        plan = planned_again(self.plan, graph, self.level)
        if plan is None:
            return NativeExecutor(graph, watch=self.watch, threads=self.threads, level=self.level)
        made = copy(self)
        made.graph, made.plan = graph, plan
        return made

    @property
    def variant(self) -> str:
        """The instructions that its kernels use."""
        return core.VARIANTS[self.level]

    @property
    def notes(self) -> tuple[str, ...]:
        """What runs on NumPy, and why."""
        return tuple(map(str, self.plan.notes))

    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Arrays:
        """Run as every engine does."""
        return self._run(inputs, initial, progress, None)

    def packed(self, inputs: Mapping[str, Array]) -> Env:
        """Check inputs and pack them once, for runs of any die of the build that takes them."""
        return self._checked(inputs, {})[0]

    def run_packed(self, inputs: Mapping[str, Array | Held]) -> Traced:
        """Run, and keep watched spikes as they are packed between layers: nothing is counted.

        Inputs may be of ``packed``.
        """
        own, values = {value.name for value in self.graph.outputs}, self.plan.outputs
        spikes: _Record = {name: [] for name in self.watch if name in self._kept_packed}
        outputs: _Record = {name: [] for name in values if name in own or name not in spikes}
        for env in self._parts(inputs, {}, None, None):
            for name, parts in spikes.items():
                parts.append(packed_spikes(env[values[name]]))
            for name, parts in outputs.items():
                parts.append(env[values[name]].as_dense())
        return Traced(outputs=joined_parts(outputs), spikes=joined_parts(spikes))

    def prepared(self, inputs: Mapping[str, Array]) -> Callable[[], Env]:
        """Return a call that runs all time steps at once from packed inputs: for benchmarks.

        Inputs are checked and packed before, and outputs stay packed, as between layers. Each call
        goes on from the states of the one before.
        """
        given, states = self._checked(inputs, {})
        for held in given.values():
            held.as_packed()
        for step in self.plan.steps:
            step.start(states)
        pool = Pool(1)
        return lambda: self._advanced(dict(given), pool, None)

    def trace(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Traced:
        """Run and count what is active; spikes are kept as they are packed between layers."""
        check_distinct(name for name, _ in counted_shapes(self.graph))
        trace = Trace(self.level)
        return trace.traced(self._run(inputs, initial, progress, trace))

    def _run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None,
        progress: Progress | None,
        trace: Trace | None,
    ) -> Arrays:
        record: _Record = {name: [] for name in self.plan.outputs}
        for env in self._parts(inputs, initial or {}, progress, trace):
            for name, value in self.plan.outputs.items():
                record[name].append(env[value].as_dense())
        return joined_parts(record)

    def _parts(
        self,
        inputs: Mapping[str, Array | Held],
        initial: Mapping[str, Array],
        progress: Progress | None,
        trace: Trace | None,
    ) -> Iterator[Env]:
        """Yield what is recorded of some time steps after the other."""
        given, states = self._checked(inputs, initial)
        steps, batch = next(iter(given.values())).leading
        for step in self.plan.steps:
            step.start(states)
        pool = Pool(self.threads)
        try:
            size = self._chunk(batch)
            for first in range(0, steps, size):
                last = min(first + size, steps)
                part = {name: held.steps(first, last) for name, held in given.items()}
                yield self._advanced(part, pool, trace)
                if progress is not None:
                    progress(last)
        finally:
            pool.close()

    def _checked(
        self, inputs: Mapping[str, Array | Held], initial: Mapping[str, Array]
    ) -> tuple[Env, Arrays]:
        """Check arrays as every engine does, but pack those that are good at once."""
        given = self._packed(inputs)
        if given is None:
            plain = {n: h.as_dense() if isinstance(h, Held) else h for n, h in inputs.items()}
            arrays = self.ports.checked_inputs(plain)
            given = {v.name: Held(v, dense=arrays[v.name]) for v in self.graph.inputs}
        batch = next(iter(given.values())).leading[1]
        if initial:
            return given, self.ports.checked_states(initial, batch)
        return given, {s.read.name: _start(self.graph, s, batch) for s in self.graph.states}

    def _packed(self, inputs: Mapping[str, Array | Held]) -> Env | None:
        """Check and pack plain arrays at once; None for all others, good or bad."""
        if inputs.keys() != {value.name for value in self.graph.inputs}:
            return None
        held: Env = {}
        for value, port in zip(self.graph.inputs, self.ports.inputs, strict=True):
            codes, shape = inputs[value.name], value.shape
            if isinstance(codes, Held):  # of ``packed``
                held[value.name] = codes
                continue
            if not _is_plain(codes) or codes.shape[2:] != shape or codes.ndim != len(shape) + 2:
                return None
            if port.high - port.low >= 1 << MOST_PLANES:  # of more use as numbers
                if codes.min() < port.low or codes.max() > port.high:
                    return None
                held[value.name] = Held(value, dense=codes)
                continue
            packed = pack(codes, value, port.low, port.high)
            if packed is None:
                return None
            held[value.name] = Held(value, packed=packed, dense=codes)
        return held if len({h.leading for h in held.values()}) == 1 else None

    def _chunk(self, batch: int) -> int:
        """Return how many time steps are run at once."""
        return max(1, CHUNK_BYTES // (batch * max(1, self._octets)))

    def _advanced(self, env: Env, pool: Pool, trace: Trace | None) -> Env:
        """Run every component on the values there are; return those that are recorded."""
        if trace is not None:
            for value in self.graph.inputs:
                trace.note_spikes(env[value.name])
        for component in self.plan.components:
            if component.recurrent:
                env |= _looped(component, env, pool, trace)
            else:
                env |= component.steps[0].run(env, pool, trace)
            if trace is not None:
                _note_component(trace, component, env, self._spikes)
            for name in component.dead:
                env.pop(name, None)
        return env


def _is_plain(codes: object) -> bool:
    """Say whether numbers lie as the kernels read them."""
    if not isinstance(codes, np.ndarray) or codes.dtype != np.int64 or codes.size == 0:
        return False
    return codes.flags.c_contiguous and codes.flags.aligned


def _held_octets(graph: Graph) -> int:
    """Return the bytes that the values of one step and sample take, between layers."""
    ops = [op for op in graph.ops if not op.inside_layer]
    fired = [v for op in ops for v in op.results if v.type == SPIKE]
    octets = sum(8 * words(c) * h * w for c, h, w in (layout(v.shape) for v in fired))
    return octets + 8 * sum(prod(v.shape) for v in graph.inputs)


def _start(graph: Graph, state: State, batch: int) -> Array:
    """Return what a state holds before the first step; a view where it is one number."""
    start = param(graph.constants, state.initial, state.read.type)
    return np.broadcast_to(start, (batch, *state.read.shape))


def _looped(component: Component, env: Env, pool: Pool, trace: Trace | None) -> Env:
    """Run a loop step by step."""
    inside = {name for step in component.steps for name in step.makes}
    outside = {n for step in component.steps for n in step.reads} - inside
    steps = env[next(iter(outside))].leading[0] if outside else _length(env)
    parts: dict[str, list[Held]] = {}
    delays = [step for step in component.steps if isinstance(step, DelayStep)]
    for t in range(steps):
        now: Env = {name: env[name].steps(t, t + 1) for name in outside}
        now |= {delay.state.name: delay.carried for delay in delays}
        for step in component.steps:
            if not isinstance(step, DelayStep):
                now |= step.run(now, pool, trace)
        for delay in delays:
            delay.keep(now[delay.following])
        for name in inside & now.keys():
            parts.setdefault(name, []).append(now[name])
    return {name: joined(held) for name, held in parts.items()}


def _length(env: Env) -> int:
    return next(iter(env.values())).leading[0]


def _note_component(trace: Trace, component: Component, env: Env, spikes: set[str]) -> None:
    for step in component.steps:
        if isinstance(step, LayerStep) and not step.digital:
            mvm = step.layer.layer.mvm
            if mvm.cell_rows == mvm.rows:  # reads were counted as it ran
                trace.note_wordlines(mvm, env[mvm.x.name])
            else:  # kernels count what other groups drive, too
                trace.note_crossbars(mvm, env[mvm.x.name])
        elif isinstance(step, CountedStep):
            trace.note_crossbars(step.whole.mvm, env[step.whole.mvm.x.name])
        elif isinstance(step, NumpyStep) and step.crossbars is not None:
            trace.note_crossbars(step.crossbars, env[step.crossbars.x.name])
        for name in spikes.intersection(step.makes):
            trace.note_spikes(env[name])


def _check_values(graph: Graph, watch: Sequence[str]) -> None:
    """Refuse what is not of integers, and names that no engine takes."""
    check_watched(graph, watch)
    values = [value for op in graph.ops for value in op.results]
    for value in values:
        if not isinstance(value.type, IntType):
            raise refuse("not-hardware", f"{value.name!a} is {value.type}, not an integer")
    counts = [name for name, _ in counted_shapes(graph)]
    states = [state.read.name for state in graph.states]
    check_names([*recorded_names(graph, watch), *counts, *states])


@dataclass(frozen=True, slots=True)
class NativeEngine:
    """Compiled kernels, and NumPy for what they do not cover: the fastest by far."""

    name: str = "native"

    def unavailable(self) -> str:
        """Say why there are no kernels."""
        return core.unavailable()

    def prepare(
        self,
        graph: Graph,
        *,
        watch: Sequence[str] = (),
        threads: int | None = None,
        generated: Generated | None = None,
    ) -> NativeExecutor:
        """Plan a graph; nothing that is generated of it is of use here."""
        return NativeExecutor(graph, watch=watch, threads=threads)
