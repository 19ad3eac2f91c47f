"""Targets and builds side by side in Python: the same answers as ``compare`` gives."""

import json

import numpy as np
import pytest

import mapper
from mapper import api
from mapper.api import CompareOptions
from mapper.diagnostics import MappingError
from mapper.recordings import read_arrays
from mapper.writing import json_text
from tests.files import DEMO_MODEL, DEMO_RECORDING

ARRAYS = read_arrays(DEMO_RECORDING)
X = ARRAYS["x"][:, :2]
LABELS = ARRAYS["labels"][:2]
TARGETS = ("hpadc-flash5-64", "adcless-diff-64")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "x.npz"
    np.savez(path, x=X, labels=LABELS)
    return path


def refused(call, *args, **options) -> str:
    with pytest.raises(MappingError) as caught:
        call(*args, **options)
    (found,) = caught.value.diagnostics
    return found.code


def test_targets_are_compared_as_by_the_command(recording, tmp_path):
    mine = mapper.compare_targets(
        DEMO_MODEL, TARGETS, inputs={"x": X, "labels": LABELS}, output=tmp_path / "mine"
    )
    options = CompareOptions(targets=TARGETS, recording=recording, output=tmp_path / "command")
    command = api.compare((DEMO_MODEL,), options)
    for row, other in zip(mine.as_dict()["targets"], command["targets"], strict=True):
        assert row["cost"] == other["cost"]
        assert row["accuracy"] == other["accuracy"]
    (way,) = mine.ways
    assert (way.target, way.over) == TARGETS[::-1]  # as the table: the later over the first
    stored = json.loads((tmp_path / "mine" / "comparison.json").read_text())
    assert stored == json.loads(json_text(mine.as_dict()))
    again = mapper.load(tmp_path / "mine" / TARGETS[1])
    assert again.run(X).accuracy(LABELS) == mine.builds[1].accuracy


def test_builds_are_compared_in_memory_and_from_folders(tmp_path):
    saved = mapper.compile(DEMO_MODEL, "adcless-64", calibrate=X).save(tmp_path / "saved")
    other = mapper.compile(DEMO_MODEL, "adcless-64", weight_bits=2, calibrate=X)
    found = mapper.compare_mappings(
        [saved, other, other, tmp_path / "saved"], inputs={"x": X, "labels": LABELS}
    )
    names = [build.title for build in found.builds]
    assert names == ["saved", "adcless-64", "adcless-64 (2)", "saved (2)"]
    assert found.builds[0].cost == found.builds[3].cost
    rows = {row[0]: row[1:] for row in found.differences.rows}
    assert rows["weight bits"] == ("4", "2", "2", "4")
    command = api.compare_builds((tmp_path / "saved",), CompareOptions(activity="0.5", steps=4))
    mine = mapper.compare_mappings([saved], activity=0.5, steps=4)
    assert json_text(mine.as_dict()) == json_text(command)


def test_each_build_may_have_an_activity_of_its_own(tmp_path):
    build = mapper.compile(DEMO_MODEL, "adcless-64", calibrate=X)
    run = build.run(X, trace=True)
    found = mapper.compare_mappings([build, build], activity=[run, 0.5], steps=4)
    assert [row.cost.density for row in found.builds] == [None, 0.5]
    assert found.builds[0].cost.total_pj == build.cost(run).energy_pj
    assert found.activity == "measured or density 0.5"
    assert refused(mapper.compare_mappings, [build], activity=[run, run]) == "compare-inputs"
    assert refused(mapper.compare_mappings, []) == "compare-inputs"


def test_what_cannot_be_compared_is_refused(tmp_path):
    assert refused(mapper.compare_targets, DEMO_MODEL, []) == "unknown-target"
    assert refused(mapper.compare_targets, DEMO_MODEL, TARGETS, density=2) == "activity-density"
    twice = ("adcless-64", "adcless-64")
    folder = tmp_path / "c"
    assert refused(mapper.compare_targets, DEMO_MODEL, twice, output=folder) == "target-value"
    assert not folder.exists()


def test_a_comparison_is_a_line_and_a_table():
    found = mapper.compare_targets(DEMO_MODEL, TARGETS)
    assert repr(found) == "Comparison(2 builds: hpadc-flash5-64, adcless-diff-64; preset physical)"
    shown = found._repr_html_()
    assert "<th>energy (" in shown
    assert "hpadc-flash5-64" in shown


def test_what_is_recognised_is_a_line_and_a_table(tmp_path):
    found = mapper.inspect(DEMO_MODEL, "adcless-64")
    assert repr(found).startswith("Inspection(ModelInfo(model: 17,184 weights, 6,150 neurons")
    assert "<td>crossbars</td>" in found._repr_html_()
    assert found.as_dict() == api.inspect_model(DEMO_MODEL, "adcless-64")
    conv, lif, *_ = found.model.layers
    assert (conv.matrix.wordlines, conv.matrix.columns) == (18, 16)
    assert lif.neuron.parameters["leak"] == 0.875
    written = mapper.export(DEMO_MODEL, tmp_path / "x.onnx")
    assert "ops, onnx)" in repr(written)
    assert "<td>net.conv2d</td>" in written._repr_html_()
