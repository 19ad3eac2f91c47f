"""``benchmarks/dies_of_networks.py``: rows are kept, a run goes on, and tables show the rows."""

import json

import numpy as np
import pytest

from benchmarks import dies_of_networks as bench
from targets.devices import load_device
from tests.files import DEMO_MODEL, DEMO_RECORDING


@pytest.fixture
def networks(tmp_path):
    """The bundled network where trained ones would be."""
    place = tmp_path / "networks" / "nmnist_adcless-diff-64_0"
    place.mkdir(parents=True)
    (place / "staged.onnx").write_bytes(DEMO_MODEL.read_bytes())
    with np.load(DEMO_RECORDING) as held:
        x, labels = held["x"], held["labels"]
    np.savez(place.parent / "nmnist_held-out.npz", x=x, labels=labels)
    return place.parent


def test_rows_are_kept_and_a_run_goes_on(networks, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "CALIBRATES", 6)
    results = tmp_path / "rows.json"
    asked = [str(networks), "--dies", "2", "--results", str(results)]
    assert bench.main([*asked, "--condition", "offset-0.5"]) == 0
    (row,) = bench.kept(results)
    assert (row["network"], row["condition"], row["samples"]) == ("staged", "offset-0.5", 18)
    assert len(row["dies"]) == 2
    before = results.read_bytes()
    assert bench.main([*asked, "--condition", "offset-0.5"]) == 0
    assert results.read_bytes() == before  # nothing was left to do
    assert bench.main([*asked, "--condition", "offset-1-calibrated"]) == 0
    first, second = bench.kept(results)
    assert (first, second["samples"], len(second["dies"])) == (row, 12, 1)
    capsys.readouterr()
    assert bench.main(["--results", str(results), "--table"]) == 0
    told = capsys.readouterr().out.splitlines()
    values = 100 * np.array(row["dies"])
    assert told[0] == "**nmnist, `adcless-diff-64`**, 1 seed, %:"
    assert f"| offset 0.5 | {values.mean():.1f} ± {values.std(ddof=1):.1f} |" in told
    assert f"| offset 1, calibrated | {100 * second['dies'][0]:.1f} |" in told


def test_the_page_shows_the_results_that_are_kept():
    page = (bench.ROOT / "docs" / "dies.md").read_text(encoding="utf-8")
    for line in bench.table(bench.kept(bench.RESULTS)):
        assert line.strip() in page


def test_every_condition_names_devices_and_settings_that_there_are():
    for condition in bench.CONDITIONS.values():
        assert load_device(condition.device).with_set(dict(condition.settings))


def test_what_is_kept_is_of_one_form():
    held = json.loads(bench.RESULTS.read_text(encoding="utf-8"))
    assert held["schema"] == bench.SCHEMA
    for row in held["rows"]:
        assert row["condition"] in bench.CONDITIONS
        assert all(0 <= value <= 1 for value in (row["ideal"], *row["dies"]))
