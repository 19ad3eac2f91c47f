"""Packages whose names are imported when they are first used."""

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

from mapper.later import later

PACKAGES = ("mapper.api", "mapper.report", "mapper.verify", "passes")


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_names_that_are_there(package):
    held = importlib.import_module(package)
    assert held.__file__ is not None
    body = ast.parse(Path(held.__file__).read_text(encoding="utf-8")).body
    (block,) = (node for node in body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {str(node.module): tuple(alias.name for alias in node.names) for node in imports}
    (call,) = (node.value for node in body if _is_lookup(node))
    assert ast.literal_eval(call.args[1]) == seen
    assert {name for names in seen.values() for name in names} == set(held.__all__)
    for name in held.__all__:
        assert getattr(held, name) is not None
        # A module of that name would take its place when something imports it.
        assert importlib.util.find_spec(f"{package}.{name}") is None


def _is_lookup(node):
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__getattr__"


def test_another_name_is_not_there():
    find = later("mapper.api", {"mapper.later": ("later",)})
    with pytest.raises(AttributeError, match=r"module 'mapper\.api' has no attribute 'complie'"):
        find("complie")
