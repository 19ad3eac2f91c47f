"""What a file writes into a field of a graph is refused by its rules, or the same on all engines.

Every field of every op is edited by its type (``tests.field_edits``). What the rules refuse is
refused as ``bad-mapping`` by whoever reads a build; what they accept runs on every engine. Each
case has a process of its own, whose memory and time are limited.
"""

import traceback
from collections import Counter
from dataclasses import replace
from functools import cache
from math import prod
from pathlib import Path

import numpy as np

from mapper.build.folder import graph_problem
from mapper.diagnostics import MappingError
from mapper.executor.engine import ENGINES
from mapper.ir.core import Array, Graph, IntType
from mapper.ir.leaks import Decay
from mapper.ir.serialize import from_json
from mapper.ir.weights import narrow
from tests.engines import AVAILABLE
from tests.every_op import integer_graphs
from tests.field_edits import Edit, edits
from tests.fuzz.isolate import Answer, isolated

SAMPLE = 240
AT_ONCE = 20
"""Cases of one process; where it ends badly they are tried one by one."""


@cache
def all_edits() -> tuple[Edit, ...]:
    return tuple(edit for graph in integer_graphs().values() for edit in edits(graph))


def test_every_edited_field_is_refused_or_gives_the_same_bits_on_every_engine(campaign):
    cases = campaign(all_edits(), SAMPLE)
    answers: Counter[str] = Counter()
    wrong: list[str] = []
    for start in range(0, len(cases), AT_ONCE):
        for edit, answer in judged(cases[start : start + AT_ONCE]):
            answers[answer.split(":")[0]] += 1
            if not answer.startswith(("refused", "same")):
                wrong.append(f"{edit.label}: {answer}")
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)
    assert answers["refused"] > len(cases) // 3
    assert answers["same"] > len(cases) // 30


def judged(some: list[Edit]) -> list[tuple[Edit, str]]:
    answer = isolated(lambda: {"found": [judge(edit) for edit in some]})
    if "found" in answer:
        return list(zip(some, answer["found"], strict=True))
    if len(some) == 1:
        return [(some[0], _died(answer))]
    return [pair for edit in some for pair in judged([edit])]


def _died(answer: Answer) -> str:
    return f"{answer['finding']} {answer.get('traceback', '')}"


def judge(edit: Edit) -> str:
    """Say what becomes of an edited graph: refused, the same bits on all engines, or a finding."""
    try:
        data, arrays = edit.made()
        graph = from_json(data, {n: narrow(a) for n, a in arrays.items()}, "forged")
    except MappingError as refused:
        code = refused.diagnostics[0].code
        return "refused: reading" if code in ("bad-mapping", "bad-weights") else f"code {code}"
    try:
        problem = graph_problem(graph, integers=True)
    except Exception as error:  # whatever it is, it is what is looked for
        return f"rules raise {shown(error)}"
    return f"refused: {problem}" if problem else _compared(graph)


def shown(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
    return f"{type(error).__name__}: {error}, {places}"


def _compared(graph: Graph) -> str:
    with np.errstate(all="ignore"):
        for inputs in (_codes(graph, "random"), _codes(graph, "max"), _codes(graph, "min")):
            expected = ENGINES["definition"].prepare(graph).trace(inputs, None)
            for name in AVAILABLE:
                try:
                    found = ENGINES[name].prepare(graph).trace(inputs, None)
                except Exception as error:  # whatever it is, it is what is looked for
                    return f"{name} raises {shown(error)}"
                for what in ("outputs", "counts"):
                    theirs, mine = getattr(found, what), getattr(expected, what)
                    apart = [n for n in mine if not np.array_equal(theirs[n], mine[n])]
                    if apart:
                        return f"{name} DIFFERS in {what} {apart}"
    return "same"


def _codes(graph: Graph, kind: str) -> dict[str, Array]:
    rng, found = np.random.default_rng(0), {}
    for value in graph.inputs:
        assert isinstance(value.type, IntType)
        ends = {"max": (value.type.max,) * 2, "min": (value.type.min,) * 2}
        low, high = ends.get(kind, (value.type.min, value.type.max))
        leading = (3, 2) if prod(value.shape) < 1 << 16 else (1, 1)
        shape = (*leading, *value.shape)
        found[value.name] = rng.integers(low, high, shape, np.int64, endpoint=True)
    return found


def test_a_case_that_differs_would_be_found(monkeypatch):
    graph = integer_graphs()["accumulators"]
    leaking = replace(graph.ops[0], decay=Decay(kind="shift", shift=1))  # type: ignore[call-arg]
    graph = replace(graph, ops=(leaking,))
    assert _compared(graph) == "same"
    leaks = {"shift": "NO_LEAK", "none": "NO_LEAK"}
    monkeypatch.setattr("mapper.executor.native.neurons._LEAKS", leaks)
    assert _compared(graph).startswith("native DIFFERS")
