"""HDF5 files that the user brings: opened for reading, nothing followed out of them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mapper.diagnostics import refuse
from mapper.hdf5 import check_chunks
from mapper.ir.core import Array
from mapper.npz import regular_size
from mapper.training.data.files import damaged, room_for

LARGEST = 1e12
"""Of any number that is read whole; seconds since 1970 fit, and microseconds of it fit 63 bits."""

MOST_NUMBERS = 10_000_000
"""Of a list that is read whole, a time an image: the longest published sequence has 60,000."""

MOST_CHUNK_BYTES = 64 << 20
"""A number of a chunk is read with all of the chunk; h5py makes chunks of 1 MiB and less."""

AGAIN = "download it again where it is shorter than published"

_BROKEN = (OSError, KeyError, RuntimeError, TypeError, ValueError, MemoryError)
"""What h5py raises on files that are damaged or made to do harm."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file, of which ``dataset``, ``numbers`` and ``read_rows`` read.

    Raises:
        MappingError: ``bad-events`` where it is none, ``missing-extra`` without h5py.
    """
    try:
        import h5py
    except ImportError as error:
        raise refuse(
            "missing-extra", "MVSEC files need h5py", loc=str(path), help="install h5py"
        ) from error
    try:
        regular_size(path)  # a pipe would wait for ever
    except (OSError, ValueError) as error:
        raise damaged(path, f"not a readable HDF5 file: {error}") from error
    with reading(path):
        file = h5py.File(path, "r")
    with file:
        yield file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Report what goes wrong within as ``bad-events`` of this file: reads of it alone."""
    try:
        yield
    except _BROKEN as error:
        raise damaged(path, f"not a readable HDF5 file: {error}", AGAIN) from error


def dataset(
    path: Path, file: Any, name: str, shape: tuple[int | None, ...], advice: str = ""
) -> Any:
    """Return an array of numbers of the file itself, ``name`` its full path in the file.

    Args:
        path: The file, for messages.
        file: What ``opened`` gives.
        name: As ``davis/left/events``.
        shape: What it must have; None is any length.
        advice: What to do where there is none of that name.

    Raises:
        MappingError: ``bad-events`` where it is something else, leads elsewhere, or is in chunks of
            more than ``MOST_CHUNK_BYTES``.
    """
    import h5py

    with reading(path):
        place = file
        for part in name.split("/"):
            link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
            if not isinstance(link, h5py.HardLink):
                raise damaged(path, f"no {name} in the file itself", advice)
            place = place[part]
        if not isinstance(place, h5py.Dataset) or place.dtype.kind not in "iuf":
            raise damaged(path, f"{name} is no array of numbers")
        if place.external or place.is_virtual:
            raise damaged(path, f"{name} is in another file")
        check_shape(path, name, place.shape, shape)
        chunk = math.prod(place.chunks or (0,)) * place.dtype.itemsize
    if chunk > MOST_CHUNK_BYTES:
        raise damaged(
            path, f"{name} is in chunks of {chunk} bytes, at most {MOST_CHUNK_BYTES} are read"
        )
    return place


def read_rows(path: Path, held: Any, first: int, over: int) -> Array:
    """Return rows ``first`` to ``over - 1`` of what ``dataset`` gives, as ``float64``."""
    if over > first:
        room_for(path, over - first, held.shape[1:], max(held.dtype.itemsize, 8))
    with reading(path), np.errstate(over="ignore"):  # what is beyond float64 becomes infinite
        check_chunks(held, first, over)
        return np.asarray(held[first:over], np.float64)


def numbers(path: Path, file: Any, name: str) -> Array:
    """Return a whole list of finite numbers, ``float64 [N]``.

    As floats, so that differences and magnitudes of unsigned and of the least integers are right;
    whole numbers up to ``LARGEST`` are exact.
    """
    held = dataset(path, file, name, (None,))
    check_count(path, name, len(held))
    return check_finite(path, name, read_rows(path, held, 0, len(held)))


def check_count(path: Path, name: str, count: int) -> None:
    """Refuse a list that is longer than ``MOST_NUMBERS``; it may claim what was never written."""
    if count > MOST_NUMBERS:
        raise damaged(path, f"{name} has {count} numbers, at most {MOST_NUMBERS} are read")


def check_shape(
    path: Path, name: str, found: tuple[int, ...], wanted: tuple[int | None, ...]
) -> None:
    """Refuse an array of another shape; None is any length."""
    fits = len(found) == len(wanted) and all(
        side in (None, length) for side, length in zip(wanted, found, strict=True)
    )
    if not fits:
        sides = ", ".join("any" if side is None else str(side) for side in wanted)
        raise damaged(path, f"{name} has shape {found}, expected ({sides})")


def check_finite(path: Path, name: str, values: Array) -> Array:
    """Return the values, or refuse them where one is no number or absurd."""
    if not np.isfinite(values).all() or (np.abs(values) > LARGEST).any():
        raise damaged(path, f"{name} holds what is no number below {LARGEST:g}")
    return values
