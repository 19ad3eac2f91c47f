"""Readouts for the layers of a small network: as a study, in Python and on the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper as spikeloom
from mapper import Assignment, Choice, Imported, MappingError, cli
from mapper.assigning.compiler import Compiler
from mapper.assigning.trials import REPORT, SEARCH, halves
from mapper.ir.assignment import DIGITAL
from mapper.ir.core import Graph
from mapper.ir.identity import digest
from targets import load_target
from tests.networks import NetworkBuilder, spikes

ALL = load_target("readouts-64")
KINDS = ("sar6-64", "ternary-64", "sense-amp-64")
FEW = replace(ALL, macros=tuple(macro for macro in ALL.macros if macro.name in KINDS))


def a_network() -> Graph:
    net = NetworkBuilder(3)
    s = net.neuron(net.conv(net.entry(2, 5, 5), 4))
    return net.graph(net.neuron(net.dense(net.flatten(s), 4)))


NETWORK = a_network()
NET = Imported(graph=NETWORK, time_form="step", producer="", opset=None, ports=())
INPUTS = {name: array.astype(np.uint8) for name, array in spikes(NETWORK, 3, 40).items()}
LAYERS = ("conv0", "fc3")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[spikeloom.Assigned, Path]:
    folder = tmp_path_factory.mktemp("assign")
    answer = spikeloom.assign(
        NET, FEW, inputs=INPUTS, keep=0.1, output=folder / "a.toml", folder=folder / "records"
    )
    return answer, folder


def test_names_of_layers_are_those_that_are_assigned(found):
    assert found[0].layers == LAYERS


def test_recordings_are_cut_into_parts_that_share_none():
    parts = halves(40, 0)
    together = np.concatenate([parts[SEARCH], parts[REPORT]])
    assert sorted(together) == list(range(40))
    assert set(range(8)) <= set(parts[SEARCH].tolist())  # those that calibrate
    assert len(parts[REPORT]) == 16
    assert halves(40, 1)[REPORT].tolist() != parts[REPORT].tolist()


@pytest.mark.parametrize(
    "decided",
    [
        Assignment(),
        Assignment(layers={"conv0": Choice(macro="sense-amp-64"), "fc3": Choice(macro=DIGITAL)}),
        Assignment(layers={"conv0": Choice(macro="ternary-64", copies=3)}, weight_bits=3),
        Assignment(layers={"fc3": Choice(macro="sense-amp-64", weight_bits=6)}),
    ],
)
def test_shared_passes_give_the_very_graph_that_compile_makes(decided):
    shared = Compiler(NETWORK, FEW, INPUTS)
    shared.hardware(Assignment(layers={"conv0": Choice(macro="ternary-64")}))
    built = spikeloom.compile(NET, FEW, assignment=decided, calibrate=INPUTS)
    assert digest(shared.hardware(decided)) == digest(built.hardware)


def test_passes_that_are_shared_take_options():
    settings = {"quantize-weights": {"granularity": "layer"}, "replicate": {"max-copies": 2}}
    shared = Compiler(NETWORK, FEW, INPUTS, settings)
    built = spikeloom.compile(NET, FEW, passes=settings, calibrate=INPUTS)
    plain = spikeloom.compile(NET, FEW, calibrate=INPUTS)
    assert digest(shared.hardware(Assignment())) == digest(built.hardware)
    assert digest(built.hardware) != digest(plain.hardware)


def test_the_answer_is_what_compile_makes_of_its_file(found):
    """Energy and classes of the other half, as a build that is compiled with the file has them."""
    answer, folder = found
    assert spikeloom.load_assignment(folder / "a.toml") == answer.assignment
    built = spikeloom.compile(NET, FEW, assignment=folder / "a.toml", calibrate=INPUTS)
    held = {name: array[:, halves(40, 0)[REPORT]] for name, array in INPUTS.items()}
    run = built.run(held, trace=True)
    assert built.cost(run).energy_pj == pytest.approx(answer.chosen.energy_pj)
    output = run.outputs[NETWORK.outputs[0].name]
    assert tuple(output.sum(axis=0).argmax(axis=1)) == answer.chosen.answers


def test_steps_lead_from_the_finest_readout_to_the_chosen_one(found):
    answer, _ = found
    assert answer.finest.picks == ("sar6-64", "sar6-64")
    assert answer.coarsest.picks == ("sense-amp-64", "sense-amp-64")
    way = [answer.finest, *(step.after for step in answer.steps)]
    assert way[-1] == answer.chosen
    assert [step.before for step in answer.steps] == way[:-1]
    assert answer.chosen.energy_pj.nominal <= answer.finest.energy_pj.nominal
    told = answer.as_dict()
    saved = sum(step["saved_energy_pj"] for step in told["steps"])
    assert saved == pytest.approx(told["finest"]["energy_pj"][1] - told["chosen"]["energy_pj"][1])
    assert {(row["layer"], row["macro"]) for row in told["sensitivity"]} == {
        (layer, macro) for layer in LAYERS for macro in KINDS[1:]
    }
    json.dumps(told)


def test_the_same_call_goes_on_from_its_records_and_finds_the_same(found):
    answer, folder = found
    told: list[str] = []
    again = spikeloom.assign(
        NET, FEW, inputs=INPUTS, keep=0.1, folder=folder / "records", progress=told.append
    )
    assert again == answer
    assert told == []  # nothing is measured anew


def test_labels_are_what_accuracy_is_counted_of(found):
    answer, _ = found
    assert answer.finest.accuracy == 1.0
    assert "no labels: accuracy is how often" in answer.warnings[-1]
    labels = np.arange(40) % 4
    labelled = spikeloom.assign(NET, FEW, inputs=INPUTS, labels=labels, keep=0.1)
    held = labels[halves(40, 0)[REPORT]]
    assert labelled.finest.answers == answer.finest.answers
    assert labelled.finest.right == tuple(np.asarray(answer.finest.answers) == held)


def test_what_is_decided_stays():
    decided = Assignment(layers={"conv0": Choice(macro="ternary-64"), "fc3": Choice(weight_bits=3)})
    answer = spikeloom.assign(NET, FEW, inputs=INPUTS, assignment=decided, by="latency")
    assert answer.layers == ("fc3",)
    assert answer.assignment.layers["conv0"] == Choice(macro="ternary-64")
    assert answer.assignment.layers["fc3"].weight_bits == 3


def refused(**given: object) -> tuple[str, str]:
    with pytest.raises(MappingError) as caught:
        spikeloom.assign(**{"model": NET, "target": FEW, "inputs": INPUTS, **given})
    (problem,) = caught.value.diagnostics
    return problem.code, problem.message


def test_what_cannot_be_assigned_is_refused():
    few = {name: array[:, :15] for name, array in INPUTS.items()}
    assert refused(inputs=few) == (
        "few-recordings",
        "15 recordings, and half of them is for choosing: 16 are the fewest",
    )
    code, message = refused(target="adcless-64")
    assert code == "nothing-to-assign"
    assert message.endswith("on 'adcless-64', which has 1 macro kind")
    code, message = refused(keep=1)
    assert (code, message[:10]) == ("bad-share", "1 is 100 %")
    assert refused(by="speed") == ("bad-option", "'speed' is nothing to make least")
    trained = replace(NET, trained_for="adcless-64")
    assert refused(model=trained)[0] == "trained-for-other-hardware"
    net = NetworkBuilder(0)
    maps = net.graph(net.neuron(net.conv(net.entry(2, 5, 5), 3)))
    assert refused(model=replace(NET, graph=maps))[0] == "no-classes"
    small = replace(FEW, chip=replace(FEW.chip, tiles=1, crossbars_per_tile=1, max_chips=1))
    assert refused(target=small)[0] == "too-many-crossbars"


def test_the_command_prints_what_each_step_bought_and_writes_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spikeloom.export(NET, "net.onnx")
    name = NETWORK.inputs[0].name
    np.savez("x.npz", **{name: INPUTS[name], "labels": np.arange(40) % 4})
    args = ["assign", "net.onnx", "--target", "mixed-64", "--input", "x.npz", "--keep", "20%"]
    done = CliRunner().invoke(cli.app, args)
    assert done.exit_code == 1  # spikes have one macro there
    assert "error[nothing-to-assign]" in done.stderr
    args[3] = "readouts-64"
    done = CliRunner().invoke(cli.app, [*args, "-o", "a.toml", "--records", "records"])
    assert done.exit_code == 0, done.output
    for text in ("accuracy and cost", "all sense-amp-64", "what each step bought", "each layer"):
        assert text in done.stdout
    assert spikeloom.load_assignment("a.toml").layers.keys() == {"conv0", "fc3"}
    done = CliRunner().invoke(cli.app, [*args, "--records", "records", "--json"])
    assert json.loads(done.stdout)["schema"] == "spikeloom/assign/1"
