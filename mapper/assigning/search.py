"""The search: from the finest readout everywhere to the cheapest that keeps the accuracy.

1. Every macro for all layers, and each layer on each macro alone while all others are on the
   finest.
2. Descent: of the changes of one layer that save, the one that saves most for what it loses, as it
   is measured from where the search is; after each step all is looked at anew.
3. Repairs: one layer back to a better readout so that another may have a cheaper one.

An assignment is good where its accuracy is at most ``keep`` below the best. The best is the finest
readout everywhere, unless one is more accurate beyond chance: the most accurate of many is so by
luck, too. What few recordings say of a loss is taken with caution (``_cautious``), as the search
looks for those that seem harmless. What is not tried yet is judged by the changes of single layers,
as if their losses added up.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mapper.assigning.tried import Picks, Tried

_AT_ONCE = 4
"""Changes that are measured before the best of them is taken."""
_MOST_TRIES = 24
"""Changes that are measured from one place, before the search ends there."""
_HARDLY = 0.005
"""Of what the finest readout costs: for so little more, fewer samples are lost."""
_LOSING, _WINNING = 3, 1
"""Samples that are taken to be lost and won before any are seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of weights, and the macros that take its inputs."""

    name: str
    macros: Picks
    """What keeps most of a sum first; two at least."""


Ask = Callable[[str, Sequence[Picks]], Sequence[Tried]]
"""Measures assignments, under the name of what they are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search ended with."""

    finest: Picks
    """Every layer on what keeps most of its sums."""
    coarsest: Picks
    """Every layer on what keeps least."""
    chosen: Picks
    best: Picks
    """What ``keep`` is counted from."""
    tried: dict[Picks, Tried]


@dataclass(slots=True)
class Search:
    """One search, and all that it has measured."""

    layers: Sequence[Layer]
    ask: Ask
    by: str
    keep: float
    """Share of samples, 0..1."""
    tried: dict[Picks, Tried] = field(default_factory=dict)
    _known: tuple[int, Picks] = (0, ())
    """The best of so many that are tried."""
    _losses: dict[tuple[Picks, Picks], float] = field(default_factory=dict)
    """Samples lost, by the best and what is compared with it."""

    def run(self) -> Found:
        """Search to the end."""
        finest, coarsest = self._finest, tuple(layer.macros[-1] for layer in self.layers)
        self._measure("one readout for all layers", [finest, coarsest, *self._uniform()])
        current = finest
        if self._done(finest):
            self._measure("one layer at a time", [one for _, _, one in self._singles(finest)])
            current = self._least_lossy(self._searched(finest))
        return Found(
            finest=finest,
            coarsest=coarsest,
            chosen=current,
            best=self._best() if self._done(finest) else finest,
            tried=self.tried,
        )

    def _least_lossy(self, cheapest: Picks) -> Picks:
        """Return which of the good assignments that cost hardly more loses least."""
        more = _HARDLY * self._goal(self._finest)
        dearest = self._guess(cheapest)[0] + more
        beside = [one for _, _, one in self._singles(cheapest) if self._guess(one)[0] <= dearest]
        self._measure("what costs hardly more", beside[:_MOST_TRIES])
        most = self._goal(cheapest) + more
        near = [one for one in self.tried if self._is_good(one) and self._goal(one) <= most]
        return min(near, key=lambda one: (self._lost(one), self._goal(one), one))

    @property
    def _finest(self) -> Picks:
        return tuple(layer.macros[0] for layer in self.layers)

    def _searched(self, finest: Picks) -> Picks:
        self._descended(finest)
        current = self._cheapest(finest)
        while True:
            self._descended(self._repaired(self._descended(current)))
            after = self._cheapest(current)
            if not self._saves(after, current):
                return after
            current = after

    # --- what is tried --------------------------------------------------------------------

    def _uniform(self) -> Iterator[Picks]:
        """Yield every macro for all layers that may have it, the others on their finest."""
        names = dict.fromkeys(name for layer in self.layers for name in layer.macros)
        for name in names:
            yield tuple(
                name if name in layer.macros else kept
                for layer, kept in zip(self.layers, self._finest, strict=True)
            )

    def _singles(self, of: Picks) -> Iterator[tuple[int, str, Picks]]:
        """Yield every change of one layer: its place, its macro, the assignment."""
        for place, layer in enumerate(self.layers):
            for name in layer.macros:
                if name != of[place]:
                    yield place, name, changed(of, place, name)

    def _descended(self, current: Picks) -> Picks:
        """Take the change that saves most for what it loses, as long as there is one."""
        while True:
            moves = [one for _, _, one in self._singles(current)]
            after = self._stepped(current, moves)
            if after == current:
                return current
            current = after if self._is_good(after) else self._cheapest(after)

    def _repaired(self, current: Picks) -> Picks:
        """Give one layer a better readout and another a cheaper one, where that saves."""
        swaps = [
            changed(up, place, name)
            for first, _, up in self._singles(current)
            if self._guess(up)[0] > self._goal(current)
            for place, name, _ in self._singles(current)
            if place != first
        ]
        return self._stepped(current, swaps)

    def _stepped(self, current: Picks, moves: Iterable[Picks]) -> Picks:
        """Return the best of some assignments that are good and save, else the current one."""
        guessed = {one: self._worth(current, one) for one in moves}
        promising = [one for one, worth in guessed.items() if worth > 0]
        promising.sort(key=lambda one: (not self._seems_good(one), -guessed[one], one))
        for start in range(0, min(len(promising), _MOST_TRIES), _AT_ONCE):
            few = promising[start : start + _AT_ONCE]
            self._measure("steps", few)
            good = [one for one in few if self._is_good(one) and self._saves(one, current)]
            if good:
                return max(good, key=lambda one: (self._ratio(current, one), one))
        return current

    def _measure(self, what: str, picks: Iterable[Picks]) -> None:
        missing = [one for one in dict.fromkeys(picks) if one not in self.tried]
        if missing:
            self.tried.update(zip(missing, self.ask(what, missing), strict=True))

    # --- what is known --------------------------------------------------------------------

    def _done(self, picks: Picks) -> bool:
        return picks in self.tried and not self.tried[picks].refused

    def _goal(self, picks: Picks) -> float:
        return self.tried[picks].goal(self.by).nominal

    def _saves(self, picks: Picks, current: Picks) -> bool:
        return self._done(picks) and self._goal(picks) < self._goal(current)

    def _is_good(self, picks: Picks) -> bool:
        return self._done(picks) and self._keeps(self._lost(picks))

    def _keeps(self, lost: float) -> bool:
        """Say whether so many samples may be lost."""
        return lost <= self.keep * len(self.tried[self._finest].right) + 1e-9

    def _lost(self, picks: Picks) -> float:
        """Return the samples that are lost to the best, with caution."""
        best = self._best()
        key = (best, picks)
        if key not in self._losses:
            self._losses[key] = _cautious(self.tried[picks].right, self.tried[best].right)
        return self._losses[key]

    def _best(self) -> Picks:
        """Return the finest readout, or the most accurate of those that beat it beyond chance."""
        if self._known[0] != len(self.tried):
            finest = self.tried[self._finest]
            surer = (one for one in self.tried.values() if not one.refused and _beats(one, finest))
            best = max(surer, key=lambda one: (sum(one.right), one.picks), default=finest)
            self._known = len(self.tried), best.picks
        return self._known[1]

    def _cheapest(self, current: Picks) -> Picks:
        """Return the cheapest good assignment that is known; of equals what loses least."""
        good = [one for one in self.tried if self._is_good(one)]
        return min(good, key=lambda one: (self._goal(one), self._lost(one), one != current, one))

    def _ratio(self, current: Picks, picks: Picks) -> float:
        """Return what a measured change saves for what it loses."""
        lost = self._lost(picks) - self._lost(current)
        return (self._goal(current) - self._goal(picks)) / max(lost, 0.5)

    # --- what is guessed ------------------------------------------------------------------

    def _guess(self, picks: Picks) -> tuple[float, float]:
        """Return goal and samples lost as if the changes of single layers added up."""
        finest = self._finest
        goal, lost = self._goal(finest), self._lost(finest)
        for place, name in enumerate(picks):
            alone = changed(finest, place, name)
            if name != finest[place] and self._done(alone):
                goal += self._goal(alone) - self._goal(finest)
                lost += self._lost(alone) - self._lost(finest)
        return goal, lost

    def _seems_good(self, picks: Picks) -> bool:
        if self._done(picks):
            return self._is_good(picks)
        return self._keeps(self._guess(picks)[1])

    def _worth(self, current: Picks, picks: Picks) -> float:
        """Guess what a change saves for what it loses; 0 or less where it saves nothing."""
        if picks in self.tried:
            return self._ratio(current, picks) if self._saves(picks, current) else 0.0
        if any(
            name != kept and not self._done(changed(self._finest, place, name))
            for place, (name, kept) in enumerate(zip(picks, self._finest, strict=True))
        ):
            return 0.0  # the target refuses one of its readouts
        goal, lost = self._guess(picks)
        now, now_lost = self._guess(current)
        return (now - goal) / max(lost - now_lost, 0.5)


def _cautious(right: Sequence[bool], best: Sequence[bool]) -> float:
    """Return how many samples are lost to the best, never fewer than are seen.

    Of samples whose answer turns from right to wrong or back, coarser readouts lose more than they
    win, and the search finds those that happened to win. So ``_LOSING`` lost and ``_WINNING`` won
    ones are added to find their shares: with many samples this is what is seen.

    >>> _cautious([True] * 10, [True] * 10)
    0
    >>> round(_cautious([True, False] * 3, [False, True] * 3), 3)
    1.2
    """
    lost = sum(held and not own for own, held in zip(right, best, strict=True))
    won = sum(own and not held for own, held in zip(right, best, strict=True))
    share = (lost + _LOSING) / (lost + won + _LOSING + _WINNING)
    return max(lost - won, (lost + won) * (2 * share - 1))


def _beats(one: Tried, other: Tried) -> bool:
    """Say whether one is more accurate, and not by chance: the 95 % interval is above 0."""
    if sum(one.right) <= sum(other.right):
        return False
    ends = one.lost_to(other).interval
    return ends is not None and ends[0] > 0


def changed(picks: Picks, place: int, name: str) -> Picks:
    """Return picks with another macro for one layer."""
    return (*picks[:place], name, *picks[place + 1 :])
