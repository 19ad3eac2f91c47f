"""Read an ONNX file that may come from anyone: sizes, structure and paths are checked first.

Nothing in the file is executed, nothing outside its folder is read, and every defect ends in
one ``MappingError`` that names it.
"""

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from mapper.diagnostics import refuse
from mapper.exchange.canonical.bare import with_stand_ins
from mapper.frontend.onnx.inline import MAX_NODES, inline_functions
from mapper.frontend.onnx.shapes import MAX_RANK
from mapper.frontend.onnx.spread import spread_constants
from mapper.frontend.onnx.types import type_problems
from mapper.ir.core import Array

MAX_BYTES = (1 << 31) - 1
"""Model and external data together; the limit of the file format itself."""

MAX_NAME = 1 << 12
"""Characters of a name; the longest that exporters write, paths of modules, have a few hundred."""


def read_model(path: Path) -> ModelProto:
    """Return a model with its external data loaded, functions inlined and structure checked.

    Raises:
        MappingError: ``no-such-file``, ``model-too-large``, ``not-onnx``, ``truncated-model``,
            ``invalid-model``, ``external-data-missing``, ``external-data-outside``,
            ``unknown-op``, ``nan-weights``.
    """
    return without_functions(read_stored(path), path)


def read_stored(path: Path) -> ModelProto:
    """Return a model as it is stored: names and paths checked, external data loaded."""
    model = _parse(path)
    _check_names(model, path)
    _load_external_data(model, path)
    return model


def read_definitions(path: Path) -> ModelProto:
    """Return a file of functions as it is stored, checked likewise; it may have no graph."""
    model = _parse(path, graph=False)
    _check_names(model, path)
    _load_external_data(model, path)
    return model


def without_functions(model: ModelProto, path: Path) -> ModelProto:
    """Return a stored model with functions inlined, and its structure and weights checked.

    The stored model is used up.
    """
    model = inline_functions(spread_constants(model), path)
    _check_structure(model, path)
    _check_weights(model, path)
    return model


def check_file(path: Path) -> int:
    """Return the size of a model's file; a pipe or a device is not opened, for that may wait.

    Raises:
        MappingError: ``no-such-file``, ``model-too-large``.
    """
    if not path.is_file():
        raise refuse("no-such-file", "there is no such file", loc=str(path))
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise refuse(
            "model-too-large", f"{size} bytes, at most {MAX_BYTES} are read", loc=path.name
        )
    return size


def _parse(path: Path, *, graph: bool = True) -> ModelProto:
    name, size = path.name, check_file(path)
    data = path.read_bytes()
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        if data[:1] == b"\x08":  # every model starts with the field of its version
            raise refuse(
                "truncated-model",
                f"the file ends in the middle of a field ({size} bytes)",
                loc=name,
                help="copy or export it again",
            ) from error
        raise refuse("not-onnx", "this is no ONNX model", loc=name) from error
    if not model.ir_version or (graph and not model.graph.node):
        raise refuse("not-onnx", "this is no ONNX model: it has no version or no nodes", loc=name)
    _check_count(model, path)
    return model


def _check_count(model: ModelProto, path: Path) -> None:
    """Refuse what would take long to look at, before anything looks at it."""
    count = sum(len(nodes) for _, nodes in islice(_bodies(model), MAX_NODES))
    if count > MAX_NODES:
        raise refuse(
            "model-too-large", f"{count} nodes, at most {MAX_NODES} are read", loc=path.name
        )


def _check_names(model: ModelProto, path: Path) -> None:
    """Refuse names that are not text; the format allows them, nothing after this does."""
    texts: list[Any] = [model.producer_name, model.producer_version, model.graph.name]
    texts += [v.name for v in (*model.graph.input, *model.graph.output)]
    texts += [tensor.name for tensor in tensors(model)]
    for node in nodes_of(model):
        texts += [node.name, node.op_type, node.domain, *node.input, *node.output]
        texts += [attribute.name for attribute in node.attribute]
    if not all(isinstance(text, str) for text in texts):
        raise _invalid(path, "a name in the model is not text")
    if (longest := max(map(len, texts))) > MAX_NAME:
        raise _invalid(path, f"a name has {longest} characters, at most {MAX_NAME} are read")


def _load_external_data(model: ModelProto, path: Path) -> None:
    budget = MAX_BYTES - path.stat().st_size
    for tensor in tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        data = _external_bytes(tensor, path, budget)
        budget -= len(data)
        tensor.raw_data = data
        tensor.ClearField("external_data")
        tensor.data_location = TensorProto.DEFAULT


def _external_bytes(tensor: TensorProto, path: Path, budget: int) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    file = _external_file(entries.get("location", ""), path)
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or -1)
    except ValueError as error:
        raise _invalid(path, f"external data of {tensor.name!r}: {error}") from error
    size = file.stat().st_size
    wanted = length if "length" in entries else size - offset
    if offset < 0 or wanted < 0 or offset + wanted > size:
        raise refuse(
            "external-data-missing",
            f"{tensor.name!r} needs bytes {offset}..{offset + wanted} of {file.name!r}, "
            f"which has {size}",
            loc=path.name,
        )
    if wanted > budget:
        raise refuse("model-too-large", f"more than {MAX_BYTES} bytes of weights", loc=path.name)
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(wanted)


def _external_file(location: str, path: Path) -> Path:
    """Return the file that holds weights; it must lie in the model's folder, links followed."""
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    outside = refuse(
        "external-data-outside",
        f"weights are read from {location[:200]!r}, outside the model's folder",
        loc=path.name,
        help="put the model and its data file into one folder, and export with a plain file name",
    )
    if not location or "\0" in location or ".." in (*posix.parts, *windows.parts):
        raise outside
    if posix.is_absolute() or windows.is_absolute() or windows.drive:
        raise outside
    folder = path.resolve().parent
    file = folder / location
    if not file.exists():
        raise refuse(
            "external-data-missing",
            f"the weights file {location[:200]!r} is not beside the model",
            loc=path.name,
        )
    if not file.is_file() or not file.resolve().is_relative_to(folder):
        raise outside
    return file


def tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every stored tensor: initializers and attributes, in subgraphs and functions too."""
    for graph, nodes in _bodies(model):
        if graph is not None:
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
        for attribute in (a for node in nodes for a in node.attribute):
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors


def nodes_of(model: ModelProto) -> Iterator[NodeProto]:
    """Yield every node, in subgraphs and functions too."""
    for _, nodes in _bodies(model):
        yield from nodes


def _bodies(model: ModelProto) -> Iterator[tuple[GraphProto | None, list[NodeProto]]]:
    waiting: list[tuple[GraphProto | None, list[NodeProto]]] = [
        (model.graph, list(model.graph.node)),
        *((None, list(function.node)) for function in model.functions),
    ]
    while waiting:
        graph, nodes = waiting.pop()
        yield graph, nodes
        inner = [g for node in nodes for a in node.attribute for g in (a.g, *a.graphs) if g.node]
        waiting.extend((g, list(g.node)) for g in inner)


def _check_structure(model: ModelProto, path: Path) -> None:
    if model.graph.sparse_initializer:
        raise refuse("unsupported-op", "sparse weights are not supported", loc=path.name)
    try:
        onnx.checker.check_model(with_stand_ins(model))
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()
        raise _invalid(path, first[0][:300] if first else "the model breaks ONNX rules") from error
    if problem := next(type_problems(model), ""):
        raise _invalid(path, problem[:300])


def _check_weights(model: ModelProto, path: Path) -> None:
    for tensor in model.graph.initializer:
        array = to_array(tensor, path)
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise refuse(
                "nan-weights",
                f"{tensor.name!r} holds {int(np.isnan(array).sum())} values that are no numbers",
                loc=path.name,
                help="training diverged, or the file is damaged",
            )


def to_array(tensor: TensorProto, path: Path) -> Array:
    """Return a stored tensor as an array, or refuse ``invalid-model``."""
    if min(tensor.dims, default=0) < 0 or math.prod(tensor.dims) > MAX_BYTES:
        raise _invalid(path, f"{tensor.name!r} has shape {list(tensor.dims)[:8]}")
    if (axes := len(tensor.dims)) > MAX_RANK:
        raise _invalid(path, f"{tensor.name!r} has {axes} axes, at most {MAX_RANK} are read")
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise _invalid(path, f"{tensor.name!r} cannot be read: {error}") from error


def _invalid(path: Path, message: str) -> Exception:
    return refuse("invalid-model", message, loc=path.name, help="export the model again")
