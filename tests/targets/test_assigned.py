"""Assignments as files: written, read back, and refused with everything that is wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper import Assignment, Choice, MappingError, load_assignment, save_assignment
from targets import (
    assignment_from_data,
    assignment_to_data,
    assignment_toml,
    load_target,
)
from targets.choose import assignment_problems

DECIDED = Assignment(
    layers={
        "/conv1/Conv": Choice(macro="sar5-64", weight_bits=6, packing=False, copies=2),
        "conv2": Choice(macro="digital"),
        'a.b "c"': Choice(),
    },
    weight_bits=4,
)
TEXT = """weight_bits = 4

[layer."/conv1/Conv"]
macro = "sar5-64"
weight_bits = 6
packing = false
copies = 2

[layer."a.b \\"c\\""]

[layer.conv2]
macro = "digital"
"""


def refused(text: str, folder: Path) -> list[tuple[str, str]]:
    path = folder / "a.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        load_assignment(path)
    return [(problem.code, problem.message) for problem in caught.value.diagnostics]


def test_a_file_has_one_table_a_layer_and_comes_back_equal(tmp_path):
    assert assignment_toml(DECIDED) == TEXT
    save_assignment(DECIDED, tmp_path / "a.toml")
    assert (tmp_path / "a.toml").read_text(encoding="utf-8") == TEXT
    assert load_assignment(tmp_path / "a.toml") == DECIDED
    assert load_assignment(str(tmp_path / "a.toml")) == DECIDED


def test_nothing_decided_is_an_empty_file(tmp_path):
    save_assignment(Assignment(), tmp_path / "a.toml")
    assert (tmp_path / "a.toml").read_text(encoding="utf-8").strip() == ""
    assert load_assignment(tmp_path / "a.toml") == Assignment()


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
CHOICES = st.builds(
    Choice,
    macro=st.just("") | st.text(st.characters(exclude_categories=["Cs"]), max_size=64),
    weight_bits=st.none() | st.integers(1, 8),
    packing=st.none() | st.booleans(),
    copies=st.none() | st.integers(1, 1_000_000),
)


@given(layers=st.dictionaries(NAMES, CHOICES, max_size=5), bits=st.none() | st.integers(1, 8))
def test_any_assignment_comes_back_from_its_text(tmp_path_factory, layers, bits):
    decided = Assignment(layers=layers, weight_bits=bits)
    path = tmp_path_factory.mktemp("any") / "a.toml"
    save_assignment(decided, path)
    assert load_assignment(path) == decided
    assert assignment_from_data(assignment_to_data(decided), loc="a.json") == decided


def test_flags_may_be_those_of_numpy():
    decided = Assignment(layers={"fc": Choice(packing=np.bool_(True))})
    assert assignment_toml(decided) == "[layer.fc]\npacking = true\n"


def test_everything_wrong_with_a_file_is_said_at_once(tmp_path):
    text = """
weight_bits = 9
rows = 3
[layer."/fc/Gemm"]
macro = 5
copies = 0
packing = "yes"
bits = 4
"""
    assert refused(text, tmp_path) == [
        ("target-key", "a.toml: [layer./fc/Gemm] has no key 'bits'"),
        ("target-value", "a.toml: [layer./fc/Gemm] macro must be a text, got 5"),
        ("target-value", "a.toml: [layer./fc/Gemm] packing must be true or false, got 'yes'"),
        ("target-value", "a.toml: [layer./fc/Gemm] copies must be 1..1000000, got 0"),
        ("target-key", "a.toml: the top level has no key 'rows'"),
        ("target-value", "a.toml: weight_bits must be 1..8, got 9"),
    ]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("layer = 5", "target-value", "a.toml: [layer] must be a table, got 5"),
        ("[layer]\nfc = 5", "target-value", "a.toml: [layer.fc] must be a table, got 5"),
        ("[layer", "target-syntax", "a.toml: "),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, code, message):
    ((found, told),) = refused(text, tmp_path)
    assert found == code
    assert told.startswith(message)


def test_a_file_that_is_not_there_is_refused_by_name():
    with pytest.raises(MappingError, match=r"error\[unknown-assignment\]: none.toml is not a file"):
        load_assignment("none.toml")


def test_no_layer_has_fewer_than_one_copy():
    target = load_target("readouts-64")
    decided = Assignment(layers={"fc": Choice(copies=0)})
    (problem,) = assignment_problems(target, decided, ["fc"])
    assert (problem.code, problem.message) == ("copies", "0 copies, but a layer has 1 or more")
