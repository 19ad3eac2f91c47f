"""Heads of whole sequences, in every form of time: equal to what the file gives as a whole."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import mapper
from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.onnx.engine import engine
from mapper.frontend.time import sequence
from tests.frontend.models import NUMBERS, leaky, model, node, saved
from tests.frontend.test_time import FORMS, F, unrolled

AXES = {"unrolled": 0, "loop": 0, "scan": 0, "sequence": 1}
STEPS = 5


def reduced(op, read, result, axis, keepdims=0):
    if op == "ReduceSum":
        return node(op, f"{read} axis", result, keepdims=keepdims)
    return node(op, read, result, axes=[axis], keepdims=keepdims)


def softmax(read, result):
    return node("Softmax", read, result, axis=-1)


HEADS = {
    "greatest, log-softmax": lambda a, n: [
        reduced("ReduceMax", "S", "m", a),
        node("LogSoftmax", "m", "y", axis=-1),
    ],
    "softmax of the mean": lambda a, n: [reduced("ReduceMean", "S", "m", a), softmax("m", "y")],
    "mean of the softmax": lambda a, n: [softmax("S", "p"), reduced("ReduceMean", "p", "y", a)],
    "log of the mean of the softmax": lambda a, n: [
        softmax("S", "p"),
        reduced("ReduceMean", "p", "m", a),
        node("Log", "m", "y"),
    ],
    "class beside counts": lambda a, n: [
        reduced("ReduceSum", "S", "y", a),
        node("ArgMax", "y", "i", axis=-1, keepdims=0),
        node("Cast", "i", "best", to=F),
    ],
    "first spike time by sums": lambda a, n: [
        node("CumSum", "S place", "c"),
        node("Clip", "c zero one", "seen"),
        node("Sub", "one seen", "unseen"),
        reduced("ReduceSum", "unseen", "y", a),
    ],
    "first spike time by places": lambda a, n: [
        node("ArgMax", "S", "at", axis=a, keepdims=0),
        reduced("ReduceMax", "S", "any", a),
        node("Equal", "any zero", "none"),
        node("Where", "none late at", "when"),
        node("Cast", "when", "y", to=F),
    ],
    "sum divided by the steps": lambda a, n: [
        reduced("ReduceSum", "S", "m", a),
        node("Div", "m count", "n"),
        softmax("n", "y"),
    ],
    "sum, one step after the other": lambda a, n: [
        softmax("S", "p"),
        *(node("Gather", f"p at{t}", f"p{t}", axis=a) for t in range(n)),
        *(node("Add", f"{'p' if t == 1 else 'q'}{t - 1} p{t}", f"q{t}") for t in range(1, n)),
        node("Log", f"q{n - 1}", "y"),
    ],
    "greatest beside every step": lambda a, n: [
        reduced("ReduceMax", "S", "m", a),
        softmax("m", "y"),
        node("Sigmoid", "S", "best"),
    ],
    "steps without a spike": lambda a, n: [
        reduced("ReduceSum", "S", "m", a),
        node("Sub", "count m", "n"),
        softmax("n", "y"),
    ],
    "softmax over time": lambda a, n: [
        node("Softmax", "S", "p", axis=a),
        node("Mul", "p S", "q"),
        reduced("ReduceSum", "q", "y", a),
    ],
    "first and greatest": lambda a, n: [
        reduced("ReduceMax", "S", "m", a),
        node("Gather", "S first", "n", axis=a),
        node("Mul", "m n", "o"),
        softmax("o", "y"),
    ],
    "counts above the logarithm of the steps": lambda a, n: [
        reduced("ReduceSum", "S", "m", a),
        node("Shape", "S", "sizes"),
        node("Gather", "sizes place", "size"),
        node("Cast", "size", "real", to=F),
        node("Log", "real", "log"),
        node("Div", "m log", "n"),
        softmax("n", "y"),
    ],
    "softmax of each step": lambda a, n: [softmax("S", "y")],
    "softmax of the last step": lambda a, n: [
        node("Gather", "S end", "last", axis=a),
        softmax("last", "y"),
    ],
    "mean of the last three": lambda a, n: [
        node("Slice", "S third far along", "some"),
        reduced("ReduceMean", "some", "y", a),
    ],
    "greatest but for the first step": lambda a, n: [
        node("Slice", "S second far along", "some"),
        reduced("ReduceMax", "some", "m", a),
        softmax("m", "y"),
    ],
    "sum of every second step": lambda a, n: [
        node("Slice", "S second far along two", "some"),
        reduced("ReduceSum", "some", "y", a),
    ],
    "last three, one after the other": lambda a, n: [
        *(node("Gather", f"S at{t}", f"p{t}", axis=a) for t in range(n - 3, n)),
        node("Add", f"p{n - 3} p{n - 2}", "two"),
        node("Add", f"two p{n - 1}", "three"),
        node("Mul", "three third_of", "y"),
    ],
    "most of two, step after step": lambda a, n: [
        reduced("ReduceMax", "S", "m", a),
        reduced("ReduceMean", "S", "n", a),
        node("Mul", "m n", "y"),
    ],
}
WHOLE = set(HEADS) - {
    "mean of the softmax",
    "softmax of each step",
    "softmax of the last step",
}
"""Those that mix time steps; others are a function of each step."""


def ending(form, head, steps=STEPS):
    """Return a model whose spikes of every step ``S`` go through a head to ``y``."""
    proto, axis = FORMS[form](steps=steps), AXES[form]
    graph = proto.graph
    for held in graph.node:
        held.output[:] = ["S" if name == "y" else name for name in held.output]
    stored = {
        "axis": np.array([axis]),
        "place": np.array(axis),
        "zero": np.float32(0),
        "one": np.float32(1),
        "late": np.array(steps),
        "end": np.array(steps - 1),
        "count": np.float32(steps),
        "first": np.array(0),
        "along": np.array([axis]),
        "second": np.array([1]),
        "third": np.array([-3]),
        "far": np.array([2**31 - 1]),
        "two": np.array([2]),
        "third_of": np.float32(1 / 3),
        **{f"at{t}": np.array(t) for t in range(steps)},
    }
    known = {tensor.name for tensor in graph.initializer}
    for name, array in stored.items():
        if name not in known:
            graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    graph.node.extend(HEADS[head](axis, steps))
    del graph.output[:]
    made = {name for held in graph.node for name in held.output}
    names = [name for name in ("y", "best") if name in made]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    shapes = {name: array.shape for name, array in engine(proto)({"x": x_of(proto)}).items()}
    del graph.output[:]
    graph.output.extend(helper.make_tensor_value_info(n, F, shapes[n]) for n in names)
    return proto


def x_of(proto):
    shape = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    return (np.random.default_rng(3).random(shape) < 0.6).astype(np.float32)


@pytest.mark.campaign(12)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("form", FORMS)
def test_heads_of_sequences_are_the_host_s_in_every_form(form, head, tmp_path):
    proto = ending(form, head)
    path, x = saved(proto, tmp_path), x_of(proto)
    found = import_model(path)
    assert found.epilogue is not None
    assert found.epilogue.whole == (head in WHOLE)
    answer = mapper.verify_model(path, {"x": x})
    assert {ring.status for ring in answer.rings} == {"equal"}, answer
    if form == "unrolled":
        theirs = engine(proto)({"x": x})
        expected = {f"expected_{name}": array for name, array in theirs.items()}
        rings = mapper.verify_model(path, {"x": x, **expected}).rings
        assert [ring.status for ring in rings] == ["equal"] * 3


def test_a_mean_of_the_last_steps_of_readouts_whose_first_step_is_folded(tmp_path):
    """No sum stands in the first step, where 0 is left of the step before."""
    nodes, stored = [], {"still": np.zeros((1, 3), np.float32), **NUMBERS}
    for t in range(STEPS):
        nodes += [
            node("Gather", f"x at{t}", f"c{t}", axis=0),
            *leaky(f"c{t}", f"v{t - 1}" if t else "still", f"s{t}", f"v{t}", f"{t}."),
            node("MatMul", f"s{t} w", f"m{t}" if t == 0 else f"in{t}"),
        ]
        if t:
            kept = node("Mul", f"m{t - 1} half", f"kept{t}")
            nodes += [kept, node("Add", f"kept{t} in{t}", f"m{t}")]
        nodes.append(node("Unsqueeze", f"m{t} first", f"row{t}"))
        stored[f"at{t}"] = np.array(t)
    nodes += [
        node("Concat", " ".join(f"row{t}" for t in range(STEPS)), "rows", axis=0),
        node("Slice", "rows third far first", "last"),
        node("ReduceMean", "last", "y", axes=[0], keepdims=0),
    ]
    stored |= {"first": np.array([0]), "third": np.array([-3]), "far": np.array([STEPS])}
    stored["w"] = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    path = saved(model(nodes, {"x": [STEPS, 1, 3]}, {"y": [1, 2]}, stored), tmp_path)
    x = (np.random.default_rng(1).random((STEPS, 1, 3)) * 2).astype(np.float32)
    assert [ring.status for ring in mapper.verify_model(path, {"x": x}).rings] == ["equal"] * 2


def test_sums_and_means_that_graphs_read_out_need_no_host(tmp_path):
    for reading in ("sum", "mean", "last", "max", "each"):
        assert import_model(saved(unrolled(reading=reading), tmp_path)).epilogue is None


@pytest.mark.parametrize(
    "head", ["softmax of the mean", "mean of the softmax", "class beside counts"]
)
def test_a_build_gives_what_the_model_s_outputs_are(head, tmp_path):
    proto = ending("sequence", head)
    path = saved(proto, tmp_path)
    rng = np.random.default_rng(4)
    x = {"x": (rng.random((STEPS, 3, 3)) < 0.6).astype(np.float32)}
    build = mapper.compile(path, "ideal-128", calibrate=x)
    build.save(tmp_path / "build")
    run = mapper.load(tmp_path / "build").run(x)
    spikes = run.reals[run.graph.outputs[0].name]  # [T, B, 4]
    power = np.exp(spikes - spikes.max(axis=-1, keepdims=True))
    mean = np.exp(spikes.mean(axis=0))
    expected = {
        "softmax of the mean": mean / mean.sum(axis=-1, keepdims=True),
        "mean of the softmax": (power / power.sum(axis=-1, keepdims=True)).mean(axis=0),
        "class beside counts": spikes.sum(axis=0),
    }[head]
    assert run.answers["y"].shape == (3, 4)
    assert np.allclose(run.answers["y"], expected, atol=1e-6)
    assert np.array_equal(run.predictions, expected.argmax(axis=-1))
    if "best" in run.answers:
        assert np.array_equal(run.answers["best"], expected.argmax(axis=-1))
    assert build.verify(x, model=path).bit_exact


OPEN = [
    "greatest, log-softmax",
    "softmax of the mean",
    "log of the mean of the softmax",
    "class beside counts",
    "most of two, step after step",
    "sum divided by the steps",
    "sum, one step after the other",
    "greatest beside every step",
]
"""Heads of the whole sequence that say the same of any number of time steps."""


@pytest.mark.parametrize("head", OPEN)
def test_heads_that_take_any_number_of_steps_give_what_a_longer_file_gives(head, tmp_path):
    short, long = (ending("unrolled", head, steps) for steps in (STEPS, STEPS + 3))
    build = mapper.compile(saved(short, tmp_path), "ideal-128")
    x = x_of(long)
    run = build.run({"x": x[:, None]})
    theirs = mapper.compile(saved(long, tmp_path), "ideal-128").run({"x": x[:, None]})
    assert import_model(tmp_path / "model.onnx").epilogue.steps == 0
    assert {n: a.shape for n, a in run.answers.items()} == {
        n: a.shape for n, a in theirs.answers.items()
    }
    for name, array in theirs.answers.items():
        assert np.allclose(run.answers[name], array, atol=1e-6), name


@pytest.mark.parametrize(
    "head",
    [
        "first spike time by sums",
        "first spike time by places",
        "steps without a spike",
        "softmax over time",
        "first and greatest",
        "mean of the last three",
        "sum of every second step",
    ],
)
def test_another_number_of_steps_than_the_file_s_is_refused_where_it_counts(head, tmp_path):
    path = saved(ending("unrolled", head), tmp_path)
    x = {"x": np.zeros((STEPS + 1, 1, 3), np.float32)}
    build = mapper.compile(path, "ideal-128")
    with pytest.raises(MappingError, match="from 5 time steps, the recording has 6") as caught:
        build.run(x)
    (told,) = caught.value.diagnostics
    assert told.code == "input-shape"
    assert "export the model for 6" in told.help


def test_where_the_number_of_steps_is_open_heads_are_the_host_s_if_they_take_any(tmp_path):
    """Numbers of the file may be made of how many steps it was exported with."""
    found = import_model(saved(opened(ending("loop", "softmax of the mean")), tmp_path))
    assert found.steps == 0
    assert found.epilogue.steps == 0
    path = saved(opened(ending("loop", "greatest, log-softmax")), tmp_path)
    x = (np.random.default_rng(5).random((9, 1, 3)) < 0.6).astype(np.float32)
    rings = mapper.verify_model(path, {"x": x}).rings
    assert [ring.status for ring in rings] == ["equal", "equal"]
    for head in ("mean of the last three", "greatest but for the first step"):
        path = saved(opened(ending("loop", head)), tmp_path)
        assert import_model(path).epilogue.steps == 0
        assert [ring.status for ring in mapper.verify_model(path, {"x": x}).rings] == ["equal"] * 2
    for head in ("first spike time by sums", "counts above the logarithm of the steps"):
        with pytest.raises(MappingError, match="is not the same for every number of them"):
            import_model(saved(opened(ending("loop", head)), tmp_path))


def opened(proto):
    """Return a model that leaves open how many time steps there are."""
    dim = proto.graph.input[0].type.tensor_type.shape.dim[0]
    dim.ClearField("dim_value")
    dim.dim_param = "T"
    return proto


@pytest.mark.parametrize("head", ["greatest, log-softmax", "softmax of each step"])
def test_a_network_that_is_refused_is_refused_for_what_it_is_not_for_its_head(
    head, tmp_path, monkeypatch
):
    """And not laid out in time again for every end that might be cut off."""
    proto = ending("unrolled", head)
    nodes = []
    for held in proto.graph.node:
        nodes.append(held)
        if held.output[0] in {f"v{t + 1}" for t in range(STEPS)}:
            after = held.output[0]
            held.output[0] = f"{after}.free"
            nodes.append(node("Clip", f"{after}.free low high", after))
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    stored = {"low": np.float32(-9), "high": np.float32(0.75)}
    proto.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in stored.items())
    laid = []
    lay_out = sequence.lay_out
    monkeypatch.setattr(sequence, "lay_out", lambda *given: laid.append(1) or lay_out(*given))
    with pytest.raises(MappingError, match="bounded from above"):
        import_model(saved(proto, tmp_path))
    assert len(laid) <= 4


def test_time_steps_that_mix_before_a_neuron_are_not_the_host_s(tmp_path):
    """The sum of all steps drives another layer: no head, but a network that mixes time."""
    proto = ending("unrolled", "softmax of the mean")
    proto.graph.node[-1].output[0] = "p"
    proto.graph.node.append(node("MatMul", "p w3", "y"))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", F, [3]))
    trained = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(trained, "w3"))
    with pytest.raises(MappingError, match="mixes time steps"):
        import_model(saved(proto, tmp_path))
