"""Which layer each op belongs to, where a layer's input comes from, and how far away that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt, prod

import numpy as np

from mapper.ir.core import Array, Graph, Span
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
    within: tuple[frozenset[int], ...]
    """The sources of each layer in the same time step."""
    rounds: tuple[int, ...]
    """In which each layer runs; one on the digital unit, in that of its latest source."""

    def placed(self, graph: Graph) -> "Flow":
        """Return that of a graph whose crossbars stand elsewhere, and which is the same else."""
        starts = _starts(graph)
        return replace(self, starts=starts, rounds=_rounds(starts, self.within))


def _starts(graph: Graph) -> tuple[LayerOp, ...]:
    return tuple(op for op in graph.ops if isinstance(op, LayerOp))


def follow(graph: Graph) -> Flow:
    """Assign ops to layers: to the latest layer that feeds them within the time step.

    What is done to a network input before any layer belongs to the first layer.
    """
    starts = _starts(graph)
    within, homes = _feeds(graph, {})
    carried = {state.read.name: within[state.next] for state in graph.states}
    across = _feeds(graph, carried)[0] if carried else within
    own = tuple(within[op.x.name] for op in starts)
    stages: list[int] = []
    for sources in own:
        before = [stages[source] for source in sources if source != OUTSIDE]
        stages.append(1 + max(before, default=-1))
    return Flow(
        starts=starts,
        homes=tuple(max(home, 0) for home in homes),
        sources=tuple(across[op.x.name] for op in starts),
        stages=tuple(stages),
        within=own,
        rounds=_rounds(starts, own),
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
    return max((distance_from(s, flow, layer, chip) for s in flow.sources[layer]), default=0)


def distance_from(source: int, flow: Flow, layer: int, chip: Chip) -> int:
    """Return the hops from a layer, or from ``OUTSIDE``, to the middle of another."""
    here = _middle(flow.starts[layer], chip)
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
    if not len(slots) or op.crossbars_down == 1:
        return 0
    grid = slots.start + np.arange(op.crossbars).reshape(len(op.columns), op.crossbars_down)
    x, y = tile_positions(grid, chip)
    hops = np.abs(np.diff(x, axis=1)) + np.abs(np.diff(y, axis=1))
    outputs = np.asarray([len(span) for span in op.columns])
    return int((hops.sum(axis=1) * outputs).sum())


def chip_of_slot(slot: int, chip: Chip) -> int:
    return slot // chip.crossbars


def link_bits(flow: Flow, layer: int, chip: Chip, input_bits: int, sum_bits: int) -> Array:
    """Return ``[links]``: bits a time step over each link between neighbouring chips.

    Chips stand in a row, the outside at its start. All input bits pass every link between the chip
    of a source, that of its middle crossbar, and the chips of the layer: the links from the lowest
    to the highest of them. A partial sum passes each link between the chips of two row blocks that
    follow each other, of the copy that computes its output position.

    Args:
        flow: The layers and what feeds them.
        layer: Which of them.
        chip: How large a chip is.
        input_bits: Of the input, in a time step.
        sum_bits: Width of a partial sum.
    """
    op = flow.starts[layer]
    slots = slots_of(op)
    last = max(slots_of(other).stop for other in flow.starts)
    bits = np.zeros(max(0, chip_of_slot(max(last, 1) - 1, chip)), np.int64)
    if not len(slots) or not len(bits):
        return bits
    ends = [chip_of_slot(slots.start, chip), chip_of_slot(slots.stop - 1, chip)]
    ends += [_chip_of_source(source, flow, chip) for source in flow.sources[layer]]
    bits[min(ends) : max(ends)] += input_bits
    if isinstance(op, CrossbarMvm):
        bits += _sums_over_links(op, chip, len(bits)) * sum_bits
    return bits


def _chip_of_source(source: int, flow: Flow, chip: Chip) -> int:
    slots = Span(0, 0) if source == OUTSIDE else slots_of(flow.starts[source])
    return chip_of_slot((slots.start + slots.stop) // 2, chip)


def _sums_over_links(op: CrossbarMvm, chip: Chip, links: int) -> Array:
    """Return ``[links]``: how many partial sums of a time step pass each link."""
    passed = np.zeros(links, np.int64)
    outputs = np.asarray([len(span) for span in op.columns])
    copies, positions = op.placement.copies, prod(op.positions)
    for copy in range(copies):
        share = positions // copies + (copy < positions % copies)
        first = slots_of(op).start + copy * op.crossbars
        grid = first + np.arange(op.crossbars).reshape(len(op.columns), op.crossbars_down)
        chips = grid // chip.crossbars
        for link in range(int(chips.min()), int(chips.max())):
            crossings = (chips[:, :-1] <= link) & (chips[:, 1:] > link)
            passed[link] += int((crossings.sum(axis=1) * outputs).sum()) * share * op.planes
    return passed


def _rounds(starts: Sequence[LayerOp], within: Sequence[frozenset[int]]) -> tuple[int, ...]:
    rounds: list[int] = []
    for op, sources in zip(starts, within, strict=True):
        if isinstance(op, CrossbarMvm):
            rounds.append(op.placement.round)
        else:
            rounds.append(max((rounds[s] for s in sources if s != OUTSIDE), default=0))
    return tuple(rounds)


def from_later_round(flow: Flow, layer: int) -> bool:
    """Say whether a layer needs what a later round computed in the time step before."""
    return any(flow.rounds[s] > flow.rounds[layer] for s in flow.sources[layer] if s != OUTSIDE)


def waits_for_a_round(flow: Flow, layer: int) -> bool:
    """Say whether all steps of a layer's input are computed before it begins: by a round."""
    if any(from_later_round(flow, other) for other in range(len(flow.starts))):
        return False  # every step passes all rounds
    return any(flow.rounds[s] < flow.rounds[layer] for s in flow.sources[layer] if s != OUTSIDE)
