"""Shapes and types of a model's inputs."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

from onnx import TensorProto, ValueInfoProto

from mapper.diagnostics import refuse
from mapper.frontend.algebra.forms import Shape

MAX_ELEMENTS = 1 << 24
"""Of one input or state: neurons are checked with several arrays of this size."""

READABLE = frozenset(
    {
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.BOOL,
        TensorProto.INT8,
        TensorProto.UINT8,
        TensorProto.INT32,
        TensorProto.INT64,
    }
)
_NAMED = frozenset(TensorProto.DataType.values())


def fixed_shape(port: ValueInfoProto, path: Path) -> Shape:
    """Return the shape of an input; a first axis that is left open is the batch, and 1 here.

    Raises:
        MappingError: ``unsupported-op``, ``dynamic-shape`` or ``model-too-large``.
    """
    loc = f"{path.name}:{port.name}"
    _check_type(port, loc)
    shape = tuple(_sizes(port, loc))
    if prod(shape) > MAX_ELEMENTS:
        raise refuse(
            "model-too-large",
            f"input {port.name!r} has {prod(shape)} elements, at most {MAX_ELEMENTS} are read",
            loc=loc,
        )
    return shape


def _check_type(port: ValueInfoProto, loc: str) -> None:
    kind = port.type.WhichOneof("value")
    if kind != "tensor_type":
        raise refuse("unsupported-op", f"the input is a {kind}, tensors are supported", loc=loc)
    elements = port.type.tensor_type.elem_type
    if elements not in READABLE:
        shown = TensorProto.DataType.Name(elements) if elements in _NAMED else elements
        raise refuse(
            "unsupported-op",
            f"the input holds {shown}, only single and double precision and integers are supported",
            loc=loc,
            help="export the model in single precision",
        )


def _sizes(port: ValueInfoProto, loc: str) -> Iterator[int]:
    tensor = port.type.tensor_type
    advice = "export with fixed sizes; only the batch axis may stay open"
    if not tensor.HasField("shape"):
        raise refuse("dynamic-shape", "the input has no shape", loc=loc, help=advice)
    for axis, dim in enumerate(tensor.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value > 0:
            yield int(dim.dim_value)
        elif axis == 0 and not dim.HasField("dim_value"):
            yield 1
        else:
            shown = dim.dim_param or dim.dim_value
            raise refuse(
                "dynamic-shape",
                f"axis {axis} of input {port.name!r} has size {shown!r}, it must be a fixed number",
                loc=loc,
                help=advice,
            )
