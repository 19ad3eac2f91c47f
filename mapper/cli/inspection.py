"""What ``spikeloom inspect`` prints: a table, or a list where a table would not fit.

Layers of neurons share their parameters more often than not, so these are told once, under a
number that the layers refer to.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from mapper.cli.tables import Data, dims
from mapper.diagnostics import many, printable

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
_NAMES = {
    "net.linear": "linear",
    "net.conv2d": "conv",
    "net.conv_transpose2d": "conv transpose",
    "net.max_pool2d": "max pool",
    "net.sum_pool2d": "sum pool",
    "net.avg_pool2d": "mean pool",
    "net.fake_quantize": "round to grid",
    "imc.crossbar_mvm": "crossbar",
    "imc.count_active": "active wordlines",
    "imc.sense_amp_read": "sense amp",
    "imc.adc_read": "ADC",
    "imc.shift_and_add": "shift-and-add",
}
_PHASES = {
    "next": " in the next step",
    "late": " in the next step, input lost",
    "guarded": ", guarded",
}


def _time(answer: Data) -> str:
    """Say how the file holds time."""
    form = _TIME.get(str(answer["time_form"]), answer["time_form"])
    steps = answer["steps"]
    return f"{form}; {steps} steps in the file, any number when run" if steps else str(form)


class Inspection:
    """An answer of ``api.inspect_model`` for a person."""

    def __init__(self, answer: Data) -> None:
        self.answer = answer
        mapping = answer.get("mapping")
        self.mapped = None if mapping is None else {row["name"]: row for row in mapping["layers"]}
        self.layers = [layer for layer in answer["layers"] if layer["op"] != "net.reshape"]
        kinds = dict.fromkeys(_neuron(layer) for layer in self.layers if "neuron" in layer)
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
        yield from _ports(self.answer)

    def _head(self) -> Iterator[str]:
        answer, totals = self.answer, self.answer["totals"]
        producer = answer["producer"] or "unknown producer"
        yield f"{answer['name']}: {producer}, opset {answer['opset']}"
        yield f"time: {_time(answer)}"
        reduced = [row for row in answer["readout"] if row["over_time"] != "each"]
        if reduced:
            shown = (f"{row['name']} is the {row['over_time']}" for row in reduced)
            yield f"over time: {', '.join(shown)}"
        yield (
            f"{totals['weights']:,} weights, {totals['neurons']:,} neurons, "
            f"{totals['parameters']:,} parameters ({_size(totals['bytes'])})"
        )

    def _foot(self) -> Iterator[str]:
        yield from (f"{number}: {told}" for told, number in self.neurons.items())
        mapping = self.answer.get("mapping")
        if mapping is not None:
            yield (
                f"{mapping['target']}: {many(mapping['crossbars'], 'crossbar')} on "
                f"{many(mapping['chips'], 'chip')}, {mapping['weight_bits']}-bit weights"
            )
        yield from (f"warning: {text}" for text in self.answer["warnings"])
        yield from (f"note: {text}" for text in self.answer["notes"])

    # --- layers ----------------------------------------------------------------------------

    def _table(self) -> Table:
        made = Table(box=None, pad_edge=False)
        for column in ("layer", "what", "shape", "reads", "weights", "runs on"):
            made.add_column(
                column, no_wrap=True, justify="right" if column == "weights" else "left"
            )
        for layer in self.layers:
            weights = ""
            if "weights" in layer:
                weights = f"{layer['weights']:,} {_width(layer)}"
            cells = (
                _short(layer["name"]),
                self._what(layer),
                _shapes(layer),
                _edges(layer),
                weights,
                self._place(layer),
            )
            made.add_row(*(Text(printable(cell)) for cell in cells))
        return made

    def _list(self) -> Iterator[str]:
        for layer in self.layers:
            head = f"{_short(layer['name'])}: {self._what(layer)}, {_shapes(layer)}"
            reads = [f"reads {_edges(layer)}"] if _edges(layer) else []
            if "weights" not in layer:
                yield ", ".join([head, *reads, self._place(layer)])
                continue
            weights = f"{layer['weights']:,} {_width(layer)} weights"
            yield head
            yield f"  {', '.join([*reads, weights, self._place(layer)])}"

    def _what(self, layer: Data) -> str:
        if "neuron" not in layer:
            return _operation(layer)
        told = _neuron(layer)
        return f"{told.partition(',')[0]} ({self.neurons[told]})"

    def _place(self, layer: Data) -> str:
        """Say where a layer runs; the matrix a crossbar holds is wordlines x columns."""
        if "weights" not in layer:
            return str(layer["runs_on"])
        matrix = f"{layer['wordlines']}x{layer['columns']}"
        if self.mapped is None:
            return f"{layer['runs_on']} {matrix}"
        row = self.mapped.get(layer["name"])
        if row is None:
            return f"digital unit {matrix}"
        return f"{many(row['crossbars'], 'crossbar')} {matrix}"


def _lines(texts: Iterable[str]) -> Iterator[Text]:
    return (Text(printable(text)) for text in texts)


def _short(name: str) -> str:
    """Leave out what a dotted or slashed name says twice: ``/enc.0/enc.0.0/Conv``."""
    parts = [part for part in name.split("/") if part]
    kept = [
        part
        for part, after in zip(parts, [*parts[1:], ""], strict=True)
        if not after.startswith(f"{part}.")
    ]
    return "/".join(kept) or name


def _shapes(layer: Data) -> str:
    first = layer["reads"][0]["shape"]
    result = layer["writes"][0]["shape"]
    if first == result:
        return dims(result)
    return f"{dims(first)} -> {dims(result)}"


def _edges(layer: Data) -> str:
    """Say what a layer reads; neurons read the sums before them."""
    if "neuron" in layer:
        return ""
    return ", ".join(dict.fromkeys(_edge(port["edge"]) for port in layer["reads"]))


def _edge(edge: Data) -> str:
    bits = edge["bits"]
    return f"{bits}-bit {edge['kind']}" if (bits or 1) > 1 else str(edge["kind"])


def _width(layer: Data) -> str:
    bits = layer["weight_bits"]
    return "float" if bits is None else f"{bits}-bit"


def _operation(layer: Data) -> str:
    name = _NAMES.get(layer["op"], layer["op"].removeprefix("net."))
    if "kernel" in layer:
        return f"{name} {_geometry(layer)}"
    if "window" in layer:
        return f"{name} {_geometry(layer['window'])}"
    if "codes" in layer:
        low, high = layer["codes"]
        return f"{name} {low}..{high}"
    return f"{name} {layer['kind']}" if "kind" in layer else name


def _geometry(held: Data) -> str:
    words = [dims(held["kernel"])]
    if set(held["stride"]) != {1}:
        words.append(f"stride {_once(held['stride'])}")
    if set(held["padding"]) != {0}:
        words.append(f"pad {_once(held['padding'])}")
    if set(held["dilation"]) != {1}:
        words.append(f"dilation {_once(held['dilation'])}")
    if set(held.get("stuffing", [1])) != {1}:
        words.append(f"stuffing {_once(held['stuffing'])}")
    if held.get("groups", 1) != 1:
        words.append(f"{held['groups']} groups")
    return " ".join(words)


def _once(numbers: list[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else dims(numbers)


# --- neurons -------------------------------------------------------------------------------


def _neuron(layer: Data) -> str:
    """Name a neuron and what is not usual about it."""
    held: dict[str, Any] = dict(layer["parameters"])
    threshold = held.pop("threshold", None)
    fraction, bits = held.pop("fraction_bits", None), held.pop("membrane_bits", None)
    usual = {"gain": 1.0, "bias": 0.0, "leak": 1.0}
    words = [str(_NEURONS.get(layer["neuron"], layer["neuron"]))]
    words += [
        f"{name.replace('_', ' ')} {_number(value)}"
        for name, value in held.items()
        if usual.get(name) != value
    ]
    if threshold is not None:
        sign = layer["fires_at"].split()[1]
        words.append(f"fires at {sign} {_number(threshold)}")
        words.append(_reset(layer["reset"]))
    if layer["spike_phase"] == "next":
        words.append("spike one step late")
    if bits is not None:
        words.append(f"{bits}-bit membrane with {many(fraction, 'fraction bit')}")
    return ", ".join(words)


def _reset(reset: Data) -> str:
    amount = _number(reset["amount"])
    told = {"none": "no reset", "subtract": f"subtracts {amount}", "value": f"resets to {amount}"}
    phase = "" if reset["kind"] == "none" else _PHASES.get(reset["phase"], "")
    return f"{told[reset['kind']]}{phase}"


def _number(value: float | Mapping[str, Any]) -> str:
    """Write one number, or the range of several."""
    if isinstance(value, Mapping):
        ends = dict.fromkeys(_number(value[end]) for end in ("min", "max"))
        return "..".join(ends)
    whole = float(value).is_integer() and abs(value) < _MOST_WHOLE
    return str(int(value)) if whole else f"{value:.4g}"


# --- ports ---------------------------------------------------------------------------------


def _ports(answer: Data) -> Iterator[RenderableType]:
    made = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(4):
        made.add_column(overflow="fold")
    for port in answer["inputs"]:
        _row(made, "input", port, "spikes, or codes that --calibrate measures")
    for port in answer["outputs"]:
        _row(made, "output", port, _edge(port["edge"]))
    for state in answer["states"]:
        returned = f", returned as {state['returned_as']}" if state["returned_as"] else ""
        _row(made, "state", state, f"starts at {_number(state['initial'])}{returned}")
    yield made


def _row(made: Table, what: str, port: Data, told: str) -> None:
    cells = (what, port["name"], dims(port["shape"]) or "1", told)
    made.add_row(*(Text(printable(cell)) for cell in cells))


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
