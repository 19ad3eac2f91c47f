"""Crossbars, floorplan, network and time on the page: what is drawn is what was mapped."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.cost import count_layers
from mapper.executor import engine
from mapper.ir.activity import WORDLINES
from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.pipeline import make_passes, run_passes
from mapper.report.charts.floorplan import block_activity, floorplan_data, floorplan_table
from mapper.report.charts.network import Node, edges_in_lanes, network_nodes
from mapper.report.charts.timeline import mean_rate, pipeline_chart, spike_chart
from mapper.report.page.cells import inspector_data, pack_levels, stored_levels
from targets import load_target
from tests.builders import Builder, encoding, sense_amp
from tests.report.pages import demo_build, dvsnet_graph


@pytest.fixture(scope="module")
def build() -> Any:
    return demo_build()


def crossbars(graph: Graph) -> list[CrossbarMvm]:
    return [op for op in graph.ops if isinstance(op, CrossbarMvm)]


# --- crossbars -----------------------------------------------------------------------------


def test_every_small_crossbar_is_carried_and_unpacks_to_its_weights(build):
    held = inspector_data(build.hardware, ("a", "b", "c"))
    ops = crossbars(build.hardware)
    assert held["kept"] == held["total"] == sum(op.crossbars for op in ops)
    for op, layer in zip(ops, held["layers"], strict=True):
        digits = op.encoding.digits(build.hardware.constants[op.weight.name])
        for crossbar in layer["crossbars"]:
            rows, columns = op.rows[crossbar["row"]], op.columns[crossbar["column"]]
            levels = unpacked(crossbar["cells"], len(rows), 6 * len(columns), 1)
            pairs = levels.reshape(len(rows), len(columns), 3, 2)
            expected = digits[:, rows.slice, columns.slice].transpose(1, 2, 0)
            assert (pairs[..., 0].astype(int) - pairs[..., 1] == expected).all()


def unpacked(text: str, rows: int, columns: int, bits: int) -> np.ndarray:
    packed = np.frombuffer(base64.b64decode(text), np.uint8).reshape(rows, -1)
    found = np.unpackbits(packed, axis=1)[:, : columns * bits].reshape(rows, columns, bits)
    return found @ (1 << np.arange(bits)[::-1])


@given(data=st.data(), bits=st.sampled_from([1, 2, 4]))
def test_levels_are_packed_without_loss(data, bits):
    shape = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 9)))
    flat = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=45, max_size=45))
    levels = np.asarray(flat[: shape[0] * shape[1]], np.uint8).reshape(shape)
    assert (unpacked(pack_levels(levels, bits), *shape, bits) == levels).all()


@pytest.mark.parametrize("kind", ["twos-complement", "offset-binary", "differential"])
def test_stored_levels_stand_for_the_weights(kind):
    net = Builder()
    x = net.input("x", (4,))
    weight = np.asarray([[-7, 3], [0, 7], [5, -1], [-4, 2]])
    code = encoding(kind)
    y = net.crossbars(x, weight, sense_amp(1), encoding=code)
    net.output(net.integer_neurons(y, threshold=1))
    graph = net.graph()
    (op,) = crossbars(graph)
    levels = stored_levels(op, graph, op.rows[0], op.columns[0]).astype(int)
    assert levels.min() >= 0
    cells = levels.reshape(4, 2, len(code.significances), -1)
    digits = cells[..., 0] - cells[..., 1] if kind == "differential" else cells[..., 0]
    assert (digits @ np.asarray(code.significances) + code.offset == weight).all()


def test_what_a_page_carries_of_crossbars_is_bounded(build):
    held = inspector_data(build.hardware, ("a", "b", "c"), budget=9_000)
    assert 0 < held["kept"] < held["total"]
    assert len(json.dumps(held["layers"])) < 9_000 + 3_000  # and the spans of the layers
    for layer in held["layers"]:
        kept = [(c["column"], c["row"]) for c in layer["crossbars"]]
        if len(kept) > 1:
            assert kept[0] == (0, 0)
            assert kept[-1] == (len(layer["columns"]) - 1, len(layer["rows"]) - 1)


# --- floorplan -----------------------------------------------------------------------------


def test_the_floorplan_has_every_crossbar_in_its_slots(build):
    plan = floorplan_data(build.hardware, build.target, {}, ("a", "b", "c"))
    for op, layer in zip(crossbars(build.hardware), plan["layers"], strict=True):
        assert layer["start"] == op.placement.slots.start
        assert len(layer["rows"]) * len(layer["columns"]) * layer["copies"] == len(
            op.placement.slots
        )
    assert plan["measured"] is False
    first = floorplan_table(plan).rows[0]
    assert first[:5] == ("a", "sense-amp-64", "4", "0", "0 to 7")


def test_activity_of_a_block_is_driven_over_drivable_wordlines():
    net = Builder()
    x = net.input("x", (4,))
    y = net.crossbars(x, np.ones((4, 2), int), sense_amp(1), wordlines=2)
    net.output(net.integer_neurons(y, threshold=1))
    graph = net.graph()
    (op,) = crossbars(graph)
    # Over 5 time steps of 2 samples: the first two wordlines 10 and 5 times, the others never.
    trace = {op.partial_sum.name + WORDLINES: np.asarray([[10, 5, 0, 0]])}
    assert block_activity(op, trace, runs=10) == [[0.75, 0.0]]


# --- network and time ----------------------------------------------------------------------


def test_a_residual_block_is_drawn_with_its_skip():
    target = load_target("adcless-64")
    graph, _ = run_passes(dvsnet_graph(32), target, make_passes())
    nodes = network_nodes(graph, {})
    names = [node.name for node in nodes]
    assert names[:6] == ["x", "conv0", "conv2", "conv4", "iand6", "pool7"]
    gate = nodes[4]
    assert {names[source] for source in gate.sources} == {"conv4", "conv0"}
    assert (nodes[1].neurons, nodes[1].shape) == (32 * 32 * 32, (32, 32, 32))
    assert nodes[-1].output
    lanes = {(e.source, e.sink): e.lane for e in edges_in_lanes(nodes)}
    assert lanes[3, 4] == 0
    assert lanes[1, 4] == 1
    assert len(nodes) == 1 + 12 + 5 + 5  # input, layers, gates, pools


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(1, 9), st.booleans()), max_size=12, unique=True
    )
)
def test_lines_of_a_lane_never_overlap(pairs):
    sources: dict[int, tuple[int, ...]] = {}
    late: dict[int, tuple[int, ...]] = {}
    for source, sink, is_late in pairs:
        held = late if is_late else sources
        if source != sink and (is_late or source < sink) and source not in held.get(sink, ()):
            held[sink] = (*held.get(sink, ()), source)
    nodes = tuple(
        Node(name=str(i), what="", shape=(), sources=sources.get(i, ()), late=late.get(i, ()))
        for i in range(10)
    )
    edges = edges_in_lanes(nodes)
    assert len(edges) == sum(len(node.sources) + len(node.late) for node in nodes)
    for i, a in enumerate(edges):
        for b in edges[i + 1 :]:
            if a.lane == b.lane != 0:
                spans = sorted([sorted((a.source, a.sink)), sorted((b.source, b.sink))])
                assert spans[0][1] <= spans[1][0]


def test_the_pipeline_starts_a_time_step_every_pace(build):
    cost = build.report().cost
    stages = tuple(layer.stage for layer in count_layers(build.hardware, build.target))
    rows = pipeline_chart(cost, stages, 1).spec["data"]["values"]
    pace = max(layer.step_ns.nominal for layer in cost.layers)
    second = [row for row in rows if row["step"] == "time step 2"]
    # A stage lasts a time step, or as long as its layer needs for one datum; a stage, a layer here.
    assert stages == (0, 1, 2)
    held = [max(pace, layer.latency_ns.nominal) for layer in cost.layers]
    in_us = [(sum(held[:stage]) + pace) * 1e-3 for stage in stages]
    assert [row["start"] for row in second] == in_us
    assert second[0]["layer"] == "/conv1/Conv (limits)"


def test_layers_of_several_rounds_follow_each_other(build):
    cost = build.report().cost
    chart = pipeline_chart(cost, (0, 0, 0), 2)
    rows = chart.spec["data"]["values"]
    assert [row["start"] for row in rows[1:]] == [row["stop"] for row in rows[:-1]]
    sequential = cost.latency_ns["step_sequential"].nominal
    assert rows[-1]["stop"] == pytest.approx(sequential * 1e-3)  # in us, rounded at every layer
    assert "2 rounds" in chart.description


def test_spikes_over_time_are_those_of_the_trace(build):
    rng = np.random.default_rng(0)
    codes = {v.name: rng.integers(0, 2, (3, 2, *v.shape)) for v in build.hardware.inputs}
    trace = engine.run(build.hardware, codes, trace=True).counts
    nodes = network_nodes(build.hardware, trace)
    rows = spike_chart(nodes, trace).spec["data"]["values"]
    (x,) = build.hardware.inputs
    shown = [row["rate"] for row in rows if row["layer"] == x.name]
    means = codes[x.name].reshape(3, -1).mean(axis=1)
    assert shown == [round(float(mean), 6) for mean in means]
    neurons = [node for node in nodes if node.neurons]
    spikes = sum(int(trace[node.spike].sum()) for node in neurons)
    assert mean_rate(nodes) == pytest.approx(spikes / (6 * sum(n.neurons for n in neurons)))


def test_a_long_recording_is_averaged_over_neighbouring_steps(build):
    nodes = (Node(name="x", what="input", shape=(4,), spike="x"),)
    chart = spike_chart(nodes, {"x": np.full((1000, 1), 2)})
    rows = chart.spec["data"]["values"]
    assert len(rows) == 200
    assert {row["rate"] for row in rows} == {0.5}
    assert rows[-1]["step"] == "996 to 1000"
