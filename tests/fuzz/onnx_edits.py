"""Edits that know what an ONNX model is: each takes a model and changes one thing in it."""

import math
from collections.abc import Callable
from random import Random

import numpy as np
from google.protobuf.message import DecodeError
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
)

from tests.fuzz import values
from tests.fuzz.onnx_hostile import (
    DOMAINS,
    any_node,
    any_port,
    cycle,
    external_data,
    functions,
    hostile_text,
    huge_constant,
    nested,
    rename,
    sparse,
    stored,
    string_tensor,
    tensor_names,
)
from tests.fuzz.proto_edits import edit_anywhere

Edit = Callable[[ModelProto, Random], None]

_SAME_SHAPE = (
    *("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "And", "Or", "Xor", "Not"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Mod", "Neg", "Abs", "Identity", "Relu"),
    *("Sign", "Floor", "Ceil", "Round", "Sigmoid", "Tanh", "Exp", "Sqrt", "Clip", "Where", "Cast"),
)
_OTHERS = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("GlobalMaxPool", "ReduceSum", "ReduceMean", "ReduceMax", "Reshape", "Flatten", "Transpose"),
    *("Squeeze", "Unsqueeze", "Concat", "Split", "Slice", "Gather", "GatherND", "Pad", "Expand"),
    *("Tile", "Shape", "Size", "ConstantOfShape", "Range", "OneHot", "NonZero", "CumSum", "TopK"),
    *("BatchNormalization", "InstanceNormalization", "Dropout", "LSTM", "GRU", "RNN", "Loop"),
    *("Scan", "If", "SequenceEmpty", "SequenceInsert", "QuantizeLinear", "DequantizeLinear"),
    *("RandomNormal", "RandomNormalLike", "Bernoulli", "Multinomial", "StringNormalizer"),
    *("Einsum", "Resize", "DepthToSpace", "LpPool", "NoSuchOperator", "ConvInteger", "QLinearConv"),
)
_ATTRIBUTES = (
    *("axis", "axes", "perm", "pads", "strides", "dilations", "kernel_shape", "group", "alpha"),
    *("beta", "transA", "transB", "epsilon", "to", "keepdims", "auto_pad", "ceil_mode", "mode"),
    *("count_include_pad", "output_padding", "output_shape", "allowzero", "value", "body", "fmod"),
    *(
        "equation",
        "num_scan_inputs",
        "block_size",
        "training_mode",
        "storage_order",
        "noop_with_empty_axes",
    ),
)


def drop_node(model: ModelProto, rng: Random) -> None:
    if model.graph.node:
        del model.graph.node[rng.randrange(len(model.graph.node))]


def double_node(model: ModelProto, rng: Random) -> None:
    model.graph.node.add().CopyFrom(any_node(model, rng))


def double_node_renamed(model: ModelProto, rng: Random) -> None:
    """Put a node twice in a row: the second reads what the first wrote."""
    at = rng.randrange(len(model.graph.node) or 1)
    first = model.graph.node[at]
    again = NodeProto()
    again.CopyFrom(first)
    again.name += "/again"
    first.output[0] += "/first"
    again.input[0] = first.output[0]
    model.graph.node.insert(at + 1, again)


def move_node(model: ModelProto, rng: Random) -> None:
    moved = NodeProto()
    at = rng.randrange(len(model.graph.node) or 1)
    moved.CopyFrom(model.graph.node[at])
    del model.graph.node[at]
    model.graph.node.insert(rng.randrange(len(model.graph.node) + 1), moved)


def other_input(model: ModelProto, rng: Random) -> None:
    node = any_node(model, rng)
    name = rng.choice([*tensor_names(model), "", "nowhere"])
    if node.input and rng.random() < 0.85:
        node.input[rng.randrange(len(node.input))] = name
    else:
        node.input.append(name)


def swapped_inputs(model: ModelProto, rng: Random) -> None:
    node = any_node(model, rng)
    if len(node.input) > 1:
        a, b = rng.sample(range(len(node.input)), 2)
        node.input[a], node.input[b] = node.input[b], node.input[a]


def other_output(model: ModelProto, rng: Random) -> None:
    node = any_node(model, rng)
    name = rng.choice([*tensor_names(model), "", values.text(rng)])
    if node.output and rng.random() < 0.8:
        node.output[rng.randrange(len(node.output))] = name
    else:
        node.output.append(name)


def other_operator(model: ModelProto, rng: Random) -> None:
    node = any_node(model, rng)
    likely = node.op_type in _SAME_SHAPE and rng.random() < 0.8
    node.op_type = rng.choice(_SAME_SHAPE if likely else _OTHERS)


def other_domain(model: ModelProto, rng: Random) -> None:
    any_node(model, rng).domain = rng.choice(DOMAINS)


def insert_node(model: ModelProto, rng: Random) -> None:
    """Put a node between a tensor and its reader."""
    at = rng.randrange(len(model.graph.node) or 1)
    reader = model.graph.node[at]
    if not reader.input:
        return
    index = rng.randrange(len(reader.input))
    kind = rng.choice((*_SAME_SHAPE, *_SAME_SHAPE, *_OTHERS))
    reads = [reader.input[index], rng.choice(tensor_names(model))][: rng.choice((1, 2))]
    made = helper.make_node(kind, reads, [f"inserted{at}"], name=f"/inserted{at}")
    if rng.random() < 0.4:
        _set_attribute(made, rng)
    reader.input[index] = f"inserted{at}"
    model.graph.node.insert(at, made)


def edit_attribute(model: ModelProto, rng: Random) -> None:
    with_some = [n for n in model.graph.node if n.attribute]
    node = rng.choice(with_some) if with_some and rng.random() < 0.8 else any_node(model, rng)
    _set_attribute(node, rng)


def _set_attribute(node: NodeProto, rng: Random) -> None:
    held = [a.name for a in node.attribute]
    name = rng.choice(held if held and rng.random() < 0.75 else _ATTRIBUTES)
    old = next((a for a in node.attribute if a.name == name), None)
    made = AttributeProto()
    made.CopyFrom(_attribute(name, old, rng))
    if old is not None and rng.random() < 0.95:
        node.attribute.remove(old)
    node.attribute.append(made)


def _attribute(name: str, old: AttributeProto | None, rng: Random) -> AttributeProto:
    if old is not None and old.ints and rng.random() < 0.7:
        ints = list(old.ints)
        near = rng.random() < 0.5
        at = rng.randrange(len(ints))
        ints[at] = ints[at] + rng.choice((-1, 1, 2)) if near else values.integer(rng)
        return helper.make_attribute(name, ints)
    if old is not None and old.type == AttributeProto.INT and rng.random() < 0.7:
        return helper.make_attribute(name, values.integer(rng))
    if old is not None and old.type == AttributeProto.FLOAT and rng.random() < 0.7:
        return helper.make_attribute(name, values.real(rng))
    sizes = rng.choice((1, 2, 2, 3, 4, 4, 8))
    return rng.choice(
        (
            lambda: helper.make_attribute(name, values.integer(rng)),
            lambda: helper.make_attribute(name, values.real(rng)),
            lambda: helper.make_attribute(name, values.text(rng).encode(errors="ignore")),
            lambda: helper.make_attribute(name, [values.integer(rng) for _ in range(sizes)]),
            lambda: helper.make_attribute(name, [rng.choice((0, 1, 2)) for _ in range(sizes)]),
            lambda: helper.make_attribute(name, [values.real(rng) for _ in range(sizes)]),
            lambda: helper.make_attribute(name, _tensor("", rng)),
            lambda: helper.make_attribute(name, helper.make_graph([], "empty", [], [])),
            lambda: helper.make_attribute(name, rng.choice([b"SAME_UPPER", b"SAME_LOWER"])),
            lambda: helper.make_attribute(name, rng.choice([b"VALID", b"NOTSET", b"reflect"])),
        )
    )()


def _tensor(name: str, rng: Random) -> TensorProto:
    shape = [rng.choice((0, 1, 1, 2, 3, 4)) for _ in range(rng.choice((0, 0, 1, 2, 4)))]
    kind = rng.choice((np.float32, np.float32, np.float64, np.int64, np.bool_, np.int8, np.float16))
    with np.errstate(all="ignore"):
        array = np.full(shape, values.real(rng))
        finite = np.nan_to_num(array, posinf=1.0, neginf=-1.0)
        array = array.astype(kind) if kind in (np.float32, np.float64) else finite.astype(kind)
    return numpy_helper.from_array(array, name)


def edit_number(model: ModelProto, rng: Random) -> None:
    """Change one element of a stored tensor, or all of them."""
    tensor = stored(model, rng)
    try:
        array = np.array(numpy_helper.to_array(tensor))
    except Exception:  # an edit before this one broke it
        return
    if array.size == 0 or array.dtype.kind not in "fiu":
        return
    value = values.real(rng) if array.dtype.kind == "f" else values.integer(rng)
    if array.dtype.kind != "f":
        info = np.iinfo(array.dtype)
        value = max(info.min, min(info.max, int(value)))
    kind = rng.randrange(4)
    with np.errstate(all="ignore"):
        if kind == 0:
            array.reshape(-1)[rng.randrange(array.size)] = value
        elif kind == 1:
            array[...] = value
        elif kind == 2 and array.dtype.kind == "f":
            array = array * array.dtype.type(rng.choice((-1, 2, 1e-40, 1e30, 0)))
        elif kind == 3:
            array = np.flip(array)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


def edit_shape(model: ModelProto, rng: Random) -> None:
    """Make the shape of a stored tensor and its data disagree, or keep its size."""
    tensor = stored(model, rng)
    dims = list(tensor.dims)
    if rng.random() < 0.4:
        rng.shuffle(dims)
    elif rng.random() < 0.5:
        dims = [math.prod(dims)] if rng.random() < 0.5 else [1, *dims]
    elif dims:
        dims[rng.randrange(len(dims))] = values.integer(rng)
    del tensor.dims[:]
    tensor.dims.extend(dims)


def edit_kind(model: ModelProto, rng: Random) -> None:
    """Change what a stored tensor or a port says it holds."""
    kind = rng.choice(list(TensorProto.DataType.values()))
    ports = [*model.graph.input, *model.graph.output]
    if ports and rng.random() < 0.5:
        rng.choice(ports).type.tensor_type.elem_type = kind
    else:
        stored(model, rng).data_type = kind


def cast_weight(model: ModelProto, rng: Random) -> None:
    tensor = stored(model, rng)
    kind = rng.choice((np.float64, np.float16, np.int64, np.int32, np.int8, np.bool_, np.uint8))
    try:
        array = np.nan_to_num(numpy_helper.to_array(tensor).astype(np.float64))
    except Exception:  # an edit before this one broke it
        return
    array = np.clip(array, -100, 100).astype(kind)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def opset(model: ModelProto, rng: Random) -> None:
    version = rng.choice((0, 1, 6, 7, 9, 11, 13, 18, 21, 22, 24, 26, 27, 999, -1, 1 << 40))
    if rng.random() < 0.2:
        model.opset_import.append(helper.make_opsetid(rng.choice(DOMAINS), version))
    elif rng.random() < 0.1:
        del model.opset_import[:]
    else:
        model.opset_import[0].version = version


def edit_port(model: ModelProto, rng: Random) -> None:
    """Change an input or an output: sizes, type, or whether it is there."""
    ports = rng.choice((model.graph.input, model.graph.output))
    if not ports:
        return
    port = rng.choice(list(ports))
    kind = rng.randrange(7)
    dims = port.type.tensor_type.shape.dim
    if kind == 0:
        port.ClearField("type")
    elif kind == 1:
        ports.remove(port)
    elif kind == 2 and dims:
        rng.choice(list(dims)).dim_value = values.integer(rng)
    elif kind == 3 and dims:
        rng.choice(list(dims)).dim_param = rng.choice(("N", "batch", "T", ""))
    elif kind == 4:
        port.type.tensor_type.ClearField("shape")
    elif kind == 5:
        port.type.CopyFrom(helper.make_sequence_type_proto(port.type))
    elif dims and rng.random() < 0.5:
        del dims[rng.randrange(len(dims))]
    else:
        dims.add().dim_value = rng.choice((1, 2, 3))


def more_outputs(model: ModelProto, rng: Random) -> None:
    name = rng.choice(tensor_names(model))
    model.graph.output.append(any_port(name, rng))


STRUCTURAL: tuple[Edit, ...] = (
    *(drop_node, double_node, move_node, other_input, other_output, other_domain, edit_shape),
    *(edit_kind, string_tensor, external_data, cycle, rename, hostile_text, opset, edit_port),
    *(sparse, functions, nested, huge_constant, edit_anywhere, edit_anywhere, edit_anywhere),
)
"""Edits after which most models are broken."""

MEANING: tuple[Edit, ...] = (
    *(other_operator, swapped_inputs, insert_node, edit_attribute, edit_number, edit_number),
    *(cast_weight, double_node_renamed, other_input, more_outputs, edit_attribute, edit_shape),
)
"""Edits after which many models still run, and mean something else."""


def edit(model: ModelProto, rng: Random) -> None:
    """Change a model in one to four places."""
    chosen = MEANING if rng.random() < 0.6 else STRUCTURAL
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        change = rng.choice(chosen if rng.random() < 0.9 else STRUCTURAL)
        try:
            change(model, rng)
        except (IndexError, ValueError, TypeError, DecodeError):
            continue  # an earlier edit took away what this one needs, or nested as deep as can be
