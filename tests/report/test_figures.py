"""Figures for a paper: the files, their captions, and what is refused."""

import json
import os
import re
import struct
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mapper import api, cli
from mapper.build.folder import write_build
from mapper.report import draw_figures
from mapper.report.charts.base import COLUMN, PAGE_WIDE, Bar, Chart, Table, for_paper, interval_bars
from mapper.report.figures import HASHES, captions_of, report_charts
from tests.files import DEMO_RECORDING
from tests.report.pages import HOSTILE, demo_build, demo_recording, hostile_build

RUNNER = CliRunner()


def run(*args: object, code: int = 0) -> str:
    done = RUNNER.invoke(cli.app, [str(arg) for arg in args])
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("figures") / "build"
    write_build(demo_build(), out)
    return out


@pytest.fixture
def library() -> None:
    pytest.importorskip("vl_convert", reason="needs the extra 'figures'")


EXTRA = {"figures.md", "figures.json", "references.bib"}


@pytest.mark.usefixtures("library")
def test_every_chart_of_the_report_is_drawn_three_ways_and_captioned(folder, tmp_path):
    outputs, figs = tmp_path / "y.npz", tmp_path / "figs"
    trace = run("run", folder, "--input", DEMO_RECORDING, "--output", outputs, "--trace", "--json")
    trace = json.loads(trace)["trace"]
    answer = json.loads(run("figures", folder, "-o", figs, "--activity", trace, "--json"))
    names = [row["name"] for row in answer["figures"]]
    assert {"energy-by-layer", "spikes", "pipeline", "energy-hangs-on"} < set(names)
    assert {"utilisation", "floorplan-occupancy", "floorplan-activity"} < set(names)
    files = {f"{name}.{kind}" for name in names for kind in ("svg", "png", "pdf")}
    assert {path.name for path in figs.iterdir()} == files | EXTRA
    captions = (figs / "figures.md").read_text()
    for row in answer["figures"]:
        name = row["name"]
        root = ET.fromstring((figs / f"{name}.svg").read_text())
        assert root.get("width") == str(COLUMN)
        head = (figs / f"{name}.png").read_bytes()[:24]
        assert head[1:4] == b"PNG"
        assert struct.unpack(">I", head[16:20])[0] == 1050  # 3.5 inches, 300 dots each
        pdf = (figs / f"{name}.pdf").read_bytes()
        assert re.search(rb"MediaBox ?\[0 0 252 ", pdf)  # 3.5 inches, 72 points each
        assert "Preset physical; activity counted in a run of" in row["caption"]
        assert "y.trace.npz, SHA-256" in row["caption"]
        assert "low .. high of published facts" in row["caption"]
        assert f"]({name}.svg)" in captions
        assert "Satapathy and Kaur 2023 [satapathy2023comparator]" in row["caption"]
    keys = re.findall(r"^@\w+\{([^,]+),", (figs / answer["references"]).read_text(), re.MULTILINE)
    assert keys[0] == "spikeloom"
    assert {"satapathy2023comparator", "shafiee2016isaac"} < set(keys) == {*keys}


_LETTERS = re.compile(r'font-size="([\d.]+)px"')


@pytest.mark.usefixtures("library")
def test_figures_over_two_columns_are_wider_with_letters_of_the_same_size(folder, tmp_path):
    for columns, pixels in ((1, COLUMN), (2, PAGE_WIDE)):
        figs = tmp_path / str(columns)
        run("figures", folder, "-o", figs, "--columns", columns, "--json")
        for path in figs.glob("*.svg"):
            text = path.read_text()
            assert ET.fromstring(text).get("width") == str(pixels), path.name
            assert {float(size) for size in _LETTERS.findall(text)} == {10.0}, path.name
    run("figures", folder, "-o", tmp_path / "3", "--columns", 3, code=2)


@pytest.mark.usefixtures("library")
def test_the_same_build_gives_the_same_bytes(folder, tmp_path):
    for name in ("one", "two"):
        answer = api.draw_figures(folder, tmp_path / name, activity="0.2", steps=4)
    assert "assumed, 0.2 of all input bits; an inference of 4 time" in json.dumps(answer)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.usefixtures("library")
def test_an_svg_with_a_gradient_does_not_count_earlier_drawings():
    from mapper.report.figures import _drawn, import_vl_convert
    from mapper.verify.evidence import gather_evidence

    build = demo_build()
    found = build.report(gather_evidence(build, recording=demo_recording(build)))
    (spikes,) = (chart for chart in report_charts(found) if chart.name == "spikes")
    first, second = (_drawn(import_vl_convert(), spikes)["spikes.svg"] for _ in range(2))
    assert b"url(#gradient_0)" in first
    assert first == second


@pytest.mark.usefixtures("library")
def test_names_of_a_hostile_model_are_text():
    figures = draw_figures(hostile_build().report())
    for figure in figures:
        root = ET.fromstring(figure.files[f"{figure.name}.svg"])
        assert {node.tag.split("}")[1] for node in root.iter()}.isdisjoint({"script", "image"})
    captions = captions_of(figures)
    assert HOSTILE not in captions
    assert "<script" not in captions.replace("\\<", "")
    assert "\x1b" not in captions


def test_a_preset_is_that_of_the_cost(folder):
    found = demo_build().report(preset="paper")
    cost, _ = api.cost_build(folder, None, 1, "paper", swings=True)
    told = found.cost.as_dict()
    assert {**told, "warnings": cost["warnings"]} == {
        k: v for k, v in cost.items() if k != "sensitivity"
    }
    assert set(told["warnings"]) <= set(cost["warnings"])
    assert [tornado.as_dict() for tornado in found.swings] == cost["sensitivity"]


@pytest.mark.usefixtures("library")
def test_a_caption_says_what_a_fitted_preset_leaves_out():
    figure = draw_figures(demo_build().report(preset="paper"))[0]
    assert "Preset paper; activity random, " in figure.caption
    assert "fitted single numbers" in figure.caption


def test_without_the_library_nothing_is_written(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    answer = json.loads(run("figures", folder, "-o", tmp_path / "figs", "--json", code=1))
    (error,) = answer["errors"]
    assert error["code"] == "missing-extra"
    assert error["help"] == 'pip install "spikeloom[figures]"'
    assert not (tmp_path / "figs").exists()


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("inside", [".", "figs", "figs/../x/.."])
def test_figures_stay_out_of_the_build(folder, inside):
    before = sorted(folder.rglob("*"))
    answer = json.loads(run("figures", folder, "-o", folder / inside, "--json", code=1))
    assert [error["code"] for error in answer["errors"]] == ["report-output"]
    assert sorted(folder.rglob("*")) == before


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--preset", "wishful", "unknown-preset"),
        ("--activity", "1.5", "activity-density"),
        ("--activity", "missing.npz", None),
        ("--steps", "0", "activity-steps"),
    ],
)
def test_a_wrong_option_writes_nothing(folder, tmp_path, option, value, code):
    out = tmp_path / "figs"
    answer = json.loads(run("figures", folder, "-o", out, option, value, "--json", code=1))
    assert code in (None, answer["errors"][0]["code"])
    assert not out.exists()


def test_names_in_print_are_whole_on_several_lines():
    long = ["/features/features.0/block/conv/Conv", "/features/features.1/block/conv/Conv"]
    bars = [
        Bar(label=name, low=1, nominal=2, high=3, group=group)
        for name in long
        for group in ("rows (wordlines)", "columns (bitlines)")
    ]
    chart = Chart(
        name="x",
        title="X",
        description="",
        spec=interval_bars(bars, unit="pJ", what="energy", notes=dict.fromkeys(long, "50 %")),
        table=Table(columns=(), rows=()),
    )
    narrow, wide = for_paper(chart, COLUMN), for_paper(chart, PAGE_WIDE)
    shown = list(dict.fromkeys(row["label"] for row in narrow["data"]["values"]))
    assert [name.replace("\n", "") for name in shown] == long
    assert [max(map(len, name.split("\n"))) <= 25 for name in shown] == [True, True]
    assert [row["label"] for row in narrow["layer"][-1]["data"]["values"]] == shown
    legends = [spec["layer"][0]["encoding"]["color"]["legend"] for spec in (narrow, wide)]
    assert [legend["columns"] for legend in legends] == [1, 4]
    assert chart.spec["data"]["values"][0]["label"] == long[0]  # the page has all of it


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_a_pipe_in_the_place_of_the_list_of_figures_is_not_waited_for(folder, library, tmp_path):
    """No list of ours lies there, so nothing is taken for an earlier figure of ours."""
    os.mkfifo(tmp_path / HASHES)
    run("figures", folder, "-o", tmp_path)
    assert (tmp_path / HASHES).is_file()
