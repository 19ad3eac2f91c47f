"""The five measured rows of the reference, within the bounds that the project set itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.reference import layer_runs, least_copies, mapped, tiles_of
from benchmarks.reference_forms import constant_errors, line, line_errors
from mapper.cost import count_layers
from targets import load_target

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"


def run(script: str, *arguments: str):
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_five_measured_rows_are_within_bounds():
    answer = run("paper_ratios.py")
    rows = answer["rows"]
    assert [(row["network"], row["array"]) for row in rows] == [
        ("DVSNet", 32),
        ("DVSNet", 64),
        ("DVSNet", 128),
        ("FireFlowNet", 64),
        ("SFN", 64),
    ]
    for row in rows:
        assert row["energy_ratio"] == pytest.approx(row["reference_energy_ratio"], rel=0.25)
        assert row["latency_ratio"] == pytest.approx(row["reference_latency_ratio"], rel=0.30)
        assert row["within_bounds"]
        for ours, measured in zip(row["energy_uj"], row["reference_energy_uj"], strict=True):
            assert 0.5 <= ours / measured <= 2
        assert row["energies_within_factor"]
    assert len({json.dumps(constants) for constants in answer["components"]}) == 1


@pytest.mark.parametrize(("array", "tiles"), [(32, 533), (64, 185), (128, 51)])
def test_dvsnet_has_the_copies_and_the_tiles_of_the_runs(array, tiles):
    if not (SHARED / "reference_runs_layers.csv").is_file():
        pytest.skip("the reference's runs are not beside this checkout")
    runs = [row for row in layer_runs(SHARED) if int(row["array"]) == array]
    for readout, target in (("sense-amp", "adcless"), ("flash-5b", "hpadc-flash5")):
        graph, loaded = mapped("DVSNet", 64, f"{target}-{array}"), load_target(f"{target}-{array}")
        copies = [layer.grid.copies for layer in count_layers(graph, loaded)]
        known = [row for row in runs if row["readout"] == readout]
        assert copies == [int(row["copies"]) for row in known]
        assert tiles_of(graph, 16) == sum(int(row["tiles"]) for row in known) == tiles


def test_a_layer_larger_than_a_tile_needs_one_copy():
    assert [least_copies(crossbars, 16) for crossbars in (16, 17, 2304)] == [1, 1, 1]


def test_a_line_and_a_constant_by_hand():
    rows = [(1.0, 3.0), (2.0, 5.0), (4.0, 9.0)]  # 1 + 2 x
    assert line(rows) == pytest.approx((1, 2))
    assert list(line_errors(rows)) == pytest.approx([0, 0, 0], abs=1e-12)
    # of 1 and 2: (1/1 + 1/2) / (1/1 + 1/4) = 1.2
    assert list(constant_errors([(0, 1.0), (0, 2.0)])) == pytest.approx([0.2, -0.4])


def test_constants_hold_the_fit():
    """A least-squares fit of one constant alone would move none of them by more than 15 %.

    Accumulation is fitted on arrays of 32 and 64, area by hand (docs/cost.md says why).
    """
    if not (SHARED / "reference_runs_chips.csv").is_file():
        pytest.skip("the reference's runs are not beside this checkout")
    factors = run("fit_reference.py", "--runs", str(SHARED))["factors"]
    for name, factor in factors.items():
        if not name.startswith("accumulate_energy"):
            assert factor == pytest.approx(1, abs=0.15), name
