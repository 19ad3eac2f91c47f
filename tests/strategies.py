"""Random hardware graphs with inputs for them: every op, encoding, readout and neuron.

    @given(cases())
    def test_something(case):
        graph, inputs, initial = case

Choices are drawn one by one, so they shrink; the numbers in arrays come from a drawn seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

import numpy as np
from hypothesis import strategies as st

from mapper.ir.core import SPIKE, Array, Graph, IntType, Span, Value
from mapper.ir.encoding import ENCODINGS, Encoding
from mapper.ir.leaks import Decay, Rounding
from mapper.ir.levels import Levels
from mapper.ir.neurons import Reset
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear
from mapper.ir.windows import Window, transposed_window
from tests.builders import Builder, Readout, adc, ideal, sense_amp

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Case:
    """A graph with inputs ``[T, B, ...]`` and start values ``[B, ...]`` of some states."""

    graph: Graph
    inputs: dict[str, Array]
    initial: dict[str, Array]


@st.composite
def cases(draw: Draw, steps: int = 3) -> Case:
    graph = draw(hardware_graphs())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch = draw(st.integers(1, 3))
    inputs = {v.name: codes(rng, v, steps, batch) for v in graph.inputs}
    states = [state.read for state in graph.states]
    given = draw(st.lists(st.sampled_from(states), unique=True)) if states else []
    initial = {v.name: codes(rng, v, batch) for v in given}
    return Case(graph, inputs, initial)


def codes(rng: np.random.Generator, value: Value, *leading: int) -> Array:
    """Return random integers of a value's type, ``[*leading, *shape]``."""
    assert isinstance(value.type, IntType)
    shape = (*leading, *value.shape)
    return rng.integers(value.type.min, value.type.max, shape, endpoint=True)


@st.composite
def hardware_graphs(draw: Draw, most_layers: int = 4) -> Graph:
    """Return a valid graph of integer ops: a chain of layers with branches and recurrence."""
    net = Builder()
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    side = draw(st.integers(3, 7))
    images = [(1, side, side), (2, side, side + 1), (4, side, 3), (side, 1, 1)]
    shape = draw(st.sampled_from([*images, (side,)]))
    x = net.input("x", shape, draw(input_types()))
    if draw(st.booleans()):
        x = _with_recurrence(net, draw, x)
    for _ in range(draw(st.integers(1, most_layers))):
        x = _layer(net, draw, rng, x)
    net.output(x)
    return net.graph()


def input_types() -> st.SearchStrategy[IntType]:
    return st.one_of(
        st.just(SPIKE), st.builds(IntType, bits=st.integers(1, 4), signed=st.booleans())
    )


def _with_recurrence(net: Builder, draw: Draw, x: Value) -> Value:
    """Feed spikes of the last step back, beside the input or merged with it."""
    fed_back = net.state("fed.back", x.shape, SPIKE, initial=draw(st.integers(0, 1)))
    kinds = ["add", *(["concat", "and", "or", "xor", "iand"] if x.type == SPIKE else [])]
    kind = draw(st.sampled_from(kinds))
    net.follow(
        fed_back, net.integer_neurons(x, name="echo", threshold=1, reset=Reset(kind="value"))
    )
    if kind == "concat":
        return net.concat(x, fed_back)
    return net.sum(x, fed_back) if kind == "add" else net.merge(kind, x, fed_back)


def _layer(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    kinds = [
        "crossbars",
        "crossbars",
        "crossbars",
        "neurons",
        "linear",
        "scaled_add",
        "add",
        "reshape",
        "multiply",
    ]
    if len(x.shape) == 3:
        kinds += ["conv", "conv_transpose", "pool", "transpose", "matmul"]
    assert isinstance(x.type, IntType)
    if x.type.bits > 8:
        kinds = ["neurons"]  # wide sums become spikes before they drive wordlines again
    kind = draw(st.sampled_from(kinds))
    return _LAYERS[kind](net, draw, rng, x)


def _crossbars(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    x, window, groups, wordlines = _window(net, draw, x)
    outputs = groups * draw(st.integers(1, 3))
    encoding = draw(encodings())
    weight = weights(rng, encoding, (wordlines, outputs))
    rows = draw(row_blocks(wordlines))
    slices = 1 if encoding is None else len(encoding.significances)
    grid = (len(rows), slices, outputs)
    read = draw(readouts(rng, grid, encoding))
    scale = draw(scales(rng, len(rows), outputs))
    return net.crossbars(
        x,
        weight,
        read,
        encoding=encoding,
        window=window,
        groups=groups,
        **draw(ways_of_reading(x.type)),
        turns=draw(st.sampled_from([1, 1, 2, 3])),
        packed=draw(st.integers(1, groups)) if len(rows) == 1 else 1,
        blocks=rows,
        scale=scale,
        shift=draw(st.sampled_from([0, 0, 1, 3])),
        correct=draw(st.booleans()),
    )


@st.composite
def ways_of_reading(draw: Draw, x: IntType) -> dict[str, Any]:
    """Return bits of a plane, or steps of counts that the type holds, some of them or all."""
    if x.bits > 4 or not draw(st.sampled_from([False, False, True])):
        return {"plane_bits": draw(st.sampled_from([1, 1, 2, 3]))}
    low, high = draw(st.integers(x.min, 0)), draw(st.integers(1, max(1, x.max)))
    return {"steps": Levels(low=low, high=high)} if x.max else {}


def _window(net: Builder, draw: Draw, x: Value) -> tuple[Value, Window | None, int, int]:
    """Return the input, a window that fits it, groups, and wordlines of a group."""
    if len(x.shape) == 1:
        groups = draw(st.sampled_from([1, 1, *(n for n in (2, 3) if x.shape[0] % n == 0)]))
        return x, None, groups, x.shape[0] // groups
    window = draw(windows(x.shape[1], x.shape[2]))
    groups = draw(st.sampled_from([1, *({2, x.shape[0]} if x.shape[0] % 2 == 0 else {1})]))
    return x, window, groups, window.kernel[0] * window.kernel[1] * x.shape[0] // groups


@st.composite
def windows(draw: Draw, height: int, width: int) -> Window:
    """Return a window with at least one position over ``height`` × ``width``."""
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    pairs = st.tuples(st.integers(1, 2), st.integers(1, 3))
    sides = st.tuples(*(st.integers(-1, 2) for _ in range(4)))
    window = Window(kernel=kernel, stride=draw(pairs), padding=draw(sides), dilation=draw(pairs))
    if draw(st.booleans()):
        window = transposed_window(kernel, draw(pairs), (0, 1, 0, 0), (1, 1), (1, 0))
    return window if min(window.output_size(height, width)) > 0 else Window(kernel=(1, 1))


@st.composite
def encodings(draw: Draw) -> Encoding | None:
    kind = draw(st.sampled_from([None, *ENCODINGS, *ENCODINGS]))
    if kind is None:
        return None
    least, most = ENCODINGS[kind].widths
    cell_bits = draw(st.sampled_from([1, 1, 2, 3, 4, 5]))
    fewer = st.sampled_from([0, *range((1 << (cell_bits - 1)) + 1, 1 << cell_bits)])
    return Encoding(
        kind=kind,
        weight_bits=draw(st.integers(least, min(6, most))),
        cell_bits=cell_bits,
        cell_levels=draw(fewer),
    )


def weights(rng: np.random.Generator, encoding: Encoding | None, shape: tuple[int, ...]) -> Array:
    """Return random integers that an encoding holds."""
    if encoding is None:
        return rng.integers(-3, 4, shape)
    found = rng.integers(encoding.weight_min, encoding.weight_max, shape, endpoint=True)
    return found if encoding.holds_zero else np.where(found == 0, 1, found)


@st.composite
def row_blocks(draw: Draw, wordlines: int) -> tuple[Span, ...]:
    """Cut wordlines evenly, or anywhere."""
    if draw(st.booleans()):
        return Span(0, wordlines).split(draw(st.integers(1, wordlines)))
    cuts = draw(st.sets(st.integers(1, wordlines), max_size=3)) - {wordlines}
    edges = [0, *sorted(cuts), wordlines]
    return tuple(Span(a, b) for a, b in pairwise(edges))


@st.composite
def readouts(
    draw: Draw, rng: np.random.Generator, grid: tuple[int, ...], encoding: Encoding | None
) -> Readout:
    """Return a readout for a grid of ``G, S, N``."""
    unsigned = encoding is not None and not encoding.pairs
    kind = draw(st.sampled_from(["sense-amp", "ternary", "flash", "sar", "ideal", "adder-tree"]))
    spread = tuple(draw(st.sampled_from([1, full])) for full in grid)
    if kind in ("ideal", "adder-tree"):
        return ideal(kind)
    if kind in ("flash", "sar"):
        return _converter(draw, rng, kind, spread)
    levels = draw(
        st.sampled_from([(-1, 1), (0, 1)] if kind == "sense-amp" else [(-1, 0, 1), (5, 0, 2)])
    )
    table = np.sort(rng.integers(-4, 5, (len(levels) - 1, *spread)), axis=0)
    half = unsigned and draw(st.booleans())
    return sense_amp(table, levels, half_active=half)


def _converter(draw: Draw, rng: np.random.Generator, kind: str, spread: tuple[int, ...]) -> Readout:
    def table(low: int, high: int) -> Any:
        if draw(st.booleans()):
            return draw(st.integers(low, high))
        return rng.integers(low, high, spread, endpoint=True)

    return adc(kind, draw(st.integers(1, 4)), table(-5, 5), table(1, 3), table(-5, 5))


@st.composite
def scales(draw: Draw, rng: np.random.Generator, blocks: int, outputs: int) -> Any:
    """Return one scale, or a table per row block, per column or both."""
    if draw(st.booleans()):
        return draw(st.sampled_from([1, 1, 3, -2]))
    spread = (draw(st.sampled_from([1, blocks])), draw(st.sampled_from([1, outputs])))
    return rng.integers(-9, 10, spread)


def _neurons(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    def parameter(low: int, high: int) -> Any:
        if draw(st.booleans()):
            return draw(st.integers(low, high))
        per_channel = (x.shape[0], *(1 for _ in x.shape[1:]))
        return rng.integers(low, high, draw(st.sampled_from([per_channel, x.shape])), endpoint=True)

    membrane = IntType(draw(st.integers(3, 14)), signed=True)
    current = IntType(draw(st.integers(3, 14)), signed=True) if draw(st.booleans()) else None
    largest = membrane.max
    spiking = draw(st.sampled_from([True, True, True, False]))
    fields: dict[str, Any] = {}
    if spiking:
        fields["threshold"] = parameter(-1, largest)
        if draw(st.sampled_from([False, False, True])):
            fields["levels"] = draw(st.sampled_from(LEVELS))
            fields["threshold"] = _rising(draw, rng, fields["levels"], x.shape, membrane)
        fields["strict"] = draw(st.booleans())
        fields["spike_phase"] = draw(st.sampled_from(["same", "next"]))
        kind = draw(st.sampled_from(["none", "subtract", "value"]))
        amount = net.scalar(f"{net.numbered('amount')}", parameter(-2, largest))
        also = {"none": [], "subtract": ["guarded"], "value": ["late"]}[kind]
        phase = draw(st.sampled_from(["same", "next", *also]))
        fields["reset"] = Reset(kind=kind, amount=amount, phase=phase)
    if draw(st.booleans()):
        fields["floor"] = parameter(-4, 0)
    return net.integer_neurons(
        x,
        membrane=membrane,
        current=current,
        spiking=spiking,
        initial=parameter(-2, 2),
        output=draw(st.sampled_from(["", net.numbered("returned")])),
        on_chip=not fields.get("strict", False),
        fraction_bits=draw(st.integers(0, 3)),
        bias=parameter(-3, 3),
        decay=_decay(net, draw, parameter),
        current_decay=_decay(net, draw, parameter) if current else Decay(),
        input_decay=_decay(net, draw, parameter) if current else Decay(),
        **fields,
    )


LEVELS = [Levels(low=-1), Levels(high=4), Levels(high=2), Levels(low=-2, high=3), Levels(low=-1)]


def _rising(
    draw: Draw, rng: np.random.Generator, levels: Levels, shape: tuple[int, ...], held: IntType
) -> Any:
    """Return thresholds of several levels, alike for all neurons or not."""
    per_channel = (shape[0], *(1 for _ in shape[1:]))
    spread = draw(st.sampled_from([(), per_channel, shape]))
    table = rng.integers(held.min, held.max, (levels.thresholds, *spread), endpoint=True)
    return np.sort(table // draw(st.sampled_from([1, 4])), axis=0)


def _decay(net: Builder, draw: Draw, parameter: Callable[[int, int], Any]) -> Decay:
    kind = draw(st.sampled_from(["none", "shift", "multiply"]))
    factor: Any = 0
    if kind == "multiply":
        factor = net.scalar(f"factor{len(net.constants)}", parameter(-3, 15))
    return Decay(
        kind=kind,
        shift=0 if kind == "none" else draw(st.integers(1, 4)),
        multiplier=factor,
        rounding=draw(st.sampled_from(get_args(Rounding))),
    )


def _linear(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    size = int(np.prod(x.shape))
    flat = net.reshape(x, (size,))
    return net.digital(Linear, flat, rng.integers(-3, 4, (draw(st.integers(1, 5)), size)))


def _conv(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    window = draw(windows(*x.shape[1:]))
    if window.stuffing != (1, 1):
        window = Window(kernel=(1, 1))
    groups = draw(st.sampled_from([1, x.shape[0]]))
    weight = rng.integers(-3, 4, (2 * groups, x.shape[0] // groups, *window.kernel))
    return net.digital(
        Conv2d,
        x,
        weight,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        groups=groups,
    )


def _conv_transpose(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    groups = draw(st.sampled_from([1, x.shape[0]]))
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    weight = rng.integers(-3, 4, (x.shape[0], draw(st.integers(1, 2)), *kernel))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    padding = (0, 0, 0, 0)
    if min(*kernel, *x.shape[1:]) > 1:
        padding = draw(st.sampled_from([padding, (1, 0, 0, 1), (1, 1, 1, 1)]))
    return net.digital(
        ConvTranspose2d,
        x,
        weight,
        stride=stride,
        padding=padding,
        output_padding=(0, stride[1] - 1),
        groups=groups,
    )


def _pool(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    window = draw(windows(*x.shape[1:]))
    if window.stuffing != (1, 1):
        window = Window(kernel=(2, 2), stride=(2, 2))
        window = window if min(window.output_size(*x.shape[1:])) > 0 else Window(kernel=(1, 1))
    return net.max_pool2d(x, window) if draw(st.booleans()) else net.sum_pool2d(x, window)


def _transpose(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    turned = net.transpose(x, draw(st.permutations(range(3))))
    axis = draw(st.integers(0, 2))
    elements = st.integers(0, turned.shape[axis] - 1)
    turned = net.take(turned, draw(st.lists(elements, min_size=1, max_size=4)), axis)
    return net.concat(turned, turned, axis=draw(st.integers(0, 2)))


def _reshape(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    size = int(np.prod(x.shape))
    return net.reshape(x, draw(st.sampled_from([(size,), (size, 1, 1), (1, 1, size)])))


def _add(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    if x.type == SPIKE and draw(st.booleans()):
        kind = draw(st.sampled_from(["and", "or", "xor", "iand"]))
        return net.merge(kind, x, net.integer_neurons(x, threshold=2))
    return net.sum(x, x, net.integer_neurons(x, threshold=1))


def _scaled_add(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    per_channel = rng.integers(-5, 6, (x.shape[0], *(1 for _ in x.shape[1:])))
    spikes = net.integer_neurons(x, threshold=2)
    offset = draw(st.sampled_from([0, -3, per_channel]))
    return net.scaled_add([x, spikes], [3, per_channel], offset, draw(st.integers(0, 2)))


def _multiply(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    spikes = net.integer_neurons(x, threshold=1)
    factors = draw(st.permutations([x, draw(st.sampled_from([spikes, net.sum(x, spikes)]))]))
    return net.multiply(*factors)


def _matmul(net: Builder, draw: Draw, rng: np.random.Generator, x: Value) -> Value:
    """Multiply the maps of every channel by each other, or by those of spikes."""
    other = draw(st.sampled_from([x, net.integer_neurons(x, threshold=1)]))
    turned = net.transpose(other, (0, 2, 1))
    return net.matmul(*draw(st.permutations([x, turned])))


_LAYERS: dict[str, Callable[[Builder, Draw, np.random.Generator, Value], Value]] = {
    "crossbars": _crossbars,
    "neurons": _neurons,
    "linear": _linear,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "pool": _pool,
    "transpose": _transpose,
    "reshape": _reshape,
    "add": _add,
    "matmul": _matmul,
    "multiply": _multiply,
    "scaled_add": _scaled_add,
}
