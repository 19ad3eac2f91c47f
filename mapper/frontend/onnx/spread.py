"""Say of large stored constants of one number that they are, before anything copies them.

A tracer writes the start of a state out: zeros, as many as the network has neurons, once for every
layer. For images they are as large as the weights.
"""

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from mapper.frontend.onnx.constants import SPREAD_ELEMENTS

_FILLED = 9
"""The first version of the standard that has ``ConstantOfShape``."""
_FREE_CONSTANTS = 4
"""The first version of the format whose stored tensors need not be inputs."""
_BYTES: dict[int, int] = {
    TensorProto.FLOAT: 4,
    TensorProto.DOUBLE: 8,
    TensorProto.INT32: 4,
    TensorProto.INT64: 8,
    TensorProto.BOOL: 1,
}
"""Of an element of the types that may be filled."""


def spread_constants(model: ModelProto) -> ModelProto:
    """Return a model whose large ``Constant`` nodes of one number are ``ConstantOfShape``.

    What is given is used up.
    """
    version = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    if version < _FILLED or model.ir_version < _FREE_CONSTANTS:
        return model
    taken = {tensor.name for tensor in model.graph.initializer}
    taken.update(name for node in model.graph.node for name in (*node.input, *node.output))
    taken.update(port.name for port in (*model.graph.input, *model.graph.output))
    spread = False
    for node in model.graph.node:
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx") and len(node.output) == 1:
            spread |= _spread(node, model.graph, f"{node.output[0]}.shape", taken)
    # a message keeps the memory of what its fields held before; a new one has none of it
    return ModelProto.FromString(model.SerializeToString()) if spread else model


def _spread(node: NodeProto, graph: GraphProto, shape: str, taken: set[str]) -> bool:
    """Say whether a constant was one number, and is that now."""
    values = [a.t for a in node.attribute if a.name == "value"]
    if shape in taken or len(values) != 1 or len(node.attribute) != 1:
        return False
    (tensor,) = values
    one = _one_number(tensor)
    if not one:
        return False
    graph.initializer.add(
        name=shape,
        data_type=TensorProto.INT64,
        dims=[len(tensor.dims)],
        raw_data=np.asarray(tensor.dims, "<i8").tobytes(),
    )
    taken.add(shape)
    node.op_type = "ConstantOfShape"
    node.input.append(shape)
    del tensor.dims[:]
    tensor.dims.append(1)
    tensor.raw_data = one
    return True


def _one_number(tensor: TensorProto) -> bytes:
    """Return the bytes of the number that fills a large tensor; none where there are several."""
    width = _BYTES.get(tensor.data_type, 0)
    size = int(np.prod(tensor.dims, dtype=object))
    if not width or size <= SPREAD_ELEMENTS or min(tensor.dims) < 1:
        return b""
    stored = tensor.raw_data
    if len(stored) != size * width or stored[:width] != stored[-width:]:
        return b""
    bits = np.frombuffer(stored, f"u{width}")
    return b"" if (bits != bits[0]).any() else stored[:width]
