"""Figures of a study of dies for a paper: of its folder and of its answer, the same."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.api.charts import figures_of
from mapper.api.yields import Dies, read_yield
from mapper.diagnostics import MappingError
from mapper.report.dies.data import DATA
from mapper.report.dies.page import dies_caption, dies_charts
from mapper.study.statistics import difference
from mapper.study.sweep import parse_sweep
from tests.networks import small_conv_net, spikes

NETWORK = small_conv_net()
X = spikes(NETWORK, steps=3, batch=4)


@pytest.fixture(scope="module")
def build() -> mapper.Build:
    net = mapper.Imported(graph=NETWORK, time_form="step", producer="", opset=None, ports=())
    return mapper.compile(net, "adcless-diff-64", calibrate=X)


@pytest.fixture(scope="module")
def studied(build, tmp_path_factory) -> tuple[Dies, Path]:
    folder = tmp_path_factory.mktemp("dies")
    sweeps = [parse_sweep("amplifier.offset=0,2")]
    asked = {"device": "rram-milo", "settings": {"cell.stuck_on": 0.01}, "require": 0.5}
    dies = build.dies(X, dies=2, sweeps=sweeps, attribute=True, folder=folder, **asked)
    return dies, folder


def refused(call, *args, **options) -> str:
    with pytest.raises(MappingError) as caught:
        call(*args, **options)
    return caught.value.diagnostics[0].code


def test_a_folder_is_read_to_the_answer_that_it_is_of(studied):
    dies, folder = studied
    read = read_yield(folder)
    assert read.as_dict() == dies.as_dict()
    assert dies_charts(read) == dies_charts(dies.told)
    assert dies_caption(read) == dies_caption(dies.told)


def test_figures_of_a_folder_are_those_of_its_answer(studied, tmp_path):
    pytest.importorskip("vl_convert", reason="needs the extra 'figures'")
    dies, folder = studied
    one, other = tmp_path / "one", tmp_path / "other"
    asked = ("figures", str(folder), "-o", str(one), "--columns", "2", "--json")
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 0, done.output
    told = dies.figures(other, columns=2).as_dict()
    assert json.loads(done.stdout) == told | {"folder": str(one)}
    files = {path.name: path.read_bytes() for path in one.iterdir()}
    assert files == {path.name: path.read_bytes() for path in other.iterdir()}
    names = [figure["name"] for figure in told["figures"]]
    assert names == [
        *("distribution", "sweep-1", "yield-1", "costs-imperfection", "costs-layer", "spikes"),
    ]
    assert {f"{name}.{kind}" for name in names for kind in ("svg", "png", "pdf")} < files.keys()
    assert b"@inproceedings{milo2021rram," in files["references.bib"]
    assert told["preset"] is None


def test_captions_say_which_dies_on_what_and_where_facts_are_from(studied):
    dies, _ = studied
    assert dies_caption(dies.told) == (
        "Network net on adcless-diff-64: 2 dies of rram-milo, cell.stuck_on=0.01 (seeds 0 to 1). "
        "Recording: 4 samples of 3 time steps; noise of reads of die n: seed 0 + n. "
        "Ideal chip: 100.0 % (4 of 4, 95 %: "
        "51.0 .. 100.0) of the class of the ideal chip. Device rram-milo: Milo et al., IRPS 2021, "
        "Fig. 4, by the linear fit of CrossSim. Device facts (references.bib): CrossSim: accuracy "
        "simulation of analog in-memory computing [cross-sim]; Milo et al. 2021 [milo2021rram]."
    )


def test_options_of_a_build_are_refused(studied, tmp_path):
    pytest.importorskip("vl_convert", reason="needs the extra 'figures'")
    _, folder = studied
    assert refused(figures_of, folder, tmp_path / "figs", steps=3) == "yield-inputs"
    assert not (tmp_path / "figs").exists()


def test_differences_may_deviate_by_more_than_all_samples(studied, tmp_path):
    """One die gains all samples by what another loses them by: 1 and -1 deviate by sqrt(2)."""
    _, folder = studied
    answer = json.loads((folder / DATA).read_text())
    gained = difference((1.0, 0.0), (0.0, 1.0)).as_dict()
    answer["costs"]["layers"][0]["left_out"] = gained
    (tmp_path / DATA).write_text(json.dumps(answer))
    assert read_yield(tmp_path).as_dict()["costs"]["layers"][0]["left_out"] == gained


def test_layers_that_are_called_the_same_keep_bars_of_their_own(studied, tmp_path):
    """Names come of a model: one that no terminal should see is escaped."""
    _, folder = studied
    answer = json.loads((folder / DATA).read_text())
    for layer in answer["costs"]["layers"]:
        layer["label"] = "a\x1b"
    (tmp_path / DATA).write_text(json.dumps(answer))
    (chart,) = (c for c in dies_charts(read_yield(tmp_path)) if c.name == "costs-layer")
    count = len(answer["costs"]["layers"])
    assert count > 1
    names = dict.fromkeys(row[0] for row in chart.table.rows)
    assert list(names) == [rf"a\x1b #{place}" for place in range(1, count + 1)]


DELETED = object()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "spikeloom/yield/2"),
        (("network",), 3),
        (("recording",), None),
        (("recording", "samples"), 0),
        (("measured",), "luck"),
        (("ideal", "share_right"), 5),
        (("dies", "values"), []),
        (("dies", "values", 0), 1.5),
        (("dies", "values"), DELETED),
        (("require",), "90%"),
        (("first_seed",), -1),
        (("spikes_differing",), [1]),
        (("sweeps", 0, "points"), []),
        (("sweeps", 0, "points", 0, "value"), "x"),
        (("costs", "dies"), 3),
        (("costs", "dies"), 10**15),
        (("costs", "layers", 0, "alone", "of"), 10**15),
        (("costs", "layers", 0, "alone", "difference"), 2),
        (("costs", "layers", 0, "alone", "deviation"), None),
        (("costs", "layers", 0, "alone", "deviation"), 1.5),
        (("settings", "cell.luck"), 1),
        (("sweeps", 0, "setting"), "\ud800"),
        (("devices", 0, "cites"), [1]),
        (("references",), {}),
        (("references", 0, "key"), "a b"),
    ],
)
def test_what_yield_does_not_write_is_refused(studied, tmp_path, path, value):
    _, folder = studied
    answer = json.loads((folder / DATA).read_text())
    held = answer
    for name in path[:-1]:
        held = held[name]
    if value is DELETED:
        del held[path[-1]]
    else:
        held[path[-1]] = value
    (tmp_path / DATA).write_text(json.dumps(answer))
    assert refused(read_yield, tmp_path) == "bad-yield"
