"""The reference's runs, and our estimates of the same networks: what the benchmarks share."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import log2
from pathlib import Path

from benchmarks.paper_networks import REFERENCES
from mapper.cost import Cost, estimate
from mapper.ir.core import Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.pipeline import make_passes, run_passes
from targets import Preset, load_target

READOUTS = {"sense-amp": "adcless", "flash-5b": "hpadc-flash5"}
"""Our targets for the readouts of the reference, less their array size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row of the table of measured ratios (PAPER.md): ADC over sense amplifiers."""

    network: str
    size: int
    array: int
    latency_ratio: float
    energy_ratio: float
    energy_uj: tuple[float, float]
    """Of an inference: sense amplifiers, ADC."""
    latency_us: tuple[float, float]
    """Between two inferences: the slowest layer's."""
    fitted: bool
    """Constants were fitted on this network's runs."""


MEASURED = (
    Pair(
        network="DVSNet",
        size=64,
        array=32,
        latency_ratio=15.4,
        energy_ratio=4.16,
        energy_uj=(377.2, 1568.3),
        latency_us=(1304, 20071),
        fitted=True,
    ),
    Pair(
        network="DVSNet",
        size=64,
        array=64,
        latency_ratio=12.8,
        energy_ratio=4.48,
        energy_uj=(227.5, 1018.4),
        latency_us=(1063, 13613),
        fitted=True,
    ),
    Pair(
        network="DVSNet",
        size=64,
        array=128,
        latency_ratio=12.7,
        energy_ratio=3.83,
        energy_uj=(139.3, 534.1),
        latency_us=(696, 8829),
        fitted=True,
    ),
    Pair(
        network="FireFlowNet",
        size=64,
        array=64,
        latency_ratio=23.0,
        energy_ratio=7.07,
        energy_uj=(64.9, 459.0),
        latency_us=(279.5, 6437),
        fitted=False,
    ),
    Pair(
        network="SFN",
        size=64,
        array=64,
        latency_ratio=10.1,
        energy_ratio=3.01,
        energy_uj=(462.7, 1391.3),
        latency_us=(1109, 11231),
        fitted=False,
    ),
)


@cache
def mapped(network: str, size: int, target: str) -> Graph:
    """Map one of the reference's networks onto a shipped target, with the reference's copies."""
    loaded = load_target(target)
    graph, _ = run_passes(REFERENCES[network].graph(size), loaded, make_passes())
    room = loaded.chip.crossbars_per_tile
    return replace(graph, ops=tuple(_copied(op, room) for op in graph.ops))


def least_copies(crossbars: int, room: int) -> int:
    """Return how many copies the reference makes of a layer, however few positions it has.

    As many as its crossbars go into those of a tile, to the nearest power of two: so it is in all
    36 layers of the DVSNet runs (3 arrays), which is where this rule was read.

    >>> [least_copies(crossbars, 16) for crossbars in (36, 10, 8, 3, 2, 1)]
    [1, 2, 2, 4, 8, 16]
    """
    power: int = 2 ** max(round(log2(room / crossbars)), 0)
    return power


def tiles_of(graph: Graph, room: int) -> int:
    """Count the tiles of a chip as the DVSNet runs fill them (533, 185 and 51 by array).

    A copy that does not fit into half of a tile has whole tiles; smaller ones share a tile, a
    power of two of them.
    """
    tiles = 0
    for op in graph.ops:
        if isinstance(op, CrossbarMvm):
            shared = 1 << max((room // op.crossbars).bit_length() - 1, 0)
            tiles += -(-op.placement.copies // shared) * max(-(-op.crossbars // room), 1)
    return tiles


def _copied(op: Op, room: int) -> Op:
    if not isinstance(op, CrossbarMvm):
        return op
    copies = max(op.placement.copies, least_copies(op.crossbars, room))
    return replace(op, placement=replace(op.placement, copies=copies))


def cost_on(network: str, size: int, target: str, preset: Preset) -> Cost:
    """Estimate one inference with the activity that the preset asks for, else 10 %."""
    steps = REFERENCES[network].steps
    return estimate(mapped(network, size, target), load_target(target), 0.1, steps, preset)


def chip_runs(folder: Path) -> Iterator[dict[str, str]]:
    """Read the totals of the six DVSNet runs."""
    with (folder / "reference_runs_chips.csv").open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


def layer_runs(folder: Path) -> Iterator[dict[str, str]]:
    """Read the layers of the six DVSNet runs."""
    with (folder / "reference_runs_layers.csv").open(encoding="utf-8") as file:
        yield from csv.DictReader(file)
