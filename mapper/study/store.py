"""Records of a study in a folder: a run that is killed loses nothing that it had finished.

``records.jsonl`` has a line that names the study, then a line a case. Lines are appended as cases
finish; a run that ends puts them in order, so that the same cases give the same bytes whatever
order they finished in. The file may come from anyone: it is JSON, looked at before it is believed.
"""

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from mapper.diagnostics import MappingError, many, refuse
from mapper.renames import clear_inside
from mapper.study.case import Case, Record, Study, canonical, order
from mapper.writing import whole_file

RECORDS = "records.jsonl"
SCHEMA = "spikeloom/study/1"

MOST_LINE = 1 << 20
"""Bytes of a record with its case."""

MOST_BYTES = 1 << 26
"""Bytes of all of them: 65,000 records of a kilobyte. Parsed, hostile ones take 20 times that."""

_PAUSE = 1.0
"""Seconds between two waits for the disk, at least; a loss of power may take what came since."""


@dataclass(slots=True)
class Store:
    """The records of one study; a context manager that holds the lock of its folder.

    Attributes:
        study: What it is the store of.
        records: What is known, by the key of the case (``Study.key``).
        notes: What was found that a user may want to know.
        cases: Of the records, by the same keys.
    """

    study: Study
    path: Path | None
    """``FOLDER/records.jsonl``; None where records are kept in memory alone."""
    records: dict[str, Record] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    cases: dict[str, Case] = field(default_factory=dict)
    _file: int = -1
    _end: int = 0
    """Bytes of whole lines in the file."""
    _in_order: bool = True
    _flushed: float = 0.0

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def append(self, case: Case, record: str) -> None:
        """Add the record of a case, as its canonical text, at the end of the file.

        Raises:
            MappingError: ``bad-study`` where it would be more than a store takes.
            OSError: The disk is full, for instance; the file has whole lines alone.
        """
        key = self.study.key(case)
        line = f'{{"case":{canonical(case)},"key":"{key}","record":{record}}}\n'.encode()
        if self.path is not None:
            self._write(line)
        self._take(key, case, json.loads(record))

    def finish(self) -> None:
        """Put the lines in order and wait until they are on the disk."""
        if self.path is None:
            return
        if not self._in_order:
            with whole_file(self.path) as temporary:
                temporary.write_bytes(b"".join(self._lines()))
                # Locked before it has its name: nobody comes in between.
                file = os.open(temporary, os.O_RDWR | os.O_APPEND)
                _lock(file, self.path)
            os.close(self._file)
            self._file, self._end, self._in_order = file, os.fstat(file).st_size, True
        os.fsync(self._file)

    def _lines(self) -> Iterator[bytes]:
        yield _header(self.study)
        for key in sorted(self.cases, key=lambda key: order(self.cases[key])):
            held = {"case": self.cases[key], "key": key, "record": self.records[key]}
            yield f"{canonical(held)}\n".encode()

    def _take(self, key: str, case: Case, record: Record) -> None:
        """Note a record, and whether it stands where it would in the end."""
        if self.cases:
            last = next(reversed(self.cases.values()))
            self._in_order &= key not in self.cases and order(last) < order(case)
        self.cases[key], self.records[key] = case, record

    def _write(self, line: bytes) -> None:
        assert self.path is not None
        if len(line) > MOST_LINE or self._end + len(line) > MOST_BYTES:
            message = (
                f"a record of {len(line):,} bytes after {self._end:,} others: "
                f"at most {MOST_LINE:,} and {MOST_BYTES:,} are kept"
            )
            raise refuse("bad-study", message, loc=str(self.path), help=_LESS)
        try:
            _write_all(self._file, line)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self._end += len(line)
        if time.monotonic() - self._flushed >= _PAUSE:
            os.fsync(self._file)
            self._flushed = time.monotonic()


_LESS = "split the study over several folders"


def _header(study: Study) -> bytes:
    held = {"identity": study.identity, "schema": SCHEMA, "study": study.digest}
    return f"{canonical(held)}\n".encode()


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


# --- opening ---------------------------------------------------------------------------------


def open_store(study: Study, folder: Path | None) -> Store:
    """Open the store of a study, and make it where there is none; go on with one that is there.

    Args:
        study: What determines its records.
        folder: Where to keep them; other files in it are left alone. None keeps them in memory.

    Returns:
        The store, whose lock this process holds until it is closed.

    Raises:
        MappingError: ``other-study`` where the folder has records of another one, ``study-busy``
            where another run writes there, ``bad-study`` where the file is damaged or no store.
        OSError: It cannot be read or written.
    """
    if folder is None:
        return Store(study, None)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECORDS
    store = Store(study, path, _file=_opened(path))
    try:
        clear_inside(folder)
        _fill(store)
    except BaseException:
        store.__exit__(None, None, None)
        raise
    return store


def _opened(path: Path) -> int:
    """Open the file and lock it; a run that puts its lines in order gives it a new file."""
    while True:
        file = _plain_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            _lock(file, path)
            if os.path.lexists(path) and os.path.samestat(os.fstat(file), os.lstat(path)):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _plain_file(path: Path, flags: int) -> int:
    """Open a file that is no link, pipe or device, whose readers may wait for ever."""
    try:
        file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a pipe
            raise _bad(path, "this is no plain file") from error
        raise
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise _bad(path, "this is no plain file")


def _lock(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise refuse(
            "study-busy",
            "another run holds the lock of these records and is writing to them",
            loc=str(path),
            help="wait until it ends, or give another folder",
        ) from error
    except OSError as error:  # a file system without locks
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
            raise


def _fill(store: Store) -> None:
    """Take what the file has; cut off a line that a killed run had only begun."""
    assert store.path is not None
    header, held = _header(store.study), _contents(store.path, store._file)
    if b"\n" not in held and header.startswith(held):  # killed while it was being made
        os.ftruncate(store._file, 0)
        _write_all(store._file, header)
        store._end = len(header)
        return
    found = _parsed(store.path, held)
    if found.study.digest != store.study.digest:
        raise _other(store.path, found.study, store.study)
    store._end = len(held) - found.torn
    if found.torn:
        os.ftruncate(store._file, store._end)
        store.notes.append(torn_note(store.path, found.torn))
    for key, case, record in found.lines:
        store._take(key, case, record)


def torn_note(path: Path, torn: int) -> str:
    """Say that a line was dropped."""
    return f"{path}: the last line, {many(torn, 'byte')}, was not finished and is dropped"


def _other(path: Path, held: Study, asked: Study) -> MappingError:
    names = ", ".join(asked.differs_in(held))
    return refuse(
        "other-study",
        f"the folder has records of study {held.digest}, and this is study {asked.digest}: "
        f"they differ in {names}",
        loc=str(path),
        help="give another folder, or what the folder was made with",
    )


# --- reading ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file of records has."""

    study: Study
    lines: tuple[tuple[str, Case, Record], ...]
    """Key, case and record, in the order of the file."""
    torn: int
    """Bytes at the end that are no whole line."""


def read_records(folder: Path) -> Found:
    """Read the records of a folder without its lock; a run may be adding to them.

    Raises:
        MappingError: ``bad-study`` where the file is damaged or no store.
        OSError: It cannot be read.
    """
    path = folder / RECORDS
    file = _plain_file(path, os.O_RDONLY)
    try:
        return _parsed(path, _contents(path, file))
    finally:
        os.close(file)


def _contents(path: Path, file: int) -> bytes:
    size = os.fstat(file).st_size
    if size > MOST_BYTES:
        raise _bad(path, f"{size:,} bytes, at most {MOST_BYTES:,} are read")
    return os.pread(file, size, 0)  # up to 2 GiB in one call


def _parsed(path: Path, held: bytes) -> Found:
    first, *rest = held.split(b"\n")
    if not rest:
        raise _bad(path, "it does not begin with a line that names a study")
    study = _study(path, first)
    known: dict[str, tuple[str, Case, Record]] = {}
    for number, line in enumerate(rest[:-1], start=2):
        found = _line(path, number, line, study)
        if known.setdefault(found[0], found) is not found:
            raise _bad(path, f"line {number} has a case that a line before it has")
    return Found(study=study, lines=tuple(known.values()), torn=len(rest[-1]))


def _study(path: Path, line: bytes) -> Study:
    held = _object(path, 1, line)
    identity = held.get("identity")
    if held.get("schema") != SCHEMA or not isinstance(identity, dict):
        raise _bad(path, f"line 1 has schema {held.get('schema')!r:.80}, not {SCHEMA!r}")
    study = Study(identity)
    if held.get("study") != study.digest:
        named = f"{held.get('study')!r:.80}"
        raise _bad(path, f"line 1 names study {named}, what it says is study '{study.digest}'")
    return study


def _line(path: Path, number: int, line: bytes, study: Study) -> tuple[str, Case, Record]:
    held = _object(path, number, line)
    case, record, key = held.get("case"), held.get("record"), held.get("key")
    if not isinstance(case, dict) or not isinstance(record, dict):
        raise _bad(path, f"line {number} has no case and record")
    if key != study.key(case):
        named = f"{key!r:.80}"
        raise _bad(path, f"line {number} has key {named}, its case has '{study.key(case)}'")
    return study.key(case), case, record


def _object(path: Path, number: int, line: bytes) -> Mapping[str, Any]:
    if len(line) > MOST_LINE:
        raise _bad(path, f"line {number} has {len(line):,} bytes, at most {MOST_LINE:,} are read")
    try:
        held = json.loads(line)
        canonical(held)  # NaN is no JSON, though the library reads it
    except (ValueError, RecursionError) as error:  # of UTF-8, JSON and the size of a number, too
        raise _bad(path, f"line {number} is not one that a study writes") from error
    if not isinstance(held, dict):
        raise _bad(path, f"line {number} is no JSON object")
    return held


def _bad(path: Path, message: str) -> MappingError:
    return refuse(
        "bad-study",
        f"no usable records: {message}",
        loc=str(path),
        help="remove the file, or give another folder, and run again",
    )
