"""What a canonical file is held against: the graph that it was written from."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto

from mapper.exchange.canonical import from_model, plain, to_model
from mapper.executor.onnx.lowered import Interface
from mapper.ir.core import FLOAT, Array, Graph, State, Value
from mapper.ir.evaluate import evaluate, initial_states
from mapper.ir.neurons import Neuron
from mapper.ir.verify import check_graph
from tests.networks import spikes


def assert_same_graph(found: Graph, wanted: Graph) -> None:
    assert found == wanted
    assert list(found.constants) == list(wanted.constants)  # the order they have in the file


def stepped(model: ModelProto, graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a file over time in ONNX Runtime as it is; the interface says what is fed back."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # Fusing a layer with the scale after it rounds once where the file says twice.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    interface = Interface.of(model)
    batch = next(iter(inputs.values())).shape[1]
    starts = initial_states(graph, batch, {})
    held = {port.tensor: starts[port.name].astype(np.float32) for port in interface.states}
    names = [output.name for output in session.get_outputs()]
    returned = {port.name: port.tensor for port in interface.outputs}
    returned |= {port.output: port.following for port in interface.states if port.output}
    record: dict[str, list[Array]] = {name: [] for name in returned}
    for t in range(len(next(iter(inputs.values())))):
        fed = {port.tensor: inputs[port.name][t].astype(np.float32) for port in interface.inputs}
        found = dict(zip(names, session.run(names, {**fed, **held}), strict=True))
        held = {port.tensor: found[port.following] for port in interface.states}
        for name, tensor in returned.items():
            record[name].append(found[tensor])
    return {name: np.stack(arrays) for name, arrays in record.items()}


def assert_runs_as_defined(model: ModelProto, graph: Graph, inputs: Mapping[str, Array]) -> None:
    expected, found = evaluate(graph, inputs), stepped(model, graph, inputs)
    types = {v.name: v.type for v in graph.outputs}
    types |= {s.output: s.read.type for s in graph.states if s.output}
    assert set(found) == set(expected)
    for name, array in expected.items():
        # Layers are summed in single precision by an engine, in double by the definition.
        allowed = 1e-5 * np.abs(array).max(initial=0) if types[name] == FLOAT else 0
        assert np.abs(found[name] - array.astype(np.float64)).max() <= allowed, name


def assert_round_trip(graph: Graph, inputs: Mapping[str, Array] | None = None) -> ModelProto:
    """Write, check, run and read a graph; return the file."""
    check_graph(graph, "the test")
    model = to_model(graph)
    onnx.checker.check_model(model, full_check=True)
    read = from_model(model)
    assert read is not None
    assert_same_graph(read[0], plain(graph))
    assert_runs_as_defined(model, graph, spikes(graph) if inputs is None else inputs)
    return model


def one_op(shape, make, constants=None, type=FLOAT) -> Graph:
    """``x -> op -> y -> integrator``."""
    x = Value("x0", type, shape)
    op = make(x)
    v, after = Value("v", FLOAT, op.result.shape), Value("v_out", FLOAT, op.result.shape)
    integrator = Neuron(x=op.result, membrane=v, membrane_next=after)
    return Graph(
        name="one",
        inputs=(x,),
        outputs=(op.result,),
        states=(State(read=v, next="v_out", output="v_out"),),
        ops=(op, integrator),
        constants=constants or {},
    )
