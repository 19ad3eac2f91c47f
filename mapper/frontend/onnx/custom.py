"""Neurons that SpikingJelly 2 leaves as operators of its own, spelled out in ordinary ones.

``sj_if``, ``sj_lif`` and ``sj_plif`` have one operator each, ``forward``, over a sequence
``x[T, N, ...]`` that is one step long in a step model. Inputs, in order: the sequence, the
membrane, (for lif) the time constant or (for plif) the logit of its inverse, (for both)
whether the input decays too, threshold, reset value (left out: subtract the threshold), and
what only training uses. Results: spikes, membrane after the step, membrane before firing.
"""

from collections.abc import Callable

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from mapper.frontend.onnx.node import Node
from mapper.frontend.onnx.refusals import many_steps
from mapper.ir.core import Array

Charge = Callable[[Node, "_Parts", float], str]
"""Adds the nodes that charge a membrane around its rest; returns the membrane before firing."""


def integrate_and_fire(node: Node) -> list[NodeProto]:
    """``sj_if``: the input is added to the membrane."""
    return _spelled_out(node, 2, _integrated)


def leaky(node: Node) -> list[NodeProto]:
    """``sj_lif``: with a time constant."""
    return _spelled_out(node, 4, _leaking)


def parametric_leaky(node: Node) -> list[NodeProto]:
    """``sj_plif``: the inverse of its time constant was trained, as a logit."""
    return _spelled_out(node, 4, _leaking_as_trained)


def _integrated(node: Node, parts: "_Parts", rest: float) -> str:
    x, v = node.proto.input[0], node.proto.input[1]
    return parts.add("Add", v, x)


def _leaking(node: Node, parts: "_Parts", rest: float) -> str:
    constant = _number(node, 2)
    if constant == 0:
        raise node.unsupported("its time constant is zero")
    return _leaked(node, parts, 1.0 / constant, rest)


def _leaking_as_trained(node: Node, parts: "_Parts", rest: float) -> str:
    return _leaked(node, parts, 1.0 / (1.0 + float(np.exp(-_number(node, 2)))), rest)


def _leaked(node: Node, parts: "_Parts", rate: float, rest: float) -> str:
    x, v = node.proto.input[0], node.proto.input[1]
    share = parts.known("rate", rate)
    above = parts.add("Sub", v, parts.known("rest", rest))
    if _number(node, 3):
        return parts.add("Add", v, parts.add("Mul", parts.add("Sub", x, above), share))
    return parts.add("Add", parts.add("Sub", v, parts.add("Mul", above, share)), x)


def _spelled_out(node: Node, place: int, charge: Charge) -> list[NodeProto]:
    """Return ordinary nodes that compute what an operator computes in one time step.

    Args:
        node: The operator.
        place: Which input is the threshold; the reset value comes next.
        charge: Says what happens to the membrane before it fires.
    """
    sequence = node.form(0)
    if sequence.shape[:1] != (1,):
        raise many_steps(f"a sequence of {sequence.shape[0]} time steps", node.loc)
    threshold = _number(node, place)
    reset = None if node.input(place + 1) is None else _number(node, place + 1)
    parts = _Parts(node)
    charged = charge(node, parts, 0.0 if reset is None else reset)
    fired = parts.add("GreaterOrEqual", charged, parts.known("threshold", threshold))
    spike = parts.add("Cast", fired, to=TensorProto.FLOAT)
    after = _reset(parts, charged, spike, threshold, reset)
    parts.give(0, spike)
    shape = parts.known("shape", np.array(node.form(1).shape, dtype=np.int64))
    parts.give(1, parts.add("Reshape", after, shape))
    parts.give(2, charged)
    return parts.nodes


class _Parts:
    """Nodes under construction; names start with that of the operator's first result."""

    def __init__(self, node: Node) -> None:
        self.nodes: list[NodeProto] = []
        self._node = node

    def add(self, op: str, *inputs: str, **attributes: int) -> str:
        name = f"{self._node.name}.{op}{len(self.nodes)}"
        node = helper.make_node(op, list(inputs), [name])
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self._append(node)
        return name

    def known(self, name: str, value: Array | float) -> str:
        array = value if isinstance(value, np.ndarray) else np.asarray(value, dtype=np.float32)
        result = f"{self._node.name}.{name}{len(self.nodes)}"
        tensor = numpy_helper.from_array(array, result)
        self._append(helper.make_node("Constant", [], [result], value=tensor))
        return result

    def give(self, index: int, name: str) -> None:
        outputs = self._node.proto.output
        if index < len(outputs) and outputs[index]:
            self._append(helper.make_node("Identity", [name], [outputs[index]]))

    def _append(self, proto: NodeProto) -> None:
        proto.name = self._node.proto.name or self._node.name
        self.nodes.append(proto)


def _reset(parts: _Parts, charged: str, spike: str, threshold: float, reset: float | None) -> str:
    if reset is None:
        return parts.add("Sub", charged, parts.add("Mul", spike, parts.known("step", threshold)))
    kept = parts.add("Sub", parts.known("one", 1.0), spike)
    to_value = parts.add("Mul", spike, parts.known("reset", reset))
    return parts.add("Add", parts.add("Mul", kept, charged), to_value)


def _number(node: Node, index: int) -> float:
    array = node.constant(index).array
    if array.size != 1:
        raise node.unsupported(f"input {index} must be one number, it has shape {array.shape}")
    return float(array.reshape(-1)[0])
