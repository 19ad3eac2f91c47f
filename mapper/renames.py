"""Renames that put files and folders in their places, and what killed runs leave of them.

What is written is written into a hidden folder beside its place, ``.NAME.xxxxxxxx.spikeloom``. That
is locked as long as its process lives: whoever can lock it knows that its run was killed.
"""

import ctypes
import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def put(new: Path, place: Path) -> Path:
    """Rename a file or folder; return where a folder that was there is now."""
    try:
        os.rename(new, place)
        return new
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    if exchange(new, place):
        return new
    # The folder is missing for a moment: a run that finds it so brings it back.
    replaced = new.with_name(_OLD) / place.name
    replaced.parent.mkdir(exist_ok=True)
    os.rename(place, replaced)
    os.rename(new, place)
    return replaced


def exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step; return False where the system cannot do that."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # Linux alone has it
    if call is None:
        return False
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # this file system has no such step
        return False
    raise OSError(number, os.strerror(number), str(other))


_HERE, _EXCHANGE = -100, 2
"""``AT_FDCWD`` and ``RENAME_EXCHANGE`` of Linux."""


def put_all(aside: Path, last: str, gone: Collection[str] = ()) -> None:
    """Put every entry of a hidden folder into the folder that it is in.

    All of them, or none, as whoever finds a run that was killed in between goes on.

    Args:
        aside: The hidden folder; all in it is on the disk.
        last: The entry that comes last.
        gone: Files of the folder that go.
    """
    names = sorted(os.listdir(aside), key=lambda name: (name == last, name))
    note = {"put": {name: _number(aside / name) for name in names}, "gone": sorted(gone)}
    (aside / _BEGUN).write_text(json.dumps(note), encoding="utf-8")
    flush(aside / _BEGUN)
    flush(aside)
    _go_on(aside)
    flush(aside.parent)


def _go_on(aside: Path) -> None:
    """Put into the folder what is not there yet, if a run had begun to."""
    begun = aside / _BEGUN
    if begun.is_symlink() or not begun.is_file():
        return
    # A note that cannot be read was just being written: nothing is there yet.
    with suppress(ValueError, RecursionError, LookupError, TypeError, AttributeError):
        note = json.loads(begun.read_text(encoding="utf-8"))
        numbers = {name: int(number) for name, number in note["put"].items()}
        for name in note["gone"]:
            if os.path.basename(name) == name and (aside.parent / name).is_file():
                (aside.parent / name).unlink()
        held = os.listdir(aside)
        for name, number in numbers.items():
            # A folder that changed places with another is that other now.
            if name in held and _number(aside / name) == number:
                put(aside / name, aside.parent / name)
    begun.unlink()


def _number(path: Path) -> int:
    """Return what a file system knows an entry by, whatever it is called."""
    return path.lstat().st_ino


def resolved(path: Path) -> Path:
    """Return a path without links; links in a circle stay, and whoever opens it says what they are.

    ``Path.resolve`` raises ``RuntimeError`` for them, up to Python 3.12.
    """
    return Path(os.path.realpath(path))


def flush_all(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            flush(path)
    flush(folder)


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk.

    Without it the new name can reach the disk before the content does, and a loss of power would
    leave an empty file in the place of the old one.
    """
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # no such step for a folder here
            raise
    finally:
        os.close(opened)


# --- hidden folders ----------------------------------------------------------------------------

_MARK = ".spikeloom"
_OLD = ".replaced"
_BEGUN = ".begun.json"
_NAME = 50
"""Characters of a name that its hidden folder repeats: 255 bytes hold no more for certain."""

_LEFTOVER = re.compile(r"\..*\.[a-z0-9_]{8}\.spikeloom", re.DOTALL)


def is_leftover(name: str) -> bool:
    """Say whether a name is that of a hidden folder, ``.NAME.xxxxxxxx.spikeloom``."""
    return _LEFTOVER.fullmatch(name) is not None


def recover(path: Path) -> None:
    """Bring an output into order, if a run was killed between two steps that put it in place."""
    place = resolved(path)
    with suppress(OSError):  # what cannot be listed or moved is told by whoever reads it
        for one in reversed((place, *place.parents)):
            if not os.path.lexists(one):
                _clear_those_with(one.parent, f"{_OLD}/{one.name}")
    for folder in (place.parent, place):  # a build may be one of several in a comparison
        with suppress(OSError):
            if folder.is_dir():
                _clear_those_with(folder, _BEGUN)


def clear_inside(folder: Path) -> None:
    """Remove what killed runs left in a folder of ours; nothing of a process that lives."""
    with suppress(OSError):
        for left in filter(is_leftover, os.listdir(folder)):
            _clear_leftover(folder / left)


def _clear_those_with(folder: Path, name: str) -> None:
    """Clear the leftovers in a folder that hold this."""
    for left in filter(is_leftover, os.listdir(folder)):
        if os.path.lexists(folder / left / name):
            _clear_leftover(folder / left)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a locked temporary folder beside ``path``, and remove it whatever happens.

    Folders that had to be made on the way are removed again where the block fails.
    """
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        aside, lock = _locked(path)
        try:
            yield aside
        finally:
            try:
                _remove(aside)
            finally:
                os.close(lock)
    except BaseException as error:
        _remove_empty(missing)
        if isinstance(error, OSError):
            raise _named(error, path) from error
        raise


def _locked(path: Path) -> tuple[Path, int]:
    """Make a hidden folder, which is locked until the descriptor is closed or the process ends."""
    prefix = f".{path.name[:_NAME]}."
    while True:
        aside = Path(tempfile.mkdtemp(prefix=prefix, suffix=_MARK, dir=path.parent))
        # Until it is locked another run may take it for a leftover.
        with suppress(FileNotFoundError):
            lock = os.open(aside, os.O_RDONLY)
            with suppress(OSError):  # of a file system without locks, whose leftovers stay
                fcntl.flock(lock, fcntl.LOCK_EX)
            if aside.exists():
                return aside, lock
            os.close(lock)


def _clear(path: Path) -> None:
    """Remove what killed runs left beside ``path``; nothing of a process that lives."""
    prefix = f".{path.name[:_NAME]}."
    with suppress(OSError):  # a parent that cannot be listed: what is left there stays
        names = [entry.name for entry in os.scandir(path.parent)]
        length = len(prefix) + 8 + len(_MARK)
        for name in names:
            if is_leftover(name) and name.startswith(prefix) and len(name) == length:
                _clear_leftover(path.parent / name)


def _clear_leftover(aside: Path) -> None:
    """Remove one hidden folder, if it is ours and no process has locked it."""
    try:
        lock = os.open(aside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_uid == os.getuid():
            _remove(aside)
    except OSError:
        return  # locked: its process lives
    finally:
        os.close(lock)


def _remove(aside: Path) -> None:
    """Remove a hidden folder as far as that is allowed, and nothing that has no other place."""
    for old in aside.glob(f"{_OLD}/*"):
        if not os.path.lexists(aside.parent / old.name):
            os.rename(old, aside.parent / old.name)
    _go_on(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _remove_empty(folders: Iterable[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _named(error: OSError, path: Path) -> OSError:
    """Let an error name the file that the user knows: a full disk names none, others a hidden one.

    Libraries that write for us have errors without a number.
    """
    place = path if error.filename is None else Path(os.fsdecode(error.filename))
    if place.is_relative_to(path.parent):
        hidden, *parts = place.relative_to(path.parent).parts or ("",)
        if is_leftover(hidden):
            place = path.parent.joinpath(*parts) if parts else path
    return OSError(error.errno or errno.EIO, error.strerror or str(error), str(place))
