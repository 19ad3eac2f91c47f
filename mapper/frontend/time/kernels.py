"""Convolutions whose kernel lies over time: layers of what was sent some steps before.

A tap that stands ``d`` steps back weighs what its channel sent ``d`` steps ago. Where every channel
has a kernel of its own, currents or spikes wait; where every synapse has one, as with learned
delays (DCLS), the layer reads delayed copies of its inputs side by side: those with a tap that is
not 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from mapper.frontend.time.cut import live_steps
from mapper.frontend.time.delays import among_zeros, arrived, zeros_first
from mapper.frontend.time.parts import Inputs, bundled, check_parts, number, setting
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Part,
    Single,
    Slot,
    Tape,
    Tensor,
    TimeFormError,
)
from mapper.ir.core import Array

_AHEAD_HELP = (
    "pad as many zeros before the first step as the kernel is long, less one, and none behind"
)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Kernel:
    """A kernel that slides over the time axis of what it reads, and perhaps others."""

    proto: NodeProto
    taps: Mapping[int, Array]
    """By how many steps they stand back, ``[O, C/groups, ...]`` of the other axes."""
    bias: Known | None
    groups: int
    channels: int
    place: int
    """Of the time axis among those that it slides over."""
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    """Of all axes that it slides over, those before first."""

    @property
    def is_point(self) -> bool:
        """Whether it slides over time alone, or not at all."""
        sizes = next(iter(self.taps.values())).shape[2:]
        others = [k for k in range(len(self.strides)) if k != self.place]
        pads = [self.pads[k] + self.pads[k + len(self.strides)] for k in others]
        return not any(pads) and all(n == 1 for n in (*sizes, *(self.strides[k] for k in others)))

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel has a kernel of its own and no other."""
        outputs, inputs = next(iter(self.taps.values())).shape[:2]
        return bool(inputs == 1 and self.groups == outputs == self.channels)


def convolved(tape: Tape, proto: NodeProto, inputs: Inputs) -> Single | None:
    """Return a convolution over the time axis as a layer behind delays; None of any other node.

    Raises:
        TimeFormError: It reads steps that come later, or leaves steps out.
    """
    tensor, weight = inputs[0], inputs[1]
    bias = inputs[2] if len(inputs) > 2 else None
    if not isinstance(tensor, Bundle) or not isinstance(weight, Known) or tensor.axis < 2:
        return None
    axes = len(tensor.shape) - 2
    pads = _numbers(proto, "pads", 2 * axes, 0)
    automatic = setting(proto, "auto_pad", b"NOTSET") not in (b"NOTSET", "NOTSET")
    known_bias = bias is None or isinstance(bias, Known)
    groups = number(proto, "group", 1)
    fits = weight.array.ndim == axes + 2 and weight.shape[1] * groups == tensor.shape[1]
    if automatic or pads is None or min(pads) < 0 or not known_bias or not fits:
        return None
    strides, dilations = (_numbers(proto, name, axes, 1) for name in ("strides", "dilations"))
    if strides is None or dilations is None or weight.shape[0] % groups:
        return None
    place = tensor.axis - 2
    check_parts(tape, len(tensor.parts) + pads[place] + pads[place + axes], proto)
    steps = among_zeros(tape, tensor, pads[place], pads[place + axes])
    late = zeros_first(steps)
    told = [tape.level(part) for part in steps[late:] if isinstance(part, Slot)]
    if told != list(range(tape.length)):
        return None
    each = [weight.array.take(j, tensor.axis) for j in range(weight.shape[tensor.axis])]
    kernel = _Kernel(
        proto=proto,
        taps={late - j * dilations[place]: taps for j, taps in enumerate(each) if taps.any()},
        bias=bias if isinstance(bias, Known) else None,
        groups=groups,
        channels=tensor.shape[1],
        place=place,
        strides=strides,
        dilations=dilations,
        pads=pads,
    )
    length = len(steps) - (len(each) - 1) * dilations[place]
    _check_causal(tape, kernel, length)
    return bundled(tensor.axis, _of_all(tape, kernel, steps, late, length))


def _numbers(proto: NodeProto, name: str, count: int, default: int) -> tuple[int, ...] | None:
    given = setting(proto, name, [default] * count)
    if not isinstance(given, Sequence) or len(given) != count:
        return None
    return tuple(int(n) for n in given)


def _check_causal(tape: Tape, kernel: _Kernel, length: int) -> None:
    told, place = None, tape.place(kernel.proto)
    if kernel.strides[kernel.place] != 1:
        told = f"has a stride of {kernel.strides[kernel.place]} time steps, where 1 is read"
    elif not kernel.taps:
        told = "has no tap that is not 0"
    elif min(kernel.taps) < 0:
        told = f"reads time step t + {-min(kernel.taps)} for step t"
    elif length < tape.length:
        told = f"gives {length} of {tape.length} time steps, as nothing is padded before the first"
    if told is not None:
        raise TimeFormError(f"{kernel.proto.op_type}: its kernel {told}", place, _AHEAD_HELP)


def _of_all(
    tape: Tape, kernel: _Kernel, steps: Sequence[Part], late: int, length: int
) -> list[Part]:
    """Return what it gives in every step; those behind the last of the input are noted as such."""
    made: list[Part] = []
    for t in range(length):
        if t < tape.length:
            copies = {d: arrived(tape, steps, late, t, d, kernel.proto) for d in kernel.taps}
            made.append(_weighed(tape, kernel, copies))
            continue
        slot = tape.slot(made[0].shape)
        tape.beyond[slot] = t
        made.append(slot)
    return made


def check_ends(tape: Tape, outputs: Iterable[Tensor]) -> None:
    """Refuse steps behind the last of the input, where outputs are made of them."""
    if not tape.beyond:
        return
    roots = {
        part
        for tensor in outputs
        for part in (tensor.parts if isinstance(tensor, Bundle) else (tensor,))
        if isinstance(part, Slot)
    }
    needed = roots.union(*(step.slots for step in live_steps(tape, list(roots))))
    used = [t for slot, t in tape.beyond.items() if slot in needed]
    if used:
        raise TimeFormError(
            f"a convolution over time goes on behind the last step: {max(used) + 1} steps are made "
            f"of {tape.length}",
            help="pad zeros before the first step alone, or cut off what they add behind the last",
        )


def _weighed(tape: Tape, kernel: _Kernel, copies: Mapping[int, Part]) -> Part:
    if kernel.is_depthwise and kernel.is_point:
        return _joined(tape, kernel, copies)
    beside, weights = _side_by_side(tape, kernel, copies)
    like = kernel.proto
    held = [tape.known(weights), *([] if kernel.bias is None else [kernel.bias])]
    shape = beside.shape
    if kernel.groups == 1 and kernel.is_point and all(n == 1 for n in shape[2:]):
        held[0] = tape.known(weights.reshape(weights.shape[:2]))
        flat = tape.reshaped(beside, shape[:2], like)
        (result,) = tape.emit(_named(like, "Gemm", transB=1), [flat, *held])
        return tape.reshaped(result, (shape[0], len(weights), *shape[2:]), like)
    others = [k for k in range(len(shape) - 2) if k != kernel.place or len(shape) == 3]
    flat = tape.reshaped(beside, (*shape[:2], *(shape[2 + k] for k in others)), like)
    (result,) = tape.emit(_without_time(kernel, weights, others), [flat, *held])
    gone = list(result.shape)
    if len(shape) > 3:
        gone.insert(2 + kernel.place, 1)
    return tape.reshaped(result, gone, like)


def _named(like: NodeProto, op: str, **attributes: Any) -> NodeProto:
    return helper.make_node(op, [], [""], name=like.name, **attributes)


def _without_time(kernel: _Kernel, weights: Array, others: Sequence[int]) -> NodeProto:
    """Return the convolution of one time step over the axes that are left."""
    every, count = kernel.proto, len(kernel.strides)
    on_time = others == [kernel.place]  # the only axis, of one element
    picked = [*others, *(k + count for k in others)]
    return _named(
        every,
        "Conv",
        group=kernel.groups,
        kernel_shape=list(weights.shape[2:]),
        strides=[kernel.strides[k] for k in others],
        dilations=[1 if on_time else kernel.dilations[k] for k in others],
        pads=[0 if on_time else kernel.pads[k] for k in picked],
    )


def _side_by_side(tape: Tape, kernel: _Kernel, copies: Mapping[int, Part]) -> tuple[Part, Array]:
    """Return the delayed copies that a layer reads, joined by channels, and weights to match."""
    like, per_group = kernel.proto, kernel.channels // kernel.groups
    chosen = {
        d: np.flatnonzero(np.moveaxis(taps != 0, 1, 0).reshape(per_group, -1).any(axis=1))
        if kernel.groups == 1
        else np.arange(per_group)
        for d, taps in kernel.taps.items()
    }
    delays = sorted(kernel.taps)
    parts = [
        copies[d]
        if kernel.groups > 1 or len(chosen[d]) == per_group
        else tape.one("Gather", [copies[d], tape.known(chosen[d])], like, axis=1)
        for d in delays
    ]
    beside = parts[0] if len(parts) == 1 else tape.one("Concat", parts, like, axis=1)
    weights = np.concatenate([kernel.taps[d][:, chosen[d]] for d in delays], axis=1)
    if kernel.groups > 1 and len(delays) > 1:  # all that a group reads stands side by side
        order = np.arange(len(delays) * kernel.channels)
        order = order.reshape(len(delays), kernel.groups, per_group).swapaxes(0, 1).reshape(-1)
        beside = tape.one("Gather", [beside, tape.known(order)], like, axis=1)
    if len(kernel.strides) == 1:
        weights = weights[..., np.newaxis]
    return beside, np.ascontiguousarray(weights)


def _joined(tape: Tape, kernel: _Kernel, copies: Mapping[int, Part]) -> Part:
    """Put channels together: of one delay each side by side, of several as a sum."""
    like = kernel.proto
    masks = np.stack([kernel.taps[d].reshape(-1) for d in copies])
    one_each = ((masks != 0).sum(axis=0) == 1).all() and (masks.sum(axis=0) == 1).all()
    if one_each and kernel.bias is None:
        return _picked(tape, kernel, list(copies.values()), masks)
    axes = (1,) * len(kernel.strides)
    terms = [
        tape.one("Mul", [part, tape.known(taps.reshape(1, -1, *axes).astype(np.float32))], like)
        for part, taps in zip(copies.values(), masks, strict=True)
    ]
    total = terms[0]
    if kernel.bias is not None:
        terms.append(tape.known(kernel.bias.array.reshape(1, -1, *axes)))
    for term in terms[1:]:
        total = tape.one("Add", [total, term], like)
    return total


def _picked(tape: Tape, kernel: _Kernel, parts: Sequence[Part], masks: Array) -> Part:
    """Take each channel from the one copy in which its tap is."""
    like = kernel.proto
    chosen = [np.flatnonzero(mask) for mask in masks]
    groups = [
        tape.one("Gather", [part, tape.known(channels.astype(np.int64))], like, axis=1)
        for part, channels in zip(parts, chosen, strict=True)
    ]
    joined = groups[0] if len(groups) == 1 else tape.one("Concat", groups, like, axis=1)
    order = np.argsort(np.concatenate(chosen)).astype(np.int64)
    if np.array_equal(order, np.arange(len(order))):
        return joined
    return tape.one("Gather", [joined, tape.known(order)], like, axis=1)
