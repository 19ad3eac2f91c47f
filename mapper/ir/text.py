"""The text form of a graph, line by line: short and stable, for people and for tests.

``Graph.text`` puts the lines together, ``mapper.ir.parse`` reads them back; ``docs/ir.md`` has the
grammar.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from mapper.ir.assignment import FOR_ALL, Assignment, Choice
from mapper.ir.frozen import exactly, is_default
from mapper.ir.literals import DTYPES
from mapper.ir.tokens import quoted_name, quoted_text
from mapper.ir.values import Array, Coding, Const, Op, Part, Span, State, Value, holds_values


def print_port(value: Value, coding: Coding | None) -> str:
    """Return ``%name: type[shape] {scale=number, offset=number}``; no braces without a coding."""
    if coding is None:
        return str(value)
    return f"{value} {{scale={_attribute(coding.scale)}, offset={_attribute(coding.offset)}}}"


def print_assignment(assignment: Assignment) -> Iterator[str]:
    """Yield what is decided: ``layers {weight_bits=4}`` for all, ``layer name {...}`` for one."""
    all_layers = {name: getattr(assignment, name) for name in FOR_ALL}
    if decided := [f"{name}={held}" for name, held in all_layers.items() if held is not None]:
        yield f"layers {{{', '.join(decided)}}}"
    for name, choice in assignment.layers.items():
        attributes = ", ".join(_attributes(choice))
        yield f"layer {quoted_text(name)}" + (f" {{{attributes}}}" if attributes else "")


def print_state(state: State) -> str:
    """Return ``state %read: type[shape] <- %next from start as returned``; a start of 0 is none."""
    start = "" if exactly(state.initial, 0) else f" from {_attribute(state.initial)}"
    returned = f" as {quoted_text(state.output)}" if state.output else ""
    return f"state {state.read} <- %{quoted_name(state.next)}{start}{returned}"


def print_op(op: Op) -> str:
    """Return ``%result: type[shape] = mnemonic(%operand) {attribute=value} at source``.

    A result or operand that the op does not have is ``_``, and left out at the end.
    """
    held = [spec for spec in fields(op) if holds_values(spec)]
    results = _values(getattr(op, spec.name) for spec in held if spec.name in op.RESULTS)
    operands = _values(getattr(op, spec.name) for spec in held if spec.name not in op.RESULTS)
    written = ", ".join("_" if value is None else str(value) for value in results)
    read = ", ".join("_" if value is None else f"%{quoted_name(value.name)}" for value in operands)
    attributes = ", ".join(_attributes(op))
    braces = f" {{{attributes}}}" if attributes else ""
    source = f" at {quoted_text(op.loc)}" if op.loc else ""
    return f"{written} = {op.mnemonic}({read}){braces}{source}"


def _values(held: Iterable[Any]) -> list[Value | None]:
    """Return values in the order of their fields; those missing at the end are left out."""
    values = [value for item in held for value in (item if isinstance(item, tuple) else (item,))]
    while values and values[-1] is None:
        values.pop()
    return values


def _attributes(part: Op | Part | Choice) -> Iterator[str]:
    for spec in fields(part):
        held = getattr(part, spec.name)
        if spec.name != "loc" and not holds_values(spec) and not is_default(spec, held):
            yield f"{spec.name}={_attribute(held)}"


def _attribute(held: object) -> str:
    if isinstance(held, Part):
        return "{" + ", ".join(_attributes(held)) + "}"
    if isinstance(held, tuple) and held and all(isinstance(item, Span) for item in held):
        return f"[{_spans(held)}]"
    if isinstance(held, tuple):
        return "(" + ", ".join(_attribute(item) for item in held) + ")"
    if isinstance(held, str):
        return quoted_text(held)
    if isinstance(held, float):
        return float.__repr__(held)
    return str(held) if isinstance(held, Const | Span) else repr(held)


def _spans(spans: tuple[Span, ...]) -> str:
    """Print ``0:300 by 64`` for spans of one width, else each; a big grid stays one line."""
    size = spans[0].stop - spans[0].start
    whole = Span(spans[0].start, spans[-1].stop)
    many = len(spans) > 1 and size > 0 and -((whole.start - whole.stop) // size) == len(spans)
    if many and whole.split(size) == spans:  # of broken spans there might be any number
        return f"{whole} by {size}"
    return " ".join(str(span) for span in spans)


def print_constant(name: str, array: Array, most: int) -> str:
    """Return ``constant @name: type[shape] = numbers``, without numbers if they are more."""
    shape = ",".join(map(str, array.shape))
    declared = f"constant {Const(name)}: {array.dtype.name}[{shape}]"
    written = array.size <= most and DTYPES.get(array.dtype.name) == array.dtype
    return f"{declared} = {_numbers(array)}" if written else declared


def _numbers(array: Array) -> str:
    if array.ndim:
        return "[" + ", ".join(map(_numbers, array)) + "]"
    return str(int(array)) if array.dtype.kind in "iu" else _shortest(array)


def _shortest(array: Array) -> str:
    """Write a float in as few digits as give its bits again, read in double precision first."""
    number = array[()]
    short = f"{number!s}"
    return short if exactly(array.dtype.type(float(short)), number) else repr(float(number))
