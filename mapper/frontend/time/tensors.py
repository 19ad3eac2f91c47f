"""What a tensor of a model is while the model is laid out in time.

A ``Slot`` is computed; a ``Known`` array is not; a ``Bundle`` holds one part per time step, side
by side on one axis; ``Listed`` is an ONNX sequence. The ``Tape`` collects the nodes that compute
slots, each once, with constants that are equal by value being one object.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from mapper.diagnostics import refuse
from mapper.frontend.onnx.fold import CannotFoldError, Folder, is_one_number, of_one_number
from mapper.frontend.onnx.inline import MAX_NODES
from mapper.frontend.onnx.operators import Operator, operator_of
from mapper.ir.core import Array

Shape = tuple[int, ...]
MAX_SHAPE_VALUES = 64
"""Integer constants up to this size may say a shape, and take part in working shapes out."""
MAX_RANK = 6
"""Real constants up to this size may scale the axes of a tensor."""


@dataclass(frozen=True, eq=False, slots=True)
class Known:
    """A constant; the tape makes equal ones the same object."""

    array: Array
    name: str = ""

    @property
    def shape(self) -> Shape:
        return self.array.shape


@dataclass(frozen=True, eq=False, slots=True)
class Slot:
    """A tensor that depends on the model's input."""

    name: str
    shape: Shape
    kind: int
    """Its ONNX element type."""
    order: int


Part = Known | Slot


@dataclass(frozen=True, eq=False, slots=True)
class Bundle:
    """Parts side by side on ``axis``, one element each: a tensor with a time axis."""

    axis: int
    parts: tuple[Part, ...]

    @property
    def shape(self) -> Shape:
        shape = self.parts[0].shape
        return (*shape[: self.axis], len(self.parts), *shape[self.axis + 1 :])


@dataclass(frozen=True, eq=False, slots=True)
class Listed:
    """An ONNX sequence."""

    items: tuple["Single", ...]


Single = Known | Slot | Bundle
Tensor = Known | Slot | Bundle | Listed


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """One node on the tape."""

    proto: NodeProto
    """Operator, attributes and name; its own inputs and outputs do not count."""
    inputs: tuple[Part | None, ...]
    outputs: tuple[Slot, ...]
    mark: tuple[object, ...]
    """Operator and attributes, as something that equal nodes share."""

    @property
    def operator(self) -> Operator:
        return operator_of(self.proto)

    @property
    def slots(self) -> list[Slot]:
        return [part for part in self.inputs if isinstance(part, Slot)]


class TimeFormError(Exception):
    """Why a model is not many time steps of one network."""

    def __init__(self, reason: str, loc: str = "", help: str = "") -> None:
        super().__init__(reason)
        self.reason, self.loc, self.help = reason, loc, help


class NoStartError(TimeFormError):
    """All steps but the first are one network, which starts from nothing that explains it."""


class NotShownError(TimeFormError):
    """No image without a time axis is used by one time step after the other."""


def _digest(array: Array) -> bytes:
    """Return bytes that only arrays of one type, shape and value share."""
    told = array.reshape(-1)[:1] if is_one_number(array) else np.ascontiguousarray(array)
    if told.nbytes <= 64 or told.dtype.hasobject:
        return told.tobytes()
    return hashlib.sha256(told.reshape(-1).view(np.uint8).data).digest()


@dataclass(eq=False)
class Tape:
    """Nodes in order of execution; every one is there once."""

    path: Path
    folder: Folder
    steps: list[Step] = field(default_factory=list)
    maker: dict[Slot, Step] = field(default_factory=dict)
    times: dict[Slot, tuple[str, int]] = field(default_factory=dict)
    """Parts of inputs with a time axis: which input, which time step."""
    waits: dict[Slot, int] = field(default_factory=dict)
    """Slots of delays: the time step in which they are read."""
    deepest: int = 0
    """Steps of the longest delay."""
    beyond: dict[Slot, int] = field(default_factory=dict)
    """Slots of steps behind the last, made of zeros behind it: which step. Nothing reads them."""
    nothing: dict[tuple[Slot, int], Slot] = field(default_factory=dict)
    """What delays hold before the first step: by the first that is sent, and how much earlier."""
    starts: dict[Slot, Array] = field(default_factory=dict)
    """Slots that stand for what a state holds before the first step."""
    given: dict[Slot, str] = field(default_factory=dict)
    """Slots that are inputs of the model without a time axis."""
    stacked: dict[Slot, tuple[int, tuple[Part, ...]]] = field(default_factory=dict)
    """What lies side by side in a slot, on which axis: the slots of a count."""
    compared: set[Part] = field(default_factory=set)
    """Slots of a count that a node compares with several numbers at once."""
    carried: list[list[Tensor]] = field(default_factory=list)
    """What loops hand from step to step: a list over time each."""
    forms: set[str] = field(default_factory=set)
    """Names of the forms of time that the model has."""
    _constants: dict[object, Known] = field(default_factory=dict)
    _held: dict[int, Known] = field(default_factory=dict)
    """Constants by the ``id`` of the array that each keeps."""
    _seen: dict[object, tuple[Part, ...]] = field(default_factory=dict)
    _inferred: dict[object, list[tuple[Shape, int]]] = field(default_factory=dict)
    _levels: dict[Slot, int] = field(default_factory=dict)
    _count: int = 0

    @property
    def opset(self) -> int:
        """The version of the standard operators."""
        return self.folder.opset

    @property
    def length(self) -> int:
        """The time steps that inputs have."""
        return 1 + max((t for _, t in self.times.values()), default=-1)

    def level(self, part: Part) -> int:
        """Return the latest time step of the inputs that a part depends on; -1 where it is none."""
        if not isinstance(part, Slot):
            return -1
        if part in self.times:
            return self.times[part][1]
        if part in self.waits:
            return self.waits[part]
        if part in self.beyond:
            return self.beyond[part]
        return self._levels.get(part, -1)

    @property
    def known_starts(self) -> set[Slot]:
        """Slots that are there before the first step."""
        return {*self.starts, *self.given}

    def known(self, array: Array, name: str = "") -> Known:
        """Return the one object that stands for an array of this value."""
        array = np.asarray(array)
        if (held := self._held.get(id(array))) is not None:
            return held
        array = of_one_number(array)
        key = (array.dtype.str, array.shape, _digest(array))
        if key not in self._constants:
            self._constants[key] = self._held[id(array)] = Known(array, name)
        return self._constants[key]

    def slot(self, shape: Shape, kind: int = TensorProto.FLOAT, name: str = "") -> Slot:
        self._count += 1
        if self._count > MAX_NODES:
            raise refuse(
                "model-too-large",
                f"laid out in time, the model has more than {MAX_NODES} nodes",
                loc=self.path.name,
                help="export fewer time steps",
            )
        return Slot(name or f"t{self._count}", tuple(shape), kind, self._count)

    def emit(
        self,
        proto: NodeProto,
        inputs: Sequence[Part | None],
        facts: Sequence[tuple[Shape, int]] | None = None,
    ) -> tuple[Part, ...]:
        """Add a node, or return what an equal one gave; what is known is computed.

        Args:
            proto: Operator and attributes.
            inputs: What it reads.
            facts: Shapes and element types of its results, where ONNX does not know them.
        """
        if operator_of(proto).has_weights:
            inputs = [self._fed(part, proto) for part in inputs]
        mark = mark_of(proto)
        key = (mark, tuple(inputs))
        if key not in self._seen:
            if facts is not None:
                self._inferred[mark, tuple(_facts(part) for part in inputs)] = list(facts)
            self._seen[key] = tuple(self._made(proto, mark, inputs))
        return self._seen[key]

    def one(
        self, op: str, inputs: Sequence[Part | None], like: NodeProto, **attributes: Any
    ) -> Part:
        """Add a node of ours, in the place of ``like``."""
        proto = helper.make_node(op, [], [""], name=like.name, **attributes)
        return self.emit(proto, inputs)[0]

    def reshaped(self, part: Part, shape: Sequence[int], like: NodeProto) -> Part:
        if part.shape == tuple(shape):
            return part
        if isinstance(part, Known):
            return self.known(part.array.reshape(shape), part.name)
        target = self.known(np.asarray(shape, dtype=np.int64))
        return self.one("Reshape", [part, target], like)

    def _fed(self, part: Part | None, proto: NodeProto) -> Part | None:
        """Return what a layer reads as a tensor of its own.

        A spike that is fed back and the same spike in a reset are then told apart, as they are
        where a library computes them twice.
        """
        maker = self.maker.get(part) if isinstance(part, Slot) else None
        if maker is None or not maker.operator.time.makes_spikes:
            return part
        return self.one("Identity", [part], proto)

    def _made(
        self, proto: NodeProto, mark: tuple[object, ...], inputs: Sequence[Part | None]
    ) -> Iterator[Part]:
        operator = operator_of(proto)
        known = all(part is None or isinstance(part, Known) for part in inputs)
        if known and proto.domain in ("", "ai.onnx") and operator.kind != "random":
            yield from self._computed(proto, inputs)
            return
        if proto.op_type == "Sub" and (zeros := self._nothing_left(*inputs)) is not None:
            yield zeros
            return
        if operator.time.zero_annuls and (zeros := self._annulled(inputs)) is not None:
            yield zeros
            return
        found = self._inference(proto, mark, inputs)
        slots = tuple(self.slot(shape, kind) for shape, kind in found)
        step = Step(proto, tuple(inputs), slots, mark)
        self.steps.append(step)
        self.maker.update(dict.fromkeys(slots, step))
        level = max((self.level(slot) for slot in step.slots), default=-1)
        self._levels.update(dict.fromkeys(slots, level))
        yield from slots

    def _computed(self, proto: NodeProto, inputs: Sequence[Part | None]) -> Iterator[Part]:
        arrays = [
            None if part is None else part.array for part in inputs if not isinstance(part, Slot)
        ]
        node = _named(proto, inputs)
        try:
            results = self.folder.fold(node, arrays, self.place(proto))
        except CannotFoldError as error:
            raise TimeFormError(f"{proto.op_type}: {error}", self.place(proto)) from error
        source = next((part.name for part in inputs if isinstance(part, Known)), "")
        name = source if operator_of(proto).names_result else ""
        for array in results:
            yield self.known(array, name)

    def _nothing_left(self, x: Part | None, y: Part | None) -> Known | None:
        """Return zeros for a number less itself, which straight-through code leaves behind."""
        if not isinstance(x, Slot) or x is not y or x.kind != TensorProto.FLOAT:
            return None
        return self.known(np.zeros(x.shape, np.float32))

    def _annulled(self, inputs: Sequence[Part | None]) -> Known | None:
        """Return zeros for a product with zeros, such as noise of no strength."""
        if not any(isinstance(p, Known) and p.array.size and not p.array.any() for p in inputs):
            return None
        shape = np.broadcast_shapes(*(part.shape for part in inputs if part is not None))
        return self.known(np.zeros(shape, np.float32))

    def _inference(
        self, proto: NodeProto, mark: tuple[object, ...], inputs: Sequence[Part | None]
    ) -> list[tuple[Shape, int]]:
        key = (mark, tuple(_facts(part) for part in inputs))
        if key not in self._inferred:
            self._inferred[key] = self._infer(proto, inputs)
        return self._inferred[key]

    def _infer(self, proto: NodeProto, inputs: Sequence[Part | None]) -> list[tuple[Shape, int]]:
        node = _named(proto, inputs)
        ports, stored, seen = [], [], set()
        for name, part in zip(node.input, inputs, strict=True):
            if part is None or name in seen:
                continue
            seen.add(name)
            kind = (
                part.kind
                if isinstance(part, Slot)
                else helper.np_dtype_to_tensor_dtype(part.array.dtype)
            )
            ports.append(helper.make_tensor_value_info(name, kind, part.shape))
            if isinstance(part, Known) and _may_be_shape(part.array):
                stored.append(numpy_helper.from_array(part.array, name))
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
        graph = helper.make_graph([node], "node", ports, outputs, stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        try:
            inferred = onnx.shape_inference.infer_shapes(model, data_prop=True, strict_mode=True)
        except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as error:
            raise TimeFormError(
                f"{proto.op_type}: its shape is not known", self.place(proto)
            ) from error
        return [self._port_facts(port, proto) for port in inferred.graph.output]

    def _port_facts(self, port: onnx.ValueInfoProto, proto: NodeProto) -> tuple[Shape, int]:
        kind = port.type.tensor_type
        dims = kind.shape.dim
        if not kind.HasField("shape") or any(d.dim_value < 1 for d in dims):
            raise TimeFormError(f"{proto.op_type}: its shape is not known", self.place(proto))
        return tuple(int(d.dim_value) for d in dims), kind.elem_type

    def place(self, proto: NodeProto) -> str:
        return f"{self.path.name}:{proto.name or proto.op_type}"


def mark_of(proto: NodeProto) -> tuple[object, ...]:
    """Return what two nodes share that compute the same from the same inputs."""
    settings = sorted(a.SerializeToString(deterministic=True) for a in proto.attribute)
    return (proto.domain, proto.op_type, len(proto.output), *settings)


def shapes_of(parts: Iterable[Part | None]) -> list[Shape]:
    return [part.shape for part in parts if part is not None]


def _named(proto: NodeProto, inputs: Sequence[Part | None]) -> NodeProto:
    """Return the node with names of its own for what it reads and writes."""
    node = NodeProto()
    node.CopyFrom(proto)
    del node.input[:], node.output[:]
    seen: dict[Part, str] = {}
    for index, part in enumerate(inputs):
        node.input.append("" if part is None else seen.setdefault(part, f"i{index}"))
    node.output.extend(f"o{index}" for index in range(len(proto.output)))
    return node


def _facts(part: Part | None) -> object:
    if isinstance(part, Slot):
        return (part.shape, part.kind)
    if part is None or _may_be_shape(part.array):
        return part
    return (part.shape, part.array.dtype.str)


def _may_be_shape(array: Array) -> bool:
    """Say whether sizes may depend on the numbers: shapes, places, and scales of axes."""
    if array.dtype.kind == "f":
        return array.ndim == 1 and array.size <= MAX_RANK
    return array.dtype.kind == "i" and array.size <= MAX_SHAPE_VALUES
