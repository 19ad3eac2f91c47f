"""Networks to make dies of, at sizes that learn nothing: what is trained, written and compiled."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

from benchmarks import networks_for_dies
from benchmarks.accuracy_data import Prepared, store
from mapper import api
from tests.benchmarks.test_accuracy import SMALL, recordings


def train(folder: Path, *arguments: str) -> int:
    place = ["--target", "adcless-64", "-o", str(folder / "out"), "--data", str(folder / "data")]
    return networks_for_dies.main(["--smoke", *place, *arguments])


@pytest.mark.campaign(0)
def test_three_networks_of_each_target_and_seed(tmp_path, capsys):
    data = Prepared(recordings(20, 0), recordings(10, 1), {})
    store(SMALL, data, tmp_path / "data")
    assert train(tmp_path, "--seed", "3", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["network"] for row in rows] == ["staged", "long", "dies"]
    assert [row["device"] is None for row in rows] == [True, True, False]
    assert rows[2]["device"]["amplifier"]["offset_counts"]["value"] == 1.0
    folder = tmp_path / "out" / "nmnist_adcless-64_3"
    for row in rows:
        assert json.loads((folder / f"{row['network']}.json").read_text()) == row
        assert (folder / f"{row['network']}.onnx").is_file()
    assert api.compile_model(folder / "dies.onnx", "adcless-64", tmp_path / "build")
    with np.load(tmp_path / "out" / "nmnist_held-out.npz") as held:
        assert held["x"].shape == (6, 10, 2, 34, 34)
        assert held["labels"].tolist() == data.test.wanted.tolist()
    lines = (folder / "dies" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["stage"] for line in lines] == ["dies"]
