"""The module or the function of torch for each op of a network, or why there is none."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mapper.ir.core import Array, Constants, Op
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Move,
    Reshape,
    Scale,
    SumPool2d,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear, Synapse
from mapper.ir.tables import OpTable
from mapper.ir.windows import Pair, Sides, Window
from mapper.training.importing.neurons import Wishes, neurons, numbers_of, untrainable
from mapper.training.nets.imported import FrozenNorm, Rearranged
from mapper.training.nets.modules import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of torch that takes the operands two by two, or ``together`` as one list."""

    function: Callable[..., Any]
    together: bool = False
    dim: int | None = None


def counterpart(op: Op, constants: Constants, wishes: Wishes) -> nn.Module | Function:
    """Return what computes an op on ``[B, ...]``; neurons, over time.

    Raises:
        TrainingError: ``not-trainable``: nothing does.
    """
    make = COUNTERPARTS.entry(type(op))
    if make is None:
        raise untrainable(f"{op.label or op.mnemonic}: {COUNTERPARTS.reason(type(op))}")
    return make(op, constants, wishes)


_Make = Callable[[Any, Constants, Wishes], nn.Module | Function]


# --- layers of weights ---------------------------------------------------------------------------


def _linear(op: Linear, constants: Constants, wishes: Wishes) -> nn.Module:
    outputs, inputs = constants[op.weight.name].shape
    layer = nn.Linear(inputs, outputs, bias=op.bias is not None, device="meta")
    return _filled(layer, op, constants)


def _convolution(op: Conv2d, constants: Constants, wishes: Wishes) -> nn.Module:
    layer = nn.Conv2d(op.x.shape[0], op.result.shape[0], **_geometry(op))
    return _filled(layer, op, constants)


def _transposed(op: ConvTranspose2d, constants: Constants, wishes: Wishes) -> nn.Module:
    most = [max(pair) for pair in zip(op.stride, op.dilation, strict=True)]
    if any(own >= limit for own, limit in zip(op.output_padding, most, strict=True)):
        raise untrainable(
            f"output padding is {op.output_padding}, torch has less than stride or dilation, "
            f"{tuple(most)}"
        )
    options = {**_geometry(op), "output_padding": op.output_padding}
    layer = nn.ConvTranspose2d(op.x.shape[0], op.result.shape[0], **options)
    return _filled(layer, op, constants)


def _geometry(op: Conv2d | ConvTranspose2d) -> dict[str, Any]:
    return {
        "kernel_size": op.kernel,
        "stride": op.stride,
        "padding": _alike(op.padding),
        "dilation": op.dilation,
        "groups": op.groups,
        "bias": op.bias is not None,
        "device": "meta",
    }


def _filled(layer: nn.Module, op: Synapse, constants: Constants) -> nn.Module:
    """Give a layer, which has none yet, its numbers."""
    for name, const in (("weight", op.weight), ("bias", op.bias)):
        if const is not None:
            setattr(layer, name, nn.Parameter(_tensor(constants[const.name])))
    return layer


def _alike(padding: Sides) -> Pair:
    top, left, bottom, right = padding
    if (top, left) != (bottom, right) or min(padding) < 0:
        raise untrainable(
            f"padding at top, left, bottom and right is {padding}, layers and pools of torch have "
            "the same on both sides, 0 or more",
            help="train it with such padding",
        )
    return top, left


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))


# --- between layers ------------------------------------------------------------------------------


def _norm(op: Scale, constants: Constants, wishes: Wishes) -> nn.Module:
    table = [
        np.broadcast_to(numbers_of(scalar, constants), op.x.shape)
        for scalar in (op.factor, op.offset)
    ]
    channels = [array.reshape(array.shape[0], -1)[:, 0] for array in table]
    for array, own in zip(table, channels, strict=True):
        if not np.array_equal(
            array, np.broadcast_to(own.reshape(-1, *[1] * (array.ndim - 1)), array.shape)
        ):
            raise untrainable("a factor or an offset differs within a channel")
    return FrozenNorm(*map(_tensor, channels))


def _max_pool(op: MaxPool2d, constants: Constants, wishes: Wishes) -> nn.Module:
    return nn.MaxPool2d(**_window(op.window))


def _avg_pool(op: AvgPool2d, constants: Constants, wishes: Wishes) -> nn.Module:
    return nn.AvgPool2d(**_window(op.window))


def _sum_pool(op: SumPool2d, constants: Constants, wishes: Wishes) -> nn.Module:
    return nn.AvgPool2d(**_window(op.window), divisor_override=1)


def _window(window: Window) -> dict[str, Any]:
    if window.dilation != (1, 1):
        raise untrainable(f"a pool has dilation {window.dilation}, pools that train have none")
    padding = _alike(window.padding)
    if any(2 * side > size for side, size in zip(padding, window.kernel, strict=True)):
        raise untrainable(
            f"a pool of {window.kernel} is padded by {padding}, torch pads by at most half of it"
        )
    return {"kernel_size": window.kernel, "stride": window.stride, "padding": padding}


def _add(op: Add, constants: Constants, wishes: Wishes) -> Function:
    return Function(function=operator.add)


def _concat(op: Concat, constants: Constants, wishes: Wishes) -> Function:
    if op.axis != 0:
        raise untrainable(f"axis {op.axis} is joined, modules that train join channels, axis 0")
    return Function(function=torch.cat, together=True, dim=1)


def _gate(op: Merge, constants: Constants, wishes: Wishes) -> nn.Module:
    return Gate(op.kind)


def _moved(op: Move, constants: Constants, wishes: Wishes) -> nn.Module:
    return Rearranged(replace(op, loc=""))


def _reshaped(op: Reshape, constants: Constants, wishes: Wishes) -> nn.Module:
    if op.result.shape == (prod(op.x.shape),):
        return nn.Flatten()
    return _moved(op, constants, wishes)


def _multiply(op: Multiply, constants: Constants, wishes: Wishes) -> Function:
    return Function(function=operator.mul)


def _matmul(op: MatMul, constants: Constants, wishes: Wishes) -> Function:
    return Function(function=torch.matmul)


_INTEGERS = "it is of integers, and no longer of the network that was trained"

COUNTERPARTS: OpTable[_Make] = OpTable(
    what="modules of ops",
    entries={
        Linear: _linear,
        Conv2d: _convolution,
        ConvTranspose2d: _transposed,
        Neuron: neurons,
        Scale: _norm,
        MaxPool2d: _max_pool,
        AvgPool2d: _avg_pool,
        SumPool2d: _sum_pool,
        Add: _add,
        Concat: _concat,
        Merge: _gate,
        Multiply: _multiply,
        MatMul: _matmul,
        Move: _moved,
        Reshape: _reshaped,
    },
    without={
        FakeQuantize: "values that are rounded to a grid are not trained; export the network "
        "before it was quantised",
        IntegerNeuron: _INTEGERS,
        ScaledAdd: _INTEGERS,
        CrossbarMvm: _INTEGERS,
        CountActive: _INTEGERS,
        SenseAmpRead: _INTEGERS,
        AdcRead: _INTEGERS,
        ShiftAndAdd: _INTEGERS,
    },
)
"""What of torch computes an op of a network as it is imported."""
