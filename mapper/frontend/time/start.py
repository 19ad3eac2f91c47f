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
from mapper.frontend.time.cut import live_steps
from mapper.frontend.time.flatten import Clock
from mapper.frontend.time.reroll import Rolled
from mapper.frontend.time.step import StepModel, Writer
from mapper.frontend.time.tensors import Known, NoStartError, Part, Shape, Slot, TimeFormError
from mapper.ir.core import Array

TOLERANCE = 2e-6
"""Relative to the greatest value: a product that was folded was rounded once more or less."""
_DENSITIES = (0.0, 0.2, 0.6)
_BUMP = 2.0**-6
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
        self.run = engine(step.proto)
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

    def _first_step(self) -> "_Runner":
        """Return what computes the states after the first step of the model."""
        writer = Writer(self.rolled.tape, list(self.step.opened))
        for slot, (name, t) in self.rolled.tape.times.items():
            if t == 0:
                writer.read(slot, name, self.clock.step_shape(name, slot.shape))
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
        if self._fits(zeros):
            return zeros
        found = self._solved(zeros)
        if not self._fits(found):
            raise NoStartError(
                "its first step is computed in another way than the others, and no state to start "
                "from explains it (such as a bias of recurrent weights that it leaves out)",
                help="run the first step like the others: start from a state of zeros",
            )
        return found

    def _fits(self, start: Arrays) -> bool:
        return all(
            _close(found, trial.expected[name])
            for trial in self.trials
            for name, found in self.run({**trial.inputs, **start}).items()
            if name in trial.expected
        )

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


def _close(found: Array, expected: Array) -> bool:
    if found.size != expected.size:
        return False
    mine, theirs = found.reshape(-1).astype(float), expected.reshape(-1).astype(float)
    allowed = TOLERANCE * float(np.abs(theirs).max(initial=0.0))
    return bool(np.all(np.abs(mine - theirs) <= allowed))
