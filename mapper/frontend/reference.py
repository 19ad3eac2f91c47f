"""Run the original model file, step by step, with an independent engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.imported import import_model
from mapper.frontend.inline import KNOWN
from mapper.frontend.load import nodes_of, read_model
from mapper.ir.core import Array

Step = Callable[[Mapping[str, Array]], dict[str, Array]]
"""One run of the file: arrays by input name in, by output name out."""


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
    path = Path(path)
    model = read_model(path)
    if states is None:
        states = import_model(path).fed_back
    step = _engine(model, path)
    ports = _ports(model)
    length, batch = _extent(inputs, ports)
    held = {n: _start(ports[n], batch, (initial or {}).get(n)) for n in states}
    record: dict[str, list[Array]] = {port.name: [] for port in model.graph.output}
    for t in range(length):
        fed = {n: _cast(inputs[n][t], port) for n, port in ports.items() if n in inputs}
        unused = {n: _start(p, batch, None) for n, p in ports.items() if n not in {*fed, *held}}
        results = step({**fed, **held, **unused})
        held = {n: _cast(results[output], ports[n]) for n, output in states.items()}
        for name, array in results.items():
            record[name].append(array)
    return {name: np.stack(arrays) for name, arrays in record.items()}


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


def _engine(model: ModelProto, path: Path) -> Step:
    for node in nodes_of(model):
        if (node.domain, node.op_type) in KNOWN and node.domain != "com.microsoft":
            raise refuse(
                "no-reference",
                f"no engine here runs {node.domain}::{node.op_type}",
                loc=f"{path.name}:{node.name}",
                help="compare with expected outputs from the library that trained the model",
            )
    import onnxruntime  # takes a while to load; most commands never run a model file

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Fused quantised kernels round once where the file says twice; the file is the reference.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # its complaints come back as exceptions
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception:  # it raises classes of its own that have no common base
        return _reference(model, path)
    return _Runtime(session, model, path).step


class _Runtime:
    """ONNX Runtime, until it fails on a file that it agreed to run."""

    def __init__(self, session: Any, model: ModelProto, path: Path) -> None:
        self._run = session.run
        self._names = [output.name for output in session.get_outputs()]
        self._reads = {port.name for port in session.get_inputs()}
        self._other: Step | None = None
        self._source = (model, path)

    def step(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        if self._other is not None:
            return self._other(arrays)
        fed = {name: array for name, array in arrays.items() if name in self._reads}
        try:
            return dict(zip(self._names, self._run(self._names, fed), strict=True))
        except Exception:  # it raises classes of its own that have no common base
            self._other = _reference(*self._source)
            return self._other(arrays)


def _reference(model: ModelProto, path: Path) -> Step:
    names = [port.name for port in model.graph.output]

    def step(arrays: Mapping[str, Array]) -> dict[str, Array]:
        results = evaluator.run(names, dict(arrays))
        return {name: np.asarray(array) for name, array in zip(names, results, strict=True)}

    def guarded(arrays: Mapping[str, Array]) -> dict[str, Array]:
        try:
            return step(arrays)
        except Exception as error:  # the reference raises whatever its NumPy code meets
            raise _no_engine(error, path) from error

    try:
        evaluator = ReferenceEvaluator(model)
    except Exception as error:  # whatever the reference lacks
        raise _no_engine(error, path) from error
    return guarded


def _no_engine(error: Exception, path: Path) -> MappingError:
    reason = f"no engine here runs the model: {str(error)[:200]}"
    return refuse("no-reference", reason, loc=path.name)
