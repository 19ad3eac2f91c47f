"""From one preset to another, one assumption at a time: which of them moves an estimate how far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mapper.cost.counts import Counts
from mapper.cost.estimate import price
from mapper.cost.model import Activity
from mapper.cost.summary import Cost
from targets import Preset

ASSUMPTIONS = (
    "activity",
    "adc",
    "clock",
    "steps_as_bits",
    "hierarchy",
    "overlap",
    "components",
    "neurons",
    "corrections",
)
"""The order in which they change. Factors depend on it: each is what an assumption moves when those
before it have changed already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One preset on the way."""

    changed: str
    """The assumption that differs from the step before; empty for the first."""
    before: str
    after: str
    preset: Preset


def steps_between(first: Preset, last: Preset) -> tuple[Step, ...]:
    """Change the assumptions that differ, one by one; the last step is ``last`` in all of them."""
    steps = [Step(changed="", before="", after="", preset=first)]
    for name in ASSUMPTIONS:
        old, new = getattr(steps[-1].preset, name), getattr(last, name)
        if old != new:
            preset = replace(steps[-1].preset, **{name: new})
            steps.append(Step(changed=name, before=_word(old), after=_word(new), preset=preset))
    return tuple(steps)


def _word(value: object) -> str:
    if value is None:
        return "the target's"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(getattr(value, "name", "")) or (value if isinstance(value, str) else "one buffer")


def costs_along(
    counts: Counts, activity: Activity | float, inference_steps: int, steps: Sequence[Step]
) -> tuple[Cost, ...]:
    """Estimate one inference at every step."""
    return tuple(price(counts, activity, inference_steps, step.preset) for step in steps)


def waterfall(steps: Sequence[Step], costs: Sequence[Cost]) -> list[dict[str, Any]]:
    """Return energy and initiation interval at each step, nominal, and what changed them."""
    values = [_measures(cost) for cost in costs]
    return [_row(step, values, index) for index, step in enumerate(steps)]


def ratio_waterfall(
    steps: Sequence[Step], base: Sequence[Cost], other: Sequence[Cost]
) -> list[dict[str, Any]]:
    """Return the ratios of one target over another at each step, and what moved them how far."""
    values = [
        {name: high[name] / low[name] if low[name] else 0.0 for name in low}
        for low, high in zip(map(_measures, base), map(_measures, other), strict=True)
    ]
    return [_row(step, values, index, "_ratio") for index, step in enumerate(steps)]


def _measures(cost: Cost) -> dict[str, float]:
    return {
        "energy": cost.total_pj.nominal,
        "latency": cost.latency_ns["inference_interval"].nominal,
    }


def _row(
    step: Step, values: Sequence[dict[str, float]], index: int, ending: str = ""
) -> dict[str, Any]:
    now, before = values[index], values[max(index - 1, 0)]
    units = {"energy": "energy_pj", "latency": "interval_ns"}
    return {
        "assumption": step.changed,
        "from": step.before,
        "to": step.after,
        **{(name + ending if ending else units[name]): value for name, value in now.items()},
        **{
            f"{name}_factor": value / before[name] if before[name] else 1.0
            for name, value in now.items()
        },
    }
