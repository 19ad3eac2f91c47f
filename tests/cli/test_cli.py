"""The command line, tried as a user would: output, exit codes, JSON, files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from mapper import api, cli
from mapper.kernels.core import unavailable
from mapper.recordings import read_arrays
from passes import PIPELINE
from targets import list_targets
from tests.files import DEMO_MODEL, DEMO_RECORDING

RUNNER = CliRunner()


def run(*args: object, code: int = 0) -> Result:
    done = RUNNER.invoke(cli.app, [str(arg) for arg in args])
    assert done.exit_code == code, done.output
    return done


def data(*args: object, code: int = 0) -> dict:
    return json.loads(run(*args, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "build"
    run("compile", DEMO_MODEL, "--target", "adcless-64", "-o", out)
    return out


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the bundled recordings: enough, and quick."""
    path = tmp_path_factory.mktemp("cli") / "two.npz"
    arrays = read_arrays(DEMO_RECORDING)
    np.savez(path, x=arrays["x"][:, :2], labels=arrays["labels"][:2])
    return path


def test_inspect_shows_layers_and_neurons():
    text = run("inspect", DEMO_MODEL).stdout
    assert "N1: LIF, leak 0.875, fires at >= 1, " in text
    assert "crossbars 18x16" in text
    answer = data("inspect", DEMO_MODEL)
    assert answer["schema"] == "spikeloom/inspect/1"
    assert answer["totals"]["neurons"] == 16 * 16 * 16 + 32 * 8 * 8 + 6


def test_compile_says_what_it_made(tmp_path):
    answer = data("compile", DEMO_MODEL, "--target", "adcless-64", "-o", tmp_path / "b")
    assert answer["schema"] == "spikeloom/compile/1"
    layers = answer["layers"]
    assert answer["crossbars"] == sum(row["crossbars"] for row in layers)
    once = [row["row_blocks"] * row["column_blocks"] for row in layers]
    assert answer["crossbars_without_copies"] == sum(once) < answer["crossbars"]


def test_compile_prints_after_a_pass_and_stops(tmp_path):
    done = run(
        *("compile", DEMO_MODEL, "--target", "ideal-128", "-o", tmp_path / "b"),
        *("--stop-after", "tile-rows"),
    )
    assert done.stdout.startswith("graph model\n")
    assert "imc.crossbar_mvm" in done.stdout
    assert not (tmp_path / "b").exists()


def test_run_writes_integers_under_the_models_names(folder, recording, tmp_path):
    answer = data("run", folder, "--input", recording, "--output", tmp_path / "y.npz")
    spikes = read_arrays(tmp_path / "y.npz")["spk"]
    assert answer["outputs"]["spk"]["shape"] == list(spikes.shape) == [20, 2, 6]
    assert spikes.dtype.kind in "iu"


def test_run_traces_and_cost_reads_the_trace(folder, recording, tmp_path):
    run("run", folder, "--input", recording, "--output", tmp_path / "y.npz", "--trace")
    measured = data("cost", folder, "--activity", tmp_path / "y.trace.npz")
    assumed = data("cost", folder, "--activity", "0.5", "--steps", "20")
    assert (measured["steps"], measured["samples"]) == (20, 2)
    assert measured["energy_pj"]["total"]["nominal"] < assumed["energy_pj"]["total"]["nominal"]


def test_verify_a_model_against_onnx_runtime(recording):
    answer = data("verify", DEMO_MODEL, "--input", recording)
    assert answer["bit_exact"] is True
    assert {ring["name"]: ring["status"] for ring in answer["rings"]} == {
        "1-graph-rules": "equal",
        "3-onnxruntime": "equal",
    }


def test_verify_a_build_runs_every_ring(folder, recording):
    answer = data("verify", folder, "--input", recording, "--model", DEMO_MODEL)
    assert answer["bit_exact"] is True
    assert {ring["name"]: ring["status"] for ring in answer["rings"]} == {
        "1-graph-rules": "equal",
        "2-exact-passes": "equal",
        "3-onnxruntime": "equal",
        "4-executor": "equal",
        "5-native-kernels": "skipped" if unavailable() else "equal",
        "6-lowered-onnx": "equal",
        "7-trained-export": "skipped",
        "8-inexact-passes": "measured",
    }
    assert 0 <= answer["spike_agreement"] <= 1
    assert answer["source_accuracy"] == 1.0
    assert 0 <= answer["accuracy"] <= 1
    assert [item["pass"] for item in answer["inexact_passes"]] == [
        kind.name for kind in PIPELINE if not kind.exact
    ]


def test_verify_exits_1_where_expected_outputs_differ(recording, tmp_path):
    arrays = read_arrays(recording)
    wrong = np.ones((20, 2, 6))
    np.savez(tmp_path / "wrong.npz", x=arrays["x"], expected_spk=wrong)
    answer = data("verify", DEMO_MODEL, "--input", tmp_path / "wrong.npz", code=1)
    (ring,) = [ring for ring in answer["rings"] if ring["status"] == "mismatch"]
    assert ring["first_mismatch"]["step"] == 0
    assert ring["first_mismatch"]["layer"] == "spk"


def test_report_writes_the_page_elsewhere(folder, tmp_path):
    run("compile", DEMO_MODEL, "--target", "adcless-64", "-o", tmp_path / "b")
    text = run("report", tmp_path / "b", "-o", tmp_path / "page.html").stdout
    assert (tmp_path / "page.html").read_bytes() == (tmp_path / "b" / "report.html").read_bytes()
    assert f"page: {tmp_path / 'page.html'}" in text.replace("\n", "")


def test_report_of_a_recording_is_verified_and_measured(folder, recording, tmp_path):
    page = tmp_path / "page.html"
    options = ("--input", recording, "--model", DEMO_MODEL, "-o", page)
    assert data("report", folder, *options)["bit_exact"] is True
    text = page.read_text()
    assert "spikes measured on 2 samples" in text
    rings = 5 if unavailable() else 6
    assert f":</strong> {rings} rings equal" in text

    run("report", folder, "--activity", "0.25", "--steps", "7", "-o", page)
    assert "One inference of 7 time steps" in page.read_text()
    assert "25&nbsp;% of the inputs of every layer are taken to spike" in page.read_text()


def test_a_trace_without_arrays_is_no_density(folder, tmp_path):
    np.savez(tmp_path / "empty.npz")
    to = tmp_path / "page.html"
    found = refused("report", folder, "--activity", tmp_path / "empty.npz", "-o", to)
    assert found == "activity-array"
    assert not to.exists()


@pytest.mark.parametrize("options", [("--activity", "0.5"), ("-o", "FOLDER/page.html")])
def test_a_report_that_would_change_the_build_is_refused(folder, options):
    options = [option.replace("FOLDER", str(folder)) for option in options]
    answer = data("report", folder, *options, code=1)
    assert [error["code"] for error in answer["errors"]] == ["report-output"]


def test_cost_under_each_preset(folder):
    costs = {
        name: data("cost", folder, "--steps", "4", "--preset", name)
        for name in ("paper", "physical", "as-built")
    }
    assert [cost["preset"] for cost in costs.values()] == list(costs)
    assert costs["physical"] == data("cost", folder, "--steps", "4")
    assert costs["paper"]["energy_pj"]["membrane_update"]["nominal"] == 0
    assert costs["paper"]["counts"]["conversions"] == costs["physical"]["counts"]["conversions"]
    assert "initiation interval" not in run("cost", folder).stdout
    text = run("cost", folder, "--details").stdout
    assert "preset physical" in text
    assert "initiation interval" in text


def test_compare_leads_from_one_preset_to_the_other():
    names = "adcless-64,hpadc-flash5-64"
    answer = data("compare", DEMO_MODEL, "--targets", names, "--steps", "4", "--preset", "paper")
    assert answer["preset"] == "paper"
    less, high = answer["targets"]
    (way,) = answer["waterfalls"]
    assert (way["target"], way["over"]) == ("hpadc-flash5-64", "adcless-64")
    first = way["steps"][0]
    energy = [row["cost"]["energy_pj"]["total"]["nominal"] for row in (less, high)]
    assert first["energy_ratio"] == energy[1] / energy[0]
    assert less["waterfall"][0]["energy_pj"] == energy[0]
    shown = run("compare", DEMO_MODEL, "--targets", names, "--steps", "4").stdout
    assert "from preset paper to physical" in shown


def test_compare_measures_on_recordings(recording):
    answer = data("compare", DEMO_MODEL, "--targets", "ideal-128,adcless-64", "--input", recording)
    assert [row["target"] for row in answer["targets"]] == ["ideal-128", "adcless-64"]
    assert answer["activity"] == "measured"
    assert answer["targets"][0]["accuracy"] == 1.0


def test_targets_and_passes_are_listed():
    assert [row["name"] for row in data("targets")["targets"]] == list(list_targets())
    assert [row["name"] for row in data("passes")["passes"]] == [kind.name for kind in PIPELINE]
    assert data("targets", "adcless-64")["target"]["macro"][0]["wordlines"] == 64
    assert "Give each crossbar at most" in run("passes", "tile-rows").stdout


def test_a_pass_lists_its_options_and_what_it_needs():
    (row,) = data("passes", "replicate")["passes"]
    assert row["options"] == [
        {"name": "max-copies", "type": "an integer 1..1000000", "default": 64},
        {"name": "positions", "type": "an integer 0..1000000", "default": 0},
    ]
    assert row["needs"][0] == "row blocks fit on the wordlines of their macro"
    shown = run("passes", "replicate").stdout.splitlines()
    assert "needs: row blocks fit on the wordlines of their macro (tile-rows)" in shown
    assert [line.split("  ")[0] for line in shown[-2:]] == ["max-copies", "positions"]
    (row,) = data("passes", "place")["passes"]
    assert row["options"] == []


def test_options_of_passes_are_set_and_refused(tmp_path):
    compile_to = ("compile", DEMO_MODEL, "--target", "adcless-64", "-o", tmp_path / "b")
    given = ("--pass", "replicate{max-copies=2}", "--pass", "lower-readout{seed=1,density=0.2}")
    answer = data(*compile_to, *given)
    assert [row["copies"] for row in answer["layers"]] == [2, 1, 1]
    options = {row["name"]: row["options"] for row in answer["passes"] if "options" in row}
    assert options == {
        "lower-readout": {"density": 0.2, "seed": 1},
        "replicate": {"max-copies": 2},
    }
    assert refused(*compile_to, "--pass", "replicate{max-copie=2}") == "unknown-option"
    assert refused(*compile_to, "--pass", "replicate{max-copies=two}") == "bad-option"
    assert refused(*compile_to, "--pass", "replicates{max-copies=2}") == "unknown-pass"


def test_wrong_usage_exits_2():
    run("compile", DEMO_MODEL, code=2)
    run("no-such-command", code=2)


def test_a_refusal_exits_1_with_text_on_stderr_and_json_on_stdout(tmp_path):
    done = run("compile", DEMO_MODEL, "--target", "adcles-64", "-o", tmp_path / "b", code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("error[unknown-target]: no target is named 'adcles-64'")
    answer = data("compile", DEMO_MODEL, "--target", "adcles-64", "-o", tmp_path / "b", code=1)
    assert answer["schema"] == "spikeloom/errors/1"
    assert answer["errors"][0]["code"] == "unknown-target"
    assert set(answer["errors"][0]) == {"code", "message", "location", "help"}


def refused(*args: object) -> str:
    return data(*args, code=1)["errors"][0]["code"]


def test_options_that_name_nothing_are_refused(folder, recording, tmp_path):
    compile_to = ("compile", DEMO_MODEL, "-o", tmp_path / "b")
    assert refused(*compile_to, "--target", "ideal-128", "--stop-after", "no") == "unknown-pass"
    to = ("--input", recording, "--output", tmp_path / "y.npz")
    assert refused("run", folder, *to, "--backend", "fpga") == "unknown-backend"
    assert refused("cost", folder, "--activity", "1.5") == "activity-density"
    assert refused("cost", folder, "--steps", "0") == "activity-steps"
    assert refused("cost", folder, "--preset", "papyrus") == "unknown-preset"
    assert refused("cost", folder, "--activity", recording) == "activity-array"
    assert refused("inspect", tmp_path / "missing.onnx") == "no-such-file"


def test_another_model_than_the_builds_is_refused(folder, recording, tmp_path):
    (tmp_path / "other.onnx").write_bytes(DEMO_MODEL.read_bytes() + b" ")
    model = ("--model", tmp_path / "other.onnx")
    assert refused("verify", folder, "--input", recording, *model) == "other-model"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_what_is_no_file_of_a_model_is_not_read_to_find_its_hash(folder, recording, tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(1 << 40)  # of holes
    on = ("verify", folder, "--input", recording, "--rings", "3", "--model")
    assert refused(*on, tmp_path / "pipe.onnx") == "no-such-file"
    assert refused(*on, tmp_path / "large.onnx") == "model-too-large"


def test_links_in_a_circle_are_no_file_wherever_they_stand(folder, recording, tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    assert refused("inspect", loop) == "no-such-file"
    assert refused("cost", loop) == "not-a-build"
    assert refused("run", folder, "--input", loop, "--output", tmp_path / "y.npz") != "internal"
    assert refused("compile", loop, "--target", "ideal-128", "-o", tmp_path / "b") == "no-such-file"


def test_a_place_that_cannot_be_written_is_the_users_to_mend(tmp_path):
    (tmp_path / "file").write_text("")
    inside = tmp_path / "file" / "build"
    assert refused("compile", DEMO_MODEL, "--target", "ideal-128", "-o", inside) == "file-error"


def test_an_empty_folder_one_stands_in_can_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("compile", DEMO_MODEL, "--target", "ideal-128", "-o", ".")
    assert (tmp_path / "manifest.json").is_file()


def test_a_bug_of_ours_is_one_line_without_a_traceback(monkeypatch):
    def broken(*args: object, **options: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(api, "inspect", broken)
    done = run("inspect", DEMO_MODEL, code=1)
    assert done.stderr.startswith("error[internal]: ZeroDivisionError: division by zero")
    assert "Traceback" not in done.stderr


def test_a_lack_of_memory_is_no_bug_of_ours(monkeypatch):
    def large(*args: object, **options: object) -> None:
        np.zeros((1 << 50,), np.int64)  # 8 PiB

    monkeypatch.setattr(api, "inspect", large)
    done = run("inspect", DEMO_MODEL, code=1)
    assert done.stderr.startswith("error[out-of-memory]: there is not enough memory: ")
    assert "8.00 PiB" in done.stderr


def test_json_is_alone_on_stdout(folder, recording):
    for args in (
        ("inspect", DEMO_MODEL),
        ("verify", folder, "--input", recording),
        ("targets",),
        ("passes",),
        ("cost", folder),
        ("report", folder),
    ):
        assert "schema" in data(*args)
