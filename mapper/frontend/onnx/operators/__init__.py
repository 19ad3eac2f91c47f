"""Every operator that the frontend knows of, one row each.

The rows stand by family in the modules beside; ``row`` says what their columns mean. A new
operator is one row, with a rule where none of the others says what it computes.
"""

from collections.abc import Mapping

from onnx import NodeProto

from mapper.frontend.onnx.operators.control import CONTROL
from mapper.frontend.onnx.operators.elementwise import ELEMENTWISE
from mapper.frontend.onnx.operators.layers import LAYERS, NEURONS, QUANTISERS
from mapper.frontend.onnx.operators.moving import MOVING
from mapper.frontend.onnx.operators.numbers import NOISE, NUMBERS
from mapper.frontend.onnx.operators.row import Operator

__all__ = ["OPERATORS", "UNKNOWN", "Operator", "operator_of"]

OPERATORS = (*ELEMENTWISE, *MOVING, *LAYERS, *QUANTISERS, *NEURONS, *CONTROL, *NUMBERS, *NOISE)

UNKNOWN = Operator("", "other")
"""What is known of an operator without a row: nothing."""

_ROWS: Mapping[tuple[str, str], Operator] = {
    (domain, row.name): row for row in OPERATORS for domain in row.domains
}


def operator_of(node: NodeProto) -> Operator:
    """Return the row of a node's operator, or ``UNKNOWN``."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    return _ROWS.get((domain, node.op_type), UNKNOWN)
