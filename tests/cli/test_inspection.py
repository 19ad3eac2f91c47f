"""How ``spikeloom inspect`` reads, at the widths that terminals have."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mapper import api
from mapper.cli.inspection import InspectionText
from mapper.exchange.canonical import to_trained
from mapper.ir.core import Const, State
from mapper.ir.neurons import Reset
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.cli.test_cli import data, refused, run
from tests.exchange.test_canonical import to_model
from tests.files import DEMO_MODEL
from tests.frontend.models import saved
from tests.networks import NetworkBuilder


def shown(path: Path, width: int, target: str | None = None) -> str:
    console = Console(file=StringIO(), width=width, highlight=False, color_system=None)
    console.print(InspectionText(api.inspect(path, target)))
    text = console.file.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize(
    "name",
    [
        "sj14_dvsgesture_32_step_legacy",
        "flow_spikedec_step_legacy",
        "sj2_mlp_lif_decayin_step_legacy_fallthrough",
        "qdq_ort_convfc_s8s8_perch",
    ],
)
def test_real_models(name, width, shared, golden):
    golden(shown(shared / "models" / name / "model.onnx", width))


def test_the_demo_on_a_target(golden):
    golden(shown(DEMO_MODEL, 100, "adcless-diff-64"))


def odd_network():
    """Everything that is told only where it is not usual."""
    net = NetworkBuilder()
    net.constants["leaks"] = net.rng.permutation([0.5, 0.75, 0.875, 0.9]).astype("float32")
    net.constants["start"] = net.rng.permutation([0.0, 0.25, 0.5, 0.5]).astype("float32")
    x = net.pool(net.neuron(net.entry(1, 4, 4), floor=-1.0), "avg")
    y = net.dense(net.flatten(x), 4)
    s = net.neuron(
        y,
        current=True,
        leak=Const("leaks"),
        bias=0.125,
        spike_phase="next",
        strict=True,
        reset=Reset(kind="value", amount=0.25, phase="late"),
    )
    first, second, third = net.states
    net.states = [first, State(read=second.read, next=second.next, initial=Const("start")), third]
    s = net.merge("iand", s, net.neuron(y, reset=Reset(kind="subtract", amount=0.6)))
    return net.graph(net.neuron(net.dense(s, 2), fires=False, leak=1.0))


def test_what_is_not_usual_is_told(tmp_path, golden):
    golden(shown(saved(to_model(odd_network(), {"notes": ["a note"]}), tmp_path), 140))


def trained_network():
    """What training exports: integers with their crossbars, and neurons of several kinds."""
    net = NetworkBuilder()
    net.constants["leaks"] = net.rng.permutation([0.5, 0.7, 0.8, 0.9]).astype("float32")
    s = net.neuron(net.conv(net.entry(2, 6, 6), 3), leak=0.75, floor=-1.0)
    s = net.neuron(net.conv_transpose(s, 2, 2, stride=(2, 2)), leak=0.7)
    s = net.neuron(net.dense(net.flatten(s), 4), leak=Const("leaks"), reset=Reset(kind="value"))
    current = {"current_leak": 0.5, "current_input": 1.0, "current_gain": 0.5}
    s = net.neuron(net.dense(s, 4), current=True, leak=0.875, **current)
    y = net.neuron(net.dense(s, 2), fires=False, leak=1.0)
    target = load_target("adcless-64")
    return run_passes(net.graph(y), target, make_passes(), stop_after="lower-neurons")[0]


def test_a_trained_network_has_weights_and_neurons(tmp_path, golden):
    path = saved(to_trained(trained_network(), "adcless-64"), tmp_path)
    golden(shown(path, 140, "adcless-64"))
    assert data("inspect", path)["totals"]["neurons"] == 3 * 4 * 4 + 2 * 8 * 8 + 4 + 4 + 2


def test_the_same_as_data(tmp_path):
    path = saved(to_model(odd_network()), tmp_path)
    answer = data("inspect", path)
    assert json.loads(json.dumps(answer)) == answer
    assert answer["time_form"] == "step"
    layers = {layer["op"]: layer for layer in answer["layers"]}
    assert layers["net.avg_pool2d"]["writes"][0]["edge"] == {"kind": "counts", "bits": 3}
    assert layers["net.linear"]["runs_on"] == "crossbars"
    assert layers["net.reshape"]["runs_on"] == "wiring"
    assert layers["net.merge"]["runs_on"] == "digital unit"
    starts = [state["initial"] for state in answer["states"]]
    assert (starts[0], starts[1]["min"], starts[1]["max"]) == (0.0, 0.0, 0.5)


def test_a_target_counts_crossbars():
    answer = data("inspect", DEMO_MODEL, "--target", "ideal-128")
    mapping = answer["mapping"]
    assert mapping["target"] == "ideal-128"
    assert mapping["crossbars"] == sum(row["crossbars"] for row in mapping["layers"])
    assert (
        f"ideal-128: {mapping['crossbars']} crossbars on"
        in run("inspect", DEMO_MODEL, "--target", "ideal-128").stdout
    )


def test_a_target_that_is_none_is_refused():
    assert refused("inspect", DEMO_MODEL, "--target", "ideal-129") == "unknown-target"
