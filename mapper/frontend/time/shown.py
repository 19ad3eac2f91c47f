"""Give an image that every time step reads a time axis, so that its model is like any other.

Nothing in such an input says where one step ends. What is computed from the image alone is on
the tape once, and the steps read it in turn: by equal nodes, each of which depends on the one
before. Whatever step a reader is put in, the model computes the same, for the image does not
change; a wrong guess only makes steps that are not alike, which is refused.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mapper.frontend.time.cut import live_steps
from mapper.frontend.time.flatten import Laid
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Listed,
    NotShownError,
    Part,
    Slot,
    Step,
    Tape,
    Tensor,
)

Readers = Mapping[Slot, Sequence[Step]]


def shown(laid: Laid) -> Laid:
    """Return a model, laid out without a time axis, with its image read anew in every step.

    Raises:
        NotShownError: No tensor that is computed once is used by one step after the other.
    """
    steps = live_steps(laid.tape, list(_slots(laid.outputs.values())))
    found = _Shared(laid.tape, steps)
    tensors = _Copies(laid.tape, found, steps)
    tape = laid.tape
    outputs = {name: tensors.of(tensor) for name, tensor in laid.outputs.items()}
    tape.carried[:] = [moved for column in tape.carried if (moved := tensors.column(column))]
    tape.steps[:] = live_steps(tape, list(_slots(outputs.values())))
    names = frozenset(name for name, _ in tape.times.values())
    return replace(
        laid, clock=replace(laid.clock, length=found.length, shown=names), outputs=outputs
    )


def _slots(tensors: Iterable[Tensor]) -> Iterable[Slot]:
    for tensor in tensors:
        if isinstance(tensor, Slot):
            yield tensor
        elif isinstance(tensor, Bundle):
            yield from _slots(tensor.parts)
        elif isinstance(tensor, Listed):
            yield from _slots(tensor.items)


class _Shared:
    """What is computed once and read by all steps, and which step each reader is in."""

    def __init__(self, tape: Tape, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.chains = self._longest_chains(_readers_of(steps), tape)
        self.still = self._behind([slot for slot, _ in self.chains])
        """What depends on the image alone: tensors that the chains use, and their inputs."""
        chained = {step for _, chain in self.chains for step in chain}
        first = any(self._starts_apart(step, chained) for step in steps)
        longest = max(len(chain) for _, chain in self.chains)
        self.length = longest + first
        self.when: dict[Step, int] = {}
        for _, chain in self.chains:
            self.when |= {step: self.length - len(chain) + k for k, step in enumerate(chain)}
        self._place_others()

    def _place_others(self) -> None:
        """Put what else reads the image into the step of what it reads beside: shortcuts do."""
        at: dict[Slot, int] = {}
        for step in self.steps:
            latest = max((at.get(slot, 0) for slot in step.slots), default=0)
            latest = max(self.when.get(step, 0), latest)
            self.when[step] = latest
            at.update(dict.fromkeys(step.outputs, latest))

    def _longest_chains(self, readers: Readers, tape: Tape) -> list[tuple[Slot, list[Step]]]:
        """Return tensors with the most equal readers that depend on each other one by one."""
        groups: dict[int, list[tuple[Slot, list[Step]]]] = {}
        for slot, steps in readers.items():
            for group in _alike(slot, steps, tape):
                groups.setdefault(len(group), []).append((slot, group))
        for length in sorted(groups, reverse=True):
            near = [*groups[length], *groups.get(length - 1, [])] if length > 1 else []
            chains = [(slot, group) for slot, group in near if self._is_chain(group)]
            if any(len(chain) == length for _, chain in chains):
                return self._still_chains(chains)
        raise NotShownError("no input has a time axis, and no nodes use it step after step")

    def _is_chain(self, group: Sequence[Step]) -> bool:
        """Say whether each node depends on the one before it."""
        members, depth = set(group), dict[Slot, int]()
        reached = set[int]()
        for step in self.steps:
            deep = max((depth.get(slot, 0) for slot in step.slots), default=0)
            if step in members:
                deep += 1
                reached.add(deep)
            if deep:
                depth.update(dict.fromkeys(step.outputs, deep))
        return len(reached) == len(group)

    def _still_chains(
        self, chains: Sequence[tuple[Slot, list[Step]]]
    ) -> list[tuple[Slot, list[Step]]]:
        """Leave out tensors that some step computed."""
        readers = {step for _, chain in chains for step in chain}
        moving: set[Slot] = set()
        for step in self.steps:
            if step in readers or not moving.isdisjoint(step.slots):
                moving.update(step.outputs)
        return [(slot, chain) for slot, chain in chains if slot not in moving]

    def _behind(self, roots: Iterable[Slot]) -> set[Slot]:
        found = set(roots)
        for step in reversed(self.steps):
            if not found.isdisjoint(step.outputs):
                found.update(step.slots)
        return found

    def _starts_apart(self, step: Step, chained: set[Step]) -> bool:
        """Say whether a node reads the image's part in a way of its own: a folded first step."""
        if step in chained or not self.still.isdisjoint(step.outputs):
            return False
        return not self.still.isdisjoint(step.slots)


def _readers_of(steps: Sequence[Step]) -> Readers:
    readers: dict[Slot, list[Step]] = {}
    for step in steps:
        for slot in dict.fromkeys(step.slots):
            readers.setdefault(slot, []).append(step)
    return readers


def _alike(slot: Slot, readers: Sequence[Step], tape: Tape) -> Iterator[list[Step]]:
    """Yield groups of readers of a tensor that do the same with it.

    Where they read it beside what different nodes computed (a membrane that it drives and a
    shortcut around it are both sums), each of these is a group, too.
    """

    def places(step: Step) -> object:
        return tuple(part if isinstance(part, Known) else part is slot for part in step.inputs)

    def beside(step: Step) -> object:
        makers = (tape.maker.get(part) for part in step.slots if part is not slot)
        return tuple(None if maker is None else maker.mark for maker in makers)

    for group in _grouped(readers, lambda step: (step.mark, places(step))):
        yield group
        yield from (part for part in _grouped(group, beside) if len(part) < len(group))


def _grouped(steps: Sequence[Step], key: Callable[[Step], object]) -> Iterator[list[Step]]:
    """Yield those of two or more that have the same key."""
    groups: dict[object, list[Step]] = {}
    for step in steps:
        groups.setdefault(key(step), []).append(step)
    return (group for group in groups.values() if len(group) > 1)


class _Copies:
    """The nodes of a model once more, with what the image gives computed in every step."""

    def __init__(self, tape: Tape, found: _Shared, steps: Sequence[Step]) -> None:
        self.tape, self.found = tape, found
        self.moved: dict[Slot, Part] = {}
        self.of_step: list[dict[Slot, Part]] = [{} for _ in range(found.length)]
        for slot in [slot for slot in tape.given if slot in found.still]:
            name = tape.given.pop(slot)
            for t, parts in enumerate(self.of_step):
                parts[slot] = tape.slot(slot.shape, slot.kind, f"{name}@{t}")
            tape.times |= {
                part: (name, t)
                for t, parts in enumerate(self.of_step)
                if isinstance(part := parts[slot], Slot)
            }
        for step in steps:
            self._copy(step)

    def _copy(self, step: Step) -> None:
        if self.found.still.isdisjoint(step.outputs):
            self._emit(step, self.found.when[step], self.moved)
            return
        for t, parts in enumerate(self.of_step):
            self._emit(step, t, parts)

    def _emit(self, step: Step, t: int, into: dict[Slot, Part]) -> None:
        inputs = [self._at(part, t) if isinstance(part, Slot) else part for part in step.inputs]
        into.update(zip(step.outputs, self.tape.emit(step.proto, inputs), strict=True))

    def _at(self, slot: Slot, t: int) -> Part:
        return self.of_step[t].get(slot) or self.moved.get(slot, slot)

    def of(self, tensor: Tensor) -> Tensor:
        """Return what stands for a tensor; the image's own as the last step reads it."""
        if isinstance(tensor, Slot):
            return self._at(tensor, -1)
        if isinstance(tensor, Bundle):
            last = self.found.length - 1
            parts = (
                self._at(p, min(t, last)) if isinstance(p, Slot) else p
                for t, p in enumerate(tensor.parts)
            )
            return Bundle(tensor.axis, tuple(parts))
        return tensor

    def column(self, column: Sequence[Tensor]) -> list[Tensor]:
        """Return what a loop hands on; nothing where some of it is needed by no output."""
        lost = [t for t in column[1:] if isinstance(t, Slot) and t not in self.moved]
        return [] if lost else [self.of(tensor) for tensor in column]
