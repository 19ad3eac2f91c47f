"""How a neuron fires and resets, in standard ONNX operators, for floats and integers alike."""

from collections.abc import Callable
from dataclasses import dataclass

from mapper.executor.onnx.nodes import Nodes
from mapper.ir.neurons import IntegerNeuron, Neuron


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Tensors that hold what a membrane is compared with, set to, or bounded by."""

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
    at: Levels,
) -> tuple[str, str]:
    """Write ``mapper.ir.neurons.fire_and_reset``: the spike (bool, or "") and the membrane."""
    reset = (op.reset.kind, op.reset.phase)
    late = taken = ""
    if op.reset.phase != "same" or op.spike_phase == "next":
        late = _fires(n, op, v, at)
    if op.reset.kind == "subtract" and op.reset.phase in ("next", "guarded"):
        taken = n.op("Where", late, at.amount, at.zero)
    if reset == ("value", "next"):
        v = n.op("Where", late, at.amount, v)

    u = integrate(v)
    if reset == ("subtract", "next"):
        u = n.op("Sub", u, taken)
    elif reset == ("value", "late"):
        u = n.op("Where", late, at.amount, u)
    u = saturate(u)

    fired = ""
    if op.spike is not None:
        firing = n.op("Sub", u, taken) if op.reset.phase == "guarded" else u
        fired = _fires(n, op, firing, at)
    if reset == ("value", "same"):
        u = n.op("Where", fired, at.amount, u)
    elif op.reset.kind == "subtract" and op.reset.phase in ("same", "guarded"):
        u = n.op("Sub", u, n.op("Where", fired, at.amount, at.zero))
    if op.floor is not None:
        u = n.op("Max", u, at.floor)
    return late if op.spike_phase == "next" else fired, saturate(u)


def _fires(n: Nodes, op: Neuron | IntegerNeuron, u: str, at: Levels) -> str:
    return n.op("Greater" if op.strict else "GreaterOrEqual", u, at.threshold)
