"""A model that was exported for several samples at once, as one of a single sample.

Sizes of the batch stand in the ports, in the targets of reshapes and in constants such as states
of zeros. They are followed from the inputs, and the result is run beside the model: each sample
must give what it gives among others.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.onnx.engine import engine
from mapper.frontend.onnx.fold import CannotFoldError, Folder
from mapper.frontend.onnx.load import to_array
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.refusals import ALONE_HELP, FIXED_BATCH
from mapper.ir.core import Array

Shape = tuple[int, ...]

_MOST_NODES = 5_000
_TRIED = 3
"""Samples that are run alone, on each of some random inputs."""
_DENSITIES = (0.2, 0.6, 2.0)
_MOST_SHOWN = 1 << 24
"""Numbers of tensors between inputs and outputs that are compared."""
_LOUD = (64.0, -64.0)
"""How far from 0 the numbers go where nothing fires before."""
_ALIKE = 0.999
"""Share of the numbers that must agree: another order of adding may flip a spike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSample:
    """A model of one sample, and how many the file takes at once."""

    model: ModelProto
    count: int
    axes: Mapping[str, int]
    """The axis of the samples, of each input and output of the file."""
    inside: Mapping[str, int]
    """The same of computed tensors between them."""


_HIDING = ("branch", "loop", "sequence", "random")
"""Kinds of nodes in which samples are not told apart."""


class _OtherwiseError(Exception):
    """The samples cannot be told apart here."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A computed tensor: its shape with all samples and with one, and where they are."""

    many: Shape
    one: Shape
    axis: int
    outer: int
    """How often the samples are repeated along that axis: time steps before them."""


@dataclass(slots=True)
class _Walk:
    count: int
    folder: Folder
    computed: dict[str, _Tensor] = field(default_factory=dict)
    known: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    """Constants, with all samples and with one."""
    added: list[TensorProto] = field(default_factory=list)

    def visit(self, node: NodeProto) -> None:
        if operator_of(node).kind in _HIDING:
            raise _OtherwiseError
        reads = [name for name in node.input if name]
        if operator_of(node).kind == "size":
            shapes = [(t.many, t.one) for t in (self._shapes(name) for name in reads)]
            self._fold(node, [tuple(np.broadcast_to(np.float32(0), s) for s in shapes[0])])
        elif all(name in self.known for name in reads):
            self._fold(node, [self.known[name] for name in reads])
        else:
            self._narrow(node)

    def _shapes(self, name: str) -> _Tensor:
        if name in self.computed:
            return self.computed[name]
        many, one = self.known[name]
        return _Tensor(many.shape, one.shape, 0, 1)

    def _fold(self, node: NodeProto, pairs: list[tuple[Array, ...]]) -> None:
        held = dict(zip([name for name in node.input if name], pairs, strict=True))

        def results(which: int) -> list[Array]:
            arrays = [held[name][which] if name else None for name in node.input]
            return self.folder.fold(node, arrays, "")

        many = results(0)
        same = all(pair[0] is pair[1] for pair in pairs)
        one = many if same else results(1)
        self.known.update({n: (a, b) for n, a, b in zip(node.output, many, one, strict=False)})

    def _narrow(self, node: NodeProto) -> None:
        source = next(self.computed[name] for name in node.input if name in self.computed)
        if node.op_type == "Reshape" or node.op_type == "Expand":
            self._retarget(node, source)
        elif operator_of(node).kind == "elementwise" or node.op_type == "Concat":
            for index, name in enumerate(node.input):
                if name in self.known:
                    self._take_one(node, index, source)
        outputs = zip(node.output, self._inferred(node, 0), self._inferred(node, 1), strict=True)
        for name, many, one in outputs:
            self.computed[name] = self._placed(many, one, source, node)

    def _placed(self, many: Shape, one: Shape, source: _Tensor, node: NodeProto) -> _Tensor:
        differ = [k for k, (m, n) in enumerate(zip(many, one, strict=True)) if m != n]
        if len(many) != len(one) or len(differ) != 1:
            raise _OtherwiseError
        (axis,) = differ
        outer = source.outer if many[axis] == source.many[source.axis] else 1
        if many[axis] != self.count * one[axis]:
            raise _OtherwiseError
        if operator_of(node).time.through == "reshape":
            outer = self._reshaped(source, many)[1]
        return _Tensor(many, one, axis, outer)

    def _reshaped(self, source: _Tensor, shape: Shape) -> tuple[int, int]:
        """Return axis and repetitions of the samples after a reshape: their stride stays."""
        inner = source.many[source.axis] // (self.count * source.outer)
        stride = prod(source.many[source.axis + 1 :]) * inner
        for axis, size in enumerate(shape):
            below = prod(shape[axis + 1 :])
            whole = stride * self.count
            if stride % below == 0 and below <= stride and below * size % whole == 0:
                return axis, below * size // whole
        raise _OtherwiseError

    def _retarget(self, node: NodeProto, source: _Tensor) -> None:
        """Divide the size of the samples in a target that says it."""
        if node.input[1] not in self.known:
            raise _OtherwiseError
        many, one = self.known[node.input[1]]
        if (many != one).any() if many.shape == one.shape else True:
            return  # the model works it out itself
        (shape,) = self._inferred(node, 0)
        if node.op_type == "Reshape":
            axis, _ = self._reshaped(source, shape)
        else:
            axis = len(shape) - len(source.many) + source.axis
        wanted = [int(n) for n in shape]
        wanted[axis] //= self.count
        self._replace(node, 1, many, np.asarray(wanted, np.int64))

    def _take_one(self, node: NodeProto, index: int, source: _Tensor) -> None:
        """Take one sample of a constant that has all of them, where they are alike."""
        many, one = self.known[node.input[index]]
        axis = many.ndim - len(source.many) + source.axis
        if many.shape != one.shape or axis < 0 or many.shape[axis] != source.many[source.axis]:
            return
        if many.shape[axis] == 1:
            return
        lead, tail = many.shape[:axis], many.shape[axis + 1 :]
        inner = many.shape[axis] // (self.count * source.outer)
        split = many.reshape(*lead, source.outer, self.count, inner, *tail)
        if (split != split.take([0], axis + 1)).any():
            raise _OtherwiseError
        alone = split.take(0, axis + 1).reshape(*lead, source.outer * inner, *tail)
        self._replace(node, index, many, alone)

    def _replace(self, node: NodeProto, index: int, many: Array, one: Array) -> None:
        name = f"{node.input[index]}.one.{len(self.added)}"
        self.added.append(numpy_helper.from_array(np.ascontiguousarray(one), name))
        self.known[name] = (many, one)
        node.input[index] = name

    def _inferred(self, node: NodeProto, which: int) -> list[Shape]:
        ports, stored = [], []
        for name in dict.fromkeys(filter(None, node.input)):
            if name in self.known:
                stored.append(numpy_helper.from_array(np.array(self.known[name][which]), name))
            else:
                tensor = self.computed[name]
                shape = (tensor.many, tensor.one)[which]
                ports.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
        graph = helper.make_graph([node], "node", ports, outputs, stored)
        opsets = [helper.make_opsetid("", self.folder.opset)]
        model = helper.make_model(graph, opset_imports=opsets)
        try:
            inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as error:
            raise _OtherwiseError from error
        found = [
            tuple(int(d.dim_value) for d in port.type.tensor_type.shape.dim)
            for port in inferred.graph.output
        ]
        known = [port.type.tensor_type.HasField("shape") for port in inferred.graph.output]
        if not all(known) or any(n < 1 for shape in found for n in shape):
            raise _OtherwiseError
        return found


def told_apart(error: MappingError, model: ModelProto, path: Path) -> MappingError:
    """Return an error, or where several samples are in a loop that it is not known of them."""
    node = next((n for n in model.graph.node if operator_of(n).kind in _HIDING), None)
    if node is None or error.diagnostics[0].code != FIXED_BATCH:
        return error
    return refuse(
        FIXED_BATCH,
        "the model was exported for several samples at once, which are not told apart in a node of "
        f"{node.op_type}",
        loc=f"{path.name}:{node.name}".rstrip(":"),
        help=ALONE_HELP,
    )


def has_steps_and_samples(model: ModelProto) -> bool:
    """Say whether the first input has the axes of time and of several samples: ``[T, N, C]``."""
    known = {tensor.name for tensor in model.graph.initializer}
    shape = next((_dims(port) for port in model.graph.input if port.name not in known), ())
    return len(shape) in (3, 5) and min(shape[:2]) > 1


def one_sample(model: ModelProto, path: Path) -> OneSample | None:
    """Return the model of one sample, or None where its samples are not independent of each other.

    Args:
        model: With its functions inlined, and every size fixed.
        path: Its file, for its stored arrays.
    """
    if len(model.graph.node) > _MOST_NODES:
        return None
    known = {tensor.name for tensor in model.graph.initializer}
    ports = [port for port in model.graph.input if port.name not in known]
    for axes in _axes_of(ports):
        try:
            found = _narrowed(model, path, axes)
            if _independent(model, found):
                return found
        except (*_BROKEN, _OtherwiseError, CannotFoldError, MappingError):
            continue
    return None


def _dims(port: ValueInfoProto) -> Shape:
    return tuple(int(dim.dim_value) for dim in port.type.tensor_type.shape.dim)


_BROKEN = (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError)
"""Whatever a node that breaks the rules of its operator meets."""


def _axes_of(ports: list[ValueInfoProto]) -> Iterator[dict[str, int]]:
    """Yield where samples may be: behind the time axis of the first input, or before all.

    Another axis may be as long as that of the samples; the likely one comes first.
    """
    tried: list[dict[str, int]] = []
    for axis, likely in product((1, 0), (0, 1)):
        size = next((_dims(p)[axis] for p in ports[:1] if len(_dims(p)) > axis + 1), 1)
        axes = {
            port.name: place
            for port in ports
            for place in (1 - likely, likely)  # the last one that fits is taken
            if _dims(port)[place : place + 1] == (size,) and (place or not axis or port != ports[0])
        }
        if size > 1 and len(axes) == len(ports) and axes not in tried:
            tried.append(axes)
            yield axes


def _narrowed(model: ModelProto, path: Path, axes: Mapping[str, int]) -> OneSample:
    alone = ModelProto()
    alone.CopyFrom(model)
    ports = [port for port in alone.graph.input if port.name in axes]
    count = _dims(ports[0])[axes[ports[0].name]]
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    stored = sum(prod(tensor.dims) for tensor in model.graph.initializer)
    walk = _Walk(count, Folder(opset, stored, 1 << 25))
    for tensor in alone.graph.initializer:
        array = to_array(tensor, path)
        walk.known[tensor.name] = (array, array)
    for port in ports:
        many, axis = _dims(port), axes[port.name]
        port.type.tensor_type.shape.dim[axis].dim_value = 1
        walk.computed[port.name] = _Tensor(many, _dims(port), axis, 1)
    for node in alone.graph.node:
        walk.visit(node)
    places = dict(axes)
    for port in alone.graph.output:
        tensor = walk.computed[port.name]
        if tensor.one[tensor.axis] != 1:
            raise _OtherwiseError
        places[port.name] = tensor.axis
        port.type.tensor_type.ClearField("shape")
        for size in tensor.one:
            port.type.tensor_type.shape.dim.add().dim_value = size
    del alone.graph.value_info[:]
    alone.graph.initializer.extend(walk.added)
    inside = _inside(walk, places)
    return OneSample(model=alone, count=count, axes=places, inside=inside)


def _inside(walk: _Walk, places: Mapping[str, int]) -> dict[str, int]:
    """Return where samples are in the tensors of a walk that are no ports, as many as fit."""
    found, left = {}, _MOST_SHOWN
    for name, tensor in walk.computed.items():
        plain = (tensor.many[tensor.axis], tensor.one[tensor.axis]) == (walk.count, 1)
        if name not in places and plain and prod(tensor.many) <= left:
            found[name] = tensor.axis
            left -= prod(tensor.many)
    return found


def _independent(model: ModelProto, found: OneSample) -> bool:
    """Say whether each sample alone gives what it gives among others, and not all the same.

    Where all give the same, as nothing fires, what is computed on the way is compared.
    """
    told = _compared(model, found, found.axes, _DENSITIES)
    if told is None or told:
        return bool(told)
    return bool(_compared(model, found, {**found.axes, **found.inside}, (*_DENSITIES, *_LOUD)))


def _with_outputs(model: ModelProto, names: Iterable[str]) -> ModelProto:
    """Return a model that returns these tensors as well."""
    given = {port.name for port in (*model.graph.input, *model.graph.output)}
    more = [ValueInfoProto(name=name) for name in names if name not in given]
    if not more:
        return model
    shown = ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.extend(more)
    return shown


def _compared(
    model: ModelProto, found: OneSample, axes: Mapping[str, int], reaches: Iterable[float]
) -> bool | None:
    """Say whether samples that give the same alone as among others differ at all.

    None where they do not give the same.

    Args:
        model: Of all samples.
        found: The model of one.
        axes: Of the samples, of the tensors to compare.
        reaches: How dense spikes are, or beyond 1 how far from 0 random numbers are.
    """
    many, one = (engine(_with_outputs(each, axes)) for each in (model, found.model))
    rng, differs = np.random.default_rng(0), False
    for reach in reaches:
        inputs = {
            port.name: _drawn(_dims(port), reach, rng).astype(
                helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
            )
            for port in model.graph.input
            if port.name in found.axes
        }
        together = many(inputs)
        for k in range(min(found.count, _TRIED)):
            alone = one({n: a.take([k], found.axes[n]) for n, a in inputs.items()})
            for name, array in alone.items():
                other = together[name].take([k], axes[name])
                if np.isclose(array, other, rtol=1e-4, atol=1e-5).mean() < _ALIKE:
                    return None
                differs |= bool((together[name] != other).any())
    return differs


def _drawn(shape: Shape, reach: float, rng: np.random.Generator) -> Array:
    if 0 < reach <= 1:
        return rng.random(shape) < reach
    return np.asarray(reach * rng.random(shape))
