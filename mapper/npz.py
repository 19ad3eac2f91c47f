"""Read an ``.npz`` file that may come from anyone. NumPy and the standard library alone.

A generated ``executor.py`` carries this text, so that it reads what ``spikeloom run`` reads, and
refuses what that refuses. Nothing is unpickled, and no more is allocated than a recording of that
many bytes can hold.
"""

import math
import stat
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np

MAX_BYTES = 4 << 30
"""Arrays of one file together: more is refused before anything is allocated."""

FREE_BYTES = 64 << 20
"""What any file may unpack to; so are the limits below, which count numbers at eight bytes each,
the size that they have as input codes."""

USUAL_UNPACKED = 100
"""Bytes that each byte of a file may unpack to, however many there are."""

MOST_UNPACKED = 2500
"""The same up to ``MOST_EMPTY_BYTES``. Random events of one in a hundred, compressed as bytes or in
single precision, take 390 or 280; of one in a thousand 2200 or 1200; nothing but zeros takes 8000
or 2000, and would let a small file fill the memory."""

MOST_EMPTY_BYTES = 1 << 30

UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    MemoryError,
    TypeError,  # from a header whose sizes are no numbers
    ValueError,
    NotImplementedError,  # from an archive in a newer format
    RuntimeError,  # from an encrypted archive
    SyntaxError,  # from an array header that is no Python literal
    TokenError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged or hostile file raises."""


def read_npz(path: Path | str) -> dict[str, Any]:
    """Return every array by name.

    Raises:
        One of ``UNREADABLE``, whose text is the reason.
    """
    held = regular_size(path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        check_claims(archive, entries, held)
        arrays = {
            entry.filename.removesuffix(".npy"): read_array(archive, entry) for entry in entries
        }
    if len(arrays) != len(entries):
        raise ValueError("an array occurs twice")
    return arrays


def regular_size(path: Path | str) -> int:
    """Return the bytes of a file, looked at before it is opened: a pipe would wait for ever."""
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("this is no regular file")
    return found.st_size


def check_claims(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], held: int) -> None:
    """Hold what the headers claim against the size of the file."""
    declared = elements = 0
    for entry in entries:
        with archive.open(entry) as file:
            size, count = claimed(file)
        declared += max(entry.file_size, size)
        elements += count
    if declared > MAX_BYTES:
        raise ValueError(f"arrays of {declared} bytes, at most {MAX_BYTES} are read")
    most = FREE_BYTES + max(USUAL_UNPACKED * held, min(MOST_UNPACKED * held, MOST_EMPTY_BYTES))
    if max(declared, 8 * elements) > most:
        raise ValueError(
            f"{held} bytes unpack to {elements} numbers; write what is that empty uncompressed"
        )


def claimed(file: IO[bytes]) -> tuple[int, int]:
    """Return the bytes and the elements an array's header claims, whatever the archive says."""
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"array format {version} is not read")
    shape, _, dtype = readers[version](file)
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"an array has the shape {str(shape)[:80]}")
    return math.prod(shape) * dtype.itemsize, math.prod(shape)


def read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    """Read one array whose header was looked at."""
    with archive.open(entry) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
