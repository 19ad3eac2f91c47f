"""The canonical ONNX form of a network: written, and read back to an equal graph.

Ops are standard operators, or calls of functions in our own domain whose bodies are standard
operators. ``docs/canonical-onnx.md`` is the reference.
"""

from mapper.exchange.canonical.functions import DOMAIN
from mapper.exchange.canonical.model import canonical_tensors, from_model, plain, to_model
from mapper.exchange.canonical.trained import claims_training, from_trained, tensors_of, to_trained

__all__ = [
    "DOMAIN",
    "canonical_tensors",
    "claims_training",
    "from_model",
    "from_trained",
    "plain",
    "tensors_of",
    "to_model",
    "to_trained",
]
