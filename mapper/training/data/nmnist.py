"""N-MNIST (Orchard et al. 2015, CC BY-SA 4.0): read where the user has it, never shipped."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mapper.ir.core import Array

SIZE = 34
DURATION_US = 300_000


def read_events(path: Path) -> Array:
    """Return the events of a ``.bs2`` or ``.bin`` file as ``[N, 4]``: x, y, polarity, time in us.

    Five bytes an event, big endian: x, y, then one bit of polarity and 23 bits of time.
    """
    raw = np.fromfile(path, np.uint8).reshape(-1, 5).astype(np.int64)
    stamp = (raw[:, 2] << 16 | raw[:, 3] << 8 | raw[:, 4]) & 0x7FFFFF
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
    """Return the recordings named in a list, ``[T, B, 2, 34, 34]``, with labels ``[B]``."""
    lines = (folder / listing).read_text().splitlines()[1:]
    listed = [line.split() for line in lines if line.strip()]
    recorded = [frames(read_events(folder / f"{name}.bs2"), steps) for name, _ in listed]
    labels = torch.tensor([int(label) for _, label in listed])
    return torch.from_numpy(np.stack(recorded, axis=1)), labels
