"""Files that tests read: the bundled model and recording."""

from pathlib import Path

import mapper
from mapper.ir.core import Array
from mapper.recordings import read_arrays

DEMO = Path(mapper.__file__).parent / "data" / "demo"
DEMO_MODEL = DEMO / "model.onnx"
DEMO_RECORDING = DEMO / "recording.npz"


def short_recording(steps: int, samples: int) -> dict[str, Array]:
    """Return the beginning of the bundled recording: inputs and labels."""
    whole = read_arrays(DEMO_RECORDING)
    return {n: a[:steps, :samples] if a.ndim > 1 else a[:samples] for n, a in whole.items()}
