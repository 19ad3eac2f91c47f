"""Diagnostics: how they read, and that each code is documented, raised and tested."""

import pickle
import re
import weakref
from pathlib import Path

import numpy as np
import pytest

from mapper.diagnostics import Diagnostic, MappingError, forget_frames, printable, refuse
from passes.base import RefusedGraphError
from tests.small_graphs import one_layer

ROOT = Path(__file__).parent.parent
DOCUMENTED = set(
    re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "diagnostics.md").read_text(), re.MULTILINE)
)


def text_of(*folders: str) -> str:
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    kept = (path for path in paths if path.suffix in {".py", ".j2"})
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(kept))


def test_a_diagnostic_reads_as_code_message_place_and_help():
    problem = Diagnostic(code="a-code", message="12 is not 13", loc="m.onnx:/fc", help="use 13")
    assert str(problem) == "error[a-code]: 12 is not 13\n  --> m.onnx:/fc\n  help: use 13"


def test_an_error_carries_all_its_diagnostics():
    error = MappingError([Diagnostic(code="a", message="b"), Diagnostic(code="c", message="d")])
    assert str(error) == "error[a]: b\nerror[c]: d"
    assert refuse("x", "y").diagnostics == (Diagnostic(code="x", message="y"),)


@pytest.mark.parametrize(
    "error",
    [refuse("a", "b", loc="c"), RefusedGraphError(refuse("a", "b").diagnostics, one_layer(2, 2))],
)
def test_an_error_comes_whole_from_another_process(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.diagnostics) == (str(error), error.diagnostics)


def test_control_characters_of_a_model_are_shown_not_sent():
    assert printable("a\x1b[31m\n\u202e") == "a\\x1b[31m\\n\\u202e"


def test_every_code_in_the_source_is_documented():
    source = text_of("mapper", "passes", "targets")
    raised = set(
        re.findall(r'(?:refused?|_refuse|_problem|Refusal)\(\s*(?:op, )?"([a-z-]+)"', source)
    )
    raised |= set(re.findall(r'code="([a-z-]+)"', source))
    assert raised - DOCUMENTED == set()
    assert len(raised) > 40


def test_every_documented_code_is_raised_somewhere():
    source = text_of("mapper", "passes", "targets")
    assert [code for code in sorted(DOCUMENTED) if f'"{code}"' not in source] == []


def test_every_documented_code_is_tested_by_name():
    tests = text_of("tests")
    untested = [code for code in sorted(DOCUMENTED) if code not in tests]
    assert untested == []


def test_an_error_lets_go_of_what_was_read():
    """Also that it was raised from another one, and the frames of calls around it."""

    def read() -> None:
        weights = np.zeros(10)
        held.append(weakref.ref(weights))
        raise ValueError

    def outer() -> None:
        weights = np.zeros(10)
        held.append(weakref.ref(weights))
        try:
            read()
        except ValueError:
            raise KeyError from None

    held: list[weakref.ref] = []
    with pytest.raises(KeyError) as caught:
        outer()
    assert all(one() is not None for one in held)
    forget_frames(caught.value)
    assert [one() for one in held] == [None, None]
