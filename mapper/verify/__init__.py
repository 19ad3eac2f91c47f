"""Verification: rings of trust, for a model against ONNX Runtime and for a build folder."""

from mapper.verify.build import Verification, verify_build, verify_recorded
from mapper.verify.model import imported_ring, reference_ring, verify_model
from mapper.verify.rings import Ring
from mapper.verify.trained import trained_ring

__all__ = [
    "Ring",
    "Verification",
    "imported_ring",
    "reference_ring",
    "trained_ring",
    "verify_build",
    "verify_model",
    "verify_recorded",
]
