"""Edits that a hostile model would carry: paths, cycles, recursion, floods, and texts."""

from random import Random

import numpy as np
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from tests.fuzz import values

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "mine", "sj_if", "sj_lif", "pkg.x")


def any_node(model: ModelProto, rng: Random) -> NodeProto:
    return rng.choice(list(model.graph.node) or [model.graph.node.add()])


def stored(model: ModelProto, rng: Random) -> TensorProto:
    return rng.choice(list(model.graph.initializer) or [model.graph.initializer.add()])


def tensor_names(model: ModelProto) -> list[str]:
    written = [name for n in model.graph.node for name in n.output]
    ports = [port.name for port in model.graph.input]
    return [*written, *ports, *(tensor.name for tensor in model.graph.initializer)] or ["x"]


def string_tensor(model: ModelProto, rng: Random) -> None:
    tensor = stored(model, rng)
    name = tensor.name
    tensor.CopyFrom(helper.make_tensor(name, TensorProto.STRING, [2], [b"a", b"\xff\xfe"]))


def any_port(name: str, rng: Random) -> ValueInfoProto:
    """Return a port of open sizes."""
    sizes = ["a", "b", "c", "d"][: rng.choice((1, 2, 2, 4))]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)


def external_data(model: ModelProto, rng: Random) -> None:
    """Point a tensor outside: other folders, missing files, absurd ranges."""
    tensor = stored(model, rng)
    places = ("weights.bin", "../secret", "/etc/passwd", "none.bin", "", ".", "m.onnx", "a\x00b")
    entries = {"location": rng.choice(places)}
    if rng.random() < 0.6:
        entries["offset"] = str(rng.choice((0, 4, -1, 1 << 62, "x", "1e3", 1 << 70)))
    if rng.random() < 0.6:
        entries["length"] = str(rng.choice((0, 4, 16, 48, -1, 1 << 62, "x", " 4")))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)


def cycle(model: ModelProto, rng: Random) -> None:
    """Let an early node read what a later one writes."""
    early, late = any_node(model, rng), model.graph.node[-1]
    if early.input and late.output:
        early.input[rng.randrange(len(early.input))] = late.output[0]


def rename(model: ModelProto, rng: Random) -> None:
    """Give a tensor a hostile name, wherever it is used."""
    old, new = rng.choice(tensor_names(model)), values.text(rng)
    tensors = [*model.graph.input, *model.graph.output, *model.graph.initializer]
    for port in tensors:
        port.name = new if port.name == old else port.name
    for node in model.graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                names[i] = new if name == old else name


def hostile_text(model: ModelProto, rng: Random) -> None:
    where = rng.choice(
        (model.graph, any_node(model, rng), model, rng.choice([*model.opset_import]))
    )
    field = {"GraphProto": "name", "NodeProto": "name", "ModelProto": "producer_name"}
    setattr(where, field.get(type(where).__name__, "domain"), values.text(rng))


def sparse(model: ModelProto, rng: Random) -> None:
    """Store a tensor sparsely, its indices sometimes out of range."""
    tensor = stored(model, rng)
    found = numpy_helper.from_array(np.ones(2, np.float32), tensor.name)
    indices = np.array([0, rng.choice((1, 1 << 40, -1))], np.int64)
    shape = list(tensor.dims) if rng.random() < 0.7 else [1 << 40]
    model.graph.initializer.remove(tensor)
    made = helper.make_sparse_tensor(found, numpy_helper.from_array(indices, "i"), shape)
    model.graph.sparse_initializer.append(made)


def functions(model: ModelProto, rng: Random) -> None:
    """Define functions that call themselves, each other, or multiply without end."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    depth = rng.choice((1, 2, 5, 30))
    loops = rng.random() < 0.4
    for i in range(depth):
        callee = f"F{(i + 1) % depth if loops else i + 1}"
        calls = [
            helper.make_node(callee, ["a"], ["b"], domain="mine"),
            helper.make_node(callee, ["b"], ["c"], domain="mine"),
        ]
        if i == depth - 1 and not loops:
            calls = [helper.make_node("Identity", ["a"], ["c"])]
        made = helper.make_function("mine", f"F{i}", ["a"], ["c"], calls, opsets)
        model.functions.append(made)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    at = rng.randrange(len(model.graph.node) or 1)
    reader = model.graph.node[at]
    if reader.input:
        call = helper.make_node("F0", [reader.input[0]], [f"called{at}"], domain="mine")
        reader.input[0] = f"called{at}"
        model.graph.node.insert(at, call)


def nested(model: ModelProto, rng: Random) -> None:
    """Put a node into subgraphs of subgraphs."""
    at = rng.randrange(len(model.graph.node) or 1)
    kind = rng.choice(("If", "Loop", "Scan"))
    inner = GraphProto()
    inner.node.add().CopyFrom(model.graph.node[at])
    name = model.graph.node[at].output[0] if model.graph.node[at].output else "none"
    inner.output.append(helper.make_empty_tensor_value_info(name))
    for level in range(rng.choice((1, 3, 10, 20, 28))):
        outer = GraphProto(name=f"level{level}")
        step = outer.node.add(op_type=kind, name=f"nest{level}", output=[name])
        step.input.extend(["yes", "yes"][: 2 if kind == "Loop" else 1])
        bodies = ("then_branch", "else_branch") if kind == "If" and level < 3 else ("body",)
        for body in bodies:
            step.attribute.append(helper.make_attribute(body, inner))
        outer.output.append(helper.make_empty_tensor_value_info(name))
        inner = outer
    model.graph.node[at].CopyFrom(inner.node[0])
    if "yes" not in tensor_names(model):
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))


def huge_constant(model: ModelProto, rng: Random) -> None:
    """Let a few bytes ask for gigabytes, in one step or in many."""
    at = rng.randrange(len(model.graph.node) or 1)
    reader = model.graph.node[at]
    kind = rng.choice(("ConstantOfShape", "Expand", "Tile", "Range", "Pad", "EyeLike", "OneHot"))
    size = rng.choice((1 << 20, 1 << 26, 1 << 28, 1 << 31, 1 << 40, (1 << 62) + 1))
    sizes = rng.choice(([size], [size, 1], [1 << 14, 1 << 14], [1, 4], [size, 0]))
    held = {"big": np.array(sizes, np.int64), "z": np.array(0), "d": np.array(1)}
    for name, array in held.items():
        model.graph.initializer.append(numpy_helper.from_array(array.astype(np.int64), name))
    other = rng.choice(tensor_names(model))
    reads = {"ConstantOfShape": ["big"], "Range": ["z", "big", "d"], "EyeLike": ["big"]}
    inputs = reads.get(kind, [other, "big", *(["z"] if kind == "OneHot" else [])])
    made = [helper.make_node(kind, inputs, ["vast0"], name="/vast0")]
    for i in range(rng.choice((0, 0, 1, 6))):
        op = rng.choice(("Add", "Concat", "Transpose", "Mul"))
        reads_it = [f"vast{i}"] * (1 if op == "Transpose" else 2)
        made.append(helper.make_node(op, reads_it, [f"vast{i + 1}"], name=f"/vast{i + 1}"))
    if rng.random() < 0.5 and reader.input:
        reader.input[rng.randrange(len(reader.input))] = made[-1].output[0]
    else:
        model.graph.output.append(any_port(made[-1].output[0], rng))
    for extra in reversed(made):
        model.graph.node.insert(at, extra)
