"""Files of events that the user brings: nothing of them is believed before it is checked."""

from pathlib import Path

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import Array
from mapper.npz import regular_size

MAX_BYTES = 4 << 30
"""Of what is made of files, as the frames of one set: more is refused before it is allocated."""

TEXT_BYTES = 1 << 20
"""Of a list or of labels; published ones have some kilobytes."""


def damaged(path: Path, reason: str, advice: str = "") -> MappingError:
    """Make the error for a file of events; the caller raises it."""
    return refuse("bad-events", reason, loc=str(path), help=advice)


def read_whole(path: Path, most: int) -> bytes:
    """Return a file's bytes, ``most`` of which are as many as its kind can have.

    Raises:
        MappingError: ``bad-events`` where it cannot be read or is larger than that.
    """
    try:
        if (size := regular_size(path)) > most:
            raise damaged(path, f"the file has {size} bytes, at most {most} are read")
        return path.read_bytes()
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # a pipe would wait for ever
        raise damaged(path, f"cannot be read: {error}") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file of up to ``TEXT_BYTES``; see ``read_whole``."""
    try:
        return read_whole(path, TEXT_BYTES).decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise damaged(path, f"not text: byte {error.start} is no UTF-8") from error


def room_for(path: Path, samples: int, shape: tuple[int, ...], bytes_each: int = 1) -> None:
    """Refuse a set whose frames would not fit; ``shape`` and bytes are of one sample's numbers."""
    asked = samples * int(np.prod(shape, dtype=np.int64)) * bytes_each
    if not samples:
        raise damaged(path, "0 recordings, at least 1 is needed")
    if asked > MAX_BYTES:
        raise damaged(
            path,
            f"the frames take {asked} bytes, at most {MAX_BYTES} are made",
            "ask for fewer recordings or smaller frames",
        )


def check_on_sensor(path: Path, x: Array, y: Array, width: int, height: int) -> None:
    """Refuse events beside a sensor of ``width x height`` pixels."""
    for axis, found, limit in (("column", x, width), ("row", y, height)):
        if len(found) and not (found.min() >= 0 and found.max() < limit):
            worst = found.max() if found.max() >= limit else found.min()
            raise damaged(path, f"an event in {axis} {worst}, the sensor has 0..{limit - 1}")
