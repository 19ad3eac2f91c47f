"""Spiking neurons as torch modules, and how modules of one time step run over many."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import torch
from torch import Tensor, nn

from mapper.ir.neurons import Phase, ResetPhase
from mapper.training.backends.choose import neurons_backend
from mapper.training.backends.sums import constants
from mapper.training.nets.gradients import fire, held
from targets import NeuronUnit

ResetKind = Literal["subtract", "value", "none"]
Number = float | Tensor
"""One for a layer of neurons, or some that broadcast to those of a sample."""

LEAST_THRESHOLD = 1e-3
"""Below it a threshold learns back."""

_steps: ContextVar[int | None] = ContextVar("steps", default=None)


@contextmanager
def merged_steps(steps: int) -> Iterator[None]:
    """Say that the first axis of every tensor is ``steps`` time steps times the batch."""
    token = _steps.set(steps)
    try:
        yield
    finally:
        _steps.reset(token)


class LIF(nn.Module):
    """Leaky integrate-and-fire neurons: ``v = leak * v + x``, a spike where ``v >= threshold``.

    Input and output are ``[T, B, ...]``, or ``[T * B, ...]`` under ``over_time``. The order is
    that of ``mapper.ir.neurons``: leak and input, fire, reset in the same step.

    Args:
        leak: Share of the membrane potential that stays, 0..1; 1 is an integrate-and-fire neuron.
            Like the other numbers it is one for all neurons, or a tensor that broadcasts to
            those of a sample: ``[C, 1, 1]`` for one a channel.
        threshold: Above 0.
        reset: ``subtract`` takes the threshold away (soft), ``value`` sets the membrane to zero
            (hard), ``none`` leaves it.
        current_leak: Share of the synaptic current that stays; None for neurons without one. With
            it ``i = current_leak * i + x`` and ``v = leak * v + i``.
        learn: Which of ``leak``, ``threshold`` and ``current_leak`` are trained.
        sharpness: Of the surrogate gradient; the higher, the narrower.
        spiking: False for an integrator that never fires and returns its membrane potential.

    ``unit`` is the digital unit of a target, set by ``harden``: leaks are then those that it has.
    ``ImportedLIF`` has the other forms that files hold.
    """

    strict: bool = False
    """Whether a membrane has to pass its threshold, and reaching it is not enough."""
    phase: ResetPhase = "same"
    spike_phase: Phase = "same"

    def __init__(
        self,
        leak: Number = 0.9,
        threshold: Number = 1.0,
        reset: ResetKind = "subtract",
        *,
        current_leak: Number | None = None,
        learn: tuple[str, ...] = (),
        sharpness: float = 1.0,
        spiking: bool = True,
    ) -> None:
        super().__init__()
        _check(leak, threshold, reset, current_leak, learn)
        self.reset: ResetKind = reset if spiking else "none"
        self.sharpness = sharpness
        self.spiking = spiking
        self.unit: NeuronUnit | None = None
        self.leak = _number(leak, "leak" in learn)
        self.threshold = _number(threshold, "threshold" in learn)
        self.current_leak = (
            None if current_leak is None else _number(current_leak, "current_leak" in learn)
        )

    def forward(self, x: Tensor) -> Tensor:
        steps = _steps.get()
        per_step = x if steps is None else x.reshape(steps, -1, *x.shape[1:])
        walk = neurons_backend(per_step) if self._has_program else None
        if walk is None:
            results = torch.stack(list(self._walk(per_step)))
        else:
            results = self._at_once(walk, per_step)
        return results if steps is None else results.flatten(0, 1)

    @property
    def _has_program(self) -> bool:
        """Whether backends know such neurons: those of a layer are alike."""
        return all(number.ndim == 0 for number in self.parameters())

    def _at_once(self, walk: Callable[..., Tensor], x: Tensor) -> Tensor:
        """Run all time steps in one program."""
        leak, threshold = self.bounded()
        currents = self.bounded_current_leak()
        return walk(x, leak, threshold, currents, self.reset, self.sharpness, spiking=self.spiking)

    def _walk(self, x: Tensor) -> Iterator[Tensor]:
        leak, threshold = self.bounded()
        current_leak = self.bounded_current_leak()
        v = i = torch.zeros_like(x[0])
        for drive in x:
            if current_leak is not None:
                drive = i = current_leak * i + drive
            v = leak * v + drive
            if not self.spiking:
                yield v
                continue
            spike = fire(v - threshold, self.sharpness)
            yield spike
            v = self._after(v, spike.detach(), threshold)

    def _after(self, v: Tensor, spike: Tensor, threshold: Tensor) -> Tensor:
        """Reset; the gradient does not pass through the decision to."""
        if self.reset == "subtract":
            return v - spike * threshold
        if self.reset == "value":
            return v * (1 - spike)
        return v

    def bounded(self) -> tuple[Tensor, Tensor]:
        """Return leak and threshold as they are used: 0..1, and at least a tiny number."""
        return self._available(self.leak), held(self.threshold, LEAST_THRESHOLD)

    def bounded_current_leak(self) -> Tensor | None:
        """Return the leak of the synaptic current as it is used, if there is one."""
        return None if self.current_leak is None else self._available(self.current_leak)

    def numbers(self) -> dict[str, Tensor]:
        """Return what ``mapper.ir.neurons`` has as numbers of such neurons, by its names."""
        leak, threshold = self.bounded()
        found = {"leak": leak, "threshold": threshold}
        current_leak = self.bounded_current_leak()
        if current_leak is not None:
            one = torch.ones_like(current_leak)
            found |= {"current_leak": current_leak, "current_input": one}
            found |= {"current_gain": current_leak}
        return found

    def reset_amount(self) -> Tensor:
        """Return what a reset takes away, or sets the membrane to."""
        threshold = self.bounded()[1]
        return threshold if self.reset == "subtract" else torch.zeros_like(threshold)

    def _available(self, leak: Tensor) -> Tensor:
        """Return a leak that the hardware has; its gradient passes as if it were the wanted one."""
        leak = held(leak, 0, 1)
        if self.unit is None:
            return leak
        nearest = nearest_leak(leak.detach(), self.unit).to(leak.dtype)
        return nearest + (leak - leak.detach())

    def extra_repr(self) -> str:
        leak, threshold = map(shown, self.bounded())
        return f"leak={leak}, threshold={threshold}, {self.form()}"

    def form(self) -> str:
        """Say what neurons do with their numbers, which training does not change."""
        return f"reset={self.reset!r}" + ("" if self.spiking else ", spiking=False")


def shown(number: Number) -> str:
    """Say a number, or the least and the greatest of several."""
    least, greatest = (f"{end:.4g}" for end in ends(number))
    return least if least == greatest else f"{least}..{greatest}"


def nearest_leak(leak: Tensor, unit: NeuronUnit) -> Tensor:
    """Return what ``passes.integers.neuron_units`` makes of a leak, without a look from the CPU."""
    wide = leak.double()
    if "multiply" in unit.leaks:
        return (wide * (1 << unit.leak_bits)).round() / (1 << unit.leak_bits)
    if "shift" not in unit.leaks:
        return wide
    table = constants(tuple(1 - 2.0**-k for k in range(1, 16)), torch.float64, leak.device)
    nearest = table.take((table - wide.unsqueeze(-1)).abs().argmin(dim=-1))
    return torch.where((wide > 0) & (wide < 1), nearest, wide)


def _number(value: Number, learned: bool) -> nn.Parameter:
    number = torch.as_tensor(value, dtype=torch.get_default_dtype())
    return nn.Parameter(number.detach().clone(), requires_grad=learned)


def _check(
    leak: Number,
    threshold: Number,
    reset: str,
    current_leak: Number | None,
    learn: tuple[str, ...],
) -> None:
    for name, share in (("leak", leak), ("current_leak", current_leak)):
        if share is not None and not all(0 <= end <= 1 for end in ends(share)):
            raise ValueError(f"{name} is a share from 0 to 1, got {share}")
    if not ends(threshold)[0] > 0:
        raise ValueError(f"threshold must be above 0, got {threshold}")
    if reset not in ("subtract", "value", "none"):
        raise ValueError(f"reset is 'subtract', 'value' or 'none', got {reset!r}")
    unknown = set(learn) - {"leak", "threshold", "current_leak"}
    if unknown:
        raise ValueError(f"learn names {sorted(unknown)}, which no neuron has")


def ends(number: Number) -> tuple[float, float]:
    """Return the least and the greatest of the numbers of a layer; NaN where one is."""
    if not isinstance(number, Tensor):
        return float(number), float(number)
    numbers = number.detach().double()
    return float(numbers.min()), float(numbers.max())
