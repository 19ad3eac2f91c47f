"""How far the rounding of single precision may take a result, from the terms it is the sum of.

Between two comparisons all that a network computes is sums of products. Whoever evaluates one, in
whatever order, computes ``sum(term * (1 + d1) * ... * (1 + dk))`` with ``|d| <= u``, where ``k`` is
how many roundings a term passes. It is off by at most ``gamma(k) * sum(|term|)`` with
``gamma(k) = k u / (1 - k u)`` (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
SIAM 2002, lemma 3.1 and section 4.2). Adding a term that is 0 is exact, so a layer has as many
roundings as it has active inputs. ``k`` counts the roundings of both sides of a comparison.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from mapper.ir.core import FLOAT, Array, Constants, Op, Scalar, param
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.leaks import LeakRounding
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Move,
    Scale,
    SumPool2d,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse, group_products
from mapper.ir.tables import OpTable
from mapper.ir.windows import Window, sliding, wordline_inputs

UNIT = 2.0**-24
"""Unit roundoff of single precision, to nearest."""
TINY = 2.0**-126
"""The least normal number: what an operation may lose where a processor flushes to zero."""
OWN = 8
"""Roundings a term passes in one op besides those of its sum: a product in each engine, the sum
rounded, and a parameter that a file computes from others. Batch norm takes most: it adds epsilon,
takes a root, divides, multiplies; ours is rounded once."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a value ``[B, *shape]`` is the sum of."""

    magnitude: Array
    """The magnitudes of all terms, added up: ``[B, *shape]`` in double precision."""
    roundings: Array
    """How many roundings a term has passed at most; broadcasts to ``magnitude``."""

    @classmethod
    def exact(cls, array: Array) -> "Terms":
        """Return those of a number that both sides have."""
        return cls(np.abs(array.astype(np.float64)), np.zeros(()))

    @property
    def bound(self) -> Array:
        """How far two evaluations may lie apart, ``[B, *shape]``, in units of the value."""
        k = self.roundings
        return np.asarray(k * UNIT / (1 - k * UNIT) * self.magnitude + k * TINY)

    def beside(self, array: Array) -> "Terms":
        """Return the terms of a difference to a parameter, which is rounded as all are."""
        return Terms(self.magnitude + np.abs(array.astype(np.float64)), self.roundings + OWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What an op reads, and what is known of it."""

    constants: Constants
    operands: tuple[Array, ...]
    terms: tuple[Terms, ...]
    """By operand."""
    offset_terms: Array | None = None
    """Of an offset that was folded; see ``mapper.frontend.onnx.located.Located``."""

    def size(self, scalar: Scalar) -> Array:
        """Return the magnitude of a parameter."""
        return np.abs(param(self.constants, scalar, FLOAT).astype(np.float64))

    @property
    def most(self) -> Array:
        """The roundings of the operand that has passed most."""
        return np.asarray(max(float(t.roundings.max(initial=0)) for t in self.terms))

    @property
    def most_here(self) -> Array:
        """The same element by element, for operands of one shape."""
        return np.asarray(reduce(np.maximum, (t.roundings for t in self.terms)))


def terms_of(op: Op, given: Given) -> tuple[Terms, ...]:
    """Return the terms of every result of an op that is a number; a neuron's before its reset.

    Raises:
        LookupError: The op is of integers, which need no bound.
    """
    rule = ROUNDED.entry(type(op))
    if rule is None:
        raise LookupError(f"{op.mnemonic}: {ROUNDED.reason(type(op))}")
    return rule(op, given)


def _synapse(op: Synapse, given: Given) -> tuple[Terms, ...]:
    matrix = np.abs(op.matrix(given.constants[op.weight.name]).astype(np.float64))
    inputs = wordline_inputs(given.terms[0].magnitude, op.window, op.group_count)
    total = group_products(inputs, matrix, FLOAT)
    active = group_products(inputs != 0, matrix != 0, FLOAT)
    if op.bias is not None:
        column = (-1,) + (1,) * (total.ndim - 2)
        total = total + given.size(op.bias).reshape(column)
        active = active + 1
    return (Terms(total, given.most + active + OWN),)


def _scale(op: Scale, given: Given) -> tuple[Terms, ...]:
    (x,) = given.terms
    offset = given.size(op.offset) if given.offset_terms is None else given.offset_terms
    return (Terms(x.magnitude * given.size(op.factor) + offset, x.roundings + OWN),)


def _add(op: Add, given: Given) -> tuple[Terms, ...]:
    total = sum((t.magnitude for t in given.terms), np.zeros(()))
    return (Terms(total, given.most_here + len(given.terms) + OWN),)


def _multiply(op: Multiply, given: Given) -> tuple[Terms, ...]:
    """A product passes what both its factors have passed."""
    a, b = given.terms
    return (Terms(a.magnitude * b.magnitude, a.roundings + b.roundings + OWN),)


def _matmul(op: MatMul, given: Given) -> tuple[Terms, ...]:
    a, b = given.terms
    total = np.matmul(a.magnitude, b.magnitude)
    active = np.matmul(*((t.magnitude != 0).astype(np.float64) for t in given.terms))
    return (Terms(total, 2 * given.most + active + OWN),)


def _sum_pool(op: SumPool2d, given: Given) -> tuple[Terms, ...]:
    total = _windows(given, op.window).sum(axis=(4, 5))
    return (Terms(total, given.most + prod(op.window.kernel) + OWN),)


def _mean_pool(op: AvgPool2d, given: Given) -> tuple[Terms, ...]:
    mean = _windows(given, op.window).mean(axis=(4, 5))
    return (Terms(mean, given.most + prod(op.window.kernel) + OWN),)


def _max_pool(op: MaxPool2d, given: Given) -> tuple[Terms, ...]:
    """The greatest of some numbers is off by no more than the worst of them."""
    return (Terms(_windows(given, op.window).max(axis=(4, 5)), given.most),)


def _windows(given: Given, window: Window) -> Array:
    return sliding(given.terms[0].magnitude, window)


def _grid(op: FakeQuantize, given: Given) -> tuple[Terms, ...]:
    """Where rounding may take a number over the middle between two codes, it is off by a step."""
    (x,), step = given.terms, given.size(op.step)
    codes = given.operands[0].astype(np.float64) / step
    middle = np.abs(codes - np.floor(codes) - 0.5)
    reach = Terms(x.magnitude / step, x.roundings + OWN).bound
    off = np.where(middle <= reach, step, 0.0)
    (result,) = op.evaluate(given.constants, *given.operands)
    return (Terms(np.abs(result.astype(np.float64)) + off / UNIT, np.asarray(float(OWN))),)


def _move(op: Move, given: Given) -> tuple[Terms, ...]:
    (x,) = given.terms
    return (Terms(op.moved(x.magnitude), given.most),)


def _concat(op: Concat, given: Given) -> tuple[Terms, ...]:
    joined = np.concatenate([t.magnitude for t in given.terms], axis=op.axis + 1)
    return (Terms(joined, given.most),)


def _neuron(op: Neuron, given: Given) -> tuple[Terms, ...]:
    """Return the terms of the membrane before this step's reset, and of the current.

    A leak may be written as ``v - v / tau``, so what a membrane adds is at most
    ``1 + |1 - leak|`` times its own; so with the current's.
    """
    held = {value.name: t for value, t in zip(op.operands, given.terms, strict=True)}
    x, v = held[op.x.name], held[op.membrane.name]
    total = given.size(op.gain) * x.magnitude + given.size(op.bias)
    turned = _edge(op.leak_rounding, op.leak, given, 1, v)
    total = total + _leaked(op.leak, given) * v.magnitude + turned / UNIT
    if op.reset.phase != "same":  # taken of the membrane before this step's comparison
        total = total + given.size(op.reset.amount)
    roundings = given.most_here + 2 * OWN
    if op.current is None:
        return (Terms(total, roundings),)
    current = held[op.current.name].magnitude
    total = total + given.size(op.current_gain) * current
    fed = given.size(op.current_input) * x.magnitude + _leaked(op.current_leak, given) * current
    if op.current_rounding.unit:
        turned = _edge(op.current_rounding, op.current_leak, given, 2, held[op.current.name])
        total, fed = total + given.size(op.gain) * turned / UNIT, fed + turned / UNIT
    return (Terms(total, roundings), Terms(fed, roundings))


def _edge(how: LeakRounding, leak: Scalar, given: Given, place: int, v: Terms) -> Array:
    """Return a unit where rounding may take a state's leak over the edge to the next, else 0."""
    if not how.unit:
        return np.zeros(())
    steps = how.steps(param(given.constants, leak, FLOAT), given.operands[place])
    reach = Terms(np.abs(steps), v.roundings + OWN).bound
    edge = steps - 0.5 if how.rounding == "nearest" else steps
    apart = np.abs(edge - np.rint(edge))
    return np.where((apart <= reach) & (apart > 0), how.unit, 0.0)


def _leaked(leak: Scalar, given: Given) -> Array:
    lost = 1.0 - param(given.constants, leak, FLOAT).astype(np.float64)
    return np.asarray(1.0 + np.abs(lost))


ROUNDED: OpTable[Callable[[Any, Given], tuple[Terms, ...]]] = OpTable(
    what="roundings",
    entries={
        Add: _add,
        AvgPool2d: _mean_pool,
        Concat: _concat,
        FakeQuantize: _grid,
        MatMul: _matmul,
        MaxPool2d: _max_pool,
        Move: _move,
        Multiply: _multiply,
        Neuron: _neuron,
        Scale: _scale,
        SumPool2d: _sum_pool,
        Synapse: _synapse,
    },
    without={
        AdcRead: "it gives codes, which are integers",
        CountActive: "it gives integers",
        CrossbarMvm: "it gives integers",
        IntegerNeuron: "it gives integers",
        Merge: "it gives spikes",
        ScaledAdd: "it gives integers",
        SenseAmpRead: "it gives codes, which are integers",
        ShiftAndAdd: "it gives integers",
    },
)
