"""Write the nodes between tensors of every time step and outputs, as an epilogue.

What is computed in the same way of every step is one node of all of them stacked, time first. An
epilogue in which nothing else tells how many steps there are takes any number of them.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import onnx.defs
from onnx import NodeProto, helper

from mapper.epilogue.file import TIME, EpilogueError, written
from mapper.epilogue.model import Answer, Epilogue
from mapper.frontend.onnx.operators import OPERATORS
from mapper.frontend.time.cut import levels_of
from mapper.frontend.time.ends import between, needed, slots_of
from mapper.frontend.time.parts import number
from mapper.frontend.time.readouts import terms_of
from mapper.frontend.time.step import Writer
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Part,
    Shape,
    Slot,
    Step,
    Tape,
    Tensor,
)

Parts = tuple[Part | None, ...]
Counted = Literal["first", "last"]
"""The step that others are counted from."""
COUNTED: tuple[Counted, ...] = ("last", "first")
_ALONG_TIME = {row.time.side_by_side: row.name for row in OPERATORS if row.time.side_by_side}
"""What reduces an axis, by what does the same to tensors side by side."""
_FAR = 2**31 - 1
"""A step behind the last of any recording."""
_AXIS_ALONE = 13
"""The opset from which a softmax is of one axis; before, of all behind it."""


def epilogue_of_all(
    tape: Tape,
    outputs: Mapping[str, Tensor],
    families: Mapping[str, tuple[Slot, ...]],
    counted: Counted | None = None,
) -> Epilogue:
    """Return the epilogue of a network that returns a tensor of every step for each family.

    Args:
        tape: The model, laid out in time.
        outputs: What the model returns.
        families: What the network returns, one tensor a time step, by name in its order.
        counted: From where steps that are picked in a row are counted, in an epilogue of any
            number of steps. Without it, one that picks steps takes as many as there are.

    Raises:
        EpilogueError: A host does not run it.
    """
    return _Tail(tape, outputs, families, counted).epilogue()


class _Tail:
    def __init__(
        self,
        tape: Tape,
        outputs: Mapping[str, Tensor],
        families: Mapping[str, tuple[Slot, ...]],
        counted: Counted | None,
    ) -> None:
        self.tape, self.outputs, self.families = tape, outputs, families
        self.counted = counted
        self.levels = levels_of(tape)
        self.length = len(next(iter(families.values())))
        self.writer = Writer(tape, [*outputs, *families])
        self.stacks = {n: self.writer.fresh(f"{n}.real") for n in families}
        """Inputs: each family along a first axis of time."""
        self.nodes: list[NodeProto] = []
        """What is computed of whole stacks, before all others, whatever their length."""
        self.stacked: dict[Parts, str] = {
            parts: self.stacks[name] for name, parts in families.items()
        }
        """Stacks by what they hold: families, and what is made of each of their parts alike."""
        self.means: set[Slot] = set()
        """What divides a sum by how many steps there are."""
        self.places: dict[Part, tuple[str, int]] = {}
        """By part: its stack, and which time step of it."""

    def epilogue(self) -> Epilogue:
        roots = sorted(slots_of(self.outputs.values()) or (), key=lambda slot: slot.order)
        cut = {slot for parts in self.families.values() for slot in parts}
        steps = between(self.tape, roots, cut)
        given = cut.union(*(step.outputs for step in steps))
        if not given.issuperset(roots) or not all(given.issuperset(s.slots) for s in steps):
            raise EpilogueError("they read more than the network before them gives")
        lone = self._stack(steps)
        for step in lone:
            self._along_time(step)
        for name, tensor in self.outputs.items():
            self._give_stack(name, tensor)
        own = list(self.nodes)
        single = self._single_steps()
        self.writer.compute(roots)
        for name, tensor in self.outputs.items():
            self._give(name, tensor)
        nodes = needed([*self.nodes, *single, *self.writer.nodes], self.outputs)
        return self._written(nodes, self._is_of_any_length(nodes, own, steps))

    def _written(self, nodes: Sequence[NodeProto], is_open: bool) -> Epilogue:
        used = {name for node in nodes for name in node.input}
        time = TIME if is_open else self.length
        content = written(
            nodes,
            [(self.stacks[n], (time, *p[0].shape)) for n, p in self.families.items()],
            list(self.outputs),
            [(name, array) for name, array in self.writer.stored.items() if name in used],
            self.tape.opset,
        )
        return Epilogue(
            content=content,
            whole=True,
            reads=tuple(self.families),
            answers=tuple(_answer(name, tensor) for name, tensor in self.outputs.items()),
        )

    # --- of every step alike --------------------------------------------------------------

    def _stack(self, steps: Sequence[Step]) -> list[Step]:
        """Compute what is made of every step alike as one node; return the other nodes."""
        for parts, name in self.stacked.items():
            self.places.update({part: (name, t) for t, part in enumerate(parts) if part})
        left = list(steps)
        while True:
            groups: dict[object, dict[int, Step]] = {}
            for step in left:
                if (key := self._alike(step)) is not None:
                    groups.setdefault(key[0], {})[key[1]] = step
            whole = [group for group in groups.values() if self._is_of_stack(group)]
            if not whole:
                return left
            for group in whole:
                self._lift([group.get(t) for t in range(self.length)])
            done = {id(step) for group in whole for step in group.values()}
            left = [step for step in left if id(step) not in done]

    def _is_of_stack(self, group: Mapping[int, Step]) -> bool:
        """Say whether nodes of some time steps are computed of all: there is one for each.

        Of several steps in a row, where they are counted from an end.
        """
        some = 1 < len(group) == max(group) - min(group) + 1
        return len(group) == self.length or (self.counted is not None and some)

    def _alike(self, step: Step) -> tuple[object, int] | None:
        """Return what a node of one time step shares with those of the others, and its step."""
        places = [self.places.get(slot) for slot in step.slots]
        times = {place[1] for place in places if place is not None}
        if (
            None in places
            or len(times) != 1
            or len(step.outputs) != 1
            or not _is_lifted(step, self.tape.opset)
        ):
            return None
        (time,) = times
        read = tuple(self.places[i][0] if isinstance(i, Slot) else i for i in step.inputs)
        return (step.mark, read, step.outputs[0].shape), time

    def _lift(self, steps: Sequence[Step | None]) -> None:
        """Compute nodes of all time steps as one of stacks; of some steps there may be none."""
        first = next(step for step in steps if step is not None)
        result = self.writer.fresh(f"{self.places[first.slots[0]][0]}.{first.proto.op_type}")
        if first.operator.kind == "reshape":
            source = self.places[first.slots[0]][0]
            self._reshape(source, first.outputs[0].shape, result)
        else:
            node = NodeProto()
            node.CopyFrom(first.proto)
            node.name = ""
            del node.input[:], node.output[:]
            node.input.extend(self._read(part) for part in first.inputs)
            node.output.append(result)
            if first.operator.time.through == "along axis":
                _move_axis(node, self.tape.opset)
            self.nodes.append(node)
        parts = tuple(None if step is None else step.outputs[0] for step in steps)
        self.stacked[parts] = result
        self.places.update({part: (result, t) for t, part in enumerate(parts) if part})

    def _read(self, part: Part | None) -> str:
        if part is None:
            return ""
        return self._stored(part.array) if isinstance(part, Known) else self.places[part][0]

    # --- of all steps ---------------------------------------------------------------------

    def _along_time(self, step: Step) -> None:
        """Compute a node that reads a stack whole, and nothing else."""
        op, result = step.proto.op_type, step.outputs[0]
        if op == "Add":
            terms = terms_of(self.tape, result, self.length, self.levels)
            if (stack := self.stacked.get(terms or ())) is not None:
                self._sum(result, stack)
        elif (stack := self._stack_of(step.inputs)) is None:
            return
        elif _ALONG_TIME.get(op) == "ReduceSum":
            self._sum(result, stack)
        elif op in _ALONG_TIME:
            self.writer.names[result] = self._reduced(_ALONG_TIME[op], stack)
        elif op == "Concat":
            shape = step.slots[0].shape
            axis = number(step.proto, "axis", 0) % len(shape)
            if shape[axis] == 1:
                self.writer.names[result] = self.writer.fresh(f"{stack}.moved")
                self._move(stack, shape, axis, self.writer.names[result])

    def _stack_of(self, parts: Parts) -> str | None:
        """Return the stack of these parts, or what is cut out of one for steps in a row."""
        if parts in self.stacked:
            return self.stacked[parts]
        for held, stack in self.stacked.items():
            first = held.index(parts[0]) if parts[0] in held else self.length
            if self.counted is not None and held[first : first + len(parts)] == parts:
                return self._cut(stack, first, first + len(parts))
        return None

    def _cut(self, stack: str, first: int, end: int) -> str:
        result = self.writer.fresh(f"{stack}.{first}")
        back = self.length if self.counted == "last" else 0
        ends = (first - back, _FAR if end == self.length else end - back)
        places = [self._stored(np.asarray([n], np.int64)) for n in (*ends, 0)]
        self.nodes.append(helper.make_node("Slice", [stack, *places], [result]))
        return result

    def _sum(self, result: Slot, stack: str) -> None:
        """Add up a stack; what divides the sum by how many steps there are gives their mean."""
        self.writer.names[result] = self._reduced("ReduceSum", stack)
        waiting = [result]
        while waiting:
            slot = waiting.pop()
            for reader in self.tape.steps:
                if slot not in reader.inputs:
                    continue
                (given,) = reader.outputs[:1]
                if reader.operator.kind == "reshape":
                    waiting.append(given)
                elif self._divides_by_steps(reader):
                    mean = self._reduced("ReduceMean", stack)
                    self.writer.names[given] = self._shaped(mean, result.shape, given.shape)
                    self.means.add(given)

    def _shaped(self, name: str, shape: Shape, target: Shape) -> str:
        if shape == target:
            return name
        result = self.writer.fresh(f"{name}.shaped")
        stored = self._stored(np.asarray(target, np.int64))
        self.nodes.append(helper.make_node("Reshape", [name, stored], [result]))
        return result

    def _divides_by_steps(self, step: Step) -> bool:
        number = next((p.array for p in step.inputs if isinstance(p, Known)), np.zeros(0))
        if number.size != 1 or number.ndim > len(step.outputs[0].shape):
            return False
        value = float(number.reshape(-1)[0])
        match step.operator.time.linear:
            case "multiplies":
                return abs(value * self.length - 1) < 1e-6
            case "divides":
                return isinstance(step.inputs[0], Slot) and value == self.length
            case _:
                return False

    def _reduced(self, op: str, stack: str) -> str:
        result = self.writer.fresh(f"{stack}.{op}")
        if len(onnx.defs.get_schema(op, self.tape.opset, "").inputs) > 1:
            axes = self._stored(np.zeros(1, np.int64))
            self.nodes.append(helper.make_node(op, [stack, axes], [result], keepdims=0))
        else:
            self.nodes.append(helper.make_node(op, [stack], [result], axes=[0], keepdims=0))
        return result

    def _reshape(self, stack: str, shape: Shape, result: str) -> None:
        """Give parts of a stack another shape; 0 keeps how many there are."""
        target = self._stored(np.asarray([0, *shape], np.int64))
        self.nodes.append(helper.make_node("Reshape", [stack, target], [result]))

    def _move(self, stack: str, shape: Shape, axis: int, result: str) -> None:
        """Put time in the place of an axis of one element."""
        flat = self.writer.fresh(f"{result}.flat")
        self._reshape(stack, tuple(n for k, n in enumerate(shape) if k != axis), flat)
        order = [*range(1, axis + 1), 0, *range(axis + 1, len(shape))]
        self.nodes.append(helper.make_node("Transpose", [flat], [result], perm=order))

    def _single_steps(self) -> list[NodeProto]:
        """Return nodes that take single steps out of stacks; those that nothing reads fall away."""
        nodes = []
        for parts, stack in self.stacked.items():
            for t, slot in enumerate(parts):
                if slot is None or slot in self.writer.names:
                    continue
                index = self._stored(np.asarray(t, np.int64))
                self.writer.names[slot] = self.writer.fresh(f"{stack}.{t}")
                nodes.append(
                    helper.make_node("Gather", [stack, index], [self.writer.names[slot]], axis=0)
                )
        return nodes

    def _stored(self, array: np.ndarray) -> str:
        name = self.writer.fresh("place")
        self.writer.stored[name] = array
        return name

    # --- outputs --------------------------------------------------------------------------

    def _give_stack(self, name: str, tensor: Tensor) -> None:
        """Give an output of every step that is a stack."""
        if isinstance(tensor, Bundle) and (stack := self.stacked.get(tensor.parts)) is not None:
            self._move(stack, tensor.parts[0].shape, tensor.axis, name)

    def _give(self, name: str, tensor: Tensor) -> None:
        if isinstance(tensor, Slot):
            given = helper.make_node("Identity", [self.writer.names[tensor]], [name])
            self.writer.nodes.append(given)
            return
        assert isinstance(tensor, Bundle)
        if tensor.parts not in self.stacked:
            names = [self.writer.names[part] for part in tensor.parts]
            self.writer.nodes.append(helper.make_node("Concat", names, [name], axis=tensor.axis))

    # --- of any number of steps -----------------------------------------------------------

    def _is_of_any_length(
        self, nodes: Sequence[NodeProto], own: Sequence[NodeProto], steps: Sequence[Step]
    ) -> bool:
        """Say whether nothing in an epilogue tells how many time steps there are.

        Stacks are read by nodes of any length alone; time moved elsewhere is an output; numbers
        behind a sum over time are none that may be made of how many terms it has.
        """
        ours = {id(node) for node in own}
        timed = {*self.stacks.values(), *self.stacked.values()}
        moved = {n.output[0] for n in own if n.op_type == "Transpose"} - {*self.outputs}
        for node in nodes:
            if moved.intersection(node.input):
                return False
            if id(node) not in ours and timed.intersection(node.input):
                return False
        if not any(id(node) in ours and node.op_type == "ReduceSum" for node in nodes):
            return True
        return not any(self._tells_length(step) for step in steps)

    def _tells_length(self, step: Step) -> bool:
        """Say whether a node computes with what may be made of how many steps there are."""
        if step.operator.time.through != "each step" or self.means.issuperset(step.outputs):
            return False
        n, less = float(self.length), max(self.length - 1.0, 1.0)
        made = [n, less, n + 1, n / less, n**0.5, np.log(max(n, 2.0))]
        told = np.asarray([*made, *(1 / one for one in made)])
        known = [part.array for part in step.inputs if isinstance(part, Known)]
        return any(
            bool(np.isclose(np.abs(array.astype(np.float64).reshape(-1, 1)), told).any())
            for array in known
        )


def _is_lifted(step: Step, opset: int) -> bool:
    """Say whether a node does the same to a stack, time first, as to each of its parts."""
    if step.operator.kind == "reshape":
        return isinstance(step.inputs[0], Slot)
    through, rank = step.operator.time.through, len(step.outputs[0].shape)
    if through == "along axis":
        return len(step.inputs) == 1 and opset >= _AXIS_ALONE
    even = all(len(slot.shape) == rank for slot in step.slots)
    known = [part for part in step.inputs if isinstance(part, Known)]
    return through in ("each step", "cast") and even and all(len(p.shape) <= rank for p in known)


def _move_axis(node: NodeProto, opset: int) -> None:
    """Let a node act on the axis that it has in a stack."""
    default = onnx.defs.get_schema(node.op_type, opset, "").attributes["axis"].default_value.i
    axis = number(node, "axis", default)
    kept = [held for held in node.attribute if held.name != "axis"]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.append(helper.make_attribute("axis", axis if axis < 0 else axis + 1))


def _answer(name: str, tensor: Tensor) -> Answer:
    """Say where time and samples are in an output."""
    assert isinstance(tensor, Slot | Bundle)
    time = tensor.axis if isinstance(tensor, Bundle) else None
    batch = 1 if time == 0 else 0
    one = len(tensor.shape) > batch and tensor.shape[batch] == 1
    return Answer(name=name, time_axis=time, batch_axis=batch if one else None)
