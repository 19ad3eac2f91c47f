"""Forged build folders, whole: signed by their forger, and given to every command.

What is edited is every field of both graphs, every other number of ``mapping.json`` and the
recordings that a build keeps. A folder is refused with a code, or every command ends well; never an
internal error, a hang or gigabytes.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapper.build.files import listed
from mapper.build.folder import PAGE, _read_data, programs, read_build
from mapper.diagnostics import MappingError
from mapper.ir.core import Array
from mapper.ir.weights import load_constants, narrow, write_arrays
from mapper.report import render_report
from tests.field_edits import edits
from tests.fuzz.drive import Finding, Refused, spikeloom
from tests.fuzz.isolate import Answer, isolated
from tests.fuzz.npz_case import BUILDS, unpacked

SAMPLE = 5
"""Of the edits of each build."""
EVERY = 40
"""Of the edits of graphs, which ``tests/executor/test_every_field.py`` has all of."""

_MOST = 1 << 20
"""Elements of an input that is made to run on; a larger one is refused before it is looked at."""

Forge = Callable[[Path], None]
COMMANDS = (
    ("run", "build", "--input", "x.npz", "--output", "y.npz", "--trace"),
    ("cost", "build", "--activity", "0.3"),
    ("report", "build", "-o", "page.html"),
    ("compare", "build", "-o", "compared"),
    ("verify", "build", "--input", "x.npz"),
)


@cache
def cases(which: str) -> tuple[tuple[str, Forge], ...]:
    found: list[tuple[str, Forge]] = []
    with tempfile.TemporaryDirectory() as made:
        unpacked(Path(made), which)
        build = read_build(Path(made) / "build")
        data = json.loads((Path(made) / "build" / "mapping.json").read_text())
    start = list(BUILDS).index(which)
    for key, graph, file in (
        ("hardware", build.hardware, "weights.npz"),
        ("network", build.network, "source.npz"),
    ):
        for edit in list(edits(graph))[start::EVERY]:
            found.append((edit.label, partial(_edit_graph, which, key, file, edit.made)))
    for path, held in _leaves(data, which):
        for new in _others(held):
            label = f"{'.'.join(map(str, path))} = {new}"
            found.append((label, partial(_edit_leaf, which, path, new)))
    found += [(label, partial(_edit_sample, which, make)) for label, make in _SAMPLES]
    return tuple(found)


def _leaves(data: dict[str, Any], which: str) -> list[tuple[tuple[Any, ...], Any]]:
    """Return the numbers beside both graphs; those of a target of one build alone of its kind."""
    beside = {k: v for k, v in data.items() if k not in ("hardware", "network")}
    if which == "modern":  # its target is checked as that of the first build is
        del beside["target"], beside["passes"]
        host = _leaves_of(beside.pop("epilogue"), ("epilogue",))
        return [*_numbers(beside, ()), *host]
    library = beside["target"].pop("components")
    return [*_numbers(beside, ()), *list(_numbers(library, ("target", "components")))[::9]]


def _numbers(data: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    return (leaf for leaf in _leaves_of(data, path) if isinstance(leaf[1], int | float))


def _leaves_of(data: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, held in items:
        if isinstance(held, dict | list):
            yield from _leaves_of(held, (*path, key))
        else:
            yield (*path, key), held


def _others(held: Any) -> tuple[Any, ...]:
    if isinstance(held, bool):
        return (not held, 1, None)
    if held is None or isinstance(held, str):
        return (None, "", f"{held}_", "x" * 5000, 0, -1, 1 << 31, 1.5, True, [held], {})
    ends = (0, -1, 1 << 31, (1 << 63) - 1, 10**30, float("nan"), float("inf"), 1e-300, 1e300)
    return (*ends, str(held), None, [held])


_SAMPLES: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("samples of another rank", lambda a: a[0]),
    ("samples of another shape", lambda a: a[..., :-1]),
    ("no samples", lambda a: a[:, :0]),
    ("samples past their type", lambda a: np.full(a.shape, 1 << 40)),
    ("samples below zero", lambda a: np.full(a.shape, -1)),
    ("samples of halves", lambda a: a + 0.5),
)


def _edit_graph(which: str, key: str, file: str, made: Callable[[], Any], folder: Path) -> None:
    unpacked(folder, which)
    build = folder / "build"
    graph, constants = made()
    held = load_constants(build / file)
    kept = {name: array for name, array in held.items() if name.startswith("sample/")}
    _store(build / file, {**constants, **kept})
    _write(build, lambda data: data.__setitem__(key, graph))


def _edit_leaf(which: str, path: tuple[Any, ...], new: Any, folder: Path) -> None:
    unpacked(folder, which)

    def change(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = new

    _write(folder / "build", change)


def _edit_sample(which: str, make: Callable[[Array], Array], folder: Path) -> None:
    unpacked(folder, which)
    build = folder / "build"
    held = load_constants(build / "source.npz")
    name = next(iter(build_inputs(build)))
    given = held.get(f"sample/{name}", np.zeros((2, 1, *build_inputs(build)[name]), np.int8))
    _store(build / "source.npz", {**held, f"sample/{name}": make(np.array(given))})
    _write(build, lambda data: None)


def build_inputs(build: Path) -> dict[str, tuple[int, ...]]:
    data = json.loads((build / "mapping.json").read_text())["hardware"]["inputs"]
    return {value["name"]: tuple(value["shape"]) for value in data}


def _store(path: Path, constants: dict[str, Array]) -> None:
    names = sorted(constants)
    listing = np.frombuffer(json.dumps(names).encode(), np.uint8)
    arrays = {f"c{i}": narrow(np.asarray(constants[name])) for i, name in enumerate(names)}
    write_arrays(path, {"names": listing, **arrays})


def _write(build: Path, change: Callable[[Any], None]) -> None:
    """Change ``mapping.json``, generate anew what can be, and sign."""
    path = build / "mapping.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    try:
        forged = _read_data(build)
        files = programs(forged) | {PAGE: render_report(forged.page).encode()}
    except MappingError:
        files = {}  # what cannot be generated keeps its old files
    for name, content in files.items():
        (build / name).write_bytes(content)
    manifest = json.loads((build / "manifest.json").read_text())
    (build / "manifest.json").write_text(json.dumps(manifest | listed(build)))


def judge(forge: Forge) -> Answer:
    """Forge a folder and give it to every command, under limits of memory and time."""
    with tempfile.TemporaryDirectory() as made:
        return isolated(lambda: _judged(Path(made), forge))


def _judged(folder: Path, forge: Forge) -> Answer:
    os.chdir(folder)
    try:
        forge(folder)
    except MappingError as refused:  # numbers that no file can hold
        return {"told": refused.diagnostics[0].code}
    inputs = {
        name: np.zeros((3, 2, *shape), np.uint8)
        for name, shape in build_inputs(folder / "build").items()
        if prod(shape) < _MOST and min(shape, default=1) > 0
    }
    np.savez(folder / "x.npz", **inputs)
    told = []
    for command in COMMANDS:
        try:
            spikeloom(folder, *command, forged=True)
            told.append("done")
        except Refused as refused:
            told.append(refused.code)
        except Finding as finding:
            return {"finding": f"{finding} {finding.shown[-900:]}"}
    return {"told": ",".join(told)}


@pytest.mark.parametrize("which", BUILDS)
def test_no_forged_folder_ends_in_anything_but_a_result_or_a_refusal(which, campaign):
    wrong = []
    for label, forge in campaign(cases(which), SAMPLE):
        if "finding" in (answer := judge(forge)):
            wrong.append(f"{label}: {answer['finding']}")
    assert not wrong, "\n".join(wrong)
