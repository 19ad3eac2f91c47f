"""Find out whether HDF5 can read the texts of a file at all, without waiting for it here.

Texts of any length lie in a heap of their own. Where that heap is damaged, HDF5 2.0 may follow it
in a circle for ever, in C, where no signal of Python reaches it. So a child process reads first.
"""

import subprocess
import sys
from pathlib import Path

from mapper.diagnostics import refuse

SECONDS = 10
"""A text is read in microseconds; nearly all of this is for starting on a busy machine."""

CODE = """
import sys
import h5py

def read(name, item):
    if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external or item.shape is None:
        return
    if h5py.check_string_dtype(item.dtype) is not None and item.size <= 1 << 20:
        item[()]

try:
    with h5py.File(sys.argv[1], "r") as file:
        file.visititems(read)
except Exception:  # whatever h5py raises: the reader meets it again, and says what it is
    pass
"""


def refuse_endless_texts(path: Path) -> None:
    """Refuse ``invalid-model`` where reading the texts of an HDF5 file does not end well."""
    try:
        subprocess.run(
            [sys.executable, "-I", "-c", CODE, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise refuse(
            "invalid-model",
            "its texts cannot be read: HDF5 does not come to an end, or breaks off",
            loc=path.name,
            help="copy or export it again",
        ) from error
