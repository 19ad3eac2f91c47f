"""Types that ONNX does not allow are refused by name, whatever the operator."""

import numpy as np
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.onnx.types import type_problems


def neuron(kind, array, *, operator="MatMul"):
    """Return ``x -> operator with weights of a type -> leaky neuron``."""
    tensor = nh.from_array(array, "W")
    tensor.data_type = kind
    nodes = [
        h.make_node(operator, ["x", "W"], ["y"], name="fc"),
        h.make_node("Mul", ["v", "leak"], ["vl"]),
        h.make_node("Add", ["vl", "y"], ["vn"]),
        h.make_node("GreaterOrEqual", ["vn", "thr"], ["c"]),
        h.make_node("Cast", ["c"], ["s"], to=T.FLOAT),
        h.make_node("Mul", ["s", "thr"], ["st"]),
        h.make_node("Sub", ["vn", "st"], ["v_out"]),
    ]
    ports = {n: h.make_tensor_value_info(n, T.FLOAT, [1, 4]) for n in ("x", "v", "s", "v_out")}
    stored = [nh.from_array(np.float32(0.5), "leak"), nh.from_array(np.float32(1), "thr"), tensor]
    graph = h.make_graph(nodes, "g", [ports["x"], ports["v"]], [ports["s"], ports["v_out"]], stored)
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=9)


FOREIGN = {
    "complex64": (T.COMPLEX64, np.full((4, 4), 0.25 + 7j, np.complex64)),
    "complex128": (T.COMPLEX128, np.full((4, 4), 0.25 + 7j, np.complex128)),
    "bool": (T.BOOL, np.ones((4, 4), np.bool_)),
    "int8": (T.INT8, np.ones((4, 4), np.int8)),
    "double": (T.DOUBLE, np.ones((4, 4))),
    "int64": (T.INT64, np.ones((4, 4), np.int64)),
}


@pytest.mark.parametrize("operator", ["MatMul", "Gemm", "Mul", "Add"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_weights_of_a_type_that_onnx_does_not_allow_are_refused(tmp_path, kind, operator):
    number, array = FOREIGN[kind]
    path = tmp_path / "m.onnx"
    path.write_bytes(neuron(number, array, operator=operator).SerializeToString())
    with pytest.raises(MappingError) as refused:
        import_model(path)
    (told,) = refused.value.diagnostics
    assert told.code == "invalid-model"
    assert f"{operator} 'fc' is given 'W', tensor({kind})" in told.message


def test_the_same_model_in_single_precision_is_supported(tmp_path):
    path = tmp_path / "m.onnx"
    weights = np.full((4, 4), 0.25, np.float32)
    path.write_bytes(neuron(T.FLOAT, weights).SerializeToString())
    assert not list(type_problems(neuron(T.FLOAT, weights)))
    assert import_model(path).graph.ops


def test_a_type_is_followed_through_operators_and_into_bodies():
    body = h.make_graph(
        [h.make_node("Add", ["deep", "x"], ["sum"])],
        "then",
        [],
        [h.make_tensor_value_info("sum", T.DOUBLE, None)],
    )
    nodes = [
        h.make_node("Cast", ["x"], ["wide"], to=T.DOUBLE),
        h.make_node("Relu", ["wide"], ["deep"]),
        h.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body),
    ]
    ports = [h.make_tensor_value_info("x", T.FLOAT, [1]), h.make_tensor_value_info("c", T.BOOL, [])]
    graph = h.make_graph(nodes, "g", ports, [h.make_tensor_value_info("wide", T.FLOAT, [1])])
    found = list(type_problems(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])))
    assert found == [
        *["Add '' is given 'x', tensor(float), beside tensor(double): ONNX wants both of one type"]
        * 2,
        "output 'wide' is said to be tensor(float), but is tensor(double)",
    ]


def test_what_other_domains_do_with_types_is_theirs():
    node = h.make_node("Anything", ["x"], ["y"], domain="some.body")
    ports = [h.make_tensor_value_info(name, T.COMPLEX64, [1]) for name in ("x", "y")]
    graph = h.make_graph([node], "g", ports[:1], ports[1:])
    assert not list(type_problems(h.make_model(graph)))
