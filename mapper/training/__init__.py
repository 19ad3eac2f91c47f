"""Hardware-aware training: networks that keep their accuracy on columns read by one bit.

Needs the extra ``train``; nothing outside this package imports torch.
"""

from mapper.training.export import export_onnx
from mapper.training.harden import HardwareModel, harden
from mapper.training.layers import Awareness, Hardened
from mapper.training.modules import Iand
from mapper.training.neurons import LIF, over_time

__all__ = [
    "LIF",
    "Awareness",
    "Hardened",
    "HardwareModel",
    "Iand",
    "export_onnx",
    "harden",
    "over_time",
]
