"""Files and folders that are whole or not there, and the JSON that goes into them.

What a command writes is written into a hidden folder beside its place, flushed to the disk, and put
in place in one step. A run that is killed leaves the old or the new one, and perhaps the hidden
folder, which the next run for the same place removes (``docs/files.md``).
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path

from mapper.renames import beside, flush, flush_all, is_leftover, put, put_all, resolved


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
    with beside(path) as aside:
        temporary = aside / path.name
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)


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
    folder = resolved(folder)
    check_renamable(folder)
    if is_mount_point(folder):  # with nothing in it
        with beside(folder / folder.name) as new:
            yield new
            flush_all(new)
            put_all(new, last="")
        return
    with beside(folder) as aside:
        new = aside / folder.name
        new.mkdir()
        yield new
        flush_all(new)
        put(new, folder)
        flush(folder.parent)


@contextmanager
def changed_folder(
    folder: Path, *, alone: bool, last: str, without: Collection[str] = ()
) -> Iterator[Path]:
    """Give an empty folder; what the block writes there takes the place of what ``folder`` has.

    Where ``folder`` is ours alone it is made anew, of links to what stays, and all changes in one
    step: a crash leaves all or nothing. Where others have files in it, who may be using it, or it
    cannot be renamed, entries change one after the other, and the next command that names the
    folder ends what a crash cut off; see ``put_all``.

    Args:
        folder: The folder to change; it need not be there.
        alone: Nobody but us writes into it.
        last: The entry that tells of the others.
        without: Names that go.

    Raises:
        OSError: It cannot be written or replaced, or another run replaced it meanwhile; it is as
            it was, or what changed is whole.
    """
    folder = resolved(folder)
    if not folder.exists():
        with written_aside(folder) as new:
            yield new
    elif alone and not is_mount_point(folder) and os.access(folder.parent, os.W_OK):
        with beside(folder) as aside:
            new = aside / folder.name
            new.mkdir()
            yield new
            flush_all(new)
            _put_with_what_stays(new, folder, without)
    else:
        with beside(folder / last) as aside:
            yield aside
            flush_all(aside)
            put_all(aside, last, gone=without)


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
    flush(new)
    replaced = put(new, folder)
    flush(folder.parent)
    if not replaced.exists():  # the folder was empty
        return
    if replaced.stat().st_ino != before.st_ino:
        put(replaced, folder)
        raise OSError(errno.ESTALE, "another run replaced it meanwhile", str(folder))
    for entry in os.scandir(replaced):  # what came while the links were made
        if entry.name not in changed and stays.get(entry.name) != entry.inode():
            put(Path(entry.path), folder / entry.name)


def _link(source: str, target: str) -> None:
    """Give a file a second name; copy it where the file system has one name for each."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def check_renamable(folder: Path) -> None:
    """Refuse a folder that cannot take another name, so that nothing can take its place.

    Raises:
        OSError: It is a mount point, such as a volume of a container, and there is something in it.
    """
    if is_mount_point(folder) and not all(map(is_leftover, os.listdir(folder))):
        told = "a mount point cannot be replaced in one step: name a folder inside it"
        raise OSError(errno.EBUSY, told, str(folder))


def is_mount_point(folder: Path) -> bool:
    """Say whether something is mounted on a folder, from another place of its own disk, too."""
    if os.path.ismount(folder):
        return True
    with suppress(OSError):
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        mounted = (re.sub(r"\\(\d{3})", _character, line.split()[4]) for line in table.splitlines())
        return str(resolved(folder)) in mounted
    return False


def _character(octal: re.Match[str]) -> str:
    return chr(int(octal.group(1), 8))
