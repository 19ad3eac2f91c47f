"""The reference networks at full size: one of them, exported and compiled."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.campaign(0)
def test_a_network_is_exported_and_compiled_at_full_size():
    command = [sys.executable, "-m", "benchmarks.reference_networks", "--json"]
    done = subprocess.run(
        [*command, "--network", "DVSNet", "--target", "hpadc-flash5-128"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = json.loads(done.stdout)["rows"]
    assert row["crossbars"] == row["published"] == 32
    assert row["compile_peak_mib"] > 0


def test_the_kept_results_are_those_of_the_docs_and_equal_the_published_table():
    path = ROOT / "benchmarks" / "results" / "reference_networks.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 30  # five networks on six targets
    assert all(row["crossbars"] == row["published"] for row in rows if row["published"])
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (\w+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", text, re.MULTILINE)
    shown = {
        (name, rows): int(count.replace(",", ""))
        for name, *counts in table
        for rows, count in zip((32, 64, 128), counts, strict=True)
    }
    held = {
        (row["network"], int(row["target"].rpartition("-")[2])): row["crossbars"] for row in rows
    }
    assert shown == held
