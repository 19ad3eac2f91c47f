"""How a neuron fires and resets, in standard ONNX operators, for floats and integers alike."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from mapper.executor.onnx.nodes import Nodes
from mapper.ir.levels import RoundedLevels
from mapper.ir.neurons import IntegerNeuron, Neuron


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Tensors that hold what a membrane is compared with, set to, or bounded by.

    Of several levels, ``threshold`` holds ``[levels - 1, ...]`` in integers.
    """

    threshold: str
    amount: str
    zero: str
    floor: str = ""


def fire_and_reset(
    n: Nodes,
    op: Neuron | IntegerNeuron,
    v: str,
    integrate: Callable[[str], str],
    saturate: Callable[[str], str],
    at: Compared,
) -> tuple[str, str]:
    """Write ``mapper.ir.neurons.fire_and_reset``: the spike, or "", and the membrane.

    The spike is a bool; with several levels, a number of the membrane's type.
    """
    reset = (op.reset.kind, op.reset.phase)
    late = taken = ""
    if op.reset.phase != "same" or op.spike_phase == "next":
        late = _fires(n, op, v, at)
    if op.reset.kind == "subtract" and op.reset.phase in ("next", "guarded"):
        taken = _taken(n, op, late, at)
    if reset == ("value", "next"):
        v = n.op("Where", _any(n, op, late), at.amount, v)

    u = integrate(v)
    if reset == ("subtract", "next"):
        u = n.op("Sub", u, taken)
    elif reset == ("value", "late"):
        u = n.op("Where", _any(n, op, late), at.amount, u)
    u = saturate(u)

    fired = ""
    if op.spike is not None:
        firing = n.op("Sub", u, taken) if op.reset.phase == "guarded" else u
        fired = _fires(n, op, firing, at)
    if reset == ("value", "same"):
        u = n.op("Where", _any(n, op, fired), at.amount, u)
    elif op.reset.kind == "subtract" and op.reset.phase in ("same", "guarded"):
        u = n.op("Sub", u, _taken(n, op, fired, at))
    if op.floor is not None:
        u = n.op("Max", u, at.floor)
    return late if op.spike_phase == "next" else fired, saturate(u)


def _fires(n: Nodes, op: Neuron | IntegerNeuron, u: str, at: Compared) -> str:
    compare = "Greater" if op.strict else "GreaterOrEqual"
    if op.levels.is_spike:
        return n.op(compare, u, at.threshold)
    if isinstance(op.levels, RoundedLevels):
        return _rounded(n, op.levels, n.op("Div", u, at.threshold), op.strict)
    reached = n.op(compare, n.unsqueeze(u, 0), at.threshold)
    counted = n.sum(n.cast(reached, np.int64), 0)
    return n.op("Add", counted, n.number(op.levels.low)) if op.levels.low else counted


def _rounded(n: Nodes, levels: RoundedLevels, q: str, strict: bool) -> str:
    """Write ``RoundedLevels.of``."""

    def clipped(x: str, low: int, high: int) -> str:
        bounds = (n.op("Constant", value_float=float(end)) for end in (low, high))
        return n.op("Clip", x, *bounds)

    if levels.rounding == "half-even":
        return clipped(n.op("Round", q), levels.low, levels.high)
    if levels.rounding == "half-up":
        raised = n.op("Add", q, n.op("Constant", value_float=0.5))
        return clipped(n.op("Floor", raised), levels.low, levels.high)
    if levels.rounding == "half-down":
        lowered = n.op("Sub", q, n.op("Constant", value_float=0.5))
        return clipped(n.op("Ceil", lowered), levels.low, levels.high)
    up, down = n.op("Floor", q), n.op("Ceil", q)
    if strict:
        one = n.op("Constant", value_float=1.0)
        up, down = n.op("Sub", down, one), n.op("Add", up, one)
    up = clipped(up, 0, levels.high)
    return n.op("Add", up, clipped(down, levels.low, 0)) if levels.low else up


def _any(n: Nodes, op: Neuron | IntegerNeuron, spike: str) -> str:
    """Return a bool: whether a neuron gives any level but 0."""
    return spike if op.levels.is_spike else n.op("Cast", spike, to=TensorProto.BOOL)


def _taken(n: Nodes, op: Neuron | IntegerNeuron, spike: str, at: Compared) -> str:
    if op.levels.is_spike:
        return n.op("Where", spike, at.amount, at.zero)
    return n.op("Mul", spike, at.amount)
