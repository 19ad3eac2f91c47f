"""The page about exporting: what can be checked without the libraries; plain torch runs."""

import ast
import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from mapper import cli
from tests.exporting.recipes import PAGE, ROOT, recipes

TEXT = PAGE.read_text(encoding="utf-8")
RECIPES = {recipe.title: recipe for recipe in recipes(TEXT)}
LIBRARIES = {
    "Plain torch": "torch",
    "snnTorch": "snntorch",
    "SpikingJelly 2": "spikingjelly",
    "SpikingJelly 2, attention": "spikingjelly",
    "SpikingJelly 0.0.0.0.14": "spikingjelly",
    "Norse": "norse",
    "sinabs": "sinabs",
    "Rockpool": "rockpool",
    "Spyx": "spyx",
}
each = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def test_every_library_has_one_recipe_and_a_row_of_the_table():
    assert list(RECIPES) == list(LIBRARIES)
    rows = re.findall(r"^\| \[(.*?)\]\(#.*?\) \|", TEXT, re.MULTILINE)
    assert [row.lower() for row in rows] == [title.lower() for title in LIBRARIES]


@each
def test_a_recipe_installs_its_library_in_a_range(recipe):
    first, *others = (Requirement(text) for text in recipe.requirements)
    assert first.name == LIBRARIES[recipe.title]
    for requirement in (first, *others):
        bounds = {part.operator for part in requirement.specifier}
        assert bounds in ({"=="}, {">=", "<"}), str(requirement)


@each
def test_a_program_writes_what_its_commands_check(recipe):
    tree = ast.parse(recipe.program)
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    saved = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    assert any(name and name.startswith("expected_") for name in saved)
    checked = {name for _, name, *_ in recipe.commands}
    assert checked | {"io.npz"} <= words
    written = {word for word in words if str(word).endswith((".onnx", ".nir"))}
    assert {name for verb, name, *_ in recipe.commands if verb == "verify"} == written
    for verb, _, *options in recipe.commands:
        assert verb in ("inspect", "verify")
        assert (options[-2:] == ["--input", "io.npz"]) == (verb == "verify")


@each
def test_both_exporters_are_shown_where_the_table_says_that_they_work(recipe):
    (row,) = (
        line for line in TEXT.splitlines() if line.lower().startswith(f"| [{recipe.title.lower()}]")
    )
    newer, older, nir = (cell.strip().startswith("yes") for cell in row.split("|")[2:5])
    assert ("dynamo=True" in recipe.program) == newer
    assert ("dynamo=False" in recipe.program) == older
    assert ("nir.write" in recipe.program) == nir


def test_the_recipe_of_plain_torch_runs(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra 'train'")
    monkeypatch.chdir(tmp_path)
    recipe = RECIPES["Plain torch"]
    (tmp_path / "export.py").write_text(recipe.program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "export.py"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    for words in recipe.commands:
        ran = CliRunner().invoke(cli.app, [*words, "--json"])
        assert ran.exit_code == 0, (words, ran.output)


@pytest.mark.parametrize(
    "code", re.findall(r"`([a-z]+(?:-[a-z]+)+)`", TEXT.partition("## Where")[2])
)
def test_a_code_that_the_page_names_is_documented(code):
    assert f"| `{code}` |" in (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
