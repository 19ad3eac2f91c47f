"""``Delay`` nodes: lines of states, each with the value of the one before of a step ago."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend.nir.file import Node
from mapper.frontend.nir.neurons import Shape
from mapper.frontend.write.writer import OpWriter
from mapper.ir.core import Array, State, Type, Value
from mapper.ir.network import Concat, Reshape, Take

MAX_DELAY = 1024
"""Steps of one delay, each of which is a state."""

WHOLE = 1e-6
"""Relative: how far from a whole number of steps a delay may be stored."""


def steps_of(node: Node, dt: float) -> Array:
    """Return how many whole time steps each neuron waits.

    Raises:
        MappingError: ``invalid-model`` for times below 0, ``unsupported-op`` for parts of a step
            and for more than ``MAX_DELAY``.
    """
    delay = node.array("delay")
    if (least := delay.min(initial=0)) < 0:
        told = f"a delay is {least:g}, it must be 0 or more"
        raise refuse("invalid-model", told, loc=node.loc)
    if delay.size == 0:
        raise refuse("invalid-model", "a delay holds no number", loc=node.loc)
    steps = delay / dt
    whole = np.rint(steps)
    wrong = (np.abs(steps - whole) > WHOLE * np.maximum(1, whole)) | (whole > MAX_DELAY)
    if wrong.any():
        worst = int(np.flatnonzero(wrong)[0])
        raise refuse(
            "unsupported-op",
            f"a delay of {delay.flat[worst]:g} is {steps.flat[worst]:g} time steps of "
            f"{dt:g}; whole numbers up to {MAX_DELAY} are supported",
            loc=node.loc,
            help="give the --dt that the delay was written for",
        )
    return np.asarray(whole, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The states of one delay; the first holds what waited longest.

    They are made before what they hold where a cycle goes through them.
    """

    states: tuple[Value, ...]
    steps: Array
    """Of each neuron, or one number for all."""
    loc: str
    new: Callable[[str, Type, Shape], Value]
    """Makes the value of one of the node's results."""

    def arrived(self, out: OpWriter, entered: Sequence[Value] = ()) -> Value:
        """Return what arrives in this step; ``entered`` is what comes in, where that is known."""
        first = self.states[0]
        if (self.steps == self.steps.flat[0]).all():
            return first
        stages, size = (*self.states, *entered), int(np.prod(first.shape))
        try:
            steps = np.broadcast_to(self.steps, first.shape).reshape(-1)
        except ValueError:
            told = f"delays have shape {self.steps.shape}, what waits has {first.shape}"
            raise refuse("invalid-model", told, loc=self.loc) from None
        flat = []
        for stage in stages:
            line = self.new("line", stage.type, (size,))
            out.add(Reshape(loc=self.loc, x=stage, result=line))
            flat.append(line)
        every = self.new("waiting", first.type, (size * len(flat),))
        out.add(Concat(loc=self.loc, parts=tuple(flat), result=every))
        places = (len(self.states) - steps) * size + np.arange(size)
        taken = self.new("taken", first.type, (size,))
        out.add(Take(loc=self.loc, x=every, indices=tuple(map(int, places)), result=taken))
        result = self.new("arrived", first.type, first.shape)
        out.add(Reshape(loc=self.loc, x=taken, result=result))
        return result

    def enter(self, out: OpWriter, x: Value) -> None:
        """Let a value wait: the states of the next step."""
        for read, source in zip(self.states, (*self.states[1:], x), strict=True):
            after = self.new("moved", read.type, read.shape)
            out.add(Reshape(loc=self.loc, x=source, result=after))
            out.states.append(State(read=read, next=after.name))


def line_of(
    steps: Array, type: Type, shape: Shape, loc: str, new: Callable[[str, Type, Shape], Value]
) -> Line:
    """Return the states of a delay of at least one step."""
    states = tuple(new(f"d{k}", type, shape) for k in range(1, int(steps.max()) + 1))
    return Line(states=states, steps=steps, loc=loc, new=new)
