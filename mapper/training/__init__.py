"""Hardware-aware training: networks that keep their accuracy on columns read by one bit.

Needs the extra ``train``; nothing outside this package imports torch.
"""

from mapper.training.hardening.export import export_onnx
from mapper.training.hardening.harden import HardwareModel, harden
from mapper.training.importing.from_onnx import from_onnx
from mapper.training.nets.imported import ImportedLIF
from mapper.training.nets.layers import Awareness, Hardened
from mapper.training.nets.modules import Iand
from mapper.training.nets.neurons import LIF
from mapper.training.nets.steps import over_time

__all__ = [
    "LIF",
    "Awareness",
    "Hardened",
    "HardwareModel",
    "Iand",
    "ImportedLIF",
    "export_onnx",
    "from_onnx",
    "harden",
    "over_time",
]
