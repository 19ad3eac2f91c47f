"""Write one step of a rolled model as an ONNX model with its state as inputs and outputs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from mapper.exchange.canonical.bare import LARGE
from mapper.frontend.time.cut import live_steps
from mapper.frontend.time.flatten import Clock, step_shape
from mapper.frontend.time.readouts import ALONE, Reduction, Wanted
from mapper.frontend.time.reroll import Memory, Rolled
from mapper.frontend.time.tensors import Known, Part, Shape, Slot, Tape
from mapper.ir.core import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """How an output of the whole model follows from what one step returns."""

    source: str
    """The step network's output, or the name under which it returns a state."""
    reduction: Reduction
    """``each`` step, their ``sum``, ``mean``, ``max`` or ``min``, the ``last``, or ``one``."""
    shape: Shape
    """Of the model's output, as exported."""
    axis: int | None
    """Its time axis, where it holds every step."""
    scale: float
    """What the sum or mean is multiplied with."""
    step: int | None = None
    """Which step, from 0, where it is ``one``."""

    def alone(self, length: int) -> int | None:
        """Return the only step of ``length`` that the output is of, or None."""
        return length - 1 if self.reduction == "last" else self.step


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class StepModel:
    """One time step of a model."""

    proto: ModelProto
    """Its large stored tensors have a name, a type and sizes; their numbers are ``arrays``."""
    arrays: Mapping[str, Array]
    """The stored tensors, by name."""
    states: Mapping[str, str]
    """Which output is fed back to which input, by input name."""
    starts: Mapping[str, Array]
    """What a state holds before the first step, by input name; inputs of the model are not."""
    readouts: Mapping[str, Readout]
    """By the model's output."""
    opened: Mapping[str, Shape]
    """Shapes of the step's inputs."""

    def whole(self) -> ModelProto:
        """Return the model with all its numbers."""
        return _with_numbers(self.proto, self.arrays)


class Writer:
    """Writes parts of a tape as ONNX models."""

    def __init__(self, tape: Tape, kept: Sequence[str] = ()) -> None:
        self.tape = tape
        self.scopes = _scopes(step.proto.name for step in tape.steps)
        self.names: dict[Part, str] = {}
        self.taken = set(kept)
        self.nodes: list[NodeProto] = []
        self.inputs: list[ValueInfoProto] = []
        self.outputs: list[ValueInfoProto] = []
        self.stored: dict[str, Array] = {}

    def read(self, slot: Slot, name: str, shape: Shape) -> None:
        """Make a slot an input; a shape of its own is brought to the slot's first."""
        self.taken.add(name)
        self.inputs.append(helper.make_tensor_value_info(name, slot.kind, shape))
        self.names[slot] = name
        if shape != slot.shape:
            self.names[slot] = self._reshaped(name, slot.shape)

    def hold(self, slot: Slot, array: Array) -> None:
        """Make a slot a stored array."""
        self.names[slot] = self._stored(array, slot.name)

    def compute(self, roots: Sequence[Part]) -> None:
        """Write the nodes that roots need and no input gives."""
        slots = [root for root in roots if isinstance(root, Slot)]
        needed = {s for s in slots if s not in self.names}
        chosen = []
        for step in reversed(live_steps(self.tape, slots)):
            if needed.intersection(step.outputs):
                chosen.append(step)
                needed.update(s for s in step.slots if s not in self.names)
        for step in reversed(chosen):
            node = NodeProto()
            node.CopyFrom(step.proto)
            node.name = of_any_step(node.name, self.scopes)
            del node.input[:], node.output[:]
            node.input.extend("" if i is None else self._name(i) for i in step.inputs)
            hints = step.proto.output
            for slot, hint in zip(step.outputs, hints, strict=True):
                if slot not in self.names:
                    self.names[slot] = self.fresh(of_any_step(hint, self.scopes) or slot.name)
                node.output.append(self.names[slot])
            self.nodes.append(node)

    def write(self, part: Part, name: str, shape: Shape) -> None:
        """Return a part as an output."""
        source = self._name(part)
        if shape != part.shape:
            self._reshaped(source, shape, name)
        else:
            self.nodes.append(helper.make_node("Identity", [source], [name], name=f"{name}"))
        kind = part.kind if isinstance(part, Slot) else TensorProto.FLOAT
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def bare(self) -> ModelProto:
        """Return what was written; large stored tensors have a name, a type and sizes alone."""
        stored = [_described(name, array) for name, array in self.stored.items()]
        graph = helper.make_graph(self.nodes, "step", self.inputs, self.outputs, stored)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.tape.opset)], ir_version=10
        )

    def model(self) -> ModelProto:
        """Return what was written, with all its numbers."""
        return _with_numbers(self.bare(), self.stored)

    def fresh(self, hint: str) -> str:
        name, count = hint, 1
        while name in self.taken:
            count += 1
            name = f"{hint}_{count}"
        self.taken.add(name)
        return name

    def _name(self, part: Part) -> str:
        if part not in self.names:
            assert isinstance(part, Known)
            self.names[part] = self._stored(part.array, part.name or "constant")
        return self.names[part]

    def _stored(self, array: Array, hint: str) -> str:
        name = self.fresh(hint)
        self.stored[name] = array
        return name

    def _reshaped(self, source: str, shape: Shape, name: str = "") -> str:
        target = self._stored(np.asarray(shape, np.int64), "shape")
        result = name or self.fresh(f"{source}.step")
        self.nodes.append(helper.make_node("Reshape", [source, target], [result], name=result))
        return result


def _described(name: str, array: Array) -> TensorProto:
    if array.size <= LARGE:
        return numpy_helper.from_array(np.asarray(array, order="C"), name)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return TensorProto(name=name, data_type=kind, dims=array.shape)


def _with_numbers(bare: ModelProto, arrays: Mapping[str, Array]) -> ModelProto:
    """Return a copy of a model in which each stored tensor has its numbers, held once."""
    model = ModelProto()
    model.CopyFrom(bare)
    for tensor in model.graph.initializer:
        array = np.asarray(arrays[tensor.name], order="C")
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return model


def _scopes(names: Iterable[str]) -> set[str]:
    """Return the modules that nodes are in: ``/net`` and ``/net/lif1`` for ``/net/lif1/Add``."""
    found = set[str]()
    for name in names:
        parts = name.split("/")
        found.update("/".join(parts[:depth]) for depth in range(2, len(parts)))
    return found


def of_any_step(name: str, scopes: Set[str]) -> str:
    """Leave out of ``/net/lif1_8/Add`` that it is the ninth call of ``/net/lif1``.

    The older exporter of torch counts the calls of a module, which are time steps here. A module
    that is itself called ``lif1_8`` is left as it is, unless there is a ``lif1`` beside it.
    """
    *modules, last = name.split("/")
    plain: list[str] = []
    for module in modules:
        first, _, count = module.rpartition("_")
        called_again = count.isdecimal() and "/".join([*plain, first]) in scopes
        plain.append(first if called_again else module)
    return "/".join([*plain, last])


def one_step(rolled: Rolled, clock: Clock, outputs: Sequence[str]) -> StepModel:
    """Return the pattern step of a rolled model."""
    tape = rolled.tape
    writer = Writer(tape, [*clock.axes, *clock.shown, *tape.given.values(), *outputs])
    opened: dict[str, Shape] = {}
    for slot, (name, t) in tape.times.items():
        if t == rolled.time:
            opened[name] = clock.step_shape(name, slot.shape)
            writer.read(slot, name, opened[name])
    names = [_state_name(rolled, k, writer) for k in range(len(rolled.memories))]
    for memory, name in zip(rolled.memories, names, strict=True):
        opened[name] = _state_shape(rolled, memory)
        writer.read(memory.read, name, opened[name])
    parts = [part for _, part in rolled.outputs]
    writer.compute([*parts, *(memory.written for memory in rolled.memories)])
    readouts: dict[str, Readout] = {}
    returned: dict[str, str] = {}
    for want, part in rolled.outputs:
        source = _returned_as(rolled, want, part, names, returned)
        if source == want.name and source not in returned.values():
            writer.write(part, want.name, _output_shape(want, part))
        readouts[want.name] = Readout(
            source=source,
            reduction=want.reduction,
            shape=want.shape,
            axis=want.axis,
            scale=want.scale,
            step=want.step,
        )
    states = {}
    for memory, name in zip(rolled.memories, names, strict=True):
        states[name] = returned.get(name) or writer.fresh(f"{name}_out")
        writer.write(memory.written, states[name], opened[name])
    return StepModel(
        proto=writer.bare(),
        arrays=writer.stored,
        states=states,
        starts=dict(_starts(rolled, names)),
        readouts=readouts,
        opened=opened,
    )


def _state_shape(rolled: Rolled, memory: Memory) -> Shape:
    """Return the shape of a state; axes of one element behind the others are dropped.

    Two states of one neuron then agree, whatever a library summed over in between.
    """
    shape = memory.read.shape
    if memory.start in rolled.tape.given:
        return shape
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _output_shape(want: Wanted, part: Part) -> Shape:
    return part.shape if want.axis is None else step_shape(part.shape, want.axis)


def _state_name(rolled: Rolled, index: int, writer: Writer) -> str:
    start = rolled.memories[index].start
    if isinstance(start, Slot) and start in rolled.tape.given:
        return rolled.tape.given[start]
    return writer.fresh(f"state{index}")


def _returned_as(
    rolled: Rolled, want: Wanted, part: Part, names: Sequence[str], returned: dict[str, str]
) -> str:
    """Return the name an output has in the step: a state's, where it is the last of a state."""
    if want.reduction not in ALONE:
        return want.name
    for memory, name in zip(rolled.memories, names, strict=True):
        if memory.written is part:
            return returned.setdefault(name, want.name)
    return want.name


def _starts(rolled: Rolled, names: Sequence[str]) -> Iterator[tuple[str, Array]]:
    for memory, name in zip(rolled.memories, names, strict=True):
        start = memory.start
        if isinstance(start, Known):
            yield name, start.array
        elif isinstance(start, Slot) and start in rolled.tape.starts:
            yield name, rolled.tape.starts[start]
