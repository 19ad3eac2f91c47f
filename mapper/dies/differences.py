"""What differs between the chip that a network was compiled for and one die of it, by layer."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mapper.dies.covered import DeviceUsed, devices_used
from mapper.dies.drawn import Drawn
from mapper.dies.layers import crossbar_layer
from mapper.ir.core import INT64, Array, Graph, param
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.packing import on_diagonal
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead
from mapper.report.one_chip import LayerDifference
from passes.dies.references import reference_gap
from targets import Target


@dataclass(frozen=True, kw_only=True)
class DieFacts:
    """What is said of a die, each worked out when it is first asked for."""

    die: Drawn
    """What it was drawn from."""
    hardware: Graph
    """The die."""
    target: Target
    """Of the ideal chip."""

    @property
    def named(self) -> str:
        """Which die it is, of what."""
        return self.die.named

    @cached_property
    def layers(self) -> tuple[LayerDifference, ...]:
        """What differs in each layer, in execution order."""
        return differences(self.die, self.hardware, self.target)

    @cached_property
    def devices(self) -> tuple[DeviceUsed, ...]:
        """The devices that layers meet."""
        return devices_used(self.die.ideal, self.die.chip(self.target), self.die.step.conditions)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which imperfections are not known, and which facts nobody verified."""
        return tuple(text for device in self.devices for text in device.told)

    @property
    def cites(self) -> tuple[str, ...]:
        """Keys of the works that its devices come from."""
        return tuple(key for device in self.devices for key in device.cites)


def differences(die: Drawn, hardware: Graph, target: Target) -> tuple[LayerDifference, ...]:
    """Return what differs in each layer of a die, in execution order.

    Args:
        die: What it was drawn from.
        hardware: The die.
        target: Of the ideal chip.
    """
    made = {op.results[0].name: op for op in hardware.ops}
    reads = {op.partial_sum.name: op for op in die.ideal.ops if isinstance(op, BitlineRead)}
    found = []
    for op in die.ideal.ops:
        if isinstance(op, CrossbarMvm):
            read, chip = reads[op.partial_sum.name], made[op.partial_sum.name]
            assert isinstance(chip, CrossbarMvm)
            got = made[read.result.name]
            assert isinstance(got, BitlineRead)
            cells = _cell_errors(op, chip, read, die.ideal, hardware)
            moved = np.zeros(1)  # what takes sums as they are has no references
            if not target.macro(op.placement.macro).readout.is_exact:
                moved = _reference_errors(read, got, die.ideal, hardware, chip.fraction)
            gap = reference_gap(read) / 2
            noise = 0.0 if got.noise is None else float(hardware.constants[got.noise.name].std())
            found.append(
                LayerDifference(
                    layer=crossbar_layer(op),
                    copies=op.placement.copies,
                    cells_differ=float(np.mean(cells != 0)),
                    cell_error=_rms(cells),
                    references_differ=float(np.mean((moved > gap) | (moved <= -gap))),
                    reference_error=_rms(moved),
                    read_noise=noise / 2**chip.fraction,
                )
            )
    return tuple(found)


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.mean(np.square(errors)))) if errors.size else 0.0


def _cell_errors(
    op: CrossbarMvm, chip: CrossbarMvm, read: BitlineRead, ideal: Graph, hardware: Graph
) -> Array:
    """Return how far net cells ``[C | 1, S, ...]`` are off, in counts."""
    if chip.cells is None or op.encoding is None:
        return np.zeros(1)
    meant = op.encoding.digits(ideal.constants[op.weight.name]).astype(np.float64)
    if read.follows_activity:  # half of what a cell could give is taken off
        meant -= op.encoding.digit_max / 2
    meant = on_diagonal(meant, op.groups, op.packed)
    found = hardware.constants[chip.cells.name] / 2**chip.fraction - meant
    return np.asarray(found[..., op.there] if op.groups % op.packed else found)


def _reference_errors(
    read: BitlineRead, got: BitlineRead, ideal: Graph, hardware: Graph, fraction: int
) -> Array:
    """Return how far references are above where they were meant, in counts; whole units count."""
    if isinstance(read, SenseAmpRead) and isinstance(got, SenseAmpRead):
        meant = ideal.constants[read.thresholds.name]
        held = hardware.constants[got.thresholds.name]
        meant = meant[:, None] if held.ndim > meant.ndim else meant
    else:
        assert isinstance(read, AdcRead)
        assert isinstance(got, AdcRead)
        meant = np.atleast_3d(param(ideal.constants, read.first, INT64))
        held = np.atleast_3d(param(hardware.constants, got.first, INT64))
    least = np.ceil((meant - reference_gap(read) / 2) * 2**fraction)
    return np.asarray((held - least) / 2**fraction)
