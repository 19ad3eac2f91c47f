"""Cut off what outputs are of the whole sequence, where it is no sum, mean or extreme alone.

Mixing time steps after the last neuron is harmless: it is a function of what every step returns.
Nodes are taken off, the latest first, until what is left to be read is the same tensors of every
time step. The network then returns those, each step, and the nodes become the epilogue.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx.defs
from onnx import NodeProto, helper, numpy_helper

from mapper.epilogue.file import EpilogueError, written
from mapper.epilogue.model import Answer, Epilogue
from mapper.epilogue.operators import is_decoded, node_problem
from mapper.frontend.onnx.operators import OPERATORS
from mapper.frontend.time.cut import Levels, levels_of, live_steps
from mapper.frontend.time.flatten import Laid
from mapper.frontend.time.readouts import terms_of
from mapper.frontend.time.step import Writer, of_any_step
from mapper.frontend.time.tensors import Bundle, Known, Part, Shape, Slot, Step, Tape, Tensor

_MOST_CUTS = 6
"""Ways to cut that are tried, the last nodes first."""
_MOST_FAMILIES = 8
_ALONG_TIME = {row.time.side_by_side: row.name for row in OPERATORS if row.time.side_by_side}
"""What reduces an axis, by what does the same to tensors side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceTail:
    """The nodes that only outputs depend on, and what they read of every time step."""

    tape: Tape
    outputs: Mapping[str, Tensor]
    """Of the model."""
    families: Mapping[str, tuple[Slot, ...]]
    """Tensors that they read, one a time step, by the name that the network returns them under."""

    def epilogue(self, returned: Sequence[str]) -> Epilogue:
        """Return the epilogue of a network that returns these tensors, in this order.

        Raises:
            EpilogueError: A host does not run it.
        """
        return _Tail(self, returned).epilogue()


def tails(laid: Laid) -> Iterator[tuple[Laid, SequenceTail]]:
    """Yield models without the ends of their outputs, and these, the least first."""
    tape, outputs = laid.tape, laid.outputs
    levels, length = levels_of(tape), laid.clock.length
    front = _slots(outputs.values())
    peeled: Sequence[Slot] | None = ()
    found = 0
    while peeled is not None and found < _MOST_CUTS:
        families = _families(front, levels, length)
        if families and any(not tape.maker.keys() >= set(family) for family in families):
            return  # an input itself: nothing of the network is left
        moves = families is not None and all(_only_moves(tape, family) for family in families)
        made = all(slot in tape.maker for family in families or () for slot in family)
        if peeled and families is not None and made and not moves:
            named = _named(families, outputs, tape)
            if all(1 in parts[0].shape for parts in named.values()):
                found += 1
                bundles = {n: Bundle(p[0].shape.index(1), p) for n, p in named.items()}
                yield (
                    replace(laid, outputs=bundles),
                    SequenceTail(tape=tape, outputs=outputs, families=named),
                )
        peeled = _latest(front, families)
        front = _without(tape, front, peeled, length, levels) if peeled else None
        if front is None:
            return


def _slots(tensors: Iterable[Tensor]) -> set[Slot] | None:
    """Return the slots of tensors; None where one is a list, or known."""
    found: set[Slot] = set()
    for tensor in tensors:
        parts = tensor.parts if isinstance(tensor, Bundle) else (tensor,)
        slots = [part for part in parts if isinstance(part, Slot)]
        if len(slots) < len(parts):
            return None
        found.update(slots)
    return found


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


# --- the epilogue ----------------------------------------------------------------------------


class _Tail:
    """Writes the nodes between tensors of every step, stacked, and outputs."""

    def __init__(self, tail: SequenceTail, returned: Sequence[str]) -> None:
        self.tape, self.outputs = tail.tape, tail.outputs
        self.families = {name: tail.families[name] for name in returned}
        self.writer = Writer(tail.tape, [*tail.outputs, *returned])
        self.stacks = {n: self.writer.fresh(f"{n}.real") for n in self.families}
        """Inputs: each family along a first axis of time."""
        self.nodes: list[NodeProto] = []
        """What is computed of whole stacks, before all others."""
        self.stacked: dict[tuple[Part | None, ...], str] = {
            parts: self.stacks[name] for name, parts in self.families.items()
        }
        """Stacks by what they hold: families, and these under another shape."""

    def epilogue(self) -> Epilogue:
        roots = sorted(_slots(self.outputs.values()) or (), key=lambda slot: slot.order)
        cut = {slot for parts in self.families.values() for slot in parts}
        steps = _between(self.tape, roots, cut)
        given = cut.union(*(step.outputs for step in steps))
        if not given.issuperset(roots) or not all(given.issuperset(s.slots) for s in steps):
            raise EpilogueError("they read more than the network before them gives")
        for parts in self.families.values():
            self._reshape(steps, parts)
        for step in steps:
            self._along_time(step)
        single = self._single_steps()
        self.writer.compute(roots)
        for name, tensor in self.outputs.items():
            self._give(name, tensor)
        nodes = _needed([*self.nodes, *single, *self.writer.nodes], self.outputs)
        stored = [(t.name, numpy_helper.to_array(t)) for t in self.writer.stored]
        used = {name for node in nodes for name in node.input}
        reads = [(self.stacks[n], (len(p), *p[0].shape)) for n, p in self.families.items()]
        content = written(
            nodes,
            reads,
            list(self.outputs),
            [(name, array) for name, array in stored if name in used],
            self.tape.opset,
        )
        return Epilogue(
            content=content,
            whole=True,
            reads=tuple(self.families),
            answers=tuple(_answer(name, tensor) for name, tensor in self.outputs.items()),
        )

    def _along_time(self, step: Step) -> None:
        """Compute a node that reads a stack whole, and nothing else."""
        stack = self.stacked.get(step.inputs)
        if stack is None:
            return
        op, (result,), first = step.proto.op_type, step.outputs, step.slots[0]
        if op in _ALONG_TIME:
            self.writer.names[result] = self._reduced(_ALONG_TIME[op], stack)
        elif op == "Concat":
            axis = next(a.i for a in step.proto.attribute if a.name == "axis") % len(first.shape)
            if first.shape[axis] == 1:
                moved = self.writer.fresh(f"{stack}.moved")
                self._move(stack, first.shape, len(step.inputs), axis, moved)
                self.writer.names[result] = moved

    def _reshape(self, steps: Sequence[Step], parts: tuple[Slot, ...]) -> None:
        """Keep a stack under the other shapes that its parts are given, each in the same way."""
        groups: dict[object, list[Slot]] = {}
        for step in steps:
            if step.operator.kind == "reshape" and step.slots[0] in parts:
                key = (step.mark, step.inputs[1:])
                groups.setdefault(key, []).extend(step.outputs)
        for group in groups.values():
            read = tuple(self.tape.maker[slot].slots[0] for slot in group)
            if read == parts and len({slot.shape for slot in group}) == 1:
                name = self.writer.fresh(f"{self.stacked[parts]}.shaped")
                target = self._stored(np.asarray([len(parts), *group[0].shape], np.int64))
                source = [self.stacked[parts], target]
                self.nodes.append(helper.make_node("Reshape", source, [name]))
                self.stacked[tuple(group)] = name

    def _reduced(self, op: str, stack: str) -> str:
        result = self.writer.fresh(f"{stack}.{op}")
        if len(onnx.defs.get_schema(op, self.tape.opset, "").inputs) > 1:
            axes = self._stored(np.zeros(1, np.int64))
            self.nodes.append(helper.make_node(op, [stack, axes], [result], keepdims=0))
        else:
            self.nodes.append(helper.make_node(op, [stack], [result], axes=[0], keepdims=0))
        return result

    def _move(self, stack: str, shape: Shape, length: int, axis: int, result: str) -> None:
        """Put time in the place of an axis of one element."""
        rest = [n for k, n in enumerate(shape) if k != axis]
        flat = self.writer.fresh(f"{result}.flat")
        target = self._stored(np.asarray([length, *rest], np.int64))
        order = [*range(1, axis + 1), 0, *range(axis + 1, len(shape))]
        self.nodes.append(helper.make_node("Reshape", [stack, target], [flat]))
        self.nodes.append(helper.make_node("Transpose", [flat], [result], perm=order))

    def _single_steps(self) -> list[NodeProto]:
        """Return nodes that take single steps out of stacks; those that nothing reads fall away."""
        nodes = []
        for name, parts in self.families.items():
            for t, slot in enumerate(parts):
                index = self._stored(np.asarray(t, np.int64))
                self.writer.names[slot] = self.writer.fresh(f"{name}.{t}")
                taken = [self.stacks[name], index]
                nodes.append(helper.make_node("Gather", taken, [self.writer.names[slot]], axis=0))
        return nodes

    def _stored(self, array: np.ndarray) -> str:
        name = self.writer.fresh("place")
        self.writer.stored.append(numpy_helper.from_array(array, name))
        return name

    def _give(self, name: str, tensor: Tensor) -> None:
        if isinstance(tensor, Slot):
            given = helper.make_node("Identity", [self.writer.names[tensor]], [name])
            self.writer.nodes.append(given)
            return
        assert isinstance(tensor, Bundle)
        stack = self.stacked.get(tensor.parts)
        if stack is not None:
            self._move(stack, tensor.parts[0].shape, len(tensor.parts), tensor.axis, name)
            return
        names = [self.writer.names[part] for part in tensor.parts]
        self.writer.nodes.append(helper.make_node("Concat", names, [name], axis=tensor.axis))


def _needed(nodes: Sequence[NodeProto], outputs: Iterable[str]) -> list[NodeProto]:
    """Return the nodes that outputs need: a stack under a shape may have no reader."""
    needed, found = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            found.append(node)
            needed.update(node.input)
    return found[::-1]


def _between(tape: Tape, roots: Sequence[Slot], cut: set[Slot]) -> list[Step]:
    """Return the nodes that roots need and a cut does not give."""
    needed = set(roots) - cut
    found = []
    for step in reversed(live_steps(tape, list(roots))):
        if needed.intersection(step.outputs):
            found.append(step)
            needed.update(set(step.slots) - cut)
    return found[::-1]


def _answer(name: str, tensor: Tensor) -> Answer:
    """Say where time and samples are in an output."""
    assert isinstance(tensor, Slot | Bundle)
    time = tensor.axis if isinstance(tensor, Bundle) else None
    batch = 1 if time == 0 else 0
    one = len(tensor.shape) > batch and tensor.shape[batch] == 1
    return Answer(name=name, time_axis=time, batch_axis=batch if one else None)
