"""Epilogues that come from a stranger: refused before anything of them is computed."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import mapper
from mapper.build.files import listed
from mapper.diagnostics import MappingError
from mapper.epilogue.file import EpilogueError, parsed, sized, written
from tests.epilogue.heads import recording, step_model
from tests.frontend.models import node, saved

GOOD = [node("Tanh", "x", "y")]


def of_nodes(nodes, stored=(), reads=(("x", (1, 4)),), gives=("y",), opset=17):
    return written(nodes, reads, gives, stored, opset)


def test_what_is_written_is_read_and_written_again():
    content = of_nodes(GOOD)
    assert parsed(content).graph.node[0].op_type == "Tanh"
    assert of_nodes(parsed(content).graph.node) == content


REFUSED_NODES = {
    "a random number": ([node("RandomNormalLike", "x", "y")], (), "RandomNormalLike is not among"),
    "a size that is computed": ([node("NonZero", "x", "y")], (), "NonZero is not among"),
    "another domain": (
        [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")],
        (),
        "com.microsoft::Gelu is no standard",
    ),
    "a shape that is computed": (
        [node("Cast", "x", "s", to=7), node("Reshape", "x s", "y")],
        (),
        "its shapes do not fit together|is not known",
    ),
    "more than memory holds": (
        [node("Expand", "x wide", "y")],
        [("wide", np.array([1 << 20, 1 << 20, 4]))],
        "elements on 3 axes",
    ),
    "many large tensors": (
        [
            node("Tile", "x many", "a0"),
            *(node("Tanh", f"a{k}", f"a{k + 1}") for k in range(9)),
            node("Identity", "a9", "y"),
        ],
        [("many", np.array([1, 1 << 22]))],
        "one run holds",
    ),
    "much work": (
        [
            node("Reshape", "x flat", "a"),
            node("Tile", "a many", "b"),
            node("Transpose", "b", "c"),
            node("MatMul", "b c", "d"),
            node("ReduceSum", "d", "y", keepdims=1),
        ],
        [("flat", np.array([4, 1])), ("many", np.array([1000, 4000]))],
        "operations, at most",
    ),
    "an integer division by zero": (
        [node("Cast", "x", "i", to=7), node("Div", "i zero", "y")],
        [("zero", np.array([3, 0, 1, 2]))],
        "integers are divided",
    ),
    "an integer division that may overflow": (
        [node("Cast", "x", "i", to=7), node("Div", "i minus", "y")],
        [("minus", np.array([-1]))],
        "others than constants above 0",
    ),
    "batches that are looked up": (
        [node("Cast", "x", "i", to=7), node("GatherND", "q i", "y", batch_dims=-5)],
        [("q", np.ones(3, np.float32))],
        "GatherND: batch_dims is not 0",
    ),
    "half precision": ([node("Cast", "x", "y", to=10)], (), "Cast: to FLOAT16"),
    "a tensor that nothing gives": ([node("Tanh", "z", "y")], (), "reads 'z', which nothing"),
    "a tensor made twice": ([*GOOD, *GOOD], (), "two of its tensors are called 'y'"),
    "mirrors": (
        [node("Pad", "x p", "y", mode="reflect")],
        [("p", np.zeros(4, int))],
        "Pad",
    ),
}


@pytest.mark.parametrize("case", REFUSED_NODES)
def test_nodes_that_no_host_runs_are_refused_before_they_are(case):
    nodes, stored, reason = REFUSED_NODES[case]
    with pytest.raises(EpilogueError, match=reason):
        of_nodes(nodes, stored)


def changed(change: Callable[[ModelProto], object]) -> bytes:
    model = ModelProto()
    model.ParseFromString(of_nodes([node("Add", "x one", "y")], [("one", np.ones(4, np.float32))]))
    change(model)
    return bytes(model.SerializeToString(deterministic=True))


def loop(model: ModelProto) -> None:
    body = helper.make_graph(GOOD, "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["z"], body=body))


def graph_in_an_attribute(model: ModelProto) -> None:
    body = helper.make_graph(GOOD, "body", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("hidden", body))


def external(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def function(model: ModelProto) -> None:
    model.functions.append(helper.make_function("d", "F", ["x"], ["y"], GOOD, []))


def huge(model: ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40]


def few_bytes(model: ModelProto) -> None:
    model.graph.initializer[0].raw_data = b"\0" * 3


CHANGES = {
    "a loop": (loop, "Loop is not among"),
    "a graph in an attribute": (graph_in_an_attribute, "neither numbers nor text"),
    "data in another file": (external, "not in the file"),
    "a function": (function, "more than an epilogue has"),
    "a note": (lambda m: m.metadata_props.add(key="a", value="b"), "more than an epilogue has"),
    "text for people": (lambda m: setattr(m, "doc_string", "b"), "more than an epilogue has"),
    "a constant without end": (huge, "has shape"),
    "a constant without its bytes": (few_bytes, "3 bytes for 4 elements"),
    "another version": (lambda m: setattr(m.opset_import[0], "version", 99), "not of one opset"),
    "no nodes": (lambda m: m.graph.ClearField("node"), "0 nodes"),
    "an input of another type": (
        lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.DOUBLE),
        "more than an epilogue has",
    ),
    "a constant that is sparse": (
        lambda m: m.graph.sparse_initializer.add(),
        "more than an epilogue has",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_files_that_hold_more_than_an_epilogue_are_refused(case):
    change, reason = CHANGES[case]
    with pytest.raises(EpilogueError, match=reason):
        sized(parsed(changed(change)), 1)


@pytest.mark.parametrize("content", [b"", b"\x08", b"\xff" * 99, bytes(17 << 20)])
def test_what_is_no_model_is_no_epilogue(content):
    with pytest.raises(EpilogueError):
        parsed(content)


# --- in a build ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    made = mapper.compile(saved(step_model("softmax"), folder), "ideal-128", calibrate=recording())
    return made.save(folder / "build")


def forged(build, folder, entry=None, content=None):
    """Write a build with another entry or file, and a manifest that is of them."""
    made = mapper.load(build.folder).save(folder / "build").folder
    mapping = json.loads((made / "mapping.json").read_text())
    mapping["epilogue"].update(entry or {})
    (made / "mapping.json").write_text(json.dumps(mapping, indent=1, sort_keys=True) + "\n")
    if content is not None:
        (made / "epilogue.onnx").write_bytes(content)
    manifest = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps(manifest | listed(made)))
    return made


def digest_of(content):
    import hashlib

    return hashlib.sha256(content).hexdigest()


ENTRIES = {
    "another digest": ({"sha256": "0" * 64}, "bad-epilogue", "not the one that mapping.json is of"),
    "no digest": ({"sha256": None}, "bad-epilogue", "not the one"),
    "another kind": ({"of": "loop"}, "bad-mapping", "is none of"),
    "other inputs": ({"reads": ["s"]}, "bad-epilogue", "does not read the outputs"),
    "other outputs": ({"outputs": []}, "bad-epilogue", "not those that mapping.json lists"),
    "an axis of a sequence": (
        {"of": "sequence", "outputs": [{"name": "y", "time_axis": 0, "batch_axis": 0}]},
        "bad-epilogue",
        "no such axes",
    ),
    "no axis": (
        {"outputs": [{"name": "y", "time_axis": None, "batch_axis": 9}]},
        "bad-epilogue",
        "no such axes",
    ),
    "time in a step": (
        {"outputs": [{"name": "y", "time_axis": 1, "batch_axis": 0}]},
        "bad-epilogue",
        "of one step, with a time axis",
    ),
    **{
        f"over time, {k}": (
            {"outputs": [{"name": "y", "time_axis": None, "batch_axis": 0, **over}]},
            "bad-epilogue",
            reason,
        )
        for k, (over, reason) in enumerate(
            [
                ({"over_time": "one", "step": -5}, "step -5 of 'one'"),
                ({"over_time": "one"}, "step None of 'one'"),
                ({"over_time": "last", "step": 2}, "step 2 of 'last'"),
                ({"over_time": "sum", "scale": float("nan")}, "has scale nan"),
                ({"over_time": "mean", "scale": 1e300}, "has scale 1e"),
                ({"over_time": "sum", "scale": -float("inf")}, "has scale -inf"),
            ]
        )
    },
    "text for an axis": (
        {"outputs": [{"name": "y", "time_axis": "1", "batch_axis": 0}]},
        "bad-mapping",
        "is none of",
    ),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_an_entry_that_is_not_of_its_file_is_refused(case, build, tmp_path):
    entry, code, reason = ENTRIES[case]
    with pytest.raises(MappingError, match=reason) as caught:
        mapper.load(forged(build, tmp_path, entry))
    assert caught.value.diagnostics[0].code == code


def test_another_epilogue_with_its_own_digest_is_checked_like_the_first(build, tmp_path):
    of_others = of_nodes([node("Tanh", "x", "y")], reads=[("x", (1, 7))])
    made = forged(build, tmp_path, {"sha256": digest_of(of_others)}, of_others)
    with pytest.raises(MappingError, match="has not the shape of 'z'"):
        mapper.load(made)
    loops = changed(loop)
    made = forged(build, tmp_path, {"sha256": digest_of(loops)}, loops)
    with pytest.raises(MappingError, match="Loop is not among"):
        mapper.load(made)


def test_what_is_of_the_whole_sequence_has_no_sum_over_time(build, tmp_path):
    content = of_nodes(GOOD, reads=[("x", ("T", 1, 4))])
    of_all = {"name": "y", "time_axis": 0, "batch_axis": 1, "over_time": "sum"}
    entry = {"sha256": digest_of(content), "of": "sequence", "outputs": [of_all]}
    with pytest.raises(MappingError, match="the sum over time of a function of the whole"):
        mapper.load(forged(build, tmp_path, entry, content))


def test_a_file_that_no_mapping_tells_of_is_refused(build, tmp_path):
    made = mapper.load(build.folder).save(tmp_path / "build").folder
    (made / "epilogue.onnx").unlink()
    with pytest.raises(MappingError, match=r"epilogue.onnx is missing"):
        mapper.load(made)
    manifest = json.loads((made / "manifest.json").read_text())
    for table in ("files", "sizes"):
        del manifest[table]["epilogue.onnx"]
    (made / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(MappingError, match="the folder lacks it"):
        mapper.load(made)


def test_what_onnx_runtime_refuses_is_told_with_its_reason(build, tmp_path):
    """Places beyond a tensor show only when they are looked up."""
    beyond = of_nodes(
        [node("Gather", "x far", "y", axis=1)], [("far", np.array([9]))], gives=("y",)
    )
    made = forged(build, tmp_path, {"sha256": digest_of(beyond)}, beyond)
    with pytest.raises(MappingError, match="ONNX Runtime refuses it") as caught:
        mapper.load(made).run(recording())
    assert caught.value.diagnostics[0].code == "bad-epilogue"


def test_outputs_of_other_shapes_than_the_file_says_are_refused(build, tmp_path):
    """A last window that begins behind the end: ONNX Runtime leaves it out, ONNX does not."""
    late = [
        node("Reshape", "x row", "r"),
        node("AveragePool", "r", "y", kernel_shape=[2], strides=[3], ceil_mode=1),
    ]
    content = of_nodes(late, [("row", np.array([1, 1, 4]))])
    short = of_nodes(
        [
            node("Slice", "x from to axes", "three"),
            node("Reshape", "three row", "r"),
            node("AveragePool", "r", "y", kernel_shape=[2], strides=[3], ceil_mode=1),
        ],
        [
            ("from", np.array([0])),
            ("to", np.array([3])),
            ("axes", np.array([1])),
            ("row", np.array([1, 1, 3])),
        ],
    )
    mapper.load(forged(build, tmp_path / "a", {"sha256": digest_of(content)}, content)).run(
        recording()
    )
    made = forged(build, tmp_path / "b", {"sha256": digest_of(short)}, short)
    with pytest.raises(MappingError, match=r"gives output 'y' as \[1, 1, 1\], by its file it is"):
        mapper.load(made).run(recording())


def test_work_is_counted_of_all_steps_and_samples(build, monkeypatch):
    """A softmax of 4 numbers reads and gives 8, the one before it as many: 16 a step."""
    held = mapper.load(build.folder)
    monkeypatch.setattr("mapper.epilogue.model.MOST_WORK_IN_ALL", 7 * 3 * 16)
    held.run(recording(steps=7, samples=3))
    with pytest.raises(MappingError, match="take 352 operations on the host, at most 336"):
        held.run(recording(steps=11, samples=2))


def test_constants_of_every_type_come_back(tmp_path):
    stored = [("one", np.ones(4)), ("two", np.array([1, 2], np.int32)), ("on", np.array(True))]
    held = parsed(of_nodes(GOOD, stored)).graph.initializer
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in held}
    assert all(np.array_equal(kept[name], array) for name, array in stored)
