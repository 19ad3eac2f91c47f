"""What an addition touches: each patch here adds one thing, and works in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).parent
COPIED = ("benchmarks", "docs", "mapper", "passes", "targets", "tests", "pyproject.toml")
PRODUCT = re.compile(r"^\+\+\+ b/((?:mapper|passes|targets)/\S+)$", re.MULTILINE)
TESTS = re.compile(r"^\+\+\+ b/(tests/\S+\.py)$", re.MULTILINE)

# How many files of the product each addition may touch.
MOST = {
    "onnx-function": 1,  # Atan, an operator with the arithmetic of others: its row
    "onnx-operator": 2,  # Upsample, an operator with arithmetic of its own: its row and its rule
    "op-that-moves": 4,  # net.flip: its class, and its line in NumPy and in two forms of ONNX
    "readout": 1,  # three references and four levels: the row of its kind
}
# What holds the tables complete that an addition extends, run beside its own tests.
ALSO = {
    "onnx-function": ("tests/frontend/test_operators.py",),
    "onnx-operator": ("tests/frontend/test_operators.py",),
    "op-that-moves": (
        "tests/ir/test_tables.py",
        "tests/ir/test_serialize.py",
        "tests/ir/test_ranges.py",
    ),
    "readout": ("tests/ir/test_readout.py", "tests/targets/test_load.py"),
}


def patch(name: str) -> str:
    return (PATCHES / f"{name}.patch").read_text(encoding="utf-8")


def test_every_patch_is_tested():
    assert sorted(path.stem for path in PATCHES.glob("*.patch")) == sorted(MOST)


@pytest.mark.parametrize(("name", "most"), MOST.items(), ids=MOST)
def test_an_addition_touches_few_files(name, most):
    assert 1 <= len(PRODUCT.findall(patch(name))) <= most


@pytest.mark.parametrize("name", ["onnx-function", "onnx-operator"])
def test_an_operator_adds_one_row_to_the_table(name):
    rows = re.findall(r"^([+-])    Operator\(", patch(name), re.MULTILINE)
    assert rows == ["+"]


@pytest.mark.campaign(2)
@pytest.mark.parametrize("name", MOST)
def test_an_addition_works(name, tmp_path):
    for part in COPIED:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / part)
    run(tmp_path, "git", "apply", "--whitespace=error", str(PATCHES / f"{name}.patch"))
    added = [path for path in TESTS.findall(patch(name)) if Path(path).name.startswith("test_")]
    assert added
    pytest_here = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    run(tmp_path, *pytest_here, *added, *ALSO[name])


def run(folder: Path, *command: str) -> None:
    """Run a command in a copy of the tree, whose modules it imports."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "GIT_CEILING_DIRECTORIES": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
