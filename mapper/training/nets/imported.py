"""What files of other libraries hold and ours do not write: neurons, norms and wires."""

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mapper.ir.core import Value
from mapper.ir.network import Move, Reshape
from mapper.ir.neurons import Phase, ResetPhase
from mapper.training.nets.gradients import fire
from mapper.training.nets.neurons import LIF, Number, shown
from mapper.training.nets.refused import refused


class ImportedLIF(LIF):
    """LIF neurons in every form of ``mapper.ir.neurons.Neuron``, to the bit in single precision.

    ``u = leak * v + (current_gain * i + gain * x) + bias``, and where there is a synaptic current
    ``i' = current_leak * i + current_input * x``. A program for all time steps is only there for
    plain ``LIF``: torch takes these step by step.

    Args:
        leak, threshold, reset, current_leak, learn, sharpness, spiking: As for ``LIF``.
        strict: Whether they fire above their threshold alone (snnTorch, Norse).
        phase: When a reset happens, as ``Reset`` has it: ``next`` is snnTorch's.
        spike_phase: ``next`` for spikes that leave one step late (Spyx).
        gain, bias: Of the input (SpikingJelly, Norse).
        amount: What a reset takes away, or sets the membrane to. Where None that is the threshold,
            which may learn, or zero.
        floor: Least membrane potential after a reset (sinabs), if there is one.
        current_input, current_gain: What the current takes of the input, and the membrane of the
            current. Where ``current_leak`` learns the one follows it that did before.
    """

    gain: Tensor
    bias: Tensor
    amount: Tensor | None
    floor: Tensor | None
    current_input: Tensor
    current_gain: Tensor
    current_start: Tensor

    def __init__(
        self,
        *args: Any,
        strict: bool = False,
        phase: ResetPhase = "same",
        spike_phase: Phase = "same",
        gain: Number = 1.0,
        bias: Number = 0.0,
        amount: Number | None = None,
        floor: Number | None = None,
        current_input: Number = 1.0,
        current_gain: Number = 0.0,
        **named: Any,
    ) -> None:
        super().__init__(*args, **named)
        self.strict, self.phase, self.spike_phase = strict, phase, spike_phase
        held = {"gain": gain, "bias": bias, "amount": amount, "floor": floor}
        if self.current_leak is not None:
            held |= {"current_input": current_input, "current_gain": current_gain}
            held |= {"current_start": self.current_leak}
        for name, number in held.items():
            kept = None if number is None else torch.as_tensor(number, dtype=self.leak.dtype)
            self.register_buffer(name, None if kept is None else kept.detach().clone())

    @property
    def _has_program(self) -> bool:
        return False

    def numbers(self) -> dict[str, Tensor]:
        found = super().numbers() | {"gain": self.gain, "bias": self.bias}
        if self.floor is not None:
            found["floor"] = self.floor
        if "current_leak" in found:
            current_leak, start = found["current_leak"], self.current_start
            one = torch.ones_like(start)  # no gradient passes a division by zero
            divided = current_leak / torch.where(start == 0, one, start)
            changed = torch.where(start == 0, one, divided)  # exactly 1 at first
            taken, given = self.current_input, self.current_gain
            after = torch.equal(taken, start)  # the current leaks after its input, as in Norse
            found["current_input"] = taken * changed if after else taken
            found["current_gain"] = given if after else given * changed
        return found

    def reset_amount(self) -> Tensor:
        return super().reset_amount() if self.amount is None else self.amount

    def _walk(self, x: Tensor) -> Iterator[Tensor]:
        numbers = self.numbers()
        v = i = torch.zeros_like(x[0])
        for given in x:
            drive = numbers["gain"] * given
            if self.current_leak is not None:
                drive = numbers["current_gain"] * i + drive
                i = numbers["current_leak"] * i + numbers["current_input"] * given
            spike, v = self._step(v, drive, numbers)
            yield v if spike is None else spike

    def _step(
        self, v: Tensor, drive: Tensor, numbers: dict[str, Tensor]
    ) -> tuple[Tensor | None, Tensor]:
        """Return spikes and membranes as ``mapper.ir.neurons.fire_and_reset`` has them."""
        threshold, amount = numbers["threshold"], self.reset_amount()
        delayed, before = v.new_zeros(()), None
        if self.phase != "same" or self.spike_phase == "next":
            before = self._fired(v, threshold)
            delayed = before.detach()
        if self._resets("value", "next"):
            v = torch.where(delayed == 1, amount, v)
        u = (numbers["leak"] * v + drive) + numbers["bias"]
        if self._resets("subtract", "next"):
            u = u - delayed * amount
        elif self._resets("value", "late"):
            u = torch.where(delayed == 1, amount, u)
        spike = None
        if self.spiking:
            guarded = self._resets("subtract", "guarded")
            spike = self._fired(u - delayed * amount if guarded else u, threshold)
            if self._resets("value", "same"):
                u = torch.where(spike.detach() == 1, amount, u)
            elif guarded or self._resets("subtract", "same"):
                u = u - spike.detach() * amount
        if "floor" in numbers:
            u = torch.maximum(u, numbers["floor"])
        return (before if self.spike_phase == "next" else spike), u

    def _resets(self, reset: str, phase: str) -> bool:
        return (self.reset, self.phase) == (reset, phase)

    def _fired(self, u: Tensor, threshold: Tensor) -> Tensor:
        return fire(u - threshold, self.sharpness, strict=self.strict)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, gain={shown(self.gain)}"

    def form(self) -> str:
        said = [super().form(), f"strict={self.strict}", f"phase={self.phase!r}"]
        return ", ".join([*said, f"spike_phase={self.spike_phase!r}"])


class FrozenNorm(nn.BatchNorm2d):
    """A batch norm in the form that files have: ``factor * x + offset`` for each channel.

    The moments it was trained with are folded into the two numbers, so none are taken from
    batches, in training neither. ``weight`` is the factor and ``bias`` the offset; they learn, and
    a target's limits of factors are those of other batch norms.
    """

    def __init__(self, factor: Tensor, offset: Tensor) -> None:
        super().__init__(len(factor), eps=0.0)
        with torch.no_grad():
            self.weight.copy_(factor)
            self.bias.copy_(offset)

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return x * self.weight.reshape(shape) + self.bias.reshape(shape)


class Rearranged(nn.Module):
    """The elements of each sample ``[B, ...]`` at other places: wires and nothing else."""

    _source: Tensor | None = None
    """Which element of a flat sample each one of the result is, once one has been seen: a file may
    have any number of such modules, and a table takes 8 bytes an element."""

    def __init__(self, op: Move) -> None:
        super().__init__()
        (x,), (result,) = op.operands, op.results
        self.op, self.given, self.wanted = op, x.shape, result.shape

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != self.given:
            given = list(x.shape[1:])
            raise refused("input-shape", f"{list(self.given)} are rearranged, not {given}")
        if not isinstance(self.op, Reshape):
            x = x.flatten(1).index_select(1, self._source_on(x.device))
        return x.reshape(len(x), *self.wanted)

    def _source_on(self, device: torch.device) -> Tensor:
        if self._source is None or self._source.device != device:
            numbers = np.arange(math.prod(self.given)).reshape(1, *self.given)
            moved = np.ascontiguousarray(self.op.moved(numbers).reshape(-1))
            with torch.inference_mode(False):  # it may be of use in training later
                self._source = torch.from_numpy(moved).to(device)
        return self._source

    def written(self, x: Value, result: Value) -> Move:
        """Return the op on other values."""
        return replace(self.op, x=x, result=result)  # type: ignore[call-arg]  # all moves have them

    def extra_repr(self) -> str:
        told = [f"{list(self.given)} -> {list(self.wanted)}"]
        for field in fields(self.op):  # how elements are moved: an order, indices of an axis
            if field.name not in ("x", "result", "loc"):
                told.append(f"{field.name}={getattr(self.op, field.name)}")
        return ", ".join([self.op.mnemonic, *told])
