"""Verify a model of many time steps in its own terms: its shapes, its start, its readout."""

from collections.abc import Callable, Mapping

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend import Imported, Port
from mapper.inputs import named
from mapper.ir.core import FLOAT, Array, Type
from mapper.verify.original import Original

_REDUCED: dict[str, Callable[[Array], Array]] = {
    "sum": lambda array: np.asarray(array.sum(axis=0)),
    "mean": lambda array: np.asarray(array.mean(axis=0)),
    "max": lambda array: np.asarray(array.max(axis=0)),
    "min": lambda array: np.asarray(array.min(axis=0)),
}


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
    if imported.epilogue is not None:
        reads = {name: found[name] for name in imported.epilogue.reads}
        others = {name: array for name, array in found.items() if name not in reads}
        return imported.epilogue.of(reads) | others
    if not imported.readouts:
        return dict(found)
    return {name: _read_out(imported, name, found) for name in imported.readouts}


def _read_out(imported: Imported, name: str, found: Mapping[str, Array]) -> Array:
    readout = imported.readouts[name]
    array = found[readout.source]
    if readout.reduction == "each":
        return array
    if (step := readout.alone(len(array))) is not None:
        if step >= len(array):
            raise refuse(
                "input-shape",
                f"the output {name!r} is of time step {step + 1}, "
                f"the recording has {len(array)} time steps",
                help=f"give recordings of {step + 1} time steps or more",
            )
        return array[step : step + 1]
    reduced = _REDUCED[readout.reduction](array.astype(np.float64))
    return np.asarray(reduced[None] * readout.scale, dtype=np.float32)


def output_types(imported: Imported) -> dict[str, Type]:
    """Map the model's outputs to what they hold: spikes are counted as numbers once summed."""
    graph = imported.graph
    types: dict[str, Type] = {v.name: v.type for v in graph.outputs}
    types |= {s.output: s.read.type for s in graph.states if s.output}
    return {
        name: FLOAT if readout.reduction in ("sum", "mean") else types[readout.source]
        for name, readout in imported.readouts.items()
    }


def in_graph(imported: Imported, name: str, array: Array) -> Array:
    """Return an array of a model's output as ``read_out`` shapes it."""
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
