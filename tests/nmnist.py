"""Real N-MNIST recordings from ``../shared``: read for tests and measurements, never copied."""

from pathlib import Path

import numpy as np

from mapper.ir.core import Array

STEPS, STEP_US = 10, 30_000
"""As the model in ``../shared/models/nmnist_real_csnn_step_legacy`` was trained."""

SIZE = 34


def read_events(path: Path) -> Array:
    """Return the events of a ``.bs2`` file as ``[N, 4]``: x, y, polarity, time in microseconds.

    Five bytes an event, big endian: x, y, then one bit of polarity and 23 bits of time.
    """
    raw = np.fromfile(path, np.uint8).reshape(-1, 5).astype(np.int64)
    stamp = (raw[:, 2] << 16 | raw[:, 3] << 8 | raw[:, 4]) & 0x7FFFFF
    return np.stack([raw[:, 0], raw[:, 1], raw[:, 2] >> 7, stamp], axis=1)


def frames(events: Array) -> Array:
    """Return binary frames ``[T, 2, 34, 34]``; events after the last step are dropped."""
    binned = np.zeros((STEPS, 2, SIZE, SIZE), np.uint8)
    x, y, polarity, stamp = events.T
    step = stamp // STEP_US
    kept = step < STEPS
    binned[step[kept], polarity[kept], y[kept], x[kept]] = 1
    return binned


def read_test_set(folder: Path) -> tuple[Array, Array]:
    """Return all listed test recordings ``[T, B, 2, 34, 34]`` and their labels ``[B]``."""
    lines = (folder / "test.txt").read_text().splitlines()[1:]
    listed = [line.split() for line in lines if line.strip()]
    recorded = [frames(read_events(folder / f"{name}.bs2")) for name, _ in listed]
    return np.stack(recorded, axis=1), np.array([int(label) for _, label in listed])
