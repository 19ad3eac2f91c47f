"""Every table of ops has an entry, or a stated reason for none, for every op class.

A new op fails here once for each table that says nothing of it, and so does a table, a chain of
``isinstance`` or a tuple of op classes that is not listed: knowledge about ops has no other place.
"""

import ast
import doctest
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mapper.ir import tables
from mapper.ir.core import Array, Constants, Op, Value
from mapper.ir.network import Add, Merge, Move, Reshape, Take
from mapper.ir.serialize import OPS
from mapper.ir.tables import OpTable

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("mapper", "passes", "targets")

TABLES = (
    "mapper.cost.layer_counts:STARTS",
    "mapper.cost.op_counts:WORK",
    "mapper.exchange.canonical.layers:FORMS",
    "mapper.exchange.nir_nodes:NODES",
    "mapper.executor.native.logic:PACKED",
    "mapper.executor.numpy.grids:MATRICES",
    "mapper.executor.numpy.statements:FORMS",
    "mapper.executor.onnx.ops:OPERATORS",
    "mapper.frontend.describe:FACTS",
    "mapper.frontend.describe:PLACES",
    "mapper.ir.activity:COUNTED",
    "mapper.ir.edges:REALS",
    "mapper.ir.infer:TYPES",
    "mapper.ir.ranges:RANGES",
    "mapper.ir.spike_counts:COUNTED",
    "mapper.report.charts.network:NODES",
    "mapper.training.hardening.integer:INTEGERS",
    "mapper.training.importing.operators:COUNTERPARTS",
    "mapper.verify.rounding:ROUNDED",
    "passes.folding.scaled_inputs:PASSED",
    "passes.folding.ways:CONVOLVED",
    "passes.integers.meaning:FORMS",
    "passes.readout.offsets:CARRIED",
    "passes.readout.precision:CARRIERS",
)
"""Every table, as ``module:name``."""

UNIONS = {
    "mapper.ir.readout:BitlineRead",
    "mapper.ir.units:LayerOp",
}
"""Op classes under one name, for fields that they share."""

CHAINS = {
    "mapper.exchange.nir:_Writer._op": "the edges of a NIR graph: sums, copies and states",
}
"""Functions that tell three op classes or more apart, and why no table can."""

ORDERS = ("gone", "needs")
"""Fields of passes that name op classes."""


def table(name: str) -> OpTable[Any]:
    module, _, member = name.partition(":")
    if module.startswith("mapper.training"):
        pytest.importorskip("torch", reason="the train extra is not installed")
    held = getattr(import_module(module), member)
    assert isinstance(held, OpTable)
    return held


def about(held: OpTable[Any]) -> list[type[Op]]:
    return [kind for kind in OPS.values() if issubclass(kind, held.of)]


# --- every table -------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_something_of_every_op(name):
    held = table(name)
    silent = [kind.mnemonic for kind in about(held) if not says(held, kind)]
    assert not silent, f"{name} has neither an entry nor a reason for {', '.join(silent)}"


def says(held: OpTable[Any], kind: type[Op]) -> bool:
    try:
        return held.entry(kind) is not None or bool(held.reason(kind))
    except LookupError:
        return False


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_one_thing_of_an_op_and_names_none_in_vain(name):
    held = table(name)
    assert not held.entries.keys() & held.without.keys()
    assert Op not in {*held.entries, *held.without}, "a default"
    used = {held.key(kind) for kind in about(held)}
    assert used == {*held.entries, *held.without}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard(Op):
    """An op that no table knows."""

    mnemonic: ClassVar[str] = "net.unheard"

    x: Value
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from ()

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        return operands


@pytest.mark.parametrize("name", TABLES)
def test_an_op_that_a_table_does_not_know_is_an_error_that_names_both(name):
    held = table(name)
    with pytest.raises(LookupError, match=f"^Unheard is missing among {held.what}$"):
        held.entry(Unheard)


def test_the_example_is_true():
    assert doctest.testmod(tables) == (0, 3)


def test_the_nearest_base_class_counts():
    held = OpTable(what="words", entries={Move: "moved", Reshape: "same"}, without={Add: "sums"})
    assert (held.entry(Take), held.entry(Reshape), held.entry(Add)) == ("moved", "same", None)
    assert (held.reason(Take), held.reason(Add)) == ("", "sums")
    with pytest.raises(LookupError, match="Merge is missing among words"):
        held.reason(Merge)
    moves = about(replace(held, of=Move))
    assert Take in moves
    assert Add not in moves


# --- no knowledge anywhere else ----------------------------------------------------------


KINDS = {kind.__name__ for kind in OPS.values()} | {
    base.__name__ for kind in OPS.values() for base in kind.__mro__ if issubclass(base, Op)
}


@dataclass(frozen=True)
class Found:
    """What a module says about op classes, each with the line it stands on."""

    tables: set[str]
    unions: set[str]
    chains: set[str]
    stray: list[str]


def test_every_table_is_listed():
    """Read from the source, so that none is forgotten; so are unions and chains of tests."""
    found = [looked_at(path) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert set(TABLES) == set().union(*(each.tables for each in found))
    assert set().union(*(each.unions for each in found)) == UNIONS
    assert set().union(*(each.chains for each in found)) == set(CHAINS)


def test_op_classes_stand_in_tables_only():
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    stray = [line for path in paths for line in looked_at(path).stray]
    assert not stray, "make it a table or a class variable:\n" + "\n".join(stray)


@cache
def looked_at(path: Path) -> Found:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return examined(ast.parse(path.read_text(encoding="utf-8")), module)


def examined(tree: ast.Module, module: str) -> Found:
    found = Found(set(), set(), set(), [])
    allowed: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            _assigned(node, module, found, allowed)
        if isinstance(node, ast.arg | ast.FunctionDef):
            hint = node.annotation if isinstance(node, ast.arg) else node.returns
            allowed.update(ast.walk(hint) if hint is not None else ())
        if isinstance(node, ast.FunctionDef):
            _tested(node, module, tree, found)
    for node in ast.walk(tree):
        if node not in allowed and (problem := _stray(node)):
            found.stray.append(f"{module}:{getattr(node, 'lineno', 0)}: {problem}")
    return found


def _assigned(
    node: ast.Assign | ast.AnnAssign, module: str, found: Found, allowed: set[ast.AST]
) -> None:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    name, value = getattr(target, "id", ""), node.value
    if isinstance(node, ast.AnnAssign):
        allowed.update(ast.walk(node.annotation))
    if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "OpTable":
        found.tables.add(f"{module}:{name}")
        allowed.update(keyword.value for keyword in value.keywords)
    elif isinstance(value, ast.BinOp) and len(_kinds(value)) > 1:
        found.unions.add(f"{module}:{name}")
    elif name in ORDERS and value is not None:
        allowed.add(value)


def _kinds(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in KINDS}


def _tested(node: ast.FunctionDef, module: str, tree: ast.Module, found: Found) -> None:
    tested = {
        kind
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "isinstance"
        for kind in _kinds(call.args[1])
    }
    if len(tested - {"Op"}) > 2:
        owners = [c for c in tree.body if isinstance(c, ast.ClassDef) and node in c.body]
        name = ".".join([*(owner.name for owner in owners), node.name])
        found.chains.add(f"{module}:{name}")


def _stray(node: ast.AST) -> str:
    if isinstance(node, ast.MatchClass) and _kinds(node.cls):
        return f"a case of {', '.join(_kinds(node.cls))}"
    if isinstance(node, ast.Dict):
        keys = {key.id for key in node.keys if isinstance(key, ast.Name) and key.id in KINDS}
        keys |= {key.value for key in node.keys if isinstance(key, ast.Constant)} & set(OPS)
        return f"a dictionary by {', '.join(sorted(keys))}" if keys else ""
    if isinstance(node, ast.Tuple | ast.List | ast.Set) and isinstance(
        getattr(node, "ctx", ast.Load()), ast.Load
    ):
        items = {item.id for item in node.elts if isinstance(item, ast.Name)}
        return f"a list of {', '.join(sorted(items))}" if len(items & KINDS) > 1 else ""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
        kinds = _kinds(node.args[1])
        return f"one of {', '.join(sorted(kinds))}" if len(kinds) > 1 else ""
    return ""


SOURCES = {
    "T: OpTable[str] = OpTable(what='', entries={Add: ''}, without={Merge: ''})": "",
    "D = {Add: 1}": "m:1: a dictionary by Add",
    "D = {'net.add': 1}": "m:1: a dictionary by net.add",
    "T = (Add, Merge)": "m:1: a list of Add, Merge",
    "gone = (Add, Merge)": "",
    "isinstance(x, (Add, Merge))": "m:1: one of Add, Merge",
    "isinstance(x, Add | Merge)": "m:1: one of Add, Merge",
    "isinstance(x, Add)": "",
    "match x:\n    case Add():\n        pass": "m:2: a case of Add",
    "def f(op: Add | Merge) -> tuple[Add, Merge]: ...": "",
}


@pytest.mark.parametrize(("source", "problem"), SOURCES.items())
def test_the_look_finds_what_it_looks_for(source, problem):
    assert examined(ast.parse(source), "m").stray[:1] == ([problem] if problem else [])


def test_the_look_finds_chains_and_tables():
    tests = "\n".join(f"    if isinstance(op, {kind}): pass" for kind in ("Add", "Merge", "Take"))
    assert examined(ast.parse(f"def f(op):\n{tests}"), "m").chains == {"m:f"}
    assert examined(ast.parse("A = OpTable(what='')"), "m").tables == {"m:A"}
    assert examined(ast.parse("U = Add | Merge"), "m").unions == {"m:U"}
