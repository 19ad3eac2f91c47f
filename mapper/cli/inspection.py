"""What ``spikeloom inspect`` prints: a table, or a list where a table would not fit.

Layers of neurons share their parameters more often than not, so these are told once, under a
number that the layers refer to.
"""

from collections.abc import Iterable, Iterator

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from mapper.api.inspection import Inspection
from mapper.cli.told import dims
from mapper.diagnostics import many, printable
from mapper.frontend.describe import FOLDED
from mapper.frontend.info import (
    CrossbarInfo,
    Geometry,
    GridInfo,
    LayerInfo,
    MatrixInfo,
    MergeInfo,
    ModelInfo,
    NeuronInfo,
    Parameter,
    PoolInfo,
    PortInfo,
    ResetInfo,
    Spread,
    SynapseInfo,
    of_time,
)
from mapper.ir.assignment import layer_name
from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.edges import Edge
from mapper.ir.serialize import OPS
from mapper.ir.synapses import Synapse
from mapper.report.grids import LayerGrid

_ANY_WIDTH = 10_000

_MOST_WHOLE = 1 << 32
"""Whole numbers below it are written out: membranes of integers."""

_TIME = {
    "step": "one time step, with its state as inputs and outputs",
    "unrolled": "time steps written out one after the other",
    "sequence": "a time axis throughout",
    "loop": "a Loop over time steps",
    "scan": "a Scan over time steps",
}
_NEURONS = {
    "leaky integrate-and-fire": "LIF",
    "integrate-and-fire": "IF",
    "current-based leaky integrate-and-fire": "LIF with current",
}
_PHASES = {
    "next": " in the next step",
    "late": " in the next step, input lost",
    "guarded": ", guarded",
}


def _time(model: ModelInfo) -> str:
    """Say how the file holds time."""
    form = _TIME.get(model.time_form, model.time_form)
    steps = model.steps
    fixed = model.host is not None and model.host.whole
    told = "in the file and when run" if fixed else "in the file, any number when run"
    return f"{form}; {steps} steps {told}" if steps else form


class InspectionText:
    """An inspection for a person."""

    def __init__(self, answer: Inspection) -> None:
        self.model, self.mapping = answer.model, answer.mapping
        rows = () if self.mapping is None else self.mapping.grids
        self.grids = {row.name: row for row in rows}
        macros = () if self.mapping is None else self.mapping.build.target.macros
        self.says_macro = len(macros) > 1
        self.says_bits = len({row.weight_bits for row in rows}) > 1
        self.beside = set() if self.mapping is None else _beside(self.mapping.build.hardware)
        self.layers = [layer for layer in self.model.layers if layer.op != "net.reshape"]
        found = (layer.neuron for layer in self.layers)
        kinds = dict.fromkeys(_neuron(neuron) for neuron in found if neuron is not None)
        self.neurons = {told: f"N{number}" for number, told in enumerate(kinds, 1)}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _lines(self._head())
        yield Text("")
        layers = self._table()
        whole = console.measure(layers, options=options.update(max_width=_ANY_WIDTH))
        fits = whole.maximum <= options.max_width
        yield from [layers] if fits else _lines(self._list())
        yield Text("")
        yield from _lines(self._foot())
        yield Text("")
        yield from _ports(self.model)

    def _head(self) -> Iterator[str]:
        model, totals = self.model, self.model.totals
        yield f"{model.name}: {model.producer or 'unknown producer'}, opset {model.opset}"
        yield f"time: {_time(model)}"
        reduced = [row for row in model.readout if row.over_time != "each"]
        if reduced:
            shown = (f"{row.name} is {of_time(row.over_time, row.step)}" for row in reduced)
            yield f"over time: {', '.join(shown)}"
        if model.host is not None:
            yield model.host.line
        yield (
            f"{totals.weights:,} weights, {totals.neurons:,} neurons, "
            f"{totals.parameters:,} parameters ({_size(totals.bytes)})"
        )

    def _foot(self) -> Iterator[str]:
        yield from (f"{number}: {told}" for told, number in self.neurons.items())
        if self.mapping is not None:
            yield (
                f"{self.mapping.target}: {many(self.mapping.crossbars, 'crossbar')} on "
                f"{many(self.mapping.chips, 'chip')}, {self.mapping.weights}"
            )
        yield from (f"warning: {text}" for text in self.model.warnings)
        yield from (f"note: {text}" for text in self.model.notes)

    # --- layers ----------------------------------------------------------------------------

    def _table(self) -> Table:
        made = Table(box=None, pad_edge=False)
        for column in ("layer", "what", "shape", "reads", "weights", "runs on"):
            made.add_column(
                column, no_wrap=True, justify="right" if column == "weights" else "left"
            )
        for layer in self.layers:
            matrix = layer.matrix
            cells = (
                layer.name,
                self._what(layer),
                _shapes(layer),
                _edges(layer),
                "" if matrix is None else f"{matrix.weights:,} {_width(matrix)}",
                self._place(layer),
            )
            made.add_row(*(Text(printable(cell)) for cell in cells))
        return made

    def _list(self) -> Iterator[str]:
        for layer in self.layers:
            head = f"{layer.name}: {self._what(layer)}, {_shapes(layer)}"
            reads = [f"reads {_edges(layer)}"] if _edges(layer) else []
            if layer.matrix is None:
                yield ", ".join([head, *reads, self._place(layer)])
                continue
            weights = f"{layer.matrix.weights:,} {_width(layer.matrix)} weights"
            yield head
            yield f"  {', '.join([*reads, weights, self._place(layer)])}"

    def _what(self, layer: LayerInfo) -> str:
        if layer.neuron is None:
            return _operation(layer)
        told = _neuron(layer.neuron)
        return f"{told.partition(',')[0]} ({self.neurons[told]})"

    def _place(self, layer: LayerInfo) -> str:
        """Say where a layer runs; the matrix a crossbar holds is wordlines x columns."""
        if layer.matrix is None:
            return layer.runs_on
        matrix = f"{layer.matrix.wordlines}x{layer.matrix.columns}"
        if self.mapping is None:
            return f"{layer.runs_on} {matrix}"
        grid = self.grids.get(layer.name)
        if grid is None:
            return f"digital unit {matrix}" if layer.name in self.beside else FOLDED
        words = [f"{many(grid.crossbars, 'crossbar')} {self._matrix(grid)}"]
        words += [grid.macro] if self.says_macro else []
        words += [f"{grid.weight_bits}-bit weights"] if self.says_bits else []
        words += [f"{grid.packed} groups on each"] if grid.packed > 1 else []
        words += [f"{grid.copies} copies"] if grid.copies > 1 else []
        return ", ".join(words)

    def _matrix(self, grid: LayerGrid) -> str:
        """Return what a layer's crossbars hold of a group: others may be folded into it."""
        assert self.mapping is not None  # grids are its own
        hardware = self.mapping.build.hardware
        held = next(op for op in hardware.ops if f"{grid.value}.partial_sum" == op.results[0].name)
        assert isinstance(held, CrossbarMvm)
        return dims(hardware.constants[held.weight.name].shape)


def _beside(graph: Graph) -> set[str]:
    """Return the names of layers on the digital unit."""
    layers = [op for op in graph.ops if isinstance(op, Synapse)]
    return {layer_name(op.loc, op.result.name.removesuffix(".sum")) for op in layers}


def _lines(texts: Iterable[str]) -> Iterator[Text]:
    return (Text(printable(text)) for text in texts)


def _shapes(layer: LayerInfo) -> str:
    first, result = layer.reads[0].shape, layer.writes[0].shape
    return dims(result) if first == result else f"{dims(first)} -> {dims(result)}"


def _edges(layer: LayerInfo) -> str:
    """Say what a layer reads; neurons read the sums before them."""
    if layer.neuron is not None:
        return ""
    return ", ".join(dict.fromkeys(_edge(port.edge) for port in layer.reads))


def _edge(edge: Edge) -> str:
    return f"{edge.bits}-bit {edge.kind}" if (edge.bits or 1) > 1 else edge.kind


def _width(matrix: MatrixInfo) -> str:
    return "float" if matrix.bits is None else f"{matrix.bits}-bit"


def _operation(layer: LayerInfo) -> str:
    name, facts = OPS[layer.op].label or layer.op.removeprefix("net."), layer.facts
    if isinstance(facts, SynapseInfo | CrossbarInfo | PoolInfo) and facts.geometry is not None:
        return f"{name} {_geometry(facts.geometry)}"
    if isinstance(facts, GridInfo):
        return f"{name} {facts.low}..{facts.high}"
    return f"{name} {facts.kind}" if isinstance(facts, MergeInfo) else name


def _geometry(window: Geometry) -> str:
    words = [dims(window.kernel)]
    if set(window.stride) != {1}:
        words.append(f"stride {_once(window.stride)}")
    if set(window.padding) != {0}:
        words.append(f"pad {_once(window.padding)}")
    if set(window.dilation) != {1}:
        words.append(f"dilation {_once(window.dilation)}")
    if window.stuffing is not None and set(window.stuffing) != {1}:
        words.append(f"stuffing {_once(window.stuffing)}")
    if window.groups not in (None, 1):
        words.append(f"{window.groups} groups")
    return " ".join(words)


def _once(numbers: tuple[int, ...]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else dims(numbers)


# --- neurons -------------------------------------------------------------------------------


def _neuron(neuron: NeuronInfo) -> str:
    """Name a neuron and what is not usual about it."""
    shown = dict(neuron.parameters)
    threshold = shown.pop("threshold", None)
    fraction, bits = shown.pop("fraction_bits", None), shown.pop("membrane_bits", None)
    usual = {"gain": 1.0, "bias": 0.0, "leak": 1.0}
    words = [_NEURONS.get(neuron.kind, neuron.kind)]
    words += [
        f"{name.replace('_', ' ')} {_number(value)}"
        for name, value in shown.items()
        if usual.get(name) != value
    ]
    if threshold is not None:
        sign = neuron.fires_at.split()[1]
        words.append(f"fires at {sign} {_number(threshold)}")
        words.append(_reset(neuron.reset))
    if neuron.spike_phase == "next":
        words.append("spike one step late")
    if isinstance(fraction, int):
        words.append(f"{bits}-bit membrane with {many(fraction, 'fraction bit')}")
    return ", ".join(words)


def _reset(reset: ResetInfo) -> str:
    amount = _number(reset.amount)
    told = {"none": "no reset", "subtract": f"subtracts {amount}", "value": f"resets to {amount}"}
    phase = "" if reset.kind == "none" else _PHASES.get(reset.phase, "")
    return f"{told[reset.kind]}{phase}"


def _number(value: Parameter) -> str:
    """Write one number, or the range of several."""
    if isinstance(value, Spread):
        return "..".join(dict.fromkeys(map(_number, (value.min, value.max))))
    whole = float(value).is_integer() and abs(value) < _MOST_WHOLE
    return str(int(value)) if whole else f"{value:.4g}"


# --- ports ---------------------------------------------------------------------------------


def _ports(model: ModelInfo) -> Iterator[RenderableType]:
    made = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(4):
        made.add_column(overflow="fold")
    for port in model.inputs:
        steps, images = model.presented[:2]
        shown = f"an image, shown {many(steps, 'step')}: " if port.name in images else ""
        _row(made, "input", port, f"{shown}spikes, or codes that --calibrate measures")
    for port in model.outputs:
        _row(made, "output", port, _edge(port.edge))
    for state in model.states:
        returned = f", returned as {state.returned_as}" if state.returned_as else ""
        _row(made, "state", state.port, f"starts at {_number(state.initial)}{returned}")
    yield made


def _row(made: Table, what: str, port: PortInfo, told: str) -> None:
    cells = (what, port.name, dims(port.shape) or "1", told)
    made.add_row(*(Text(printable(cell)) for cell in cells))


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
