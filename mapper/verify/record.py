"""The last verification, stored with its build and returned only while it is of that build.

``verification.json`` names the build by its identity, which follows from the hash of every file but
the page, and the recordings by theirs. It is a note of whoever keeps the folder, as the folder
itself is: what shows it says that it was not run again, and ``report --input`` runs it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mapper import __version__
from mapper.build.files import read_json, sha256
from mapper.build.folder import RECORD, identity
from mapper.diagnostics import MappingError, refuse
from mapper.verify.read import read_verification
from mapper.verify.result import Extent, Verification
from mapper.writing import json_text

SCHEMA = "spikeloom/verified/1"
_HELP = f"remove {RECORD}, or run 'spikeloom verify' on the folder again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What is known of a build without running it."""

    found: Verification | None
    """The answer of ``verify``; None where there is none of this build."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The recording, and the model where one was given: file name and SHA-256."""
    reason: str = ""
    """Why what is there does not hold; empty where nothing is there."""


def described_file(path: Path) -> str:
    """Name a file by its name and hash."""
    return f"{path.name}, SHA-256 {sha256(path)}"


def record_of(build: str, found: Verification, files: Mapping[str, str]) -> bytes:
    """Return the content of the file.

    Args:
        build: The identity of the build (``mapper.build.page``).
        found: What ``verify`` says of it.
        files: What it was verified on, as ``described_file`` names it.
    """
    record = {
        "schema": SCHEMA,
        "version": __version__,
        "build": build,
        "files": dict(files),
        "verification": found.as_dict(),
    }
    return (json_text(record) + "\n").encode()


def staying(folder: Path, files: Mapping[str, str], found: Verification | None = None) -> str:
    """Say why the record of a build stays, or "" where another takes its place.

    The last answer counts, but a mismatch stays until the same rings agree on as much of the same
    recording, or the model is compiled again: another recording does not take it back.

    Args:
        folder: Of the build.
        files: What it was verified on now.
        found: What was found; all rings on all of it where None.
    """
    before = _still_held(folder)
    if before.found is None or not before.found.disagrees or _takes_back(files, found, before):
        return ""
    what = before.files.get("input", "another recording")
    return f"the mismatch on {what} stays in {RECORD}: verify on that recording again"


def _takes_back(files: Mapping[str, str], found: Verification | None, before: Verified) -> bool:
    """Say whether an answer is of all that did not agree before."""
    assert before.found is not None
    if before.files != dict(files):
        return False
    if found is None or found.disagrees:
        return True
    wrong = {ring.name for ring in before.found.rings if ring.status == "mismatch"}
    ran = {ring.name for ring in found.rings if ring.status == "equal"}
    return wrong <= ran and _as_much(found.extent, before.found.extent)


def _as_much(extent: Extent | None, before: Extent | None) -> bool:
    if extent is None or before is None:
        return True
    return extent.steps >= before.steps and extent.samples >= before.samples


def keeps_whole(folder: Path, found: Verification) -> bool:
    """Say whether a build has a record of a run that ended, which a part does not replace."""
    before = _still_held(folder).found
    return before is not None and not before.partial and not found.disagrees


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
    try:
        found, files = _read(held)
    except ValueError as error:
        message = f"cannot be read: {error}"
        raise refuse("bad-verification", message, loc=str(path), help=_HELP) from error
    if held.get("build") != identity(folder):
        return Verified(found=None, reason="the verification in the folder is of another build")
    if held.get("version") != __version__:
        return Verified(found=None, reason="the verification in the folder is of another version")
    return Verified(found=found, files=files)


def _read(held: Mapping[str, object]) -> tuple[Verification, dict[str, str]]:
    """Return what the file says, or raise ``ValueError`` for one that ``verify`` does not write."""
    if held.get("schema") != SCHEMA:
        raise ValueError(f"schema {held.get('schema')!r}")
    found, files = read_verification(held.get("verification")), held.get("files")
    if not isinstance(files, dict) or not {"input"} <= files.keys() <= {"input", "model"}:
        raise ValueError("it does not name its recording")
    if not all(isinstance(text, str) for text in files.values()):
        raise ValueError("it does not name its recording")
    return found, files
