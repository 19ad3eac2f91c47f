"""Builds side by side on the command line, and the figures of a comparison."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mapper import api, cli
from mapper.compare.folder import FILES
from mapper.recordings import read_arrays
from tests.files import DEMO_MODEL, DEMO_RECORDING
from tests.frontend.models import one_neuron_layer, saved

RUNNER = CliRunner()


def run(*args: object, code: int = 0) -> str:
    done = RUNNER.invoke(cli.app, [str(arg) for arg in args])
    assert done.exit_code == code, done.output
    return done.stdout


def data(*args: object, code: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(*args, "--json", code=code))
    return answer


def refused(*args: object) -> tuple[str, str]:
    error = data(*args, code=1)["errors"][0]
    return error["code"], error["message"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compared") / "one.npz"
    arrays = read_arrays(DEMO_RECORDING)
    np.savez(path, x=arrays["x"][:3, :1], labels=arrays["labels"][:1])
    return path


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of builds: two of the demo, one of another model, and a comparison of the two."""
    folder = tmp_path_factory.mktemp("compared")
    run("compile", DEMO_MODEL, "--target", "adcless-64", "-o", folder / "x" / "less")
    adc = ("--target", "hpadc-flash5-64", "--weight-bits", "6")
    run("compile", DEMO_MODEL, *adc, "-o", folder / "y" / "less")
    run("compile", DEMO_MODEL, *adc, "-o", folder / "adc")
    other = saved(one_neuron_layer(), folder, "other.onnx")
    run("compile", other, "--target", "adcless-64", "-o", folder / "other")
    run("compare", folder / "x" / "less", folder / "adc", "-o", folder / "compared")
    return folder


def test_builds_are_compared_as_targets_are(builds, tmp_path):
    """The same numbers come out whether the builds are made for it or were there."""
    targets = data("compare", DEMO_MODEL, "--targets", "adcless-64,ideal-128", "-o", tmp_path / "t")
    made = (tmp_path / "t" / "adcless-64", tmp_path / "t" / "ideal-128")
    answer = data("compare", *made)
    assert [row["build"] for row in answer["targets"]] == ["adcless-64", "ideal-128"]
    for row, before in zip(answer["targets"], targets["targets"], strict=True):
        assert row["cost"] == before["cost"]
        assert row["waterfall"] == before["waterfall"]
    assert answer["differences"] == targets["differences"]


def test_builds_are_named_by_what_tells_them_apart(builds):
    answer = data("compare", builds / "x" / "less", builds / "y" / "less", builds / "adc")
    names = [row["build"] for row in answer["targets"]]
    assert names == ["x/less", "y/less", f"{builds.name}/adc"]
    assert [(way["target"], way["over"]) for way in answer["waterfalls"]] == [
        ("y/less", "x/less"),
        (f"{builds.name}/adc", "x/less"),
    ]


def test_what_differs_is_said_of_models_options_and_targets(builds):
    answer = data("compare", builds / "x" / "less", builds / "adc", builds / "other")
    rows = {row[0]: row[1:] for row in answer["differences"]["rows"]}
    assert rows["model.file"] == ["model.onnx", "model.onnx", "other.onnx"]
    assert rows["model.sha256"][0] == rows["model.sha256"][1] != rows["model.sha256"][2]
    assert rows["weight bits"] == ["4", "6", "4"]
    assert rows["macro[0].readout.kind"] == ["sense-amp", "flash", "sense-amp"]
    assert len(set(rows["mapping SHA-256"])) == 3
    note = answer["warnings"][-1]
    assert note.startswith("the builds are of 2 models (model.onnx, other.onnx)")


def test_every_file_says_what_is_compared_and_is_the_same_again(builds, tmp_path):
    pair = (builds / "x" / "less", builds / "adc")
    for name in ("one", "two"):
        run("compare", *pair, "-o", tmp_path / name)
    for name in FILES:
        held = (tmp_path / "one" / name).read_bytes()
        assert held == (tmp_path / "two" / name).read_bytes() != b"", name
    page = (tmp_path / "one" / "compare.html").read_text()
    assert ": 2 builds</h1>" in page
    assert "What differs between the builds" in page
    assert "not run on it" in page
    (first, _) = csv.DictReader(io.StringIO((tmp_path / "one" / "comparison.csv").read_text()))
    told = {name: first[name] for name in ("build", "target", "model", "verified")}
    assert told == {
        "build": "less",
        "target": "adcless-64",
        "model": "model.onnx",
        "verified": "not verified",
    }
    for name in ("comparison.md", "comparison.tex"):
        assert "not verified" in (tmp_path / "one" / name).read_text()
    text = run("compare", *pair)
    assert "build" in text
    assert "weight bits" in text


def test_recordings_are_run_on_every_build(builds, recording):
    pair = (builds / "x" / "less", builds / "adc")
    answer = data("compare", *pair, "--input", recording)
    assert answer["activity"] == "measured"
    assert data("compare", *pair, "--preset", "paper")["activity"] == "random"
    assert [row["cost"]["steps"] for row in answer["targets"]] == [3, 3]
    assert [row["accuracy"] for row in answer["targets"]] == [0.0, 1.0]


def test_activity_is_a_density_for_all_or_a_trace_for_each(builds, recording, tmp_path):
    pair = (builds / "x" / "less", builds / "adc")
    dense = data("compare", *pair, "--activity", "0.5", "--steps", "4")
    assert dense["activity"] == "density 0.5"
    for row, folder in zip(dense["targets"], pair, strict=True):
        cost = data("cost", folder, "--activity", "0.5", "--steps", "4")
        assert {**row["cost"], "warnings": cost["warnings"]} == cost

    traces = []
    for index, folder in enumerate(pair):
        output = tmp_path / f"{index}.npz"
        traces.append(
            data("run", folder, "--input", recording, "--output", output, "--trace")["trace"]
        )
    counted = data("compare", *pair, "--activity", ",".join(traces))
    measured = data("compare", *pair, "--input", recording)
    for row, other in zip(counted["targets"], measured["targets"], strict=True):
        assert row["cost"] == other["cost"]
    mixed = data("compare", *pair, "--activity", f"{traces[0]},0.2")
    assert mixed["activity"] == "measured or density 0.2"
    assert mixed["warnings"][-2:] == [
        "inferences are of 1, 3 time steps: ratios are not of equal work",
        "activity is measured in some builds and assumed in others",
    ]
    code, message = refused("compare", *pair, "--activity", traces[0])
    assert (code, message) == ("compare-inputs", "--activity names 1 trace, 2 builds are compared")
    assert refused("compare", builds / "other", "--activity", traces[0])[0] == "activity-array"


def test_a_model_takes_a_density_and_no_trace(recording):
    model = (DEMO_MODEL, "--targets", "adcless-64")
    answer = data("compare", *model, "--activity", "0.25")
    assert answer["activity"] == "density 0.25"
    assert refused("compare", *model, "--activity", recording)[0] == "compare-inputs"
    assert refused("compare", *model, "--activity", "2")[0] == "activity-density"


def test_a_comparison_is_of_one_model_or_of_builds(builds, tmp_path):
    build = builds / "adc"
    code, message = refused("compare", build, DEMO_MODEL)
    assert code == "compare-inputs"
    assert message.endswith("got 1 file and 1 folder")
    two = ("compare", DEMO_MODEL, DEMO_MODEL, "--targets", "ideal-128")
    assert refused(*two)[1].endswith("got 2 files and 0 folders")
    assert refused("compare", build, tmp_path / "typo")[0] == "no-such-file"
    twice = refused("compare", build, builds / "x" / ".." / "adc")
    assert twice[0] == "compare-inputs"
    assert "the same folder is given twice" in twice[1]
    assert refused("compare", build, "--targets", "ideal-128") == (
        "compare-inputs",
        "build folders are compiled already: --targets would change nothing",
    )
    options = ("--weight-bits", "4", "--reset", "zero")
    assert "--weight-bits, an option for NIR" in refused("compare", build, *options)[1]
    assert refused("compare", build, tmp_path)[0] == "not-a-build"
    assert refused("compare", build, "--steps", "0")[0] == "activity-steps"
    run("compare", DEMO_MODEL, code=2)
    run("compare", code=2)


def test_nothing_is_written_into_a_build(builds):
    before = sorted((builds / "adc").iterdir())
    for what in (("compare", builds / "other"), ("compare", DEMO_MODEL, "--targets", "ideal-128")):
        assert refused(*what, "-o", builds / "adc" / "inside")[0] == "report-output"
        assert refused(*what, "-o", builds / "adc")[0] == "report-output"
    assert sorted((builds / "adc").iterdir()) == before


# --- figures ---------------------------------------------------------------------------------


@pytest.fixture
def library() -> None:
    pytest.importorskip("vl_convert", reason="needs the extra 'figures'")


@pytest.mark.usefixtures("library")
def test_every_chart_of_a_comparison_is_drawn_and_captioned(builds, tmp_path):
    answer = data("figures", builds / "compared", "-o", tmp_path / "figs")
    names = [row["name"] for row in answer["figures"]]
    assert {"energy", "latency", "area", "ratios", "pareto", "waterfall-energy"} < set(names)
    assert "waterfall-1" in names
    files = {f"{name}.{kind}" for name in names for kind in ("svg", "png", "pdf")}
    found = {path.name for path in (tmp_path / "figs").iterdir()}
    assert found == files | {"figures.md", "figures.json", "references.bib"}
    caption = answer["figures"][0]["caption"]
    assert "builds less, adc. Preset physical; activity density 0.1." in caption


@pytest.mark.usefixtures("library")
def test_the_numbers_of_a_comparison_are_fixed(builds, tmp_path):
    for option in (("--preset", "paper"), ("--steps", "1"), ("--activity", "0.5")):
        found = refused("figures", builds / "compared", "-o", tmp_path / "figs", *option)
        assert found[0] == "compare-inputs"
        assert option[0] in found[1]
    assert not (tmp_path / "figs").exists()


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.update(schema="spikeloom/compare/2"),
        lambda held: held.update(targets=[]),
        lambda held: held.update(targets=None),
        lambda held: held["targets"][0].pop("target"),
        lambda held: held["targets"][0]["cost"]["energy_pj"]["total"].update(nominal="1"),
        lambda held: held["targets"][0]["cost"]["energy_pj"]["total"].update(high=10**400),
        lambda held: held["targets"][0]["cost"]["energy_pj"]["total"].update(high=float("nan")),
        lambda held: held["targets"][0].update(waterfall=[{}]),
        lambda held: held["waterfalls"][0].update(steps=5),
        lambda held: held.update(iso={"kind": "luck"}),
    ],
)
def test_data_that_compare_would_not_write_is_refused(builds, tmp_path, change):
    folder = Path(shutil.copytree(builds / "compared", tmp_path / "compared"))
    held = json.loads((folder / "comparison.json").read_text())
    change(held)
    (folder / "comparison.json").write_text(json.dumps(held))
    assert refused("figures", folder, "-o", tmp_path / "figs")[0] == "bad-comparison"
    assert not (tmp_path / "figs").exists()


@pytest.mark.usefixtures("library")
def test_figures_of_an_earlier_call_go_and_what_others_wrote_stays(builds, tmp_path, recording):
    figs, trace = tmp_path / "figs", tmp_path / "y.npz"
    build = builds / "x" / "less"
    run("run", build, "--input", recording, "--output", trace, "--trace")
    api.draw_figures(build, figs, activity=str(trace.with_suffix(".trace.npz")))
    assert (figs / "spikes.pdf").exists()
    (figs / "notes.txt").write_text("mine")
    (figs / "spikes.svg").write_text("mine, too")
    api.draw_figures(build, figs)
    left = {path.name for path in figs.iterdir() if path.stem in ("spikes", "notes")}
    assert left == {"notes.txt", "spikes.svg"}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "held", ["{", "[]", '{"schema": "spikeloom/figure-files/1", "files": {"../kept.svg": "HASH"}}']
)
def test_a_list_of_figures_from_others_removes_nothing(builds, tmp_path, held):
    import hashlib

    figs, kept = tmp_path / "figs", tmp_path / "kept.svg"
    figs.mkdir()
    kept.write_text("mine")
    digest = hashlib.sha256(kept.read_bytes()).hexdigest()
    (figs / "figures.json").write_text(held.replace("HASH", digest))
    api.draw_figures(builds / "compared", figs)
    assert kept.read_text() == "mine"
