"""Heads of one time step: cut off, run on the host, and compared with the model's own outputs."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import mapper
from mapper.diagnostics import MappingError
from mapper.dies.draw import Lot
from mapper.dies.trials import Trials
from mapper.frontend import import_model
from mapper.verify.original import run_reference
from mapper.verify.reference import Given, reference_ring
from targets import load_target
from tests.epilogue.heads import CLASSES, HEADS, WIDTH, recording, step_model, to_float, weights
from tests.frontend.models import NUMBERS, leaky, model, node, saved


@pytest.mark.parametrize("head", HEADS)
def test_a_head_is_the_host_s_and_gives_what_the_model_gives(head, tmp_path):
    path, arrays = saved(step_model(head), tmp_path), recording()
    found = import_model(path)

    assert [value.name for value in found.graph.outputs] == ["z"]
    assert found.epilogue is not None
    assert not found.epilogue.whole
    assert found.epilogue.reads == ("z",)
    answer = mapper.verify_model(path, arrays)
    assert {ring.status for ring in answer.rings} == {"equal"}

    exact = {name: array[:, :1] for name, array in arrays.items()}
    theirs = run_reference(path, {"x": arrays["x"][:, 0:1]})["y"]
    mine = found.epilogue.of({"z": run_reference_of(path, exact)})["y"][:, 0]
    assert np.array_equal(mine.reshape(theirs.shape), theirs)


def run_reference_of(path, arrays):
    """Return what ONNX Runtime gives of the sums ``z``, which the file does not return."""
    proto = onnx.load(path)
    proto.graph.output.append(
        onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [1, CLASSES])
    )
    wide = saved(proto, path.parent, "wide.onnx")
    return run_reference(wide, arrays, states={"v": "v_out"})["z"]


def test_without_a_head_there_is_no_epilogue_and_no_file(tmp_path):
    path = saved(step_model([], outputs={"z": [1, CLASSES]}), tmp_path)
    build = mapper.compile(path, "ideal-128", calibrate=recording())
    build.save(tmp_path / "build")
    assert import_model(path).epilogue is None
    assert not (tmp_path / "build" / "epilogue.onnx").exists()
    run = build.run(recording())
    assert list(run.arrays) == ["z"]
    assert "on_host" not in run.as_dict()


def test_a_build_keeps_its_epilogue_and_runs_it_after_the_integers(tmp_path):
    path, arrays = saved(step_model("softmax"), tmp_path), recording()
    build = mapper.compile(path, "adcless-64", calibrate=arrays)
    folder = tmp_path / "build"
    build.save(folder)
    run = mapper.load(folder).run(arrays)
    run.save(tmp_path / "y.npz")

    with np.load(tmp_path / "y.npz") as held:
        kept = {name: held[name] for name in held.files}
    assert list(kept) == ["y", "z.codes"]
    reals = run.reals["z"]
    expected = np.exp(reals - reals.max(axis=-1, keepdims=True))
    expected /= expected.sum(axis=-1, keepdims=True)
    assert kept["y"].dtype == np.float32
    assert np.allclose(kept["y"], expected, atol=1e-6)
    assert np.array_equal(kept["z.codes"], run.outputs["z"])
    assert np.array_equal(run.predictions, kept["y"].sum(axis=0).argmax(axis=-1))
    answer = build.verify(arrays, model=path)
    assert answer.bit_exact
    assert {ring.name: ring.status for ring in answer.rings}["3-onnxruntime"] == "equal"


def test_costs_and_reports_name_what_they_leave_out(tmp_path):
    path = saved(step_model("tanh times a range"), tmp_path)
    build = mapper.compile(path, "ideal-128", calibrate=recording())
    told = {"file": "epilogue.onnx", "of": "step", "operators": ["Tanh", "Mul"], "outputs": ["y"]}
    assert build.cost().as_dict()["on_host"] == told
    assert build.summary.as_dict()["on_host"] == told
    (fact,) = [fact for fact in build.cost().headline.facts if fact.name == "On the host"]
    assert fact.value == "Tanh, Mul"
    assert fact.told == "of each time step, for y (epilogue.onnx); in none of these costs"
    assert mapper.inspect(path).as_dict()["on_host"] == told


def test_studies_of_dies_tell_apart_what_heads_do_over_time(tmp_path):
    found = import_model(saved(step_model("softmax"), tmp_path))

    def identity(over_time):
        (answer,) = found.epilogue.answers
        ended = replace(found.epilogue, answers=(replace(answer, over_time=over_time),))
        return Trials(
            graph=found.graph,
            target=load_target("ideal-128"),
            lot=Lot(),
            codes=recording(),
            epilogue=ended,
        ).identity()

    assert identity("mean") == identity("mean")
    assert identity("mean") != identity("min")


def test_an_export_says_what_it_has_not(tmp_path):
    path = saved(step_model("softmax"), tmp_path)
    notes = mapper.export(path, tmp_path / "canonical.onnx").notes
    assert notes[-1] == (
        "the model's outputs 'y' are Softmax of each time step, which a host computes; "
        "the file returns 'z'"
    )


def test_a_class_that_is_named_is_a_vote_of_its_time_step(tmp_path):
    path, arrays = saved(step_model("argmax"), tmp_path), recording()
    build = mapper.compile(path, "ideal-128", calibrate=arrays)
    run = build.run(arrays)
    votes = [np.bincount(run.answers["y"][:, b].astype(int), minlength=CLASSES) for b in range(3)]
    wanted = np.argmax(votes, axis=1)
    assert np.array_equal(run.predictions, wanted)
    assert run.accuracy(wanted) == 1
    assert build.verify({**arrays, "labels": wanted}).accuracy == 1
    with pytest.raises(MappingError, match="the output has 4 classes"):
        run.accuracy([0, 1, CLASSES])


NAMING = {
    "ArgMax, without the axis": (
        [node("ArgMax", "z", "best", axis=-1, keepdims=0), to_float("best", "y")],
        [1],
        np.argmax,
    ),
    "ArgMax, with the axis": (
        [node("ArgMax", "z", "best", axis=-1, keepdims=1), to_float("best", "y")],
        [1, 1],
        np.argmax,
    ),
    "ArgMin": (
        [node("ArgMin", "z", "best", axis=-1, keepdims=0), to_float("best", "y")],
        [1],
        np.argmin,
    ),
    "the place of the most": (
        [node("TopK", "z k", "most best"), to_float("best", "y")],
        [1, 1],
        np.argmax,
    ),
}


@pytest.mark.parametrize("head", NAMING)
def test_named_classes_are_counted_of_labels_and_of_reference_outputs(head, tmp_path):
    nodes, shape, best = NAMING[head]
    path = saved(step_model(nodes, {"k": np.array([1])}, {"y": shape}), tmp_path)
    arrays = recording()
    build = mapper.compile(path, "ideal-128", calibrate=arrays)
    run = build.run(arrays)
    named = best(run.reals["z"], axis=-1)
    wanted = [np.bincount(named[:, b], minlength=CLASSES).argmax() for b in range(3)]
    assert run.predictions.tolist() == wanted
    assert len(set(wanted)) > 1
    mine, others = run.answers["y"], (run.answers["y"] + 1) % CLASSES
    for check in (build.verify, lambda given: mapper.verify_model(path, given)):
        assert check({**arrays, "expected_y": mine}).accuracy == 1
        assert check({**arrays, "expected_y": others}).accuracy == 0
    with pytest.raises(MappingError, match=rf"names the class {CLASSES}.0, there are {CLASSES}"):
        build.run({**arrays, "expected_y": mine * 0 + CLASSES})
    with pytest.raises(MappingError, match="'expected_y' has shape"):
        build.run({**arrays, "expected_y": mine[:, :2]})


def test_no_class_is_read_of_one_element_that_names_none(tmp_path):
    head = [node("TopK", "z k", "y best")]
    path = saved(step_model(head, {"k": np.array([1])}, {"y": [1, 1]}), tmp_path)
    build, arrays = mapper.compile(path, "ideal-128", calibrate=recording()), recording()
    with pytest.raises(MappingError, match="no class can be read of an output of one element"):
        build.run({**arrays, "labels": np.array([0, 1, 2])})
    expected = build.run(arrays).answers["y"]
    assert build.verify({**arrays, "expected_y": expected}).accuracy is None


def test_outputs_beside_those_of_the_host_keep_their_names(tmp_path):
    head = [node("ArgMax", "z", "best", axis=-1, keepdims=0), to_float("best", "y")]
    outputs = {"z": [1, CLASSES], "y": [1], "s": [1, WIDTH]}
    path = saved(step_model(head, outputs=outputs), tmp_path)
    found = import_model(path)
    assert [value.name for value in found.graph.outputs] == ["z", "s"]
    assert [answer.name for answer in found.epilogue.answers] == ["z", "y", "s"]
    assert mapper.verify_model(path, recording()).rings[1].status == "equal"


def test_a_membrane_that_is_a_state_can_be_read_by_the_host(tmp_path):
    path = saved(step_model([node("Tanh", "v_out", "y")], outputs={"y": [1, WIDTH]}), tmp_path)
    found = import_model(path)
    assert found.fed_back == {"v": "v_out"}
    assert found.epilogue.reads == ("v_out.read",)
    assert mapper.verify_model(path, recording()).rings[1].status == "equal"


@pytest.mark.parametrize(("off", "status"), [(3e-7, "equal"), (1e-2, "mismatch")])
def test_a_decision_between_equals_is_a_tie_and_no_error(off, status, tmp_path):
    """Two classes get equal sums, which single precision may part; more than that is an error."""
    proto = step_model("argmax")
    (held,) = [tensor for tensor in proto.graph.initializer if tensor.name == "w2"]
    rows = np.abs(weights()["w2"])
    rows[2:] = 0
    rows[1] = rows[0]
    held.CopyFrom(numpy_helper.from_array(rows, "w2"))
    path, arrays = saved(proto, tmp_path), recording()
    found = import_model(path)
    graph = found.graph
    (name,) = [name for name, array in graph.constants.items() if array.shape == rows.shape]
    apart = rows.copy()
    apart[1] *= np.float32(1 + off)
    changed = replace(graph, constants={**graph.constants, name: apart})
    given = Given(path=path, imported=replace(found, graph=changed), inputs=arrays, initial={})
    ring, _ = reference_ring(given)
    assert ring.status == status
    if status == "equal":
        assert "run freely they part at step" in ring.reason


# --- what is no function of outputs alone -----------------------------------------------------


def refusal(proto, folder):
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, folder))
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.message


def test_what_a_trained_layer_reads_is_not_the_host_s(tmp_path):
    trained = np.random.default_rng(2).normal(size=(3, CLASSES)).astype(np.float32)
    head = [node("Relu", "z", "hidden"), node("Gemm", "hidden w3", "y", transB=1)]
    code, told = refusal(step_model(head, {"w3": trained}, {"y": [1, 3]}), tmp_path)
    assert code == "unsupported-op"
    assert "an analogue value is bounded; Gemm (/y) reads it" in told


def test_what_a_neuron_reads_is_not_the_host_s(tmp_path):
    nodes = [
        node("Gemm", "x w", "i", transB=1),
        node("Tanh", "i", "drive"),
        *leaky("drive", "v", "s", "v_out"),
    ]
    proto = model(
        nodes,
        {"x": [1, 5], "v": [1, WIDTH]},
        {"s": [1, WIDTH], "v_out": [1, WIDTH]},
        {"w": np.ones((WIDTH, 5), np.float32), **NUMBERS},
    )
    code, told = refusal(proto, tmp_path)
    assert code == "unsupported-op"
    assert told.startswith("Tanh")


def test_a_network_without_neurons_is_not_the_host_s(tmp_path):
    nodes = [node("Gemm", "x w", "z", transB=1), node("Softmax", "z", "y", axis=-1)]
    weights = {"w": np.ones((CLASSES, 5), np.float32)}
    proto = model(nodes, {"x": ["T", 5]}, {"y": ["T", CLASSES]}, weights)
    assert refusal(proto, tmp_path)[0] == "no-neurons"


def test_a_sequence_without_neurons_is_not_the_host_s(tmp_path):
    nodes = [
        node("MatMul", "x w", "z"),
        node("ReduceMean", "z", "mean", axes=[0]),
        node("Softmax", "mean", "y", axis=-1),
    ]
    weights = {"w": np.ones((5, CLASSES), np.float32)}
    proto = model(nodes, {"x": [7, 1, 5]}, {"y": [1, 1, CLASSES]}, weights)
    assert refusal(proto, tmp_path)[0] == "unsupported-time-form"


def test_a_state_that_no_op_computes_is_not_the_host_s(tmp_path):
    """``h_out = tanh(z + h)`` is a state, though it looks like an output of an odd kind."""
    head = [node("Add", "z h", "sum"), node("Tanh", "sum", "h_out")]
    nodes = [
        node("Gemm", "x w", "i", transB=1),
        *leaky("i", "v", "s", "v_out"),
        node("Gemm", "s w2", "z", transB=1),
        *head,
    ]
    stored = {
        "w": np.ones((WIDTH, 5), np.float32),
        "w2": np.ones((CLASSES, WIDTH), np.float32),
        **NUMBERS,
    }
    proto = model(
        nodes,
        {"x": [1, 5], "v": [1, WIDTH], "h": [1, CLASSES]},
        {"s": [1, WIDTH], "v_out": [1, WIDTH], "h_out": [1, CLASSES]},
        stored,
    )
    code, told = refusal(proto, tmp_path)
    assert code == "unsupported-neuron"
    assert told.startswith("the neuron with state 'h' cannot be mapped: Tanh")
