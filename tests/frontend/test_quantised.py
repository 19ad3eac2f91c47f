"""Quantised models: weights stay integers, activations are rounded, spikes stay spikes."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.core import SPIKE
from tests.frontend.models import (
    NUMBERS,
    assert_equal_to_reference,
    leaky,
    model,
    node,
    one_neuron_layer,
    saved,
)

RNG = np.random.default_rng(0)
CODES = RNG.integers(-7, 8, (4, 3)).astype(np.int8)
KERNEL = RNG.integers(-127, 128, (4, 2, 3, 3)).astype(np.int8)
BIAS = np.array([0.1, -0.2, 0.3, 0.0], np.float32)


def weighted(nodes, weights, x=(1, 3), v=(1, 4)):
    return model(
        [*nodes, *leaky("current", "v", "s", "v_out")],
        {"x": x, "v": v},
        {"s": v, "v_out": v},
        {**weights, **NUMBERS},
    )


def ops_of(proto, folder):
    imported = assert_equal_to_reference(saved(proto, folder))
    return imported.graph.ops, imported.graph.constants


def test_weights_stay_integers_and_a_scale_follows(tmp_path):
    nodes = [node("DequantizeLinear", "q step", "w"), node("Gemm", "x w b", "current", transB=1)]
    proto = weighted(nodes, {"q": CODES, "step": 0.25, "b": BIAS})
    (linear, scale, _), constants = ops_of(proto, tmp_path)
    assert constants[linear.weight.name].tolist() == CODES.tolist()
    assert constants[linear.weight.name].dtype == np.int8
    assert linear.bias is None
    assert scale.factor == 0.25
    assert constants[scale.offset.name].tolist() == BIAS.tolist()


def test_floats_that_are_rounded_in_the_file_become_integers(tmp_path):
    """How brevitas exports four bits: round to eight, clip to four, back to floats."""
    reals = CODES * np.float32(0.5) + np.float32(0.1)
    nodes = [
        node("QuantizeLinear", "w step zero", "wide"),
        node("Clip", "wide low high", "narrow"),
        node("DequantizeLinear", "narrow step zero", "w2"),
        node("Gemm", "x w2", "current", transB=1),
    ]
    limits = {name: np.array(n, np.int8) for name, n in {"zero": 0, "low": -5, "high": 5}.items()}
    proto = weighted(nodes, {"w": reals, "step": 0.5, **limits})
    (linear, _, _), constants = ops_of(proto, tmp_path)
    assert linear.weight.name == "w"
    assert constants["w"].tolist() == np.clip(CODES, -5, 5).tolist()


def test_a_zero_point_is_taken_away(tmp_path):
    stored = (CODES.astype(np.int16) + 128).astype(np.uint8)
    nodes = [node("DequantizeLinear", "q step zero", "w"), node("Gemm", "x w", "current", transB=1)]
    proto = weighted(nodes, {"q": stored, "step": 0.25, "zero": np.array(128, np.uint8)})
    (linear, _, _), constants = ops_of(proto, tmp_path)
    assert constants[linear.weight.name].tolist() == CODES.tolist()


@pytest.mark.parametrize("transposed", [True, False])
def test_steps_per_output_follow_the_weights(transposed, tmp_path):
    steps = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    stored = CODES if transposed else CODES.T.copy()
    nodes = [
        node("DequantizeLinear", "q steps", "w", axis=0 if transposed else 1),
        node("Gemm", "x w", "current", transB=int(transposed)),
    ]
    (linear, scale, _), constants = ops_of(weighted(nodes, {"q": stored, "steps": steps}), tmp_path)
    assert constants[linear.weight.name].tolist() == CODES.tolist()
    assert constants[scale.factor.name].tolist() == steps.tolist()


def test_steps_per_input_are_multiplied_out(tmp_path):
    steps = np.array([0.1, 0.2, 0.3], np.float32)
    nodes = [
        node("DequantizeLinear", "q steps", "w", axis=1),
        node("Gemm", "x w", "current", transB=1),
    ]
    (linear, _), constants = ops_of(weighted(nodes, {"q": CODES, "steps": steps}), tmp_path)
    assert constants[linear.weight.name].dtype == np.float32


def test_a_transposed_matrix_keeps_its_integers(tmp_path):
    nodes = [
        node("DequantizeLinear", "q step", "w"),
        node("Transpose", "w", "wt", perm=[1, 0]),
        node("MatMul", "x wt", "current"),
    ]
    (linear, _, _), constants = ops_of(weighted(nodes, {"q": CODES, "step": 0.25}), tmp_path)
    assert constants[linear.weight.name].tolist() == CODES.tolist()


def test_a_convolution_with_rounded_input_and_output(tmp_path):
    nodes = [
        node("QuantizeLinear", "x sx zx", "xq"),
        node("DequantizeLinear", "xq sx zx", "xr"),
        node("DequantizeLinear", "q steps", "w", axis=0),
        node("Conv", "xr w b", "total"),
        node("QuantizeLinear", "total sy zy", "yq"),
        node("DequantizeLinear", "yq sy zy", "current"),
    ]
    weights = {
        "q": KERNEL,
        "steps": np.array([0.01, 0.02, 0.03, 0.04], np.float32),
        "b": BIAS,
        "sx": 0.25,
        "zx": np.array(3, np.int8),
        "sy": 0.125,
        "zy": np.array(-4, np.int8),
    }
    ops, constants = ops_of(weighted(nodes, weights, (1, 2, 5, 5), (1, 4, 3, 3)), tmp_path)
    assert [op.mnemonic for op in ops] == [
        "net.fake_quantize",
        "net.conv2d",
        "net.scale",
        "net.fake_quantize",
        "net.neuron",
    ]
    assert constants[ops[1].weight.name].dtype == np.int8
    assert (ops[3].step, ops[3].zero, ops[3].low, ops[3].high) == (0.125, -4.0, -128, 127)


def clipped(low, high):
    """An input rounded to eight bits and clipped to fewer, as brevitas exports it."""
    nodes = [
        node("QuantizeLinear", "x sx zx", "xq"),
        node("Clip", "xq low high", "xc"),
        node("DequantizeLinear", "xc sx zx", "xr"),
        node("Gemm", "xr w", "current", transB=1),
    ]
    ends = {"low": np.array(low, np.int8), "high": np.array(high, np.int8)}
    weights = {"w": RNG.normal(size=(4, 3)).astype(np.float32), "sx": 0.25}
    return weighted(nodes, {**weights, "zx": np.array(1, np.int8), **ends})


def test_a_clip_of_codes_narrows_the_grid(tmp_path):
    ops, _ = ops_of(clipped(-3, 2), tmp_path)
    assert [op.mnemonic for op in ops] == ["net.fake_quantize", "net.linear", "net.neuron"]
    assert (ops[0].low, ops[0].high, ops[0].zero) == (-3, 2, 1.0)


def test_a_clip_that_leaves_one_code_is_refused(tmp_path):
    with pytest.raises(MappingError) as caught:
        import_model(saved(clipped(2, 2), tmp_path))
    assert "no two codes are left" in caught.value.diagnostics[0].message


def test_a_clip_of_reals_is_not_a_narrower_grid(tmp_path):
    proto = clipped(-3, 2)
    proto.graph.node[1].input[0] = "x"
    for tensor in proto.graph.initializer:
        if tensor.name in ("low", "high"):
            tensor.CopyFrom(numpy_helper.from_array(np.float32(1), tensor.name))
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, tmp_path))
    assert caught.value.diagnostics[0].code in ("unsupported-op", "invalid-model")


def test_a_grid_that_holds_spikes_leaves_them_spikes(tmp_path):
    proto = one_neuron_layer()
    numbers = {"t": np.float32(1 / 255), "z": np.array(-128, np.int8)}
    extra = [
        node("QuantizeLinear", "s t z", "sq"),
        node("DequantizeLinear", "sq t z", "sr"),
        node("Gemm", "sr w2", "y", transB=1),
    ]
    rounded = model(
        [*proto.graph.node, *extra],
        {"x": [1, 3], "v": [1, 4]},
        {"s": [1, 4], "v_out": [1, 4], "y": [1, 2]},
        {"w": np.ones((4, 3), np.float32), "w2": np.ones((2, 4), np.float32), **numbers, **NUMBERS},
    )
    ops, _ = ops_of(rounded, tmp_path)
    assert [op.mnemonic for op in ops] == ["net.linear", "net.neuron", "net.linear"]
    assert ops[2].x.type == SPIKE


def test_a_rounded_membrane_is_refused(tmp_path):
    proto = weighted(
        [
            node("Gemm", "x w", "current", transB=1),
            node("QuantizeLinear", "v_real t", "vq"),
            node("DequantizeLinear", "vq t", "v"),
        ],
        {"w": np.ones((4, 3), np.float32), "t": 0.1},
    )
    proto.graph.input[1].name = "v_real"
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, tmp_path))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "unsupported-neuron"
    assert "rounded" in diagnostic.message


def test_fused_integer_operators_are_refused_with_advice(tmp_path):
    proto = one_neuron_layer()
    fused = helper.make_node("QLinearAdd", ["current"] * 6, ["sum"], domain="com.microsoft")
    proto.graph.node.insert(1, fused)
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, tmp_path))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "unknown-op"
    assert "(QDQ)" in diagnostic.help


def test_wide_codes_of_onnx_runtime_are_read(tmp_path):
    codes = np.array([[3000, -3000, 1]], np.int16).repeat(4, 0)
    dequantise = node("DequantizeLinear", "q step", "w")
    dequantise.domain = "com.microsoft"
    proto = weighted(
        [dequantise, node("Gemm", "x w", "current", transB=1)], {"q": codes, "step": 1e-3}
    )
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    proto.graph.initializer.append(helper.make_tensor("z", TensorProto.INT16, [], [0]))
    proto.graph.node[0].input.append("z")
    (linear, _, _), constants = ops_of(proto, tmp_path)
    assert constants[linear.weight.name].tolist() == codes.tolist()


@pytest.mark.parametrize(("kind", "warned"), [(np.int8, False), (np.uint16, True)])
def test_a_grid_finer_than_the_sums_are_known_is_warned_of(kind, warned, tmp_path):
    nodes = [
        node("Gemm", "x w", "sum", transB=1),
        node("QuantizeLinear", "sum step zero", "codes"),
        node("DequantizeLinear", "codes step zero", "current"),
    ]
    weights = {"w": np.ones((4, 3), np.float32), "step": 0.25, "zero": np.zeros((), kind)}
    proto = weighted(nodes, weights)
    del proto.opset_import[:]
    proto.opset_import.append(helper.make_opsetid("", 21))
    proto.ir_version = 10
    warnings = import_model(saved(proto, tmp_path)).warnings
    assert [("16 bits" in text, "neighbouring step" in text) for text in warnings] == (
        [(True, True)] if warned else []
    )
