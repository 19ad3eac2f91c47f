"""Refusals of nodes that more than one module meets."""

from mapper.diagnostics import MappingError, refuse

QDQ_HELP = "quantise with QuantizeLinear and DequantizeLinear around ordinary operators (QDQ)"

ONE_SPIKE_HELP = (
    "let neurons fire at most once a step: sinabs with spike_fn=SingleSpike (or its NIR file and "
    "--library sinabs); integer spikes (I-LIF) unfolded into single ones of more time steps"
)


def many_steps(what: str, loc: str) -> MappingError:
    """Return the refusal of a model that holds more than one time step."""
    return refuse(
        "unsupported-time-form",
        f"the model holds {what}",
        loc=loc,
        help="export one time step with its state as inputs and outputs",
    )
