"""What every field of a graph may hold: one closed table, asked before anything is made of a field.

A field of an op that holds numbers (itself, in a tuple, in a part or in a constant) stands in
``RANGES`` with its range; values, words and switches need no entry, as their types say what they
may be. ``tests/ir/test_ranges.py`` holds the table against every field of every op class. Rules
that tie fields to each other are in ``Op.verify``, which may assume these.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from math import isfinite, prod
from numbers import Integral, Real
from typing import Any

import numpy as np

from mapper.ir.core import Const, Constants, IntType, Op, Span, State, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.levels import MOST_SPIKES
from mapper.ir.limits import (
    MOST_AXES,
    MOST_BITS,
    MOST_CELL_BITS,
    MOST_FACTOR,
    MOST_FRACTION,
    MOST_LEVELS,
    MOST_PLANE,
    MOST_PLANE_BITS,
    MOST_REAL,
    MOST_SIDE,
    MOST_SUMS,
    MOST_TERMS,
    MOST_WHOLE,
)
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
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear
from mapper.ir.tables import OpTable


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of ``low..high``, or a constant of them."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Reals:
    """A finite number of ``low..high``, or a constant of them."""

    low: float = -MOST_REAL
    high: float = MOST_REAL


@dataclass(frozen=True, slots=True)
class Many:
    """So many of something."""

    each: "Rule"
    least: int = 0
    most: int = MOST_TERMS


@dataclass(frozen=True, slots=True)
class Inside:
    """The fields of a part; those that it does not name hold words and switches."""

    fields: "Mapping[str, Rule]"


Rule = Whole | Reals | Many | Inside

_COUNT = Whole(1, MOST_SIDE)
_INDEX = Whole(0, MOST_SIDE)
_AXIS = Whole(0, MOST_AXES - 1)
_PARAMETER = Whole(-MOST_WHOLE, MOST_WHOLE)
_FACTOR = Whole(-MOST_FACTOR, MOST_FACTOR)
_CODE = Whole(-(1 << 31), (1 << 31) - 1)  # a grid of 32 bits, as biases have
_SHIFT = Whole(0, 30)
_REAL = Reals()

_PAIR = Many(_COUNT, 2, 2)
_SIDES = Many(Whole(-MOST_SIDE, MOST_SIDE), 4, 4)
_SPAN = Inside({"start": _INDEX, "stop": _INDEX})
_SPANS = Many(_SPAN, 1, MOST_SIDE)
_OPERANDS = Many(Inside({}), 1)
_GEOMETRY = {"kernel": _PAIR, "stride": _PAIR, "padding": _SIDES, "dilation": _PAIR}
_WINDOW = Inside({**_GEOMETRY, "stuffing": _PAIR})
_DECAY = Inside({"shift": _SHIFT, "multiplier": _PARAMETER})
_CELL: Mapping[str, Rule] = {
    "cell_bits": Whole(1, MOST_CELL_BITS),
    "cell_levels": Whole(0, 1 << MOST_CELL_BITS),
}
_NOISE: Mapping[str, Rule] = {"noise": _CODE, "stream": _INDEX}
_ENCODING = Inside({"weight_bits": Whole(1, 16), **_CELL})
_PLANE_BITS = Whole(1, MOST_PLANE_BITS)
_PLACE = Whole(0, MOST_FACTOR)
_PLACEMENT = Inside(
    {
        "round": _PLACE,
        "copies": Whole(1, MOST_FACTOR),
        "slots": Inside({"start": _PLACE, "stop": _PLACE}),
        "stage": _PLACE,
    }
)

_WEIGHTS: Mapping[str, Rule] = {"weight": _REAL, "bias": _REAL}
_SLIDING: Mapping[str, Rule] = {**_WEIGHTS, **_GEOMETRY, "groups": _COUNT}
_LEVELS = Inside({"low": Whole(-MOST_SPIKES, 0), "high": Whole(1, MOST_SPIKES)})
_INTEGERS: Mapping[str, Rule] = {
    "fraction_bits": Whole(0, 60),
    "decay": _DECAY,
    "bias": _PARAMETER,
    "current_decay": _DECAY,
    "input_decay": _DECAY,
    "threshold": _PARAMETER,
    "levels": _LEVELS,
    "reset": Inside({"amount": _PARAMETER}),
    "floor": _PARAMETER,
}

RANGES: OpTable[Mapping[str, Rule]] = OpTable(
    what="ranges of fields",
    entries={
        Linear: _WEIGHTS,
        Conv2d: _SLIDING,
        ConvTranspose2d: {**_SLIDING, "output_padding": Many(_INDEX, 2, 2)},
        MaxPool2d: {"window": _WINDOW},
        SumPool2d: {"window": _WINDOW},
        AvgPool2d: {"window": _WINDOW},
        Scale: {"factor": _REAL, "offset": _REAL},
        FakeQuantize: {
            "step": Reals(low=2.0**-149),
            "zero": Reals(-MOST_FACTOR, MOST_FACTOR),
            "low": _CODE,
            "high": _CODE,
        },
        Add: {"terms": _OPERANDS},
        Move: {
            "axis": _AXIS,
            "order": Many(_AXIS, 0, MOST_AXES),
            "indices": Many(_INDEX, 1, MOST_SIDE),
        },
        Concat: {"parts": _OPERANDS, "axis": _AXIS},
        Neuron: {
            "leak": _REAL,
            "leak_rounding": Inside({"unit": _REAL}),
            "gain": _REAL,
            "bias": _REAL,
            "current_leak": _REAL,
            "current_rounding": Inside({"unit": _REAL}),
            "current_input": _REAL,
            "current_gain": _REAL,
            "threshold": _REAL,
            "levels": _LEVELS,
            "reset": Inside({"amount": _REAL}),
            "floor": _REAL,
        },
        IntegerNeuron: _INTEGERS,
        CrossbarMvm: {
            "weight": _PARAMETER,
            "window": _WINDOW,
            "groups": _COUNT,
            "plane_bits": _PLANE_BITS,
            "steps": _LEVELS,
            "rows": _SPANS,
            "turns": _COUNT,
            "columns": _SPANS,
            "encoding": _ENCODING,
            "placement": _PLACEMENT,
            "cells": _CODE,
            "fraction": Whole(0, MOST_FRACTION),
        },
        CountActive: {
            "window": _WINDOW,
            "groups": _COUNT,
            "plane_bits": _PLANE_BITS,
            "steps": _LEVELS,
            "rows": _SPANS,
        },
        SenseAmpRead: {
            "thresholds": _PARAMETER,
            "levels": Many(_PARAMETER, 2, MOST_LEVELS + 1),
            **_CELL,
            **_NOISE,
        },
        AdcRead: {
            "bits": Whole(1, 24),
            **_NOISE,
            "first": _PARAMETER,
            "width": Whole(1, MOST_WHOLE),
            "step": Whole(1, MOST_WHOLE),
            "base": _PARAMETER,
        },
        ShiftAndAdd: {
            "significances": Many(_FACTOR, 1, 32),
            "planes": Many(Whole(-MOST_PLANE, MOST_PLANE), 0, MOST_BITS),
            "offset": _FACTOR,
            "scale": _PARAMETER,
            "shift": _SHIFT,
        },
        ScaledAdd: {
            "terms": _OPERANDS,
            "scales": Many(_PARAMETER, 1),
            "offset": _PARAMETER,
            "shift": Whole(0, 62),
        },
    },
    without={
        MatMul: "it has values alone",
        Merge: "it has values and a word",
        Multiply: "it has values alone",
    },
)
"""The range of every number in an op, by field; ops under one base class have those they have."""


def op_range_problems(op: Op, constants: Constants) -> Iterator[str]:
    """Yield every number of an op that is outside its range, and every value."""
    for value in (*op.results, *op.operands):
        yield from value_problems(value)
    rules = RANGES.entry(type(op)) or {}
    for spec in fields(op):
        if spec.name in rules:
            yield from range_problems(
                spec.name, rules[spec.name], getattr(op, spec.name), constants
            )


def value_problems(value: Value) -> Iterator[str]:
    """Yield why no array may be made of a value."""
    if isinstance(value.type, IntType) and not 1 <= value.type.bits <= MOST_BITS:
        yield f"%{value.name} is {value.type}: widths are 1..{MOST_BITS} bits"
    shape = value.shape
    if len(shape) > MOST_AXES:
        yield f"%{value.name} has {len(shape)} axes, at most {MOST_AXES}"
    elif any(not 1 <= size <= MOST_SIDE for size in shape) or prod(shape) > MOST_SUMS:
        yield f"%{value.name} has shape {shape}: sizes are 1..{MOST_SIDE}, {MOST_SUMS} together"


def state_range_problems(state: State, constants: Constants) -> Iterator[str]:
    """Yield why a state cannot start as it says."""
    type = state.read.type
    rule = Whole(type.min, type.max) if isinstance(type, IntType) else _REAL
    name = f"initial value of %{state.read.name}"
    yield from range_problems(name, rule, state.initial, constants)


def range_problems(name: str, rule: Rule, held: Any, constants: Constants) -> Iterator[str]:
    """Yield why a field does not hold what its rule says; None is left to the field's type."""
    if held is None:
        return
    if isinstance(held, Span) and held.start > held.stop:
        yield f"{name} is {held}, which ends before it starts"
    if isinstance(rule, Inside):
        for field, inner in rule.fields.items():
            yield from range_problems(f"{name}.{field}", inner, getattr(held, field), constants)
    elif isinstance(rule, Many):
        if not rule.least <= len(held) <= rule.most:
            yield f"{name} has {len(held)} items, it takes {rule.least}..{rule.most}"
            return
        for index, item in enumerate(held):
            yield from range_problems(f"{name}[{index}]", rule.each, item, constants)
    elif isinstance(held, Const):
        yield from _constant_problems(f"{name}, {held},", rule, constants[held.name])
    elif not _is_number(rule, held) or not rule.low <= held <= rule.high:
        yield f"{name} is {held}, {_takes(rule)}"


def _is_number(rule: Whole | Reals, held: object) -> bool:
    if isinstance(rule, Whole):
        return isinstance(held, Integral)
    return isinstance(held, Real) and (isinstance(held, Integral) or isfinite(held))


def _constant_problems(
    name: str, rule: Whole | Reals, array: np.ndarray[Any, Any]
) -> Iterator[str]:
    if array.size == 0:
        yield f"{name} has shape {array.shape}, which holds nothing"
    elif isinstance(rule, Whole) and array.dtype.kind not in "iu":
        yield f"{name} holds {array.dtype}, {_takes(rule)}"
    elif not _within_by_type(array.dtype, rule):
        low, high = array.min().item(), array.max().item()
        if not rule.low <= low <= high <= rule.high:
            yield f"{name} spans {low}..{high}, {_takes(rule)}"


def _within_by_type(dtype: np.dtype[Any], rule: Whole | Reals) -> bool:
    """Say whether no array of the type, finite as all are, can leave a range: most need no look."""
    if dtype.kind == "f":
        return isinstance(rule, Reals) and rule == _REAL and dtype.itemsize <= 4
    limits = np.iinfo(dtype)
    return rule.low <= int(limits.min) and int(limits.max) <= rule.high


def _takes(rule: Whole | Reals) -> str:
    kind = "whole numbers" if isinstance(rule, Whole) else "numbers"
    return f"it takes {kind} of {rule.low}..{rule.high}"
