"""Estimate what a mapped network costs."""

from math import isfinite

from mapper.cost.counts import count_layers
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.model import Activity, activity_of_density
from mapper.cost.summary import Cost, cost_of
from mapper.diagnostics import refuse
from mapper.ir.core import Graph
from targets import Target

DENSITY = 0.1
"""Share of input bits that are 1, where nothing was measured."""


def estimate(
    graph: Graph, target: Target, activity: Activity | float = DENSITY, steps: int = 1
) -> Cost:
    """Estimate one inference of a fully lowered graph.

    Args:
        graph: What the last pass made.
        target: The target it was made for.
        activity: What ``measure`` counted in a recorded run, or the share of input bits that
            are 1 (0..1).
        steps: Time steps of an inference, where ``activity`` is a share.
    """
    layers = count_layers(graph, target)
    if not isinstance(activity, Activity):
        activity = activity_of_density(layers, checked_density(activity), checked_steps(steps))
    return cost_of(layers, chip_of(target), corners_of(target), activity)


def checked_density(density: float) -> float:
    if not isfinite(density) or not 0 <= density <= 1:
        raise refuse("activity-density", f"density must be 0..1, got {density:g}")
    return float(density)


def checked_steps(steps: int) -> int:
    if steps < 1:
        raise refuse("activity-steps", f"an inference has 1 time step or more, got {steps}")
    return steps
