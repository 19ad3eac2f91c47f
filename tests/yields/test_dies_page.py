"""The folder of a study of dies: a page, data and tables, and the faults that the page draws."""

import csv
import json
import re

import numpy as np
import pytest

import mapper
from mapper.dies.draw import Lot
from mapper.ir.crossbar import CrossbarMvm
from mapper.report.dies.charts import _fault_table
from mapper.report.dies.page import dies_charts
from mapper.study import RECORDS
from mapper.study.sweep import parse_sweep
from passes.dies.facts import Conditions
from passes.dies.faults import CrossbarFaults, faults_of
from targets.devices import load_device
from tests.networks import small_conv_net, spikes

NETWORK = small_conv_net()
X = spikes(NETWORK, steps=5, batch=8)


@pytest.fixture(scope="module")
def build() -> mapper.Build:
    net = mapper.Imported(graph=NETWORK, time_form="step", producer="", opset=None, ports=())
    return mapper.compile(net, "adcless-diff-64", calibrate=X)


@pytest.fixture(scope="module")
def studied(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dies")
    (folder / "mine.txt").write_text("mine")
    dies = build.dies(
        X,
        device="rram-typical",
        dies=4,
        require=0.5,
        sweeps=[parse_sweep("amplifier.offset=0,0.5,2")],
        attribute=True,
        folder=folder,
    )
    return dies, folder


def test_a_page_has_every_chart_and_fetches_nothing(studied):
    dies, folder = studied
    page = (folder / "index.html").read_text(encoding="utf-8")
    names = ["distribution", "sweep-1", "yield-1", "costs-imperfection", "costs-layer", "spikes"]
    assert [chart.name for chart in dies_charts(dies.told)] == names
    faults = ["floorplan-offset", "floorplan-stuck-cells", "floorplan-cell-error"]
    assert re.findall(r'data-chart="([^"]+)"', page) == [*names, *faults]
    assert "default-src &#39;none&#39;" in page
    assert not re.search(r'(src|href)="(?!#|data:)', page.partition("<script")[0])
    assert "does not cover age" in page
    assert "nobody verified: cell.on_off" in page
    assert dies.told.told(dies.tolerances[0]) in page


def test_data_and_tables_have_the_numbers_of_the_answer(studied):
    dies, folder = studied
    assert json.loads((folder / "yield.json").read_text()) == json.loads(json.dumps(dies.as_dict()))
    with (folder / "yield-dies.csv").open(newline="") as lines:
        rows = list(csv.reader(lines))
    assert rows[0] == ["seed", "same_class"]
    assert [float(row[1]) for row in rows[1:]] == dies.values.tolist()
    with (folder / "yield.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["setting"], row["value"]) for row in rows[1:]] == [
        ("amplifier.offset", value) for value in ("0.0", "0.5", "2.0")
    ]
    assert float(rows[0]["mean"]) == dies.distribution.mean
    assert float(rows[0]["yield"]) == dies.score.share
    assert "\\begin{tabular}" in (folder / "yield.tex").read_text()
    assert (folder / "yield.md").read_text().startswith("| chips | dies |")
    assert len((folder / "yield-costs.csv").read_text().splitlines()) == 1 + 2 * (4 + 3)


def test_the_same_call_gives_the_same_bytes_and_leaves_other_files(build, studied):
    _, folder = studied
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    asked = {"device": "rram-typical", "dies": 4, "require": 0.5, "attribute": True}
    build.dies(X, sweeps=[parse_sweep("amplifier.offset=0,0.5,2")], folder=folder, **asked)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert before["mine.txt"] == b"mine"
    assert RECORDS in before


def test_faults_by_crossbar_are_those_of_the_die(build):
    """Net cells of one bit are off by one for each cell of a pair that is stuck."""
    settings = {"cell.stuck_on": 0.01, "cell.stuck_off": 0.01}
    device = load_device("ideal").with_set(settings)
    graph, target = build.hardware, build.target.with_device(device)
    die = Lot().die(graph, target, 5)
    found = faults_of(graph, target, 5, Conditions())
    cells = {op.results[0].name: op for op in die.ops if isinstance(op, CrossbarMvm)}
    assert sum(one.stuck.sum() for one in found) > 10
    for one in found:
        op = cells[one.name]
        assert len(one.stuck) == len(one.offset) == len(op.placement.slots)
        meant = op.encoding.digits(graph.constants[op.weight.name])[None]
        off = np.abs(die.constants[op.cells.name] - meant)
        off = np.broadcast_to(off, (op.placement.copies, *off.shape[1:]))
        if len(op.rows) == len(op.columns) == 1:  # a crossbar is a copy
            assert one.stuck.tolist() == off.sum(axis=(1, 2, 3)).tolist()
        assert one.stuck.sum() == off.sum()
        assert not one.offset.any()
        assert one.cells.sum() == 2 * op.placement.copies * meant.size
        assert one.reads.sum() == op.placement.copies * len(op.rows) * meant.shape[1] * op.outputs
        squares = one.cell_error**2
        assert (squares > 0).tolist() == (one.stuck > 0).tolist()


def test_crossbars_that_are_filled_in_part_count_less_in_a_table():
    """A full crossbar and a tenth of one: the root of 10/11 of 1.1, and of 1/11 of 99."""
    full_and_part = CrossbarFaults(
        name="a",
        cells=np.array([40, 4]),
        reads=np.array([20, 2]),
        stuck=np.array([1, 2]),
        cell_error=np.sqrt([1.1, 0.0]),
        offset=np.sqrt([0.0, 99.0]),
    )
    assert _fault_table({"a": full_and_part}).rows == (("a", "2", "3", "3", "1"),)


def test_offsets_of_crossbars_are_as_spread_as_the_device_says(build):
    target = build.target.with_device(load_device("ideal").with_set({"amplifier.offset": 0.5}))
    found = faults_of(build.hardware, target, 0, Conditions())
    squares = np.concatenate([one.offset**2 for one in found])
    assert 0.4 < np.sqrt(squares.mean()) < 0.6
    assert not any(one.stuck.any() or one.cell_error.any() for one in found)
    without = faults_of(build.hardware, target, 0, Conditions(without=("offset",)))
    assert not any(one.offset.any() for one in without)
