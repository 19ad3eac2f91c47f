"""The last verification, stored with its build and returned only while it is of that build.

``verification.json`` names the build by the SHA-256 of its manifest, which has the hash of every
other file, and the recordings by theirs. It is a note of whoever keeps the folder, as the folder
itself is: what shows it says that it was not run again, and ``report --input`` runs it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from mapper import __version__
from mapper.build.folder import RECORD, read_json, sha256
from mapper.diagnostics import MappingError, refuse
from mapper.verify.rings import RINGS, Status
from mapper.writing import json_text, whole_file

SCHEMA = "spikeloom/verified/1"
_HELP = f"remove {RECORD}, or run 'spikeloom verify' on the folder again"
_SHARES = ("accuracy", "source_accuracy", "spike_agreement")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What is known of a build without running it."""

    found: Mapping[str, Any] | None
    """The answer of ``verify --json``; None where there is none of this build."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The recording, and the model where one was given: file name and SHA-256."""
    reason: str = ""
    """Why what is there does not hold; empty where nothing is there."""


def described_file(path: Path) -> str:
    """Name a file by its name and hash."""
    return f"{path.name}, SHA-256 {sha256(path)}"


def keep(folder: Path, found: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Store the answer of ``verify`` with a build; return a warning where that failed, or "".

    The last answer counts, but a mismatch stays until its own recording agrees or the model is
    compiled again: another recording does not take it back.
    """
    before = _still_held(folder)
    if before.found is not None and not before.found["bit_exact"] and before.files != dict(files):
        return (
            f"the mismatch on {before.files.get('input', 'another recording')} stays in {RECORD}: "
            "verify on that recording again"
        )
    record = {
        "schema": SCHEMA,
        "version": __version__,
        "manifest": sha256(folder / "manifest.json"),
        "files": dict(files),
        "verification": dict(found),
    }
    try:
        with whole_file(folder / RECORD) as temporary:
            temporary.write_text(json_text(record) + "\n", encoding="utf-8")
    except OSError as error:
        return f"the result is not stored with the build: {error.strerror or error}"
    return ""


def _still_held(folder: Path) -> Verified:
    """Return what ``recall`` does; a record that cannot be parsed may be replaced."""
    try:
        return recall(folder)
    except MappingError:
        return Verified(found=None)


def recall(folder: Path) -> Verified:
    """Return the verification stored with a build that ``read_build`` accepted.

    Raises:
        MappingError: ``bad-verification`` where the file is not one that ``verify`` writes.
    """
    path = folder / RECORD
    if not path.exists():
        return Verified(found=None)
    held = read_json(
        path, code="bad-verification", wrote="a file that 'spikeloom verify'", help=_HELP
    )
    found, files = held.get("verification"), held.get("files")
    problem = "" if held.get("schema") == SCHEMA else f"schema {held.get('schema')!r}"
    problem = problem or next(_problems(found), "") or next(_file_problems(files), "")
    if problem:
        raise refuse("bad-verification", f"cannot be read: {problem}", loc=str(path), help=_HELP)
    if held.get("manifest") != sha256(folder / "manifest.json"):
        return Verified(found=None, reason="the verification in the folder is of another build")
    if held.get("version") != __version__:
        return Verified(found=None, reason="the verification in the folder is of another version")
    assert isinstance(found, dict)
    assert isinstance(files, dict)
    return Verified(found=found, files=files)


# --- what the file may hold ------------------------------------------------------------------


def _problems(found: object) -> Iterator[str]:
    """Yield what makes this no answer of ``verify``, as far as it is shown to anyone."""
    if not isinstance(found, dict) or not isinstance(found.get("rings"), list):
        yield "it has no rings"
        return
    rings = found["rings"]
    if [ring.get("name") if isinstance(ring, dict) else ring for ring in rings] != list(RINGS):
        yield f"its rings are not {', '.join(RINGS)}"
        return
    for ring in rings:
        yield from _ring_problems(ring)
    agree = all(ring.get("status") != "mismatch" for ring in rings)
    if found.get("bit_exact") is not agree:
        yield f"bit_exact is {found.get('bit_exact')!r}, its rings say {agree}"
    for name in _SHARES:
        if name in found and not _is_share(found[name]):
            yield f"{name} is {found[name]!r}, not a share"
    for item in _listed(found.get("inexact_passes", [])):
        named = isinstance(item, dict) and isinstance(item.get("pass"), str)
        if not named or not _is_share(item.get("spike_agreement")):
            yield f"an inexact pass is {item!r:.80}"
        elif not _is_error(item.get("output_error", "nothing")):
            yield f"the output error of '{item['pass']}' is {item.get('output_error')!r:.80}"


def _ring_problems(ring: Mapping[str, Any]) -> Iterator[str]:
    name, place = ring["name"], ring.get("first_mismatch")
    if ring.get("status") not in get_args(Status):
        yield f"ring {name} has status {ring.get('status')!r:.80}"
    if not isinstance(ring.get("reason"), str):
        yield f"ring {name} has no reason"
    if not _is_difference(ring.get("max_abs_diff")):
        yield f"ring {name} differs by {ring.get('max_abs_diff')!r:.80}"
    if place is not None and not isinstance(place, dict):
        yield f"the first mismatch of ring {name} is no place"


def _file_problems(files: object) -> Iterator[str]:
    known = isinstance(files, dict) and files.keys() <= {"input", "model"} and "input" in files
    if not known or not all(isinstance(text, str) for text in _listed(files)):
        yield "it does not name its recording"


def _listed(held: object) -> Sequence[Any]:
    """Return the items of what should be a list or an object; what it is where it is neither."""
    if isinstance(held, dict):
        return list(held.values())
    return held if isinstance(held, list) else [held]


def _is_number(held: object) -> bool:
    return isinstance(held, int | float) and not isinstance(held, bool) and isfinite(held)


def _is_share(held: object) -> bool:
    return _is_number(held) and 0 <= held <= 1  # type: ignore[operator]  # it is a number


def _is_error(held: object) -> bool:
    return held is None or _is_number(held)  # none where it overflowed


def _is_difference(held: object) -> bool:
    return _is_error(held) or held in ("inf", "nan")
