"""N-MNIST (Orchard et al. 2015, CC BY-SA 4.0): read where the user has it, never shipped."""

from pathlib import Path
from stat import S_ISDIR

import numpy as np
import torch
from torch import Tensor

from mapper.diagnostics import refuse
from mapper.ir.core import Array
from mapper.training.data.files import check_on_sensor, damaged, read_lines, read_whole, room_for
from mapper.training.data.published import NMNIST, absent, is_there

SIZE = 34
DURATION_US = 300_000
CLASSES = 10
_LABELS = "0123456789"

_EVENT_BYTES = 5
_MOST_BYTES = 1 << 20
"""Of a recording; a published one has some 20 KB."""
_OVERFLOW_ROW, _OVERFLOW_US = 240, 1 << 13


def read_events(path: Path) -> Array:
    """Return the events of a ``.bs2`` or ``.bin`` file as ``[N, 4]``: x, y, polarity, time in us.

    Five bytes an event, big endian: x, y, then one bit of polarity and 23 bits of time. Row 240 is
    no event: it says that the clock went over, and that times from it on are 2^13 us later (Orchard
    et al., read_dataset of the data set's page).

    Raises:
        MappingError: ``bad-events`` where the file ends within an event or leaves the sensor.
    """
    held = read_whole(path, _MOST_BYTES)
    if len(held) % _EVENT_BYTES:
        raise damaged(
            path, f"{len(held)} bytes are no whole number of events of {_EVENT_BYTES} bytes"
        )
    raw = np.frombuffer(held, np.uint8).reshape(-1, _EVENT_BYTES).astype(np.int64)
    over = raw[:, 1] == _OVERFLOW_ROW
    stamp = (raw[:, 2] << 16 | raw[:, 3] << 8 | raw[:, 4]) & 0x7FFFFF
    stamp = (stamp + _OVERFLOW_US * np.cumsum(over))[~over]
    raw = raw[~over]
    check_on_sensor(path, raw[:, 0], raw[:, 1], SIZE, SIZE)
    return np.stack([raw[:, 0], raw[:, 1], raw[:, 2] >> 7, stamp], axis=1)


def frames(events: Array, steps: int) -> Array:
    """Return binary frames ``[steps, 2, 34, 34]`` of equal length; later events are dropped."""
    binned = np.zeros((steps, 2, SIZE, SIZE), np.uint8)
    x, y, polarity, stamp = events.T
    step = stamp * steps // DURATION_US
    kept = step < steps
    binned[step[kept], polarity[kept], y[kept], x[kept]] = 1
    return binned


def read_set(folder: Path, listing: str, steps: int) -> tuple[Tensor, Tensor]:
    """Return the recordings named in a list, ``[T, B, 2, 34, 34]``, with labels ``[B]``.

    The list has a line of headings, then a name and a class 0..9 a line; ``name.bs2`` is read.

    Raises:
        MappingError: ``bad-events`` for a file, ``bad-labels`` for a line of the list.
    """
    lines = read_lines(folder / listing)[1:]
    listed = [_listed(folder / listing, n, line) for n, line in enumerate(lines, 2) if line.strip()]
    return _read(folder, [(folder / f"{name}.bs2", label) for name, label in listed], steps)


def read_folder(folder: Path, steps: int) -> tuple[Tensor, Tensor]:
    """Return all recordings of ``Train`` or ``Test`` as published: ``0/00002.bin`` to ``9/...``.

    Raises:
        MappingError: ``bad-events`` for a file, ``no-data-set`` where a class has none.
    """
    classes = [sorted((folder / str(label)).glob("*.bin")) for label in range(CLASSES)]
    empty = [str(label) for label, files in enumerate(classes) if not files]
    if empty:
        raise absent(folder, f"no .bin file of class {', '.join(empty)}", NMNIST)
    listed = [(path, label) for label, files in enumerate(classes) for path in files]
    return _read(folder, listed, steps)


def find(folder: Path) -> Path | None:
    """Return the folder that has ``Train`` and ``Test``; None where lists are in it instead.

    Raises:
        MappingError: ``no-data-set``, with what to download or to unpack.
    """
    if not is_there(folder, NMNIST, S_ISDIR):
        raise absent(folder, "there is no such folder", NMNIST)
    parts = [folder / part for part in ("Train", "Test")]
    missing = [part.name for part in parts if not is_there(part, NMNIST, S_ISDIR)]
    if not missing:
        return folder
    if len(missing) == len(parts) and is_there(folder / "train.txt", NMNIST):
        return None
    packed = [name for name in missing if is_there(folder / f"{name}.zip", NMNIST)]
    reason = (
        f"{packed[0]}.zip is not unpacked" if packed else f"no {' and no '.join(missing)} in it"
    )
    raise absent(folder, reason, NMNIST)


def _listed(path: Path, number: int, line: str) -> tuple[str, int]:
    name, _, label = line.strip().partition("\t") if "\t" in line else line.strip().partition(" ")
    label = label.strip()
    if len(label) != 1 or label not in _LABELS or Path(name).name != name:
        raise refuse(
            "bad-labels",
            f"line {number} is {line.strip()[:40]!r}, not a file's name and a class 0..9",
            loc=str(path),
        )
    return name, int(label)


def _read(folder: Path, listed: list[tuple[Path, int]], steps: int) -> tuple[Tensor, Tensor]:
    room_for(folder, len(listed), (steps, 2, SIZE, SIZE))
    x = np.empty((steps, len(listed), 2, SIZE, SIZE), np.uint8)
    for index, (path, _) in enumerate(listed):
        x[:, index] = frames(read_events(path), steps)
    return torch.from_numpy(x), torch.tensor([label for _, label in listed])
