"""Lay a model out in time: every node of every time step, once, with the time axis gone."""

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from mapper.frontend.onnx.fold import CannotFoldError, Folder
from mapper.frontend.onnx.load import to_array
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.operators.row import Through
from mapper.frontend.time import loops, sequences
from mapper.frontend.time.bundles import applied
from mapper.frontend.time.parts import bundled, setting
from mapper.frontend.time.tensors import (
    Known,
    Listed,
    Shape,
    Tape,
    Tensor,
    TimeFormError,
)

Env = MutableMapping[str, Tensor]
Inputs = Sequence[Tensor | None]

_BROKEN = (
    ArithmeticError,
    AssertionError,
    CannotFoldError,
    LookupError,
    TypeError,
    ValueError,
)
"""Whatever a node that breaks the rules of its operator meets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where time is in the inputs of a model."""

    axes: Mapping[str, int]
    """The time axis of each input that has one."""
    length: int
    """Time steps."""
    shown: frozenset[str] = frozenset()
    """Images: inputs without a time axis that every step reads."""

    def step_shape(self, name: str, shape: Shape) -> Shape:
        """Return the shape in which one step reads its part of an input."""
        return shape if name in self.shown else step_shape(shape, self.axes[name])


def step_shape(shape: Shape, axis: int) -> Shape:
    """Return the shape of one step without its time axis, if a batch axis is left."""
    inner = (*shape[:axis], *shape[axis + 1 :])
    return inner if inner[:1] == (1,) else shape


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Laid:
    """A model laid out in time."""

    tape: Tape
    clock: Clock
    outputs: Mapping[str, Tensor]


def lay_out(model: ModelProto, path: Path, shapes: Mapping[str, Shape], clock: Clock) -> Laid:
    """Walk a model with its inputs cut into time steps.

    Args:
        model: As read by ``load.read_model``.
        path: Its file, for messages.
        shapes: Of its inputs, all sizes fixed.
        clock: Which axes are time.

    Raises:
        TimeFormError: Where a node has no meaning step by step.
        MappingError: ``model-too-large``, ``invalid-model``.
    """
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    stored = sum(prod(tensor.dims) for tensor in model.graph.initializer)
    walker = Walker(Tape(path, Folder(opset, stored)), path)
    env: Env = {}
    walker.store(model.graph, env)
    kinds = {port.name: port.type.tensor_type.elem_type for port in model.graph.input}
    for name, shape in shapes.items():
        env[name] = _read(walker.tape, name, shape, kinds[name], clock)
    walker.walk(model.graph.node, env)
    missing = [port.name for port in model.graph.output if port.name not in env]
    if missing:
        raise TimeFormError(f"the output {missing[0]!r} is the result of no node", path.name)
    outputs = {port.name: env[port.name] for port in model.graph.output}
    return Laid(tape=walker.tape, clock=clock, outputs=outputs)


def _read(tape: Tape, name: str, shape: Shape, kind: int, clock: Clock) -> Tensor:
    if name not in clock.axes:
        slot = tape.slot(shape, kind, name)
        tape.given[slot] = name
        return slot
    axis = clock.axes[name]
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    parts = [tape.slot(one, kind, f"{name}@{t}") for t in range(clock.length)]
    tape.times.update({slot: (name, t) for t, slot in enumerate(parts)})
    return bundled(axis, parts)


class Walker:
    """Follows nodes in order; subgraphs see the names around them."""

    def __init__(self, tape: Tape, path: Path) -> None:
        self.tape = tape
        self.path = path

    def store(self, graph: GraphProto, env: Env) -> None:
        for tensor in graph.initializer:
            env[tensor.name] = self.tape.known(to_array(tensor, self.path), tensor.name)

    def run(self, graph: GraphProto, given: Iterable[Tensor], outer: Env) -> list[Tensor]:
        """Return what a subgraph gives for its inputs."""
        env: Env = ChainMap({}, outer)
        self.store(graph, env)
        env.update(zip((port.name for port in graph.input), given, strict=False))
        self.walk(graph.node, env)
        return [env[port.name] for port in graph.output]

    def walk(self, nodes: Iterable[NodeProto], env: Env) -> None:
        for node in nodes:
            try:
                results = self._visit(node, env)
            except TimeFormError as error:
                error.loc = error.loc or self.tape.place(node)
                raise
            except _BROKEN as error:
                raise TimeFormError(
                    f"{node.op_type}: its attributes and inputs do not fit together",
                    self.tape.place(node),
                ) from error
            for name, result in zip(node.output, results, strict=False):
                if name:
                    env[name] = result

    def _visit(self, node: NodeProto, env: Env) -> list[Tensor]:
        inputs = [env[name] if name else None for name in node.input]
        through = operator_of(node).time.through
        if through in WALKED:
            return WALKED[through](self, node, inputs, env)
        if through in sequences.RULES:
            self.tape.forms.add("sequence")
            return [sequences.RULES[through](self.tape, node, inputs)]
        plain = [i for i in inputs if not isinstance(i, Listed)]
        if len(plain) < len(inputs):
            raise TimeFormError(f"{node.op_type}: reads a sequence of tensors")
        return list(applied(self.tape, node, plain))

    def constant(self, node: NodeProto, inputs: Inputs, env: Env) -> list[Tensor]:
        value = setting(node, "value")
        if isinstance(value, TensorProto):
            return [self.tape.known(numpy_helper.to_array(value), node.output[0])]
        (attribute,) = node.attribute
        kinds = {"value_int": np.int64, "value_ints": np.int64}
        kind = kinds.get(attribute.name, np.float32)
        return [self.tape.known(np.asarray(setting(node, attribute.name), kind))]

    def same(self, node: NodeProto, inputs: Inputs, env: Env) -> list[Tensor]:
        return [i for i in inputs if i is not None]

    def branch(self, node: NodeProto, inputs: Inputs, env: Env) -> list[Tensor]:
        """Follow the branch that a known condition chooses."""
        condition = inputs[0]
        if not isinstance(condition, Known):
            raise TimeFormError("If: which branch is taken depends on the data")
        name = "then_branch" if condition.array.reshape(-1)[:1].any() else "else_branch"
        return self.run(_subgraph(node, name), [], env)

    def loop(self, node: NodeProto, inputs: Inputs, env: Env) -> list[Tensor]:
        body = _subgraph(node, "body")
        return loops.loop(self.tape, node, inputs, lambda given: self.run(body, given, env))

    def scan(self, node: NodeProto, inputs: Inputs, env: Env) -> list[Tensor]:
        body = _subgraph(node, "body")
        return loops.scan(self.tape, node, inputs, lambda given: self.run(body, given, env))


def _subgraph(node: NodeProto, name: str) -> GraphProto:
    graph = setting(node, name)
    assert isinstance(graph, GraphProto)
    return graph


WALKED: Mapping[Through, Callable[[Walker, NodeProto, Inputs, Env], list[Tensor]]] = {
    "branch": Walker.branch,
    "constant": Walker.constant,
    "loop": Walker.loop,
    "same": Walker.same,
    "scan": Walker.scan,
}
"""What the walk itself does at a node: it opens subgraphs and names tensors."""
