"""Say how integer neurons differ from those of the model, where they do."""

from collections.abc import Iterator

import numpy as np

from mapper.ir.core import Array, Graph
from mapper.ir.leaks import SAID, LeakRounding
from mapper.ir.neurons import Neuron
from passes.integers.neuron_units import (
    EXACT_LEAK,
    LEAST_ROOM,
    SNAP,
    Leak,
    NeuronUnits,
    current_step,
    ends_of,
    level_starts,
)
from passes.shared.rewrite import number
from targets import NeuronUnit


def differences(graph: Graph, op: Neuron, units: NeuronUnits, unit: NeuronUnit) -> Iterator[str]:
    """Yield which rounded leaks differ, which levels are lost and where membranes saturate."""
    yield from leak_differences(graph, op, units)
    yield from lost_levels(graph, op, units, unit)
    yield from saturation(graph, op, units, unit)


def leak_differences(graph: Graph, op: Neuron, units: NeuronUnits) -> Iterator[str]:
    """Yield how a leak that the model rounds comes out otherwise on the target."""
    yield from _differences_of(
        op.leak_rounding, number(graph, op.leak), units.decay, units.unit, "its leak"
    )
    if op.current is not None and op.current_rounding.unit:
        how = op.current_rounding
        scale = current_step(graph, op) / how.unit
        leak = number(graph, op.current_leak)
        what = "the leak of its current"
        yield from _differences_of(how, leak, units.current_decay, units.unit / scale, what)


def _differences_of(
    how: LeakRounding, leak: Array, has: Leak, step: Array, what: str
) -> Iterator[str]:
    """Yield how the leak of a state, whose steps are so large, comes out otherwise."""
    decay = has.decay
    if not how.unit or decay.kind == "none":
        return
    if decay.rounding != how.rounding:
        yield (
            f"the model rounds {what} {SAID[how.rounding]}, the target's neuron unit "
            f"{SAID[decay.rounding]}"
        )
    part = "kept" if decay.kind == "multiply" else "taken"
    if part != how.part:
        yield f"the model rounds what is {how.part}, the neuron unit what is {part}"
    if not np.allclose(step, how.unit, rtol=SNAP, atol=0):
        steps = f"{step.min():g}"
        yield f"the model rounds to multiples of {how.unit:g}, its membranes have steps of {steps}"
    multiplier = has.multiplier
    share = 2.0**-decay.shift
    held = np.asarray(1 - share) if multiplier is None else multiplier * share
    if not (np.abs(held - leak) <= EXACT_LEAK * leak).all():
        yield f"{what} of {leak.flat[0]:g} becomes {held.flat[0]:g}"


def lost_levels(graph: Graph, op: Neuron, units: NeuronUnits, unit: NeuronUnit) -> Iterator[str]:
    """Yield that membranes are too narrow for some levels of a neuron, where they are."""
    if op.spike is None or op.levels.is_spike:
        return
    starts, (lowest, highest) = level_starts(graph, op, units.unit), ends_of(unit)
    if ((starts > lowest) & (starts <= highest)).all():
        return
    had, has = op.levels, units.levels
    yield (
        f"levels {had.low}..{had.high} begin at membranes of {starts.min():.0f} to "
        f"{starts.max():.0f} steps, the target holds {lowest}..{highest}: levels beyond "
        f"{has.low}..{has.high} are never given"
    )


def saturation(graph: Graph, op: Neuron, units: NeuronUnits, unit: NeuronUnit) -> Iterator[str]:
    """Yield that membranes saturate before they hold twice the threshold, where they do."""
    if op.spike is None:
        return
    _, highest = ends_of(unit)
    farthest = float((number(graph, op.threshold) / units.unit).max())
    if farthest > 0 and highest < LEAST_ROOM * farthest:
        yield (
            f"its membranes of {unit.membrane_bits} bits hold {highest / farthest:.2g} times its "
            f"threshold of {farthest:.0f} steps, and saturate there: spikes may differ"
        )
