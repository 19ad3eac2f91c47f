"""Counting what the passes make, on every kind of target."""

import numpy as np
import pytest

from mapper.cost import count_layers, estimate
from mapper.ir.core import FLOAT, SPIKE, Const, Graph, IntType, State, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.network import MaxPool2d, Reshape
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.synapses import Conv2d, Linear
from mapper.ir.windows import Window
from passes import PIPELINE
from targets import Target, list_targets, load_target
from tests.cost.networks import activity_of, one_by_one, without_updates


def neurons(name: str, x: Value) -> Neuron:
    return Neuron(
        x=x,
        membrane=Value(f"{name}.v", FLOAT, x.shape),
        spike=Value(f"{name}.spike", SPIKE, x.shape),
        membrane_next=Value(f"{name}.v_next", FLOAT, x.shape),
        leak=0.5,
        threshold=0.5,
        reset=Reset(kind="subtract", amount=0.5),
    )


def trained(codes: IntType) -> Graph:
    """Convolve 2x6x6 inputs to 6 channels, pool, and classify into 3."""
    rng = np.random.default_rng(3)
    x = Value("x", codes, (2, 6, 6))
    y = Value("conv.y", FLOAT, (6, 6, 6))
    first = neurons("one", y)
    pooled, flat = Value("pooled", SPIKE, (6, 3, 3)), Value("flat", SPIKE, (54,))
    z = Value("fc.y", FLOAT, (3,))
    second = neurons("two", z)
    assert first.spike is not None
    assert second.spike is not None
    ops = (
        Conv2d(x=x, weight=Const("w1"), result=y, kernel=(3, 3), padding=(1, 1, 1, 1), loc="conv"),
        first,
        MaxPool2d(x=first.spike, window=Window(kernel=(2, 2), stride=(2, 2)), result=pooled),
        Reshape(x=pooled, result=flat),
        Linear(x=flat, weight=Const("w2"), result=z, loc="fc"),
        second,
    )
    return Graph(
        name="trained",
        inputs=(x,),
        outputs=(second.spike,),
        states=tuple(State(read=op.membrane, next=op.membrane_next.name) for op in (first, second)),
        ops=ops,
        constants={
            "w1": rng.normal(size=(6, 2, 3, 3)).astype(np.float32),
            "w2": rng.normal(size=(3, 54)).astype(np.float32),
        },
    )


def lowered(target: Target, codes: IntType = SPIKE) -> Graph:
    graph = trained(codes)
    for step in PIPELINE:
        graph = step().run(graph, target)
    return graph


@pytest.mark.parametrize("name", list_targets())
def test_every_event_of_a_mapped_network_is_counted(name):
    target = load_target(name)
    graph = lowered(target)
    spikes = (np.random.default_rng(4).random((3, 1, 2, 6, 6)) < 0.3).astype(np.int64)
    activity = activity_of(graph, spikes)
    assert without_updates(activity.events) == tuple(one_by_one(graph, spikes))
    layers = count_layers(graph, target)
    grids = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    assert [layer.stage for layer in layers] == [op.placement.stage for op in grids]
    assert [layer.work.membrane_updates for layer in layers] == [6 * 6 * 6, 3]
    assert [layer.work.columns_read for layer in layers] == [
        int(np.prod(op.partial_sum.shape)) for op in grids
    ]
    cost = estimate(graph, target, activity)
    assert [layer.name for layer in cost.layers] == ["conv", "fc"]
    assert cost.total_pj.nominal > 0


@pytest.mark.parametrize(
    ("bits", "macro", "planes"),
    [(1, "sense-amp-64", 1), (3, "flash5-64", 3), (9, "flash5-64", 0)],
)
def test_wider_inputs_are_read_plane_by_plane_or_stay_digital(bits, macro, planes):
    target = load_target("mixed-64")
    first, second = count_layers(lowered(target, IntType(bits, signed=False)), target)
    assert (first.macro, first.grid.planes) == (macro, planes)
    assert (second.macro, second.grid.planes) == ("sense-amp-64", 1)
    assert first.work.crossbar_reads == planes * 36
    # Nine bits are more than any macro takes: 18 products an output, one a cycle.
    assert first.digital_rows == (0 if planes else 18)
    assert (first.stage, second.stage) == (0, 1)
