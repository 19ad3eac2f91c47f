"""Graphs written as NIR: read back as the same graph, or refused."""

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from mapper.diagnostics import MappingError
from mapper.exchange.nir import write_nir
from mapper.frontend import NirOptions, import_model
from mapper.ir.core import FLOAT, SPIKE, Const, Graph, State, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.identity import first_difference
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.synapses import Linear
from tests.campaigns import examples
from tests.files import DEMO_MODEL
from tests.frontend.nir_models import chain, cuba, end, full, iaf, lif, net, port, saved
from tests.frontend.test_nir_graphs import networks
from tests.networks import float_networks, spikes


def round_trip(graph, tmp_path):
    path = tmp_path / "out.nir"
    notes = write_nir(graph, path)
    back = import_model(path)
    assert back.warnings == ()
    assert first_difference(graph, back.graph) is None
    nir.read(path, type_check=False)  # the reference reader takes it
    return back.graph, notes


def neuron_graph(**fields):
    """Return a graph of one layer of weights and one neuron."""
    wide = (3,)
    x, y = Value("x", FLOAT, (2,)), Value("y", FLOAT, wide)
    v, after = Value("v", FLOAT, wide), Value("v/next", FLOAT, wide)
    spike = Value("s", SPIKE, wide)
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    neuron = {"x": y, "membrane": v, "membrane_next": after, "spike": spike, **fields}
    return Graph(
        name="net",
        inputs=(x,),
        outputs=(neuron["spike"] or after,),
        states=(State(read=v, next=after.name, output=after.name if neuron["spike"] else ""),),
        ops=(Linear(x=x, weight=Const("w"), result=y), Neuron(**neuron)),
        constants={"w": weight, "many": np.array([0.5, 0.25, 0.125], np.float32)},
    )


HARD = Reset(kind="value", amount=-0.5)


@pytest.mark.parametrize(
    ("fields", "notes"),
    [
        ({"reset": HARD, "strict": True}, ()),
        ({"leak": 0.9, "gain": 0.3, "bias": 0.7, "reset": HARD, "strict": True}, ()),
        ({"leak": Const("many"), "gain": Const("many"), "reset": HARD, "strict": True}, ()),
        ({"threshold": Const("many"), "reset": Reset(kind="value", amount=Const("many"))}, (">=",)),
        ({"reset": Reset(kind="subtract", amount=1.0), "strict": True}, ("subtract",)),
        ({"reset": Reset(kind="subtract", amount=1.0, phase="next")}, ("step", "subtract", ">=")),
        ({"reset": HARD, "floor": -1.5, "strict": True}, ("floor",)),
        ({"leak": 0.5, "strict": True}, ()),
        ({"leak": 0.0, "strict": True, "threshold": 2.0}, ()),
        ({"spike": None}, ()),
        ({"spike": None, "leak": 0.3, "bias": 0.1}, ()),
    ],
)
def test_a_neuron_comes_back_bit_for_bit(fields, notes, tmp_path):
    graph = neuron_graph(**fields)
    back, said = round_trip(graph, tmp_path)
    words = {">=": "threshold itself", "step": "another step"}
    assert len(said) == len(notes)
    assert all(any(words.get(note, note) in text for text in said) for note in notes)
    inputs = spikes(graph)
    mine, theirs = evaluate(graph, inputs), evaluate(back, inputs)
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"leak": 1.5, "reset": HARD}, "leaks"),
        ({"bias": 0.5, "reset": HARD}, "bias"),
        ({"reset": Reset(kind="subtract", amount=0.5)}, "other than the threshold"),
        ({"floor": Const("many"), "reset": HARD}, "floors differ"),
        ({"leak": 0.5}, "never resets"),
        ({"spike": None, "floor": -1.0}, "floor"),
    ],
)
def test_a_neuron_that_nir_cannot_say_is_refused(fields, words, tmp_path):
    with pytest.raises(MappingError, match="not-in-nir") as caught:
        write_nir(neuron_graph(**fields), tmp_path / "out.nir")
    assert words in caught.value.diagnostics[0].message
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_does_not_start_at_zero_is_refused(tmp_path):
    graph = neuron_graph(reset=HARD)
    state = State(read=graph.states[0].read, next=graph.states[0].next, initial=0.5)
    other = Graph(**{f: getattr(graph, f) for f in ("name", "inputs", "outputs", "ops")},
                  constants=graph.constants, states=(state,))  # fmt: skip
    with pytest.raises(MappingError, match="starts at other than 0"):
        write_nir(other, tmp_path / "out.nir")


def test_the_same_graph_gives_the_same_bytes(tmp_path):
    graph = neuron_graph(reset=HARD)
    write_nir(graph, tmp_path / "a.nir")
    write_nir(graph, tmp_path / "b.nir")
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


def test_the_bundled_network_comes_back_from_onnx(tmp_path):
    graph, notes = round_trip(import_model(DEMO_MODEL).graph, tmp_path)
    assert first_difference(graph, import_model(DEMO_MODEL).graph) is None
    assert len(notes) == 2


def conv1d():
    return nir.Conv1d(
        input_shape=4, weight=np.ones((2, 1, 3)), stride=2, padding=1, dilation=1, groups=1,
        bias=np.array([0.5, 0.0]),
    )  # fmt: skip


@pytest.mark.parametrize(
    "graph",
    [
        chain([1, 4], conv1d(), nir.IF(r=np.ones((2, 2)), v_threshold=np.ones((2, 2)))),
        chain([1], iaf(), nir.Delay(delay=full(3, 1)), lif()),
        chain([2], nir.Scale(scale=np.array([0.1, 3.0])), cuba(2)),
        chain([1], nir.LI(tau=full(2, 1), r=full(2, 1), v_leak=full(0, 1)),
              nir.Threshold(threshold=full(1, 1))),
        net({"input": port(1), "a": iaf(), "b": iaf(), "c": iaf(), "output": end(1)},
            [("input", "a"), ("input", "b"), ("a", "c"), ("b", "c"), ("c", "output")]),
        net({"input": port(1), "a": iaf(), "b": iaf(), "output": end(1)},
            [("input", "a"), ("input", "b"), ("a", "output"), ("b", "output")]),
        net({"input": port(1), "a": iaf(), "p": end(1), "q": end(1)},
            [("input", "a"), ("a", "p"), ("a", "q")]),
    ],
)  # fmt: skip
def test_what_was_read_is_written_and_read_again(graph, tmp_path):
    round_trip(import_model(saved(tmp_path, graph), NirOptions(dt=1.0)).graph, tmp_path)


@settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=networks())
def test_random_nir_networks_come_back(drawn, tmp_path):
    graph = import_model(saved(tmp_path, drawn[0]), NirOptions(dt=1.0)).graph
    round_trip(graph, tmp_path)


@settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(graph=float_networks())
def test_any_network_comes_back_or_is_refused(graph, tmp_path):
    try:
        write_nir(graph, tmp_path / "out.nir")
    except MappingError as error:
        assert error.diagnostics[0].code == "not-in-nir"  # noqa: PT017 - both ends are right
        return
    assert first_difference(graph, import_model(tmp_path / "out.nir").graph) is None


MAPPED = {
    "nmnist_real_csnn_step_legacy": "another step",
    "snntorch_rleaky_step_legacy": "another step",
    "sj2_mlp_lif_decayin_step_legacy_fallthrough": "threshold itself",
}


@pytest.mark.parametrize(("name", "words"), MAPPED.items())
def test_trained_onnx_networks_come_back(name, words, shared, tmp_path):
    graph = import_model(shared / "models" / name / "model.onnx").graph
    _, notes = round_trip(graph, tmp_path)
    assert any(words in note for note in notes)


def test_max_pooling_is_refused_by_name(shared, tmp_path):
    imported = import_model(shared / "models" / "snntorch_csnn34_step_legacy" / "model.onnx")
    with pytest.raises(MappingError, match=r"not-in-nir[\s\S]*max_pool2d"):
        write_nir(imported, tmp_path / "out.nir")


def test_graphs_that_differ_are_told_apart():
    graph = neuron_graph(reset=HARD)
    assert first_difference(graph, graph) is None
    assert "'s'" in str(first_difference(graph, neuron_graph(reset=HARD, leak=0.5)))
    assert "'s'" in str(first_difference(graph, neuron_graph(reset=HARD, threshold=Const("many"))))
    assert "output" in str(first_difference(graph, neuron_graph(spike=None)))
