"""An assignment in every command that compiles, in what they show, and in what it costs."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper as spikeloom
from mapper import Assignment, Choice, cli
from tests.assigning.test_assign import FEW, INPUTS, NET

FILE = """
[layer.conv0]
macro = "sar5-64"
weight_bits = 6
copies = 3

[layer.fc3]
macro = "sense-amp-64"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    made = tmp_path_factory.mktemp("everywhere")
    (made / "a.toml").write_text(FILE, encoding="utf-8")
    spikeloom.export(NET, made / "net.onnx")
    np.savez(made / "x.npz", **INPUTS)
    return made


def run(folder, *args: str, code: int = 0):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = CliRunner().invoke(cli.app, list(args))
    assert done.exit_code == code, done.output
    return done


ON = ("--target", "readouts-64")
ASSIGNED = ("--assign", "a.toml")


def test_inspect_shows_macro_bits_and_copies(folder):
    shown = run(folder, "inspect", "net.onnx", *ON, *ASSIGNED).stdout
    assert "sar5-64, 6-bit weights, 3 copies" in shown
    assert "sense-amp-64, 4-bit weights" in shown
    layers = json.loads(run(folder, "inspect", "net.onnx", *ON, *ASSIGNED, "--json").stdout)
    rows = layers["mapping"]["layers"]
    facts = [(row["name"], row["macro"], row["weight_bits"], row["copies"]) for row in rows]
    assert facts == [("conv0", "sar5-64", 6, 3), ("fc3", "sense-amp-64", 4, 1)]
    assert "--assign" in run(folder, "inspect", "net.onnx", *ASSIGNED, code=2).stderr


def test_compile_shows_it_and_so_does_the_page(folder):
    args = ("compile", "net.onnx", *ON, *ASSIGNED, "--calibrate", "x.npz", "-o", "build")
    shown = run(folder, *args).stdout
    (line,) = [line for line in shown.splitlines() if line.startswith("conv0")]
    assert line.split()[:2] == ["conv0", "sar5-64"]
    page = (folder / "build" / "report.html").read_text(encoding="utf-8")
    assert "--assign assigned.toml" in page
    assert "sar5-64, 6-bit weights, 3 copies" in page
    assert '"macro":"sar5-64","weightBits":6' in page.replace(": ", ":").replace(", ", ",")
    refused = run(folder, "compare", "build", *ASSIGNED, code=1).stderr
    assert "build folders are compiled already: --assign would change nothing" in refused


def test_compare_and_energy_tables_follow_it(folder):
    given = ("--targets", "readouts-64", *ASSIGNED, "--json")
    compared = json.loads(run(folder, "compare", "net.onnx", *given).stdout)
    rows = compared["targets"][0]["layers"]
    assert [row["macro"] for row in rows] == ["sar5-64", "sense-amp-64"]
    table = json.loads(run(folder, "energy-table", "net.onnx", *given).stdout)
    plain = json.loads(run(folder, "energy-table", "net.onnx", *given[:2], "--json").stdout)
    assert table["targets"][0]["snn_pj"] != plain["targets"][0]["snn_pj"]


def test_a_macro_that_one_of_several_targets_has_not_is_refused(folder):
    args = ("compare", "net.onnx", "--targets", "readouts-64,adcless-64", *ASSIGNED)
    assert "'adcless-64' has no macro 'sar5-64'" in run(folder, *args, code=1).stderr


@pytest.mark.parametrize("kinds", [("sar6-64", "sense-amp-64"), ("sense-amp-64", "ternary-64")])
def test_each_layer_costs_what_its_own_kind_does(kinds):
    """Beside other kinds a layer takes the area and the energy that it takes among its own."""

    def layers(*names: str):
        chosen = {n: Choice(macro=m) for n, m in zip(("conv0", "fc3"), names, strict=True)}
        built = spikeloom.compile(NET, FEW, assignment=Assignment(layers=chosen))
        return built.cost(0.2, steps=3).cost.layers

    mixed = layers(*kinds)
    for place, kind in enumerate(kinds):
        alone = layers(kind, kind)[place]
        assert mixed[place].area_um2 == alone.area_um2
        without = {name: held for name, held in alone.energy_pj.items() if name != "leakage"}
        assert {n: mixed[place].energy_pj[n] for n in without} == without
