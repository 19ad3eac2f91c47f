"""Whole hardware graphs that several tests use, and numbers to fill graphs with."""

from typing import Any

import numpy as np

from mapper.ir.core import Array, Graph, IntType
from mapper.ir.windows import Window
from tests.builders import Builder, Readout, sense_amp


def random_weights(rows: int, cols: int, seed: int = 0, largest: int = 7) -> Array:
    return np.random.default_rng(seed).integers(-largest, largest, (rows, cols), endpoint=True)


def random_spikes(*shape: int, seed: int = 0, density: float = 0.3) -> Array:
    return (np.random.default_rng(seed).random(shape) < density).astype(np.int64)


def one_layer(
    rows: int, cols: int, *, wordlines: int | None = None, read: Readout | None = None, **grid: Any
) -> Graph:
    """Return one linear layer on crossbars, with random weights and no neurons."""
    net = Builder()
    x = net.input("x", (rows,))
    weight = grid.pop("weight", random_weights(rows, cols))
    net.output(net.crossbars(x, weight, read or sense_amp(1), wordlines=wordlines, **grid))
    return net.graph()


def dvs_net(size: int = 16, channels: int = 4, classes: int = 5) -> Graph:
    """Return a net for event cameras: two convolutions, pooling, a classifier that accumulates."""
    net = Builder("dvs")
    x = net.input("events", (2, size, size))
    same = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    half = Window(kernel=(2, 2), stride=(2, 2))
    y = net.crossbars(x, random_weights(18, channels), sense_amp(1), window=same, name="conv1")
    s = net.max_pool2d(net.integer_neurons(y, name="lif1", threshold=5), half)
    weight = random_weights(9 * channels, 2 * channels, 1)
    y = net.crossbars(s, weight, sense_amp(1), window=same, wordlines=64, name="conv2")
    s = net.max_pool2d(net.integer_neurons(y, name="lif2", threshold=6), half)
    flat = net.reshape(s, (2 * channels * (size // 4) ** 2,))
    weight = random_weights(flat.shape[0], classes, 2)
    y = net.crossbars(flat, weight, sense_amp(1), wordlines=64, name="fc")
    out = net.integer_neurons(y, name="out", spiking=False, membrane=IntType(24, signed=True))
    net.output(out)
    return net.graph()
