"""Neurons written as the libraries write them, for networks to export with torch.

Neurons are modules ``(current, states) -> (spike, states)``. A test that imports this is skipped
where torch is not installed.
"""

import pytest

torch = pytest.importorskip("torch", reason="exports models with torch, which is not installed")
nn = torch.nn


def above(level):
    return (level > 0).to(level)


def reached(level):
    return (level >= 0).to(level)


class SnnTorchLeaky(nn.Module):
    """Leaky and its relatives: reset by the spike of the step before."""

    def __init__(
        self, beta=0.8, threshold=1.0, reset="subtract", delay=True, late=False, factor=1.0
    ):
        super().__init__()
        self.register_buffer("beta", torch.as_tensor(beta))
        self.register_buffer("threshold", torch.as_tensor(threshold))
        self.register_buffer("factor", torch.as_tensor(factor))
        self.reset, self.delay, self.late = reset, delay, late

    def forward(self, x, states):
        (mem,) = states
        before = above(mem - self.threshold)
        beta = self.beta.clamp(0, 1)
        if self.reset == "subtract":
            mem = beta * mem + x - before * self.threshold
        elif self.reset == "none":
            mem = beta * mem + x
        elif self.late:
            mem = (beta * mem + x) - before * (beta * mem + x)
        else:
            mem = beta * ((1 - before) * mem) + x
        spike = above(mem - self.threshold) * self.factor
        if not self.delay:
            again = spike / self.factor - before
            mem = mem - again * (self.threshold if self.reset == "subtract" else mem)
        return spike, (mem,)


class SnnTorchSynaptic(nn.Module):
    states = 2

    def __init__(self, alpha=0.9, beta=0.8, reset="subtract"):
        super().__init__()
        self.register_buffer("alpha", torch.as_tensor(alpha))
        self.register_buffer("beta", torch.as_tensor(beta))
        self.reset = reset

    def forward(self, x, states):
        syn, mem = states
        before = above(mem - 1.0)
        syn = self.alpha.clamp(0, 1) * syn + x
        mem = self.beta.clamp(0, 1) * mem + syn
        mem = mem - before if self.reset == "subtract" else mem - before * mem
        return above(mem - 1.0), (syn, mem)


class SnnTorchRecurrent(nn.Module):
    """RLeaky: its own spikes come back through weights, or one to one."""

    states = 2

    def __init__(self, recurrent, beta=0.9):
        super().__init__()
        self.register_buffer("beta", torch.as_tensor(beta))
        self.recurrent = recurrent

    def forward(self, x, states):
        spk, mem = states
        before = above(mem - 1.0)
        mem = self.beta.clamp(0, 1) * mem + x + self.recurrent(spk) - before
        spk = above(mem - 1.0)
        return spk, (spk, mem)


class OneToOne(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights))

    def forward(self, spikes):
        return spikes * self.weights


class Lapicque(nn.Module):
    def __init__(self, resistance=5.0, capacity=1e-3, step=1e-3):
        super().__init__()
        self.register_buffer("r", torch.as_tensor(resistance))
        self.register_buffer("c", torch.as_tensor(capacity))
        self.register_buffer("dt", torch.as_tensor(step))

    def forward(self, x, states):
        (mem,) = states
        before = above(mem - 1.0)
        tau = self.r * self.c
        mem = x * self.r * (1 / tau) * self.dt * 0.1 + (1 - self.dt / tau) * mem - before
        return above(mem - 1.0), (mem,)


class SpikingJelly(nn.Module):
    """IF and LIF: fires when the threshold is reached, resets at once."""

    def __init__(self, tau=None, decay_input=True, v_threshold=1.0, v_reset=0.0, where=False):
        super().__init__()
        self.tau, self.decay_input = tau, decay_input
        self.v_threshold, self.v_reset, self.where = v_threshold, v_reset, where

    def forward(self, x, states):
        (v,) = states
        rest = 0.0 if self.v_reset is None else self.v_reset
        if self.tau is None:
            v = v + x
        elif self.decay_input:
            v = v + (x - (v - rest)) / self.tau
        else:
            v = v - (v - rest) / self.tau + x
        spike = reached(v - self.v_threshold)
        if self.v_reset is None:
            return spike, (v - spike * self.v_threshold,)
        if self.where:
            return spike, (torch.where(spike > 0, torch.full_like(v, self.v_reset), v),)
        return spike, ((1.0 - spike) * v + spike * self.v_reset,)


class Parametric(nn.Module):
    """PLIF: the decay is the sigmoid of a trained number."""

    def __init__(self, w=0.3):
        super().__init__()
        self.w = nn.Parameter(torch.as_tensor(w))

    def forward(self, x, states):
        (v,) = states
        v = v + (x - v) * self.w.sigmoid()
        spike = reached(v - 1.0)
        return spike, ((1.0 - spike) * v,)


class Floored(nn.Module):
    """sinabs IAF with ``min_v_mem``: the membrane stays above a bound."""

    def __init__(self, lowest=-1.0, before=False):
        super().__init__()
        self.lowest, self.before = lowest, before

    def forward(self, x, states):
        (v,) = states
        v = v + x
        if self.before:  # KLIF: bounded before it fires
            v = torch.relu(v)
        spike = reached(v - 1.0)
        v = v - spike
        if not self.before:
            v = torch.relu(v - self.lowest) + self.lowest
        return spike, (v,)


class Norse(nn.Module):
    """LIF with a synaptic current, which jumps before it acts."""

    def __init__(self, mem=0.2, syn=0.3, threshold=0.5, leak=0.0, reset=0.0, boxed=False):
        super().__init__()
        self.mem, self.syn, self.threshold = mem, syn, threshold
        self.leak, self.reset, self.boxed = leak, reset, boxed
        self.states = 1 if boxed else 2

    def forward(self, x, states):
        v = states[0]
        if self.boxed:
            v = v + self.mem * ((self.leak - v) + x)
            spike = above(v - self.threshold)
            return spike, ((1 - spike) * v + spike * self.reset,)
        i = states[1] + x
        v = v + self.mem * ((self.leak - v) + i)
        spike = above(v - self.threshold)
        return spike, ((1 - spike) * v + spike * self.reset, i - self.syn * i)


class NorseRecurrent(Norse):
    """LIFRecurrent: the spikes of the step before come back through weights."""

    def __init__(self, width):
        super().__init__()
        self.back = nn.Linear(width, width, bias=False)
        self.states = 3

    def forward(self, x, states):
        spike, *rest = states
        spike, new = super().forward(x + self.back(spike), tuple(rest))
        return spike, (spike, *new)


class Integrator(nn.Module):
    """Leaky readout that never fires."""

    def __init__(self, beta=0.9):
        super().__init__()
        self.beta = beta

    def forward(self, x, states):
        (v,) = states
        v = self.beta * v + (1 - self.beta) * x
        return v, (v,)


class Spyx(nn.Module):
    """Fires on the membrane it finds, one step late."""

    def forward(self, x, states):
        (v,) = states
        spike = above(v - 1.0)
        return spike, (0.9 * v + x - spike * 1.0,)


class SpyxRecurrent(nn.Module):
    """RLIF: the spike of the membrane that a step finds drives that same step."""

    def __init__(self, width):
        super().__init__()
        self.back = nn.Linear(width, width, bias=False)

    def forward(self, x, states):
        (v,) = states
        spike = above(v - 1.0)
        return spike, (0.9 * v + x + self.back(spike) - spike,)


class ByHand(nn.Module):
    """Networks written by hand keep the spike and reset with it: ``v * (1 - spike)``."""

    states = 2

    def __init__(self, soft=False):
        super().__init__()
        self.soft = soft

    def forward(self, x, states):
        mem, spike = states
        mem = 0.7 * mem - 0.5 * spike + x if self.soft else mem * 0.7 * (1.0 - spike) + x
        spike = above(mem - 0.5)
        return spike, (mem, spike)


class Upside(nn.Module):
    """The comparison the other way round, as a boolean, negated."""

    def forward(self, x, states):
        (v,) = states
        v = 0.5 * v + x
        quiet = v < 1.0
        return torch.logical_not(quiet).to(v), (torch.where(quiet, v, v - 1.0),)


class Quadratic(nn.Module):
    def forward(self, x, states):
        (v,) = states
        v = v + 0.1 * v * (v - 0.5) + x
        spike = reached(v - 1.0)
        return spike, (v * (1 - spike),)


class Exponential(nn.Module):
    def forward(self, x, states):
        (v,) = states
        v = v + 0.1 * torch.exp(v - 1.0) + x
        spike = reached(v - 1.0)
        return spike, (v * (1 - spike),)


class ManySpikes(nn.Module):
    def forward(self, x, states):
        (v,) = states
        v = v + x
        spikes = torch.floor(v / 1.0).clamp(min=0)
        return spikes, (v - spikes,)


class Adaptive(nn.Module):
    states = 2

    def forward(self, x, states):
        v, b = states
        v = 0.9 * v + x
        spike = above(v - (1.0 + 0.2 * b))
        return spike, (v - spike, 0.95 * b + spike)


class Noisy(nn.Module):
    def forward(self, x, states):
        (v,) = states
        v = 0.9 * v + x + 0.01 * torch.randn_like(v)
        spike = above(v - 1.0)
        return spike, (v - spike,)


NEURONS = (
    SnnTorchLeaky,
    SnnTorchSynaptic,
    SnnTorchRecurrent,
    Lapicque,
    SpikingJelly,
    Parametric,
    Floored,
    Norse,
    Integrator,
    Spyx,
    SpyxRecurrent,
    ByHand,
    Upside,
    Quadratic,
    Exponential,
    ManySpikes,
    Adaptive,
    Noisy,
)
