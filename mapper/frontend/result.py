"""What reading a model file gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mapper.epilogue.model import Epilogue
from mapper.frontend.onnx.located import Located
from mapper.frontend.time.step import Readout
from mapper.ir.core import Array, Graph
from mapper.layout import IN_STEPS, Presentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input, output or state of the model, and how its arrays relate to the graph's."""

    name: str
    model_shape: tuple[int, ...]
    """As the file says, batch axis included (1 where the file leaves it open)."""
    graph_shape: tuple[int, ...]
    """Without the batch axis, and without time."""
    batch_axis: int | None
    """The axis of ``model_shape`` that is the batch; None if the model has none."""
    time_axis: int | None = None
    """The axis of ``model_shape`` that is time, in a model of many time steps."""
    shown: bool = False
    """An image without a time axis, in a model of many time steps that all read it."""

    def to_graph(self, array: Array) -> Array:
        """Turn an array of the model into one of the graph.

        Args:
            array: ``[T, *model shape]`` of a port of one step; ``[*model shape]`` with any number
                of time steps of one that has a time axis.

        Returns:
            ``[T, B, *graph shape]``.
        """
        if self.time_axis is not None:
            array = np.moveaxis(array, self.time_axis, 0)
        batch = self._batch(array)
        return array.reshape(array.shape[0], batch, *self.graph_shape)

    def _batch(self, array: Array) -> int:
        if self.batch_axis is None:
            return 1
        late = self.time_axis is not None and self.time_axis > self.batch_axis
        return int(array.shape[self.batch_axis + (self.time_axis is None or late)])

    def to_model(self, array: Array) -> Array:
        """Turn an array of the graph ``[T, B, *graph shape]`` back into one of the model.

        Of an image, which must be the same in all steps, that is the first step.
        """
        if self.shown:
            shape = self.model_shape if self.batch_axis is None else array.shape[1:]
            return np.reshape(array[0], shape)
        if self.time_axis is None:
            if self.batch_axis is not None:
                return array
            return array.reshape(array.shape[0], *self.model_shape)
        rest = [n for k, n in enumerate(self.model_shape) if k != self.time_axis]
        if self.batch_axis is not None:
            rest[self.batch_axis - (self.time_axis < self.batch_axis)] = array.shape[1]
        return np.moveaxis(array.reshape(array.shape[0], *rest), 0, self.time_axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A model as a graph of one time step."""

    graph: Graph
    time_form: str
    """How the file holds time: ``step`` (one step with its state as inputs and outputs),
    ``unrolled``, ``sequence`` (a time axis throughout), ``loop``, ``scan``, or several."""
    producer: str
    opset: int | None
    """None for a NIR file."""
    ports: tuple[Port, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    readouts: Mapping[str, Readout] = field(default_factory=dict)
    """How each output of a model of many time steps follows from the graph's; empty for a step."""
    steps: int = 0
    """Time steps that the file holds; 0 where that is open, or the file holds one step."""
    at_once: int = 1
    """Samples that the file itself takes at once, none less and none more; one of them is read."""
    sample_axes: Mapping[str, int] = field(default_factory=dict)
    """Where they are in each input and output of the file; empty where that takes one, or any."""
    unreturned: Mapping[str, str] = field(default_factory=dict)
    """States that the file returns and the network does not: output by name of the state."""
    located: Mapping[str, Located] = field(default_factory=dict)
    """Which tensor of the file, or of one step of it, holds which value of the graph."""
    presented: Presentation = IN_STEPS
    """How the model takes its inputs, which decides what the arrays of a recording mean."""
    epilogue: Epilogue | None = None
    """What the host computes of the graph's outputs to give those of the model; None where they
    are the same."""
    trained_for: str = ""
    """The target that the network was trained for, where it was: then it holds integers, and layers
    come with their crossbars and references."""

    @property
    def fed_back(self) -> dict[str, str]:
        """Which output of the file is the next value of which of its state inputs."""
        returned = {s.read.name: s.output for s in self.graph.states if s.output}
        return {**returned, **self.unreturned}

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs of a model of many time steps, in its order."""
        if self.epilogue is not None and self.epilogue.whole:
            return tuple(answer.name for answer in self.epilogue.answers)
        return tuple(self.readouts)

    def port(self, name: str) -> Port:
        """Return the port of an input, an output, a state input or a state output."""
        return next(port for port in self.ports if port.name == name)
