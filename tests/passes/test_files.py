"""Passes, one at a time: a graph, the pass, and the graph that comes out, as text files.

``tests/passes/files/PASS/NAME.txt`` says first what it shows, then the pass with its options and
the target; then comes the graph, and after ``# gives:`` what the pass makes of it: a graph, or what
the user is told where it refuses. ``pytest --update-golden`` rewrites what comes after it.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.ir.core import Array, Graph, IntType
from mapper.ir.evaluate import evaluate
from mapper.ir.parse import parse_graph
from mapper.ir.verify import check_graph
from mapper.pipeline import make_passes, run_passes
from passes import PIPELINE, InputCode
from passes.options import parse
from targets import Target, load_target

FOLDER = Path(__file__).parent / "files"
TARGETS = Path(__file__).parents[1] / "targets"
FILES = sorted(FOLDER.glob("*/*.txt"))
KEEPING = {kind.name for kind in PIPELINE if kind.exact}
GIVES = "# gives:\n"
ALL = 1 << 10  # numbers of a constant that are written out


@dataclass(frozen=True, kw_only=True)
class Case:
    """One file."""

    where: str
    heads: Mapping[str, str]
    """``pass`` and ``target``; where a pass takes them, ``codes`` and ``samples`` as JSON."""
    graph: str
    expected: str

    def result(self) -> str:
        """Return what the pass makes of the graph, or what it says."""
        graph = parse_graph(self.graph, where=self.where)
        check_graph(graph, self.where)
        name = self.heads["pass"].partition("{")[0]
        steps = make_passes(
            codes=self._codes(), samples=self._samples(graph), options=self._options()
        )
        try:
            after, _ = run_passes(
                graph, self._target(), [step for step in steps if step.name == name]
            )
        except MappingError as error:
            return f"{error}\n"
        return after.text(inline=ALL)

    def _options(self) -> Mapping[str, Mapping[str, int | float | bool | str]]:
        given = self.heads["pass"]
        return parse([given] if "{" in given else [])

    def _target(self) -> Target:
        own = TARGETS / f"{self.heads['target']}.toml"
        return load_target(own if own.is_file() else self.heads["target"])

    def _codes(self) -> dict[str, InputCode]:
        """Read ``{"x": [3, 0.5]}``: unsigned codes of three bits, one of them 0.5."""
        given = json.loads(self.heads.get("codes", "{}"))
        return {
            name: InputCode(type=IntType(bits, signed=False), step=step)
            for name, (bits, step) in given.items()
        }

    def _samples(self, graph: Graph) -> dict[str, Array]:
        """Read ``{"x": [[1, 0], [1, 1]]}``: two time steps of one recording."""
        given = json.loads(self.heads.get("samples", "{}"))
        shapes = {value.name: value.shape for value in graph.inputs}
        return {
            name: np.array(steps).reshape(len(steps), 1, *shapes[name])
            for name, steps in given.items()
        }


def read(path: Path) -> Case:
    before, found, expected = path.read_text(encoding="utf-8").partition(GIVES)
    assert found, f"{path} has no line {GIVES!r}"
    heads = dict(re.findall(r"^# (pass|target|codes|samples): (.*)$", before, re.MULTILINE))
    where = str(path.relative_to(FOLDER))
    return Case(where=where, heads=heads, graph=before, expected=expected)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_pass_makes_of_a_graph_what_the_file_says(path, request):
    case = read(path)
    found = case.result()
    if request.config.getoption("--update-golden"):
        before, _, _ = path.read_text(encoding="utf-8").partition(GIVES)
        path.write_text(before + GIVES + found, encoding="utf-8")
        case = read(path)
    assert found == case.expected


def exact_files() -> list[Path]:
    """Return the files of passes that keep every bit, but for those where they refuse."""
    kept = (path for path in FILES if path.parent.name in KEEPING)
    return [path for path in kept if read(path).expected.startswith("graph")]


@pytest.mark.parametrize("path", exact_files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_exact_pass_keeps_every_bit_of_its_file(path):
    case = read(path)
    before, after = parse_graph(case.graph), parse_graph(case.expected)
    rng = np.random.default_rng(0)
    inputs = {
        value.name: rng.integers(value.type.min, value.type.max + 1, (6, 3, *value.shape))
        for value in before.inputs
        if isinstance(value.type, IntType)
    }
    wanted, found = evaluate(before, inputs), evaluate(after, inputs)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_every_pass_has_two_files_and_one_changes_the_graph():
    counted = Counter(path.parent.name for path in FILES)
    assert set(counted) == {kind.name for kind in PIPELINE}
    assert min(counted.values()) >= 2
    changing = {path.parent.name for path in FILES if read(path).expected.startswith("graph")}
    assert changing == set(counted)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_says_what_it_shows_and_is_of_its_folders_pass(path):
    assert re.match(r"# [A-Z0-9]", path.read_text(encoding="utf-8"))
    assert read(path).heads["pass"].partition("{")[0] == path.parent.name
