"""A small graph for every op, by mnemonic, for tests that must not leave one out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mapper.ir.core import FLOAT, SPIKE, Coding, Const, Graph, IntType, Op, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.encoding import Kind
from mapper.ir.evaluate import defined_values
from mapper.ir.infer import infer_types
from mapper.ir.leaks import Decay, LeakRounding
from mapper.ir.levels import Levels
from mapper.ir.network import AvgPool2d, FakeQuantize, MaxPool2d, Scale, SumPool2d
from mapper.ir.neurons import Reset
from mapper.ir.readout import ShiftAndAdd
from mapper.ir.serialize import OPS
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear
from mapper.ir.verify import check_graph
from mapper.ir.windows import Window
from tests.builders import Builder, Readout, adc, encoding, ideal, sense_amp, ternary
from tests.networks import NetworkBuilder
from tests.small_graphs import random_weights

PAIRS = Window(kernel=(2, 2), stride=(2, 2))


def graphs_of_every_op() -> dict[str, Graph]:
    """Return a valid graph that holds the op, and little else, for each mnemonic."""
    graphs = {mnemonic: make() for mnemonic, make in _GRAPHS.items()}
    for mnemonic, graph in graphs.items():
        assert any(isinstance(op, OPS[mnemonic]) for op in graph.ops)
        check_graph(graph, "tests")
    return graphs


def integer_graphs() -> dict[str, Graph]:
    """Return graphs of integers that together have every op of hardware, in more than one form."""
    graphs = {name: graph for name, graph in graphs_of_every_op().items() if _is_of_integers(graph)}
    for name, make in _MORE.items():
        graphs[name] = make()
        check_graph(graphs[name], "tests")
    sensed, converted = graphs["imc.sense_amp_read"], graphs["imc.adc_read"]
    graphs["sums and codes that leave"] = _leaving(sensed)
    graphs["codes that leave"] = _leaving(converted)
    graphs["an input with a scale"] = replace(sensed, codings={"x": Coding(scale=0.5, offset=1)})
    return graphs


def _is_of_integers(graph: Graph) -> bool:
    return all(isinstance(value.type, IntType) for value in defined_values(graph))


def _leaving(graph: Graph) -> Graph:
    """Return a graph whose layer is not computed in one go, as what is inside it is an output."""
    inside = [value for op in graph.ops if op.inside_layer for value in op.results]
    return replace(graph, outputs=(*graph.outputs, *inside))


def float_op(shape: tuple[int, ...], make: Callable[[Value], Op], **constants: Any) -> Graph:
    """Return ``x -> op -> output`` in single precision."""
    x = Value("x", FLOAT, shape)
    op = make(x)
    arrays = {name: np.asarray(array, np.float32) for name, array in constants.items()}
    return Graph(name="one op", inputs=(x,), outputs=op.results, ops=(op,), constants=arrays)


def _integer_op(shape: tuple[int, ...], make: Callable[[Builder, Value], Value]) -> Graph:
    net = Builder("one op")
    net.output(make(net, net.input("x", shape, SPIKE)))
    return net.graph()


def _float_layer(make: Callable[[NetworkBuilder, Value], Value]) -> Graph:
    net = NetworkBuilder()
    return net.graph(make(net, net.entry(2, 4, 4)))


def _float_neuron() -> Graph:
    net = NetworkBuilder()
    reset = Reset(kind="value", amount=-0.0, phase="late")
    rounding = LeakRounding(unit=0.25, rounding="toward-zero")
    s = net.neuron(
        net.entry(3),
        current=True,
        current_rounding=rounding,
        strict=True,
        reset=reset,
        floor=-1.5,
    )
    return net.graph(s)


def _integer_neuron(on_chip: bool) -> Graph:
    return _integer_op(
        (3,),
        lambda net, x: net.integer_neurons(
            x,
            current=IntType(9, signed=True),
            threshold=np.array([3, 4, 5]),
            bias=-1,
            floor=-7,
            strict=not on_chip,
            decay=Decay(kind="shift", shift=2, rounding="nearest"),
            current_decay=Decay(kind="multiply", shift=4, multiplier=net.constant("d", [9, 8, 7])),
            input_decay=Decay(kind="shift", shift=1, rounding="toward-zero"),
            reset=Reset(kind="subtract", amount=3, phase="guarded"),
            initial=np.array([1, 0, -1]),
            output="v_out",
            on_chip=on_chip,
        ),
    )


def _sensed() -> Graph:
    read = sense_amp([[[[1, 2]]]], half_active=True)
    weight = random_weights(18, 2)
    same = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    return _integer_op(
        (2, 4, 4),
        lambda net, x: net.crossbars(
            x, weight, read, window=same, wordlines=7, encoding=encoding("twos-complement")
        ),
    )


def _converted() -> Graph:
    read = adc("sar", 3, np.array([[[-2]], [[1]]]), step=2, base=-3)
    weight, code = random_weights(6, 4), encoding("offset-binary")
    return _integer_op(
        (6,),
        lambda net, x: net.crossbars(
            x, weight, read, wordlines=4, encoding=code, scale=np.array([[2], [3]]), shift=1
        ),
    )


def _fake_quantize(x: Value) -> Op:
    return FakeQuantize(
        x=x, step=Const("step"), low=-8, high=7, result=replace(x, name="y"), loc="net.onnx:/q"
    )


def _pool(kind: type[MaxPool2d | SumPool2d | AvgPool2d]) -> Graph:
    return float_op(
        (2, 4, 4), lambda x: kind(x=x, window=PAIRS, result=Value("y", FLOAT, (2, 2, 2)))
    )


def _twice(net: Builder, x: Value) -> Value:
    """Return other spikes of the same shape."""
    return net.integer_neurons(x, threshold=2)


_GRAPHS: dict[str, Callable[[], Graph]] = {
    "net.linear": lambda: _integer_op((3,), lambda n, x: n.digital(Linear, x, [[1, -2, 3]])),
    "net.conv2d": lambda: _float_layer(lambda net, x: net.conv(x, 3, padding=(1, 0, 1, 0))),
    "net.conv_transpose2d": lambda: _integer_op(
        (2, 3, 3),
        lambda n, x: n.digital(ConvTranspose2d, x, np.ones((2, 1, 2, 2), np.int8), stride=(2, 2)),
    ),
    "net.max_pool2d": lambda: _pool(MaxPool2d),
    "net.sum_pool2d": lambda: _pool(SumPool2d),
    "net.avg_pool2d": lambda: _pool(AvgPool2d),
    "net.scale": lambda: float_op(
        (2, 3, 3),
        lambda x: Scale(x=x, factor=Const("f"), offset=-0.1, result=replace(x, name="y")),
        f=[[[0.1]], [[-0.0]]],
    ),
    "net.fake_quantize": lambda: float_op((3,), _fake_quantize, step=[0.1, 0.2, 0.3]),
    "net.add": lambda: _integer_op((3,), lambda net, x: net.sum(x, x, x)),
    "net.merge": lambda: _integer_op((3,), lambda net, x: net.merge("iand", x, _twice(net, x))),
    "net.multiply": lambda: _integer_op(
        (2, 2, 3), lambda net, x: net.multiply(net.sum(x, x), _twice(net, x))
    ),
    "net.matmul": lambda: _integer_op(
        (2, 2, 3), lambda net, x: net.matmul(net.sum(x, x), net.transpose(x, (0, 2, 1)))
    ),
    "net.reshape": lambda: _integer_op((2, 3), lambda net, x: net.reshape(x, (6,))),
    "net.transpose": lambda: _integer_op((2, 3, 4), lambda net, x: net.transpose(x, (2, 0, 1))),
    "net.take": lambda: _integer_op((2, 3), lambda net, x: net.take(x, (2, 0, 0), axis=1)),
    "net.concat": lambda: _integer_op((2, 3), lambda net, x: net.concat(x, x, axis=1)),
    "net.neuron": _float_neuron,
    "net.integer_neuron": lambda: _integer_neuron(on_chip=False),
    "imc.update_membrane": lambda: _integer_neuron(on_chip=True),
    "imc.crossbar_mvm": _sensed,
    "imc.count_active": _converted,
    "imc.sense_amp_read": _sensed,
    "imc.adc_read": _converted,
    "imc.shift_and_add": _sensed,
    "imc.scaled_add": lambda: _integer_op(
        (3,), lambda net, x: net.scaled_add((x, _twice(net, x)), (3, np.array([1, 2, 4])), shift=1)
    ),
}


U3, I5 = IntType(3, signed=False), IntType(5, signed=True)


def _codes_op(make: Callable[[Builder, Value], Value], type: IntType = U3) -> Graph:
    """Return ``codes [2, 4, 4] -> op -> output``."""
    net = Builder("codes")
    net.output(make(net, net.input("x", (2, 4, 4), type)))
    return net.graph()


def _packed_die() -> Graph:
    """Return three groups on crossbars of two, whose cells leak into each other's columns."""
    net = Builder("die")
    x = net.input("x", (3, 4, 4), SPIKE)
    net.output(
        net.crossbars(x, random_weights(4, 3), sense_amp(1), window=PAIRS, groups=3, packed=2)
    )
    graph = net.graph()
    (mvm,) = (op for op in graph.ops if isinstance(op, CrossbarMvm))
    slices = mvm.partial_sum.shape[2]
    cells = random_weights(slices * 8, 3, seed=1, largest=90).reshape(1, slices, 8, 3)
    cells[..., ~mvm.there] = 0
    die = replace(mvm, cells=Const("cells"), fraction=5)
    ops = tuple(die if op is mvm else op for op in graph.ops)
    constants = {**graph.constants, "cells": cells.astype(np.int16)}
    return infer_types(replace(graph, ops=ops, constants=constants))


def _merged(read: Readout, code: Kind, scale: Any) -> Graph:
    """Return a layer whose bit-slices make one code, and whose row blocks share a scale."""
    graph = _codes_op(
        lambda net, x: net.crossbars(
            x,
            random_weights(8, 3),
            read,
            encoding=encoding(code),
            window=PAIRS,
            wordlines=5,
            scale=scale,
        )
    )
    adders = (op for op in graph.ops if isinstance(op, ShiftAndAdd))
    merged = {op.result.name: replace(op, merged=True) for op in adders}
    return replace(graph, ops=tuple(merged.get(op.results[0].name, op) for op in graph.ops))


def _neurons(**fields: Any) -> Graph:
    net = Builder("neurons")
    net.output(net.integer_neurons(net.input("x", (2, 2, 3), I5), **fields))
    return net.graph()


_MORE: dict[str, Callable[[], Graph]] = {
    "max pool of codes": lambda: _codes_op(lambda net, x: net.max_pool2d(x, PAIRS), I5),
    "sum pool of codes": lambda: _codes_op(lambda net, x: net.sum_pool2d(x, PAIRS)),
    "pools of spikes": lambda: _codes_op(
        lambda net, x: net.sum_pool2d(net.max_pool2d(x, Window(kernel=(2, 2))), PAIRS), SPIKE
    ),
    "convolution of codes": lambda: _codes_op(
        lambda net, x: net.digital(Conv2d, x, np.ones((2, 1, 3, 3), np.int8), groups=2), I5
    ),
    "product of signed codes": lambda: _codes_op(lambda net, x: net.multiply(x, net.sum(x, x)), I5),
    "signed codes behind a mask": lambda: _codes_op(
        lambda net, x: net.multiply(net.integer_neurons(x, threshold=2), x), I5
    ),
    "matrices of signed codes": lambda: _codes_op(lambda net, x: net.matmul(x, net.sum(x, x)), I5),
    "a sum with an offset": lambda: _codes_op(
        lambda net, x: net.scaled_add((x,), (np.array([[[3]], [[5]]]),), -7, shift=1), I5
    ),
    "ternary": lambda: _codes_op(
        lambda net, x: net.crossbars(x, random_weights(8, 3), ternary(-1, 2), window=PAIRS)
    ),
    "flash": lambda: _codes_op(
        lambda net, x: net.crossbars(
            x, random_weights(8, 3), adc("flash", 2, -3, 2), window=PAIRS, wordlines=5, scale=3
        ),
        SPIKE,
    ),
    "merged": lambda: _merged(sense_amp(1), "twos-complement", np.array([[3, -2, 5]])),
    "merged after ADCs": lambda: _merged(adc("sar", 1, 1), "offset-binary", 7),
    "ideal": lambda: _codes_op(
        lambda net, x: net.crossbars(
            x, random_weights(32, 3), ideal(), encoding=encoding("twos-complement", 4, 2)
        ),
        I5,
    ),
    "packed groups": lambda: _codes_op(
        lambda net, x: net.crossbars(
            x, random_weights(4, 4), sense_amp(1), window=PAIRS, groups=2, packed=2
        )
    ),
    "counts in steps": lambda: _codes_op(
        lambda net, x: net.crossbars(
            x, random_weights(8, 3), sense_amp(1), window=PAIRS, steps=Levels(low=-2, high=4)
        ),
        I5,
    ),
    "counts in steps, counted": lambda: _codes_op(
        lambda net, x: net.crossbars(
            x,
            random_weights(32, 3),
            adc("sar", 3, 1),
            steps=Levels(high=3),
            encoding=encoding("offset-binary"),
        )
    ),
    "packed groups of a die": lambda: _packed_die(),
    "transposed": lambda: _codes_op(
        lambda net, x: net.crossbars(
            x,
            random_weights(8, 3),
            sense_amp(1),
            window=Window(kernel=(2, 2), stuffing=(2, 2), padding=(1, 1, 1, 1)),
        ),
        SPIKE,
    ),
    "reset to a value": lambda: _neurons(
        threshold=4, reset=Reset(kind="value", amount=-1, phase="next"), spike_phase="next"
    ),
    "leaking": lambda: _neurons(
        threshold=9,
        fraction_bits=2,
        decay=Decay(kind="multiply", shift=3, multiplier=7),
        reset=Reset(kind="value", amount=2, phase="late"),
    ),
    "several spikes a step": lambda: _neurons(
        threshold=np.array([2, 5, 5, 11]),
        levels=Levels(high=4),
        reset=Reset(kind="subtract", amount=3),
    ),
    "ternary spikes": lambda: _neurons(
        threshold=np.array([[[[-3]], [[-4]]], [[[4]], [[5]]]]),
        levels=Levels(low=-1),
        reset=Reset(kind="value", phase="next"),
        spike_phase="next",
    ),
    "accumulators": lambda: _neurons(spiking=False, bias=np.ones((2, 2, 3), int), floor=-4),
}
