"""How often a layer acts, and how many crossbars and bits that takes. Standard library only."""

from dataclasses import dataclass
from math import isqrt
from typing import Any

from mapper.cost.arith import total
from mapper.cost.model import Chip, Events, Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What the spikes did, by layer, summed over time steps and samples."""

    steps: int
    samples: int
    events: tuple[Events, ...]
    density: float | None = None
    """Share of input bits that are 1, where the events are its mean; None where they were counted
    in a recorded run."""


def activity_of_density(layers: tuple[Layer, ...], density: float, steps: int) -> Activity:
    """Give the mean of one sample whose input bits are 1 with a probability, to whole events.

    Bits are drawn one by one, so a read is silent with the probability that all wordlines of its
    row block are. Row blocks count as equally tall, and padding as if it could be driven: the two
    gated counts are an upper bound, exact at density 0 and 1 without padding.
    """

    def expected(layer: Layer) -> Events:
        full, grid = layer.full, layer.grid
        heard = 1 - (1 - density) ** (grid.block_wordlines * grid.plane_bits)
        driven = density if grid.plane_bits == 1 else 1 - (1 - density) ** grid.plane_bits
        reached = 1 - (1 - density) ** (grid.block_wordlines * grid.row_blocks)
        if layer.repeats:  # how often neurons fire is not known
            reached = density > 0
        shares = (driven, driven, driven, heard, heard, reached, driven)
        pairs = zip(shares, full, strict=True)
        return Events(*(_nearest(share * count * steps) for share, count in pairs))

    events = tuple(expected(layer) for layer in layers)
    return Activity(steps=steps, samples=1, events=events, density=density)


def random_density(steps: int) -> float:
    """Return the density of inputs that the reference drew.

    It draws 0 or 1, equally likely, and spreads that over ``steps`` bits, of which one is always 0.
    A single step has nothing to spread over, and keeps what was drawn.
    """
    return 0.5 * (steps - 1) / steps if steps > 1 else 0.5


def _nearest(value: Any) -> Any:
    """Round a scalar to an integer; arrays of design points stay as they are."""
    return round(value) if isinstance(value, int | float) else value


def action_counts(layer: Layer, events: Events, activity: Activity) -> dict[str, int]:
    """Count every action of a layer over all time steps and samples."""
    runs = activity.steps * activity.samples
    work = layer.work
    return {
        "crossbar_reads": work.crossbar_reads * runs,
        "gated_crossbar_reads": events.reads,
        "wordline_events": events.wordlines,
        "on_cells": events.levels,
        "synaptic_operations": synaptic_operations(layer, events),
        "dense_operations": dense_operations(layer) * runs,
        "macs": work.macs * runs,
        "conversions": work.conversions * runs,
        "gated_conversions": events.conversions if work.conversions else 0,
        "tree_additions": work.tree_additions * runs,
        "shift_adds": work.shift_adds * runs,
        "accumulations": work.accumulations * runs,
        "scale_multiplies": work.scale_multiplies * runs,
        "membrane_updates": work.membrane_updates * runs,
        "membrane_bits": work.membrane_bits * runs,
        "buffer_bits": (work.buffer_read_bits + work.buffer_write_bits) * runs,
        "buffer_bits_reused": (work.fresh_bits + work.buffer_write_bits) * runs,
        "hops": work.hop_bits * runs,
        "skip_bits": (work.skip_write_bits + work.skip_read_bits) * runs,
        "skip_hops": work.skip_hop_bits * runs,
    }


def synaptic_operations(layer: Layer, events: Events) -> int:
    """Count the weights that driven wordlines met: one for each spike and synapse."""
    return events.cells // max(layer.grid.cells_per_weight, 1)


def dense_operations(layer: Layer) -> int:
    """Count the products of a weight with an input that is there, spike or none, in one time step.

    What NeuroBench calls dense synaptic operations (Yik et al., arXiv 2304.04640): MACs without
    those on padding. The digital unit does not leave padding out.
    """
    if layer.digital_rows:
        return layer.work.macs
    return synaptic_operations(layer, layer.full) // max(layer.grid.planes, 1)


def crossbars_of(layer: Layer) -> int:
    """Count the crossbars of all copies of a layer."""
    return layer.grid.copies * layer.grid.row_blocks * layer.grid.column_blocks


def slots_of(layer: Layer, chip: Chip) -> int:
    """Count the crossbars that a layer keeps others from using.

    In a hierarchy a copy has whole tiles, or a part of a tile that the tile is a multiple of.
    """
    each = layer.grid.row_blocks * layer.grid.column_blocks
    if chip.hierarchy is None or not each:
        return crossbars_of(layer)
    return -(-layer.grid.copies * _rounded(each, chip) // chip.crossbars_per_tile) * (
        chip.crossbars_per_tile
    )


def _rounded(crossbars: int, chip: Chip) -> int:
    tile = chip.crossbars_per_tile
    if crossbars > tile:
        return -(-crossbars // tile) * tile
    return min(tile, 1 << (crossbars - 1).bit_length())


def tiles_per_copy(layer: Layer, chip: Chip) -> float:
    """Return the tiles of one copy of a layer; below 1 where copies share a tile."""
    each = layer.grid.row_blocks * layer.grid.column_blocks
    return _rounded(each, chip) / chip.crossbars_per_tile if each else 0.0


def extra_bits(chip: Chip, steps: int) -> int:
    """Return by how many bits the time steps widen every sum."""
    return steps if chip.steps_as_bits else 0


def moved_bits(layer: Layer) -> int:
    """Count the bits that one time step moves to and from the chip's buffer in a hierarchy."""
    return layer.work.buffer_read_bits + layer.positions * layer.outputs


def collected_results(layer: Layer, chip: Chip, steps: int) -> float:
    """Count the results that tiles send to the chip's accumulator in one time step.

    A tile is a square of crossbars; the tiles beside each other have different outputs, those
    below each other partial sums of the same.
    """
    across = -(-layer.grid.column_blocks // isqrt(chip.crossbars_per_tile))
    results = layer.positions * layer.outputs * tiles_per_copy(layer, chip) / max(across, 1)
    return results / steps if chip.steps_as_bits else results


def used_cells(layers: tuple[Layer, ...]) -> int:
    """Count the cells that hold a weight, all copies."""
    return round(
        total(
            layer.work.macs / layer.positions * layer.grid.cells_per_weight * layer.grid.copies
            for layer in layers
        )
    )
