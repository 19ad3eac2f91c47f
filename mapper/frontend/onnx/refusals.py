"""Refusals of nodes that more than one module meets."""

from mapper.diagnostics import MappingError, refuse

QDQ_HELP = "quantise with QuantizeLinear and DequantizeLinear around ordinary operators (QDQ)"


def many_steps(what: str, loc: str) -> MappingError:
    """Return the refusal of a model that holds more than one time step."""
    return refuse(
        "unsupported-time-form",
        f"the model holds {what}",
        loc=loc,
        help="export one time step with its state as inputs and outputs",
    )
