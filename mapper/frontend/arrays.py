"""Say of a model of many time steps how its arrays relate to those of one step."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from mapper.epilogue.model import Epilogue
from mapper.frontend.result import Imported, Port
from mapper.frontend.time.flatten import step_shape
from mapper.frontend.time.sequence import Sequence
from mapper.ir.core import Array, Const, Graph, IntType, Scalar, State
from mapper.layout import Presentation


def in_time(found: Imported, reading: Sequence) -> Imported:
    """Return an imported step with the clock, start and readout of the model it is a step of."""
    ports = tuple(_ports(found, reading))
    steps = 0 if reading.open else reading.clock.length
    return replace(
        found,
        graph=_started(found.graph, reading.step.starts),
        time_form=reading.form,
        ports=ports,
        warnings=(*found.warnings, *_left_behind(reading.step.starts)),
        notes=(*found.notes, *(_shown_note(name, reading) for name in sorted(reading.clock.shown))),
        readouts=reading.step.readouts,
        steps=steps,
        presented=_presented(found.graph, ports, steps),
        epilogue=None if found.epilogue is None else _over_time(found.epilogue, reading),
    )


def _over_time(epilogue: Epilogue, reading: Sequence) -> Epilogue:
    """Return an epilogue of one step that says what the model's outputs are of all steps."""
    if epilogue.whole:
        return epilogue
    readouts = reading.step.readouts
    return replace(
        epilogue,
        answers=tuple(
            replace(
                answer,
                over_time=readouts[answer.name].reduction,
                scale=readouts[answer.name].scale,
                step=readouts[answer.name].step,
            )
            for answer in epilogue.answers
        ),
    )


def _left_behind(starts: Mapping[str, Array]) -> Iterator[str]:
    """Warn of states that start from numbers of their own, which no design asks for."""
    for name, array in starts.items():
        if array.min() < array.max():
            yield (
                f"{name!r} starts from numbers that the file holds ({array.min():g} to "
                f"{array.max():g}) and runs as the file does: an earlier run has left them there; "
                "reset the network before the export, or take the newer exporter"
            )


def _presented(graph: Graph, ports: Iterable[Port], steps: int) -> Presentation:
    """Return which inputs of a model are images, and which have samples before time."""
    held = {port.name: port for port in ports}
    inputs = [held[value.name] for value in graph.inputs]
    images = (port.name for port in inputs if port.shown)
    first = (port.name for port in inputs if port.batch_axis == 0 and port.time_axis)
    whole = (port.name for port in inputs if _is_batch_of_one(port))
    return Presentation(steps, tuple(images), tuple(first), tuple(whole))


def _is_batch_of_one(port: Port) -> bool:
    """Say whether an image that the model takes as a whole is ``[1, N]`` or ``[1, C, H, W]``.

    Three axes are channels, height and width, as ``[1, 28, 28]``.
    """
    whole = port.shown and port.batch_axis is None
    return whole and len(port.model_shape) in (2, 4) and port.model_shape[0] == 1


def _started(graph: Graph, starts: Mapping[str, Array]) -> Graph:
    """Return a graph whose states start from arrays of the model."""
    constants = dict(graph.constants)
    states = tuple(_state(state, starts, constants) for state in graph.states)
    return replace(graph, states=states, constants=constants)


def _state(state: State, starts: Mapping[str, Array], constants: dict[str, Array]) -> State:
    array = starts.get(state.read.name)
    if array is None or not array.any():
        return state
    kind = np.int64 if isinstance(state.read.type, IntType) else np.float32
    array = array.reshape(state.read.shape).astype(kind)
    initial: Scalar = array.reshape(-1)[0].item()
    if (array != initial).any():
        name = f"{state.read.name}.initial"
        constants[name] = array
        initial = Const(name)
    return replace(state, initial=initial)


def _shown_note(name: str, reading: Sequence) -> str:
    return (
        f"{name!r} has no time axis: each of the {reading.clock.length} time steps of the file "
        "uses all of it"
    )


def _ports(found: Imported, reading: Sequence) -> Iterator[Port]:
    for port in found.ports:
        axis = reading.clock.axes.get(port.name)
        readout = reading.step.readouts.get(port.name)
        if axis is not None:
            yield _timed(port, reading.shapes[port.name], axis)
        elif readout is None:
            yield replace(port, shown=port.name in reading.clock.shown)
        elif readout.axis is not None:
            yield _timed(port, readout.shape, readout.axis)
        else:
            yield replace(port, model_shape=readout.shape)


def _timed(port: Port, shape: tuple[int, ...], axis: int) -> Port:
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    batch = None if len(step_shape(one, axis)) == len(shape) else int(axis == 0)
    return replace(port, model_shape=shape, batch_axis=batch, time_axis=axis)
