"""The cost of one inference as intervals, and its JSON and text forms.

Standard library only: a generated ``cost.py`` carries this text too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from mapper.cost.area import areas, layer_area
from mapper.cost.arith import total
from mapper.cost.energy import layer_energy
from mapper.cost.model import (
    Activity,
    Chip,
    Corners,
    Facts,
    Layer,
    action_counts,
    slots_of,
    used_cells,
)
from mapper.cost.realtime import (
    busy_ns,
    check_interval,
    chips_in_use,
    limits,
    period_ns,
    power_density,
    standing_energy,
    too_slow,
    whole_um2,
)
from mapper.cost.timing import cycle_ns, latencies, layer_stages, pace, paced_stages

SCHEMA = "spikeloom/cost/1"


class Range(NamedTuple):
    """An estimate with all facts at the low, the nominal and the high end of what is published."""

    low: float
    nominal: float
    high: float


Parts = dict[str, Range]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """What one layer does and costs; each total is the sum of the parts beside it."""

    name: str
    counts: dict[str, int]
    """By action, over all time steps and samples."""
    energy_pj: Parts
    """By action, of one inference."""
    total_pj: Range
    step_ns: Range
    """One time step of this layer, its stages overlapping where the chip lets them."""
    stages_ns: Parts
    """By stage, of one time step."""
    area_um2: Parts
    """By block. Routers are of the chip, and layers of different rounds share crossbars."""
    total_um2: Range


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTime:
    """A chip that begins an inference every so often, and waits in between."""

    every_ms: float
    duty: Range
    """Share of the time in which it computes, 0..1."""
    idle_leakage: float
    """Share of the leakage that stays while it waits."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "every_ms": self.every_ms,
            "duty": self.duty._asdict(),
            "idle_leakage": self.idle_leakage,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one inference costs. Every total is the sum of the parts beside it."""

    preset: str
    steps: int
    samples: int
    """Samples that the activity was measured on; energies are of one."""
    density: float | None
    """Share of input bits that are 1; None where spikes were recorded."""
    layers: tuple[LayerCost, ...]
    counts: dict[str, int]
    energy_pj: Parts
    """By action over all layers, and the leakage from one inference to the next."""
    total_pj: Range
    latency_ns: Parts
    """Clock period, then one time step and one inference, pipelined over layers and sequential."""
    limited_by: tuple[str, str]
    """The layer that sets the pace, and its longest stage, at the nominal facts."""
    area_um2: Parts
    total_um2: Range
    utilisation: float
    """Cells that hold a weight over cells of the occupied crossbars, 0..1."""
    chips: int
    chips_um2: Range
    """All of these chips, with crossbars and routers that are empty."""
    real_time: RealTime | None
    """None: inferences follow each other back to back."""
    warnings: tuple[str, ...]
    """Which limits of silicon the mapping is beyond, nominal: one die, and power density."""
    metrics: Parts
    """Figures of merit: energy-delay product, operations per energy and time."""

    @property
    def edp_pj_ns(self) -> Range:
        return self.metrics["edp_pj_ns"]

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "schema": SCHEMA,
            "preset": self.preset,
            "steps": self.steps,
            "samples": self.samples,
            "density": self.density,
            "counts": self.counts,
            "energy_pj": {**plain(self.energy_pj), "total": self.total_pj._asdict()},
            "latency_ns": plain(self.latency_ns),
            "limited_by": dict(zip(("layer", "stage"), self.limited_by, strict=True)),
            "area_um2": {**plain(self.area_um2), "total": self.total_um2._asdict()},
            "utilisation": self.utilisation,
            "chips": {"count": self.chips, "um2": self.chips_um2._asdict()},
            "real_time": None if self.real_time is None else self.real_time.as_dict(),
            "warnings": list(self.warnings),
            "edp_pj_ns": self.edp_pj_ns._asdict(),
            "metrics": plain(self.metrics),
            "layers": [
                {
                    "name": layer.name,
                    "counts": layer.counts,
                    "energy_pj": {**plain(layer.energy_pj), "total": layer.total_pj._asdict()},
                    "step_ns": layer.step_ns._asdict(),
                    "stages_ns": plain(layer.stages_ns),
                    "area_um2": {**plain(layer.area_um2), "total": layer.total_um2._asdict()},
                }
                for layer in self.layers
            ],
        }


def cost_of(
    layers: tuple[Layer, ...],
    chip: Chip,
    corners: Corners,
    activity: Activity,
    preset: str = "as-built",
) -> Cost:
    """Combine counts and facts into the cost of one inference.

    Raises:
        TooOftenError: Inferences are asked for more often than the nominal chip begins one.
    """
    area = _parts(corners, lambda facts: areas(layers, chip, facts, activity.steps))
    total_um2 = sum_of(area.values())
    sides = [um2**0.5 * 1e-3 for um2 in total_um2]
    costs = tuple(
        _layer_cost(layers, index, chip, corners, activity, sides) for index in range(len(layers))
    )
    latency = _parts(corners, lambda facts: latencies(layers, chip, facts, activity.steps))
    energy = {
        action: sum_of(cost.energy_pj[action] for cost in costs) for action in costs[0].energy_pj
    }
    check_interval(chip, latency["inference_interval"].nominal)
    dynamic = sum_of(energy.values())
    ends = _ends(corners, total_um2, latency)
    energy["leakage"] = Range(*(standing_energy(layers, chip, *end) for end in ends))
    total_pj = sum_of(energy.values())
    counts = {name: sum(cost.counts[name] for cost in costs) for name in costs[0].counts}
    slots = sum(slots_of(layer, chip) * _cells(layer, chip) for layer in layers)
    metrics = metrics_of(counts, activity.samples, total_pj, latency, total_um2)
    metrics |= _power(chip, total_pj, dynamic, ends)
    chips = chips_in_use(layers, chip)
    chips_um2 = Range(*(whole_um2(layers, chip, facts, um2) for facts, um2, _ in ends))
    return Cost(
        preset=preset,
        steps=activity.steps,
        samples=activity.samples,
        density=activity.density,
        layers=costs,
        counts=counts,
        energy_pj=energy,
        total_pj=total_pj,
        latency_ns=latency,
        limited_by=_limit(layers, costs, latency["cycle"].nominal),
        area_um2=area,
        total_um2=total_um2,
        utilisation=used_cells(layers) / slots if slots else 0.0,
        chips=chips,
        chips_um2=chips_um2,
        real_time=_real_time(chip, ends),
        warnings=tuple(
            (
                *limits(chips, chips_um2.nominal, metrics["power_w_per_cm2"].nominal),
                *too_slow(chip, latency["inference_interval"].high),
            )
        ),
        metrics=metrics,
    )


End = tuple[Facts, float, dict[str, float]]
"""Facts at one end, and the um2 and the times that follow from them."""


def _ends(corners: Corners, total_um2: Range, latency: Parts) -> list[End]:
    times = [{name: value[end] for name, value in latency.items()} for end in range(len(corners))]
    return list(zip(corners, total_um2, times, strict=True))


def _power(chip: Chip, total_pj: Range, dynamic: Range, ends: list[End]) -> Parts:
    """Return power on average, and its density while inferences follow each other."""
    power = [
        pj / period if (period := period_ns(chip, times)) else 0.0
        for pj, (_, _, times) in zip(total_pj, ends, strict=True)
    ]
    density = [
        power_density(pj, um2, times["inference_interval"], facts)
        for pj, (facts, um2, times) in zip(dynamic, ends, strict=True)
    ]
    return {"power_mw": _ordered(power), "power_w_per_cm2": _ordered(density)}


def _ordered(at_ends: list[float]) -> Range:
    """Put a figure at the ends of the facts in order; it need not rise with them."""
    return Range(min(at_ends), at_ends[1], max(at_ends))


def _real_time(chip: Chip, ends: list[End]) -> RealTime | None:
    if chip.every_ms is None:
        return None
    duties = [busy_ns(chip, times) / period_ns(chip, times) for _, _, times in ends]
    return RealTime(every_ms=chip.every_ms, duty=_ordered(duties), idle_leakage=chip.idle_leakage)


def _cells(layer: Layer, chip: Chip) -> int:
    return chip.macros[layer.macro].wordlines * chip.macros[layer.macro].bitlines


def metrics_of(
    counts: dict[str, int], samples: int, total_pj: Range, latency: Parts, total_um2: Range
) -> Parts:
    """Return the figures of merit of one inference; one MAC is two operations.

    A ratio is taken at one end of the facts at a time, then put in order.
    """
    interval = latency["inference_interval"]
    operations = 2 * counts["macs"] / samples
    events = counts["synaptic_operations"] / samples
    return {
        "edp_pj_ns": _each(
            total_pj, latency["inference_pipelined"], lambda pj, ns: pj * ns
        ),  # energy of an inference times its latency
        "tops_per_watt": _each(total_pj, interval, lambda pj, ns: operations / pj if pj else 0.0),
        "tops": _each(total_pj, interval, lambda pj, ns: operations / ns * 1e-3 if ns else 0.0),
        "tops_per_mm2": _each(
            total_um2, interval, lambda um2, ns: operations / ns / um2 * 1e3 if um2 and ns else 0.0
        ),
        "pj_per_synaptic_operation": _each(
            total_pj, interval, lambda pj, ns: pj / events if events else 0.0
        ),
    }


def _each(first: Range, second: Range, formula: Callable[[float, float], float]) -> Range:
    return _ordered([formula(a, b) for a, b in zip(first, second, strict=True)])


def _limit(
    layers: tuple[Layer, ...], costs: tuple[LayerCost, ...], cycle: float
) -> tuple[str, str]:
    layer, slowest = max(zip(layers, costs, strict=True), key=lambda pair: pair[1].step_ns.nominal)
    stages = {name: ns.nominal for name, ns in slowest.stages_ns.items()}
    paced = paced_stages(layer, stages, cycle)
    return slowest.name, max(paced, key=lambda name: paced[name])


def _layer_cost(
    layers: tuple[Layer, ...],
    index: int,
    chip: Chip,
    corners: Corners,
    activity: Activity,
    sides: list[float],
) -> LayerCost:
    layer, events, steps = layers[index], activity.events[index], activity.steps

    def step(facts: Facts) -> dict[str, float]:
        cycle = cycle_ns(layers, chip, facts)
        stages = layer_stages(layer, chip, facts, cycle, steps)
        return {"step": pace(layer, chip, stages, cycle), **stages}

    energies = [
        layer_energy(layer, events, activity, chip, facts, side)
        for facts, side in zip(corners, sides, strict=True)
    ]
    energy = {name: Range(*(found[name] for found in energies)) for name in energies[0]}
    stages = _parts(corners, step)
    area = _parts(corners, lambda facts: layer_area(layer, chip, facts, steps))
    return LayerCost(
        name=layer.name,
        counts=action_counts(layer, events, activity),
        energy_pj=energy,
        total_pj=sum_of(energy.values()),
        step_ns=stages.pop("step"),
        stages_ns=stages,
        area_um2=area,
        total_um2=sum_of(area.values()),
    )


def _parts(corners: Corners, formula: Callable[[Facts], dict[str, float]]) -> Parts:
    low, nominal, high = _at(corners, formula)
    return {name: Range(low[name], nominal[name], high[name]) for name in nominal}


def _at(corners: Corners, formula: Callable[[Facts], dict[str, float]]) -> list[dict[str, float]]:
    """Work a formula out at each corner, once where all of them are the very same facts."""
    if corners[0] is corners[1] is corners[2]:
        return [formula(corners[1])] * 3
    return [formula(facts) for facts in corners]


def sum_of(parts: Iterable[Range]) -> Range:
    held = list(parts)
    return Range(
        total(part.low for part in held),
        total(part.nominal for part in held),
        total(part.high for part in held),
    )


def plain(parts: Parts) -> dict[str, dict[str, float]]:
    return {name: value._asdict() for name, value in parts.items()}


def filling(cost: Cost) -> str:
    """Say why the pipeline makes a short inference longer; empty where it does not."""
    latency = cost.latency_ns
    if latency["inference_pipelined"].nominal <= latency["inference_sequential"].nominal:
        return ""
    return (
        "Pipelined, an inference of so few time steps takes longer than one layer after the "
        "other: each layer waits for the slowest one while the pipeline fills."
    )


def _lines(cost: Cost) -> Iterable[str]:
    steps = f"{cost.steps} time step{'s' if cost.steps > 1 else ''}"
    spikes = "recorded spikes" if cost.density is None else f"density {cost.density:g}"
    yield f"one inference of {steps}, {spikes}, preset {cost.preset}: nominal (low .. high)"
    yield _line("energy", cost.total_pj, 1e-6, "uJ")
    yield _line("latency, pipelined", cost.latency_ns["inference_pipelined"], 1e-3, "us")
    yield _line("latency, sequential", cost.latency_ns["inference_sequential"], 1e-3, "us")
    if slower := filling(cost):
        yield f"  {slower}"
    yield _line("initiation interval", cost.latency_ns["inference_interval"], 1e-3, "us")
    layer, stage = cost.limited_by
    yield f"  {'set by':<24} {_shown(layer)}, {stage}"
    if cost.real_time is not None:
        yield f"  {'an inference every':<24} {cost.real_time.every_ms:g} ms"
        yield _line("duty", cost.real_time.duty, 100, "%")
        yield f"  {'leakage while idle':<24} {100 * cost.real_time.idle_leakage:g} %"
    yield _line("area", cost.total_um2, 1e-6, "mm2")
    whole = f"{cost.chips} whole chip{'s' if cost.chips > 1 else ''}"
    yield _line(whole, cost.chips_um2, 1e-6, "mm2")
    yield f"  {'cells used':<24} {100 * cost.utilisation:.3g} % of the crossbars in use"
    yield _line("energy x latency", cost.edp_pj_ns, 1e-9, "uJ us")
    tops = _line("efficiency, 2 ops a MAC", cost.metrics["tops_per_watt"], 1, "TOPS/W")
    yield f"{tops}, zeros included"
    per_event = cost.metrics["pj_per_synaptic_operation"]
    yield f"{_line('per synaptic operation', per_event, 1, 'pJ')}, a spike that meets a weight"
    yield _line("power", cost.metrics["power_mw"], 1, "mW")
    yield f"{_line('power density', cost.metrics['power_w_per_cm2'], 1, 'W/cm2')}, back to back"
    yield from (f"  warning: {text}" for text in cost.warnings)
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
    low, nominal, high = (_digits(number * factor) for number in value)
    return f"  {_shown(name):<24} {nominal} {unit} ({low} .. {high})"


def _digits(number: float) -> str:
    return f"{number:.0f}" if 9999.5 <= abs(number) < 1e9 else f"{number:.4g}"


def _shown(name: str) -> str:
    """Names come from a model file: what is in them must not drive a terminal."""
    return name if name.isprintable() else ascii(name)
