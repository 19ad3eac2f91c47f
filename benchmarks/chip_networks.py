"""Networks of published SNN chips: their topology, with random weights and random spikes.

What is published of a network is in its ``Topology``; what is drawn stands in for the rest. What it
computes means nothing: crossbars, steps and the activity that is asked for are those of the chip.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import exp

import numpy as np

from mapper.ir.builder import GraphBuilder
from mapper.ir.core import SPIKE, Array, Graph
from mapper.ir.neurons import Reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Layers of neurons, all of them fully connected."""

    name: str
    widths: tuple[int, ...]
    """Inputs, then the neurons of each layer."""
    steps: int
    """Time steps of an inference."""
    time_constant: float
    """Of the membranes, in time steps."""


GESTURE = Topology(
    name="gesture-800-480-120-11", widths=(800, 480, 120, 11), steps=300, time_constant=10.0
)
"""DVS128 Gesture in steps of 5 ms, pixels pooled 7 x 7 after a border of 6: 20 x 20 x 2 inputs. As
the paper of arXiv 2509.04960 publishes it, github.com/wzhku/SNN_for_High_Speed_Processing."""

Weights = Callable[[np.random.Generator, int, int], Array]
"""Draws the weights ``[neurons, inputs]`` of a layer, given inputs and neurons: real numbers, which
the compiler quantises, or integers, which stay."""


def normal(rng: np.random.Generator, inputs: int, neurons: int) -> Array:
    """Draw real weights as wide as keeps the variance of sums; the compiler finds their scale."""
    return (rng.standard_normal((neurons, inputs)) / inputs**0.5).astype(np.float32)


def started(rng: np.random.Generator, inputs: int, neurons: int) -> Array:
    """Draw integer weights -15..15 as the training of ``GESTURE`` starts, on the chip's own scale.

    It starts with weights spread evenly to ``10 / sqrt(inputs)`` both ways (SLAYER's dense layers)
    and clamps them at 5, at 3 before the outputs: this is what its cells hold at their greatest.
    Training widens them; how far is not known here.
    """
    clamp = 3.0 if neurons == GESTURE.widths[-1] else 5.0
    drawn = rng.uniform(-1.0, 1.0, (neurons, inputs)) * 10 / inputs**0.5
    return np.rint(np.clip(drawn / clamp, -1.0, 1.0) * 15).astype(np.int8)


def spikes_of(net: Topology, density: float) -> Array:
    """Draw input spikes ``[T, 1, inputs]``, each 1 with a probability."""
    drawn = np.random.default_rng(0).random((net.steps, 1, net.widths[0]))
    return (drawn < density).astype(np.uint8)


def network_of(net: Topology, weights: Weights, spikes: Array, density: float) -> Graph:
    """Make a network whose layers fire as often as they are asked to.

    The threshold of each layer is that at which its neurons fire at ``density`` on ``spikes``, to
    within what one threshold can do; quantising moves it a little.
    """
    rng, leak = np.random.default_rng(1), exp(-1 / net.time_constant)
    builder = GraphBuilder(net.name)
    value, seen = builder.input("x", net.widths[:1], SPIKE), spikes[:, 0].astype(float)
    for number, (inputs, neurons) in enumerate(pairwise(net.widths), 1):
        weight = weights(rng, inputs, neurons)
        sums = seen @ weight.T.astype(float)
        threshold = threshold_at(sums, leak, density)
        seen = fired(sums, leak, threshold)
        value = builder.neurons(
            builder.linear(value, weight, name=f"fc{number}"),
            leak=leak,
            threshold=threshold,
            reset=Reset(kind="value", amount=0.0),
            name=f"lif{number}",
        )
    return builder.graph(value)


def threshold_at(sums: Array, leak: float, density: float) -> float:
    """Return the threshold at which neurons fire in a share of all time steps, 30 halvings deep.

    Args:
        sums: What drives them, ``[T, neurons]``.
        leak: Share of the membrane that stays from step to step.
        density: The share, 0..1.
    """
    low, high = 0.0, float(np.abs(sums).sum(axis=0).max()) + 1.0
    for _ in range(30):
        middle = (low + high) / 2
        if fired(sums, leak, middle).mean() > density:
            low = middle
        else:
            high = middle
    return high


def fired(sums: Array, leak: float, threshold: float) -> Array:
    """Return the spikes ``[T, neurons]`` of neurons that a spike takes back to 0."""
    membrane, spikes = np.zeros(sums.shape[1]), np.zeros(sums.shape)
    for step, driven in enumerate(sums):
        membrane = leak * membrane + driven
        spikes[step] = membrane >= threshold
        membrane[membrane >= threshold] = 0.0
    return spikes
