"""Networks of one time step around the neurons of ``zoo``, to export with torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.frontend.zoo import NEURONS, SnnTorchLeaky, SpikingJelly, nn, torch


def is_neuron(part):
    return isinstance(part, NEURONS)


def count(part):
    return getattr(part, "states", 1)


class Net(nn.Module):
    """Layers with neurons between them: ``forward(x, *states) -> (out, *states)``."""

    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x, *states):
        left, after = list(states), []
        for part in self.parts:
            if is_neuron(part):
                own, left = left[: count(part)], left[count(part) :]
                x, new = part(x, tuple(own))
                after.extend(new)
            else:
                x = part(x)
        return (x, *after)


class Residual(nn.Module):
    """Two neurons and a way past the second, merged somehow, into a third."""

    def __init__(self, merge, neuron=SpikingJelly):
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.neurons = nn.ModuleList(neuron() for _ in range(3))
        self.merge = merge

    def forward(self, x, *states):
        s1, (v1,) = self.neurons[0](self.first(x), states[:1])
        current = self.second(s1)
        if self.merge == "current":
            s2, (v2,) = self.neurons[1](current + s1, states[1:2])
            joined = s2
        else:
            s2, (v2,) = self.neurons[1](current, states[1:2])
            joined = MERGES[self.merge](s1, s2)
        s3, (v3,) = self.neurons[2](self.third(joined), states[2:])
        return s3, v1, v2, v3


MERGES = {
    "add": lambda a, b: a + b,
    "and": lambda a, b: a * b,
    "iand": lambda a, b: a * (1 - b),
    "or": lambda a, b: a + b - a * b,
    "or-max": torch.maximum,
    "or-clamp": lambda a, b: (a + b).clamp(max=1),
    "xor": lambda a, b: torch.logical_xor(a.bool(), b.bool()).to(a),
    "nand": lambda a, b: 1 - a * b,
    "weighted": lambda a, b: 0.5 * a + 0.25 * b,
}


class Branches(nn.Module):
    """Two convolutions side by side, their channels joined."""

    def __init__(self):
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 5, 1)

    def forward(self, x):
        return torch.cat([self.wide(x), self.narrow(x)], 1)


class Does(nn.Module):
    """Any function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def neurons_of(net, x):
    """Return the shape of every state, found by sending zeros through the layers."""
    if isinstance(net, Residual):
        return [tuple(x.shape)] * 3
    shapes = []
    for part in net.parts:
        if is_neuron(part):
            shapes.extend([tuple(x.shape)] * count(part))
        else:
            x = part(x)
    return shapes


@dataclass(frozen=True)
class Case:
    """A network to export, the shape of its input, and the names of its states."""

    net: Callable[[], Any]
    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None


def mlp(neuron, *names):
    """Return a case of two linear layers, the first with the neuron of interest."""
    return Case(
        lambda: Net(nn.Linear(20, 12), neuron(), nn.Linear(12, 5), SnnTorchLeaky()),
        (1, 20),
        names or None,
    )


def cnn(*parts):
    """Return a case of layers (functions that make them) on two channels of 12x12."""
    return Case(lambda: Net(*(part() for part in parts)), (1, 2, 12, 12))
