"""Give a model bodies for operators of its user's own: functions that another file defines.

The result is an ordinary model with functions of its own, which is read as any other.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx.defs
from onnx import FunctionProto, ModelProto, NodeProto, helper

from mapper.arguments import PATH, Takes, check_arguments
from mapper.diagnostics import MappingError, refuse
from mapper.frontend.onnx.inline import Key, called, key_of, nested, shown
from mapper.frontend.onnx.load import nodes_of, read_definitions, read_stored

_TAKES = {
    "model": Takes(words="a model or the path of one", types=(str, os.PathLike, ModelProto)),
    "functions": PATH,
}
_STANDARD = ("", "ai.onnx")


def with_functions(model: ModelProto | Path | str, functions: Path | str) -> ModelProto:
    """Return a model whose operators of other domains have the bodies that a file defines.

    Args:
        model: A model, or the path of an ONNX file.
        functions: The path of an ONNX file with functions; it needs no graph.

    Raises:
        MappingError: ``bad-functions`` where the file defines nothing that the model needs, or
            what it must not, ``bad-argument``, and what reading the files raises.

    Example:
        >>> model = mapper.with_functions("net.onnx", "neurons.onnx")
        >>> build = mapper.compile(model, "adcless-64")
    """
    check_arguments(_TAKES, {"model": model, "functions": functions}, {})
    path = Path(functions)
    linked = ModelProto()
    linked.CopyFrom(model if isinstance(model, ModelProto) else read_stored(Path(model)))
    known = _defined(read_definitions(path), linked, path)
    needed = list(_needed(linked, known))
    if not needed:
        names = ", ".join(sorted(map(shown, known)))
        raise _bad(path, f"the model has no operator that it defines: {names[:200]}")
    for function in needed:
        _fit(function, linked, path)
        linked.functions.append(function)
    return linked


def _defined(file: ModelProto, model: ModelProto, path: Path) -> dict[Key, FunctionProto]:
    """Return the functions of a file by what they are called by."""
    own = set(map(key_of, model.functions))
    found: dict[Key, FunctionProto] = {}
    for function in file.functions:
        key, domain = key_of(function), function.domain
        if onnx.defs.has(function.name, "" if domain in _STANDARD else domain):
            name = function.name if domain in _STANDARD else shown(key)
            raise _bad(path, f"{name} is an operator of ONNX, which has its own meaning")
        if key in found or key in own:
            again = ", the model has it, too" * (key in own)
            raise _bad(path, f"{shown(key)} is defined twice{again}")
        found[key] = function
    if not found:
        raise _bad(path, "it defines no function")
    return found


def _needed(model: ModelProto, known: Mapping[Key, FunctionProto]) -> Iterator[FunctionProto]:
    """Yield the functions that a model calls, and those that these call, each once."""
    waiting, seen = list(nodes_of(model)), set[Key]()
    while waiting:
        node = waiting.pop()
        key = called(node)
        if key in known and key not in seen:
            seen.add(key)
            yield known[key]
            waiting += nested(list(known[key].node))


def _fit(function: FunctionProto, model: ModelProto, path: Path) -> None:
    """Bring a function to the model's version of the standard operators, where they are alike."""
    versions = {o.domain: o.version for o in model.opset_import}
    theirs = next((versions[d] for d in _STANDARD if d in versions), 1)
    nodes, name = nested(list(function.node)), shown(key_of(function))
    domains = {held.domain for held in function.opset_import}
    if domains.isdisjoint(_STANDARD) and any(node.domain in _STANDARD for node in nodes):
        raise _bad(path, f"{name} does not say of which opset its operators are")
    for held in function.opset_import:
        if held.domain not in _STANDARD:
            if held.domain not in versions:
                model.opset_import.append(helper.make_opsetid(held.domain, held.version))
                versions[held.domain] = held.version
            if versions[held.domain] != held.version:
                raise _bad(
                    path,
                    f"{name} is of version {held.version} of {held.domain!r}, the model or another "
                    f"function of {versions[held.domain]}",
                )
            continue
        for node in nodes:
            if _since(node, held.version) != _since(node, theirs):
                raise _bad(
                    path,
                    f"{name} is of opset {held.version}, the model of "
                    f"{theirs}: {node.op_type} is not the same in both",
                )
        held.version = theirs


def _since(node: NodeProto, version: int) -> int:
    """Return the version that defined a standard operator as a version has it; 0 for others."""
    if node.domain not in _STANDARD:
        return 0
    try:
        return int(onnx.defs.get_schema(node.op_type, version, "").since_version)
    except onnx.defs.SchemaError:
        return 0


def _bad(path: Path, message: str) -> MappingError:
    return refuse(
        "bad-functions",
        message,
        loc=path.name,
        help="give an ONNX file whose functions are the bodies of the model's own operators",
    )
