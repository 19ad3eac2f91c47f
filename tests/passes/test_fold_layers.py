"""Layers in a row or side by side, folded into one: the same numbers, whatever their windows."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from mapper import Imported, inspect
from mapper.cli.inspection import InspectionText
from mapper.ir.core import SPIKE, Array, Graph, IntType, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.synapses import Conv2d, Synapse
from mapper.ir.windows import Window
from mapper.pipeline import make_passes, run_passes
from passes import FoldLayers
from targets import load_target
from tests.campaigns import examples
from tests.engines import run_everywhere
from tests.networks import NetworkBuilder, spikes

TARGET = load_target("adcless-64")


def folded(graph: Graph, when: str = "always") -> Graph:
    found, _ = run_passes(graph, TARGET, [FoldLayers(when=when)])  # type: ignore[arg-type]
    return found


def layers(graph: Graph) -> list[Synapse]:
    return [op for op in graph.ops if isinstance(op, Synapse)]


def assert_same_numbers(found: Graph, wanted: Graph) -> None:
    """Compare all outputs, on spikes, as single precision allows."""
    inputs = spikes(wanted, steps=2)
    after, before = evaluate(found, inputs), evaluate(wanted, inputs)
    for name, numbers in before.items():
        near = 1e-5 * np.abs(numbers).max()
        assert np.allclose(after[name], numbers, rtol=0, atol=near), name


def bordered(
    net: NetworkBuilder, x: Value, sides: int, values: Array, *, turned: bool = False
) -> Value:
    """Put a border of one number a channel around a map, or around it turned."""
    channels, height, width = x.shape
    wide = net.sum_pool2d(x, Window(kernel=(1, 1), padding=(sides,) * 4))
    inside = np.zeros((1, height + 2 * sides, width + 2 * sides), np.float32)
    inside[:, sides : sides + height, sides : sides + width] = 1
    outside = (1 - inside) * values.reshape(channels, 1, 1)
    name, order = net.numbered("border"), (1, 2, 0) if turned else (0, 1, 2)
    written = net.scale(
        net.transpose(wide, order) if turned else wide,
        net.constant(f"{name}.inside", inside.transpose(order)),
        net.constant(f"{name}.outside", outside.transpose(order).astype(np.float32)),
        name=name,
    )
    return net.transpose(written, (2, 0, 1)) if turned else written


def rep_conv(net: NetworkBuilder, x: Value, outputs: int, *, turned: bool = False) -> Value:
    """1x1 - norm - border of the norm's value of zero - depthwise - 1x1 - norm."""
    channels = x.shape[0]
    weight = net.rng.normal(0, 1, (channels, channels, 1, 1)).astype(np.float32)
    own = net.norm(net.conv2d(x, weight))
    border = net.constants[net.ops[-1].offset.name].reshape(-1)  # type: ignore[attr-defined]
    depthwise = net.conv(bordered(net, own, 1, border, turned=turned), channels, groups=channels)
    return net.norm(net.conv(depthwise, outputs, kernel=1))


@pytest.mark.parametrize("when", ["cheaper", "always"])
def test_a_rep_conv_is_one_convolution(when):
    net = NetworkBuilder()
    x = net.input("x", (4, 5, 6), SPIKE)
    wanted = net.graph(rep_conv(net, x, 3))
    found = folded(wanted, when)
    (layer,) = layers(found)
    assert isinstance(layer, Conv2d)
    assert (layer.kernel, layer.padding, layer.groups) == ((3, 3), (1, 1, 1, 1), 1)
    assert_same_numbers(found, wanted)


def test_never_leaves_a_graph_as_it_is():
    net = NetworkBuilder()
    wanted = net.graph(rep_conv(net, net.input("x", (4, 5, 6), SPIKE), 3))
    assert folded(wanted, "never") == wanted


def test_sums_of_many_bits_make_a_layer_of_few_weights_dear():
    """Depthwise, then 1x1: 9 rows of spikes cost more than one of 8-bit sums, less than of 12."""
    net = NetworkBuilder()
    x = net.input("x", (4, 5, 5), SPIKE)
    rows = net.graph(net.conv(net.conv(x, 4, groups=4), 8, kernel=1))
    assert len(layers(folded(rows, "cheaper"))) == 2  # 9*4 + 4*8*7 products of bits, or 9*4*8
    net = NetworkBuilder()
    x = net.input("x", (4, 5, 5), IntType(5, signed=False))
    rows = net.graph(net.conv(net.conv(x, 16, kernel=1), 2, groups=2))
    assert len(layers(folded(rows, "cheaper"))) == 1  # 4*16*5 + 9*8*2*10, or 9*4*2*5


@st.composite
def rows(draw: st.DrawFn) -> Graph:
    """Two or three layers in a row, of any windows, with what stands between them."""
    net = NetworkBuilder(draw(st.integers(0, 2**16)))
    x = net.input("x", (4, *draw(st.sampled_from([(7, 6), (1, 9)]))), SPIKE)
    for _ in range(draw(st.integers(2, 3))):
        least = min(x.shape[1:])
        kernel = draw(st.sampled_from([1, 1, 2, 3] if least > 5 else [1, 1]))
        sides = tuple(draw(st.integers(0, 1)) for _ in range(4))
        groups = draw(st.sampled_from([1, 2, 4]))
        x = net.conv(
            x,
            draw(st.sampled_from([4, 8])),
            kernel=kernel,
            groups=groups,
            stride=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
            dilation=(draw(st.integers(1, 2)), 1),
            padding=sides,
        )
        x = net.norm(x) if draw(st.booleans()) else x
        x = bordered(net, x, 1, net.rng.normal(0, 1, x.shape[0])) if draw(st.booleans()) else x
    return net.graph(x)


@settings(max_examples=examples(40), deadline=None)
@given(graph=rows())
def test_rows_give_the_same_numbers(graph):
    assert_same_numbers(folded(graph), graph)


@settings(max_examples=examples(30), deadline=None)
@given(data=st.data())
def test_branches_give_the_same_numbers_in_one_layer(data):
    net = NetworkBuilder(data.draw(st.integers(0, 2**16)))
    x = net.input("x", (4, 6, 7), SPIKE)
    terms = []
    for _ in range(data.draw(st.integers(2, 3))):
        kernel, dilation = data.draw(st.sampled_from([(1, 1), (3, 1), (3, 2), (5, 1)]))
        reach = dilation * (kernel // 2)
        terms.append(
            net.conv(
                x,
                4,
                kernel=kernel,
                groups=data.draw(st.sampled_from([1, 2, 4])),
                stride=(2, 1),
                dilation=(dilation, dilation),
                padding=(reach,) * 4,
            )
        )
    wanted = net.graph(net.sum(*terms))
    found = folded(wanted)
    assert len(layers(found)) == 1
    assert_same_numbers(found, wanted)


def test_inspection_says_which_layers_are_folded_and_what_the_one_holds():
    net = NetworkBuilder()
    graph = net.graph(net.neuron(rep_conv(net, net.input("x", (4, 5, 6), SPIKE), 3)))
    named = tuple(replace(op, loc=f"net:/{op.results[0].name}") for op in graph.ops)
    graph = replace(graph, ops=named)
    read = Imported(graph=graph, time_form="step", producer="", opset=None, ports=())
    console = Console(file=StringIO(), width=200)
    console.print(InspectionText(inspect(read, TARGET)))
    told = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    places = [line.split("float")[1].strip() for line in told if " float " in line]
    assert places == ["folded", "folded", "1 crossbar 36x3"]


@pytest.mark.parametrize("turned", [False, True])
def test_every_engine_computes_the_folded_network(turned):
    """Two neurons around a RepConv with branches beside it: one layer of crossbars each."""
    net = NetworkBuilder(3)
    s = net.neuron(net.conv(net.input("x", (2, 4, 4), SPIKE), 3, padding=(1,) * 4))
    current = net.sum(rep_conv(net, s, 3, turned=turned), net.conv(s, 3, kernel=1), net.norm(s))
    network = net.graph(net.neuron(current))
    graph, _ = run_passes(network, TARGET, make_passes())
    rows_of = [len(graph.constants[op.weight.name]) for op in graph.ops if hasattr(op, "weight")]
    assert rows_of == [18, 27]
    run_everywhere(graph, spikes(network))
