"""Graphs of NIR nodes: sums, recurrence, graphs inside graphs, and whatever is drawn at random."""

from itertools import pairwise

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.frontend import NirOptions, import_model
from mapper.ir.evaluate import evaluate
from tests.campaigns import examples
from tests.frontend.nir_models import (
    Simulator,
    answer,
    chain,
    cuba,
    end,
    full,
    iaf,
    net,
    port,
    raw,
    run,
    saved,
)


def weights(*rows, bias=None):
    matrix = np.array(rows, float)
    if bias is None:
        return nir.Linear(weight=matrix)
    return nir.Affine(weight=matrix, bias=np.array(bias, float))


def code_of(tmp_path, graph, **options):
    with pytest.raises(MappingError) as caught:
        import_model(saved(tmp_path, graph), NirOptions(**options))
    return caught.value.diagnostics[0].code


def recurrent(w_rec, neuron=None):
    return {
        "input": port(1),
        "lif": neuron or iaf(v_threshold=full(0.5, 1)),
        "w_rec": w_rec,
        "output": end(1),
    }


LOOP = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]


def test_edges_that_meet_are_summed(tmp_path):
    nodes = {"input": port(1), "a": weights([2.0]), "b": weights([3.0]), "i": nir.I(r=full(1, 1))}
    edges = [
        ("input", "a"),
        ("input", "b"),
        ("a", "i"),
        ("b", "i"),
        ("input", "i"),
        ("i", "output"),
    ]
    assert answer(tmp_path, net({**nodes, "output": end(1)}, edges), [[1.0]], dt=1) == [[6.0]]


def test_an_output_may_be_a_sum(tmp_path):
    nodes = {"input": port(1), "a": iaf(), "b": iaf(), "output": end(1)}
    edges = [("input", "a"), ("input", "b"), ("a", "output"), ("b", "output")]
    assert answer(tmp_path, net(nodes, edges), [[2.0]], dt=1) == [[2]]


def test_several_inputs_and_outputs(tmp_path):
    nodes = {"x": port(1), "y": port(1), "n": iaf(), "m": iaf(), "p": end(1), "q": end(1)}
    edges = [("x", "n"), ("y", "n"), ("y", "m"), ("n", "p"), ("m", "q")]
    graph = import_model(saved(tmp_path, net(nodes, edges))).graph
    one, half = np.full((1, 1, 1), 1.0, np.float32), np.full((1, 1, 1), 0.5, np.float32)
    found = evaluate(graph, {"x": one, "y": half})
    assert (found["p"].item(), found["q"].item()) == (1, 0)


def test_recurrent_weights_see_the_spikes_of_the_step_before(tmp_path):
    path = saved(tmp_path, net(recurrent(weights([0.25])), LOOP))
    found = run(path, [[1.0], [0.0], [0.0]], dt=1)
    assert found["output"].ravel().tolist() == [1, 0, 0]
    assert found["lif.v_next"].ravel().tolist() == [0.0, 0.25, 0.25]


def test_the_bias_of_recurrent_weights_counts_from_the_first_step(tmp_path):
    path = saved(tmp_path, net(recurrent(weights([0.0], bias=[0.25])), LOOP))
    assert run(path, [[0.0]], dt=1)["lif.v_next"].item() == 0.25


def test_a_neuron_may_feed_itself_directly(tmp_path):
    nodes = {"input": port(1), "n": nir.LI(tau=full(2, 1), r=full(2, 1), v_leak=full(0, 1))}
    graph = net({**nodes, "output": end(1)}, [("input", "n"), ("n", "n"), ("n", "output")])
    found = answer(tmp_path, graph, [[1.0], [0.0], [0.0]], dt=1)
    assert found.ravel().tolist() == [1.0, 1.5, 2.25]  # v/2 + its own last output


def test_in_a_cycle_of_two_the_edge_back_waits(tmp_path):
    nodes = {
        "input": port(1),
        "a": iaf(v_threshold=full(0.5, 1)),
        "b": iaf(v_threshold=full(0.5, 1)),
    }
    edges = [("input", "a"), ("a", "b"), ("b", "a"), ("b", "output")]
    found = answer(tmp_path, net({**nodes, "output": end(1)}, edges), [[1.0]] + [[0.0]] * 2, dt=1)
    assert found.ravel().tolist() == [1, 1, 1]  # round once a step


def test_a_delay_in_a_cycle_takes_the_place_of_the_implied_step(tmp_path):
    nodes = recurrent(nir.Delay(delay=full(2, 1)))
    found = answer(tmp_path, net(nodes, LOOP), [[1.0]] + [[0.0]] * 4, dt=1)
    assert found.ravel().tolist() == [1, 0, 1, 0, 1]


def test_a_cycle_may_take_its_shape_from_weights(tmp_path):
    one = iaf(v_threshold=full(0.5, 1))
    nodes = recurrent(weights([0.0, 1.0], [1.0, 0.0]), one) | {"input": port(2)}
    found = answer(tmp_path, net(nodes, LOOP), [[1.0, 0.0]] + [[0.0, 0.0]] * 2, dt=1)
    assert found.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_a_cycle_without_a_neuron_is_refused(tmp_path):
    nodes = {"input": port(1), "a": weights([1.0]), "b": weights([1.0]), "n": iaf()}
    edges = [("input", "a"), ("a", "b"), ("b", "a"), ("b", "n"), ("n", "output")]
    assert code_of(tmp_path, net({**nodes, "output": end(1)}, edges)) == "unsupported-cycle"


def test_weights_that_lead_on_and_back_are_refused(tmp_path):
    nodes = {"input": port(1), "a": iaf(), "w": weights([1.0]), "b": iaf(), "output": end(1)}
    edges = [("input", "a"), ("a", "w"), ("w", "b"), ("w", "a"), ("b", "a"), ("b", "output")]
    assert code_of(tmp_path, net(nodes, edges)) == "unsupported-cycle"


# --- graphs inside graphs --------------------------------------------------------------------


def inner(edges=LOOP):
    return net(recurrent(weights([0.25])), edges)


def outer(graph):
    nodes = {"input": port(1), "g": graph, "output": end(1)}
    return net(nodes, [("input", "g"), ("g", "output")])


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_graph_inside_a_graph_computes_the_same(depth, tmp_path):
    graph = inner()
    for _ in range(depth):
        nodes = {"input": port(1), "w": weights([2.0]), "g": graph, "output": end(1)}
        graph = net(nodes, [("input", "w"), ("w", "g"), ("g", "output")])
    scale = 2.0**-depth
    found = answer(tmp_path, graph, [[scale], [0], [0]], dt=1)
    assert found.ravel().tolist() == [1, 0, 0]


def test_names_of_inner_nodes_tell_where_they_are(tmp_path):
    imported = import_model(saved(tmp_path, outer(inner())))
    assert [op.loc for op in imported.graph.ops][-1] == "net.nir:g.lif"
    assert [s.read.name for s in imported.graph.states] == ["g.lif.v", "g.lif.before"]


def test_the_input_of_a_recurrent_layer_reaches_its_neuron(tmp_path):
    """Spyx draws it into the recurrent weights, and means the neuron."""
    drawn = [("input", "w_rec"), *LOOP[1:]]
    graph = net(
        {"input": port(1), "g": inner(drawn), "output": end(1)}, [("input", "g"), ("g", "output")]
    )
    path = saved(tmp_path, graph)
    assert run(path, [[1.0]], dt=1)["output"].item() == 1  # 0.25 would not fire
    assert any("recurrent weights" in text for text in import_model(path).warnings)


def test_an_inner_graph_of_two_inputs_is_refused(tmp_path):
    two = net(
        {"a": port(1), "b": port(1), "n": iaf(), "output": end(1)},
        [("a", "n"), ("b", "n"), ("n", "output")],
    )
    assert code_of(tmp_path, outer(two)) == "unsupported-op"


# --- ends ------------------------------------------------------------------------------------


def test_a_graph_without_ends_gets_them(tmp_path):
    graph = net({"w": weights([1.0, 1.0]), "n": iaf()}, [("w", "n")])
    assert answer(tmp_path, graph, [[0.5, 1.0]], dt=1) == [[1]]


def test_a_batch_axis_in_the_file_is_left_out(tmp_path):
    graph = chain([1, 2], weights([1.0, 1.0]), iaf())
    imported = import_model(saved(tmp_path, graph))
    assert imported.graph.inputs[0].shape == (2,)


def test_what_leads_nowhere_is_left_out_and_said(tmp_path):
    nodes = {"input": port(1), "n": iaf(), "lost": weights([1.0]), "output": end(1)}
    edges = [("input", "n"), ("input", "lost"), ("n", "output")]
    imported = import_model(saved(tmp_path, net(nodes, edges)))
    assert len(imported.graph.ops) == 1
    assert any("'lost'" in text for text in imported.warnings)


@pytest.mark.parametrize(
    ("nodes", "edges"),
    [
        ({"input": port(1), "n": iaf(), "w": weights([1.0]), "output": end(1)},
         [("w", "n"), ("n", "output")]),
        ({"input": port(0), "n": iaf(), "output": end(1)}, [("input", "n"), ("n", "output")]),
        ({"input": port(1), "n": iaf(), "output": end(1)}, [("input", "n"), ("n", "gone")]),
        ({"input": port(2), "w": weights([1.0, 1.0]), "n": iaf(2), "output": end(1)},
         [("input", "w"), ("input", "n"), ("w", "n"), ("n", "output")]),
        ({"n": iaf()}, [("n", "n")]),
    ],
)  # fmt: skip
def test_a_graph_that_hangs_in_the_air_is_refused(nodes, edges, tmp_path):
    assert code_of(tmp_path, net(nodes, edges)) == "invalid-model"


def test_a_doubled_edge_counts_once(tmp_path):
    nodes = {
        "input": {"type": "Input", "shape": np.array([1])},
        "n": {"type": "I", "r": np.ones(1)},
        "output": {"type": "Output", "shape": np.array([1])},
    }
    edges = [["input", "n"], ["input", "n"], ["n", "output"]]
    tree = {"type": "NIRGraph", "nodes": nodes, "edges": edges}
    path = raw(tmp_path / "net.nir", {"version": "0.2.0", "node": tree})
    assert run(path, [[1.0]], dt=1)["output"].item() == 1
    assert any("twice" in text for text in import_model(path).warnings)


# --- at random -------------------------------------------------------------------------------

QUARTERS = st.integers(-8, 8).map(lambda n: n / 4)


@st.composite
def neurons(draw, n):
    """Constants are powers of two, so that single precision is exact for a few steps."""

    def some(choices):
        return np.array(draw(st.lists(st.sampled_from(choices), min_size=n, max_size=n)))

    tau = lambda: some([1.0, 2.0, 4.0])  # noqa: E731
    common = {"r": some([1.0, 2.0]), "v_leak": some([-0.5, 0.0, 0.5])}
    fire = {"v_threshold": some([0.5, 1.0, 2.0]), "v_reset": some([-0.5, 0.0, 0.25])}
    match draw(st.sampled_from(["IF", "LIF", "CubaLIF"])):
        case "IF":
            return nir.IF(r=common["r"], **fire)
        case "LIF":
            return nir.LIF(tau=tau(), **common, **fire)
        case _:
            return nir.CubaLIF(
                tau_mem=tau(), tau_syn=tau(), w_in=some([0.5, 2.0]), **common, **fire
            )


def matrices(n, m):
    return st.lists(QUARTERS, min_size=n * m, max_size=n * m).map(
        lambda flat: np.array(flat).reshape(n, m)
    )


@st.composite
def networks(draw):
    """Draw layers of weights and neurons, some recurrent; and the order they are computed in."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    nodes, edges, order = {"input": port(sizes[0])}, [], []
    last = "input"
    for k, (before, size) in enumerate(pairwise(sizes)):
        bias = draw(matrices(1, size))[0]
        nodes[f"w{k}"] = nir.Affine(weight=draw(matrices(size, before)), bias=bias)
        nodes[f"n{k}"] = draw(neurons(size))
        edges += [(last, f"w{k}"), (f"w{k}", f"n{k}")]
        order.append(f"w{k}")
        if draw(st.booleans()):
            nodes[f"r{k}"] = nir.Linear(weight=draw(matrices(size, size)))
            edges += [(f"n{k}", f"r{k}"), (f"r{k}", f"n{k}")]
            order.append(f"r{k}")
        order.append(f"n{k}")
        last = f"n{k}"
    nodes["output"] = end(sizes[-1])
    return net(nodes, [*draw(st.permutations(edges)), (last, "output")]), order, sizes[0]


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=networks(), reset=st.sampled_from(["value", "zero", "subtract"]), data=st.data())
def test_random_networks_spike_as_their_equations_say(drawn, reset, data, tmp_path):
    graph, order, inputs = drawn
    x = data.draw(matrices(5, inputs))
    expected = Simulator(graph, order, dt=1.0, reset=reset).run(x)
    found = answer(tmp_path, graph, x, dt=1.0, reset=reset)
    assert found.tolist() == expected.tolist()


def test_a_convolutional_network_spikes_as_its_equations_say(tmp_path):
    rng = np.random.default_rng(0)
    conv = nir.Conv2d(
        input_shape=(6, 6), weight=rng.integers(-4, 5, (2, 1, 3, 3)) / 4, stride=(1, 1),
        padding=(1, 1), dilation=(1, 1), groups=1, bias=np.array([0.25, 0.0]),
    )  # fmt: skip
    pool = nir.SumPool2d(
        kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.zeros(2, int)
    )
    fire = {"r": full(1, 2, 6, 6), "v_threshold": full(1, 2, 6, 6)}
    flat = nir.Flatten(np.array([2, 3, 3]), 0, -1)
    weight = nir.Linear(weight=rng.integers(-4, 5, (3, 18)) / 4)
    graph = chain([1, 6, 6], conv, nir.IF(**fire), pool, flat, weight, cuba(3))
    x = rng.integers(0, 2, (8, 1, 6, 6)).astype(float)
    expected = Simulator(graph, [f"n{k}" for k in range(6)], dt=1.0, reset="value").run(x)
    assert answer(tmp_path, graph, x, dt=1.0).tolist() == expected.tolist()
    assert expected.any()
