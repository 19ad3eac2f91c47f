"""``import mapper``: light, lazy, typed, and without names of our packages."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import mapper

SOURCE = ast.parse(Path(mapper.__file__).read_text(encoding="utf-8"))


def test_importing_it_imports_nothing_of_ours():
    code = "import sys, mapper; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = ("mapper", "passes", "targets", "numpy", "onnx")
    assert [m for m in done.stdout.split() if m.partition(".")[0] in ours] == ["mapper"]


@pytest.mark.parametrize("name", mapper.__all__)
def test_every_name_is_there_when_it_is_used(name):
    assert getattr(mapper, name) is not None
    assert name in dir(mapper)


@pytest.mark.parametrize("name", sorted({*mapper.__all__} - {"__version__"}))
def test_no_name_is_one_of_our_modules(name):
    assert importlib.util.find_spec(f"mapper.{name}") is None


def test_type_checkers_see_the_names_that_are_there():
    (block,) = (node for node in SOURCE.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {node.module: tuple(alias.name for alias in node.names) for node in imports}
    assert seen == mapper._HOMES
    named = {name for names in seen.values() for name in names}
    assert named | {"__version__"} == set(mapper.__all__)


def test_another_name_is_not_there():
    with pytest.raises(AttributeError, match="module 'mapper' has no attribute 'complie'"):
        mapper.complie  # noqa: B018
