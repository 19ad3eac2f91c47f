"""Replace calls of functions that a model defines for itself by their bodies."""

import re
from collections import Counter
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import onnx.checker
import onnx.defs
import onnx.inliner
from onnx import FunctionProto, ModelProto, NodeProto

from mapper.diagnostics import refuse
from mapper.exchange.canonical.bare import with_stand_ins
from mapper.frontend.onnx.operators import UNKNOWN, operator_of
from mapper.frontend.onnx.refusals import QDQ_HELP

MAX_NODES = 200_000
"""After inlining; functions that call functions can multiply without end."""
MAX_HELD = 1 << 30
"""Bytes of all bodies after inlining: constants in them, and values of attributes."""

FUSED = re.compile("QLinear|QGemm|QAttention|(Conv|MatMul)Integer|DynamicQuantize")
"""How the names of integer operators begin that engines add to the standard."""
_SPELL_OUT = (
    "export the neuron as ordinary operators, or give a file with the body of its own one: "
    "--functions FILE.onnx (in Python mapper.with_functions)"
)

Key = tuple[str, str, str]
"""Domain, name and overload: what a function is called by."""
_PLACE = re.compile(r"\S+\.(?:cc|h):\d+: (?:.* failed: )?")
"""Where in another's source something was found."""


def inline_functions(model: ModelProto, path: Path) -> ModelProto:
    """Return the model without functions; refuse recursion and undefined operators."""
    functions = {key_of(f): f for f in model.functions}
    _check_calls(model, functions, path)
    if functions:
        try:
            inlined = onnx.inliner.inline_local_functions(_with_defaults(model, functions))
        except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
            raise refuse(
                "invalid-model",
                f"a function cannot be inlined: {_PLACE.sub('', str(error))}",
                loc=path.name,
            ) from error
        del inlined.graph.initializer[:]
        inlined.graph.initializer.extend(model.graph.initializer)
        model = inlined
    for index, node in enumerate(nested(list(model.graph.node))):
        _check_known(node, index, path)
    return model


def _with_defaults(model: ModelProto, functions: Mapping[Key, FunctionProto]) -> ModelProto:
    """Return a copy whose calls give every attribute that their function has a default for.

    The inliner of ONNX takes such an attribute for one that is not there.
    """
    copy = with_stand_ins(model)
    for node in nested([*copy.graph.node, *(n for f in copy.functions for n in f.node)]):
        if (function := functions.get(called(node))) is not None:
            given = {attribute.name for attribute in node.attribute}
            node.attribute.extend(a for a in function.attribute_proto if a.name not in given)
    return copy


def _check_calls(model: ModelProto, functions: dict[Key, FunctionProto], path: Path) -> None:
    calls = {key: Counter(map(called, nested(list(f.node)))) for key, f in functions.items()}
    graph = {key: set(callees) & set(calls) for key, callees in calls.items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise refuse("invalid-model", "a function calls itself", loc=path.name) from error
    _check_growth(model, functions, {key: calls[key] for key in order}, path)
    for node in nested([*model.graph.node, *(n for f in functions.values() for n in f.node)]):
        if (function := functions.get(called(node))) is not None:
            _check_call(node, function, path)


def _check_growth(
    model: ModelProto,
    functions: Mapping[Key, FunctionProto],
    calls: Mapping[Key, Counter[Key]],
    path: Path,
) -> None:
    """Refuse functions that grow too far; ``calls`` has each behind those that it calls."""
    sizes: dict[Key, int] = {}
    held: dict[Key, int] = {}  # by a body with all in it
    for key, callees in calls.items():
        sizes[key] = sum(times * sizes.get(callee, 1) for callee, times in callees.items())
        inside = sum(times * held.get(callee, 0) for callee, times in callees.items())
        held[key] = functions[key].ByteSize() + inside
    outside = [called(node) for node in nested(list(model.graph.node))]
    for what, total, most in (
        ("nodes", sum(sizes.get(key, 1) for key in outside), MAX_NODES),
        ("bytes in bodies of functions", sum(held.get(key, 0) for key in outside), MAX_HELD),
    ):
        if total > most:
            raise refuse(
                "model-too-large", f"{total} {what}, at most {most} are read", loc=path.name
            )


def _check_call(node: NodeProto, function: FunctionProto, path: Path) -> None:
    for what, given, has in (
        ("inputs", node.input, function.input),
        ("results", node.output, function.output),
    ):
        if len(given) > len(has):
            raise refuse(
                "invalid-model",
                f"{shown(called(node))} is called with {len(given)} {what}, it has {len(has)}",
                loc=f"{path.name}:{node.name}" if node.name else path.name,
            )


def key_of(function: FunctionProto) -> Key:
    """Return what calls a function."""
    return function.domain, function.name, function.overload


def called(node: NodeProto) -> Key:
    """Return what a node calls, if that is a function."""
    return node.domain, node.op_type, node.overload


def shown(key: Key) -> str:
    """Return the name of a function as messages have it."""
    domain, name, overload = key
    return f"{domain}::{name}:{overload}" if overload else f"{domain}::{name}"


def nested(nodes: list[NodeProto]) -> list[NodeProto]:
    """Return nodes with those of their subgraphs."""
    found: list[NodeProto] = []
    waiting = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        found.append(node)
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting.extend(graph.node)
    return found


def _check_known(node: NodeProto, index: int, path: Path) -> None:
    domain = "" if node.domain == "ai.onnx" else node.domain
    if operator_of(node) is not UNKNOWN or (not domain and onnx.defs.has(node.op_type, "")):
        return
    shown = f"{domain}::{node.op_type}" if domain else node.op_type
    place = node.name or f"#{index} ({node.op_type})"
    raise refuse(
        "unknown-op",
        f"the operator {shown[:200]!r} is not part of ONNX, and the file does not define it",
        loc=f"{path.name}:{place}",
        help=QDQ_HELP if FUSED.match(node.op_type) else _SPELL_OUT,
    )
