"""One neuron, spelled in every way that libraries and exporters spell its comparison."""

import numpy as np
import pytest
from onnx import TensorProto

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.network import SumPool2d
from mapper.ir.neurons import Neuron
from tests.frontend.models import assert_equal_to_reference, model, node, saved

NUMBERS = {"half": 0.5, "one": 1.0, "zero": 0.0, "two": 2.0}


def cast(read, written):
    return node("Cast", read, written, to=TensorProto.FLOAT)


def spelled(*nodes, soft=True):
    """``u = v/2 + x``; the nodes make ``s`` of ``u``, or of ``level = u - 1``."""
    after = [node("Sub", "u s", "v_out")]
    if not soft:
        after = [node("Sub", "one s", "kept"), node("Mul", "kept u", "v_out")]
    return model(
        [
            node("Mul", "v half", "less"),
            node("Add", "less x", "u"),
            node("Sub", "u one", "level"),
            *nodes,
            *after,
        ],
        {"x": [1, 6], "v": [1, 6]},
        {"s": [1, 6], "v_out": [1, 6]},
        NUMBERS,
    )


SPELLINGS = {
    "sign, then relu": (True, [node("Sign", "level", "sign"), node("Relu", "sign", "s")]),
    "relu, then sign": (True, [node("Relu", "level", "rest"), node("Sign", "rest", "s")]),
    "heaviside, 1 at 0": (
        False,
        [
            node("Equal", "level zero", "tie"),
            node("Greater", "level zero", "above"),
            cast("above", "step"),
            node("Where", "tie one step", "s"),
        ],
    ),
    "heaviside, 0 at 0": (
        True,
        [
            node("Equal", "level zero", "tie"),
            node("Greater", "level zero", "above"),
            cast("above", "step"),
            node("Where", "tie zero step", "s"),
        ],
    ),
    "passes or ties": (
        False,
        [
            node("Greater", "u one", "above"),
            node("Equal", "u one", "tie"),
            node("Or", "above tie", "fires"),
            cast("fires", "s"),
        ],
    ),
    "threshold on the left": (True, [node("Less", "one u", "fires"), cast("fires", "s")]),
    "not below": (
        False,
        [node("Less", "u one", "below"), node("Not", "below", "fires"), cast("fires", "s")],
    ),
    "chosen numbers": (
        True,
        [node("Greater", "u one", "fires"), node("Where", "fires one zero", "s")],
    ),
}


@pytest.mark.parametrize("soft", [True, False], ids=["soft", "hard"])
@pytest.mark.parametrize(("strict", "nodes"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_comparison_is_read_however_it_is_written(strict, nodes, soft, tmp_path):
    imported = assert_equal_to_reference(saved(spelled(*nodes, soft=soft), tmp_path))
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert neuron.strict is strict
    assert neuron.reset.kind == ("subtract" if soft else "value")


def test_spikes_of_both_signs_are_refused_by_name(tmp_path):
    nodes = [
        node("Greater", "u one", "above"),
        node("Less", "u zero", "below"),
        cast("above", "up"),
        cast("below", "down"),
        node("Sub", "up down", "s"),
    ]
    with pytest.raises(MappingError, match="several spikes a step, or of both signs"):
        import_model(saved(spelled(*nodes), tmp_path))


def test_a_neuron_in_double_precision_is_read_in_single(tmp_path):
    """Half precision has another grid, double precision only more digits."""
    proto = model(
        [
            node("Cast", "v", "v64", to=TensorProto.DOUBLE),
            node("Cast", "x", "x64", to=TensorProto.DOUBLE),
            node("Mul", "v64 leak", "less"),
            node("Add", "less x64", "u"),
            node("Greater", "u limit", "fires"),
            node("Cast", "fires", "s64", to=TensorProto.DOUBLE),
            node("Sub", "u s64", "after"),
            cast("after", "v_out"),
            cast("s64", "s"),
        ],
        {"x": [1, 6], "v": [1, 6]},
        {"s": [1, 6], "v_out": [1, 6]},
        {"leak": np.asarray(0.5), "limit": np.asarray(1.0)},
    )
    assert_equal_to_reference(saved(proto, tmp_path))


def test_a_sum_pool_written_as_a_power_mean_is_a_sum(tmp_path):
    """A mean, its sign times its size, times the area: what power-mean pools export as."""
    plane, pooled = [1, 2, 4, 4], [1, 2, 2, 2]
    proto = model(
        [
            node("Pow", "x one", "powers"),
            node("AveragePool", "powers", "mean", kernel_shape=[2, 2], strides=[2, 2]),
            node("Sign", "mean", "sign"),
            node("Abs", "mean", "size"),
            node("Relu", "size", "rest"),
            node("Mul", "sign rest", "signed"),
            node("Mul", "signed four", "total"),
            node("Pow", "total one", "sum"),
            node("Mul", "v half", "less"),
            node("Add", "less sum", "u"),
            node("GreaterOrEqual", "u one", "fires"),
            cast("fires", "s"),
            node("Sub", "u s", "v_out"),
        ],
        {"x0": plane, "v0": plane, "v": pooled},
        {"s": pooled, "v0_out": plane, "v_out": pooled},
        {**NUMBERS, "four": 4.0},
    )
    first = [
        node("Add", "v0 x0", "u0"),
        node("Greater", "u0 one", "fires0"),
        cast("fires0", "x"),
        node("Sub", "u0 x", "v0_out"),
    ]
    nodes = [*first, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    imported = assert_equal_to_reference(saved(proto, tmp_path))
    assert not any(
        isinstance(op, SumPool2d) and op.result.shape == (2, 4, 4) for op in imported.graph.ops
    )
    assert sum(isinstance(op, Neuron) for op in imported.graph.ops) == 2


def test_a_bias_of_zeros_that_is_typed_like_the_input_is_known(tmp_path):
    proto = model(
        [
            node("Shape", "w", "size", start=0, end=1),
            node("CastLike", "zero x", "typed"),
            node("Expand", "typed size", "bias"),
            node("Conv", "x w bias", "current", kernel_shape=[3, 3]),
            node("Mul", "v half", "less"),
            node("Add", "less current", "u"),
            node("Greater", "u one", "fires"),
            cast("fires", "s"),
            node("Sub", "u s", "v_out"),
        ],
        {"x": [1, 2, 5, 5], "v": [1, 3, 3, 3]},
        {"s": [1, 3, 3, 3], "v_out": [1, 3, 3, 3]},
        {**NUMBERS, "w": np.linspace(-1, 1, 54, dtype=np.float32).reshape(3, 2, 3, 3)},
        opset=18,
    )
    assert_equal_to_reference(saved(proto, tmp_path))
