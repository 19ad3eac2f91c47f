"""The file form of a graph's constants: ``weights.npz`` without pickles, the same bytes each time.

Constants are stored uncompressed as ``c0``, ``c1``, ... in the order of their sorted names, so no
name from a model is ever a file name; ``names`` is their list, as JSON in bytes. Integers are
stored in the narrowest signed type that holds them.
"""

import hashlib
import json
import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import Array, Graph

NAMES = "names"
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_INTEGERS = tuple(np.dtype(f"<i{size}") for size in (1, 2, 4, 8))
_STORED = {np.dtype(np.uint8), *_INTEGERS, *(np.dtype(f"<f{size}") for size in (2, 4, 8))}


def save_constants(graph: Graph, path: Path) -> None:
    """Write every constant of the graph; the same constants give the same bytes."""
    names = np.frombuffer(json.dumps(sorted(graph.constants)).encode(), np.uint8)
    write_arrays(path, {NAMES: names, **keyed(graph.constants)})


def write_arrays(
    path: Path | IO[bytes], arrays: Mapping[str, Array], *, compress: bool = False
) -> None:
    """Write a ``.npz`` file with fixed times, so the same arrays give the same bytes."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy", _TIMESTAMP)
            entry.compress_type = method
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, (1, 0), allow_pickle=False)


def load_constants(path: Path) -> dict[str, Array]:
    """Read constants by name, in the narrow types they are stored in.

    Never allocates more than the file holds.

    Raises:
        MappingError: ``bad-weights`` for any file that ``save_constants`` does not write.
    """
    try:
        arrays = _read(path)
        names = json.loads(arrays.pop(NAMES).tobytes())
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("the list of names is not one")
        if list(arrays) != [f"c{i}" for i in range(len(names))] or sorted(set(names)) != names:
            raise ValueError(f"{len(names)} names for the arrays {', '.join(arrays)}")
    except _UNREADABLE as error:
        raise _bad_weights(path, error) from error
    return dict(zip(names, arrays.values(), strict=True))


_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RecursionError,  # from JSON nested thousands deep
    NotImplementedError,  # from an archive in a newer format
    RuntimeError,  # from an encrypted archive
    zipfile.BadZipFile,
    SyntaxError,  # from an array header that is no Python literal
    TokenError,
)


def _bad_weights(path: Path, error: Exception) -> MappingError:
    return refuse(
        "bad-weights",
        f"not the constants of a compiled network: {error}",
        loc=str(path),
        help="compile the model again",
    )


def _read(path: Path) -> dict[str, Array]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("entries are compressed")
        declared, held = sum(entry.file_size for entry in entries), path.stat().st_size
        if declared > held:
            raise ValueError(f"entries of {declared} bytes in a file of {held}")
        arrays = {
            entry.filename.removesuffix(".npy"): _read_array(archive, entry) for entry in entries
        }
    if len(arrays) != len(entries):
        raise ValueError("an entry occurs twice")
    return arrays


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Array:
    with archive.open(entry) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{entry.filename!a} is no array of format 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        size = math.prod(shape) * dtype.itemsize
        if dtype not in _STORED or fortran or size != entry.file_size - file.tell():
            raise ValueError(f"{entry.filename!a} is not {shape} of {dtype}")
        array: Array = np.ndarray(shape, dtype, buffer=file.read(size))
    return array


def keyed(constants: Mapping[str, Array]) -> dict[str, Array]:
    """Return constants as they are stored: narrow arrays under ``c0``, ``c1``, ..."""
    return {key: narrow(constants[name]) for name, key in constant_keys(constants).items()}


def constant_keys(constants: Iterable[str]) -> dict[str, str]:
    """Map each name to the key it is stored under."""
    return {name: f"c{i}" for i, name in enumerate(sorted(constants))}


def narrow(array: Array) -> Array:
    """Return the array in the narrowest signed integer type, in C order and little-endian.

    Raises:
        MappingError: ``bad-weights`` for integers of more than 64 bits with sign.
    """
    if array.dtype.kind == "f":
        return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    type = next((t for t in _INTEGERS if np.iinfo(t).min <= low and high <= np.iinfo(t).max), None)
    if type is None:
        raise refuse("bad-weights", f"integers span {low}..{high}, more than 64 bits with sign")
    return np.asarray(array, dtype=type, order="C")


def fingerprint(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of stored arrays: what a generated executor compares."""
    digest = hashlib.sha256()
    for key, array in arrays.items():
        digest.update(f"{key} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
