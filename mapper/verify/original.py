"""Run the original model file, step by step, with an independent engine."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from mapper.diagnostics import refuse
from mapper.frontend.imported import import_model
from mapper.frontend.nir import is_nir
from mapper.frontend.onnx.engine import Step, engine, engine_for
from mapper.frontend.onnx.load import read_model
from mapper.frontend.result import Imported
from mapper.ir.core import Array


@dataclass(frozen=True, slots=True)
class Original:
    """A model file with an engine that runs it: read and started once, for any recordings."""

    model: ModelProto
    _step: Step
    _ports: Mapping[str, "_Port"]

    def over_time(
        self, inputs: Mapping[str, Array], initial: Mapping[str, Array], states: Mapping[str, str]
    ) -> dict[str, Array]:
        """Step a model of one time step; see ``run_reference``."""
        record: dict[str, list[Array]] = {port.name: [] for port in self.model.graph.output}
        for step in self.steps(inputs, initial, states):
            for name, arrays in record.items():
                arrays.append(step[name])
        return {name: np.stack(arrays) for name, arrays in record.items()}

    def steps(
        self, inputs: Mapping[str, Array], initial: Mapping[str, Array], states: Mapping[str, str]
    ) -> Iterator[dict[str, Array]]:
        """Yield what each time step reads and returns, by name; see ``run_reference``."""
        ports = self._ports
        length, batch = _extent(inputs, ports)
        held = {n: _start(ports[n], batch, initial.get(n)) for n in states}
        for t in range(length):
            fed = {n: _cast(inputs[n][t], port) for n, port in ports.items() if n in inputs}
            unused = {n: _start(p, batch, None) for n, p in ports.items() if n not in {*fed, *held}}
            results = self._step({**fed, **held, **unused})
            yield {**fed, **held, **results}
            held = {n: _cast(results[output], ports[n]) for n, output in states.items()}

    def once(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Run a model of many time steps; see ``run_whole``."""
        ports = self._ports.items()
        fed = {n: _cast(arrays[n], p) if n in arrays else _start(p, 1, None) for n, p in ports}
        return self._step(fed)


def read_original(path: Path | str, imported: Imported | None = None) -> Original:
    """Read a model file and start the engine that runs it: ONNX Runtime, or the ONNX reference.

    Args:
        path: The file.
        imported: What was read of it: a file of several samples at once runs in batches of them.

    Raises:
        MappingError: The file cannot be read, or ``no-reference``: no engine here can run it.
    """
    path = Path(path)
    if is_nir(path):
        raise refuse(
            "no-reference",
            "no engine here runs NIR files: compare with expected_<output> arrays",
            loc=path.name,
        )
    model = read_model(path)
    step, ports = engine_for(model, path), _ports(model)
    if imported is None or imported.at_once == 1:
        return Original(model, step, ports)
    axes = imported.sample_axes
    opened = {n: replace(p, shape=_opened(p.shape, axes[n])) for n, p in ports.items()}
    return Original(model, in_batches(step, imported.at_once, axes), opened)


def in_batches(step: Step, count: int, axes: Mapping[str, int]) -> Step:
    """Return what runs any number of samples on a model that takes ``count`` of them at once."""

    def run(arrays: Mapping[str, Array]) -> dict[str, Array]:
        name = next(name for name in arrays if name in axes)
        samples = arrays[name].shape[axes[name]]
        parts: list[dict[str, Array]] = []
        for start in range(0, samples, count):
            rows = np.minimum(np.arange(start, start + count), samples - 1)
            found = step({n: a.take(rows, axes[n]) for n, a in arrays.items()})
            kept = range(min(count, samples - start))
            parts.append({n: a.take(kept, axes[n]) for n, a in found.items()})
        return {n: np.concatenate([part[n] for part in parts], axes[n]) for n in parts[0]}

    return run


def _opened(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 0, *shape[axis + 1 :])


def watching(model: ModelProto, tensors: Iterable[str], where: Path) -> Original:
    """Return a model that also returns tensors inside it, in the engine that runs it.

    Tensors of subgraphs are left out: nothing outside sees them.

    Raises:
        MappingError: ``no-reference``: no engine here can run it.
    """
    wide = ModelProto()
    wide.CopyFrom(model)
    made = {name for node in model.graph.node for name in node.output}
    known = {port.name for port in model.graph.output}
    inner = sorted(made.intersection(tensors) - known)
    wide.graph.output.extend(ValueInfoProto(name=name) for name in inner)
    return Original(wide, engine(wide, where), _ports(wide))


def run_reference(
    path: Path | str,
    inputs: Mapping[str, Array],
    initial: Mapping[str, Array] | None = None,
    states: Mapping[str, str] | None = None,
) -> dict[str, Array]:
    """Step a model over time with ONNX Runtime, or where that refuses with the ONNX reference.

    Args:
        path: A model of one time step.
        inputs: An array ``[T, *model shape]`` per input that is not a state.
        initial: Start values ``[*model shape]`` of states by input name; zeros otherwise.
        states: Which output is fed back to which input, by input name; found by importing
            the model where it is not given.

    Returns:
        ``[T, *model shape]`` per output of the model, states included.

    Raises:
        MappingError: The file cannot be read, or ``no-reference``: no engine here can run it.
    """
    imported = import_model(path) if states is None else None
    original = read_original(path, imported)
    fed_back = imported.fed_back if imported is not None else states or {}
    return original.over_time(inputs, initial or {}, fed_back)


def run_whole(path: Path | str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Run a model of many time steps once, as it is.

    Args:
        path: The model.
        arrays: By input name, in the model's shapes; zeros where an input is missing.

    Raises:
        MappingError: The file cannot be read, or ``no-reference``: no engine here can run it.
    """
    return read_original(path).once(arrays)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Port:
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    """0 where the model leaves the size open: the batch."""


def _ports(model: ModelProto) -> dict[str, _Port]:
    known = {tensor.name for tensor in model.graph.initializer}
    ports: dict[str, _Port] = {}
    for port in model.graph.input:
        if port.name not in known:
            kind = port.type.tensor_type
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type or TensorProto.FLOAT))
            shape = tuple(max(0, dim.dim_value) for dim in kind.shape.dim)
            ports[port.name] = _Port(dtype=dtype, shape=shape)
    return ports


def _extent(inputs: Mapping[str, Array], ports: Mapping[str, _Port]) -> tuple[int, int]:
    """Return the number of steps, and the batch where the model leaves it open."""
    name = next(name for name in ports if name in inputs)
    array = inputs[name]
    is_open = ports[name].shape[:1] == (0,)
    return len(array), array.shape[1] if is_open else 1


def _start(port: _Port, batch: int, given: Array | None) -> Array:
    shape = tuple(n or batch for n in port.shape)
    return np.zeros(shape, port.dtype) if given is None else _cast(given, port).reshape(shape)


def _cast(array: Array, port: _Port) -> Array:
    return np.ascontiguousarray(array, dtype=port.dtype)
