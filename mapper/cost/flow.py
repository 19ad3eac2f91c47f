"""Which layer each op belongs to, where a layer's input comes from, and how far away that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import numpy as np

from mapper.ir.core import Graph, Span
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.units import LayerOp
from targets import Chip

OUTSIDE = -1
"""Where network inputs come from: the corner of the first chip."""

Feeds = dict[str, frozenset[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The layers of a graph and what connects them."""

    starts: tuple[LayerOp, ...]
    """The first op of each layer."""
    homes: tuple[int, ...]
    """The layer of every op of the graph, in their order."""
    sources: tuple[frozenset[int], ...]
    """The layers, or ``OUTSIDE``, that the input of each layer comes from."""
    stages: tuple[int, ...]
    """Pipeline stage of each layer: one after the latest of its sources in the same step."""


def follow(graph: Graph) -> Flow:
    """Assign ops to layers: to the latest layer that feeds them within the time step.

    What is done to a network input before any layer belongs to the first layer.
    """
    starts = tuple(op for op in graph.ops if isinstance(op, LayerOp))
    within, homes = _feeds(graph, {})
    across, _ = _feeds(graph, {state.read.name: within[state.next] for state in graph.states})
    stages: list[int] = []
    for op in starts:
        before = [stages[source] for source in within[op.x.name] if source != OUTSIDE]
        stages.append(1 + max(before, default=-1))
    return Flow(
        starts=starts,
        homes=tuple(max(home, 0) for home in homes),
        sources=tuple(across[op.x.name] for op in starts),
        stages=tuple(stages),
    )


def _feeds(graph: Graph, carried: Mapping[str, frozenset[int]]) -> tuple[Feeds, list[int]]:
    """Return the layers that each value comes from, and the layer of each op."""
    feeds: Feeds = {value.name: frozenset({OUTSIDE}) for value in graph.inputs}
    for state in graph.states:
        feeds[state.read.name] = carried.get(state.read.name, frozenset())
    homes: list[int] = []
    layers = 0
    for op in graph.ops:
        known = frozenset[int]().union(*(feeds[value.name] for value in op.operands))
        home = max(known, default=OUTSIDE)
        if isinstance(op, LayerOp):
            home, layers = layers, layers + 1
        homes.append(home)
        # What is passed on, or merged by a gate, still comes from where it came from.
        passed = known if op.passes_on or op.merges_spikes else frozenset({home})
        feeds.update({value.name: passed for value in op.results})
    return feeds, homes


def slots_of(op: LayerOp) -> Span:
    """Return the crossbar slots of all copies of a layer; none on the digital unit."""
    return op.placement.slots if isinstance(op, CrossbarMvm) else Span(0, 0)


def input_distance(flow: Flow, layer: int, chip: Chip) -> int:
    """Return the hops from the farthest source to the middle of a layer."""
    here = _middle(flow.starts[layer], chip)
    return max((_from(source, flow, here, chip) for source in flow.sources[layer]), default=0)


def _from(source: int, flow: Flow, here: tuple[int, int], chip: Chip) -> int:
    if source == OUTSIDE:
        return 1 + here[0] + here[1]
    there = _middle(flow.starts[source], chip)
    return abs(here[0] - there[0]) + abs(here[1] - there[1])


def _middle(op: LayerOp, chip: Chip) -> tuple[int, int]:
    slots = slots_of(op)
    x, y = tile_positions(np.asarray((slots.start + slots.stop) // 2), chip)
    return int(x), int(y)


def tile_positions(slots: np.ndarray, chip: Chip) -> tuple[np.ndarray, np.ndarray]:
    """Return column and row of the tile of each slot; tiles form a square, chips a row of squares.

    Slots count through the crossbars of a tile, the tiles of a chip row by row, then the chips.
    """
    side = isqrt(chip.tiles - 1) + 1
    square, tile = np.divmod(slots // chip.crossbars_per_tile, chip.tiles)
    return square * side + tile % side, tile // side


def partial_sum_hops(op: CrossbarMvm, chip: Chip) -> int:
    """Return the hops of all partial sums of one output position and bit plane.

    The row blocks of an output are added one after the other, from tile to tile. Within a copy,
    column blocks come first and row blocks second, as ``place`` puts them.
    """
    slots = slots_of(op)
    if not len(slots):
        return 0
    grid = slots.start + np.arange(op.crossbars).reshape(len(op.columns), op.crossbars_down)
    x, y = tile_positions(grid, chip)
    hops = np.abs(np.diff(x, axis=1)) + np.abs(np.diff(y, axis=1))
    outputs = np.asarray([len(span) for span in op.columns])
    return int((hops.sum(axis=1) * outputs).sum())
