"""Membranes of 24 bits: every engine computes the same integers, beyond what 16 bits hold."""

import numpy as np
import pytest
from onnx import TensorProto

import mapper
from mapper.diagnostics import MappingError
from mapper.ir.neurons import IntegerNeuron
from mapper.kernels.core import unavailable
from tests.frontend.models import model, node, saved

STEPS, SAMPLES = 40, 2


@pytest.mark.parametrize("target", ["adcless-64-m24", "hpadc-sar5-64-m24"])
def test_thresholds_that_16_bits_cannot_hold_are_the_same_on_every_engine(target, tmp_path):
    """Weights of 1/7, inputs of 1/255: a threshold of 30 is 53,550 steps, 16 bits hold 32,767."""
    nodes = [
        node("Gemm", "x w", "c", transB=1),
        node("Add", "v c", "u"),
        node("GreaterOrEqual", "u threshold", "fires"),
        node("Cast", "fires", "y", to=TensorProto.FLOAT),
        node("Mul", "y threshold", "taken"),
        node("Sub", "u taken", "v_out"),
    ]
    rng = np.random.default_rng(0)
    weights = (rng.integers(1, 8, (5, 12)) / 7).astype(np.float32)
    weights[:, 0] = 1
    stored = {"w": weights, "threshold": np.array(30, np.float32)}
    ports = {"x": [1, 12], "v": [1, 5]}
    path = saved(model(nodes, ports, {"y": [1, 5], "v_out": [1, 5]}, stored), tmp_path)
    x = (rng.integers(0, 256, (STEPS, SAMPLES, 12)) / 255).astype(np.float32)
    x[0, 0, 0] = 1

    with pytest.raises(MappingError) as caught:
        mapper.compile(path, target.removesuffix("-m24"), calibrate={"x": x})
    assert target in caught.value.diagnostics[0].help
    build = mapper.compile(path, target, calibrate={"x": x})
    (neuron,) = (op for op in build.hardware.ops if isinstance(op, IntegerNeuron))
    assert neuron.membrane.type.bits == 24
    verified = build.verify({"x": x})
    assert verified.bit_exact
    assert {ring.name: ring.status for ring in verified.rings}["5-native-kernels"] == (
        "skipped" if unavailable() else "equal"
    )
    assert build.run({"x": x}).outputs["y"].sum() > SAMPLES * 5  # each has fired, on average
