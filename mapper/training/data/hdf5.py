"""HDF5 files that the user brings: opened for reading, nothing followed out of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mapper.diagnostics import refuse
from mapper.ir.core import Array
from mapper.npz import regular_size
from mapper.training.data.files import damaged, room_for

LARGEST = 1e12
"""Of any number that is read whole; seconds since 1970 fit, and microseconds of it fit 63 bits."""

AGAIN = "download it again where it is shorter than published"


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file; what goes wrong within is reported as ``bad-events``.

    Raises:
        MappingError: ``missing-extra`` without h5py.
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
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, TypeError) as error:
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
        MappingError: ``bad-events`` where it is something else, or leads elsewhere.
    """
    import h5py

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
    return place


def numbers(path: Path, file: Any, name: str) -> Array:
    """Return a whole list of finite numbers, ``[N]``."""
    held = dataset(path, file, name, (None,))
    room_for(path, len(held), (), held.dtype.itemsize)
    values: Array = held[()]
    return check_finite(path, name, values)


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
