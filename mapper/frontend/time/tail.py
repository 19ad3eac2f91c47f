"""Cut off what outputs are of the whole sequence, where it is no sum, mean or extreme alone.

Mixing time steps after the last neuron is harmless: it is a function of what every step returns.
Nodes are taken off, the latest first, until what is left to be read is the same tensors of every
time step. The network then returns those, each step, and the nodes become the epilogue.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mapper.epilogue.file import EpilogueError, is_same
from mapper.epilogue.model import Epilogue
from mapper.epilogue.operators import is_decoded, node_problem
from mapper.frontend.time.cut import Levels, levels_of
from mapper.frontend.time.ends import slots_of
from mapper.frontend.time.flatten import Laid
from mapper.frontend.time.readouts import terms_of
from mapper.frontend.time.stacks import COUNTED, Counted, epilogue_of_all
from mapper.frontend.time.step import of_any_step
from mapper.frontend.time.tensors import Bundle, Known, Slot, Step, Tape, Tensor

_MOST_CUTS = 6
"""Ways to cut that are tried, the last nodes first."""
_MOST_FAMILIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceTail:
    """The nodes that only outputs depend on, and what they read of every time step."""

    tape: Tape
    outputs: Mapping[str, Tensor]
    """Of the model."""
    families: Mapping[str, tuple[Slot, ...]]
    """Tensors that they read, one a time step, by the name that the network returns them under."""
    longer: "SequenceTail | None" = None
    """The same of more time steps, where the model leaves open how many there are."""

    def epilogue(self, returned: Sequence[str]) -> Epilogue:
        """Return the epilogue of a network that returns these tensors, in this order.

        Raises:
            EpilogueError: A host does not run it, or not of any number of steps where that is open.
        """
        if self.longer is None:
            return self._counted(returned, None)
        for counted in COUNTED:
            found = self._counted(returned, counted)
            if self._is_alike(found, self.longer, returned, counted):
                return found
        raise EpilogueError(
            "how many time steps there are is open, and what they compute is not the same for "
            "every number of them"
        )

    def _counted(self, returned: Sequence[str], counted: Counted | None) -> Epilogue:
        families = {name: self.families[name] for name in returned}
        return epilogue_of_all(self.tape, self.outputs, families, counted)

    @staticmethod
    def _is_alike(
        found: Epilogue, other: "SequenceTail", returned: Sequence[str], counted: Counted
    ) -> bool:
        if found.steps or not other.families.keys() >= set(returned):
            return False
        return is_same(found.model, other._counted(returned, counted).model)


def has_tail(laid: Laid) -> bool:
    """Say whether ``tails`` yields anything."""
    return next(tails(laid), None) is not None


def tails(laid: Laid) -> Iterator[tuple[Laid, SequenceTail]]:
    """Yield models without the ends of their outputs, and these, the least first.

    Where time steps are alike under another shape alone (of a first step that an exporter folded),
    they are returned so.
    """
    tape, outputs = laid.tape, laid.outputs
    levels, length = levels_of(tape), laid.clock.length
    front, alike = slots_of(outputs.values()), _Alike(tape, levels, length)
    peeled: Sequence[Slot] | None = ()
    taken: set[Slot] = set()
    found, moved = 0, None
    while peeled is not None and found < _MOST_CUTS:
        families = _families(front, levels, length)
        if families is None and front is not None:
            families = _families(alike.of_all_steps(front, taken), levels, length)
        if families and any(not tape.maker.keys() >= set(family) for family in families):
            break  # an input itself: nothing of the network is left
        moves = families is not None and all(_only_moves(tape, family) for family in families)
        made = all(slot in tape.maker for family in families or () for slot in family)
        if peeled and families is not None and made:
            cut = _cut_at(laid, _named(families, outputs, tape))
            if cut is not None and not moves:
                found += 1
                yield cut
            moved = cut or moved
        peeled = _latest(front, families)
        taken.update(peeled or ())
        read = [slot for slot in peeled or () if slot in (front or ())]
        front = _without(tape, front, read, length, levels) if read else None
        if front is None:
            break
    if not found and moved is not None:
        yield moved


def _cut_at(laid: Laid, named: Mapping[str, tuple[Slot, ...]]) -> tuple[Laid, SequenceTail] | None:
    """Return a model that returns these tensors of every step, and its end; None of no step's."""
    if any(1 not in parts[0].shape for parts in named.values()):
        return None
    bundles = {n: Bundle(p[0].shape.index(1), p) for n, p in named.items()}
    tail = SequenceTail(tape=laid.tape, outputs=laid.outputs, families=named)
    return replace(laid, outputs=bundles), tail


def _families(
    front: set[Slot] | None, levels: Levels, length: int
) -> list[tuple[Slot, ...]] | None:
    """Return tensors of every time step, as many of each; None where others are among them."""
    if front is None or len(front) % length or len(front) > length * _MOST_FAMILIES:
        return None
    steps: list[list[Slot]] = [[] for _ in range(length)]
    for slot in sorted(front, key=lambda slot: slot.order):
        if not 0 <= levels[slot] < length:
            return None
        steps[levels[slot]].append(slot)
    if any(len(step) != len(steps[0]) for step in steps):
        return None
    families = list(zip(*steps, strict=True))
    alike = all(len({slot.shape for slot in family}) == 1 for family in families)
    return families if alike else None


class _Alike:
    """What is made in the same way in every time step, and how many of each.

    Slots are told by what makes them, and by their place among all that is made so in a step.
    Whether the steps are alike is found out later. What only waits is not counted: of what the
    last steps send nothing may wait.
    """

    def __init__(self, tape: Tape, levels: Levels, length: int) -> None:
        self.tape, self.levels = tape, levels
        self.made: dict[object, list[list[Slot]]] = {}
        for step in tape.steps:
            (slot, *more) = step.outputs
            if not more and slot not in tape.waits and 0 <= levels[slot] < length:
                key = (step.mark, slot.shape)
                made = self.made.setdefault(key, [[] for _ in range(length)])
                made[levels[slot]].append(slot)

    def of_all_steps(self, front: set[Slot], taken: set[Slot]) -> set[Slot] | None:
        """Return tensors of some steps, as ``y[-3:]`` reads, with those of all other steps.

        What is ``taken`` off the network already is none of them. None where steps have not as
        many.
        """
        found: set[Slot] = set()
        for slot in front:
            step = self.tape.maker.get(slot)
            made = self.made.get((step.mark, slot.shape), []) if step is not None else []
            left = [[one for one in ones if one not in taken] for ones in made]
            if not left or slot not in left[self.levels[slot]] or len(set(map(len, left))) > 1:
                return None
            place = left[self.levels[slot]].index(slot)
            found.update(ones[place] for ones in left)
        return found


def _only_moves(tape: Tape, family: Sequence[Slot]) -> bool:
    """Say whether a family is another one under another shape."""
    makers = [tape.maker.get(slot) for slot in family]
    return all(m is not None and m.operator.kind == "reshape" for m in makers)


def _latest(
    front: set[Slot] | None, families: Sequence[tuple[Slot, ...]] | None
) -> Sequence[Slot] | None:
    """Return what is taken off next: the latest tensor, of every step where it is of every step."""
    if not front:
        return None
    if families is None:
        return [max(front, key=lambda slot: slot.order)]
    return max(families, key=lambda family: family[-1].order)


def _without(
    tape: Tape, front: set[Slot] | None, peeled: Sequence[Slot], length: int, levels: Levels
) -> set[Slot] | None:
    """Return what is read once nodes are the host's; None where one is not."""
    assert front is not None
    left = front.difference(peeled)
    for slot in peeled:
        step = tape.maker.get(slot)
        if step is None or not _is_host(step):
            return None
        terms = terms_of(tape, slot, length, levels) if step.proto.op_type == "Add" else None
        reads = step.slots if terms is None else [t for t in terms if isinstance(t, Slot)]
        left.update(reads)
    return left


def _is_host(step: Step) -> bool:
    known = [part.array for part in step.inputs if isinstance(part, Known)]
    return not node_problem(step.proto) and (not step.operator.has_weights or is_decoded(known))


def _named(
    families: Sequence[tuple[Slot, ...]], outputs: Mapping[str, Tensor], tape: Tape
) -> dict[str, tuple[Slot, ...]]:
    """Call families by outputs that they are, or as the file calls one of them."""
    own = {tensor.parts: name for name, tensor in outputs.items() if isinstance(tensor, Bundle)}
    named: dict[str, tuple[Slot, ...]] = {}
    for family in families:
        name = own.get(family) or _hint(tape, family)
        while name in named or (name in outputs and family not in own):
            name += "_"
        named[name] = family
    return named


def _hint(tape: Tape, family: tuple[Slot, ...]) -> str:
    step = tape.maker.get(family[-1])
    if step is None:  # parts of an input, which no node makes
        return tape.times.get(family[-1], (family[-1].name, 0))[0]
    scopes = {one.proto.name for one in tape.steps}
    hints = dict(zip(step.outputs, step.proto.output, strict=False))
    return of_any_step(hints.get(family[-1], ""), scopes) or family[-1].name
