"""Refusals of nodes that more than one module meets."""

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.onnx.node import Node, Tensor

QDQ_HELP = "quantise with QuantizeLinear and DequantizeLinear around ordinary operators (QDQ)"


def many_steps(what: str, loc: str) -> MappingError:
    """Return the refusal of a model that holds more than one time step."""
    return refuse(
        "unsupported-time-form",
        f"the model holds {what}",
        loc=loc,
        help="export one time step with its state as inputs and outputs",
    )


def fused(node: Node) -> Tensor:
    """Products of codes round inside: no layer and no grid of ours says that exactly."""
    raise node.unsupported("fused integer operators are not read", QDQ_HELP)
