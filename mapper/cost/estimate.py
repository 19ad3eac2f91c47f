"""Estimate what a mapped network costs."""

from dataclasses import replace
from math import isfinite

from mapper.cost.actions import Activity, activity_of_density, random_density
from mapper.cost.adders import as_added
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.layer_counts import Counts, count_actions
from mapper.cost.model import Chip, Layer
from mapper.cost.realtime import TooOftenError, check_interval
from mapper.cost.result import Cost
from mapper.cost.summary import cost_of
from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import Graph
from targets import AS_BUILT, Preset, Target, load_preset

DENSITY = 0.1
"""Share of input bits that are 1, where nothing was measured."""


def estimate(
    graph: Graph,
    target: Target,
    activity: Activity | float = DENSITY,
    steps: int = 1,
    preset: Preset = AS_BUILT,
) -> Cost:
    """Estimate one inference of a fully lowered graph.

    Args:
        graph: The hardware graph, after the last pass.
        target: The target it was mapped onto.
        activity: What ``measure`` counted in a recorded run, or the share of input bits that
            are 1 (0..1). A preset of random activity takes only the time steps from it.
        steps: Time steps of an inference, where ``activity`` is a share.
        preset: What to assume of the chip beyond the target.
    """
    return price(count_actions(graph, target), activity, steps, preset)


def price(
    counts: Counts,
    activity: Activity | float = DENSITY,
    steps: int = 1,
    preset: Preset = AS_BUILT,
) -> Cost:
    """Estimate one inference of a mapping whose actions are counted; see ``estimate``.

    Raises:
        MappingError: ``cost-every`` where ``preset.every_ms`` is shorter than an inference takes.
    """
    layers, target = counts.layers, counts.target
    found = activity_under(preset, layers, activity, steps)
    chip = chip_of(target, preset, layers)
    try:
        return cost_of(as_added(layers, chip), chip, corners_of(target, preset), found, preset.name)
    except TooOftenError as error:
        raise _too_often(target, error) from error


def check_often(chip: Chip, interval_ns: float, target: Target) -> None:
    """Refuse inferences that are asked for more often than the chip begins one: ``cost-every``.

    Args:
        chip: With the interval that is asked for, if there is one.
        interval_ns: In which it begins one, nominal.
        target: Of the chip.
    """
    try:
        check_interval(chip, interval_ns)
    except TooOftenError as error:
        raise _too_often(target, error) from error


def _too_often(target: Target, error: TooOftenError) -> MappingError:
    return refuse(
        "cost-every",
        f"target '{target.name}': {error}",
        loc="--every",
        help="ask for a longer interval, or compile with more copies of the slowest layers "
        "(--pass 'replicate{max-copies=N}')",
    )


def assumed(preset: str, every_ms: float | None = None) -> Preset:
    """Load a preset, with the interval between inferences that is asked for.

    Args:
        preset: Its name.
        every_ms: Milliseconds from one inference to the next, above 0; None is back to back.

    Raises:
        MappingError: ``unknown-preset``, ``cost-every``.
    """
    found = load_preset(preset)
    if every_ms is None:
        return found
    if not isfinite(every_ms) or not 1e-6 <= every_ms <= 1e12:
        raise refuse(
            "cost-every",
            f"from one inference to the next are 1e-06..1e+12 ms, got {every_ms:g} ms",
            loc="--every",
        )
    return replace(found, every_ms=float(every_ms))


def activity_under(
    preset: Preset, layers: tuple[Layer, ...], activity: Activity | float, steps: int
) -> Activity:
    """Return the activity that a preset reckons with."""
    if isinstance(activity, Activity):
        if preset.activity == "given":
            return activity
        steps = activity.steps
    steps = checked_steps(steps)
    if preset.activity == "random":
        return activity_of_density(layers, random_density(steps), steps)
    assert not isinstance(activity, Activity)
    return activity_of_density(layers, checked_density(activity), steps)


def checked_density(density: float) -> float:
    """Return a share of input bits as a float.

    Raises:
        MappingError: ``activity-density`` where it is not 0..1.
    """
    if not isfinite(density) or not 0 <= density <= 1:
        raise refuse("activity-density", f"density must be 0..1, got {density:g}")
    return float(density)


def checked_steps(steps: int) -> int:
    """Return the time steps of an inference.

    Raises:
        MappingError: ``activity-steps`` for fewer than one.
    """
    if steps < 1:
        raise refuse("activity-steps", f"an inference has 1 time step or more, got {steps}")
    return steps
