"""Ring 3 knows rounding: what single precision decides is a tie, and nothing else is.

``E`` is half a unit in the last place of 1. Of ``1 + E + E`` two terms are added first: where 1 is
one of them the sum stays 1, and where it is not the sum is above 1. So of three orders of the
terms, whatever an engine adds first, two stay at the threshold and one passes it; in double
precision all three do.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mapper.frontend import import_model
from mapper.ir.core import Array, Const, Graph
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.synapses import Synapse
from mapper.progress import silent
from mapper.verify import reference
from mapper.verify.model import verify_model
from mapper.verify.reference import Given, reference_ring
from mapper.verify.result import LISTED, Ring
from tests.frontend.models import NUMBERS, leaky, model, node, saved
from tests.frontend.test_shared_models import SEQUENCES, STEP
from tests.frontend.test_time import FORMS

E = 2.0**-24
TIED = np.array([[1, E, E], [E, 1, E], [E, E, 1], [0.75, 0, 0]], np.float32)
WIDTH, INPUTS, CLASSES, STEPS = 24, 20, 16, 24


def two_layers(seed: int = 0) -> onnx.ModelProto:
    """``x[1, 20] -> 24 neurons -> 16 neurons``; the first three neurons are ties for ``x = 1``."""
    rng = np.random.default_rng(seed)
    first = rng.normal(0, 0.6, (WIDTH, INPUTS)).astype(np.float32)
    first[:4], first[:4, :3] = 0, TIED
    second = rng.normal(0, 0.6, (CLASSES, WIDTH)).astype(np.float32)
    nodes = [
        node("Gemm", "x w", "c1", transB=1),
        *leaky("c1", "v1", "s1", "v1_out", "1."),
        node("Gemm", "s1 u", "c2", transB=1),
        *leaky("c2", "v2", "s2", "v2_out", "2."),
    ]
    ports = {"v1": [1, WIDTH], "v2": [1, CLASSES]}
    return model(
        nodes,
        {"x": [1, INPUTS], **ports},
        {"s2": [1, CLASSES], **{f"{name}_out": shape for name, shape in ports.items()}},
        {"w": first, "u": second, **NUMBERS},
    )


def events(seed: int = 0) -> Array:
    """Return sparse events; the first three inputs spike in every other step."""
    x = (np.random.default_rng(seed).random((STEPS, 1, INPUTS)) < 0.2).astype(np.float32)
    x[:, :, :3] = (np.arange(STEPS) % 2 == 0)[:, None, None]
    return x


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(two_layers(), tmp_path_factory.mktemp("forced"))


def ring_of(path: Path, change: Callable[[Graph], Graph] = lambda graph: graph) -> Ring:
    """Return ring 3 of a model, with something done to what was imported."""
    imported = import_model(path)
    wrong = replace(imported, graph=change(imported.graph))
    ring, _ = reference_ring(Given(path=path, imported=wrong, inputs={"x": events()}, initial={}))
    return ring


def test_a_spike_that_rounding_decides_is_a_tie_and_cascades_nowhere(path):
    ring = ring_of(path)
    assert ring.status == "equal"
    assert ring.ties >= 2  # in the first step two of three; in which later ones, leaks decide
    first = [tie for tie in ring.tied if tie.step == 0]
    assert [tie.layer for tie in first] == ["1.fires"] * 2
    assert {tie.position[0] for tie in first} < {0, 1, 2}
    assert all(0 <= tie.distance <= tie.bound < 1e-5 for tie in ring.tied)
    assert str(ring).startswith(f"3-onnxruntime: equal but for {ring.ties} ties (")
    assert "run freely they part at step 0" in ring.reason


def test_the_verification_is_bit_exact_and_says_how_many_ties(path):
    answer = verify_model(path, {"x": events()}, "x.npz")
    assert answer.bit_exact
    told = answer.as_dict()["rings"][1]
    assert (told["status"], told["ties"]) == ("equal", answer.rings[1].ties)
    assert len(told["tied"]) == min(LISTED, told["ties"])
    assert told["first_mismatch"] is None


def test_without_a_tie_nothing_is_said_of_ties(tmp_path):
    proto = two_layers()
    weights = next(t for t in proto.graph.initializer if t.name == "w")
    array = numpy_helper.to_array(weights).copy()
    array[:3] *= 0.5
    weights.CopyFrom(numpy_helper.from_array(array, "w"))
    ring = ring_of(saved(proto, tmp_path))
    assert (ring.status, ring.ties, ring.reason) == ("equal", 0, "")


def test_several_samples_have_ties_of_their_own(path):
    both = verify_model(path, {"x": np.concatenate([events(), 0 * events()], 1)}, "x.npz").rings[1]
    alone = verify_model(path, {"x": events()}, "x.npz").rings[1]
    assert both.status == "equal"
    assert both.tied == alone.tied
    swapped = np.concatenate([0 * events(), events()], 1)
    other = verify_model(path, {"x": swapped}, "x.npz").rings[1]
    assert {tie.sample for tie in other.tied} == {1}
    assert other.ties == alone.ties


@pytest.mark.parametrize("form", FORMS)
def test_ties_are_known_in_every_form_of_time(form, tmp_path):
    proto = FORMS[form](5, 0.0)
    replace_weights(proto)
    x = np.zeros((5, 1, 3), np.float32)
    x[::2] = 1
    path = saved(proto, tmp_path)
    given = {"unrolled": x[:, 0], "sequence": x.swapaxes(0, 1)}.get(form, x)
    ring = verify_model(path, {"x": given}, "x.npz").rings[1]
    assert import_model(path).time_form == form
    assert ring.status == "equal"
    assert [(tie.step, tie.sample) for tie in ring.tied][:2] == [(0, 0)] * 2


def test_progress_says_how_far_the_ring_is_freely_and_layer_by_layer(path, tmp_path, monkeypatch):
    monkeypatch.setattr("mapper.progress._PAUSE", 0.0)
    assert phases(path, events()) == ["side by side", "layer by layer"]
    proto = FORMS["sequence"](5, 0.0)
    replace_weights(proto)
    x = np.zeros((1, 5, 3), np.float32)
    x[:, ::2] = 1
    found = phases(saved(proto, tmp_path), x)
    assert found == ["the imported network", "layer by layer"]  # the file runs in one piece


def phases(path: Path, x: np.ndarray) -> list[str]:
    """Return the parts of ring 3 of which the time left was told."""
    lines: list[str] = []
    verify_model(path, {"x": x}, "x.npz", progress=lines.append)
    told = [line.partition(":")[0] for line in lines if line.endswith(" left")]
    return [name.removeprefix("3-onnxruntime, ") for name in dict.fromkeys(told)]


def replace_weights(proto: onnx.ModelProto) -> None:
    graphs = [proto.graph, *(a.g for n in proto.graph.node for a in n.attribute if a.g.node)]
    for tensor in (tensor for graph in graphs for tensor in graph.initializer):
        if tensor.name in ("w", "wt"):
            array = TIED if tensor.name == "w" else TIED.T.copy()
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


# --- real differences -------------------------------------------------------------------------


def changed_weight(layer: int, by: float) -> Callable[[Graph], Graph]:
    """Return what changes one weight of a layer by a share of it."""

    def change(graph: Graph) -> Graph:
        op = [op for op in graph.ops if isinstance(op, Synapse)][layer]
        array = graph.constants[op.weight.name].copy()
        place = np.unravel_index(np.abs(array[4:]).argmax(), array[4:].shape)
        array[4:][place] *= np.float32(1 + by)
        return replace(graph, constants={**graph.constants, op.weight.name: array})

    return change


def changed_neuron(layer: int, **fields: object) -> Callable[[Graph], Graph]:
    """Return what changes parameters of a layer's neurons."""

    def change(graph: Graph) -> Graph:
        old = [op for op in graph.ops if isinstance(op, Neuron)][layer]
        ops = tuple(replace(op, **fields) if op is old else op for op in graph.ops)
        return replace(graph, ops=ops)

    return change


def swapped_states(graph: Graph) -> Graph:
    """Feed one neuron's current back as its membrane."""
    state, *others = graph.states
    return replace(graph, states=(replace(state, next=graph.ops[0].results[0].name), *others))


DIFFERENCES = {
    **{f"weight {n} by {by}": changed_weight(n, by) for n in (0, 1) for by in (1e-3, 1e-4, 2e-5)},
    **{
        f"leak {n} by {by}": changed_neuron(n, leak=0.5 + by) for n in (0, 1) for by in (1e-3, 1e-5)
    },
    **{
        f"threshold of layer {n} {at}": changed_neuron(n, threshold=at)
        for n in (0, 1)
        for at in (0.7, 0.95, 1.1)
    },
    "gain": changed_neuron(0, gain=1 + 1e-5),
    "bias": changed_neuron(1, bias=1e-5),
    "reset to a value": changed_neuron(0, reset=Reset(kind="value", amount=0.0)),
    "no reset": changed_neuron(1, reset=Reset()),
    "delayed reset": changed_neuron(1, reset=Reset(kind="subtract", amount=1.0, phase="next")),
    "a reset by more": changed_neuron(0, reset=Reset(kind="subtract", amount=1 + 1e-5)),
    "a floor": changed_neuron(0, floor=-0.25),
}


@pytest.mark.parametrize("what", DIFFERENCES)
def test_a_real_difference_stays_a_mismatch_beside_ties(what, path):
    ring = ring_of(path, DIFFERENCES[what])
    assert ring.status == "mismatch", what
    assert ring.first_mismatch is not None
    assert "rounding reaches" in ring.reason
    assert ring.ties == 0


def test_a_mismatch_is_placed_in_the_layer_that_differs(path):
    """Run freely, the ties of layer 1 part first; the planted difference is in layer 2."""
    ring = ring_of(path, changed_weight(1, 1e-3))
    assert ring.first_mismatch.layer == "c2"
    assert ring.first_mismatch.source.endswith("/c2")
    ring = ring_of(path, changed_neuron(1, threshold=0.9))
    assert ring.first_mismatch.layer == "s2"


def test_what_single_precision_cannot_tell_is_not_told(path):
    """A weight of another last place gives sums that rounding gives, too."""
    ulp = float(np.finfo(np.float32).eps)
    assert ring_of(path, changed_weight(0, ulp)).status == "equal"


@pytest.mark.parametrize("distance", [1e-2, 1e-3, 1e-4, 1e-5])
def test_one_spike_that_differs_at_some_distance_from_its_threshold_is_found(distance, tmp_path):
    """One neuron sums to ``1 + distance``; imported with a threshold just above, it is silent."""
    proto = two_layers()
    weights = next(t for t in proto.graph.initializer if t.name == "w")
    array = numpy_helper.to_array(weights).copy()
    array[3, :3] = 1 + distance, 0, 0
    weights.CopyFrom(numpy_helper.from_array(array, "w"))
    thresholds = np.ones(WIDTH, np.float32)
    thresholds[3] += 1.5 * distance

    def change(graph: Graph) -> Graph:
        wrong = changed_neuron(0, threshold=Const("thresholds"))(graph)
        return replace(wrong, constants={**graph.constants, "thresholds": thresholds})

    ring = ring_of(saved(proto, tmp_path), change)
    assert ring.status == "mismatch"
    place = ring.first_mismatch
    assert (place.step, place.layer, place.position) == (0, "1.fires", (3,))
    assert (place.found, place.expected) == (0, 1)


# --- files of libraries -----------------------------------------------------------------------


def forced(path: Path, change: Callable[[Graph], Graph] = lambda graph: graph) -> Ring:
    """Compare a model layer by layer on random events, whatever running it freely gives."""
    imported = import_model(path)
    imported = replace(imported, graph=change(imported.graph))
    rng = np.random.default_rng(1)
    shapes = {v.name: (imported.steps or 6, 1, *v.shape) for v in imported.graph.inputs}
    inputs = {name: (rng.random(s) < 0.3).astype(np.float32) for name, s in shapes.items()}
    inputs = {
        n: np.repeat(a[:1], len(a), 0) if imported.port(n).shown else a for n, a in inputs.items()
    }
    given = Given(path=path, imported=imported, inputs=inputs, initial={})
    whole = reference._whole_file(given, silent)[2] if imported.readouts else None
    return reference._layer_by_layer(given, Ring(name="3", status="mismatch"), whole, silent)


def changed_synapse(graph: Graph) -> Graph:
    """Change every weight of the first layer by a ten thousandth."""
    op = next(op for op in graph.ops if isinstance(op, Synapse))
    array = graph.constants[op.weight.name]
    wrong = array * np.asarray(1 + 1e-4, np.float32)
    return replace(graph, constants={**graph.constants, op.weight.name: wrong})


def test_layers_of_real_files_agree_within_their_bounds_and_a_planted_difference_does_not(
    shared, campaign
):
    names = [n for n in (*STEP, *SEQUENCES) if "fallthrough" not in n]  # no engine runs that one
    for name in campaign(names, 8):
        path = shared / "models" / name / "model.onnx"
        sound = forced(path)
        assert sound.status == "equal", (name, sound)
        wrong = forced(path, changed_synapse)
        assert wrong.status == "mismatch", name
        assert wrong.first_mismatch.step <= 1, name  # recurrent weights act in the second


def test_the_terms_of_a_folded_offset_count_where_they_cancel(tmp_path):
    """A batch norm whose bias takes its mean away: offsets near 0, of terms near 3000."""
    rng = np.random.default_rng(3)
    factor = rng.uniform(0.5, 2, WIDTH).astype(np.float32)
    mean = rng.uniform(1000, 3000, WIDTH).astype(np.float32)
    small = rng.normal(0, 1e-3, WIDTH).astype(np.float32)
    nodes = [
        node("Gemm", "x w", "c", transB=1),
        node("BatchNormalization", "c gain bias mean one_each", "n", epsilon=0.0),
        *leaky("n", "v", "s", "v_out"),
    ]
    weights = {
        "w": rng.normal(0, 0.6, (WIDTH, INPUTS)).astype(np.float32),
        "gain": factor,
        "bias": mean * factor + small,
        "mean": mean,
        "one_each": np.ones(WIDTH, np.float32),
        **NUMBERS,
    }
    ports = {"v": [1, WIDTH]}
    proto = model(
        nodes, {"x": [1, INPUTS], **ports}, {"s": [1, WIDTH], "v_out": [1, WIDTH]}, weights
    )
    path = saved(proto, tmp_path)
    imported = import_model(path)
    (place,) = [p for p in imported.located.values() if p.offset_terms is not None]
    assert place.offset_terms.min() > 1000
    inputs = {"x": events() * (np.arange(STEPS) % 3 == 0)[:, None, None].astype(np.float32)}
    given = Given(path=path, imported=imported, inputs=inputs, initial={})
    ring = reference._layer_by_layer(given, Ring(name="3", status="mismatch"), None, silent)
    assert ring.status == "equal", ring
    bare = {n: replace(p, offset_terms=None) for n, p in imported.located.items()}
    unknown = replace(given, imported=replace(imported, located=bare))
    ring = reference._layer_by_layer(unknown, Ring(name="3", status="mismatch"), None, silent)
    assert ring.status == "mismatch"  # the offset alone says too little
