"""The cost of one inference from the counts of its layers and the facts of their parts.

Standard library only: a generated ``cost.py`` carries this text too.
"""

from collections.abc import Callable

from mapper.cost.actions import Activity, action_counts, slots_of, used_cells
from mapper.cost.area import areas, layer_area
from mapper.cost.arith import total
from mapper.cost.energy import layer_energy
from mapper.cost.model import Chip, Corners, Facts, Layer
from mapper.cost.realtime import (
    busy_ns,
    check_interval,
    chips_in_use,
    limits,
    period_ns,
    power_density,
    standing_energy,
    too_slow,
    whole_area,
)
from mapper.cost.result import Cost, LayerCost, Parts, Programming, Range, RealTime, sum_of
from mapper.cost.tested import silicon_behind
from mapper.cost.timing import (
    clock_of,
    latencies,
    layer_stages,
    layer_times,
    paced_stages,
    shared_link_ns,
)
from mapper.cost.writing import (
    link_totals,
    loading_energy,
    loads,
    not_charged,
    rounds_of,
    write_energy,
    write_ns,
    writes_of_a_cell,
    written_cells,
)


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
    if loads(layers, activity.steps) and chip.writes:
        energy["weight_loading"] = Range(
            *(loading_energy(layers, facts, activity.steps) for facts in corners)
        )
    dynamic = sum_of(energy.values())
    ends = _ends(corners, area, latency)
    energy["leakage"] = Range(*(standing_energy(layers, chip, *end) for end in ends))
    total_pj = sum_of(energy.values())
    counts = {name: sum(cost.counts[name] for cost in costs) for name in costs[0].counts}
    slots = sum(slots_of(layer, chip) * _cells(layer, chip) for layer in layers)
    metrics = metrics_of(counts, activity.samples, total_pj, latency, total_um2)
    metrics |= _power(chip, total_pj, dynamic, ends)
    chips = chips_in_use(layers, chip)
    wholes = [whole_area(layers, chip, facts, held) for facts, held, _ in ends]
    chips_um2 = Range(*(total(whole.values()) for whole in wholes))
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
        limited_by=_limit(layers, costs, chip, corners[1]),
        area_um2=area,
        total_um2=total_um2,
        utilisation=used_cells(layers) / slots if slots else 0.0,
        chips=chips,
        chips_um2=chips_um2,
        link_bits=link_totals(layers),
        programming=_programming(layers, chip, corners, activity.steps),
        gated=chip.gated,
        updated=_updated(layers, chip, activity),
        real_time=_real_time(chip, ends),
        warnings=tuple(
            (
                *limits(chips, chips_um2.nominal, metrics["power_w_per_cm2"].nominal),
                *too_slow(chip, latency["inference_interval"].high),
                *not_charged(layers, chip),
            )
        ),
        metrics=metrics,
        silicon=silicon_behind(
            [
                (layer.macro, {name: pj.nominal for name, pj in cost.energy_pj.items()})
                for layer, cost in zip(layers, costs, strict=True)
            ],
            chip,
            energy["leakage"].nominal,
        ),
    )


def _updated(
    layers: tuple[Layer, ...], chip: Chip, activity: Activity
) -> tuple[float, bool] | None:
    """Return which share of membranes is updated, at most, and whether it is just that."""
    if not chip.update_on_event:
        return None
    runs = activity.steps * activity.samples
    every = sum(layer.work.membrane_updates for layer in layers) * runs
    pairs = list(zip(layers, activity.events, strict=True))
    done = sum(
        events.updates if layer.event_neurons else layer.work.membrane_updates * runs
        for layer, events in pairs
    )
    exact = activity.density is None and all(layer.updates_exact for layer in layers)
    return done / every if every else 1.0, exact


def _programming(
    layers: tuple[Layer, ...], chip: Chip, corners: Corners, steps: int
) -> Programming | None:
    if not chip.writes:
        return None
    often = writes_of_a_cell(layers, steps)
    limits = [facts.endurance for facts in corners if facts.endurance is not None]
    endurance = Range(*limits) if limits else None
    lasts = None if endurance is None or not often else Range(*(end / often for end in endurance))
    return Programming(
        cells=written_cells(layers),
        energy_pj=Range(*(write_energy(layers, facts) for facts in corners)),
        time_ns=Range(*(write_ns(layers, chip, facts) for facts in corners)),
        rounds=len(rounds_of(layers)),
        loads=loads(layers, steps),
        endurance=endurance,
        inferences=lasts,
    )


End = tuple[Facts, dict[str, float], dict[str, float]]
"""Facts at one end, and the areas and the times that follow from them."""


def _ends(corners: Corners, area: Parts, latency: Parts) -> list[End]:
    def at(end: int, parts: Parts) -> dict[str, float]:
        return {name: value[end] for name, value in parts.items()}

    return [(facts, at(end, area), at(end, latency)) for end, facts in enumerate(corners)]


def _power(chip: Chip, total_pj: Range, dynamic: Range, ends: list[End]) -> Parts:
    """Return power on average, and its density while inferences follow each other."""
    power = [
        pj / period if (period := period_ns(chip, times)) else 0.0
        for pj, (_, _, times) in zip(total_pj, ends, strict=True)
    ]
    density = [
        power_density(pj, area, times["inference_interval"], facts)
        for pj, (facts, area, times) in zip(dynamic, ends, strict=True)
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
    layers: tuple[Layer, ...], costs: tuple[LayerCost, ...], chip: Chip, facts: Facts
) -> tuple[str, str]:
    """Name what sets the pace: a layer and its longest stage, or no layer and what it is then."""
    layer, slowest = max(zip(layers, costs, strict=True), key=lambda pair: pair[1].step_ns.nominal)
    clock = clock_of(layers, chip, facts)
    shared = {
        "links between chips": shared_link_ns(layers, chip, clock),
        "time step of the target": chip.step_ns,
    }
    longest = max(shared, key=lambda name: shared[name])
    if shared[longest] > slowest.step_ns.nominal:
        return "", longest
    stages = {name: ns.nominal for name, ns in slowest.stages_ns.items()}
    paced = paced_stages(layer, stages, clock.cycle)
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
        clock = clock_of(layers, chip, facts)
        stages = layer_stages(layer, chip, facts, clock, steps)
        return {**layer_times(layer, chip, stages, clock)._asdict(), **stages}

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
        step_ns=stages.pop("pace"),
        latency_ns=stages.pop("latency"),
        sequential_ns=stages.pop("sequential"),
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
