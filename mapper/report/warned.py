"""What every command says of a build whose readout may not fit its network."""

from collections.abc import Mapping

from mapper.ir.core import Graph
from mapper.ir.readout import SenseAmpRead

UNCALIBRATED = (
    "not calibrated: sense amplifiers were set for random activity, and the network was not "
    "trained for this hardware, so most of its accuracy may be lost; compile with "
    "--calibrate RECORDINGS.npz (in Python calibrate=)"
)


def uncalibrated(graph: Graph, source: Mapping[str, str], *, calibrated: bool) -> tuple[str, ...]:
    """Say so where readout that keeps one bit or three levels was set without recordings.

    An ADC keeps most of a sum wherever its steps are; a sense amplifier keeps what its references
    are set for, and without recordings these are set for random activity.

    Args:
        graph: The hardware graph.
        source: What the build says of the model; one that was trained for hardware brings its
            readout along.
        calibrated: Recordings set the readout.
    """
    sensed = any(isinstance(op, SenseAmpRead) for op in graph.ops)
    return (UNCALIBRATED,) if sensed and not calibrated and "trained for" not in source else ()
