"""Copies of ONNX models without their numbers, which are nearly all of a large file.

What looks at the rest of a model (a comparison, the checker of ONNX) need not copy them.
"""

from math import prod
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask  # type: ignore[import-untyped]
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto

LARGE = 1 << 10
"""Elements of a tensor above which copies leave its numbers out."""


def without_numbers(model: ModelProto) -> ModelProto:
    """Return a copy of a model whose constants lack their bytes.

    Raises:
        ValueError: A constant is not stored as bytes, or a part has fields that ONNX has not.
    """
    graph = model.graph
    if not all(tensor.HasField("raw_data") for tensor in graph.initializer):
        raise ValueError("a constant is not stored as bytes")
    if any(len(UnknownFieldSet(part)) for part in (model, graph, *graph.initializer)):
        raise ValueError("fields that ONNX has not")
    copy = _with_initializers(model)
    copy.graph.initializer.extend(_without(t, "raw_data") for t in graph.initializer)
    return copy


def with_stand_ins(model: ModelProto) -> ModelProto:
    """Return a copy of a model whose large constants are a single zero of their type and rank.

    The checker of ONNX says the same of it, and serialises it whole.
    """
    copy = _with_initializers(model)
    for tensor in model.graph.initializer:
        copy.graph.initializer.append(_stand_in(tensor) if is_large(tensor) else tensor)
    return copy


def without_large(model: ModelProto) -> ModelProto:
    """Return a copy of a model whose large constants have a name, a type and sizes alone."""
    copy = _with_initializers(model)
    for tensor in model.graph.initializer:
        copy.graph.initializer.append(_without(tensor, "raw_data") if is_large(tensor) else tensor)
    return copy


def is_large(tensor: TensorProto) -> bool:
    """Say whether a constant has so many numbers that copies leave them out."""
    return bool(tensor.HasField("raw_data")) and prod(tensor.dims) > LARGE


def _with_initializers(model: ModelProto) -> ModelProto:
    """Return a copy of a model that has no initializers yet."""
    copy: ModelProto = _without(model, "graph")
    copy.graph.CopyFrom(_without(model.graph, "initializer"))
    return copy


def _stand_in(tensor: TensorProto) -> TensorProto:
    one: TensorProto = _without(tensor, "raw_data")
    one.ClearField("dims")
    one.dims.extend(1 for _ in tensor.dims)
    one.raw_data = bytes(16)  # of the widest type
    return one


def _without(part: Any, field: str) -> Any:
    """Return a copy of a part of a model but for one field."""
    copy = type(part)()
    paths = [other.name for other in part.DESCRIPTOR.fields if other.name != field]
    FieldMask(paths=paths).MergeMessage(part, copy)
    return copy
