"""The fuzzer itself: its limits hold, its cases repeat, and a short run finds nothing."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests import campaigns
from tests.fuzz import onnx_seeds
from tests.fuzz.campaign import KINDS, WHEEL
from tests.fuzz.drive import CODES, ROOT
from tests.fuzz.onnx_edits import edit

COUNT = 150
"""Cases of the short run, a sixth of them in ``make test``; ``docs/fuzzing.md`` tells of more."""


def fuzz(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer in a process of one thread: it forks."""
    command = [sys.executable, "-m", "tests.fuzz", "--keep", str(folder), *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_short_run_finds_nothing(tmp_path):
    pytest.importorskip("nir", reason="makes NIR files, and nir is not installed")
    count = COUNT if campaigns.whole else COUNT // 6
    args = ("--count", str(count), "--seed", "7", "--extra", "none", "--json")
    done = fuzz(tmp_path / "found", *args)
    answer = json.loads(done.stdout)
    assert answer["findings"] == []
    assert (answer["cases"], done.returncode) == (count, 0)
    assert set(answer["counts"]) == set(KINDS) == set(WHEEL)
    assert any(outcome.startswith("imported") for outcome in answer["counts"]["onnx"])


def test_a_seed_and_a_number_make_the_same_model():
    made = [onnx_seeds.convolution() for _ in range(2)]
    for model in made:
        edit(model, Random("1/5"))
    assert made[0].SerializeToString() == made[1].SerializeToString()


# --- limits: each is tried in a process of its own, which has one thread -----------------------

_PROGRAM = """
import json, sys, time
from tests.fuzz import isolate
isolate.SECONDS, isolate._WAITING_SECONDS = 0.2, 8
works = {
    "good": lambda: {"outcome": "done"},
    "spins": lambda: sum(iter(int, 1)),
    "sleeps": lambda: time.sleep(60),
    "allocates": lambda: {"outcome": len(bytearray(5 << 30))},
    "raises": lambda: {"outcome": 1 // 0},
    "dies": lambda: __import__("os").abort(),
}
print(json.dumps({name: isolate.isolated(work) for name, work in works.items()}))
"""


@pytest.fixture(scope="module")
def ends() -> dict[str, dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("work", "finding"),
    [
        ("spins", "hang: more than 0.2 s of processor time"),
        ("sleeps", "hang: no answer after 8 s"),
        ("allocates", "MemoryError: "),
        ("raises", "ZeroDivisionError: integer division or modulo by zero"),
        ("dies", "crash: the process died of SIGABRT"),
    ],
)
def test_every_bad_end_is_a_finding(ends, work, finding):
    assert ends["good"] == {"outcome": "done"}
    assert ends[work]["finding"] == finding


def test_the_codes_are_those_of_the_documentation():
    assert {"bad-recording", "unsupported-op"} <= CODES
    assert "internal" not in CODES
