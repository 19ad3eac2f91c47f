"""Files of a folder that may come from someone else: looked at before they are opened.

What is in the place of a file may be a pipe that nobody writes into, a device without an end, or a
file of terabytes that takes no room on the disk. So kind and size come first, then the hash, then
the content.
"""

import hashlib
import json
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mapper.diagnostics import Diagnostic, MappingError, refuse
from mapper.epilogue.limits import FILE as EPILOGUE
from mapper.epilogue.limits import MOST_BYTES

if TYPE_CHECKING:
    from mapper.report.charts.base import Chart

MOST_TEXT = 32 << 20
"""Bytes of a JSON file or a program: parsed, it takes thirty times as many."""
_MOST_ARRAYS = (2 << 30) - 1
"""Bytes of arrays: no file of ONNX, which has them too, can be larger."""

LISTED: Mapping[str, int] = {
    "mapping.json": MOST_TEXT,
    "weights.npz": _MOST_ARRAYS,
    "source.npz": _MOST_ARRAYS,
    "executor.py": MOST_TEXT,
    "cost.py": MOST_TEXT,
    "lowered.onnx": _MOST_ARRAYS,
    "report.html": MOST_TEXT,
}
"""The files of a build that its manifest lists, and how large they may be."""

OPTIONAL: Mapping[str, int] = {EPILOGUE: MOST_BYTES}
"""Those that only some builds have."""

_MOST = {**LISTED, **OPTIONAL}

_BYTE_CODE = "__pycache__"
_CHANGED = "the folder was changed after it was compiled; compile the model again"
_REMOVE = (
    "Python keeps byte code there when a program of the folder is imported, and would run it in "
    "place of the program: remove it, and import with python -B"
)


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what a manifest says of the files in a folder: their hashes and their sizes."""
    names = sorted([*LISTED, *(name for name in OPTIONAL if (folder / name).exists())])
    return {
        "files": {name: sha256(folder / name) for name in names},
        "sizes": {name: (folder / name).stat().st_size for name in names},
    }


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(
    path: Path,
    *,
    code: str = "not-a-build",
    wrote: str = "a folder that 'spikeloom compile'",
    help: str = "compile the model again",
) -> dict[str, Any]:
    """Read a JSON object of a bounded size from a file that may come from someone else.

    Raises:
        MappingError: ``code`` where there is none, saying that it is not what ``wrote`` wrote, and
            ``help``.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("this is no plain file")
        if found.st_size > MOST_TEXT:
            raise ValueError(f"{found.st_size} bytes, at most {MOST_TEXT} are read")
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise refuse(code, f"not {wrote} wrote: {error}", loc=str(path), help=help) from error
    return data


_T = TypeVar("_T")


def read_charted(
    path: Path,
    read: Callable[[dict[str, Any]], _T],
    charts: Callable[[_T], "Iterable[Chart]"],
    *,
    code: str,
    command: str,
) -> _T:
    """Read the JSON answer of a command, to draw its charts; it may come from someone else.

    Args:
        path: The file.
        read: Makes the answer of the JSON.
        charts: Draws it.
        code: Of the refusal.
        command: Whose ``-o`` wrote it.

    Raises:
        MappingError: ``code`` where it cannot be charted.
    """
    help = f"run 'spikeloom {command} ... -o' again"
    held = read_json(path, code=code, wrote=f"a file that 'spikeloom {command}'", help=help)
    try:
        found = read(held)
        json.dumps([chart.spec for chart in charts(found)], allow_nan=False)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise refuse(
            code,
            f"cannot be charted: {type(error).__name__}: {error}",
            loc=str(path),
            help=help,
        ) from error
    return found


def check_files(folder: Path, manifest: Mapping[str, Any], beside: set[str]) -> None:
    """Refuse a build whose files are not those that its manifest lists.

    Args:
        folder: The build.
        manifest: What its ``manifest.json`` says.
        beside: Names that may be there without being listed.

    Raises:
        MappingError: ``not-a-build`` for a manifest that lists no build, ``build-changed``.
    """
    hashes, sizes = _listed_in(folder, manifest)
    names = {path.name for path in folder.iterdir()} - beside
    if extra := sorted(names - hashes.keys()):
        help = _REMOVE if extra == [_BYTE_CODE] else _CHANGED
        raise changed(folder, extra, "is not in manifest.json", help=help)
    if missing := sorted(hashes.keys() - names):
        raise changed(folder, missing, "is missing")
    for name in sorted(names):
        found = (folder / name).lstat()
        if not stat.S_ISREG(found.st_mode):
            raise changed(folder, [name], "is no plain file")
        if found.st_size != sizes[name]:
            told = f"has {found.st_size} bytes, in manifest.json {sizes[name]}"
            raise changed(folder, [name], told)
        if found.st_size > _MOST[name]:
            raise changed(folder, [name], f"has {found.st_size} bytes, at most {_MOST[name]}")
    apart = [name for name in sorted(names) if sha256(folder / name) != hashes[name]]
    if apart:
        raise changed(folder, apart, "does not have the hash in manifest.json")


def _listed_in(
    folder: Path, manifest: Mapping[str, Any]
) -> tuple[Mapping[str, str], Mapping[str, int]]:
    """Return the hashes and sizes that a manifest lists: of all files of a build, and no others."""
    hashes, sizes = manifest.get("files"), manifest.get("sizes")
    for what, table, kind in (("hashes", hashes, str), ("sizes", sizes, int)):
        if not isinstance(table, dict) or not all(type(held) is kind for held in table.values()):
            raise _no_build(folder, f"it has no {what} of files")
        if others := sorted(table.keys() ^ LISTED.keys() ^ (table.keys() & OPTIONAL.keys())):
            known = "a file of every build" if others[0] in LISTED else "no file of a build"
            raise _no_build(folder, f"{others[0]!r} is {known}: see its {what}")
    assert isinstance(hashes, dict)
    assert isinstance(sizes, dict)
    if others := sorted(hashes.keys() ^ sizes.keys()):
        raise _no_build(folder, f"{others[0]!r} has no hash, or no size")
    return hashes, sizes


def _no_build(folder: Path, problem: str) -> MappingError:
    return refuse(
        "not-a-build",
        f"not a folder that 'spikeloom compile' wrote: {problem}",
        loc=str(folder / "manifest.json"),
        help="compile the model again",
    )


def changed(folder: Path, names: list[str], how: str, *, help: str = _CHANGED) -> MappingError:
    """Return the refusal of a build whose files were changed."""
    return MappingError(
        Diagnostic(
            code="build-changed",
            message=f"{name} {how}",
            loc=str(folder / name),
            help=help,
        )
        for name in names
    )
