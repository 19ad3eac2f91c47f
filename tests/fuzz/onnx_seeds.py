"""Small models to start from: every form of time and every kind of node that is read."""

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.files import DEMO_MODEL
from tests.frontend.models import NUMBERS, leaky, model, node, one_neuron_layer


def _weight(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(0.2, 0.6, shape).astype(np.float32)


def two_layers() -> ModelProto:
    nodes = [
        node("Gemm", "x w1 b1", "c1", transB=1),
        *leaky("c1", "v1", "s1", "v1_out", "a"),
        node("MatMul", "s1 w2", "m2"),
        node("Add", "m2 b2", "c2"),
        *leaky("c2", "v2", "s2", "v2_out", "b"),
    ]
    ports = {"v1": [1, 6], "v2": [1, 3]}
    after = {"s2": [1, 3], "v1_out": [1, 6], "v2_out": [1, 3]}
    weights = {"w1": _weight(6, 4), "b1": _weight(6), "w2": _weight(6, 3), "b2": _weight(3)}
    return model(nodes, {"x": [1, 4], **ports}, after, {**weights, **NUMBERS})


def convolution() -> ModelProto:
    nodes = [
        node("Conv", "x k kb", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1]),
        node("BatchNormalization", "y g o mu var", "n", epsilon=1e-5),
        *leaky("n", "v", "s", "v_out"),
        node("MaxPool", "s", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "f", axis=1),
        node("Gemm", "f w b", "c", transB=1, alpha=1.0, beta=1.0),
        *leaky("c", "u0", "z", "u_out", "o"),
    ]
    held = {"k": _weight(4, 2, 3, 3), "kb": _weight(4), "w": _weight(3, 36), "b": _weight(3)}
    norm = {"g": np.abs(_weight(4)) + 0.5, "o": _weight(4), "mu": _weight(4)}
    held |= {**norm, "var": np.abs(_weight(4)) + 0.5, **NUMBERS}
    return model(
        nodes,
        {"x": [1, 2, 6, 6], "v": [1, 4, 6, 6], "u0": [1, 3]},
        {"z": [1, 3], "v_out": [1, 4, 6, 6], "u_out": [1, 3]},
        held,
    )


def shapes_and_pools() -> ModelProto:
    nodes = [
        node("Pad", "x pads", "padded"),
        node("AveragePool", "padded", "a", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]),
        node("Transpose", "a", "t", perm=[0, 2, 3, 1]),
        node("Transpose", "t", "back", perm=[0, 3, 1, 2]),
        node("Concat", "back back", "j", axis=1),
        node("ConvTranspose", "j up", "y", strides=[2, 2], kernel_shape=[2, 2]),
        *leaky("y", "v", "s", "v_out"),
        node("ReduceMean", "s", "mean", axes=[2, 3], keepdims=0),
        node("Reshape", "mean shape", "flat"),
        node("Mul", "flat gain", "out"),
    ]
    held = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "up": _weight(4, 3, 2, 2)}
    held |= {"shape": np.array([1, -1], np.int64), "gain": _weight(3), **NUMBERS}
    return model(
        nodes,
        {"x": [1, 2, 6, 6], "v": [1, 3, 8, 8]},
        {"out": [1, 3], "s": [1, 3, 8, 8], "v_out": [1, 3, 8, 8]},
        held,
    )


def synaptic() -> ModelProto:
    nodes = [
        node("Gemm", "x w", "c", transB=1),
        node("Mul", "i alpha", "ik"),
        node("Add", "ik c", "i_out"),
        node("Mul", "v half", "vk"),
        node("Add", "vk i_out", "u"),
        node("Sub", "u one", "over"),
        node("GreaterOrEqual", "over zero", "fires"),
        node("Cast", "fires", "s", to=TensorProto.FLOAT),
        node("Sub", "one s", "quiet"),
        node("Mul", "u quiet", "v_out"),
    ]
    held = {"w": _weight(5, 4), "alpha": 0.9, "zero": 0.0, **NUMBERS}
    outs = {"s": ["N", 5], "v_out": ["N", 5], "i_out": ["N", 5]}
    return model(nodes, {"x": ["N", 4], "v": ["N", 5], "i": ["N", 5]}, outs, held)


def delayed() -> ModelProto:
    """The order of snnTorch: the old membrane is compared, too."""
    nodes = [
        node("Sub", "v one", "d0"),
        node("Greater", "d0 zero", "r0"),
        node("Cast", "r0", "r", to=TensorProto.FLOAT),
        node("Gemm", "x w b", "c", transB=1),
        node("Clip", "beta zero one", "leak"),
        node("Mul", "leak v", "kept"),
        node("Add", "kept c", "u"),
        node("Mul", "r one", "taken"),
        node("Sub", "u taken", "v_out"),
        node("Sub", "v_out one", "d1"),
        node("Greater", "d1 zero", "s0"),
        node("Cast", "s0", "s", to=TensorProto.FLOAT),
    ]
    held = {"w": _weight(4, 3), "b": _weight(4), "beta": 0.85, "zero": 0.0, "one": 1.0}
    return model(nodes, {"x": [1, 3], "v": [1, 4]}, {"s": [1, 4], "v_out": [1, 4]}, held)


def recurrent() -> ModelProto:
    """Own spikes come back through weights; the readout never fires."""
    nodes = [
        node("Gemm", "x w", "c", transB=1),
        node("Gemm", "spk r", "back", transB=1),
        node("Add", "c back", "d"),
        *leaky("d", "v", "spk_out", "v_out"),
        node("Gemm", "spk_out w2", "e", transB=1),
        node("Mul", "m half", "mk"),
        node("Add", "mk e", "m_out"),
    ]
    held = {"w": _weight(4, 3), "r": _weight(4, 4), "w2": _weight(2, 4), **NUMBERS}
    states = {"spk": [1, 4], "v": [1, 4], "m": [1, 2]}
    after = {"m_out": [1, 2], "spk_out": [1, 4], "v_out": [1, 4]}
    return model(nodes, {"x": [1, 3], **states}, after, held)


def quantised() -> ModelProto:
    nodes = [
        node("DequantizeLinear", "wq scale zp", "w", axis=0),
        node("Gemm", "x w", "c", transB=1),
        *leaky("c", "v", "s", "v_out"),
    ]
    codes = np.random.default_rng(3).integers(-7, 8, (4, 3)).astype(np.int8)
    held = {"wq": codes, "scale": np.abs(_weight(4)) + 0.1, "zp": np.zeros(4, np.int8), **NUMBERS}
    return model(nodes, {"x": [1, 3], "v": [1, 4]}, {"s": [1, 4], "v_out": [1, 4]}, held)


def attention() -> ModelProto:
    """Two heads of a mask, of ``q (k^T v)`` and of an equation."""
    nodes = [
        *leaky("x", "v", "s", "v_out"),
        node("Transpose", "s", "turned", perm=[0, 1, 3, 2]),
        node("MatMul", "turned x", "pairs"),
        node("Einsum", "s pairs", "sums", equation="bhnd,bhde->bhne"),
        node("ReduceSum", "s over", "count", keepdims=1),
        node("Mul", "count sums", "masked"),
        *leaky("masked", "w", "z", "w_out", "o"),
    ]
    heads = [1, 2, 3, 4]
    held = {"over": np.array([2], np.int64), **NUMBERS}
    after = {"z": heads, "v_out": heads, "w_out": heads}
    return model(nodes, dict.fromkeys("xvw", heads), after, held)


def modern() -> ModelProto:
    """Groups that share crossbars, levels, products, spikes that wait, a head for the host."""
    nodes = [
        node("Conv", "x k", "c1", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=4),
        *leaky("c1", "v1", "s1", "v1_out", "a"),
        node("Conv", "s1 mix", "c2", kernel_shape=[1, 1]),
        node("Mul", "v2 half", "kept"),
        node("Add", "kept c2", "h"),
        node("Clip", "h zero three", "bounded"),
        node("Round", "bounded", "counts"),
        node("Sub", "h counts", "v2_out"),
        node("Reshape", "s1 tokens", "q"),
        node("Reshape", "counts tokens", "n"),
        node("Transpose", "q", "k_t", perm=[0, 2, 1]),
        node("MatMul", "n k_t", "pairs"),
        node("MatMul", "pairs q", "sums"),
        node("Mul", "sums n", "masked"),
        node("Mul", "masked eighth", "scaled"),
        *leaky("scaled", "v3", "s3", "v3_out", "b"),
        node("Identity", "s3", "d1_out"),
        node("Identity", "d1", "d2_out"),
        node("Flatten", "d2", "flat", axis=1),
        node("Gemm", "flat w", "c3", transB=1),
        node("Mul", "m half", "m_kept"),
        node("Add", "m_kept c3", "m_out"),
        node("Tanh", "m_out", "y"),
    ]
    maps, tokens = [1, 4, 2, 2], [1, 4, 4]
    states = {"v1": maps, "v2": maps, "v3": tokens, "d1": tokens, "d2": tokens, "m": [1, 3]}
    held = {"k": _weight(4, 1, 3, 3), "mix": _weight(4, 4, 1, 1), "w": _weight(3, 16)}
    numbers = {"zero": 0.0, "three": 3.0, "eighth": 0.125, **NUMBERS}
    held |= {"tokens": np.array(tokens, np.int64), **numbers}
    after = {f"{name}_out": shape for name, shape in states.items()}
    return model(nodes, {"x": maps, **states}, {"y": [1, 3], **after}, held)


def with_function() -> ModelProto:
    proto = one_neuron_layer()
    body = [
        helper.make_node("Mul", ["a", "b"], ["ab"]),
        helper.make_node("Add", ["ab", "c"], ["out"]),
    ]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("mine", "Fused", ["a", "b", "c"], ["out"], body, opsets)
    proto.functions.append(function)
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    del proto.graph.node[1:3]
    call = helper.make_node("Fused", ["v", "half", "current"], ["u"], name="/call", domain="mine")
    proto.graph.node.insert(1, call)
    return proto


def operator(domain: str = "sj_lif", inputs: str = "tau decays th reset") -> ModelProto:
    forward = node("forward", f"c v {inputs} no no no no", "s v_out h")
    forward.domain = domain
    numbers = {"no": 0.0, "tau": 4.0, "decays": np.array(True), "th": 1.0, "reset": 0.0}
    return model(
        [node("Gemm", "x w", "c", transB=1), forward],
        {"x": [1, 3], "v": [1, 4]},
        {"s": [1, 4], "v_out": [1, 4]},
        {"w": _weight(4, 3), **numbers},
        domains=[domain],
    )


def chosen_branch() -> ModelProto:
    proto = one_neuron_layer()
    proto.graph.node[0].output[0] = "raw"
    then = helper.make_graph([node("Identity", "raw", "t")], "then", [], [_port("t", [1, 4])])
    other = helper.make_graph([node("Neg", "raw", "e")], "else", [], [_port("e", [1, 4])])
    chosen = node("If", "yes", "current", then_branch=then, else_branch=other)
    chosen.name = "/if"
    proto.graph.node.insert(1, chosen)
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return proto


def scanned() -> ModelProto:
    """A whole sequence: ``Scan`` over time, one step as its body."""
    body = helper.make_graph(
        [node("Gemm", "xt w", "c", transB=1), *leaky("c", "v", "s", "v_next")],
        "body",
        [_port("v", [1, 4]), _port("xt", [1, 3])],
        [_port("v_next", [1, 4]), _port("s", [1, 4])],
    )
    nodes = [node("Scan", "v0 x", "v_last spikes", body=body, num_scan_inputs=1)]
    held = {"w": _weight(4, 3), "v0": np.zeros((1, 4), np.float32), **NUMBERS}
    return model(nodes, {"x": [5, 1, 3]}, {"spikes": [5, 1, 4], "v_last": [1, 4]}, held)


def looped() -> ModelProto:
    """The same with ``Loop``, which picks its time step from the sequence."""
    body = helper.make_graph(
        [
            node("Gather", "x t", "xt", axis=0),
            node("Gemm", "xt w", "c", transB=1),
            *leaky("c", "v", "s", "v_next"),
            node("Identity", "go", "go_on"),
        ],
        "body",
        [_port("t", [], TensorProto.INT64), _port("go", [], TensorProto.BOOL), _port("v", [1, 4])],
        [_port("go_on", [], TensorProto.BOOL), _port("v_next", [1, 4]), _port("s", [1, 4])],
    )
    nodes = [node("Loop", "steps yes v0", "v_last spikes", body=body)]
    held = {"w": _weight(4, 3), "v0": np.zeros((1, 4), np.float32), "yes": np.array(True)}
    held |= {"steps": np.array(5, np.int64), **NUMBERS}
    return model(nodes, {"x": [5, 1, 3]}, {"spikes": [5, 1, 4], "v_last": [1, 4]}, held)


def unrolled(steps: int = 3) -> ModelProto:
    nodes: list[NodeProto] = []
    held: dict[str, object] = {"w": _weight(4, 3), "v0": np.zeros((1, 4), np.float32), **NUMBERS}
    for t in range(steps):
        held[f"t{t}"] = np.array(t, np.int64)
        nodes.append(node("Gather", f"x t{t}", f"x{t}", axis=0))
        nodes.append(node("Gemm", f"x{t} w", f"c{t}", transB=1))
        nodes += leaky(f"c{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"n{t}")
        nodes.append(node("Unsqueeze", f"s{t} front", f"row{t}"))
    held["front"] = np.array([0], np.int64)
    nodes.append(node("Concat", " ".join(f"row{t}" for t in range(steps)), "spikes", axis=0))
    return model(nodes, {"x": [steps, 1, 3]}, {"spikes": [steps, 1, 4]}, held)


def _port(name: str, shape: list[int], kind: int = TensorProto.FLOAT) -> object:
    return helper.make_tensor_value_info(name, kind, shape)


def demo() -> ModelProto:
    return ModelProto.FromString(DEMO_MODEL.read_bytes())


SEEDS: tuple[Callable[[], ModelProto], ...] = (
    *(one_neuron_layer, two_layers, convolution, shapes_and_pools, synaptic, delayed, recurrent),
    *(
        quantised,
        attention,
        modern,
        with_function,
        operator,
        chosen_branch,
        scanned,
        looped,
        unrolled,
        demo,
    ),
)
