"""Neurons that follow shift-and-add at once: numbers that just fit 8 and 16 bits, or do not."""

import numpy as np
import pytest

from mapper.ir.core import IntType
from mapper.ir.leaks import Decay
from mapper.ir.neurons import Reset
from mapper.kernels.core import unavailable
from tests.builders import Builder, encoding, sense_amp
from tests.executor.native.test_sizes import SAME, agrees, every_variant
from tests.small_graphs import random_spikes

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

CHANNELS = 5
SCALES = {"8 bits": 1, "of both signs": -3, "16 bits": 9, "just 16 bits": 800}
MEMBRANES = {
    "8 bits": IntType(8, signed=True),
    "16 bits": IntType(16, signed=True),
    "20 bits": IntType(20, signed=True),
}


def neurons(threshold, reset, amount=0, leak=None, **more):
    """Return the fields of neurons; ``leak`` is a shift."""
    decay = Decay() if leak is None else Decay(kind="shift", shift=leak)
    return {
        "threshold": threshold,
        "reset": Reset(kind=reset, amount=amount),
        "decay": decay,
        **more,
    }


FORMS = {
    "no leak": neurons(7, "subtract", 7),
    "leak": neurons(7, "subtract", 7, leak=2),
    "a leak that takes only the sign": neurons(3, "none", leak=20),
    "to a value": neurons(9, "value", 4),
    "more than it has": neurons(-4, "subtract", 100),
    "a floor": neurons(9, "value", 2, leak=3, floor=-6),
    "fractions": neurons(16, "subtract", 16, leak=1, fraction_bits=2),
}


def graph(outputs, scale, membrane, shift=0, **form):
    net = Builder()
    x = net.input("x", (CHANNELS, 5, 7))
    weight = np.random.default_rng(3).integers(-7, 8, (9 * CHANNELS, outputs))
    y = net.crossbars(
        x, weight, sense_amp(1), wordlines=10, window=SAME, encoding=encoding("twos-complement"),
        scale=scale, shift=shift,
    )  # fmt: skip
    net.output(net.integer_neurons(y, membrane=membrane, **form))
    return net.graph()


def inputs():
    return {"x": random_spikes(6, 2, CHANNELS, 5, 7, density=0.4)}


@pytest.mark.campaign(48)
@every_variant
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("membrane", MEMBRANES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("outputs", [11, 40])
def test_forms_of_neurons(level, form, membrane, scale, outputs):
    assert not agrees(
        graph(outputs, SCALES[scale], MEMBRANES[membrane], **FORMS[form]), inputs(), level
    ).notes


@every_variant
@pytest.mark.parametrize(
    "bias", [32000, 32767 - 35 * 9, 32768 - 35 * 9, -32768 + 40 * 9, -32769 + 40 * 9]
)
def test_biases_that_bring_sums_to_the_end_of_16_bits(level, bias):
    """Five row blocks give -40 to 35 times the scale."""
    form = FORMS["leak"] | {"bias": np.full((32, 1, 1), bias)}
    agrees(graph(32, 9, MEMBRANES["16 bits"], **form), inputs(), level)


@every_variant
@pytest.mark.parametrize("membrane", MEMBRANES)
def test_sums_are_shifted_before_they_are_added(level, membrane):
    agrees(graph(33, 100, MEMBRANES[membrane], shift=3, **FORMS["fractions"]), inputs(), level)


@every_variant
@pytest.mark.parametrize("membrane", MEMBRANES)
def test_the_greatest_and_the_least_parameters(level, membrane):
    ends = MEMBRANES[membrane].min, MEMBRANES[membrane].max
    for threshold in (*ends, 0, ends[1] + 1):
        for reset in ("subtract", "value"):
            for amount in ends:
                form = neurons(threshold, reset, amount, leak=1)
                agrees(graph(3, 500, MEMBRANES[membrane], **form), inputs(), level)


@every_variant
def test_each_channel_has_its_own_parameters(level):
    """Numbers of channels tell lanes apart that are in the wrong order."""
    own = np.random.default_rng(5)

    def some(low, high):
        return own.integers(low, high, (70, 1, 1))

    form = {
        "bias": some(-9, 10), "threshold": some(1, 40), "floor": some(-60, 0),
        "decay": Decay(kind="shift", shift=2), "reset": Reset(kind="value", amount=3),
    }  # fmt: skip
    for membrane in MEMBRANES.values():
        agrees(graph(70, 2, membrane, **form), inputs(), level)
