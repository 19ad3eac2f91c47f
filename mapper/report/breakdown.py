"""Charts of where energy, time and area go, by layer and by component, with their intervals."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from mapper.cost import Cost, Range
from mapper.cost.sensitivity import Tornado
from mapper.report.charts import (
    Bar,
    Chart,
    Table,
    axis_title,
    bar_table,
    in_unit,
    interval_bars,
    percent,
    scaled,
    stacked_bars,
)
from mapper.report.names import layer_names
from mapper.report.themes import MOST_PARTS

MOST = 40
"""Layers that a chart shows; its table has them all."""

SWINGS = 8
"""Constants that the chart of what an estimate hangs on shows."""


def breakdown_charts(cost: Cost) -> tuple[Chart, ...]:
    """Return the charts of one estimate, by layer and by component."""
    names = layer_names(layer.name for layer in cost.layers)
    energies = {n: layer.total_pj for n, layer in zip(names, cost.layers, strict=True)}
    times = {n: layer.step_ns for n, layer in zip(names, cost.layers, strict=True)}
    areas = {n: layer.total_um2 for n, layer in zip(names, cost.layers, strict=True)}
    by_action = {words(name): value for name, value in cost.energy_pj.items() if value.high}
    by_block = {words(name): value for name, value in cost.area_um2.items() if value.high}
    return (
        _bars("energy-by-layer", "Energy by layer", "energy", energies, "pJ", "layer"),
        _bars("energy-by-component", "Energy by component", "energy", by_action, "pJ", "component"),
        _stacked(cost, names),
        _bars("time-by-layer", "Time step by layer", "time", times, "ns", "layer"),
        _bars("area-by-layer", "Area by layer", "area", areas, "um2", "layer"),
        _bars("area-by-component", "Area by component", "area", by_block, "um2", "component"),
    )


_TOLD = {
    "energy-by-layer": "Of one inference, without the leakage of the chip.",
    "energy-by-component": "Of one inference, all layers and the leakage of the chip.",
    "time-by-layer": "One time step of each layer: the longest sets the pace of the pipeline.",
    "area-by-layer": "Whole crossbars with their periphery; routers are shared.",
    "area-by-component": "Of all crossbars in use.",
}
_WHISKERS = "Bars are nominal; a line goes from the low to the high end of the published facts."


def _bars(
    name: str, title: str, what: str, values: Mapping[str, Range], unit: str, label: str
) -> Chart:
    """Make a chart of one bar a name, the largest first."""
    ordered = sorted(values.items(), key=lambda item: -item[1].nominal)
    bars, shown = in_unit([_bar(name, value) for name, value in ordered], unit)
    total = sum(value.nominal for value in values.values())
    shares = {held: _share(value.nominal / total) for held, value in ordered} if total else {}
    notes = {} if name == "time-by-layer" else shares  # times of layers overlap: no parts of a sum
    beside = " Beside it is its share of the sum, nominal." if notes else ""
    return Chart(
        name=name,
        title=title,
        description=f"{_TOLD[name]} {_WHISKERS}{beside}{_left_out(len(bars))}",
        spec=interval_bars(bars, unit=shown, what=what, limit=MOST, notes=notes),
        table=bar_table(bars, unit=shown, label=label),
    )


_TINY = 0.001


def _share(share: float) -> str:
    return percent(share) if share >= _TINY else f"< {percent(_TINY)}"


def _left_out(count: int) -> str:
    return f" The {MOST} largest of {count} are drawn." if count > MOST else ""


def _bar(label: str, value: Range, group: str = "") -> Bar:
    return Bar(label=label, low=value.low, nominal=value.nominal, high=value.high, group=group)


def _stacked(cost: Cost, names: Sequence[str]) -> Chart:
    """Make a chart of every layer's energy, cut by component."""
    ordered = sorted(
        zip(names, cost.layers, strict=True), key=lambda pair: -pair[1].total_pj.nominal
    )
    main = _largest_parts(cost)
    bars, unit = in_unit(
        [bar for name, layer in ordered for bar in _parts_of(name, layer.energy_pj, main)],
        "pJ",
    )
    return Chart(
        name="energy-by-layer-and-component",
        title="Energy by layer and component",
        description="Of one inference, at the nominal facts. Parts have the numbers of their "
        f"components.{_others(cost, main)}{_left_out(len(ordered))}",
        spec=stacked_bars(bars, unit=unit, what="energy", limit=MOST, rest=_REST),
        table=bar_table(bars, unit=unit, label="layer", group="component"),
    )


_REST = "other"
_SMALL = 0.03  # share of the energy below which a component is no part of its own


def _largest_parts(cost: Cost) -> tuple[str, ...]:
    held = {n: v.nominal for n, v in cost.energy_pj.items() if n != "leakage" and v.high}
    most = sorted(held, key=lambda name: -held[name])[:MOST_PARTS]
    return tuple(n for n in most if n == most[0] or held[n] >= _SMALL * sum(held.values()))


def _others(cost: Cost, main: Sequence[str]) -> str:
    """Name what 'other' is, each with its share of the energy of all layers."""
    held = {n: v.nominal for n, v in cost.energy_pj.items() if n != "leakage" and v.high}
    total = sum(held.values()) or 1.0
    rest = sorted((n for n in held if n not in main), key=lambda name: -held[name])
    if not rest:
        return ""
    told = (f"{words(name)} ({100 * held[name] / total:.2g} %)" for name in rest)
    return f" '{_REST.capitalize()}' is {', '.join(told)}."


def _parts_of(label: str, parts: Mapping[str, Range], main: Iterable[str]) -> list[Bar]:
    main = tuple(main)
    told = [_bar(label, parts[name], words(name)) for name in main if name in parts]
    rest = [value for name, value in parts.items() if name not in main and value.high]
    if rest:
        low, nominal, high = (sum(column) for column in zip(*rest, strict=True))
        told.append(_bar(label, Range(low, nominal, high), _REST))
    return told


def stage_chart(cost: Cost, *, overlap: bool) -> Chart:
    """Return what the time step of the limiting layer is made of; ``overlap`` is the preset's."""
    how = "They overlap: the longest one counts." if overlap else "They follow each other."
    how += (
        " An adder tree takes new operands every cycle, so of accumulate a single addition for "
        "each output position counts."
    )
    slowest = max(cost.layers, key=lambda layer: layer.step_ns.nominal)
    stages = {words(name): value for name, value in slowest.stages_ns.items() if value.high}
    ordered = sorted(stages.items(), key=lambda item: -item[1].nominal)
    bars, unit = in_unit([_bar(name, value) for name, value in ordered], "ns")
    return Chart(
        name="limiting-layer",
        title="Inside the limiting layer",
        description=f"Stages of one time step of the layer that sets the pace. {how} {_WHISKERS}",
        spec=interval_bars(bars, unit=unit, what="time"),
        table=bar_table(bars, unit=unit, label="stage"),
    )


def stage_table(cost: Cost) -> Table:
    """Write every layer's stages, nominal."""
    names = layer_names(layer.name for layer in cost.layers)
    stages = tuple(
        name
        for name in cost.layers[0].stages_ns
        if any(c.stages_ns[name].high for c in cost.layers)
    )
    longest = max(layer.step_ns.nominal for layer in cost.layers)
    factor, unit = scaled(longest, "ns")
    written = partial(_in_factor, factor)
    return Table(
        columns=("layer", f"time step ({unit})", *(f"{words(name)} ({unit})" for name in stages)),
        rows=tuple(
            (
                name,
                written(layer.step_ns.nominal),
                *(written(layer.stages_ns[stage].nominal) for stage in stages),
            )
            for name, layer in zip(names, cost.layers, strict=True)
        ),
    )


def _in_factor(factor: float, value: float) -> str:
    return f"{value * factor:.3g}"


def swing_charts(tornados: Sequence[Tornado]) -> tuple[Chart, ...]:
    """Return, for each total, the constants whose intervals move it most."""
    units = {
        "energy_pj": ("Energy", "pJ"),
        "latency_ns": ("Latency", "ns"),
        "area_um2": ("Area", "um2"),
    }
    return tuple(_swings(tornado, *units[tornado.total]) for tornado in tornados if tornado.swings)


_LINE = {"type": "rule", "aria": False}  # what it shows is in the description


def _swings(tornado: Tornado, what: str, unit: str) -> Chart:
    factor, shown = scaled(tornado.nominal, unit)
    rows = [
        {
            "label": _constant(swing.constant),
            "low": min(swing.at_low, swing.at_high) * factor,
            "high": max(swing.at_low, swing.at_high) * factor,
            "shown": f"{swing.at_low * factor:.3g} .. {swing.at_high * factor:.3g} {shown}",
        }
        for swing in tornado.swings[:SWINGS]
    ]
    y = {"field": "label", "type": "nominal", "sort": None, "axis": {"title": None}}
    x = {
        "field": "low",
        "type": "quantitative",
        "scale": {"zero": False},
        "axis": {"title": axis_title(what, shown), "format": ",~r", "tickCount": 6},
    }
    tooltip = [{"field": "label", "title": "constant"}, {"field": "shown", "title": "total"}]
    middle = {"datum": tornado.nominal * factor}
    spec = {
        "height": 24 * len(rows),
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "height": {"band": 0.6}},
                "encoding": {"y": y, "x": x, "x2": {"field": "high"}, "tooltip": tooltip},
            },
            {"data": {"values": [{}]}, "mark": _LINE, "encoding": {"x": middle}},
        ],
    }
    return Chart(
        name=f"{what.lower()}-hangs-on",
        title=f"{what}: what it hangs on",
        description="Each constant at its low and its high end alone, all others nominal; the line "
        f"is the nominal total, {tornado.nominal * factor:.3g} {shown}.",
        spec=spec,
        table=Table(
            columns=("constant", "low", "nominal", "high", f"total at low ({shown})", "at high"),
            rows=tuple(
                (
                    _constant(swing.constant),
                    *(f"{value:.4g}" for value in (swing.low, swing.nominal, swing.high)),
                    f"{swing.at_low * factor:.4g}",
                    f"{swing.at_high * factor:.4g}",
                )
                for swing in tornado.swings
            ),
        ),
    )


_UNITS = {
    "_pj": "pJ",
    "_ns": "ns",
    "_uw_per_mm2": "µW/mm²",
    "_um2": "µm²",
    "_us": "µS",
    "_v": "V",
}
"""By the end of the name of a constant; ``_us`` is a conductance."""


def _constant(place: str) -> str:
    """Write the place of a constant, ``sense_amp.energy_pj``, as words and its unit."""
    part, _, what = place.rpartition(".")
    for end, unit in _UNITS.items():
        if what.endswith(end):
            return f"{words(part)}: {words(what.removesuffix(end))} ({unit})"
    return f"{words(part)}: {words(what)}"


_WORDS = {
    "hop": "hops between tiles",
    "shift_add": "shift-and-add",
    "cycle": "clock cycle of the logic",
    "step_pipelined": "time step, layers at work side by side",
    "step_sequential": "time step, one layer after the other",
    "inference_interval": "from one inference to the next",
    "inference_pipelined": "inference, layers at work side by side",
    "inference_sequential": "inference, one layer after the other",
}


def words(name: str) -> str:
    """Write the name of a component, a stage or an assumption for readers."""
    return _WORDS.get(name, name.replace("_", " "))
