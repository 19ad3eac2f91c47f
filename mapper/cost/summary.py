"""The cost of one inference as intervals, and its JSON and text forms.

Standard library only: a generated ``cost.py`` carries this text too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import fsum
from typing import NamedTuple

from mapper.cost.model import (
    Activity,
    Chip,
    Facts,
    Layer,
    action_counts,
    areas,
    cycle_ns,
    latencies,
    layer_energy,
    layer_time,
    leakage_energy,
)

SCHEMA = "spikeloom/cost/1"


class Range(NamedTuple):
    """An estimate with all facts at the low, the nominal and the high end of what is published."""

    low: float
    nominal: float
    high: float


Corners = tuple[Facts, Facts, Facts]
Parts = dict[str, Range]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """What one layer does and costs; ``total_pj`` is the sum of ``energy_pj``."""

    name: str
    counts: dict[str, int]
    """By action, over all time steps and samples."""
    energy_pj: Parts
    """By action, of one inference."""
    total_pj: Range
    step_ns: Range
    """One time step of this layer, its stages overlapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one inference costs. Every total is the sum of the parts beside it."""

    steps: int
    samples: int
    """Samples that the activity was measured on; energies are of one."""
    layers: tuple[LayerCost, ...]
    counts: dict[str, int]
    energy_pj: Parts
    """By action over all layers, and the leakage of the chip."""
    total_pj: Range
    latency_ns: Parts
    """Clock period, then one time step and one inference, pipelined over layers and sequential."""
    area_um2: Parts
    total_um2: Range
    edp_pj_ns: Range
    """Total energy times pipelined latency of one inference."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "schema": SCHEMA,
            "steps": self.steps,
            "samples": self.samples,
            "counts": self.counts,
            "energy_pj": {**_plain(self.energy_pj), "total": self.total_pj._asdict()},
            "latency_ns": _plain(self.latency_ns),
            "area_um2": {**_plain(self.area_um2), "total": self.total_um2._asdict()},
            "edp_pj_ns": self.edp_pj_ns._asdict(),
            "layers": [
                {
                    "name": layer.name,
                    "counts": layer.counts,
                    "energy_pj": {**_plain(layer.energy_pj), "total": layer.total_pj._asdict()},
                    "step_ns": layer.step_ns._asdict(),
                }
                for layer in self.layers
            ],
        }

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def cost_of(layers: tuple[Layer, ...], chip: Chip, corners: Corners, activity: Activity) -> Cost:
    """Combine counts and facts into the cost of one inference."""
    costs = tuple(
        _layer_cost(layers, index, chip, corners, activity) for index in range(len(layers))
    )
    latency = _parts(corners, lambda facts: latencies(layers, chip, facts, activity.steps))
    area = _parts(corners, lambda facts: areas(layers, chip, facts))
    total_um2 = _total(area.values())
    duration = latency["inference_pipelined"]
    energy = {
        action: _total(cost.energy_pj[action] for cost in costs) for action in costs[0].energy_pj
    }
    energy["leakage"] = Range(*map(leakage_energy, total_um2, duration, corners))
    total_pj = _total(energy.values())
    return Cost(
        steps=activity.steps,
        samples=activity.samples,
        layers=costs,
        counts={name: sum(cost.counts[name] for cost in costs) for name in costs[0].counts},
        energy_pj=energy,
        total_pj=total_pj,
        latency_ns=latency,
        area_um2=area,
        total_um2=total_um2,
        edp_pj_ns=Range(*(e * t for e, t in zip(total_pj, duration, strict=True))),
    )


def _layer_cost(
    layers: tuple[Layer, ...], index: int, chip: Chip, corners: Corners, activity: Activity
) -> LayerCost:
    layer, events = layers[index], activity.events[index]

    def step(facts: Facts) -> dict[str, float]:
        cycle = cycle_ns(layers, chip, facts)
        return {"step": layer_time(layer, chip, facts, cycle, pipelined=True)}

    energy = _parts(corners, lambda facts: layer_energy(layer, events, activity, chip, facts))
    return LayerCost(
        name=layer.name,
        counts=action_counts(layer, events, activity),
        energy_pj=energy,
        total_pj=_total(energy.values()),
        step_ns=_parts(corners, step)["step"],
    )


def _parts(corners: Corners, formula: Callable[[Facts], dict[str, float]]) -> Parts:
    low, nominal, high = (formula(facts) for facts in corners)
    return {name: Range(low[name], nominal[name], high[name]) for name in nominal}


def _total(parts: Iterable[Range]) -> Range:
    held = list(parts)
    return Range(
        fsum(part.low for part in held),
        fsum(part.nominal for part in held),
        fsum(part.high for part in held),
    )


def _plain(parts: Parts) -> dict[str, dict[str, float]]:
    return {name: value._asdict() for name, value in parts.items()}


def _lines(cost: Cost) -> Iterable[str]:
    steps = f"{cost.steps} time step{'s' if cost.steps > 1 else ''}"
    yield f"one inference of {steps}: nominal (low .. high)"
    yield _line("energy", cost.total_pj, 1e-6, "uJ")
    yield _line("latency, pipelined", cost.latency_ns["inference_pipelined"], 1e-3, "us")
    yield _line("latency, sequential", cost.latency_ns["inference_sequential"], 1e-3, "us")
    yield _line("area", cost.total_um2, 1e-6, "mm2")
    yield _line("energy x latency", cost.edp_pj_ns, 1e-9, "uJ us")
    yield ""
    yield "energy by action"
    yield from (_line(name, value, 1e-6, "uJ") for name, value in cost.energy_pj.items())
    yield ""
    yield "area by block"
    yield from (_line(name, value, 1e-6, "mm2") for name, value in cost.area_um2.items())
    yield ""
    yield "energy by layer"
    yield from (_line(layer.name, layer.total_pj, 1e-6, "uJ") for layer in cost.layers)
    yield ""
    yield f"actions over {cost.samples} sample{'s' if cost.samples > 1 else ''}"
    yield from (f"  {name:<24} {count}" for name, count in cost.counts.items())


def _line(name: str, value: Range, factor: float, unit: str) -> str:
    low, nominal, high = (f"{number * factor:.4g}" for number in value)
    # Names come from a model file: what is in them must not drive a terminal.
    shown = name if name.isprintable() else ascii(name)
    return f"  {shown:<24} {nominal} {unit} ({low} .. {high})"
