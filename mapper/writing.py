"""Files and folders that are whole or not there, and the JSON that goes into them.

What a command writes is written into a hidden folder beside its place, flushed to the disk, and put
in place in one step. A run that is killed leaves the old or the new one, and perhaps the hidden
folder, which the next run for the same place removes: it is locked as long as its process lives.
"""

import ctypes
import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path


def json_text(data: object) -> str:
    """Write data as JSON, which has no word for a number that overflowed: ``null``."""
    return json.dumps(_finite(data), indent=1, allow_nan=False)


def _finite(data: object) -> object:
    if isinstance(data, float):
        return data if isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(held) for key, held in data.items()}
    return [_finite(held) for held in data] if isinstance(data, list | tuple) else data


# --- files and folders that are replaced in one step -----------------------------------------


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of ``path`` when the block succeeds.

    Raises:
        OSError: It cannot be written; names ``path``, which is as it was.
    """
    _check_plain(path)
    with _beside(path) as aside:
        temporary = aside / path.name
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)


def _check_plain(path: Path) -> None:
    """Refuse to replace what is there and no file."""
    if path.exists() and not path.is_file():
        number = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise OSError(number, "this is no plain file, so it is not replaced", str(path))


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``folder`` when the block succeeds.

    What ``folder`` held is gone then, so ask first whether it is ours.

    Raises:
        OSError: It cannot be written or replaced; it is as it was.
    """
    folder = folder.resolve()
    check_renamable(folder)
    with _beside(folder) as aside:
        new = aside / folder.name
        new.mkdir()
        yield new
        _flush_all(new)
        _put(new, folder)
        _flush(folder.parent)


@contextmanager
def changed_folder(
    folder: Path, *, alone: bool, last: str, without: Collection[str] = ()
) -> Iterator[Path]:
    """Give an empty folder; what the block writes there takes the place of what ``folder`` has.

    Where ``folder`` is ours alone it is made anew, of links to what stays, and all changes in one
    step: a crash leaves all or nothing. Where others have files in it, who may be using it, or it
    cannot be renamed, each entry changes in a step of its own, and ``last`` in the last one.

    Args:
        folder: The folder to change; it need not be there.
        alone: Nobody but us writes into it.
        last: The entry that tells of the others.
        without: Names that go.

    Raises:
        OSError: It cannot be written or replaced, or another run replaced it meanwhile; it is as
            it was, or what changed is whole.
    """
    folder = folder.resolve()
    if not folder.exists():
        with written_aside(folder) as new:
            yield new
    elif alone and not is_mount_point(folder) and os.access(folder.parent, os.W_OK):
        with _beside(folder) as aside:
            new = aside / folder.name
            new.mkdir()
            yield new
            _flush_all(new)
            _put_with_what_stays(new, folder, without)
    else:
        with _beside(folder / last) as aside:
            yield aside
            _flush_all(aside)
            _put_one_by_one(aside, folder, last, without)


def replace_files(folder: Path, files: Mapping[str, bytes], *, last: str) -> None:
    """Replace files of a folder of ours, or add them; see ``changed_folder``."""
    with changed_files(folder, files, last=last):
        pass


@contextmanager
def changed_files(folder: Path, files: Mapping[str, bytes], *, last: str) -> Iterator[None]:
    """Do the same when the block succeeds, which may look at the folder once more."""
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))
    for name in files:
        _check_plain(folder / name)
    with changed_folder(folder, alone=True, last=last) as new:
        for name, content in files.items():
            (new / name).write_bytes(content)
        yield


def _put_with_what_stays(new: Path, folder: Path, without: Collection[str]) -> None:
    """Let ``new`` take the place of ``folder``, with links to all that it does not have itself."""
    before = folder.stat()
    changed = {*os.listdir(new), *without}
    stays = {
        entry.name: entry.inode()
        for entry in os.scandir(folder)
        if entry.name not in changed and not is_leftover(entry.name)
    }
    shutil.copytree(
        folder,
        new,
        symlinks=True,
        ignore=lambda place, names: [
            name for name in names if Path(place) == folder and name not in stays
        ],
        copy_function=_link,
        dirs_exist_ok=True,
    )
    _flush(new)
    replaced = _put(new, folder)
    _flush(folder.parent)
    if not replaced.exists():  # the folder was empty
        return
    if replaced.stat().st_ino != before.st_ino:
        _put(replaced, folder)
        raise OSError(errno.ESTALE, "another run replaced it meanwhile", str(folder))
    for entry in os.scandir(replaced):  # what came while the links were made
        if entry.name not in changed and stays.get(entry.name) != entry.inode():
            _put(Path(entry.path), folder / entry.name)


def _link(source: str, target: str) -> None:
    """Give a file a second name; copy it where the file system has one name for each."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _put_one_by_one(new: Path, folder: Path, last: str, without: Collection[str]) -> None:
    names = sorted(os.listdir(new), key=lambda name: (name == last, name))
    for name in names:
        if name == last:
            for old in without:
                (folder / old).unlink(missing_ok=True)
        _put(new / name, folder / name)
    _flush(folder)


def _put(new: Path, place: Path) -> Path:
    """Rename a file or folder; return where a folder that was there is now."""
    try:
        os.rename(new, place)
        return new
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    if exchange(new, place):
        return new
    # The folder is missing for a moment: ``_remove`` and ``recover`` bring it back.
    replaced = new.with_name(f"{place.name}{_OLD}")
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


def check_renamable(folder: Path) -> None:
    """Refuse a folder that cannot take another name, so that nothing can take its place.

    Raises:
        OSError: It is a mount point, such as a volume of a container.
    """
    if is_mount_point(folder):
        told = "a mount point cannot be replaced in one step: name a folder inside it"
        raise OSError(errno.EBUSY, told, str(folder))


def is_mount_point(folder: Path) -> bool:
    """Say whether something is mounted on a folder, from another place of its own disk, too."""
    if os.path.ismount(folder):
        return True
    with suppress(OSError):
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        mounted = (re.sub(r"\\(\d{3})", _character, line.split()[4]) for line in table.splitlines())
        return str(folder.resolve()) in mounted
    return False


def _character(octal: re.Match[str]) -> str:
    return chr(int(octal.group(1), 8))


def _flush_all(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            _flush(path)
    _flush(folder)


def _flush(path: Path) -> None:
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


# --- the hidden folder beside, and what killed runs leave -------------------------------------

_MARK = ".spikeloom"
_OLD = ".old"
_NAME = 50
"""Characters of a name that its hidden folder repeats: 255 bytes hold no more for certain."""

_LEFTOVER = re.compile(r"\..*\.[a-z0-9_]{8}\.spikeloom", re.DOTALL)


def is_leftover(name: str) -> bool:
    """Say whether a name is that of a hidden folder, ``.NAME.xxxxxxxx.spikeloom``."""
    return _LEFTOVER.fullmatch(name) is not None


def recover(path: Path) -> None:
    """Bring back what a killed run moved aside, if there is nothing at ``path``."""
    if os.path.lexists(path):
        return
    place = path.resolve()
    with suppress(OSError):
        for name in os.listdir(place.parent):
            if is_leftover(name) and (place.parent / name / f"{place.name}{_OLD}").is_dir():
                _clear_leftover(place.parent / name)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
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
    for old in aside.glob(f"*{_OLD}"):
        place = aside.parent / old.name.removesuffix(_OLD)
        if not os.path.lexists(place):
            os.rename(old, place)
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
