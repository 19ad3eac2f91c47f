"""Work out what a rolled model starts from, where the exporter folded its first step.

An exporter computes what it can of the first step: ``leak * 0`` is gone, and a start that is not
zero has become some other constant. What the first step computes is still there, so the start
is solved for: zeros are tried first, then a few Newton steps per element. A start is taken only
if one step from it gives what the model gives, on random inputs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mapper.diagnostics import MappingError
from mapper.frontend.onnx.engine import engine
from mapper.frontend.time.cut import levels_of, live_steps
from mapper.frontend.time.flatten import Clock
from mapper.frontend.time.reroll import Rolled
from mapper.frontend.time.step import StepModel, Writer
from mapper.frontend.time.tensors import Known, NoStartError, Part, Shape, Slot, TimeFormError
from mapper.ir.core import Array

TOLERANCE = 2e-6
"""Relative to the greatest value in any trial: a folded product is rounded once more or less."""
_DENSITIES = (0.0, 0.2, 0.6)
_BUMP = 2.0**-6
_LOW = -8.0
"""A membrane at which no neuron fires, whatever one step adds."""
_ROUNDED = 1e-5
"""Of a start that is worked out far below itself: what rounding leaves, and no spike."""
_STORED = 16
"""Constants of a state's size that are tried as its start."""
_SWEEPS = 2
"""Through all states: a membrane may be solved for before the current that it adds."""
Arrays = dict[str, Array]


def started(rolled: Rolled, clock: Clock, step: StepModel) -> StepModel:
    """Return the step model with what its states start from.

    Raises:
        TimeFormError: No start gives what the model computes in its first step.
    """
    if rolled.is_started:
        return step
    try:
        return replace(step, starts=_Search(rolled, clock, step).start())
    except MappingError as error:  # of an engine, about a model that is ours
        raise TimeFormError(
            "its first step is folded, and no engine here runs a step to find what it starts from",
        ) from error


@dataclass(frozen=True, eq=False, slots=True)
class _Trial:
    """One random input, and what the model makes of it in its first step."""

    inputs: Arrays
    expected: Arrays


class _Search:
    def __init__(self, rolled: Rolled, clock: Clock, step: StepModel) -> None:
        self.rolled, self.clock, self.step = rolled, clock, step
        self.run = engine(step.whole())
        self.names = list(step.states)
        first = self._first_step()
        rng = np.random.default_rng(0)
        self.trials = []
        for density in _DENSITIES:
            inputs = {
                name: (rng.random(shape) < density).astype(np.float32)
                for name, shape in step.opened.items()
                if name not in step.states
            }
            self.trials.append(_Trial(inputs, first(inputs)))
        greatest = {
            name: max(float(np.abs(trial.expected[name]).max(initial=0.0)) for trial in self.trials)
            for name in self.trials[0].expected
        }
        self.allowed = {name: TOLERANCE * value for name, value in greatest.items()}
        self.constants = _read_at_first(rolled)

    def _first_step(self) -> "_Runner":
        """Return what computes the states after the first step of the model."""
        writer = Writer(self.rolled.tape, list(self.step.opened))
        for slot, (name, t) in self.rolled.tape.times.items():
            if t == 0:
                writer.read(slot, name, self.clock.step_shape(name, slot.shape))
        for slot in self.rolled.tape.nothing.values():
            writer.hold(slot, self.rolled.tape.starts[slot])
        wanted = {
            self.step.states[name]: memory.first
            for name, memory in zip(self.names, self.rolled.memories, strict=True)
        }
        wanted |= {
            want.name: first
            for (want, _), first in zip(self.rolled.outputs, self.rolled.firsts, strict=True)
            if want.reduction == "each"
        }
        found = {name: part for name, part in wanted.items() if part is not None}
        if self.rolled.tape.given or _reads_more(writer, found.values()):
            raise TimeFormError("its first step differs from the others")
        return _Runner(writer, found)

    def start(self) -> Arrays:
        zeros = {name: np.zeros(self.step.opened[name], np.float32) for name in self.names}
        ways = (lambda: zeros, lambda: self._stored(zeros), lambda: self._silent(zeros))
        for found in (*ways, lambda: self._solved(zeros)):
            if self._fits(start := found()):
                return start
        raise NoStartError(
            "its first step is computed in another way than the others, and no state to start "
            "from explains it (such as a bias of recurrent weights that it leaves out)",
            help="run the first step like the others: start from a state of zeros",
        )

    def _fits(self, start: Arrays) -> bool:
        return all(
            _close(found, trial.expected[name], self.allowed[name])
            for trial in self.trials
            for name, found in self.run({**trial.inputs, **start}).items()
            if name in trial.expected
        )

    def _stored(self, start: Arrays) -> Arrays:
        """Try numbers that the first step reads: a run before the export left its states there.

        An exporter multiplies them by the leak where it can.
        """
        for name in self.names:
            chosen = self._misses(name, start)
            leak = self._leak(name, start)
            for array in self.constants.get(start[name].size, [])[:_STORED]:
                for divisor in (1.0, leak):
                    other = (array.reshape(start[name].shape) / divisor).astype(np.float32)
                    misses = self._misses(name, {**start, name: other})
                    if misses < chosen:
                        chosen, start = misses, {**start, name: other}
        return start

    def _misses(self, name: str, start: Arrays) -> int:
        """Count the numbers of a state that another start would give in the first step."""
        off = 0
        for trial in self.trials:
            differ = np.abs(self._next(trial, start)[name] - self._target(trial, name))
            off += int((differ > self.allowed[self.step.states[name]]).sum())
        return off

    def _leak(self, name: str, start: Arrays) -> float:
        """Return what a state far below every threshold keeps of itself, or 1."""
        low = np.full_like(start[name], _LOW)
        base, lower = (
            self._next(self.trials[0], {**start, name: at})[name] for at in (low, 2 * low)
        )
        slope = float(np.median((lower - base) / _LOW))
        return slope if slope > 0 else 1.0

    def _silent(self, start: Arrays) -> Arrays:
        """Solve for the start of one state after the other, as if no neuron fired.

        A neuron that fires is lower afterwards: had it not fired, its start would have been lower
        still. So the greatest of what the trials give is the start, where it is silent in one.
        """
        for name in self.names * _SWEEPS:
            found = [self._start_in(trial, name, start) for trial in self.trials]
            start = {**start, name: np.max(found, axis=0).astype(np.float32)}
        return start

    def _start_in(self, trial: _Trial, name: str, start: Arrays) -> Array:
        low = np.full_like(start[name], _LOW)
        base, lower = (
            self._next(trial, {**start, name: at})[name].astype(float) for at in (low, 2 * low)
        )
        slope = (lower - base) / _LOW
        target = self._target(trial, name)
        found = _LOW + (target - base) / np.where(slope, slope, 1.0)
        near = self._next(trial, {**start, name: found.astype(np.float32)})[name].astype(float)
        left = np.where(np.abs(target - near) < _ROUNDED, target - near, 0.0)
        found = found.astype(np.float32) + left / np.where(slope, slope, 1.0)
        return np.where(slope, found, start[name])

    def _solved(self, start: Arrays) -> Arrays:
        """Solve per element for the start of the states that others of their shape depend on."""
        trial = self.trials[0]
        for _ in range(4):
            base = self._next(trial, start)
            off = {name: self._target(trial, name) - base[name] for name in self.names}
            for shape in {self.step.opened[name] for name in self.names}:
                group = [name for name in self.names if self.step.opened[name] == shape]
                start = {**start, **self._improved(trial, start, base, off, group)}
            if self._fits(start):
                break
        return start

    def _target(self, trial: _Trial, name: str) -> Array:
        return trial.expected[self.step.states[name]].reshape(self.step.opened[name])

    def _next(self, trial: _Trial, start: Arrays) -> Arrays:
        results = self.run({**trial.inputs, **start})
        return {name: results[output] for name, output in self.step.states.items()}

    def _improved(
        self, trial: _Trial, start: Arrays, base: Arrays, off: Arrays, group: Sequence[str]
    ) -> Arrays:
        slopes = np.zeros((*start[group[0]].shape, len(group), len(group)))
        for column, name in enumerate(group):
            bumped = self._next(trial, {**start, name: start[name] + np.float32(_BUMP)})
            for row, other in enumerate(group):
                slopes[..., row, column] = (bumped[other].astype(float) - base[other]) / _BUMP
        misses = np.stack([off[name].astype(float) for name in group], -1)
        moves = np.einsum("...ij,...j->...i", np.linalg.pinv(slopes), misses)
        return {
            name: (start[name] + moves[..., k]).astype(np.float32) for k, name in enumerate(group)
        }


def _read_at_first(rolled: Rolled) -> dict[int, list[Array]]:
    """Return the numbers that nodes of the first step read, by how many they are, in order."""
    levels = levels_of(rolled.tape)
    found: dict[int, list[Array]] = {}
    for step in rolled.tape.steps:
        if levels[step.outputs[0]] > 0:
            continue
        for part in step.inputs:
            if isinstance(part, Known) and part.array.dtype.kind == "f" and part.array.any():
                found.setdefault(part.array.size, []).append(part.array)
    return found


def _reads_more(writer: Writer, parts: Iterable[Part]) -> bool:
    """Say whether parts hang on anything that the writer does not read, such as a later input."""
    slots = [part for part in parts if isinstance(part, Slot)]
    steps = live_steps(writer.tape, slots)
    read = {*slots, *(slot for step in steps for slot in step.slots)}
    return not read <= {*writer.names, *writer.tape.maker}


class _Runner:
    """Computes parts of the tape; those that are constants too."""

    def __init__(self, writer: Writer, parts: Mapping[str, Part]) -> None:
        self.known = {n: p.array for n, p in parts.items() if isinstance(p, Known)}
        slots = {n: p for n, p in parts.items() if isinstance(p, Slot)}
        self.shapes: dict[str, Shape] = {n: p.shape for n, p in parts.items()}
        writer.compute(list(slots.values()))
        for name, slot in slots.items():
            writer.write(slot, writer.fresh(f"{name}.first"), slot.shape)
        self.names = list(slots)
        self.run = engine(writer.model()) if slots else None

    def __call__(self, inputs: Arrays) -> Arrays:
        found = {} if self.run is None else self.run(inputs)
        return {**self.known, **dict(zip(self.names, found.values(), strict=True))}


def _close(found: Array, expected: Array, allowed: float) -> bool:
    if found.size != expected.size:
        return False
    mine, theirs = found.reshape(-1).astype(float), expected.reshape(-1).astype(float)
    return bool(np.all(np.abs(mine - theirs) <= allowed))
