"""Find the state: the fewest tensors through which one time step depends on those before it.

Every slot has a *level*, the latest time step of the input that it depends on. Between the steps
``t - 1`` and ``t`` the state is a minimum cut of the tensors of levels below ``t``. What lies
behind the cut is computed again in step ``t``: scaling for nothing, sums, resets and layers at
growing prices.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import networkx as nx

from mapper.frontend.time.tensors import Slot, Step, Tape

Levels = Mapping[Slot, int]

# What a cut costs: the sum of these over the tensors of a step. The cheapest cut is the state.

_TENSOR = 1_000_000
"""Of a tensor that is handed on: a state has as few as it can. The result of a layer costs twice
as much, for it is what neurons add up, and hardly ever what they keep."""

_LAYER_AGAIN = 300_000
"""Of a layer behind the cut, which the next step computes again: one tensor less in the state is
worth three of them, and no more."""

_RESET_AGAIN = 10_000
"""Of a comparison, reset or bound behind the cut: the state is to be a membrane after its reset,
as neurons are known by. Thirty of them are worth a layer."""

_SUM_AGAIN = 100
"""Of a sum behind the cut: the membrane is to be added up before it is handed on."""

_LATE = 10
"""Of every tensor before the cut. Less than any sum, it only pushes scaling, such as by a leak,
into the next step, where it costs nothing to do again."""

_NEVER = 10**12
"""Of the way from a tensor to what reads it, which no cut takes."""


def levels_of(tape: Tape) -> dict[Slot, int]:
    """Return the latest input step that each slot depends on; -1 where it is none."""
    levels = dict.fromkeys((*tape.starts, *tape.given), -1)
    levels |= {slot: t for slot, (_, t) in tape.times.items()}
    levels |= tape.beyond
    for step in tape.steps:
        waits = [tape.waits[slot] for slot in step.outputs if slot in tape.waits]
        level = max((*waits, *(levels[slot] for slot in step.slots)), default=-1)
        levels.update(dict.fromkeys(step.outputs, level))
    return levels


def live_steps(tape: Tape, roots: Sequence[Slot]) -> list[Step]:
    """Return the nodes that roots depend on, in order."""
    needed, found = set(roots), []
    for step in reversed(tape.steps):
        if needed.intersection(step.outputs):
            found.append(step)
            needed.update(step.slots)
    return found[::-1]


class Past:
    """The nodes before one boundary between time steps.

    Args:
        steps: All nodes.
        levels: Of their results.
        boundary: The first step behind it.
        depth: Steps before it that may be computed again; what they read of earlier ones is given.
    """

    def __init__(
        self, steps: Sequence[Step], levels: Levels, boundary: int, depth: int = 2
    ) -> None:
        self.levels, self.boundary = levels, boundary
        self.steps = [s for s in steps if boundary - depth <= levels[s.outputs[0]] < boundary]
        self.after = [s for s in steps if levels[s.outputs[0]] >= boundary]
        self.spiking = self._spiking()
        self.rounded = self._rounded()

    def _spiking(self) -> set[Slot]:
        """Return comparisons and what elementwise nodes make of nothing else."""
        found: set[Slot] = set()
        for step in self.steps:
            again = step.operator.time.again
            only = bool(step.slots) and found.issuperset(step.slots)
            if again == "compare" or (only and again != "layer"):
                found.update(step.outputs)
        return found

    def _rounded(self) -> set[Slot]:
        """Return what rounds one tensor in several nodes that nothing else reads, with all of them.

        That is a leak: ``sign(v) * floor(abs(v))``, ``v - floor(v / 4)``. A level that is rounded
        and taken off its membrane is read elsewhere, too.
        """
        readers = Counter(s for step in (*self.steps, *self.after) for s in set(step.slots))
        origins: dict[Slot, Slot] = {}
        through: dict[Slot, set[Slot]] = {}
        rounding: set[Slot] = set()
        found: set[Slot] = set()
        for step in self.steps:
            own = [slot for slot in step.slots if slot in origins and readers[slot] == 1]
            of = {origins[slot] if slot in own else slot for slot in step.slots}
            if len(of) != 1 or step.operator.kind != "elementwise":
                continue
            (result,) = step.outputs[:1]
            origins[result] = of.pop()
            through[result] = {result}.union(*(through[slot] for slot in own))
            if step.operator.time.rounds or not rounding.isdisjoint(own):
                rounding.add(result)
                if len(set(step.slots)) > 1:
                    found |= through[result]
        return found

    def cut(self, pinned: frozenset[Slot] = frozenset()) -> list[Slot] | None:
        """Return the state in the order it is computed; None where there is no past.

        Args:
            pinned: Spikes that are handed on in any case.
        """
        net = nx.DiGraph()
        net.add_node("source")
        net.add_node("sink")
        inner = {slot for step in self.steps for slot in step.outputs}
        for step in self.steps:
            for slot in step.outputs:
                self._add_tensor(net, slot, step, pinned)
        for step in self.steps:
            for slot in step.slots:
                source = (slot, "out") if slot in inner else "source"
                for result in step.outputs:
                    net.add_edge(source, (result, "in"), capacity=_NEVER)
        for slot in {s for step in self.after for s in step.slots}:
            if slot in inner:
                net.add_edge((slot, "out"), "sink", capacity=_NEVER)
            elif 0 <= self.levels[slot] < self.boundary:
                return None
        price, (before, _) = nx.minimum_cut(net, "source", "sink")
        if price >= _NEVER:
            return None
        crossing = {s for s in inner if (s, "in") in before and (s, "out") not in before}
        return sorted(crossing | (pinned & inner), key=lambda slot: slot.order) or None

    def _add_tensor(self, net: nx.DiGraph, slot: Slot, step: Step, pinned: frozenset[Slot]) -> None:
        place, of = (slot, "in"), step.operator.time
        price = 0 if slot in pinned else 2 * _TENSOR if of.again == "layer" else _TENSOR
        net.add_edge(place, (slot, "out"), capacity=price)
        net.add_edge(place, "sink", capacity=_LATE)
        again = self._again(slot, step)
        if again and slot not in pinned:
            net.add_edge("source", place, capacity=again)

    def _again(self, slot: Slot, step: Step) -> int:
        """Return the price of computing a tensor again."""
        of = step.operator.time
        if of.again == "layer":
            return _LAYER_AGAIN
        if slot in self.rounded:
            return 0
        resets = slot in self.spiking or not self.spiking.isdisjoint(step.slots)
        if resets or of.again == "bound":
            return _RESET_AGAIN
        combines = len(set(step.slots)) > 1 or of.linear == "adds"
        return _SUM_AGAIN if combines else 0

    def pinned(self, state: Sequence[Slot]) -> frozenset[Slot]:
        """Return spikes that a layer behind the cut reads: fed back through weights."""
        behind = self._behind(set(state))
        fed = self._joined()
        for step in behind:
            if step.operator.time.again == "layer":
                fed.update(step.slots)
        for step in reversed(behind):
            if fed.intersection(step.outputs) and not self.spiking.intersection(step.outputs):
                fed.update(step.slots)
        made = {slot for step in behind for slot in step.outputs}
        return frozenset(fed & self.spiking & made)

    def handed_on(self, tape: Tape) -> frozenset[Slot]:
        """Return what waits for a step behind the cut: a delay keeps it as it is."""
        return frozenset(
            slot
            for step in self.after
            if not tape.waits.keys().isdisjoint(step.outputs)
            for slot in step.slots
            if self.levels[slot] == self.boundary - 1
        )

    def _joined(self) -> set[Slot]:
        """Return spikes that a layer of the next step reads, moved beside its input or as they are.

        A layer of both (the input and the spikes of the step before, side by side) is of the
        next step, where one of the spikes alone lies behind the cut. So is what taps of delays
        weigh and add up.
        """
        moved: dict[Slot, set[Slot]] = {slot: {slot} for slot in self.spiking}
        fed: set[Slot] = set()
        for step in self.after:
            origins = set[Slot]().union(*(moved.get(slot, set()) for slot in step.slots))
            if step.operator.time.again == "layer":
                fed |= origins
            elif self._moves(step) or moved.keys() >= set(step.slots):
                moved.update(dict.fromkeys(step.outputs, origins))
        return fed

    def _moves(self, step: Step) -> bool:
        of = step.operator.time
        return of.through == "concat" or of.linear == "moves"

    def _behind(self, state: set[Slot]) -> list[Step]:
        needed = {slot for step in self.after for slot in step.slots} - state
        found = []
        for step in reversed(self.steps):
            if needed.intersection(step.outputs):
                found.append(step)
                needed.update(set(step.slots) - state)
        return found[::-1]
