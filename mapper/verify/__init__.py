"""Verification: rings of trust, for a model against ONNX Runtime and for a build folder."""

from mapper.verify.build import Verification, run_executor, verify_build
from mapper.verify.model import verify_model
from mapper.verify.rings import Ring

__all__ = ["Ring", "Verification", "run_executor", "verify_build", "verify_model"]
