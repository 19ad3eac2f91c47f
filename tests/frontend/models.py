"""Small ONNX models made by hand, and the comparison every imported model must pass."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from mapper.frontend import Imported, import_model
from mapper.ir.core import FLOAT, Array
from mapper.ir.evaluate import evaluate
from mapper.verify.original import run_reference

OPSET = 17


def node(op: str, inputs: str, outputs: str, **attributes: object) -> NodeProto:
    """Make a node; names are words in a string."""
    reads, writes = inputs.split(), outputs.split()
    return helper.make_node(op, reads, writes, name=f"/{writes[0]}", **attributes)


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
    weights: Mapping[str, object] | None = None,
    opset: int = OPSET,
    domains: Sequence[str] = (),
) -> ModelProto:
    """Make a model; weights that are Python numbers or lists become single precision."""

    def port(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    stored = [
        numpy_helper.from_array(as_array(array), name) for name, array in (weights or {}).items()
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [port(n, s) for n, s in inputs.items()],
        [port(n, s) for n, s in outputs.items()],
        stored,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, producer_name="hand")


def as_array(value: object) -> Array:
    return value if isinstance(value, np.ndarray) else np.asarray(value, dtype=np.float32)


def leaky(x: str, v: str, spike: str, after: str, tag: str = "") -> list[NodeProto]:
    """``after = 0.5*v + x - spike``, where the spike is ``0.5*v + x > 1``; constants by name."""
    return [
        node("Mul", f"{v} half", f"{tag}decayed"),
        node("Add", f"{tag}decayed {x}", f"{tag}u"),
        node("Greater", f"{tag}u one", f"{tag}fires"),
        node("Cast", f"{tag}fires", spike, to=TensorProto.FLOAT),
        node("Sub", f"{tag}u {spike}", after),
    ]


NUMBERS = {"half": 0.5, "one": 1.0}


def one_neuron_layer(width: int = 4, inputs: int = 3) -> ModelProto:
    """``x[1, inputs] -> Gemm -> neuron -> s[1, width]``."""
    weights = {"w": np.ones((width, inputs), np.float32), **NUMBERS}
    return model(
        [node("Gemm", "x w", "current", transB=1), *leaky("current", "v", "s", "v_out")],
        {"x": [1, inputs], "v": [1, width]},
        {"s": [1, width], "v_out": [1, width]},
        weights,
    )


def two_neuron_layers() -> ModelProto:
    """``x[1, 3] -> Gemm -> neuron -> [1, 4] -> Gemm -> neuron -> s[1, 2]``."""
    weights = {"w": np.ones((4, 3), np.float32), "w2": np.ones((2, 4), np.float32), **NUMBERS}
    return model(
        [
            node("Gemm", "x w", "current", transB=1),
            *leaky("current", "v", "h", "v_out"),
            node("Gemm", "h w2", "current2", transB=1),
            *leaky("current2", "v2", "s", "v2_out", "second_"),
        ],
        {"x": [1, 3], "v": [1, 4], "v2": [1, 2]},
        {"s": [1, 2], "v_out": [1, 4], "v2_out": [1, 2]},
        weights,
    )


def saved(proto: ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(proto.SerializeToString())
    return path


def assert_equal_to_reference(
    path: Path, steps: int = 8, density: float = 0.4, seed: int = 0
) -> Imported:
    """Import a model, run it and the original file on random spikes, and compare every output."""
    imported = import_model(path)
    rng = np.random.default_rng(seed)
    inputs = {
        value.name: (rng.random((steps, *imported.port(value.name).model_shape)) < density).astype(
            np.float32
        )
        for value in imported.graph.inputs
    }
    expected = run_reference(path, inputs)
    found = evaluate(
        imported.graph, {n: imported.port(n).to_graph(array) for n, array in inputs.items()}
    )
    assert_close(imported, found, expected)
    return imported


def assert_close(
    imported: Imported, found: Mapping[str, Array], expected: Mapping[str, Array]
) -> None:
    """Compare all that a model returns: spikes bit for bit, reals to 1e-5 of the greatest."""
    types = {v.name: v.type for v in imported.graph.outputs}
    types |= {s.output: s.read.type for s in imported.graph.states if s.output}
    assert set(types) == set(expected)
    for name, reference in expected.items():
        mine = imported.port(name).to_model(found[name])
        assert mine.shape == reference.shape, name
        # Single precision sums in another order: layers differ by a few units in the last place.
        allowed = 1e-5 * np.abs(reference).max() if types[name] == FLOAT else 0
        assert np.abs(mine - reference.astype(np.float64)).max() <= allowed, name
