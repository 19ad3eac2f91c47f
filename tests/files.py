"""Files that tests read: the bundled model and recording."""

from pathlib import Path

import mapper

DEMO = Path(mapper.__file__).parent / "data" / "demo"
DEMO_MODEL = DEMO / "model.onnx"
DEMO_RECORDING = DEMO / "recording.npz"
