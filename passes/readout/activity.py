"""Activity of the wordlines of each layer: from recordings, layer after layer, or random."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from mapper.ir.core import Array, Constants, Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate, initial_states
from mapper.ir.strips import evaluate_in_strips
from mapper.ir.windows import wordline_inputs

_VECTORS = 256
"""Samples of a layer's wordlines that calibration looks at."""

_FRAMES = 64
"""Frames (a time step of a recording) they are drawn from."""


def made_up_bits(op: CrossbarMvm, wordlines: int, density: float, seed: int) -> Array:
    """Return random digits ``[M, groups, K]`` for a layer of which no data is known.

    Every bit that a wordline carries is 1 with probability ``density``.
    """
    return _made_up(op.groups, wordlines, op.most_driven.bit_length(), density, seed)


@lru_cache(maxsize=16)
def _made_up(groups: int, wordlines: int, bits: int, density: float, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    shape = (_VECTORS // 4, groups, wordlines)
    drawn = [rng.random(shape) < density for _ in range(bits)]
    found = sum(
        (bit.astype(np.uint8) << at for at, bit in enumerate(drawn)), np.zeros(shape, np.uint8)
    )
    found.flags.writeable = False
    return found


def drawn_bits(op: CrossbarMvm, frames: Array, seed: int) -> Array:
    """Return digits ``[M, groups, K]`` drawn from positions and planes of ``frames[F, *shape]``."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(frames))[:_FRAMES]
    each = -(-_VECTORS // len(chosen))
    vectors = [_vectors(op, frames[f : f + 1], each, rng) for f in chosen]
    codes = np.concatenate(vectors)
    planes = [plane.digit(codes) for plane in op.bit_planes]
    return np.concatenate(planes).astype(np.uint8)


def _vectors(op: CrossbarMvm, frame: Array, count: int, rng: np.random.Generator) -> Array:
    inputs = wordline_inputs(frame, op.window, op.groups)[0]
    flat = inputs.reshape(*inputs.shape[:2], -1)
    positions = rng.integers(0, flat.shape[2], count)
    vectors: Array = flat[:, :, positions].transpose(2, 0, 1)
    return vectors


Evaluates = Callable[[Sequence[Op], Constants, Mapping[str, Array]], Array]
"""As ``layer_as_defined``: the ops of a layer, constants, and frames of what it reads."""


def layer_as_defined(ops: Sequence[Op], constants: Constants, frames: Mapping[str, Array]) -> Array:
    """Evaluate a layer with its readout on every frame.

    Args:
        ops: Its partial sums first, then counts of active wordlines, its read, what adds up.
        constants: Of the graph.
        frames: What the layer reads, ``[T, B, *shape]`` by name.

    Returns:
        ``[T, B, *shape]`` of what the layer leaves.
    """
    steps = len(next(iter(frames.values())))
    at = ({name: held[t] for name, held in frames.items()} for t in range(steps))
    return np.stack([evaluate_in_strips(ops, constants, given) for given in at])


@dataclass
class Activity:
    """The values of a network on calibration data, filled in op by op.

    It is of ``steps`` time steps of ``batch`` samples; ``frames`` holds each value that is read
    later as ``[T, B, *shape]``. Ops are added in execution order, already lowered, so a layer sees
    what the layers before it will really send.
    """

    graph: Graph
    steps: int
    batch: int
    frames: dict[str, Array] = field(default_factory=dict)
    layer: Evaluates = layer_as_defined
    """Evaluates a layer with its readout."""

    @classmethod
    def start(
        cls, graph: Graph, samples: Mapping[str, Array], layer: Evaluates = layer_as_defined
    ) -> "Activity":
        """Begin with the network's inputs ``[T, B, *shape]`` and what the step before left."""
        given = {v.name: samples[v.name].astype(np.int64) for v in graph.inputs}
        steps, batch = next(iter(given.values())).shape[:2]
        activity = cls(graph, steps, batch, given, layer)
        looped = [s for s in graph.states if not _written_by_reader(graph, s.read.name, s.next)]
        if looped:
            exact = evaluate(graph, activity.frames, watch=[s.next for s in looped])
            starts = initial_states(graph, batch, {})
            for s in looped:
                activity.frames[s.read.name] = _delayed(exact[s.next], starts[s.read.name])
        return activity

    def flat(self, name: str) -> Array:
        """Return a value with time and batch merged: ``[F, *shape]``."""
        held = self.frames[name]
        return held.reshape(-1, *held.shape[2:])

    def run(self, ops: list[Op], keep: set[str], constants: Constants) -> None:
        """Evaluate a few consecutive ops on every frame; remember the results named in ``keep``."""
        outside = {v.name for op in ops for v in op.operands}
        outside -= {v.name for op in ops for v in op.results}
        if len(ops) > 1 and isinstance(ops[0], CrossbarMvm) and outside <= self.frames.keys():
            found = self.layer(ops, constants, {name: self.frames[name] for name in outside})
            self.frames.update(dict.fromkeys(keep & {ops[-1].results[0].name}, found))
            return
        states = {s.read.name: s for s in self.graph.states}
        own = {v.name for op in ops for v in op.operands if v.name not in self.frames} & set(states)
        held = {n: a for n, a in initial_states(self.graph, self.batch, {}).items() if n in own}
        record: dict[str, list[Array]] = {name: [] for name in keep}
        for t in range(self.steps):
            env = self._step(ops, t, held, constants)
            held = {name: env[states[name].next] for name in own}
            for name in keep:
                record[name].append(env[name])
        self.frames.update({name: np.stack(arrays) for name, arrays in record.items()})

    def forget(self, names: Iterable[str]) -> None:
        """Let go of values that nothing reads any more: those of a large network are many."""
        for name in names:
            self.frames.pop(name, None)

    def _step(
        self, ops: list[Op], t: int, held: Mapping[str, Array], constants: Constants
    ) -> dict[str, Array]:
        env = dict(held)
        if len(ops) > 1 and isinstance(ops[0], CrossbarMvm):  # a layer with its readout
            read = {v.name for op in ops for v in op.operands} & self.frames.keys()
            given = env | {name: self.frames[name][t] for name in read}
            return env | {ops[-1].results[0].name: evaluate_in_strips(ops, constants, given)}
        for op in ops:
            names = [v.name for v in op.operands]
            operands = [env[n] if n in env else self.frames[n][t] for n in names]
            results = op.evaluate(constants, *operands)
            env.update(zip((v.name for v in op.results), results, strict=True))
        return env


def _written_by_reader(graph: Graph, read: str, written: str) -> bool:
    readers = [op for op in graph.ops if read in {v.name for v in op.operands}]
    return all(written in {v.name for v in op.results} for op in readers)


def _delayed(values: Array, start: Array) -> Array:
    return np.concatenate([start[None], values[:-1]])
