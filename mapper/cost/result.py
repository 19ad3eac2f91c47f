"""The cost of one inference as intervals, in its JSON and its text form.

Standard library only: a generated ``cost.py`` carries this text too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from mapper.cost.arith import total
from mapper.cost.tested import Silicon, in_macros

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
    latency_ns: Range
    """One time step, from its input on the way to the last result: all stages for one datum."""
    sequential_ns: Range
    """One time step where every stage waits for the one before."""
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
class Programming:
    """What writing the weights of a network takes, and how often a chip can."""

    cells: int
    """That hold a weight, of all copies and rounds."""
    energy_pj: Range
    """Of writing them once."""
    time_ns: Range
    """At most: of the fullest tile of each round."""
    rounds: int
    loads: int
    """How often each round is loaded for one inference; 0: weights stay."""
    endurance: Range | None
    """Writes that a cell survives; None: without an end."""
    inferences: Range | None
    """Until the cell that is written most is worn out; None where weights stay, or no end."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "cells": self.cells,
            "energy_pj": self.energy_pj._asdict(),
            "time_ns": self.time_ns._asdict(),
            "rounds": self.rounds,
            "loads_per_inference": self.loads,
            "endurance": None if self.endurance is None else self.endurance._asdict(),
            "inferences": None if self.inferences is None else self.inferences._asdict(),
        }

    @property
    def told(self) -> str:
        """Say how often weights are written."""
        if not self.loads:
            return "weights stay as they are written"
        often = "once an inference" if self.loads == 1 else "in every time step"
        why = ": later rounds feed earlier ones back" if self.loads > 1 else ""
        return f"each of {self.rounds} rounds is loaded {often}{why}"


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
    """The layer that sets the pace, and its longest stage, at the nominal facts; an empty name, and
    what it is, where something is slower than every layer."""
    area_um2: Parts
    total_um2: Range
    utilisation: float
    """Cells that hold a weight over cells of the occupied crossbars, 0..1."""
    chips: int
    chips_um2: Range
    """All of these chips, with crossbars and routers that are empty."""
    link_bits: tuple[int, ...]
    """Bits a time step over each link between neighbouring chips, from the first."""
    programming: Programming | None
    """None: what writing takes is not known of these cells."""
    gated: bool
    """Crossbar reads without a driven wordline are skipped."""
    updated: tuple[float, bool] | None
    """Share of the membranes that are updated, at most, and whether just so many; None: all."""
    real_time: RealTime | None
    """None: inferences follow each other back to back."""
    warnings: tuple[str, ...]
    """Which limits of silicon the mapping is beyond, nominal: one die, and power density."""
    metrics: Parts
    """Figures of merit: energy-delay product, operations per energy and time."""
    silicon: Silicon
    """Which share of the energy rests on terms that silicon has tested."""

    @property
    def macro_pj(self) -> Parts:
        """What takes place inside of the macros, by action, as published macros are measured."""
        return {name: self.energy_pj[name] for name in in_macros(self.energy_pj)}

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
            "chips": {
                "count": self.chips,
                "um2": self.chips_um2._asdict(),
                "link_bits": list(self.link_bits),
            },
            "programming": None if self.programming is None else self.programming.as_dict(),
            "event_gating": gating_dict(self),
            "real_time": None if self.real_time is None else self.real_time.as_dict(),
            "warnings": list(self.warnings),
            "edp_pj_ns": self.edp_pj_ns._asdict(),
            "metrics": plain(self.metrics),
            "macro": macro_dict(self),
            "silicon": self.silicon.as_dict(),
            "layers": [
                {
                    "name": layer.name,
                    "counts": layer.counts,
                    "energy_pj": {**plain(layer.energy_pj), "total": layer.total_pj._asdict()},
                    "step_ns": layer.step_ns._asdict(),
                    "latency_ns": layer.latency_ns._asdict(),
                    "sequential_ns": layer.sequential_ns._asdict(),
                    "stages_ns": plain(layer.stages_ns),
                    "area_um2": {**plain(layer.area_um2), "total": layer.total_um2._asdict()},
                }
                for layer in self.layers
            ],
        }


def gating_dict(cost: Cost) -> dict[str, object] | None:
    """Return which share of the crossbar reads has no driven wordline and is skipped.

    Of random spikes fewer reads are known to be silent than are: ``exact`` is false then.
    """
    if not cost.gated and cost.updated is None:
        return None
    told: dict[str, object] = {}
    if cost.gated:
        told |= {"skipped_reads": skipped_reads(cost), "exact": cost.density is None}
    if cost.updated is not None:
        share, exact = cost.updated
        told |= {"skipped_updates": 1 - share, "updates_exact": exact}
    return told


def skipped_reads(cost: Cost) -> float:
    """Return the share of crossbar reads that no spike drives, 0..1."""
    reads = cost.counts["crossbar_reads"]
    return 1 - cost.counts["gated_crossbar_reads"] / reads if reads else 0.0


def sum_of(parts: Iterable[Range]) -> Range:
    """Add up intervals, each end with the same ends."""
    held = list(parts)
    return Range(
        total(part.low for part in held),
        total(part.nominal for part in held),
        total(part.high for part in held),
    )


def plain(parts: Parts) -> dict[str, dict[str, float]]:
    """Return the JSON form of intervals by name."""
    return {name: value._asdict() for name, value in parts.items()}


def macro_dict(cost: Cost) -> dict[str, object]:
    """Return what a macro takes, as published macros are measured: by action, and a product."""
    whole = sum_of(cost.macro_pj.values())
    products = cost.counts["macs"] / cost.samples
    return {
        "energy_pj": {**plain(cost.macro_pj), "total": whole._asdict()},
        "fj_per_mac": {name: pj / products * 1e3 for name, pj in whole._asdict().items()}
        if products
        else None,
    }


def macro_lines(cost: Cost) -> Iterable[str]:
    """Give the macro's share as text: each action, its share, and which chips tested it."""
    whole = sum_of(cost.macro_pj.values())
    yield f"inside of macros, {_percent(whole.nominal, cost.total_pj.nominal)} of the energy"
    for name, value in cost.macro_pj.items():
        chips = ", ".join(cost.silicon.tested.get(name, ())) or "no chip"
        share = _percent(value.nominal, whole.nominal)
        yield f"{_line(name, value, 1e-6, 'uJ')}, {share}, tested by {chips}"
    yield _line("total", whole, 1e-6, "uJ")
    if products := cost.counts["macs"] / cost.samples:
        each = Range(*(pj / products for pj in whole))
        yield _line("per MAC", each, 1e3, "fJ")
        efficiency = Range(*sorted(2 / pj if pj else 0.0 for pj in each))
        yield _line("efficiency, 2 ops a MAC", efficiency, 1, "TOPS/W")
    yield silicon_line(cost)


def silicon_line(cost: Cost) -> str:
    """Say which share of the energy rests on terms that silicon has tested."""
    return f"  {'with silicon behind it':<24} {100 * cost.silicon.share:.3g} % of the energy"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole if whole else 0.0:.3g} %"


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
    yield silicon_line(cost)
    yield _line("latency, pipelined", cost.latency_ns["inference_pipelined"], 1e-3, "us")
    yield _line("latency, sequential", cost.latency_ns["inference_sequential"], 1e-3, "us")
    if slower := filling(cost):
        yield f"  {slower}"
    yield _line("initiation interval", cost.latency_ns["inference_interval"], 1e-3, "us")
    layer, stage = cost.limited_by
    yield f"  {'set by':<24} {f'{_shown(layer)}, {stage}' if layer else stage}"
    if cost.gated:
        known = "counted" if cost.density is None else "at least, of random spikes"
        yield f"  {'silent reads skipped':<24} {100 * skipped_reads(cost):.3g} %, {known}"
    if cost.updated is not None:
        share, exact = cost.updated
        known = "counted" if exact else "at least"
        yield f"  {'membranes left alone':<24} {100 * (1 - share):.3g} %, {known}"
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
    yield from _writing(cost)
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


def _writing(cost: Cost) -> Iterable[str]:
    for link, bits in enumerate(cost.link_bits):
        yield f"  {f'chip {link} to chip {link + 1}':<24} {bits} bits a time step"
    found = cost.programming
    if found is None:
        return
    yield f"{_line('writing all weights', found.energy_pj, 1e-6, 'uJ')}, {found.told}"
    yield _line("writing takes at most", found.time_ns, 1e-3, "us")
    if found.endurance is not None:
        yield _line("a cell survives", found.endurance, 1, "writes")
    if found.inferences is not None:
        yield _line("cells last for", found.inferences, 1, "inferences")


def _line(name: str, value: Range, factor: float, unit: str) -> str:
    low, nominal, high = (_digits(number * factor) for number in value)
    return f"  {_shown(name):<24} {nominal} {unit} ({low} .. {high})"


def _digits(number: float) -> str:
    return f"{number:.0f}" if 9999.5 <= abs(number) < 1e9 else f"{number:.4g}"


def _shown(name: str) -> str:
    """Names come from a model file: what is in them must not drive a terminal."""
    return name if name.isprintable() else ascii(name)
