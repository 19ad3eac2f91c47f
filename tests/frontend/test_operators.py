"""The operator table is complete, and no list beside it says the same again."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import onnx.defs
import pytest

from mapper.frontend.onnx.operators import OPERATORS, Operator
from mapper.frontend.onnx.operators.row import Through
from mapper.frontend.time import bundles, flatten, sequences

ROOT = Path(__file__).resolve().parents[2]
FRONTEND = ROOT / "mapper" / "frontend"
STANDARD = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if not schema.domain}
ROWS = {row.name for row in OPERATORS}


def test_every_operator_has_one_row():
    keys = Counter((domain, row.name) for row in OPERATORS for domain in row.domains)
    assert [key for key, count in keys.items() if count > 1] == []


def test_rows_of_the_standard_domain_are_operators_of_the_standard():
    assert {row.name for row in OPERATORS if "" in row.domains} - STANDARD == set()


def test_every_way_through_time_has_one_function_and_an_operator_that_takes_it():
    functions = [*bundles.RULES, *sequences.RULES, *flatten.WALKED]
    assert sorted(functions) == sorted(get_args(Through))
    assert {row.time.through for row in OPERATORS} == set(get_args(Through))


def test_a_reduction_over_time_is_done_by_an_operator_that_reduces_tensors_side_by_side():
    reducing = {row.name for row in OPERATORS if row.time.reduces}
    assert {row.time.side_by_side for row in OPERATORS if row.time.through == "reduce"} == reducing


def test_a_shape_is_known_where_one_is_asked_for():
    for row in OPERATORS:
        assert (row.time.shape is not None) == (row.time.through in ("reshape", "repeat")), row.name


def test_what_is_refused_has_no_rule():
    assert [row.name for row in OPERATORS if row.refusal and (row.rule or row.spelled_out)] == []


# --- no second list ------------------------------------------------------------------------


def sources() -> list[Path]:
    """Return the modules of the frontend that ONNX operators may be named in."""
    return [path for path in sorted(FRONTEND.rglob("*.py")) if path.parent.name != "nir"]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def named_operators(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of operators in strings that hold nothing but names of operators."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value.split()
            if STANDARD.issuperset(words):
                yield from ((node.lineno, word) for word in words)


def without_row(source: str) -> list[tuple[int, str]]:
    return [named for named in named_operators(ast.parse(source)) if named[1] not in ROWS]


def test_an_operator_that_the_frontend_names_has_a_row():
    assert {path: found for path in sources() if (found := without_row(text_of(path)))} == {}


def test_a_named_operator_without_a_row_is_found():
    source = 'if node.op_type == "GRU" or node.op_type in "LSTM Add".split():\n    pass'
    assert without_row(source) == [(1, "GRU"), (1, "LSTM")]


def tables(source: str) -> list[int]:
    """Return the lines of collections that hold several names of operators."""
    found = []
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.Dict):
            parts = list(node.keys)
        elif isinstance(node, ast.Set | ast.List | ast.Tuple):
            parts = list(node.elts)
        names = [p.value for p in parts if isinstance(p, ast.Constant)]
        if sum(name in STANDARD for name in names) > 1:
            found.append(node.lineno)
    return found


def test_there_is_no_other_table_of_operators():
    assert {path: found for path in sources() if (found := tables(text_of(path)))} == {}


@pytest.mark.parametrize(
    "source",
    ['RULES = {"Add": 1, "Sub": 2}', 'KINDS = frozenset({"Add", "Sub"})', 'op in ("Or", "If")'],
)
def test_another_table_of_operators_is_found(source):
    assert tables(source) == [1]


# --- docs/frontend.md ----------------------------------------------------------------------


COMPUTED = {
    "elementwise": "element by element",
    "layer": "layers",
    "quantiser": "grids",
    "reshape": "elements in their order",
    "write": "known numbers written into a tensor",
}


def line_of(row: Operator) -> str:
    """Say in which line of the page an operator stands."""
    if row.kind == "neuron":
        return "neurons of libraries"
    if row.kind == "size":
        return "shapes, which are known"
    if row.kind in ("branch", "loop", "sequence"):
        return "time steps, branches and lists"
    if row.rule is not None:
        return COMPUTED[row.kind]
    return "computed of known numbers alone" if row.folds else "refused where anything needs them"


def test_the_page_lists_every_operator():
    lines: dict[str, set[str]] = {}
    for row in OPERATORS:
        names = {f"{d}::{row.name}" for d in row.domains} if row.kind == "neuron" else {row.name}
        lines.setdefault(line_of(row), set()).update(names)
    table = [
        f"| {what} | {', '.join(f'`{name}`' for name in sorted(names))} |"
        for what, names in sorted(lines.items())
    ]
    page = (ROOT / "docs" / "frontend.md").read_text(encoding="utf-8")
    start = page.index("| what becomes of them | operators |")
    written = page[start:].split("\n\n")[0].splitlines()[2:]
    assert written == table
