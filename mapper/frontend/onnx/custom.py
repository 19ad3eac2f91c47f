"""Neurons that SpikingJelly 2 leaves as operators of its own, spelled out in ordinary ones.

``sj_if``, ``sj_lif`` and ``sj_plif`` have one operator each, ``forward``, over a sequence
``x[T, N, ...]`` that is one step long in a step model. Inputs, in order: the sequence, the
membrane, (for lif) the time constant or (for plif) the logit of its inverse, (for both)
whether the input decays too, threshold, reset value (left out: subtract the threshold), and
what only training uses. Results: spikes, membrane after the step, membrane before firing.
"""

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from mapper.frontend.onnx.node import Node
from mapper.frontend.onnx.refusals import many_steps
from mapper.ir.core import Array

DOMAINS = frozenset({"sj_if", "sj_lif", "sj_plif"})


def spelled_out(node: Node) -> list[NodeProto]:
    """Return ordinary nodes that compute what the operator computes in one time step."""
    domain = node.proto.domain
    sequence = node.form(0)
    if sequence.shape[:1] != (1,):
        raise many_steps(f"a sequence of {sequence.shape[0]} time steps", node.loc)
    rest = {"sj_if": 2, "sj_lif": 4, "sj_plif": 4}[domain]
    threshold = _number(node, rest)
    reset = None if node.input(rest + 1) is None else _number(node, rest + 1)
    parts = _Parts(node)
    x, v = node.proto.input[0], node.proto.input[1]
    charged = _charged(node, parts, x, v, 0.0 if reset is None else reset)
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


def _charged(node: Node, parts: _Parts, x: str, v: str, rest: float) -> str:
    """Return the membrane before firing."""
    if node.proto.domain == "sj_if":
        return parts.add("Add", v, x)
    rate = _number(node, 2)
    if rate == 0 and node.proto.domain == "sj_lif":
        raise node.unsupported("its time constant is zero")
    rate = 1.0 / rate if node.proto.domain == "sj_lif" else 1.0 / (1.0 + float(np.exp(-rate)))
    share = parts.known("rate", rate)
    above = parts.add("Sub", v, parts.known("rest", rest))
    if _number(node, 3):
        return parts.add("Add", v, parts.add("Mul", parts.add("Sub", x, above), share))
    return parts.add("Add", parts.add("Sub", v, parts.add("Mul", above, share)), x)


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
