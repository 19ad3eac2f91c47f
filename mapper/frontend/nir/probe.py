"""Find out whether HDF5 can read the texts of a file at all, without waiting for it here.

Texts of any length lie in a heap of their own. Where that heap is damaged, HDF5 2.0 may follow it
in a circle for ever, in C, where no signal of Python reaches it. So a child process reads first.
"""

import subprocess
import sys
from pathlib import Path

from mapper.diagnostics import MappingError, refuse

SECONDS = 10
"""Of processor time, for all texts of ``MAX_PARTS`` parts on a slow machine."""

PATIENCE = 120
"""Seconds to wait for them, where others keep the processor busy."""

MAX_PARTS = 1 << 15
"""Nodes, fields and groups of one file: a hundred times as many as large networks have. Each takes
HDF5 some hundred microseconds, and is looked at twice."""

MOST_TEXT = 64 << 20
"""Bytes that all texts of a file may have together: one in the heap may be referred to a million
times, and is a text of its own each time."""

MEMORY = 2 << 30
"""Bytes of address space that the child may take."""

TOO_MUCH, TOO_MANY = 3, 4
"""Exit codes of a child that met more text, or more parts."""

CODE = f"""
import math, os, sys
import h5py

def read(name, item):
    global left, parts
    parts += 1
    if parts > {MAX_PARTS}:
        os._exit({TOO_MANY})
    if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external or item.shape is None:
        return
    kind = h5py.check_string_dtype(item.dtype)
    if kind is None or kind.length is not None or item.size > 1 << 20:
        return
    if item.shape == ():
        left -= len(item[()])
    each = max(1, at_once // max(1, math.prod(item.shape[1:])))
    for start in range(0, item.shape[0] if item.shape else 0, each):
        left -= sum(map(len, item[start : start + each].reshape(-1)))
        if left < 0:
            sys.exit({TOO_MUCH})

try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
    resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))
except (ImportError, ValueError, OSError):
    pass
left, parts = {MOST_TEXT}, 0
at_once = max(64, left // os.path.getsize(sys.argv[1]))
try:
    with h5py.File(sys.argv[1], "r") as file:
        file.visititems(read)
except MemoryError:
    sys.exit({TOO_MUCH})
except Exception as error:  # whatever h5py raises: the reader meets it again, and says what it is
    sys.exit({TOO_MUCH} if "alloc" in str(error) else 0)
sys.exit({TOO_MUCH} if left < 0 else 0)
"""


def refuse_endless_texts(path: Path) -> None:
    """Look at the texts of an HDF5 file in a child process.

    Raises:
        MappingError: ``invalid-model`` where reading them does not end well, ``model-too-large``
            where they are longer together than any network's, or the file has more parts.
    """
    try:
        subprocess.run(
            [sys.executable, "-I", "-c", CODE, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        if getattr(error, "returncode", 0) == TOO_MUCH:
            raise refuse(
                "model-too-large",
                f"its texts have more than {MOST_TEXT} bytes together",
                loc=path.name,
                help="write it without what does not belong to the network",
            ) from error
        if getattr(error, "returncode", 0) == TOO_MANY:
            raise too_many_parts(path.name) from error
        raise refuse(
            "invalid-model",
            "its texts cannot be read: HDF5 does not come to an end, or breaks off",
            loc=path.name,
            help="copy or export it again",
        ) from error


def too_many_parts(loc: str) -> MappingError:
    return refuse(
        "model-too-large",
        f"the file has more than {MAX_PARTS} parts: nodes, fields of nodes, groups",
        loc=loc,
        help="write it without nodes that lead to no output; a layer is one node",
    )
