"""Refusals of nodes that more than one module meets."""

from collections.abc import Iterable
from pathlib import Path

from mapper.diagnostics import MappingError, refuse

FIXED_BATCH = "fixed-batch"
ALONE_HELP = "export it for one sample, or leave the batch axis open"

QDQ_HELP = "quantise with QuantizeLinear and DequantizeLinear around ordinary operators (QDQ)"

ONE_SPIKE_HELP = (
    "let neurons fire at most once a step: sinabs with spike_fn=SingleSpike (or its NIR file and "
    "--library sinabs); integer spikes (I-LIF) unfolded into single ones of more time steps"
)

LEVELS_HELP = (
    "let thresholds be whole multiples of one, as 1 and -1, or 1, 2 and 3, and each spike take as "
    f"much off; else {ONE_SPIKE_HELP}"
)

STATE_HELP = (
    "make states arguments of forward and return them (snnTorch: init_hidden=False, membranes in "
    "and out), or export the loop over time steps (docs/exporting.md)"
)


def lost_state(what: str, loc: str) -> MappingError:
    """Return the refusal of a step whose state starts inside the file and is never handed on."""
    return refuse(
        "missing-state",
        f"{what} a constant of zeros inside the file: the state was lost in the export, and every "
        "step would start from nothing",
        loc=loc,
        help=STATE_HELP,
    )


def many_steps(what: str, loc: str) -> MappingError:
    """Return the refusal of a model that holds more than one time step."""
    return refuse(
        "unsupported-time-form",
        f"the model holds {what}",
        loc=loc,
        help="export one time step with its state as inputs and outputs",
    )


def refuse_fixed_batch(shapes: Iterable[tuple[int, ...]], path: Path) -> None:
    """Refuse one time step of inputs that all hold several samples."""
    sizes = {shape[0] for shape in shapes if shape}
    if len(sizes) == 1 and max(sizes) > 1:
        raise fixed_batch(str(max(sizes)), path)


def fixed_batch(samples: str, path: Path) -> MappingError:
    return refuse(
        FIXED_BATCH,
        f"the model was exported for {samples} samples at once, which depend on each other",
        loc=path.name,
        help=ALONE_HELP,
    )
