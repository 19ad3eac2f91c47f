"""Bodies that another file gives for a user's own operators."""

import json

import numpy as np
import pytest
from onnx import ModelProto, helper
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.onnx import inline
from tests.frontend.models import model, node, saved

OWN = "own.neurons"


def spikeloom(*args):
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


def network(opset=17, op="LIF") -> ModelProto:
    """``x[1, 3]`` -> ``Gemm`` -> an operator of the user's own, which nothing here defines."""
    neuron = helper.make_node(
        op, ["i", "v", "beta", "thr"], ["s", "v_out"], name="/lif", domain=OWN
    )
    weights = {
        "w": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32),
        "beta": np.array([0.5, 0.25, 0.75, 0.5], np.float32),
        "thr": np.array([1.0, 0.5, 0.75, 1.0], np.float32),
    }
    gemm = node("Gemm", "x w", "i", transB=1)
    ports = {"x": [1, 3], "v": [1, 4]}, {"s": [1, 4], "v_out": [1, 4]}
    return model([gemm, neuron], *ports, weights, opset, [OWN])


def body(
    name="LIF", opset=17, extra=(), domain=OWN, overload="", imports=None, gives=("spike", "after")
):
    """A leaky neuron that fires at its threshold and goes to zero in the same step."""
    nodes = [
        node("Mul", "mem beta", "decayed"),
        node("Add", "decayed x", "u"),
        node("GreaterOrEqual", "u thr", "fires"),
        node("Cast", "fires", "spike", to=1),
        node("Mul", "u spike", "lost"),
        node("Sub", "u lost", "after"),
        *extra,
    ]
    if imports is None:
        imports = [helper.make_opsetid("", opset), helper.make_opsetid(OWN, 1)]
    reads = ["x", "mem", "beta", "thr"]
    return helper.make_function(domain, name, reads, gives, nodes, imports, overload=overload)


def library(*functions):
    """A file of functions, without a graph."""
    return ModelProto(ir_version=8, functions=functions)


def written(folder, *functions):
    path = folder / "functions.onnx"
    path.write_bytes(library(*functions).SerializeToString())
    return path


def test_an_own_operator_is_what_its_body_says(tmp_path):
    path = saved(network(), tmp_path)
    with pytest.raises(MappingError, match=r"--functions FILE\.onnx"):
        import_model(path)
    linked = mapper.with_functions(path, written(tmp_path, body()))
    found = import_model(saved(linked, tmp_path, "linked.onnx")).graph
    assert [op.mnemonic for op in found.ops] == ["net.linear", "net.neuron"]
    assert "value" in str(found.ops[1])
    x = (np.random.default_rng(1).random((9, 2, 3)) < 0.5).astype(np.float32)
    assert {ring.status for ring in mapper.verify_model(linked, {"x": x}).rings} == {"equal"}
    assert mapper.compile(linked, "ideal-128", calibrate={"x": x}).verify({"x": x}).bit_exact


def test_functions_of_the_file_may_call_each_other(tmp_path):
    twice = helper.make_function(
        OWN, "Twice", ["a"], ["b"], [node("Add", "a a", "b")], [helper.make_opsetid("", 17)]
    )
    outer = body(extra=[helper.make_node("Twice", ["u"], ["unused"], domain=OWN)])
    linked = mapper.with_functions(network(), written(tmp_path, outer, twice, body("Other")))
    assert [function.name for function in linked.functions] == ["LIF", "Twice"]
    assert import_model(saved(linked, tmp_path)).graph.states


def parametric(**given: float) -> ModelProto:
    """A neuron whose leak is an operator with an attribute: ``Decay``, by 0.75 or what is given."""
    decay = helper.make_function(
        OWN,
        "Decay",
        ["mem"],
        ["left"],
        [
            helper.make_node("Constant", [], ["factor"]),
            node("Mul", "mem factor", "left"),
        ],
        [helper.make_opsetid("", 17)],
        attribute_protos=[helper.make_attribute("factor", 0.75)],
    )
    decay.node[0].attribute.add(name="value_float", ref_attr_name="factor", type=1)
    call = helper.make_node("Decay", ["v"], ["left"], domain=OWN, **given)
    nodes = [
        node("Gemm", "x w", "i", transB=1),
        call,
        node("Add", "left i", "u"),
        node("Greater", "u one", "f"),
        node("Cast", "f", "s", to=1),
        node("Sub", "u s", "v_out"),
    ]
    weights = {"w": np.ones((4, 3), np.float32), "one": 1.0}
    ports = {"x": [1, 3], "v": [1, 4]}, {"s": [1, 4], "v_out": [1, 4]}
    proto = model(nodes, *ports, weights, 17, [OWN])
    proto.functions.append(decay)
    return proto


@pytest.mark.parametrize(("given", "leak"), [({}, 0.75), ({"factor": 0.5}, 0.5)])
def test_an_attribute_has_the_value_of_its_function_where_a_call_gives_none(given, leak, tmp_path):
    graph = import_model(saved(parametric(**given), tmp_path)).graph
    assert graph.ops[1].leak == leak


def test_bodies_may_not_grow_to_more_bytes_than_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(inline, "MAX_HELD", 100)
    with pytest.raises(MappingError, match=r"\d+ bytes in bodies of functions, at most 100"):
        import_model(saved(parametric(), tmp_path))


def test_overloads_are_functions_of_their_own(tmp_path):
    proto = network()
    proto.ir_version = 10
    proto.graph.node[1].overload = "b"
    with_two = [body(overload="a", extra=[node("Add", "u u", "unused")]), body(overload="b")]
    linked = mapper.with_functions(proto, written(tmp_path, *with_two))
    assert [function.overload for function in linked.functions] == ["b"]
    assert import_model(saved(linked, tmp_path)).graph.states


def test_every_command_that_takes_a_model_takes_functions(tmp_path):
    path, functions = saved(network(), tmp_path), written(tmp_path, body())
    x = (np.random.default_rng(1).random((5, 1, 3)) < 0.5).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    with_it = ("--functions", functions, "--json")
    recording = ("--input", tmp_path / "x.npz")
    build = tmp_path / "build"
    calls = [
        ("inspect", path, *with_it),
        ("verify", path, *recording, *with_it),
        ("compile", path, "--target", "ideal-128", "-o", build, *with_it),
        ("verify", build, *recording, "--model", path, *with_it),
        ("report", build, "-o", tmp_path / "p.html", *recording, "--model", path, *with_it),
        ("compare", path, "--targets", "ideal-128", *with_it),
        ("energy-table", path, "--targets", "ideal-128", *with_it),
        ("export", path, "-o", tmp_path / "canonical.onnx", *with_it),
    ]
    for call in calls:
        done = spikeloom(*call)
        assert done.exit_code == 0, (call, done.output)
        json.loads(done.stdout)
    told = json.loads(spikeloom(*calls[3]).stdout)
    rings = {ring["name"]: ring["status"] for ring in told["rings"]}
    assert rings["3-onnxruntime"] == "equal"


def test_functions_need_a_model_to_be_of(tmp_path):
    functions = written(tmp_path, body())
    done = spikeloom("report", str(tmp_path), "-o", "p.html", "--functions", str(functions))
    assert done.exit_code == 2
    assert "needs one model" in done.output


REFUSED = {
    "no function": ([], "bad-functions", "defines no function"),
    "another operator": ([body("LI")], "bad-functions", "has no operator that it defines"),
    "a standard one": (
        [body("Relu", domain="")],
        "bad-functions",
        "Relu is an operator of ONNX",
    ),
    "a standard one of another domain": (
        [body("Scaler", domain="ai.onnx.ml")],
        "bad-functions",
        "ai.onnx.ml::Scaler is an operator of ONNX",
    ),
    "another overload": (
        [body(overload="a")],
        "bad-functions",
        "has no operator that it defines: own.neurons::LIF:a",
    ),
    "no version": ([body(imports=[])], "bad-functions", "does not say of which opset"),
    "another version of its own domain": (
        [body(imports=[helper.make_opsetid("", 17), helper.make_opsetid(OWN, 7)])],
        "bad-functions",
        "LIF is of version 7 of 'own.neurons', the model or another function of 1",
    ),
    "fewer results": (
        [body(gives=["spike"])],
        "invalid-model",
        "own.neurons::LIF is called with 2 results, it has 1",
    ),
    "one twice": ([body(), body()], "bad-functions", "own.neurons::LIF is defined twice"),
    "a body that calls itself": (
        [body(extra=[helper.make_node("LIF", ["x"] * 4, ["p", "q"], domain=OWN)])],
        "invalid-model",
        "a function calls itself",
    ),
    "a body with an unknown operator": (
        [body(extra=[helper.make_node("Secret", ["x"], ["p"], domain=OWN)])],
        "unknown-op",
        "own.neurons::Secret",
    ),
    "another meaning in its version": (
        [body(opset=6)],
        "bad-functions",
        "is of opset 6, the model of 17: ",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bodies_are_refused_by_what_is_wrong_with_them(case, tmp_path):
    functions, code, reason = REFUSED[case]

    def read():
        linked = mapper.with_functions(network(), written(tmp_path, *functions))
        return import_model(saved(linked, tmp_path))

    with pytest.raises(MappingError, match=reason) as caught:
        read()
    assert caught.value.diagnostics[0].code == code


def test_versions_that_say_the_same_are_taken(tmp_path):
    linked = mapper.with_functions(network(opset=18), written(tmp_path, body(opset=17)))
    assert import_model(saved(linked, tmp_path)).graph.states


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08\xff"])
def test_files_that_are_none_are_refused_as_models_are(content, tmp_path):
    path = tmp_path / "functions.onnx"
    path.write_bytes(content)
    with pytest.raises(MappingError) as caught:
        mapper.with_functions(network(), path)
    assert caught.value.diagnostics[0].code in ("not-onnx", "truncated-model")
