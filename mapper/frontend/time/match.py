"""Compare two time steps node by node."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mapper.frontend.time.tensors import Known, Part, Slot, Step, Tape


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Match:
    """What stands in another step for the tensors of this one."""

    other: Mapping[Slot, Part]
    differs: tuple[Part, Part] | None
    """The first two tensors that are not computed alike."""


def match(
    tape: Tape,
    roots: Iterable[tuple[Part, Part]],
    leaves: frozenset[Slot],
    shift: int,
    given: Mapping[Slot, Part] = MappingProxyType({}),
) -> Match:
    """Walk back from pairs of tensors that should be the same, one step apart.

    Args:
        tape: The model, laid out.
        roots: Pairs: of the step that is the pattern, and of the other.
        leaves: The state that the pattern reads; whatever stands there in the other is taken.
        shift: How many time steps the other is later.
        given: Tensors whose counterparts are known.
    """
    other: dict[Slot, Part] = {}
    waiting = list(roots)[::-1]
    while waiting:
        mine, theirs = waiting.pop()
        if isinstance(mine, Slot) and (mine in other or mine in given):
            if (other if mine in other else given)[mine] is not theirs:
                return Match(other=other, differs=(mine, theirs))
            continue
        if isinstance(mine, Slot):
            other[mine] = theirs
        if isinstance(mine, Slot) and mine in leaves:
            if mine.shape != theirs.shape:
                return Match(other=other, differs=(mine, theirs))
            continue
        below = _operands(tape, mine, theirs, shift)
        if below is None:
            return Match(other=other, differs=(mine, theirs))
        waiting.extend(reversed(below))
    return Match(other=other, differs=None)


def _operands(tape: Tape, mine: Part, theirs: Part, shift: int) -> list[tuple[Part, Part]] | None:
    """Return what two tensors are computed from, pair by pair, or None where they differ."""
    if isinstance(mine, Known) or isinstance(theirs, Known):
        return [] if mine is theirs else None
    if mine in tape.times:
        name, t = tape.times[mine]
        return [] if tape.times.get(theirs) == (name, t + shift) else None
    a, b = tape.maker.get(mine), tape.maker.get(theirs)
    if a is None or b is None:
        return [] if mine is theirs else None
    same = a.mark == b.mark and a.outputs.index(mine) == b.outputs.index(theirs)
    if not same or len(a.inputs) != len(b.inputs):
        return None
    pairs = list(zip(a.inputs, b.inputs, strict=True))
    if any((x is None) != (y is None) for x, y in pairs):
        return None
    return [(x, y) for x, y in pairs if x is not None and y is not None]


class Translation:
    """Computes tensors of one step again from the state and input of another."""

    def __init__(self, tape: Tape, state: Mapping[Slot, Part], time: int, shift: int) -> None:
        self.tape = tape
        self.time = time
        self.found: dict[Slot, Part | None] = dict(state)
        at = {where: slot for slot, where in tape.times.items()}
        for slot, (name, t) in tape.times.items():
            if slot not in self.found:
                self.found[slot] = at.get((name, t + shift)) if t == time else None

    def of(self, root: Part) -> Part | None:
        """Return the tensor of the other step, or None where it needs more than the state."""
        if isinstance(root, Known):
            return root
        waiting = [root]
        while waiting:
            slot = waiting[-1]
            if slot in self.found:
                waiting.pop()
                continue
            step = self.tape.maker.get(slot)
            if step is None:
                self.found[slot] = None
                continue
            missing = [s for s in step.slots if s not in self.found]
            if missing:
                waiting.extend(missing)
            else:
                self._translate(step)
        return self.found[root]

    def _translate(self, step: Step) -> None:
        inputs = [self.found[i] if isinstance(i, Slot) else i for i in step.inputs]
        lost = any(n is None and i is not None for n, i in zip(inputs, step.inputs, strict=True))
        results: Sequence[Part | None] = [None] * len(step.outputs)
        if not lost:
            results = self.tape.emit(step.proto, inputs)
        self.found.update(zip(step.outputs, results, strict=True))
