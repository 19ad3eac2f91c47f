"""Charts of where energy, time and area go, by layer and by component, with their intervals."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from mapper.cost import Cost, Range
from mapper.cost.sensitivity import Tornado
from mapper.report.charts.base import (
    Bar,
    Chart,
    Table,
    axis_title,
    bar_table,
    in_unit,
    interval_bars,
    marks_in_words,
    stacked_bars,
)
from mapper.report.charts.themes import MOST_PARTS
from mapper.report.names import layer_names
from mapper.report.numbers import number, percent, scaled, three_digits

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
    energy, area = cost.total_pj, cost.total_um2
    by_block = {words(name): value for name, value in cost.area_um2.items() if value.high}
    return (
        _bars("energy-by-layer", "Energy by layer", energies, "pJ", "layer", energy),
        _bars("energy-by-component", "Energy by component", by_action, "pJ", "component", energy),
        _stacked(cost, names),
        _bars("time-by-layer", "Time step by layer", times, "ns", "layer"),
        _bars("area-by-layer", "Area by layer", areas, "um2", "layer", area),
        _bars("area-by-component", "Area by component", by_block, "um2", "component", area),
    )


_TOLD = {
    "energy-by-layer": "Of one inference, without the leakage of the chip; shares are of the total "
    "with it.",
    "energy-by-component": "Of one inference, all layers and the leakage of the chip. Membrane "
    "memory, where it is charged, costs what the buffer does.",
    "time-by-layer": "One time step of each layer: the longest sets the pace of the pipeline.",
    "area-by-layer": "Whole crossbars with their periphery, without the routers; shares are of "
    "the total with them.",
    "area-by-component": "Of all crossbars in use.",
}


def _bars(
    name: str,
    title: str,
    values: Mapping[str, Range],
    unit: str,
    label: str,
    whole: Range | None = None,
) -> Chart:
    """Make a chart of one bar a name, the largest first, with its share of ``whole``."""
    what = name.partition("-")[0]
    ordered = sorted(values.items(), key=lambda item: -item[1].nominal)
    bars, shown = in_unit([_bar(name, value) for name, value in ordered], unit)
    total = 0.0 if whole is None else whole.nominal  # times of layers overlap: parts of nothing
    notes = {held: _share(value.nominal / total) for held, value in ordered} if total else {}
    beside = " Beside it is its share, nominal." if notes else ""
    return Chart(
        name=name,
        title=title,
        description=f"{_TOLD[name]} {marks_in_words(bars)}{beside}{_left_out(len(bars))}",
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
    """Return the stages of a time step of the limiting layer; ``overlap`` is the preset's."""
    how = "They overlap: the longest one counts." if overlap else "They follow each other."
    slowest = cost.layers[limiting_layer(cost)]
    if "adder_tree" in slowest.stages_ns:
        how += (
            " The depth of an adder tree holds up nothing behind it: the tree takes new operands "
            "every turn."
        )
    else:
        how += (
            " An adder tree takes new operands every cycle, so of accumulate a single addition "
            "for each output position counts."
        )
    stages = {words(name): value for name, value in slowest.stages_ns.items() if value.high}
    ordered = sorted(stages.items(), key=lambda item: -item[1].nominal)
    bars, unit = in_unit([_bar(name, value) for name, value in ordered], "ns")
    return Chart(
        name="limiting-layer",
        title="Inside the limiting layer",
        description=f"Stages of one time step of the layer that sets the pace. {how} "
        f"{marks_in_words(bars)}",
        spec=interval_bars(bars, unit=unit, what="time"),
        table=bar_table(bars, unit=unit, label="stage"),
    )


def limiting_layer(cost: Cost) -> int:
    """Return the place of the slowest layer, which sets the pace unless something else does."""
    return max(range(len(cost.layers)), key=lambda i: cost.layers[i].step_ns.nominal)


def pace_of(cost: Cost) -> str:
    """Name the layer that sets the pace and its longest stage, or what is slower than any layer."""
    layer, stage = cost.limited_by
    if not layer:
        return stage
    names = layer_names(layer.name for layer in cost.layers)
    return f"{names[limiting_layer(cost)]}, {words(stage)}"


def stage_table(cost: Cost) -> Table:
    """Write every layer's stages, nominal."""
    names = layer_names(layer.name for layer in cost.layers)
    stages = tuple(
        name
        for name in cost.layers[0].stages_ns
        if any(c.stages_ns[name].high for c in cost.layers)
    )
    longest = max(layer.latency_ns.nominal for layer in cost.layers)
    factor, unit = scaled(longest, "ns")
    written = partial(_in_factor, factor)
    return Table(
        columns=(
            "layer",
            f"time step ({unit})",
            f"from input to result ({unit})",
            *(f"{words(name)} ({unit})" for name in stages),
        ),
        rows=tuple(
            (
                name,
                written(layer.step_ns.nominal),
                written(layer.latency_ns.nominal),
                *(written(layer.stages_ns[stage].nominal) for stage in stages),
            )
            for name, layer in zip(names, cost.layers, strict=True)
        ),
    )


def _in_factor(factor: float, value: float) -> str:
    return three_digits(value * factor)


def swing_charts(tornados: Sequence[Tornado], cost: Cost) -> tuple[Chart, ...]:
    """Return, for each total of ``cost``, the constants whose intervals move it most."""
    charged = {"area": _BLOCKS}
    if cost.energy_pj["membrane_memory"].high:
        charged["energy"] = {"buffer_read": "and membranes", "buffer_write": "and membranes"}
    return tuple(_swings(tornado, charged) for tornado in tornados if tornado.swings)


_BLOCKS = {
    "accumulate": "adders",
    "buffer_read": "memory",
    "hop": "routers",
    "membrane_update": "neurons",
    "scale_multiply": "multipliers",
    "shift_add": "shift adders",
}
"""What the chart of area by component calls the blocks that are made of a part."""


def _moved(place: str, what: str, charged: Mapping[str, Mapping[str, str]]) -> str:
    """Name a constant in the chart of ``what``, and how the chart by component calls its part."""
    part, _, constant = place.rpartition(".")
    if not constant.startswith(what):
        return f"{words(part)}: {_kind(constant)[0]}"
    called = charged.get(what, {}).get(part, "")
    return words(part) + f" ({called})" * bool(called)


_LINE = {"type": "rule", "aria": False}  # what it shows is in the description


def _swings(tornado: Tornado, charged: Mapping[str, Mapping[str, str]]) -> Chart:
    """Draw what each constant does to a total."""
    what = tornado.total.partition("_")[0]
    factor, shown = scaled(tornado.nominal, {"energy": "pJ", "latency": "ns", "area": "um2"}[what])
    rows = [
        {
            "label": _moved(swing.constant, what, charged),
            "low": min(swing.at_low, swing.at_high) * factor,
            "high": max(swing.at_low, swing.at_high) * factor,
            "shown": " .. ".join(three_digits(at * factor) for at in (swing.at_low, swing.at_high))
            + f" {shown}",
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
        name=f"{what}-hangs-on",
        title=f"{what.capitalize()}: what it hangs on",
        description="Each constant at its low and its high end alone, all others nominal; the line "
        f"is the nominal total, {three_digits(tornado.nominal * factor)} {shown}.",
        spec=spec,
        table=Table(
            columns=("constant", "low", "nominal", "high", f"total at low ({shown})", "at high"),
            rows=tuple(
                (
                    _constant(swing.constant),
                    *(number(value, 4) for value in (swing.low, swing.nominal, swing.high)),
                    number(swing.at_low * factor, 4),
                    number(swing.at_high * factor, 4),
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
    part, _, constant = place.rpartition(".")
    kind, unit = _kind(constant)
    return f"{words(part)}: {kind}" + f" ({unit})" * bool(unit)


def _kind(constant: str) -> tuple[str, str]:
    """Return what a constant is, in words, and its unit: ``energy_pj`` gives ``energy``, ``pJ``."""
    for end, unit in _UNITS.items():
        if constant.endswith(end):
            return words(constant.removesuffix(end)), unit
    return words(constant), ""


_WORDS = {
    "hop": "hops between tiles",
    "shift_add": "shift-and-add",
    "cycle": "clock cycle of the logic",
    "scale": "products with scales",
    "adder_tree": "depth of the adder tree",
    "step_pipelined": "time step, layers at work side by side",
    "step_sequential": "time step, one layer after the other",
    "inference_interval": "from one inference to the next",
    "inference_pipelined": "inference, layers at work side by side",
    "inference_sequential": "inference, one layer after the other",
}


def words(name: str) -> str:
    """Write the name of a component, a stage or an assumption for readers."""
    return _WORDS.get(name, name.replace("_", " "))
