"""``Einsum`` of one or two tensors: sums over axes, and the matrix product that it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Form
from mapper.frontend.onnx.constants import Constant
from mapper.frontend.onnx.node import Node, Tensor
from mapper.frontend.onnx.pooling import summed_over
from mapper.frontend.onnx.shaping import turned
from mapper.frontend.onnx.tokens import product

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""For axes that ``...`` stands for; equations of exporters have small letters."""


@dataclass(frozen=True, slots=True)
class Equation:
    """The axes of every operand and of the result, a letter each."""

    operands: tuple[str, ...]
    result: str


def equation_of(text: str, ranks: Sequence[int]) -> Equation:
    """Read ``bhnd,bhmd->bhnm``, with ``...`` spelled out; raise ``ValueError`` where it is none.

    >>> equation_of("...nd, ...md -> ...nm", (3, 3))
    Equation(operands=('Znd', 'Zmd'), result='Znm')
    """
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"{text!r} has {len(terms)} operands, not {len(ranks)}")
    spelled = tuple(_spelled(term, rank) for term, rank in zip(terms, ranks, strict=True))
    widest = max(spelled, key=lambda term: sum(c in _LETTERS for c in term))
    more = "".join(c for c in widest if c in _LETTERS)
    if not arrow:
        every = "".join(spelled)
        right = "..." + "".join(sorted(c for c in set(every) - set(more) if every.count(c) == 1))
    found = Equation(spelled, right.replace("...", more))
    for term in (*found.operands, found.result):
        if len(set(term)) < len(term) or not term.isalpha():
            raise ValueError(f"{term!r} in {text!r} is no list of axes")
    if not set(found.result) <= set("".join(spelled)):
        raise ValueError(f"{text!r} has axes in its result alone")
    return found


def _spelled(term: str, rank: int) -> str:
    named = term.replace("...", "")
    more = rank - len(named)
    if more < 0 or more > len(_LETTERS) or (more and "..." not in term) or term.count("...") > 1:
        raise ValueError(f"{term!r} does not name {rank} axes")
    return term.replace("...", _LETTERS[len(_LETTERS) - more :] if more else "")


def einsum(node: Node) -> Form:
    """``Einsum``: axes that one operand alone has are added up first, then it is a product."""
    text = bytes(node.attribute("equation", b"")).decode("ascii", "replace")
    inputs = [tensor for tensor in node.inputs if tensor is not None]
    equation = equation_of(text, [len(tensor.shape) for tensor in inputs])
    if len(inputs) > 2:
        raise node.unsupported(f"{text!r} multiplies {len(inputs)} tensors, at most 2 are read")
    if len(inputs) == 1:
        (axes,) = equation.operands
        return _in_order(node, *_alone(node, node.form(0), axes, equation.result), equation.result)
    return _of_two(node, equation)


def _of_two(node: Node, equation: Equation) -> Form:
    """Return a product of matrices ``[batch, left, inner]`` and ``[batch, inner, right]``."""
    (a, first), (b, second) = (
        _needed(node, index, axes, equation) for index, axes in enumerate(equation.operands)
    )
    batch = [c for c in equation.result if c in first and c in second]
    left = [c for c in equation.result if c in first and c not in second]
    right = [c for c in equation.result if c not in first]
    inner = [c for c in first if c in second and c not in equation.result]
    sizes, others = (dict(zip(x, t.shape, strict=True)) for x, t in ((first, a), (second, b)))
    if unlike := [c for c in first if others.get(c, sizes[c]) != sizes[c]]:
        sides = f"{sizes[unlike[0]]} elements on one side and {others[unlike[0]]} on the other"
        raise node.unsupported(f"axis {unlike[0]!r} has {sides}")
    sizes |= others

    def shaped(tensor: Tensor, axes: str, *groups: list[str]) -> Tensor:
        order = tuple(axes.index(c) for group in (batch, *groups) for c in group)
        shape = (*(sizes[c] for c in batch), *(prod(sizes[c] for c in group) for group in groups))
        if isinstance(tensor, Constant):
            array = np.ascontiguousarray(tensor.array.transpose(order)).reshape(shape)
            return Constant(array=array, name=tensor.name)
        lead = () if batch else (1,)
        return forms.reshape(turned(node, tensor, order), (*lead, *shape))

    factors = (shaped(a, first, left, inner), shaped(b, second, inner, right))
    found = product(replace(node, inputs=factors))
    axes = "".join([*batch, *left, *right])
    return _in_order(
        node, forms.reshape(found, tuple(sizes[c] for c in axes)), axes, equation.result
    )


def _needed(node: Node, index: int, axes: str, equation: Equation) -> tuple[Tensor, str]:
    """Return an operand without the axes that nothing else has, and the axes left."""
    tensor, others = node.inputs[index], equation.operands[1 - index] + equation.result
    if all(c in others for c in axes) and tensor is not None:
        return tensor, axes
    return _alone(node, node.form(index), axes, others)


def _alone(node: Node, x: Form, axes: str, kept: str) -> tuple[Form, str]:
    """Return the sum of a tensor over the axes that are not kept."""
    gone = tuple(k for k, c in enumerate(axes) if c not in kept)
    left = "".join(c for c in axes if c in kept)
    return (summed_over(node, x, gone) if gone else x), left


def _in_order(node: Node, x: Form, axes: str, wanted: str) -> Form:
    return turned(node, x, tuple(axes.index(c) for c in wanted))
