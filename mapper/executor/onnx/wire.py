"""The bytes of a model with large constants, put together as protobuf writes them.

Protobuf copies a constant into a tensor, that into the model, and the model into bytes by way of a
buffer: four times the weights of a network. Here they are copied once.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto, helper

from mapper.ir.core import Array

Part = bytes | memoryview

_BYTES = 2  # what protobuf calls the form of messages, texts and bytes: their length comes first


def with_initializers(model: ModelProto, arrays: Iterable[tuple[str, Array]]) -> bytes:
    """Return the bytes of a model with named arrays, in C order, as its initializers.

    They are those of ``SerializeToString(deterministic=True)`` after ``onnx.numpy_helper`` has
    made tensors of the arrays. The model has no initializers of its own.
    """
    stored = [
        part
        for name, array in arrays
        for part in _field(model.graph, "initializer", _tensor(name, array))
    ]
    graph = _around(model.graph, "initializer", stored)
    return b"".join(_around(model, "graph", _field(model, "graph", graph)))


def _tensor(name: str, array: Array) -> list[Part]:
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = TensorProto(dims=array.shape, data_type=kind, name=name)
    return _around(tensor, "raw_data", _field(tensor, "raw_data", [array.data]))


def _field(message: Any, name: str, content: list[Part]) -> list[Part]:
    """Return a field of a message: number and form, length, content."""
    number = message.DESCRIPTOR.fields_by_name[name].number
    length = sum(memoryview(part).nbytes for part in content)
    return [_number(number << 3 | _BYTES) + _number(length), *content]


def _number(value: int) -> bytes:
    """Write a number in groups of seven bits, lowest first; the top bit says that more follow."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _around(message: Any, name: str, content: list[Part]) -> list[Part]:
    """Return a message with a field's content in its place: fields go by their numbers."""
    fields = message.DESCRIPTOR.fields
    number = message.DESCRIPTOR.fields_by_name[name].number
    before = [field.name for field in fields if field.number < number]
    after = [field.name for field in fields if field.number > number]
    return [_only(message, before), *content, _only(message, after)]


def _only(message: Any, names: list[str]) -> bytes:
    """Return the bytes of a message's fields with these names."""
    part = type(message)()
    FieldMask(paths=names).MergeMessage(message, part)
    return bytes(part.SerializeToString(deterministic=True))
