"""The generated ``cost.py``: the same numbers, alone, the same bytes."""

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mapper.cost import estimate, generate_cost
from mapper.cost.generate import EMBEDDED, literal
from mapper.ir.core import Graph
from targets import Target, load_target
from tests.cost.networks import graph_for, small_target, two_by_two_grid


@pytest.fixture
def generated(tmp_path):
    """Write ``cost.py`` and run it, isolated from everything installed."""

    def run(graph: Graph, target: Target, *arguments: str, steps: int = 1) -> str:
        path = tmp_path / "cost.py"
        path.write_text(generate_cost(graph, target, steps=steps))
        # -I -S: no environment, no user or site packages, so the standard library alone.
        command = [sys.executable, "-I", "-S", str(path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


@pytest.mark.parametrize("name", ["adcless-64", "hpadc-sar5-64", "mixed-64", "ideal-128"])
def test_the_generated_file_prints_the_estimate_to_the_last_bit(generated, name):
    target = load_target(name)
    graph = graph_for(target)
    expected = estimate(graph, target, 0.25, steps=3).as_dict()
    assert json.loads(generated(graph, target, "0.25", "--steps", "3", "--json")) == expected


def test_density_and_steps_have_defaults(generated):
    graph, target = two_by_two_grid(), small_target()
    printed = json.loads(generated(graph, target, "--json", steps=7))
    assert printed == estimate(graph, target, 0.1, steps=7).as_dict()


def test_the_text_form_is_that_of_the_estimate(generated):
    graph, target = two_by_two_grid(), small_target()
    assert generated(graph, target) == f"{estimate(graph, target)}\n"


@pytest.mark.parametrize(
    "arguments", [["2"], ["nan"], ["-0.5"], ["many"], ["--steps", "0"], ["--what"]]
)
def test_wrong_usage_exits_2(generated, arguments):
    with pytest.raises(subprocess.CalledProcessError) as error:
        generated(two_by_two_grid(), small_target(), *arguments)
    assert error.value.returncode == 2
    assert "Traceback" not in error.value.stderr


def test_the_same_inputs_give_the_same_bytes():
    texts = {generate_cost(two_by_two_grid(), small_target()) for _ in range(2)}
    assert len(texts) == 1


def test_only_the_standard_library_is_imported():
    tree = ast.parse(generate_cost(two_by_two_grid(), small_target()))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names)


def test_names_from_a_model_file_stay_texts(generated):
    nasty = 'x\'); import os; print(\'owned\\"""\n\x1b[31m\N{SNOWMAN}{{ 7 * 7 }}\ud800'
    graph = two_by_two_grid()
    ops = tuple(replace(op, loc=nasty) if op.loc else op for op in graph.ops)
    graph = replace(graph, name=nasty, ops=ops)
    target = replace(small_target(), name=nasty)
    text = generate_cost(graph, target)
    assert text.isascii()
    printed = generated(graph, target)
    assert printed.isascii()
    assert "\x1b" not in printed
    layers = json.loads(generated(graph, target, "--json"))["layers"]
    assert [layer["name"] for layer in layers] == [nasty]


def test_no_path_and_no_date_in_the_file():
    text = generate_cost(two_by_two_grid(), small_target())
    assert str(Path(__file__).parents[2]) not in text
    assert "__file__" not in text
    assert "datetime" not in text


def test_embedded_modules_need_no_other_module_of_ours():
    folder = Path(__file__).parents[2] / "mapper" / "cost"
    for name in EMBEDDED:
        for node in ast.walk(ast.parse((folder / name).read_text())):
            assert not isinstance(node, ast.Import)
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mapper"):
                assert str(node.module).removeprefix("mapper.cost.") + ".py" in EMBEDDED


def test_literals_are_python():
    value = {"a": (1.5, (), True), "b\n": None}
    assert ast.literal_eval(literal(value)) == value
