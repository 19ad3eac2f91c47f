"""The reference networks at full size: one of them, exported and compiled."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")


def test_a_network_is_exported_and_compiled_at_full_size():
    command = [sys.executable, "-m", "benchmarks.reference_networks", "--json"]
    done = subprocess.run(
        [*command, "--network", "DVSNet", "--target", "hpadc-flash5-128"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = json.loads(done.stdout)["rows"]
    assert row["crossbars"] == row["published"] == 32
    assert row["compile_peak_mib"] > 0
