"""Integer neurons in torch: a second reading of ``mapper.ir.neurons``, on whole batches."""

from collections.abc import Callable

import torch
from torch import Tensor

from mapper.ir.core import IntType, Scalar, Value
from mapper.ir.leaks import Decay, shifted
from mapper.ir.neurons import IntegerNeuron

Number = Callable[[Scalar], Tensor]


def integer_neuron(number: Number, op: IntegerNeuron, operands: list[Tensor]) -> list[Tensor]:
    """Compute ``mapper.ir.neurons.evaluate_integer_neuron``: spike, if any, membrane, current.

    Args:
        number: Returns a parameter of the op as ``int64``.
        op: A layer of neurons.
        operands: Input, membrane and, where there is one, synaptic current, ``int64 [B, *shape]``.
    """
    x, v = operands[:2]
    drive = (x << op.fraction_bits) + number(op.bias)
    currents: list[Tensor] = []
    if op.current is not None:
        current = _leaked(number, op.current_decay, operands[2]) + drive
        currents = [_saturated(current, op.current)]
        drive = _leaked(number, op.input_decay, currents[0])
    spike, after = _fire_and_reset(number, op, v, drive)
    return [*([] if spike is None else [spike]), after, *currents]


def _fire_and_reset(
    number: Number, op: IntegerNeuron, v: Tensor, drive: Tensor
) -> tuple[Tensor | None, Tensor]:
    """Compute ``mapper.ir.neurons.fire_and_reset``: the output spike, if any, and the membrane."""
    amount, resets = number(op.reset.amount), (op.reset.kind, op.reset.phase)
    delayed = _fires(number, op, v)
    if resets == ("value", "next"):
        v = torch.where(delayed != 0, amount, v)
    u = _leaked(number, op.decay, v) + drive
    if resets == ("subtract", "next"):
        u = u - delayed * amount
    elif resets == ("value", "late"):
        u = torch.where(delayed != 0, amount, u)
    u = _saturated(u, op.membrane)
    guarded = resets == ("subtract", "guarded")
    spike = _fires(number, op, u - delayed * amount if guarded else u)
    if resets == ("value", "same"):
        u = torch.where(spike != 0, amount, u)
    elif guarded or resets == ("subtract", "same"):
        u = u - spike * amount
    if op.floor is not None:
        u = torch.maximum(u, number(op.floor))
    fired = delayed if op.spike_phase == "next" else spike
    return None if op.spike is None else fired, _saturated(u, op.membrane)


def _fires(number: Number, op: IntegerNeuron, u: Tensor) -> Tensor:
    thresholds = number(op.threshold) + int(op.strict)
    if op.levels.is_spike:
        return (u >= thresholds).to(torch.int64)
    level = torch.full_like(u, op.levels.low)
    for threshold in thresholds:
        level = level + (u >= threshold)
    return level


def _leaked(number: Number, decay: Decay, v: Tensor) -> Tensor:
    if decay.kind == "none":
        return v
    if decay.kind == "shift":
        return v - _shifted(v, decay)
    return _shifted(v * number(decay.multiplier), decay)


def _shifted(v: Tensor, decay: Decay) -> Tensor:
    kept: Tensor = shifted(v, decay.shift, decay.rounding)
    return kept


def _saturated(u: Tensor, held: Value) -> Tensor:
    assert isinstance(held.type, IntType)
    return u.clamp(held.type.min, held.type.max)
