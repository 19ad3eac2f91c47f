"""Events of exported networks: the trace of the executor against what the definition drives."""

from pathlib import Path

import numpy as np
import pytest

from mapper.build.make import make_build
from mapper.cost import Events, count_layers, measure
from mapper.executor import engine
from mapper.frontend import import_model
from mapper.ir.core import Array, Graph, IntType
from mapper.ir.crossbar import CrossbarMvm, driven_wordlines
from mapper.ir.evaluate import evaluate
from targets import load_target
from tests.cost.networks import without_updates


def driven_events(op: CrossbarMvm, steps: Array, graph: Graph) -> Events:
    """Count over all time steps, crossbar by crossbar."""
    assert op.encoding is not None
    digits = np.abs(op.encoding.digits(graph.constants[op.weight.name]))  # [S, K, N]
    width = op.outputs // op.groups
    wordlines = cells = levels = reads = conversions = 0
    for x in steps:
        driven = driven_wordlines(x, op)  # [B, planes, groups, K, P]
        for columns in op.columns:
            for rows in op.rows:
                here = driven[:, :, columns.start // width, rows.slice]
                held = digits[:, rows.slice, columns.slice]
                lines = here.sum(axis=(0, 1, 3))
                wordlines += int(lines.sum())
                per_line = len(columns) * len(digits)
                cells += int(lines.sum()) * per_line * op.encoding.bitlines_per_slice
                levels += int((held.sum(axis=(0, 2)) * lines).sum())
                heard = int(here.any(axis=2).sum())
                reads += heard
                conversions += heard * per_line
    return Events(wordlines, cells, levels, reads, conversions)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("flow_spikedec_step_legacy", "adcless-64"),  # transposed convolutions, skips
        ("snntorch_csnn34_step_legacy", "ternary-diff-64"),  # multi-bit sums between layers
    ],
)
def test_every_event_of_an_exported_network_is_counted(model: str, name: str, shared: Path):
    network = import_model(shared / "models" / model / "model.onnx")
    rng = np.random.default_rng(0)
    reals = {
        v.name: rng.integers(0, 3, (2, 1, *v.shape)).astype(float) for v in network.graph.inputs
    }
    target = load_target(name)
    build = make_build(network, target, None, reals, source={})
    assert build is not None
    graph = build.hardware
    inputs = {}
    for value in graph.inputs:
        assert isinstance(value.type, IntType)
        codes = reals[value.name].astype(np.int64)
        inputs[value.name] = codes.clip(value.type.min, value.type.max)
    trace = engine.run(graph, inputs, "numpy", trace=True).counts
    activity = measure(graph, trace)
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    values = evaluate(graph, inputs, watch=sorted({op.x.name for op in layers}))
    counted = zip(count_layers(graph, target), activity.events, strict=True)
    found = [events for layer, events in counted if layer.grid.planes]
    assert list(without_updates(found)) == [
        driven_events(op, values[op.x.name], graph) for op in layers
    ]
    assert max(op.placement.copies for op in layers) > 1
    assert max(op.planes for op in layers) > 1
