"""Verify a model of many time steps in its own terms: its shapes, its start, its readout."""

from collections.abc import Callable, Mapping

import numpy as np

from mapper.epilogue.model import one_step, reduced
from mapper.frontend import Imported, Port
from mapper.inputs import named
from mapper.ir.core import FLOAT, Array, Type
from mapper.verify.original import Original


def own_inputs(imported: Imported, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return arrays with those that have the model's own shape, time and all, as [T, B, *shape]."""
    states = [state.read.name for state in imported.graph.states]
    found = named(arrays, imported.graph.inputs, states)
    for name in own_shapes(imported):
        port = imported.port(name)
        if name in found and _matches(port, found[name].shape):
            found[name] = port.to_graph(found[name])
    return found


def own_shapes(imported: Imported) -> dict[str, str]:
    """Return in words the shapes that the model itself has for inputs with a time axis."""
    ports = (imported.port(value.name) for value in imported.graph.inputs)
    return {port.name: _dims(port) for port in ports if port.time_axis is not None}


def _matches(port: Port, shape: tuple[int, ...]) -> bool:
    free = (port.time_axis, port.batch_axis)
    return len(shape) == len(port.model_shape) and all(
        n >= 1 and (n == wanted or k in free)
        for k, (n, wanted) in enumerate(zip(shape, port.model_shape, strict=True))
    )


def _dims(port: Port) -> str:
    names = {port.time_axis: "T", port.batch_axis: "B"}
    shown = [names.get(k, str(n)) for k, n in enumerate(port.model_shape)]
    return f"[{', '.join(shown)}]"


def read_out(imported: Imported, found: Mapping[str, Array]) -> dict[str, Array]:
    """Return the model's outputs, made of what each time step gave.

    Args:
        imported: The model.
        found: ``[T, B, *shape]`` by name, as ``evaluate`` returns them.

    Returns:
        ``[T, B, *shape]`` per output that holds every step, ``[1, B, *shape]`` per other. The
        outputs of a model of one step come first, then what else was found.

    Raises:
        MappingError: ``input-shape``, where there are too few steps for an output of one.
    """
    if not imported.readouts and imported.epilogue is None:
        return dict(found)
    answers: dict[str, Array] = {}
    reads: tuple[str, ...] = ()
    if imported.epilogue is not None:
        reads = imported.epilogue.reads
        answers = imported.epilogue.of({name: found[name] for name in reads})
    if not imported.readouts:
        return answers | {name: array for name, array in found.items() if name not in reads}
    outputs = imported.outputs
    return {n: answers[n] if n in answers else _read_out(imported, n, found) for n in outputs}


def _read_out(imported: Imported, name: str, found: Mapping[str, Array]) -> Array:
    readout = imported.readouts[name]
    array = found[readout.source]
    if readout.reduction == "each":
        return array
    if (step := readout.alone(len(array))) is not None:
        return one_step(array, step, name)
    return reduced(array, readout.reduction, readout.scale)


def output_types(imported: Imported) -> dict[str, Type]:
    """Map the model's outputs to what they hold: spikes are counted as numbers once summed."""
    graph, epilogue = imported.graph, imported.epilogue
    held: dict[str, Type] = {v.name: v.type for v in graph.outputs}
    held |= {s.output: s.read.type for s in graph.states if s.output}
    types = {} if epilogue is None else epilogue.types()
    for name in imported.outputs:
        if name not in types:
            readout = imported.readouts[name]
            sums = readout.reduction in ("sum", "mean")
            types[name] = FLOAT if sums else held[readout.source]
    return types


def in_graph(imported: Imported, name: str, array: Array) -> Array:
    """Return an array of a model's output as ``read_out`` shapes it."""
    epilogue = imported.epilogue
    if epilogue is not None and epilogue.whole:
        return epilogue.answer(name).in_graph(array, epilogue.shape(name))
    readout = imported.readouts[name]
    port = imported.port(readout.source)
    if readout.reduction == "each":
        return port.to_graph(array)
    batch = array.size // max(1, int(np.prod(port.graph_shape)))
    return array.reshape(1, batch, *port.graph_shape)


def runs(imported: Imported, inputs: Mapping[str, Array]) -> str:
    """Say why the model's file cannot run a recording ``[T, B, *shape]``; empty if it can."""
    steps = len(next(iter(inputs.values())))
    for name, array in inputs.items():
        if imported.port(name).shown and (array != array[:1]).any():
            return f"the file uses one {name!r} in all steps, the recording changes it"
    if imported.steps in (0, steps):
        return ""
    return f"the file holds {imported.steps} time steps, the recording {steps}"


def by_runtime(
    original: Original,
    imported: Imported,
    inputs: Mapping[str, Array],
    initial: Mapping[str, Array],
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Array]:
    """Run the file as it is, sample by sample, and return what it gives as ``read_out`` does.

    ``tick`` is called after each sample.
    """
    samples: list[dict[str, Array]] = []
    for b in range(next(iter(inputs.values())).shape[1]):
        fed = {n: imported.port(n).to_model(a[:, b : b + 1]) for n, a in inputs.items()}
        starts = {n: imported.port(n).to_model(a[None, b : b + 1])[0] for n, a in initial.items()}
        results = original.once({**fed, **starts})
        samples.append({n: in_graph(imported, n, array) for n, array in results.items()})
        tick()
    return {name: np.concatenate([s[name] for s in samples], 1) for name in samples[0]}
