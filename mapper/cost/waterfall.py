"""From one preset to another, one assumption at a time: which of them moves an estimate how far."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mapper.cost.actions import Activity
from mapper.cost.estimate import price
from mapper.cost.layer_counts import Counts
from mapper.cost.priced import unpriced
from mapper.cost.result import Cost
from targets import Preset, Target

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
    "merged_sums",
    "shared_units",
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


def priceable(steps: Sequence[Step], targets: Iterable[Target]) -> tuple[Step, ...]:
    """Keep the steps at which every target has a price: whose library has all of its ADCs.

    What changed at steps that are left out is told at the next one that is kept.
    """
    held, kept = tuple(targets), list[Step]()
    left: list[Step] = []
    for step in steps:
        left.append(step)
        if not any(unpriced(target, step.preset) for target in held):
            kept.append(_merged(left))
            left = []
    return tuple(kept)


def _merged(steps: Sequence[Step]) -> Step:
    def told(name: str) -> str:
        return ", ".join(text for step in steps if (text := getattr(step, name)))

    return replace(steps[-1], changed=told("changed"), before=told("before"), after=told("after"))


def skipped(steps: Sequence[Step], target: Target) -> str:
    """Say which steps have no price on a target, and why; empty where all have one."""
    left = [(step, reason) for step in steps if (reason := unpriced(target, step.preset))]
    if not left:
        return ""
    names = (step.changed or step.preset.name for step, _ in left)
    return f"no price after {', '.join(names)}: {left[0][1]}"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallStep:
    """One inference of a target after one more assumption changed, at nominal facts."""

    assumption: str
    """What changed; empty for the first step."""
    before: str
    after: str
    energy_pj: float
    interval_ns: float
    """From one inference to the next."""
    energy_factor: float
    """Energy over that of the step before; 1 for the first."""
    latency_factor: float
    """Interval over that of the step before."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "assumption": self.assumption,
            "from": self.before,
            "to": self.after,
            "energy_pj": self.energy_pj,
            "interval_ns": self.interval_ns,
            "energy_factor": self.energy_factor,
            "latency_factor": self.latency_factor,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioStep:
    """One target over another after one more assumption changed, at nominal facts."""

    assumption: str
    """What changed; empty for the first step."""
    before: str
    after: str
    energy_ratio: float
    latency_ratio: float
    """Of the intervals from one inference to the next."""
    energy_factor: float
    """The ratio over that of the step before; 1 for the first."""
    latency_factor: float

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "assumption": self.assumption,
            "from": self.before,
            "to": self.after,
            "energy_ratio": self.energy_ratio,
            "latency_ratio": self.latency_ratio,
            "energy_factor": self.energy_factor,
            "latency_factor": self.latency_factor,
        }


def waterfall(steps: Sequence[Step], costs: Sequence[Cost]) -> tuple[WaterfallStep, ...]:
    """Return energy and initiation interval at each step, nominal, and what changed them."""
    energies, intervals = _energies(costs), _intervals(costs)
    return tuple(
        WaterfallStep(
            assumption=step.changed,
            before=step.before,
            after=step.after,
            energy_pj=energies[index],
            interval_ns=intervals[index],
            energy_factor=_factor(energies, index),
            latency_factor=_factor(intervals, index),
        )
        for index, step in enumerate(steps)
    )


def ratio_waterfall(
    steps: Sequence[Step], base: Sequence[Cost], other: Sequence[Cost]
) -> tuple[RatioStep, ...]:
    """Return the ratios of one target over another at each step, and what moved them how far."""
    energies = _ratios(_energies(other), _energies(base))
    latencies = _ratios(_intervals(other), _intervals(base))
    return tuple(
        RatioStep(
            assumption=step.changed,
            before=step.before,
            after=step.after,
            energy_ratio=energies[index],
            latency_ratio=latencies[index],
            energy_factor=_factor(energies, index),
            latency_factor=_factor(latencies, index),
        )
        for index, step in enumerate(steps)
    )


def _energies(costs: Sequence[Cost]) -> list[float]:
    return [cost.total_pj.nominal for cost in costs]


def _intervals(costs: Sequence[Cost]) -> list[float]:
    return [cost.latency_ns["inference_interval"].nominal for cost in costs]


def _ratios(values: Sequence[float], bases: Sequence[float]) -> list[float]:
    return [value / base if base else 0.0 for value, base in zip(values, bases, strict=True)]


def _factor(values: Sequence[float], index: int) -> float:
    before = values[max(index - 1, 0)]
    return values[index] / before if before else 1.0
