"""The text form of a graph: one op a line, short and stable, for people and golden tests."""

from collections.abc import Iterator
from dataclasses import fields

from mapper.diagnostics import printable
from mapper.ir.core import Coding, Const, Graph, Op, Part, Span, Value
from mapper.ir.frozen import is_default


def print_graph(graph: Graph) -> str:
    """Return the graph as text that ends with a newline."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield printable(f"graph {graph.name}")
    for value in graph.inputs:
        yield f"  input {print_value(value)}{_coding(graph.codings.get(value.name))}"
    for state in graph.states:
        start = "" if state.initial == 0 else f" from {_attribute(state.initial)}"
        returned = f" as {state.output}" if state.output else ""
        yield printable(f"  state {state.read} <- %{state.next}{start}{returned}")
    for op in graph.ops:
        yield f"  {print_op(op)}"
    for value in graph.outputs:
        yield f"  output {print_value(value)}{_coding(graph.codings.get(value.name))}"


def print_value(value: Value) -> str:
    return printable(str(value))


def print_op(op: Op) -> str:
    """Return ``%result: type[shape] = mnemonic(%operand) {attribute=value}``."""
    results = ", ".join(str(v) for v in op.results)
    operands = ", ".join(f"%{v.name}" for v in op.operands)
    attributes = ", ".join(_attributes(op))
    braces = f" {{{attributes}}}" if attributes else ""
    return printable(f"{results} = {op.mnemonic}({operands}){braces}")


def _attributes(part: Op | Part) -> Iterator[str]:
    for spec in fields(part):
        held = getattr(part, spec.name)
        if spec.name == "loc" or _is_value(held) or is_default(spec, held):
            continue
        yield f"{spec.name}={_attribute(held)}"


def _is_value(held: object) -> bool:
    items = held if isinstance(held, tuple) else (held,)
    return any(isinstance(item, Value) for item in items)


def _attribute(held: object) -> str:
    if isinstance(held, Part):
        return "{" + ", ".join(_attributes(held)) + "}"
    if isinstance(held, tuple) and held and all(isinstance(item, Span) for item in held):
        return _spans(held)
    if isinstance(held, tuple):
        return "(" + ", ".join(_attribute(item) for item in held) + ")"
    if isinstance(held, Const | str | Span):
        return str(held)
    return repr(held)


def _spans(spans: tuple[Span, ...]) -> str:
    """Print ``0:300/64`` for spans of one width, else each; a big grid stays one line."""
    size = len(spans[0])
    whole = Span(spans[0].start, spans[-1].stop)
    if len(spans) > 1 and whole.split(size) == spans:
        return f"{whole}/{size}"
    return " ".join(str(span) for span in spans)


def _coding(coding: Coding | None) -> str:
    if coding is None or coding == Coding():
        return ""
    return f" {{scale={_attribute(coding.scale)}, offset={_attribute(coding.offset)}}}"
