"""Charts over time: the pipeline with the layer that limits it, and spikes in every time step."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from mapper.cost import Cost
from mapper.diagnostics import many
from mapper.ir.core import Array
from mapper.report.charts.base import Chart, Table
from mapper.report.charts.breakdown import limiting_layer
from mapper.report.charts.network import Node
from mapper.report.charts.themes import shaded
from mapper.report.names import labels, layer_names
from mapper.report.numbers import number, scaled, three_digits

MAX_STEPS = 4
"""Time steps that the pipeline is drawn for; it repeats."""

MAX_BARS = 160
MAX_COLUMNS = 200
"""Time steps of a spike chart; neighbouring ones are averaged where there are more."""


def pipeline_chart(cost: Cost, stages: tuple[int, ...], rounds: int) -> Chart:
    """Draw which layer works on which time step when, at the nominal facts.

    Args:
        cost: The estimate; its layers are in execution order.
        stages: Pipeline stage of each layer.
        rounds: Times that weights are loaded; of several, layers follow each other.
    """
    names = _marked(cost)
    steps = max(1, min(MAX_STEPS, MAX_BARS // len(names)))
    pace = max(layer.step_ns.nominal for layer in cost.layers)
    spans = _pipelined(cost, stages, pace, steps)
    if rounds > 1:
        spans, steps = _sequential(cost), 1
    factor, unit = scaled(max(stop for _, _, _, stop in spans), "ns")
    own, pace_unit = scaled(pace, "ns")
    rows: list[dict[str, Any]] = [
        {
            "layer": names[index],
            "step": f"time step {step + 1}",
            "start": start * factor,
            "stop": stop * factor,
            "shown": f"{number(start * factor, 4)} to {number(stop * factor, 4)} {unit}",
        }
        for index, step, start, stop in spans
    ]
    how = (
        f"Weights are loaded in {rounds} rounds, so layers follow each other; loading is not drawn."
        if rounds > 1
        else "While a layer works on one time step, the layer before works on the next. A new time "
        f"step begins every {three_digits(pace * own)} {pace_unit}, when the limiting layer is "
        "done. A bar is as long as the slowest stage of its layer; layers behind it start when its "
        "other stages are passed, too."
    )
    return Chart(
        name="pipeline",
        title="Pipeline",
        description=f"{how} The first {steps} time steps, nominal facts."
        if steps > 1
        else f"{how} One time step, nominal facts.",
        spec=_gantt(rows, names, unit),
        table=Table(
            columns=("layer", "time step", f"from ({unit})", f"to ({unit})"),
            rows=tuple(
                (row["layer"], row["step"], number(row["start"], 4), number(row["stop"], 4))
                for row in rows
            ),
        ),
    )


def _marked(cost: Cost) -> tuple[str, ...]:
    """Return layer labels; the limiting one says so."""
    slowest, mark = limiting_layer(cost), "limits" if cost.limited_by[0] else "slowest"
    names = layer_names(layer.name for layer in cost.layers)
    return tuple(f"{n} ({mark})" if i == slowest else n for i, n in enumerate(names))


Span = tuple[int, int, float, float]
"""Layer, time step, and when it starts and stops."""


def _pipelined(cost: Cost, stages: tuple[int, ...], pace: float, steps: int) -> list[Span]:
    starts = _starts(cost, stages, pace)
    return [
        (index, step, start, start + layer.step_ns.nominal)
        for index, (layer, stage) in enumerate(zip(cost.layers, stages, strict=True))
        for step in range(steps)
        for start in [starts[stage] + step * pace]
    ]


def _starts(cost: Cost, stages: tuple[int, ...], pace: float) -> list[float]:
    """Return when each pipeline stage starts on the first time step.

    A stage takes a time step, or as long as its layers need for one datum, if they need longer.
    """
    starts = [0.0]
    for stage in range(max(stages)):
        pairs = zip(cost.layers, stages, strict=True)
        held = [layer.latency_ns.nominal for layer, at in pairs if at == stage]
        starts.append(starts[-1] + max(pace, *held))
    return starts


def _sequential(cost: Cost) -> list[Span]:
    spans, now = [], 0.0
    for index, layer in enumerate(cost.layers):
        spans.append((index, 0, now, now + layer.sequential_ns.nominal))
        now = spans[-1][3]
    return spans


def _gantt(rows: list[dict[str, Any]], names: tuple[str, ...], unit: str) -> dict[str, Any]:
    return {
        "data": {"values": rows},
        "height": 20 * len(names),
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": {"field": "layer", "type": "nominal", "sort": None, "axis": {"title": None}},
            "x": {
                "field": "start",
                "type": "quantitative",
                "axis": {"title": f"Time ({unit})", "format": ",~r", "tickCount": 8},
            },
            "x2": {"field": "stop"},
            "color": {
                "field": "step",
                "type": "nominal",
                "sort": None,
                "scale": shaded(tuple(dict.fromkeys(row["step"] for row in rows))),
                "legend": {"title": None, "orient": "top"},
            },
            "tooltip": [
                {"field": "layer", "title": "layer"},
                {"field": "step", "title": "works on"},
                {"field": "shown", "title": "time"},
            ],
        },
    }


# --- spikes --------------------------------------------------------------------------------


def spike_chart(nodes: Sequence[Node], trace: Mapping[str, Array]) -> Chart | None:
    """Draw spikes of every input and layer over time steps; None where nothing was recorded."""
    spiking = [node for node in nodes if node.spike in trace]
    if not spiking:
        return None
    rates = {
        name: trace[node.spike].mean(axis=1) / max(1, prod(node.shape))
        for name, node in zip(labels(node.name for node in spiking), spiking, strict=True)
    }
    steps, samples = trace[spiking[0].spike].shape
    width = -(-steps // MAX_COLUMNS)
    rows = [
        {
            "layer": name,
            "from": start + 0.5,
            "to": min(start + width, steps) + 0.5,
            "rate": round(float(rate[start : start + width].mean()), 6),
            "shown": f"{100 * rate[start : start + width].mean():.3g} %",
            "step": _steps(start, min(start + width, steps)),
        }
        for name, rate in rates.items()
        for start in range(0, steps, width)
    ]
    return Chart(
        name="spikes",
        title="Spikes over time",
        description="Share of the neurons of a layer (or the inputs) that spike in a time step, "
        f"mean of {many(samples, 'sample')}.",
        spec=_rates(rows, len(rates)),
        table=Table(
            columns=("layer", "mean", "lowest step", "highest step", "first step", "last step"),
            rows=tuple(
                (
                    name,
                    *(
                        f"{100 * float(value):.3g} %"
                        for value in (rate.mean(), rate.min(), rate.max(), rate[0], rate[-1])
                    ),
                )
                for name, rate in rates.items()
            ),
        ),
    )


def _steps(start: int, stop: int) -> str:
    return str(start + 1) if stop - start == 1 else f"{start + 1} to {stop}"


def _rates(rows: list[dict[str, Any]], count: int) -> dict[str, Any]:
    return {
        "data": {"values": rows},
        "height": 22 * count,
        "mark": {"type": "rect"},
        "encoding": {
            "y": {"field": "layer", "type": "nominal", "sort": None, "axis": {"title": None}},
            "x": {
                "field": "from",
                "type": "quantitative",
                "scale": {"zero": False, "nice": False},
                "axis": {"title": "Time step", "format": "d", "grid": False, "tickMinStep": 1},
            },
            "x2": {"field": "to"},
            "color": {
                "field": "rate",
                "type": "quantitative",
                "scale": {"scheme": "viridis", "domainMin": 0},
                "legend": {"title": "spiking", "format": "~%", "orient": "top"},
            },
            "tooltip": [
                {"field": "layer", "title": "layer"},
                {"field": "step", "title": "time step"},
                {"field": "shown", "title": "spiking"},
            ],
        },
    }


def mean_rate(nodes: Sequence[Node]) -> float | None:
    """Return spikes of a neuron in a time step, over all layers; None where nothing is recorded."""
    known = [(node.neurons, node.rate) for node in nodes if node.neurons and node.rate is not None]
    return sum(n * rate for n, rate in known) / sum(n for n, _ in known) if known else None
