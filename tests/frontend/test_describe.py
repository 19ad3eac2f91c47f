"""What ``spikeloom inspect`` says of a model."""

import json

import numpy as np

from mapper.frontend import describe, import_model
from mapper.ir.edges import Edge
from tests.frontend.models import NUMBERS, leaky, model, node, one_neuron_layer, saved


def test_layers_and_neurons_are_described(tmp_path):
    facts = describe(import_model(saved(one_neuron_layer(), tmp_path))).as_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["time_form"], facts["opset"], facts["producer"]) == ("step", 17, "hand")
    (given,), (returned,), (state,) = facts["inputs"], facts["outputs"], facts["states"]
    assert (given["name"], given["shape"], given["carries"]) == ("x", [3], "analogue values")
    assert (returned["name"], returned["shape"], returned["carries"]) == ("s", [4], "spikes")
    assert given["edge"] == {"kind": "input", "bits": None}
    assert returned["edge"] == {"kind": "spikes", "bits": 1}
    assert (state["returned_as"], state["initial"]) == ("v_out", 0.0)
    linear, neuron = facts["layers"]
    assert (linear["name"], linear["weights"], linear["wordlines"]) == ("/current", 12, 3)
    assert (neuron["neuron"], neuron["neurons"]) == ("leaky integrate-and-fire", 4)
    assert neuron["fires_at"] == "membrane > threshold"
    assert neuron["parameters"] == {"leak": 0.5, "gain": 1.0, "bias": 0.0, "threshold": 1.0}
    assert neuron["reset"] == {"kind": "subtract", "amount": 1.0, "phase": "same"}
    assert facts["totals"] == {"parameters": 12, "weights": 12, "neurons": 4, "bytes": 48}


def test_a_layer_behind_a_slice_of_the_input_reads_the_input(tmp_path):
    """A slice is wires: it carries what it is cut from, and runs nowhere."""
    proto = model(
        [
            node("Slice", "x from to axes", "part"),
            node("Conv", "part w", "current"),
            *leaky("current", "v", "s", "v_out"),
        ],
        {"x": [1, 3, 4, 4], "v": [1, 2, 4, 4]},
        {"s": [1, 2, 4, 4], "v_out": [1, 2, 4, 4]},
        {
            "from": np.array([1]),
            "to": np.array([3]),
            "axes": np.array([1]),
            "w": np.ones((2, 2, 1, 1), np.float32),
            **NUMBERS,
        },
    )
    part, conv, _ = describe(import_model(saved(proto, tmp_path))).layers
    assert (part.op, part.runs_on) == ("net.take", "wiring")
    assert part.reads[0].edge == part.writes[0].edge == Edge("input")
    assert (conv.op, conv.runs_on) == ("net.conv2d", "crossbars")
    assert conv.reads[0].edge == Edge("input")
