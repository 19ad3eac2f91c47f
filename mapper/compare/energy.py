"""The energy table of a network: operations counted, crossbars, and an ANN on these crossbars."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite

from mapper.build.make import make_build
from mapper.compare.compared import Compared
from mapper.compare.run import Mapped, Progress, Recorded
from mapper.cost import Activity, Cost, Counts, price, priced_readouts
from mapper.cost.adders import as_added
from mapper.cost.ann import (
    ann_activity,
    ann_layers,
    code_bits,
    input_rates,
    sum_levels,
)
from mapper.cost.estimate import activity_under
from mapper.cost.facts import chip_of, corners_of, facts_of
from mapper.cost.model import Facts, Layer
from mapper.cost.points import totals
from mapper.cost.summary import cost_of
from mapper.diagnostics import refuse
from mapper.report.comparison.energy import (
    AC_PJ,
    MAC_PJ,
    EnergyOf,
    EnergyRow,
    EnergyTable,
    Meets,
    sources,
)
from mapper.report.references import works_behind
from targets import Macro, Preset, Target, Work, shipped_works

_ADC_COLUMNS = 8
"""That share an ADC in the shipped targets; a target with ADCs keeps its own."""
_POINTS = 64
"""Rates, 0 and 1 among them, between which a meeting is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A spiking network and its ANN, counted and ready to be priced at any rate."""

    one: Compared
    counts: Counts
    """Of the ANN's target."""
    layers: tuple[Layer, ...]
    """Of the ANN."""
    steps: int
    preset: Preset

    @property
    def rates(self) -> tuple[float, ...]:
        """Share of input bits of each layer that were 1."""
        layers, one = self.one.build.counts.layers, self.one
        return input_rates(layers, activity_under(self.preset, layers, one.activity, one.steps))

    def costs(self) -> tuple[Cost, Cost]:
        """Price the spiking network, and the ANN whose codes count its spikes."""
        one, target, layers = self.one, self.counts.target, self.layers
        activity = ann_activity(layers, one.build.counts.layers, self.rates, self.steps)
        chip = chip_of(target, self.preset, layers)
        corners = corners_of(target, self.preset)
        ann = cost_of(as_added(layers, chip), chip, corners, activity, self.preset.name)
        return price(one.build.counts, one.activity, one.steps, self.preset), ann

    def meets(self, end: int) -> Meets:
        """Find the rates at which both take the same energy, at one end of the facts."""
        names = ("low", "nominal", "high")
        spiking = self.one.build.counts
        mine = facts_of(spiking.target, self.preset, names[end])  # type: ignore[arg-type]
        theirs = facts_of(self.counts.target, self.preset, names[end])  # type: ignore[arg-type]
        return meeting(lambda rate: self._saved(rate, mine, theirs))

    def _saved(self, rate: float, mine: Facts, theirs: Facts) -> float:
        """Return by how much the ANN takes more, where all inputs have one rate."""
        spiking = self.one.build.counts
        preset = replace(self.preset, activity="given")
        chips = chip_of(spiking.target, preset, spiking.layers)
        snn = totals(
            as_added(spiking.layers, chips),
            chips,
            mine,
            activity_under(preset, spiking.layers, rate, self.steps),
        )
        rates = (rate,) * len(self.layers)
        chips = chip_of(self.counts.target, preset, self.layers)
        ann = totals(
            as_added(self.layers, chips),
            chips,
            theirs,
            ann_activity(self.layers, spiking.layers, rates, self.steps),
        )
        return ann["energy_pj"] - snn["energy_pj"]


def meeting(saved: Callable[[float], float]) -> Meets:
    """Solve for the rates, 0..1, where a saving changes its sign: scanned, then halved.

    >>> meeting(lambda rate: 0.25 - rate)
    Meets(rates=(0.25,), snn_first=True)
    """
    places = [place / _POINTS for place in range(_POINTS + 1)]
    values = [saved(place) for place in places]
    rates = []
    for start, stop, before, after in zip(places, places[1:], values, values[1:], strict=False):
        if (before > 0) != (after > 0):
            rates.append(_between(saved, start, stop))
    return Meets(rates=tuple(rates), snn_first=values[0] > 0)


def _between(saved: Callable[[float], float], start: float, stop: float) -> float:
    rising = saved(stop) > 0
    for _ in range(40):  # to a trillionth: closer than whole events can tell
        middle = (start + stop) / 2
        start, stop = (start, middle) if (saved(middle) > 0) == rising else (middle, stop)
    return stop


def energy_on(
    mapped: Mapped,
    recorded: Recorded,
    *,
    steps: int,
    preset: Preset,
    ac_pj: float = AC_PJ,
    mac_pj: float = MAC_PJ,
    progress: Progress = lambda text: None,
) -> EnergyTable:
    """Make the energy table of a network on targets that ``check_targets`` accepted.

    Args:
        mapped: The network, and what it is mapped onto.
        recorded: Reads what calibrates, is run on every target, and whose spikes are counted.
        steps: Time steps of an inference, where nothing is counted.
        preset: What to assume of the chips.
        ac_pj: Energy of an accumulation, for the proxy.
        mac_pj: Energy of a multiply-accumulate, for the proxy.
        progress: Called with what comes next.

    Raises:
        MappingError: ``energy-table`` for a preset that draws its own activity, for energies of
            operations that are none, and where no ADC of the library keeps the sums.
    """
    _check(preset, ac_pj, mac_pj)
    found: list[tuple[Compared, EnergyOf]] = []
    warnings: list[str] = []
    works: dict[str, Work] = {}
    for one in mapped.builds(recorded, steps, progress):
        pair = _pair(one, mapped, preset)
        cost, ann = pair.costs()
        found.append((one, _energy(pair, cost, ann, (ac_pj, mac_pj))))
        warnings += [f"{one.title}: {text}" for text in (*one.warnings, *cost.warnings)]
        warnings += [f"{one.title}, the ANN: {text}" for text in ann.warnings]
        for made in (one.build.target, pair.counts.target):
            works |= {work.key: work for work in works_behind(made, preset)}
    first = found[0][0]
    activity = first.activity
    measured = isinstance(activity, Activity)
    taken = activity.steps if isinstance(activity, Activity) else first.steps
    return EnergyTable(
        network=first.build.hardware.name,
        activity="measured" if measured else f"density {activity:g}",
        preset=preset.name,
        steps=taken,
        code_bits=code_bits(taken),
        ac_pj=ac_pj,
        mac_pj=mac_pj,
        targets=tuple(energy for _, energy in found),
        works=sources(tuple(works.values()), dict(shipped_works())),
        recording=first.taken,
        warnings=(*mapped.imported.warnings, *warnings),
    )


def _check(preset: Preset, ac_pj: float, mac_pj: float) -> None:
    if preset.activity != "given":
        raise refuse(
            "energy-table",
            f"preset '{preset.name}' draws random inputs, and the table is of spike rates",
            loc="--preset",
            help="take physical or as-built",
        )
    for name, value in (("--ac", ac_pj), ("--mac", mac_pj)):
        if not isfinite(value) or not 0 < value <= 1e12:
            raise refuse(
                "energy-table", f"an operation takes more than 0 pJ, got {value:g} pJ", loc=name
            )


def _pair(one: Compared, mapped: Mapped, preset: Preset) -> _Pair:
    activity = one.activity
    steps = activity.steps if isinstance(activity, Activity) else one.steps
    target = ann_target(one.build.counts, steps)
    made = make_build(
        mapped.imported,
        target,
        mapped.weight_bits,
        None,
        source={},
        assignment=mapped.assignment,
    )
    assert made is not None  # nothing stopped the passes
    return _Pair(
        one=one,
        counts=made.counts,
        layers=ann_layers(made.counts, steps),
        steps=steps,
        preset=preset,
    )


def ann_target(counts: Counts, steps: int) -> Target:
    """Return the target of a mapping with ADCs that keep the sums of its crossbars.

    A code counts the spikes of ``steps``: read several bits at a time, it makes larger sums.
    Readouts that keep them anyway, ideal and digital ones, stay.

    Raises:
        MappingError: ``energy-table`` where the library has no ADC of so many bits.
    """
    target = counts.target
    levels: dict[str, int] = {}
    for macro, found in sum_levels(counts.graph, steps):
        levels[macro] = max(levels.get(macro, 0), found)
    macros = tuple(
        _with_adc(macro, (levels[macro.name] - 1).bit_length(), target)
        if macro.name in levels and (macro.readout.is_adc or macro.readout.is_sensed)
        else macro
        for macro in target.macros
    )
    return replace(target, macros=macros)


def _with_adc(macro: Macro, bits: int, target: Target) -> Macro:
    bits = max(bits, 2)
    readout, library = macro.readout, target.components
    kinds = (readout.kind, "sar", "flash") if readout.is_adc else ("sar", "flash")
    kind = next((kind for kind in kinds if library.converter(kind, bits)), None)
    if kind is None:
        raise refuse(
            "energy-table",
            f"sums of macro '{macro.name}' have {bits} bits, and library '{library.name}' has no "
            "ADC of so many: the ANN has nothing that keeps them",
            loc=target.name,
            help="take a target with shorter columns or cells of fewer levels, or add the ADC to "
            "its library",
        )
    columns = readout.columns_per_readout if readout.is_adc else min(_ADC_COLUMNS, macro.bitlines)
    changed = replace(
        readout,
        kind=kind,  # type: ignore[arg-type]  # of the library's two
        bits=bits,
        columns_per_readout=columns,
        reference="constant",
        levels=(),
    )
    return replace(macro, readout=changed)


def _energy(pair: _Pair, cost: Cost, ann: Cost, proxy: tuple[float, float]) -> EnergyOf:
    one, preset, rates = pair.one, pair.preset, pair.rates
    counts = one.build.counts
    rows = tuple(
        _row(place, counts.layers, rates, cost, ann, proxy) for place in range(len(counts.layers))
    )
    low, nominal, high = (pair.meets(end) for end in range(3))
    return EnergyOf(
        target=one.title,
        readout=_readout(counts, preset),
        ann_readout=_readout(pair.counts, preset),
        rows=rows,
        snn_pj=cost.total_pj,
        ann_pj=ann.total_pj,
        meets=(low, nominal, high),
        proxy_meets=_proxy_meets(counts.layers, pair.steps, *proxy),
        incomparable=one.incomparable,
        snn_loads_pj=cost.energy_pj.get("weight_loading"),
        ann_loads_pj=ann.energy_pj.get("weight_loading"),
    )


def _readout(counts: Counts, preset: Preset) -> str:
    known = priced_readouts(counts.target, preset)
    used = {layer.macro for layer in counts.layers}
    return "; ".join(dict.fromkeys(words for name, words in known.items() if name in used))


def _row(
    place: int,
    layers: tuple[Layer, ...],
    rates: tuple[float, ...],
    cost: Cost,
    ann: Cost,
    proxy: tuple[float, float],
) -> EnergyRow:
    layer, held = layers[place], cost.layers[place]
    ac_pj, mac_pj = proxy
    macs, sops = layer.work.macs, held.counts["synaptic_operations"] / cost.samples
    spiking = layer.grid.planes == 1
    return EnergyRow(
        layer=held.name.partition(":")[2] or held.name,
        rate=rates[place] if layer.grid.planes else None,
        spiking=spiking,
        sops=sops if spiking else 0.0,
        macs=macs,
        snn_proxy_pj=sops * ac_pj if spiking else macs * cost.steps * mac_pj,
        ann_proxy_pj=macs * mac_pj,
        snn_pj=held.total_pj,
        ann_pj=ann.layers[place].total_pj,
    )


def _proxy_meets(layers: tuple[Layer, ...], steps: int, ac_pj: float, mac_pj: float) -> Meets:
    """Solve ``rate x AC x SOPs of all spikes + MAC x T x MACs of codes = MAC x MACs``."""
    spiking = [layer for layer in layers if layer.grid.planes == 1]
    codes = sum(layer.work.macs for layer in layers if layer.grid.planes != 1)
    most = sum(layer.full.cells // max(layer.grid.cells_per_weight, 1) for layer in spiking)
    ann = mac_pj * sum(layer.work.macs for layer in layers)
    left = ann - mac_pj * steps * codes
    slope = ac_pj * steps * most
    if left <= 0:
        return Meets(rates=(), snn_first=False)
    return Meets(rates=(left / slope,) if slope >= left else (), snn_first=True)
