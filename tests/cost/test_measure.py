"""A trace that is not one of this network is refused, whatever is wrong with it."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mapper.cost import Activity, Events, measure
from mapper.cost.measure import most_spikes, wirings_of
from mapper.cost.trace import activity_of_trace, read_tables
from mapper.diagnostics import MappingError
from mapper.ir.core import SPIKE, Array, Graph, Span, Value
from mapper.ir.windows import Window
from tests.cost.networks import (
    DIFFERENTIAL_3,
    crossbar,
    layer,
    network,
    traced,
    two_by_two_grid,
)

SPIKES = np.array([[[1, 0, 1, 0, 0]], [[0, 0, 0, 0, 1]]])
"""Two steps of one sample for ``two_by_two_grid``: wordlines 0 and 2, then 4."""


def two_layers() -> Graph:
    x, middle = Value("x", SPIKE, (3,)), Value("fc.spike", SPIKE, (3,))
    weight = np.ones((3, 3), np.int64)
    ops = [
        op
        for value, name in ((x, "fc"), (middle, "out"))
        for op in layer(
            crossbar(value, weight, DIFFERENTIAL_3, [Span(0, 3)], [Span(0, 3)], name=name),
            name=name,
        )[0]
    ]
    return network(ops, {"fc.weight": weight, "out.weight": weight}, x)


def complaints(graph: Graph, trace: dict[str, Array]) -> list[str]:
    with pytest.raises(MappingError) as error:
        measure(graph, trace)
    assert {diagnostic.code for diagnostic in error.value.diagnostics} == {"activity-array"}
    return [diagnostic.message for diagnostic in error.value.diagnostics]


def test_the_trace_of_the_grid():
    # What the cases below change.
    trace = {name: array.tolist() for name, array in traced(two_by_two_grid(), SPIKES).items()}
    assert trace == {
        "x": [[2], [1]],
        "fc.spike": [[2], [1]],
        "fc.sum": [[2], [1]],
        "fc.sum.wordlines": [[1, 0, 1, 0, 1]],
        "fc.sum.reads": [[1, 1]],
    }


CHANGES = [
    ("x", np.zeros((2, 1, 5), int), "array 'x' is [2, 1, 5], expected [T, B]"),
    ("x", np.zeros((0, 1), int), "array 'x' is [0, 1], expected [T, B]"),
    ("x", np.array(2), "array 'x' is [], expected [T, B]"),
    ("x", np.array([[2.0], [1.0]]), "array 'x' holds float64, expected integers"),
    ("x", np.array([[True], [True]]), "array 'x' holds bool, expected integers"),
    ("x", np.array([[2], [-1]]), "array 'x' counts -1, expected 0 or more"),
    (
        "x",
        np.array([[6], [1]]),
        "array 'x' counts 6 in one time step, at most 5 are possible",
    ),
    (
        "fc.spike",
        np.array([[4], [1]]),
        "array 'fc.spike' counts 4 in one time step, at most 3 are possible",
    ),
    (
        "fc.sum",
        np.array([[6], [1]]),
        "array 'fc.sum' counts 6 in one time step, at most 5 are possible",
    ),
    (
        "fc.sum",
        np.array([[2**64 - 1], [1]], np.uint64),
        f"array 'fc.sum' counts {2**64 - 1} in one time step, at most 5 are possible",
    ),
    (
        "fc.sum",
        np.array([[2, 0], [1, 0]]),
        "the arrays have 2x1 ('fc.spike') and 2x2 ('fc.sum') time steps and samples",
    ),
    (
        "fc.sum",
        np.array([[2], [2]]),
        "array 'fc.sum' sums to 4 driven wordlines, 'fc.sum.wordlines' to 3",
    ),
    (
        "fc.sum.wordlines",
        np.array([[1, 0, 1, 1, 1]]),
        "array 'fc.sum' sums to 3 driven wordlines, 'fc.sum.wordlines' to 4",
    ),
    (
        "fc.sum.wordlines",
        np.array([1, 0, 1, 0, 1]),
        "array 'fc.sum.wordlines' is [5], expected [1, 5]",
    ),
    (
        "fc.sum.wordlines",
        np.array([[1.0, 0, 1, 0, 1]]),
        "array 'fc.sum.wordlines' holds float64, expected integers",
    ),
    (
        "fc.sum.wordlines",
        np.array([[2, 0, 1, 0, -1]]),
        "array 'fc.sum.wordlines' counts -1, expected 0 or more",
    ),
    (
        "fc.sum.wordlines",
        np.array([[0, 0, 3, 0, 0]]),
        "array 'fc.sum.wordlines' counts 3 at [0, 2], at most 2 are possible in 2x1 time steps "
        "and samples",
    ),
    (
        "fc.sum.wordlines",
        np.array([[0, 0, 2**64 - 1, 0, 0]], np.uint64),
        f"array 'fc.sum.wordlines' counts {2**64 - 1} at [0, 2], at most 2 are possible in 2x1 "
        "time steps and samples",
    ),
    ("fc.sum.reads", np.array([[1]]), "array 'fc.sum.reads' is [1, 1], expected [1, 2]"),
    (
        "fc.sum.reads",
        np.array([[1, 0]]),  # but wordline 4 was driven once
        "array 'fc.sum.reads' counts 0 at [0, 1], its wordlines allow 1..1",
    ),
    (
        "fc.sum.reads",
        np.array([[3, 1]]),  # two steps, and wordlines 0 and 2 in them
        "array 'fc.sum.reads' counts 3 at [0, 0], its wordlines allow 1..2",
    ),
]


@pytest.mark.parametrize(("name", "array", "message"), CHANGES)
def test_a_changed_array_is_refused(name: str, array: Array, message: str, tmp_path: Path):
    """In memory, and from a file as a generated ``cost.py`` reads it: in the same words."""
    graph = two_by_two_grid()
    trace = traced(graph, SPIKES) | {name: array}
    assert complaints(graph, trace) == [message]
    np.savez(tmp_path / "trace.npz", **trace)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        activity_of_trace(wirings_of(graph), most_spikes(graph), str(tmp_path / "trace.npz"))


def test_a_file_gives_the_events_of_the_arrays(tmp_path: Path):
    graph = two_layers()
    trace = traced(graph, np.ones((2, 3, 3), np.int64)) | {"labels": np.array([0.5])}
    np.savez_compressed(tmp_path / "trace.npz", **trace)
    found = activity_of_trace(wirings_of(graph), most_spikes(graph), str(tmp_path / "trace.npz"))
    assert found == measure(graph, trace)


def test_a_file_may_hold_numbers_in_any_order_of_bytes_and_axes(tmp_path: Path):
    numbers = np.arange(6).reshape(2, 3)
    arrays = {"fortran": np.asfortranarray(numbers), "big": numbers.astype(">i4")}
    np.savez(tmp_path / "trace.npz", **arrays)
    tables = read_tables(str(tmp_path / "trace.npz"))
    assert {n: (t.shape, list(t.values or ())) for n, t in tables.items()} == dict.fromkeys(
        arrays, ((2, 3), [0, 1, 2, 3, 4, 5])
    )


@pytest.mark.parametrize(
    ("header", "data", "reason"),
    [
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1)}", bytes(15), "16 bytes"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1)}", bytes(17), "16 bytes"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (70000, 1000)}", b"", "67108864"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (True, 1)}", bytes(1), "(True, 1)"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}", bytes(8), "|O"),
        ("{'descr': '=i8', 'fortran_order': False, 'shape': (2, 1)}", bytes(16), "=i8"),
        ("__import__('os')", b"", "header"),
        ("[" * 20000, b"", "header"),
    ],
)
def test_a_damaged_array_is_refused_before_it_is_read(header, data, reason, tmp_path):
    text = header.encode()
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
    with zipfile.ZipFile(tmp_path / "trace.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_tables(str(tmp_path / "trace.npz"))


@pytest.mark.parametrize("name", ["x", "fc.sum", "fc.sum.wordlines", "fc.sum.reads", "fc.spike"])
def test_a_missing_array_is_refused(name: str):
    graph = two_by_two_grid()
    trace = traced(graph, SPIKES)
    del trace[name]
    assert complaints(graph, trace) == [f"the trace has no array {name!r}"]


def test_all_problems_are_reported_together():
    assert complaints(two_by_two_grid(), {"x": np.array([[-1]])}) == [
        "array 'x' counts -1, expected 0 or more",
        "the trace has no array 'fc.spike'",
        "the trace has no array 'fc.sum'",
        "the trace has no array 'fc.sum.wordlines'",
        "the trace has no array 'fc.sum.reads'",
    ]


def test_layers_of_different_runs_are_refused():
    graph = two_layers()
    short, long = (traced(graph, np.ones((steps, 2, 3), np.int64)) for steps in (2, 3))
    late = {name: array for name, array in long.items() if name.startswith("out.sum")}
    (message,) = complaints(graph, short | late)
    assert message == "the arrays have 2x2 ('fc.sum') and 3x2 ('out.sum') time steps and samples"


def test_padding_allows_fewer_spikes_on_a_wordline():
    x = Value("x", SPIKE, (1, 3, 3))
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    weight = np.ones((9, 1), np.int64)
    mvm = crossbar(x, weight, DIFFERENTIAL_3, [Span(0, 9)], [Span(0, 1)], window)
    graph = network(layer(mvm)[0], {"fc.weight": weight}, x)
    trace = traced(graph, np.ones((1, 1, 1, 3, 3), np.int64))
    assert trace["fc.sum.wordlines"].tolist() == [[4, 6, 4, 6, 9, 6, 4, 6, 4]]
    (message,) = complaints(graph, trace | {"fc.sum.wordlines": np.full((1, 9), 5)})
    assert message.startswith("array 'fc.sum.wordlines' counts 5 at [0, 0], at most 4 are possible")


def test_any_integers_and_further_arrays_will_do():
    graph = two_by_two_grid()
    trace = {name: array.astype(np.uint8) for name, array in traced(graph, SPIKES).items()}
    activity = measure(graph, trace | {"labels": np.array([0.5])})
    assert activity == Activity(steps=2, samples=1, events=(Events(6, 36, 11, 4, 12, 6),))
