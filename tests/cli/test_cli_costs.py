"""Sensitivity and published parts on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mapper import cli
from targets import list_parts
from tests.files import DEMO_MODEL

RUNNER = CliRunner()


def run(*args: object, code: int = 0) -> str:
    done = RUNNER.invoke(cli.app, [str(arg) for arg in args])
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("costs") / "build"
    run("compile", DEMO_MODEL, "--target", "adcless-64", "-o", out)
    return out


def test_a_reader_that_closes_early_is_no_error(folder):
    command = [sys.executable, "-m", "mapper", "cost", str(folder), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()  # before anything was written
        told = running.stderr.read().decode().splitlines()
    assert all(line.startswith("warning: not calibrated") for line in told), told


def test_the_text_names_the_activity(folder):
    short = run("cost", folder)
    assert "one inference of 1 time step, preset physical, 10 % of the inputs" in short
    assert json.loads(run("cost", folder, "--json"))["density"] == 0.1


def test_sensitivity_is_added_to_the_cost(folder):
    plain = json.loads(run("cost", folder, "--json"))
    answer = json.loads(run("cost", folder, "--sensitivity", "--json"))
    tornados = answer.pop("sensitivity")
    assert answer == plain
    assert [t["total"] for t in tornados] == ["energy_pj", "latency_ns", "area_um2"]
    assert tornados[0]["nominal"] == plain["energy_pj"]["total"]["nominal"]
    widths = [row["swing"] for row in tornados[0]["constants"]]
    assert widths == sorted(widths, reverse=True)
    text = run("cost", folder, "--sensitivity")
    assert tornados[0]["constants"][0]["constant"] in text
    assert "constants move it" not in run("cost", folder)


def test_a_preset_moves_the_constants_that_are_in_force(folder):
    options = ("--preset", "paper", "--steps", "4", "--json")
    plain = json.loads(run("cost", folder, *options))
    answer = json.loads(run("cost", folder, "--sensitivity", *options))
    energy, latency, _ = answer.pop("sensitivity")
    assert answer == plain
    assert energy["nominal"] == plain["energy_pj"]["total"]["nominal"]
    moved = {row["constant"]: row for row in energy["constants"]}
    assert moved["buffer_read.energy_pj"]["nominal"] == 0.138  # of the fitted library
    wire = moved["hierarchy.wire_pj_per_bit_mm"]
    assert (wire["low"], wire["high"]) == pytest.approx((0.081, 0.099))
    hop = plain["energy_pj"]["hop"]["nominal"]  # in proportion to it: a tenth of it each way
    assert wire["swing"] == pytest.approx(0.2 * hop)
    assert "hierarchy.buffer_bits" in {row["constant"] for row in latency["constants"]}
    text = run("cost", folder, "--sensitivity", "--preset", "paper", "--steps", "4")
    assert "hierarchy.wire_pj_per_bit_mm" in text


def test_lists_of_parts():
    answer = json.loads(run("targets", "--components", "--json"))
    assert [row["name"] for row in answer["lists"]] == list(list_parts())
    assert "aladdin-40nm" in run("targets", "--components")


def test_parts_at_another_node():
    args = ("targets", "--components", "isaac-32nm", "--node", 65, "--voltage", 1.1)
    parts = {part["name"]: part for part in json.loads(run(*args, "--json"))["list"]["parts"]}
    assert parts["shift-add-16b"]["node_nm"] == 65
    assert parts["shift-add-16b"]["energy_pj"]["nominal"] == pytest.approx(0.021 * 3.106, rel=1e-3)
    assert parts["crossbar-read"]["node_nm"] == 32  # V^2 G t does not scale
    assert "0.0652 pJ" in run(*args)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("isaac-32nn",), "unknown-components"),
        (("isaac-32nm", "--node", "65"), "scaling-range"),
        (("isaac-32nm", "--node", "300", "--voltage", "1"), "scaling-range"),
        (("isaac-32nm", "--node", "65", "--voltage", "0.3"), "scaling-range"),
    ],
)
def test_refusals(args, code):
    answer = json.loads(run("targets", "--components", *args, "--json", code=1))
    assert answer["errors"][0]["code"] == code
