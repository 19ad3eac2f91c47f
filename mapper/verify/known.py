"""What is known of a build without running it: its records, and the page that shows them.

A page is a function of the mapping and of the records, so anyone can lay it out again and compare.
"""

import errno
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mapper.build.files import read_json
from mapper.build.folder import ACTIVITY, MANIFEST, RECORD, identity, other_page, write_build
from mapper.build.model import Build
from mapper.build.page import PAGE, json_lines, with_page
from mapper.cost import Activity, measure
from mapper.diagnostics import MappingError
from mapper.ir.firing import firing_of
from mapper.report import Evidence, render_report
from mapper.verify.activity import Recorded, activity_of, recall_activity
from mapper.verify.record import Verified, keeps_whole, recall, record_of, staying
from mapper.verify.result import Verification
from mapper.writing import changed_files


def known(build: Build, folder: Path) -> Evidence:
    """Return what the records of a build say.

    Raises:
        MappingError: ``bad-verification`` or ``bad-activity`` for a record that is not ours.
    """
    return evidence_of(build, recall(folder), recall_activity(build, folder))


def evidence_of(
    build: Build, verified: Verified, ran: tuple[Recorded, Activity] | None
) -> Evidence:
    """Return what a page says of records: each is of an earlier run."""
    told = Evidence(verification=verified.found, kept=verified.files, unverified=verified.reason)
    if ran is None:
        return told
    recorded, activity = ran
    return replace(
        told,
        activity=activity,
        steps=activity.steps,
        trace=recorded.trace,
        ran=replace(recorded.counted, earlier=True),
        counted=firing_of(build.hardware, recorded.trace),
    )


def store(
    build: Build,
    folder: Path,
    own: str,
    ran: Recorded,
    found: Verification | None = None,
    files: Mapping[str, str] | None = None,
) -> str:
    """Put into a build what was found on a recording, and its page with it, in one step.

    Args:
        build: What ran.
        folder: Its folder.
        own: Its identity: another build may have taken its place meanwhile.
        ran: What was active, and how right the outputs were.
        found: What ``verify`` says; None leaves what is there.
        files: What it was verified on.

    Returns:
        A warning where something was not stored, or "".
    """
    told = "" if found is None else staying(folder, files or {}, found)
    kept = recall(folder) if found is None or told else Verified(found=found, files=files or {})
    activity = measure(build.hardware, ran.trace, build.counts.levels)
    page = render_report(build.report(evidence_of(build, kept, (ran, activity)))).encode()
    new = {} if found is None or told else {RECORD: record_of(own, found, files or {})}
    try:
        _replace_page(folder, own, page, {**new, ACTIVITY: activity_of(own, ran)})
    except (OSError, MappingError) as error:
        said = error.strerror if isinstance(error, OSError) else error.diagnostics[0].message
        return f"the result is not stored with the build: {said or error}"
    return told


def store_part(folder: Path, own: str, found: Verification, files: Mapping[str, str]) -> None:
    """Put rings that have ended into a build while others run: they stay if the run is stopped.

    What a run that ended has left there stays, unless a ring does not agree. The page is laid out
    when the run has ended. A folder that cannot be written to is left as it is: the end says so.

    Args:
        folder: Of the build.
        own: Its identity: another build may have taken its place meanwhile.
        found: The rings so far.
        files: What they were run on.
    """
    if keeps_whole(folder, found) or staying(folder, files, found):
        return
    record = {RECORD: record_of(own, found, files)}
    with suppress(OSError, MappingError), changed_files(folder, record, last=RECORD):
        if identity(folder) != own:
            raise OSError(errno.ESTALE, "another build has taken its place", str(folder))


def write_known(
    build: Build,
    folder: Path,
    ran: tuple[Recorded, Activity],
    found: Verification | None = None,
    files: Mapping[str, str] | None = None,
) -> None:
    """Write a build of which something is known already; see ``write_build`` and ``store``."""

    def records(own: str) -> dict[str, bytes]:
        told = {} if found is None else {RECORD: record_of(own, found, files or {})}
        return {**told, ACTIVITY: activity_of(own, ran[0])}

    kept = Verified(found=found, files=files or {})
    write_build(build, folder, evidence_of(build, kept, ran), records)


# --- the page ------------------------------------------------------------------------------


def _replace_page(folder: Path, own: str, page: bytes, records: Mapping[str, bytes]) -> None:
    """Put a page into the build ``own`` with the records that it shows, its hash in the manifest.

    Raises:
        OSError: The folder cannot be written to, or has another build; it is as it was.
    """
    manifest = read_json(folder / MANIFEST)
    text = json_lines(with_page(manifest, page)).encode()
    files = {**records, PAGE: page, MANIFEST: text}
    with changed_files(folder, files, last=MANIFEST):
        if identity(folder) != own:
            raise OSError(errno.ESTALE, "another build has taken its place", str(folder))


def check_own_page(folder: Path, own: str, evidence: Evidence, page: str) -> None:
    """See that the page of a build is ``page``: someone is about to open it.

    Records may have come into the folder, or changed, since it was laid out: it is laid out anew.

    Raises:
        MappingError: ``build-changed`` where it is another page.
    """
    if (folder / PAGE).read_bytes() == page.encode():
        return
    if evidence.verification is None and evidence.ran is None:
        raise other_page(folder)
    try:
        _replace_page(folder, own, page.encode(), {})
    except OSError as error:
        raise other_page(folder) from error
