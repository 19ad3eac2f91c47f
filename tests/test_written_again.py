"""What engines write again is listed beside the test that compares it, and the tests are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?P<meaning>[^|]+) \| (?P<engine>[^|]+) \| `(?P<file>[^`|]+)` \| `(?P<test>[^`|]+)` \|$",
    re.MULTILINE,
)
ROWS = [match.groupdict() for match in ROW.finditer(PAGE)]
DEFINED = {
    "mapper/ir/neurons.py": ("fire_and_reset",),
    "mapper/ir/comparators.py": ("sensed", "converted"),
    "mapper/ir/counter.py": ("read_lanes",),
    "mapper/ir/encoding.py": ("digits",),
}


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_four_meanings_are_written_again():
    meanings = {"fire and reset", "readout", "digits", "noise of a read"}
    assert {row["meaning"] for row in ROWS} == meanings
    pairs = [(row["meaning"], row["engine"]) for row in ROWS]
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['meaning']}, {row['engine']}")
def test_a_row_names_a_file_and_a_test_that_are_there(row):
    assert (ROOT / row["file"]).is_file()
    path, _, name = row["test"].partition("::")
    assert name in functions(ROOT / path)


@pytest.mark.parametrize("path", DEFINED)
def test_the_page_names_the_definitions(path):
    assert f"`{path}`" in PAGE
    assert set(DEFINED[path]) <= functions(ROOT / path)


@pytest.mark.parametrize(
    "header", ["bits", "fire", "narrow", "neurons", "noise", "quick", "read", "sums", "walk"]
)
def test_every_kernel_that_decodes_or_fires_has_a_row(header):
    assert f"mapper/kernels/csrc/{header}.h" in {row["file"] for row in ROWS}
