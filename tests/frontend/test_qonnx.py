"""QONNX: quantisers of weights become integers, those of activations grids, others are refused."""

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.onnx.qonnx import DOMAINS, ROUNDINGS
from mapper.ir.core import SPIKE
from mapper.ir.evaluate import evaluate
from mapper.verify.model import verify_model
from mapper.verify.original import run_reference
from tests.frontend.models import NUMBERS, leaky, model, node, one_neuron_layer, saved

RNG = np.random.default_rng(0)
REALS = RNG.normal(0, 1, (4, 3)).astype(np.float32)
BITS = {"bits": 4.0, "zero": 0.0}


def quantiser(op, inputs, output, domain=DOMAINS[0], **attributes):
    made = node(op, inputs, output, **attributes)
    made.domain = domain
    return made


def layer(nodes, weights, domain=DOMAINS[0], x=(1, 3), v=(1, 4)):
    return model(
        [*nodes, *leaky("current", "v", "s", "v_out")],
        {"x": x, "v": v},
        {"s": v, "v_out": v},
        {**weights, **NUMBERS},
        domains=[domain],
    )


def quantised(inputs="w step zero bits", domain=DOMAINS[0], op="Quant", w=REALS, **held):
    """A layer whose weights a quantiser makes."""
    attributes = {n: held.pop(n) for n in ("signed", "narrow", "rounding_mode") if n in held}
    nodes = [
        quantiser(op, inputs, "q", domain, **attributes),
        node("Gemm", "x q", "current", transB=1),
    ]
    return layer(nodes, {"w": w, "step": 0.25, **BITS, **held}, domain)


def integers(proto, folder):
    """Return the integer weights, and what a unit of them is worth."""
    graph = import_model(saved(proto, folder)).graph
    linear, scale, _ = graph.ops
    step = scale.factor if isinstance(scale.factor, float) else graph.constants[scale.factor.name]
    return graph.constants[linear.weight.name], step


def refusal(proto, folder, code="unsupported-op"):
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, folder))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    return diagnostic.message


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("op", ["Quant", "IntQuant"])
def test_weights_become_integers(domain, op, tmp_path):
    weight, step = integers(quantised(domain=domain, op=op), tmp_path)
    assert weight.dtype == np.int8
    assert weight.tolist() == np.clip(np.rint(REALS / 0.25), -8, 7).tolist()
    assert step == 0.25


@pytest.mark.parametrize(
    ("signed", "narrow", "low", "high"),
    [(1, 0, -4, 3), (1, 1, -3, 3), (0, 0, 0, 7), (0, 1, 0, 6)],
)
def test_signs_and_narrow_ranges(signed, narrow, low, high, tmp_path):
    wide = np.array([[-9, -1, 9]] * 4, np.float32)
    proto = quantised(w=wide, step=1.0, bits=3.0, signed=signed, narrow=narrow)
    weight, _ = integers(proto, tmp_path)
    assert weight[0].tolist() == [low, max(low, -1), high]


def test_one_unsigned_bit_is_zero_or_one(tmp_path):
    weight, _ = integers(quantised(w=np.eye(4, 3, dtype=np.float32), bits=1.0, signed=0), tmp_path)
    assert weight.tolist() == np.eye(4, 3).tolist()


ROUNDED = {  # of 5.5, 2.5, 1.6, 1.1, 1, -1, -1.1, -1.6, -2.5, -5.5: the table of QONNX
    "ROUND": [6, 2, 2, 1, 1, -1, -1, -2, -2, -6],
    "HALF_EVEN": [6, 2, 2, 1, 1, -1, -1, -2, -2, -6],
    "CEIL": [6, 3, 2, 2, 1, -1, -1, -1, -2, -5],
    "FLOOR": [5, 2, 1, 1, 1, -1, -2, -2, -3, -6],
    "UP": [6, 3, 2, 2, 1, -1, -2, -2, -3, -6],
    "DOWN": [5, 2, 1, 1, 1, -1, -1, -1, -2, -5],
    "ROUND_TO_ZERO": [5, 2, 1, 1, 1, -1, -1, -1, -2, -5],
    "HALF_UP": [6, 3, 2, 1, 1, -1, -1, -2, -3, -6],
    "HALF_DOWN": [5, 2, 2, 1, 1, -1, -1, -2, -2, -5],
}


@pytest.mark.parametrize("mode", ROUNDINGS)
def test_known_weights_are_rounded_in_every_mode(mode, tmp_path):
    numbers = np.array([[5.5, 2.5, 1.6, 1.1, 1, -1, -1.1, -1.6, -2.5, -5.5]] * 4, np.float32)
    nodes = [
        quantiser("Quant", "w step zero bits", "q", rounding_mode=mode.lower()),
        node("Gemm", "x q", "current", transB=1),
    ]
    proto = layer(nodes, {"w": numbers, "step": 1.0, **BITS}, x=(1, 10))
    weight, _ = integers(proto, tmp_path)
    assert weight[0].tolist() == ROUNDED[mode]


def test_steps_per_output_and_a_zero_point(tmp_path):
    steps = np.array([[0.1], [0.2], [0.3], [0.4]], np.float32)
    weight, step = integers(quantised(step=steps, zero=3.0, signed=0), tmp_path)
    assert step.reshape(-1).tolist() == steps.reshape(-1).tolist()
    assert weight.tolist() == (np.rint(np.clip(REALS / steps + 3, 0, 15)) - 3).tolist()


def test_two_levels(tmp_path):
    weights = np.array([[-0.5, 0.0, 0.5]] * 4, np.float32)
    weight, step = integers(quantised("w step", op="BipolarQuant", w=weights), tmp_path)
    assert weight[0].tolist() == [-1, 1, 1]
    assert step == 0.25


def activation(**held):
    attributes = {n: held.pop(n) for n in ("signed", "narrow", "rounding_mode") if n in held}
    nodes = [
        quantiser("Quant", "x step zero bits", "xq", **attributes),
        node("Gemm", "xq w", "current", transB=1),
    ]
    return layer(nodes, {"w": REALS, "step": 0.25, **BITS, **held})


def test_an_activation_is_rounded_to_a_grid(tmp_path):
    grid, _, _ = import_model(saved(activation(signed=0), tmp_path)).graph.ops
    assert (grid.mnemonic, grid.step, grid.zero) == ("net.fake_quantize", 0.25, 0)
    assert (grid.low, grid.high) == (0, 15)
    x = np.array([[-1, 0.125, 0.375, 9, 0.2]], np.float32)[None, :, :3]
    found = evaluate(import_model(saved(activation(signed=0), tmp_path)).graph, {"x": x})
    current = np.array([0, 0, 0.5], np.float32) @ REALS.T.astype(np.float64)
    assert (found["s"][0, 0] == (current.astype(np.float32) > 1)).all()


def test_spikes_on_the_grid_stay_spikes(tmp_path):
    proto = one_neuron_layer()
    extra = [
        quantiser("Quant", "s one zero bits", "sq", signed=0),
        node("Gemm", "sq w2", "y", transB=1),
    ]
    made = model(
        [*proto.graph.node, *extra],
        {"x": [1, 3], "v": [1, 4]},
        {"s": [1, 4], "v_out": [1, 4], "y": [1, 2]},
        {"w": np.ones((4, 3)), "w2": np.ones((2, 4), np.float32), **BITS, **NUMBERS},
        domains=[DOMAINS[0]],
    )
    for tensor in made.graph.initializer:
        if tensor.name == "w":
            tensor.CopyFrom(proto.graph.initializer[0])
    ops = import_model(saved(made, tmp_path)).graph.ops
    assert [op.mnemonic for op in ops] == ["net.linear", "net.neuron", "net.linear"]
    assert ops[2].x.type == SPIKE


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (lambda: activation(rounding_mode="FLOOR"), "mode FLOOR, only ROUND is exact"),
        (lambda: activation(zero=1.0), "with a zero point"),
        (lambda: quantised(rounding_mode="SIDEWAYS"), "no rounding mode 'SIDEWAYS'"),
        (lambda: quantised(bits=1.0), "one signed bit has no zero"),
        (lambda: quantised(bits=2.5), "2.5 bits is not a whole number"),
        (lambda: quantised(bits=32.0), "one number, 1..24 bits"),
        (lambda: quantised(zero=0.5), "zero point is not a whole number"),
        (lambda: quantised(step=-1.0), "step is not a positive number"),
        (lambda: quantised(step=np.ones(2, np.float32)), "(2,)"),
        (lambda: quantised("w step zero bits", op="Trunc"), "no exact form"),
        (lambda: quantised("w step zero bits", op="FloatQuant"), "no exact form"),
    ],
)
def test_what_is_not_exact_is_refused(proto, message, tmp_path):
    made = proto()
    with pytest.raises(MappingError) as caught:
        import_model(saved(made, tmp_path))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code in ("unsupported-op", "invalid-model")
    assert message in diagnostic.message


def test_two_levels_of_an_activation_are_refused(tmp_path):
    nodes = [
        quantiser("BipolarQuant", "x step", "xq"),
        node("Gemm", "xq w", "current", transB=1),
    ]
    proto = layer(nodes, {"w": REALS, "step": 1.0})
    assert "two levels outside of a neuron" in refusal(proto, tmp_path)


def test_other_operators_of_the_domain_are_unknown(tmp_path):
    assert "MultiThreshold" in refusal(quantised(op="MultiThreshold"), tmp_path, "unknown-op")


def test_no_engine_runs_it_so_expected_outputs_are_compared(tmp_path):
    path = saved(quantised(), tmp_path)
    x = (RNG.random((5, 1, 3)) < 0.5).astype(np.float32)
    with pytest.raises(MappingError) as caught:
        run_reference(path, {"x": x})
    assert caught.value.diagnostics[0].code == "no-reference"
    weight = (np.clip(np.rint(REALS / 0.25), -8, 7) * 0.25).astype(np.float32)
    v, spikes = np.zeros(4, np.float32), []
    for t in range(5):
        u = np.float32(0.5) * v + (x[t, 0] @ weight.T)
        spikes.append(u > 1)
        v = u - spikes[-1]
    rings = verify_model(path, {"x": x, "expected_s": np.stack(spikes)[:, None]}, "x.npz").rings
    assert {ring.name: ring.status for ring in rings} == {
        "1-graph-rules": "equal",
        "3-onnxruntime": "skipped",
        "3-expected-outputs": "equal",
    }
    assert "no engine here runs" in rings[1].reason
