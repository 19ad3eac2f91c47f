"""Attention between spikes: masks, sums over channels and tokens, products of computed tensors."""

import re
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.onnx.einsum import equation_of
from mapper.ir.evaluate import evaluate
from mapper.ir.network import SumPool2d
from mapper.ir.neurons import Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.verify.model import verify_model
from tests.frontend.models import (
    NUMBERS,
    assert_equal_to_reference,
    leaky,
    model,
    node,
    saved,
)

H, N, D = 2, 3, 4
HEADS = (1, H, N, D)


def integers(*numbers):
    return np.asarray(numbers, np.int64)


def mask_neuron(x: str, spike: str, tag: str) -> list:
    """The published neuron of a mask: ``v + (x - v) / 2``, fires at 0.5, resets to zero."""
    return [
        node("Sub", f"{x} {tag}v", f"{tag}gap"),
        node("Div", f"{tag}gap two", f"{tag}part"),
        node("Add", f"{tag}v {tag}part", f"{tag}u"),
        node("GreaterOrEqual", f"{tag}u half", f"{tag}fires"),
        node("Cast", f"{tag}fires", spike, to=1),
        node("Sub", f"one {spike}", f"{tag}rest"),
        node("Mul", f"{tag}rest {tag}u", f"{tag}v_out"),
    ]


def qkv(*nodes, shape, stored=None, mask=None, opset=17):
    """Spikes of three neurons, ``q k v [1, H, N, D]`` each, then nodes that give ``a``, and a mask.

    ``q = x``, ``k`` and ``v`` are the same channels in other orders, and lag behind.
    """
    mask = shape if mask is None else mask
    before = [
        node("Reshape", "x heads", "drive"),
        node("Gather", "drive order", "shuffled", axis=3),
        node("Gather", "drive tokens", "late", axis=2),
        *leaky("drive", "qv", "q", "qv_out", "q."),
        *leaky("shuffled", "kv", "k", "kv_out", "k."),
        *leaky("late", "vv", "v", "vv_out", "v."),
    ]
    states = {"qv": HEADS, "kv": HEADS, "vv": HEADS, "m.v": mask}
    constants = {
        **NUMBERS,
        "two": 2.0,
        "heads": integers(*HEADS),
        "order": integers(2, 0, 3, 1),
        "tokens": integers(1, 2, 0),
        **(stored or {}),
    }
    return model(
        [*before, *nodes],
        {"x": [1, H * N * D], **states},
        {"y": shape, **{f"{name}_out": size for name, size in states.items()}},
        constants,
        opset,
    )


FORMS = {
    "tokens that a head masks": qkv(
        node("ReduceSum", "q over", "count", keepdims=1),
        *mask_neuron("count", "m", "m."),
        node("Mul", "m k", "y"),
        shape=HEADS,
        stored={"over": integers(3)},
        mask=(1, H, N, 1),
    ),
    "channels that a head masks": qkv(
        node("ReduceSum", "q over", "count", keepdims=1),
        *mask_neuron("count", "m", "m."),
        node("Mul", "k m", "y"),
        shape=HEADS,
        stored={"over": integers(2)},
        mask=(1, H, 1, D),
    ),
    "products of keys and values": qkv(
        node("Mul", "k v", "kv_"),
        node("ReduceSum", "kv_ over", "count", keepdims=1),
        *mask_neuron("count", "m", "m."),
        node("Mul", "q m", "y"),
        shape=HEADS,
        stored={"over": integers(2)},
        mask=(1, H, 1, D),
    ),
    "scores first": qkv(
        node("Transpose", "k", "turned", perm=[0, 1, 3, 2]),
        node("MatMul", "q turned", "scores"),
        node("MatMul", "scores v", "sums"),
        node("Mul", "sums eighth", "a"),
        *mask_neuron("a", "y", "m."),
        shape=HEADS,
        stored={"eighth": 0.125},
    ),
    "keys and values first": qkv(
        node("Transpose", "k", "turned", perm=[0, 1, 3, 2]),
        node("MatMul", "turned v", "pairs"),
        node("Mul", "q scale", "scaled"),
        node("MatMul", "scaled pairs", "a"),
        *mask_neuron("a", "y", "m."),
        shape=HEADS,
        stored={"scale": 1 / np.sqrt(8)},
    ),
    "scores by an equation": qkv(
        node("Einsum", "q k", "scores", equation="bhnd,bhmd->bhnm"),
        node("Einsum", "scores v", "a", equation="...nm, ...md -> ...nd"),
        *mask_neuron("a", "y", "m."),
        shape=HEADS,
    ),
    "keys and values by an equation, tokens first": qkv(
        node("Einsum", "k v", "pairs", equation="bhnd,bhne->hbde"),
        node("Einsum", "pairs q", "a", equation="hbde,bhnd->bnhe"),
        *mask_neuron("a", "y", "m."),
        shape=(1, N, H, D),
    ),
    "sums and weights by an equation": qkv(
        node("Einsum", "q", "count", equation="bhnd->bdh"),
        node("Einsum", "count w", "a", equation="bdh,he->bde"),
        *mask_neuron("a", "y", "m."),
        shape=(1, D, 3),
        stored={"w": np.arange(6, dtype=np.float32).reshape(2, 3) / 8},
    ),
    "products element by element, by an equation": qkv(
        node("Einsum", "q k", "a", equation="bhnd,bhnd->bhnd"),
        *mask_neuron("a", "y", "m."),
        shape=HEADS,
    ),
    "a sum of one side before the product": qkv(
        node("Einsum", "q k", "a", equation="bhnd,bhme->bhm"),
        *mask_neuron("a", "y", "m."),
        shape=(1, H, N),
    ),
    "heads as samples": qkv(
        node("Reshape", "q folded", "q3"),
        node("Reshape", "v folded", "v3"),
        node("Transpose", "v3", "turned", perm=[0, 2, 1]),
        node("MatMul", "q3 turned", "a"),
        *mask_neuron("a", "y", "m."),
        shape=(H, N, N),
        stored={"folded": integers(H, N, D)},
    ),
    "one head's keys for all": qkv(
        node("Slice", "k zero first axis", "one_head"),
        node("Transpose", "one_head", "turned", perm=[0, 1, 3, 2]),
        node("MatMul", "q turned", "a"),
        *mask_neuron("a", "y", "m."),
        shape=(1, H, N, N),
        stored={"zero": integers(0), "first": integers(1), "axis": integers(1)},
    ),
    "counts behind a mask": qkv(
        node("Add", "k v", "counts"),
        node("ReduceMax", "q", "any", axes=[2], keepdims=1),
        node("Mul", "counts any", "a"),
        *mask_neuron("a", "y", "m."),
        shape=HEADS,
    ),
    "a mask laid side by side": qkv(
        node("ReduceMax", "q", "any", axes=[2], keepdims=1),
        node("Expand", "any size", "m"),
        node("Tile", "any times", "m2"),
        node("Mul", "m k", "both"),
        node("Mul", "m2 both", "a"),
        *mask_neuron("a", "y", "m."),
        shape=HEADS,
        stored={"size": integers(1, 1, N, 1), "times": integers(1, 1, N, 1)},
    ),
    "counts times counts": qkv(
        node("ReduceSum", "q over", "one_way", keepdims=1),
        node("ReduceSum", "k over", "other", keepdims=1),
        node("Mul", "one_way other", "a"),
        *mask_neuron("a", "y", "m."),
        shape=(1, H, N, 1),
        stored={"over": integers(3)},
    ),
    "sums over axes that are not neighbours": qkv(
        node("ReduceSum", "q over", "a", keepdims=0),
        *mask_neuron("a", "y", "m."),
        shape=(1, N),
        stored={"over": integers(1, 3)},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_attention_is_what_the_model_computes(form, tmp_path):
    imported = assert_equal_to_reference(saved(FORMS[form], tmp_path))
    drives = [op.x for op in imported.graph.ops if isinstance(op, Neuron)]
    assert len(drives) == 4


def test_sums_and_products_are_whole_numbers_and_scales_go_behind_them(tmp_path):
    graph = import_model(saved(FORMS["keys and values first"], tmp_path)).graph
    types = [str(op.result.type) for op in graph.ops if isinstance(op, MatMul)]
    assert types == ["u2", "u4"]  # up to 3 tokens, then 4 channels of up to 3
    graph = import_model(saved(FORMS["tokens that a head masks"], tmp_path)).graph
    assert [str(op.result.type) for op in graph.ops if isinstance(op, SumPool2d)] == ["u3"]
    graph = import_model(saved(FORMS["counts times counts"], tmp_path)).graph
    assert [str(op.result.type) for op in graph.ops if isinstance(op, Multiply)] == ["u6"]


def test_a_head_of_two_tokens_by_hand(tmp_path):
    """``q k^T v`` of two tokens of two channels, times an eighth.

    The scores ``[[1, 2], [0, 1]]`` take ``v`` once and its second row twice: ``[[3, 2], [1, 1]]``.
    Membranes go half of the way to 3/8, 2/8 and 1/8 in every step, and never reach 0.5.
    """
    shape = (1, 2, 2)
    nodes = [
        node("Transpose", "k", "turned", perm=[0, 2, 1]),
        node("MatMul", "q turned", "scores"),
        node("MatMul", "scores v", "sums"),
        node("Mul", "sums eighth", "a"),
        *mask_neuron("a", "y", "m."),
    ]
    stored = {**NUMBERS, "two": 2.0, "eighth": 0.125}
    ports = dict.fromkeys(("q", "k", "v", "m.v"), shape)
    path = saved(model(nodes, ports, {"y": shape, "m.v_out": shape}, stored), tmp_path)
    graph = import_model(path).graph
    given = {"q": [[1, 1], [0, 1]], "k": [[1, 0], [1, 1]], "v": [[1, 0], [1, 1]]}
    inputs = {name: np.tile(np.float32(rows), (4, 1, 1, 1)) for name, rows in given.items()}
    found = evaluate(graph, inputs, watch=("m.v_out", "sums"))
    assert found["sums"][3, 0].tolist() == [[3, 2], [1, 1]]
    for t, share in enumerate((1 / 2, 3 / 4, 7 / 8, 15 / 16)):
        whole = [[3 / 8 * share, 2 / 8 * share], [1 / 8 * share, 1 / 8 * share]]
        assert found["m.v_out"][t, 0].tolist() == whole
    assert not found["y"].any()


# --- time --------------------------------------------------------------------------------------


def over_time(
    steps: int, tokens: int, channels: int, by_equation: bool = False
) -> tuple[list, dict, dict, dict]:
    """Tokens times themselves, and neurons, over time: ``x[T, 1, N, C]``."""
    nodes, stored, spikes = [], dict(NUMBERS), []
    if by_equation:
        nodes.append(node("Einsum", "x x", "scores", equation="tbnc,tbmc->tbnm"))
    else:
        nodes.append(node("Transpose", "x", "turned", perm=[0, 1, 3, 2]))
        nodes.append(node("MatMul", "x turned", "scores"))
    nodes.append(node("ReduceMax", "scores", "any", axes=[3], keepdims=1))
    nodes.append(node("Expand", "any size", "spread"))
    nodes.append(node("Mul", "spread x", "masked"))
    stored["size"] = integers(1, 1, tokens, channels)
    for t in range(steps):
        stored[f"t{t}"] = np.array(t, np.int64)
        nodes.append(node("Gather", f"masked t{t}", f"c{t}", axis=0))
        nodes.extend(leaky(f"c{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}."))
        nodes.append(node("Unsqueeze", f"s{t} zero", f"u{t}"))
        spikes.append(f"u{t}")
    stored |= {"zero": integers(0), "v0": np.zeros((1, tokens, channels), np.float32)}
    nodes.append(node("Concat", " ".join(spikes), "y", axis=0))
    ports = {"x": [steps, 1, tokens, channels]}
    return nodes, ports, {"y": [steps, 1, tokens, channels]}, stored


@pytest.mark.parametrize("sizes", [(5, 3, 4), (4, 4, 4), (4, 4, 3), (4, 3, 4), (4, 4, 4, True)])
def test_time_stays_out_of_attention_whatever_the_sizes(sizes, tmp_path):
    nodes, inputs, outputs, stored = over_time(*sizes)
    path = saved(model(nodes, inputs, outputs, stored), tmp_path)
    x = (np.random.default_rng(0).random(inputs["x"]) < 0.5).astype(np.float32)
    assert [ring.status for ring in verify_model(path, {"x": x}, "x").rings] == ["equal"] * 2


def test_attention_between_time_steps_is_refused(tmp_path):
    """Steps as tokens: a product over the time axis computes one step from all."""
    nodes = [
        node("Transpose", "x", "turned", perm=[1, 2, 0]),
        node("Transpose", "x", "tokens", perm=[1, 0, 2]),
        node("MatMul", "tokens turned", "scores"),
        node("MatMul", "scores tokens", "mixed"),
    ]
    stored = {**NUMBERS, "zero": integers(0), "v0": np.zeros((1, 3), np.float32)}
    spikes = []
    for t in range(5):
        stored[f"t{t}"] = np.array(t, np.int64)
        nodes.append(node("Gather", f"mixed t{t}", f"c{t}", axis=1))
        nodes.extend(leaky(f"c{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}."))
        nodes.append(node("Unsqueeze", f"s{t} zero", f"u{t}"))
        spikes.append(f"u{t}")
    nodes += [node("Concat", " ".join(spikes), "spikes", axis=0), node("MatMul", "spikes w", "y")]
    stored["w"] = np.float32([[0.3, -0.7], [0.2, 0.9], [-0.4, 0.6]])  # no host has such a layer
    path = saved(model(nodes, {"x": [5, 1, 3]}, {"y": [5, 1, 2]}, stored), tmp_path)
    with pytest.raises(MappingError) as caught:
        import_model(path)
    assert caught.value.diagnostics[0].code == "unsupported-time-form"


# --- what is refused ---------------------------------------------------------------------------


def refused(proto: ModelProto, folder: Path) -> str:
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, folder))
    assert caught.value.diagnostics[0].code == "unsupported-op"
    return caught.value.diagnostics[0].message


def test_the_square_of_an_analogue_value_is_refused(tmp_path):
    nodes = [node("Mul", "x x", "a"), *leaky("a", "v", "y", "v_out")]
    ports = {"x": [1, 3], "v": [1, 3]}
    proto = model(nodes, ports, {"y": [1, 3], "v_out": [1, 3]}, NUMBERS)
    assert refused(proto, tmp_path) == "Mul: squares an analogue value"


@pytest.mark.parametrize(
    ("product", "reason"),
    [
        ("q k", "(1, 2, 3, 4) times (1, 2, 3, 4) is no product of matrices"),
        ("q one_head", "(1, 2, 3, 4) and (3, 4, 2) do not broadcast"),
    ],
)
def test_matrices_that_do_not_line_up_are_refused(product, reason, tmp_path):
    proto = qkv(
        node("Reshape", "k other", "one_head"),
        node("MatMul", product, "a"),
        *mask_neuron("q", "y", "m."),
        node("ReduceSum", "a all", "z"),
        shape=HEADS,
        stored={"other": integers(3, 4, 2), "all": integers(0, 1, 2, 3)},
    )
    proto.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 1, 1, 1]))
    assert refused(proto, tmp_path).endswith(reason)


@pytest.mark.parametrize(
    ("equation", "reason"),
    [
        ("bhnd,bhmd,bhmd->bhnd", "has 3 operands, not 2"),
        ("bhnn,bhmd->bhmd", "'bhnn' in 'bhnn,bhmd->bhmd' is no list of axes"),
        ("bhnd,bhmd->bhx", "has axes in its result alone"),
        ("bnd,bhmd->bhn", "'bnd' does not name 4 axes"),
    ],
)
def test_an_equation_that_says_no_product_is_none(equation, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        equation_of(equation, (4, 4))


def test_an_equation_without_a_result_gives_the_axes_that_are_there_once():
    assert equation_of("ij,jk", (2, 2)).result == "ik"
    assert equation_of("...ij,...kj", (4, 4)).result == "YZik"


@pytest.mark.parametrize(
    ("reads", "equation", "shape", "reason"),
    [
        ("q k v", "bhnd,bhmd,bhme->bhne", HEADS, "multiplies 3 tensors, at most 2 are read"),
        ("q k", "bhnd,bhde->bhne", HEADS, "axis 'd' has 4 elements on one side and 3 on the other"),
    ],
)
def test_an_equation_that_is_no_product_of_matrices_is_refused(
    reads, equation, shape, reason, tmp_path
):
    nodes = [node("Einsum", reads, "a", equation=equation), *mask_neuron("a", "y", "m.")]
    assert reason in refused(qkv(*nodes, shape=shape), tmp_path)
