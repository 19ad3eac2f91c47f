"""Run the original model file, step by step, with an independent engine."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from mapper.diagnostics import refuse
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
        states = {s.read.name: s.output for s in import_model(path).graph.states}
    step = _engine(model, path)
    ports = _ports(model)
    held = {name: _start(ports[name], (initial or {}).get(name)) for name in states}
    length = len(next(iter(inputs.values())))
    record: dict[str, list[Array]] = {port.name: [] for port in model.graph.output}
    for t in range(length):
        fed = {n: _cast(inputs[n][t], port[0]) for n, port in ports.items() if n in inputs}
        unused = {n: _start(port, None) for n, port in ports.items() if n not in {*fed, *held}}
        results = step({**fed, **held, **unused})
        held = {n: _cast(results[output], ports[n][0]) for n, output in states.items()}
        for name, array in results.items():
            record[name].append(array)
    return {name: np.stack(arrays) for name, arrays in record.items()}


Port = tuple[np.dtype[np.generic], tuple[int, ...]]


def _ports(model: ModelProto) -> dict[str, Port]:
    known = {tensor.name for tensor in model.graph.initializer}
    ports: dict[str, Port] = {}
    for port in model.graph.input:
        if port.name not in known:
            kind = port.type.tensor_type
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type or TensorProto.FLOAT))
            ports[port.name] = (dtype, tuple(max(1, d.dim_value) for d in kind.shape.dim))
    return ports


def _start(port: Port, given: Array | None) -> Array:
    dtype, shape = port
    return np.zeros(shape, dtype) if given is None else _cast(given, dtype)


def _cast(array: Array, dtype: np.dtype[np.generic]) -> Array:
    return np.ascontiguousarray(array, dtype=dtype)


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
    names = [output.name for output in session.get_outputs()]
    reads = {port.name for port in session.get_inputs()}

    def step(arrays: Mapping[str, Array]) -> dict[str, Array]:
        fed = {name: array for name, array in arrays.items() if name in reads}
        return dict(zip(names, session.run(names, fed), strict=True))

    return step


def _reference(model: ModelProto, path: Path) -> Step:
    try:
        evaluator = ReferenceEvaluator(model)
    except Exception as error:  # whatever the reference lacks
        raise refuse(
            "no-reference", f"no engine here runs the model: {error}", loc=path.name
        ) from error
    names = [port.name for port in model.graph.output]

    def step(arrays: Mapping[str, Array]) -> dict[str, Array]:
        results = evaluator.run(names, dict(arrays))
        return {name: np.asarray(array) for name, array in zip(names, results, strict=True)}

    return step
