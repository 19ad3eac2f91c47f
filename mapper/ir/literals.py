"""What stands in a line of the text form: attributes, values, shapes and arrays of numbers.

Attributes become the plain data of the file form, which ``mapper.ir.serialize.load`` takes.
Nothing is allocated that the text does not spell out, but for spans, which are counted.
"""

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from mapper.ir.tokens import CONSTANT_WORDS, Line, Token

DTYPES = {
    name: np.dtype(name)
    for name in (
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    )
}
"""The types of constants that text can write out, by name."""

_MOST_SPANS = 1 << 20
"""Of a whole graph: ``[0:1000000000 by 1]`` is short to write and long to hold."""
_DEEPEST = 32
"""Braces, brackets and parentheses inside each other."""
_INTEGER = re.compile(r"-?[0-9]+")
_SIZE = re.compile(r"[0-9]{1,18}")


class Literals:
    """Reads values of attributes; one for a graph, as it counts spans."""

    def __init__(self) -> None:
        self._spans = 0

    def pairs(self, line: Line, depth: int = 1) -> dict[str, tuple[Any, Token]]:
        """Read ``{name=value, ...}``: the value of each name, and where the name stands."""
        found: dict[str, tuple[Any, Token]] = {}
        line.take("mark", "{")
        while not line.taken("mark", "}"):
            if found:
                line.take("mark", ",")
            at = line.ahead
            name = line.take("word", what="the name of an attribute")
            if name in found:
                raise line.problem(f"{name!r} is given twice", at)
            if name == "const":  # which in the file form is a constant, written @name here
                raise line.problem("no attribute is called 'const'", at)
            line.take("mark", "=")
            found[name] = (self.value(line, depth), at)
        return found

    def data(self, line: Line, depth: int = 1) -> dict[str, Any]:
        """Read ``{name=value, ...}`` as plain data."""
        return {name: value for name, (value, _) in self.pairs(line, depth).items()}

    def value(self, line: Line, depth: int = 1) -> Any:
        """Read a number, word, string, constant, span, or a group of these."""
        token = line.ahead
        if depth > _DEEPEST:
            raise line.problem(f"more than {_DEEPEST} braces or parentheses inside each other")
        if token.kind == "mark" and token.text in "{([":
            return self._group(line, depth + 1)
        if token.kind == "number":
            number = _number(line)
            if line.ahead.text != ":":
                return number
            return dict(zip(("start", "stop"), _ends(line, number), strict=True))
        if token.kind == "const":
            return {"const": line.take("const")}
        if token.kind == "string":
            return line.take("string")
        word = line.take("word", what="a value")
        return CONSTANT_WORDS.get(word, word)

    def _group(self, line: Line, depth: int) -> Any:
        match line.ahead.text:
            case "{":
                return self.data(line, depth)
            case "(":
                return self._tuple(line, depth)
            case _:
                return self._spans_of(line)

    def _tuple(self, line: Line, depth: int) -> list[Any]:
        found: list[Any] = []
        line.take("mark", "(")
        while not line.taken("mark", ")"):
            if found:
                line.take("mark", ",")
            found.append(self.value(line, depth))
        return found

    def _spans_of(self, line: Line) -> list[dict[str, int]]:
        found: list[dict[str, int]] = []
        line.take("mark", "[")
        while not line.taken("mark", "]"):
            at = line.ahead
            start, stop = _ends(line, _number(line))
            step = _whole(line) if line.taken("word", "by") else max(1, stop - start)
            if step < 1:
                raise line.problem(f"spans of {step}", at)
            count = max(1, -((start - stop) // step))
            self._spans += count
            if self._spans > _MOST_SPANS:
                raise line.problem(f"more than {_MOST_SPANS} spans in a graph", at)
            starts = range(start, start + count * step, step)
            found += [{"start": s, "stop": min(s + step, stop)} for s in starts]
        return found


def _ends(line: Line, start: Any) -> tuple[int, int]:
    if type(start) is not int:
        raise line.problem(f"a span starts at a whole number, got {start}")
    line.take("mark", ":")
    return start, _whole(line)


def _number(line: Line) -> int | float:
    text = line.take("number")
    return int(text) if _INTEGER.fullmatch(text) else float(text)


def _whole(line: Line) -> int:
    at, number = line.ahead, _number(line)
    if not isinstance(number, int):
        raise line.problem(f"expected a whole number, got {at}", at)
    return number


def typed_shape(line: Line) -> tuple[str, tuple[int, ...]]:
    """Read ``i8[2,3]``: a type by name, and a shape."""
    at = line.ahead
    name, _, inside = line.take("type", what="a type with a shape").rstrip("]").partition("[")
    sizes = inside.split(",") if inside else []
    if not all(_SIZE.fullmatch(size) for size in sizes) or len(sizes) > _DEEPEST:
        raise line.problem(f"[{inside:.60}] is no shape", at)
    return name, tuple(map(int, sizes))


def array_of(line: Line, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Read numbers in brackets within brackets, as many as the shape says."""
    at, found = line.ahead, np.array(list(_numbers(line, dtype, shape)), dtype)
    try:
        return found.reshape(shape)
    except ValueError as error:  # of no elements, and of more along another axis than there can be
        raise line.problem(str(error), at) from error


def _numbers(line: Line, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Iterator[Any]:
    if not shape:
        yield _element(line, dtype)
        return
    line.take("mark", "[")
    for i in range(shape[0]):
        if i:
            line.take("mark", ",")
        yield from _numbers(line, dtype, shape[1:])
    line.take("mark", "]")


def _element(line: Line, dtype: np.dtype[Any]) -> Any:
    at, number = line.ahead, _number(line)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            element = dtype.type(number)
        fits = np.isfinite(element) or not isfinite(number)
    else:
        limits = np.iinfo(dtype)
        fits = isinstance(number, int) and limits.min <= number <= limits.max
        element = number
    if not fits:
        raise line.problem(f"{at} is no {dtype}", at)
    return element
