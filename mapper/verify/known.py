"""What is known of a build without running it: its records, and the page that shows them.

A page is a function of the mapping, of the records, and of whether these were found by the command
that laid it out. So anyone can lay it out again and compare: it calls records by their name then.
"""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
    build: Build,
    verified: Verified,
    ran: tuple[Recorded, Activity] | None,
    *,
    fresh: bool = False,
    counted_now: bool = False,
) -> Evidence:
    """Return what a page says of records.

    Args:
        build: What they are of.
        verified: What rings found.
        ran: What was active.
        fresh: The rings ran just now; else in an earlier run.
        counted_now: The same of what was active.
    """
    told = Evidence(
        verification=verified.found,
        kept=verified.files,
        fresh=fresh,
        unverified=verified.reason,
    )
    if ran is None:
        return told
    recorded, activity = ran
    return replace(
        told,
        activity=activity,
        steps=activity.steps,
        trace=recorded.trace,
        ran=replace(recorded.counted, stored=True, earlier=not counted_now),
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
    fresh = found is not None and not told
    kept = Verified(found=found, files=files or {}) if fresh else recall(folder)
    counted = (ran, measure(build.hardware, ran.trace, build.counts.levels))
    evidence = evidence_of(build, kept, counted, fresh=fresh, counted_now=True)
    page = render_report(build.report(evidence)).encode()
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


@contextmanager
def shown_if_stopped(build: Build, folder: Path, own: str) -> Iterator[None]:
    """Lay the page out before Ctrl-C ends a run: rings that had ended are shown, too.

    Of a run that is killed only the record is left; the page is laid out with it when it is asked
    for.

    Args:
        build: What runs.
        folder: Its folder.
        own: Its identity: another build may have taken its place meanwhile.
    """
    try:
        yield
    except KeyboardInterrupt:
        with suppress(OSError, MappingError):
            _replace_page(
                folder, own, render_report(build.report(known(build, folder))).encode(), {}
            )
        raise


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
    told = evidence_of(build, kept, ran, fresh=found is not None, counted_now=True)
    write_build(build, folder, told, records)


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


def check_own_page(build: Build, folder: Path, own: str, evidence: Evidence, page: str) -> None:
    """See that the page of a build is ``page``: someone is about to open it.

    Records may have come into the folder, or changed, since it was laid out, or the command that
    laid it out had run what it says: it is laid out anew. In a folder that cannot be written to,
    the page of that command stays.

    Args:
        build: What ``folder`` holds.
        folder: Of the build.
        own: Its identity.
        evidence: What its records say.
        page: The page that says so.

    Raises:
        MappingError: ``build-changed`` where it is another page.
    """
    held = (folder / PAGE).read_bytes()
    if held == page.encode():
        return
    if evidence.verification is None and evidence.ran is None:
        raise other_page(folder)
    try:
        _replace_page(folder, own, page.encode(), {})
    except OSError as error:
        if held not in (render_report(build.report(one)).encode() for one in _just_ran(evidence)):
            raise other_page(folder) from error


def _just_ran(evidence: Evidence) -> Iterator[Evidence]:
    """Yield what the commands that made these records said of them."""
    if evidence.ran is not None:
        counted = replace(evidence, ran=replace(evidence.ran, earlier=False))
        yield from (counted, replace(counted, fresh=True))
