"""Roll time steps that are written out back into one step network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mapper.diagnostics import forget_frames
from mapper.frontend.time.cut import Past, levels_of, live_steps
from mapper.frontend.time.flatten import Laid
from mapper.frontend.time.forward import stepped_back
from mapper.frontend.time.joined import stacked_states, started_from, unjoined
from mapper.frontend.time.match import Translation, match
from mapper.frontend.time.readouts import ALONE, Wanted, cut_short, uses, wanted
from mapper.frontend.time.tensors import Known, Part, Slot, Step, Tape, TimeFormError

_MIXED = "it mixes time steps: some are computed from several others at once"
LAST_OF_THREE = (
    "three time steps, the first of them folded and the last alone returned, do not tell how a "
    "step goes on"
)
FOUR_STEPS = "export four time steps or more, or return every step"
_MIXED_HELP = (
    "use neurons that keep a state from step to step; what looks at several steps at once "
    "(parallel neurons, convolutions or attention over time) has no place here"
)
_LATE = (
    "a layer fires on what it held a step before, so that the last step reads no input; steps that "
    "are written out do not tell that"
)
_LATE_HELP = "export one time step with its state as inputs and outputs"


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Memory:
    """A state of the step network."""

    read: Slot
    written: Part
    start: Part | None
    """What it is before the first step; None where that must be worked out."""
    first: Part | None
    """What it is after the first step, in the model as laid out."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Rolled:
    """One step of a model, on its tape."""

    tape: Tape
    time: int
    """The step that serves as the pattern."""
    memories: tuple[Memory, ...]
    outputs: tuple[tuple[Wanted, Part], ...]
    """What each output of the model reads of a step."""
    firsts: tuple[Part | None, ...]
    """The same in the first step, where it is at hand."""

    @property
    def is_started(self) -> bool:
        return all(memory.start is not None for memory in self.memories)


def rolled(laid: Laid) -> Iterator[Rolled]:
    """Yield step networks that explain the model, the most natural one first.

    Raises:
        TimeFormError: No step network does.
    """
    tape, length = laid.tape, laid.clock.length
    levels = levels_of(tape)
    if length < 2:
        raise TimeFormError("the model holds one time step")
    outputs = stacked_states(tape, laid.outputs, length, levels)
    levels = levels_of(tape)
    wants = wanted(tape, outputs, length, levels)
    try:
        yield from _rolled(tape, wants, length)
    except TimeFormError:
        if min(uses(want, length, levels) for want in wants) == length:
            raise
        yield from _rolled(tape, *cut_short(wants, length, levels))


def _rolled(tape: Tape, wants: Sequence[Wanted], length: int) -> Iterator[Rolled]:
    first: TimeFormError | None = None
    found = False
    for before, after in _boundaries(tape, wants, length):
        try:
            yield _Roller(tape, wants, length, before, after).rolled()
            found = True
        except TimeFormError as error:
            first = first or error
            forget_frames(error)
    if not found and length == 3 and all(want.reduction in ALONE for want in wants):
        raise TimeFormError(LAST_OF_THREE, help=FOUR_STEPS)
    if not found:
        raise first or TimeFormError("no tensor carries a state from step to step")


def _boundaries(
    tape: Tape, wants: Sequence[Wanted], length: int
) -> Iterator[tuple[list[Slot], list[Slot]]]:
    """Yield what the last step but one and the last step find as their state."""
    columns = [c for c in tape.carried if len(c) == length + 1]
    before = [part for c in columns for part in unjoined(tape, c[length - 2])]
    after = [part for c in columns for part in unjoined(tape, c[length - 1])]
    slots = [b for b in before if isinstance(b, Slot)]
    if columns and len(slots) == len(before):
        yield slots, [a for a in after if isinstance(a, Slot)]
    if length < 3:
        if not slots:
            raise TimeFormError(
                "two time steps, the first of them folded, do not tell how a step goes on",
                help="export three time steps or more",
            )
        return
    roots = [part for want in wants for part in want.parts if isinstance(part, Slot)]
    steps = live_steps(tape, roots)
    if tape.deepest:
        yield from _before_delays(tape, steps, wants, length)
    if length == 3:
        yield from _compared(tape, steps, wants, length)
    yield from _cuts(tape, steps, wants, length - 2)
    if length == 4:
        yield from _compared(tape, steps, wants, length)
    if length > 4:
        # An exporter leaves out what the last step computes in vain: look one step earlier.
        for early, late in _cuts(tape, steps, wants, length - 3):
            onward = Translation(tape, dict(zip(early, late, strict=False)), length - 3, 1)
            last = [onward.of(slot) for slot in late]
            yield late, [slot for slot in last if isinstance(slot, Slot)]


def _before_delays(
    tape: Tape, steps: Sequence[Step], wants: Sequence[Wanted], length: int
) -> Iterator[tuple[list[Slot], list[Slot]]]:
    """Yield states where all that waits still arrives, brought to the last steps.

    Of what is sent in the last steps nothing arrives, so their own states do not have it.
    """
    start = length - 2 - tape.deepest
    if start < 1:
        raise TimeFormError(
            f"a delay of {tape.deepest} steps takes all of its {length} time steps",
            help=f"export {tape.deepest + 4} time steps or more",
        )
    levels = levels_of(tape)
    pasts = [Past(steps, levels, boundary) for boundary in (start, start + 1)]
    cuts = [past.cut(past.handed_on(tape)) for past in pasts]
    if cuts[0] is not None and cuts[1] is not None:
        early, late = cuts[0], cuts[1]
        for time in range(start, length - 2):
            onward = Translation(tape, dict(zip(early, late, strict=False)), time, 1)
            last = [onward.of(slot) for slot in late]
            early, late = late, [slot for slot in last if isinstance(slot, Slot)]
        yield early, late


def _depths(boundary: int) -> tuple[int, ...]:
    """Return how many steps before a boundary a cut looks at.

    Two, for a state may lie two steps back. But nothing comes into the first step, which is
    folded: whatever is behind its first layer can be computed once more from what that layer
    gives, and of a deep network that is less than all its membranes. So where the first step is
    one of two, the other one is also looked at alone.
    """
    return (2, 1) if boundary <= 2 else (2,)


def _compared(
    tape: Tape, steps: Sequence[Step], wants: Sequence[Wanted], length: int
) -> Iterator[tuple[list[Slot], list[Slot]]]:
    """Yield the states before the last of few steps, and what stands for them a step earlier.

    An earlier boundary tells less, for the first step is folded.
    """
    roots = [(want.parts[-1], want.parts[-2]) for want in wants if len(want.parts) > 1]
    levels = levels_of(tape)
    for depth in _depths(length - 1):
        last = Past(steps, levels, length - 1, depth)
        state = last.cut()
        if state is None:
            if depth == 2:
                yield [], []
            return
        pins = last.pinned(state)
        for after in ([last.cut(pins)] if pins else []) + [state]:
            leaves = frozenset(after or ())
            other = match(tape, roots, leaves, -1).other
            if not leaves <= other.keys():
                other = stepped_back(tape, steps, levels, leaves, length - 1)
            before = [other.get(slot) for slot in after or ()]
            slots = [slot for slot in before if isinstance(slot, Slot)]
            if after and len(slots) == len(after):
                yield slots, after


def _cuts(
    tape: Tape, steps: Sequence[Step], wants: Sequence[Wanted], boundary: int
) -> Iterator[tuple[list[Slot], list[Slot]]]:
    """Yield the states at a boundary and the next; with spikes fed back through weights first."""
    levels = levels_of(tape)
    for depth in _depths(boundary):
        first, second = (Past(steps, levels, at, depth) for at in (boundary, boundary + 1))
        before, after = first.cut(), second.cut()
        if before is None or after is None:
            if depth == 2 and _crosses(steps, levels):
                raise _mixed(tape, wants)
            if depth == 2:
                yield [], []
            return
        pins = first.pinned(before), second.pinned(after)
        if all(pins):
            pinned = first.cut(pins[0]), second.cut(pins[1])
            if pinned[0] is not None and pinned[1] is not None:
                yield pinned[0], pinned[1]
        yield before, after


def _crosses(steps: Sequence[Step], levels: Mapping[Slot, int]) -> bool:
    return any(0 <= levels[slot] < levels[step.outputs[0]] for step in steps for slot in step.slots)


class _Roller:
    def __init__(
        self,
        tape: Tape,
        wants: Sequence[Wanted],
        length: int,
        before: list[Slot],
        after: list[Slot],
    ) -> None:
        if [s.shape for s in before] != [s.shape for s in after]:
            raise TimeFormError("its time steps hand on different tensors")
        self.tape, self.length = tape, length
        self.before, self.after = before, after
        self.time = length - 2
        self.back = Translation(tape, dict(zip(after, before, strict=True)), length - 1, -1)
        self.wants = list(wants)

    def rolled(self) -> Rolled:
        outputs = [self._of_a_step(want) for want in self.wants]
        used = self._used(outputs)
        states = [self.before[k] for k in used]
        written: list[Part] = [self.after[k] for k in used]
        starts, firsts_of_states, firsts = self._traced_back(states, written, outputs)
        memories = tuple(
            Memory(read=read, written=w, start=start, first=first)
            for read, w, start, first in zip(states, written, starts, firsts_of_states, strict=True)
        )
        return Rolled(
            tape=self.tape,
            time=self.time,
            memories=memories,
            outputs=tuple(zip(self.wants, outputs, strict=True)),
            firsts=tuple(firsts),
        )

    def _of_a_step(self, want: Wanted) -> Part:
        """Return what an output reads of the pattern step, and hold the last step against it."""
        last = self.back.of(want.parts[-1])
        if last is None:
            raise _mixed(self.tape, [want])
        if want.reduction not in ALONE and last is not want.parts[self.time]:
            pair = (want.parts[self.time], want.parts[-1])
            found = match(self.tape, [pair], frozenset(self.before), 1)
            raise _differing(self.tape, *(found.differs or pair))
        for step in want.after:
            (last,) = self.tape.emit(
                step.proto, [last if isinstance(i, Slot) else i for i in step.inputs]
            )
        return last

    def _used(self, outputs: Sequence[Part]) -> list[int]:
        """Return the states that the outputs depend on, step after step."""
        index = {slot: k for k, slot in enumerate(self.before)}
        used: set[int] = set()
        roots: list[Part] = list(outputs)
        while True:
            reached = self._reached(roots)
            fresh = {index[slot] for slot in reached} - used
            if not fresh:
                return sorted(used)
            used |= fresh
            roots += [self.after[k] for k in fresh]

    def _reached(self, roots: Sequence[Part]) -> set[Slot]:
        """Return the states that a step's results read; refuse what is of another step."""
        leaves, waiting, seen = set(self.before), list(roots), set[Part]()
        reached: set[Slot] = set()
        while waiting:
            part = waiting.pop()
            if part in seen or isinstance(part, Known):
                continue
            seen.add(part)
            if part in leaves:
                reached.add(part)
                continue
            if part in self.tape.times and self.tape.times[part][1] != self.time:
                raise TimeFormError(_MIXED, help=_MIXED_HELP)
            if part in self.tape.starts:
                raise TimeFormError(_MIXED, help=_MIXED_HELP)
            if part in self.tape.given:
                raise TimeFormError(
                    f"input {self.tape.given[part]!r} has no time axis and is used in every step",
                    help="repeat it along a time axis before the export",
                )
            if step := self.tape.maker.get(part):
                waiting.extend(step.slots)
        return reached

    def _traced_back(
        self, states: Sequence[Slot], written: Sequence[Part], outputs: Sequence[Part]
    ) -> tuple[list[Part | None], list[Part | None], list[Part | None]]:
        """Follow the states back to the first step; every step on the way must be the same."""
        later: list[Part | None] = list(states)
        after_first: list[Part | None] = list(written)
        for t in range(self.time - 1, -1, -1):
            roots = self._roots(t, states, written, outputs, later)
            found = match(self.tape, roots, frozenset(states), t - self.time)
            if found.differs is not None and t > 0:
                raise _differing(self.tape, *found.differs)
            if found.differs is not None:
                return [None] * len(states), later, self._at(t, outputs)
            later, after_first = [found.other.get(state) for state in states], later
        if self.time == 0:
            later = list(states)
        later = [started_from(self.tape, start) for start in later]
        return later, after_first, self._at(0, outputs)

    def _roots(
        self,
        t: int,
        states: Sequence[Slot],
        written: Sequence[Part],
        outputs: Sequence[Part],
        later: Sequence[Part | None],
    ) -> list[tuple[Part, Part]]:
        pairs = [(w, b) for w, b in zip(written, later, strict=True) if b is not None]
        theirs = self._at(t, outputs)
        return pairs + [(o, p) for o, p in zip(outputs, theirs, strict=True) if p is not None]

    def _at(self, t: int, outputs: Sequence[Part]) -> list[Part | None]:
        """Return what the model's outputs read of step ``t``, where they read every step."""
        return [
            want.parts[t] if len(want.parts) > 1 and not want.after else None for want in self.wants
        ]


def _differing(tape: Tape, mine: Part, theirs: Part) -> TimeFormError:
    """Name what differs between two time steps."""
    place = _place(tape, mine) or _place(tape, theirs)
    if isinstance(mine, Known) and isinstance(theirs, Known):
        return TimeFormError(
            "its parameters differ from time step to time step, such as batch norm through time "
            f"({_named(mine)} and {_named(theirs)})",
            place,
            "train with one set of parameters for all time steps",
        )
    return TimeFormError("its time steps compute different things", place)


def _named(part: Known) -> str:
    return repr(part.name) if part.name else f"constants of shape {part.shape}"


def _place(tape: Tape, part: Part) -> str:
    step = tape.maker.get(part) if isinstance(part, Slot) else None
    return "" if step is None else tape.place(step.proto)


def _mixed(tape: Tape, wants: Sequence[Wanted]) -> TimeFormError:
    """Say why outputs need more than one step: what follows a sum over time, if something does."""
    for want in wants:
        last = _behind_a_reduction(tape, want.parts[-1]) if want.reduction in ALONE else None
        if last is not None:
            return TimeFormError(
                f"output {want.name!r}: it mixes time steps: {last.proto.op_type} is computed "
                "from all of them at once, where sums, means and maxima can be read",
                tape.place(last.proto),
                help="end the exported network before that, and compute it outside",
            )
    levels = levels_of(tape)
    ends = [(want.parts[-1], len(want.parts) - 1) for want in wants]
    if all(isinstance(part, Slot) and 0 <= levels[part] < end for part, end in ends):
        return TimeFormError(_LATE, help=_LATE_HELP)
    return TimeFormError(_MIXED, help=_MIXED_HELP)


def _behind_a_reduction(tape: Tape, part: Part) -> Step | None:
    """Return the first node that is not linear behind a sum, mean or maximum of many tensors."""
    found = None
    while isinstance(part, Slot) and (step := tape.maker.get(part)) is not None:
        if len(step.slots) != 1:
            return found if step.operator.time.reduces else None
        found = found if step.operator.time.linear else step
        part = step.slots[0]
    return None
