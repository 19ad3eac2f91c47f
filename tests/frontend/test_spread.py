"""Large constants of one number are held as one number, before anything copies them."""

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from mapper.frontend.onnx.fold import is_one_number, of_one_number
from mapper.frontend.onnx.spread import spread_constants
from tests.frontend.models import model, node

SHAPE = (3, 50, 40)


def with_constant(array: np.ndarray, opset: int = 17) -> ModelProto:
    nodes = [
        node("Constant", "", "zeros", value=numpy_helper.from_array(array)),
        node("Add", "x zeros", "y"),
    ]
    return model(nodes, {"x": SHAPE}, {"y": SHAPE}, opset=opset)


def first_op(found: ModelProto) -> str:
    return found.graph.node[0].op_type


@pytest.mark.parametrize("number", [0.0, 1.5, -0.0])
def test_a_large_constant_of_one_number_is_small(number):
    array = np.full(SHAPE, number, np.float32)
    given = with_constant(array)
    found = spread_constants(with_constant(array))
    checker.check_model(found, full_check=True)
    assert first_op(found) == "ConstantOfShape"
    assert found.ByteSize() < 1000 < array.nbytes < given.ByteSize()
    inputs = {"x": np.full(SHAPE, -0.0, np.float32)}
    (first,), (second,) = (ReferenceEvaluator(m).run(None, inputs) for m in (given, found))
    assert first.tobytes() == second.tobytes()


def test_every_other_constant_stays():
    last = np.zeros(SHAPE, np.float32)
    last[-1, -1, -1] = -0.0
    middle = np.zeros(SHAPE, np.float32)
    middle[1, 2, 3] = 1
    small = np.zeros((1, 50, 40), np.float32)
    for array in (last, middle, small, np.zeros(SHAPE, np.float16)):
        assert first_op(spread_constants(with_constant(array))) == "Constant"
    assert first_op(spread_constants(with_constant(np.zeros(SHAPE, np.float32), 8))) == "Constant"


def test_a_tensor_that_is_shorter_than_it_says_stays():
    given = with_constant(np.zeros(SHAPE, np.float32))
    (value,) = given.graph.node[0].attribute
    value.t.dims[0] = 4
    assert first_op(spread_constants(given)) == "Constant"
    value.t.dims[:] = [-3, -50, 40]
    assert first_op(spread_constants(given)) == "Constant"


def test_a_name_that_is_taken_stays_its_owners():
    given = with_constant(np.zeros(SHAPE, np.float32))
    given.graph.input.append(helper.make_tensor_value_info("zeros.shape", TensorProto.FLOAT, SHAPE))
    assert first_op(spread_constants(given)) == "Constant"


def test_one_number_is_told_from_several_by_its_bits():
    zeros = np.zeros(SHAPE)
    assert is_one_number(of_one_number(zeros))
    assert is_one_number(of_one_number(of_one_number(zeros)))
    assert np.array_equal(of_one_number(zeros), zeros)
    for place in ((0, 0, 0), (1, 2, 3), (-1, -1, -1)):
        signed = zeros.copy()
        signed[place] = -0.0
        assert of_one_number(signed) is signed
