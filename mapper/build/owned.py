"""Which files of an output folder spikeloom wrote, so that nobody else's are deleted with them."""

import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from mapper.diagnostics import many
from mapper.renames import is_leftover

_SHOWN = 8
"""File names in a message."""


def others_in_build(
    folder: Path, manifest: Mapping[str, object], records: Collection[str]
) -> list[str] | None:
    """Return the names in a folder that are not of its build; None where it holds no build.

    Of the build are the files that the manifest lists, itself, ``records``, what a killed run
    left, and the byte code that Python keeps of listed programs.
    """
    listed = manifest.get("files")
    if not isinstance(listed, dict) or "mapping.json" not in listed or "version" not in manifest:
        return None
    files = {"manifest.json", *listed, *records}
    return sorted(
        path.name
        for path in folder.iterdir()
        if not is_leftover(path.name)
        and not (path.name in files and is_plain_file(path))
        and not _is_byte_code(path, listed)
    )


def _is_byte_code(path: Path, listed: Collection[str]) -> bool:
    """Say whether this is the ``__pycache__`` of listed programs, and of nothing else."""
    if path.name != "__pycache__" or path.is_symlink() or not path.is_dir():
        return False
    return all(
        is_plain_file(file) and file.suffix == ".pyc" and f"{file.name.split('.')[0]}.py" in listed
        for file in path.iterdir()
    )


def is_plain_file(path: Path) -> bool:
    """Say whether it is a file, and neither a link, a folder nor a device."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def told(names: Collection[str]) -> str:
    """List file names for a message."""
    shown = [repr(name) for name in list(names)[:_SHOWN]]
    more = len(names) - len(shown)
    return ", ".join([*shown, f"and {many(more, 'other')}"] if more else shown)
