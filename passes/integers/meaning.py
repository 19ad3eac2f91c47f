"""What integers stand for while floats become integers: ``real = scale * code + offset``."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import FLOAT, INT64, Array, Const, Constants, Graph, IntType, Op, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.infer import settled, substitute
from mapper.ir.limits import MOST_WHOLE
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
from mapper.ir.windows import wordline_inputs
from passes.shared.rewrite import number, simplest

_ALIGN_BITS = 8
"""Fraction bits of the multipliers that align values of different scales: 0.2 % of the finest."""

_KEPT_BITS = 2
"""Fraction bits of the aligned sum: a quarter of the finest step."""

READ_BITS = 12
"""Of codes that stand for real numbers which weights read: a membrane of 16 bits holds a threshold
on their products."""

_WHOLE = 1e-6
"""How near an integer a quotient of two steps is taken to be that integer."""

_LARGEST_RATIO = 1 << 20
"""Between the scales of values that are added; beside the coarsest the finest has no effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """An integer value and the reals it stands for; the arrays broadcast to its shape."""

    value: Value
    scale: Array
    offset: Array

    @property
    def type(self) -> IntType:
        assert isinstance(self.value.type, IntType)
        return self.value.type

    def scaled(self, factor: Array, offset: Array) -> "Meaning":
        """Return the same integers under ``factor * real + offset``."""
        return replace(
            self,
            scale=simplest(self.scale * factor),
            offset=simplest(self.offset * factor + offset),
        )

    def full(self, table: Array) -> Array:
        """Spread a table over the value's shape, with a batch axis of 1."""
        return np.broadcast_to(table, (1, *self.value.shape))


def plain(value: Value) -> Meaning:
    """Return integers that stand for themselves, such as spikes."""
    return Meaning(value=value, scale=np.asarray(1.0), offset=np.asarray(0.0))


def spread(table: Array, value: Value, op: Move) -> Array:
    """Push a table of scales or offsets through an op that only moves elements."""
    return simplest(op.moved(np.broadcast_to(table, (1, *value.shape)))[0])


@dataclass(frozen=True, slots=True)
class Form:
    """An op in integers, and what its result stands for."""

    op: Op | None
    """None where what it does goes into what its result stands for."""
    meaning: Meaning
    tables: Constants = field(default_factory=dict)
    """Constants that the op brings along."""
    before: tuple[Op, ...] = ()
    """Ops that make its operands ready."""


def scale(op: Scale, read: list[Meaning], graph: Graph) -> Form:
    """The same integers stand for other reals."""
    factor, offset = number(graph, op.factor), number(graph, op.offset)
    return Form(None, read[0].scaled(factor, offset))


def grid(op: FakeQuantize, read: list[Meaning], graph: Graph) -> Form:
    """Integers have a grid of their own."""
    return Form(None, read[0])


def synapse(op: Synapse, read: list[Meaning], graph: Graph) -> Form:
    """Make a layer of integer weights an integer layer; its input's offset becomes the result's.

    What reads real numbers of another layer (the shortcut of an MS-ResNet), or parts of different
    scales side by side, reads them in one step.
    """
    (x,) = read
    ready = Form(None, x)
    if x.scale.ndim:
        every = tuple(range(len(x.value.shape)))
        ready = _ready(x, f"{op.result.name}.x", every, op, most_bits=READ_BITS)
        x = ready.meaning
    offset = np.asarray(0.0)
    if x.offset.any():
        matrix = op.matrix(graph.constants[op.weight.name])
        inputs = wordline_inputs(x.full(x.offset), op.window, op.group_count)
        offset = group_products(inputs, matrix.astype(np.float64), op.x.type)[0]
    if op.bias is not None:
        bias = graph.constants[op.bias.name].astype(np.float64)
        offset = offset + bias.reshape(-1, *(1 for _ in op.result.shape[1:]))
    layer = replace(op, x=x.value, bias=None, result=replace(op.result, type=INT64))
    layer = settled(layer, graph.constants)
    meaning = Meaning(value=layer.result, scale=x.scale, offset=simplest(offset))
    return _behind(ready, Form(layer, meaning))


def max_pool(op: MaxPool2d, read: list[Meaning], graph: Graph) -> Form:
    """The greatest code stands for the greatest real where each channel has one scale above 0."""
    (x,) = read
    tables = (x.scale, x.offset)
    plain_codes = (x.scale > 0).all() and all(map(is_of_channels, tables))
    ready = Form(None, x) if plain_codes else _of_channels(x, op)
    x = ready.meaning
    pooled = settled(replace(op, x=x.value), {})
    return _behind(ready, Form(pooled, replace(x, value=pooled.result)))


def sum_pool(op: SumPool2d, read: list[Meaning], graph: Graph) -> Form:
    """A sum of codes stands for the sum of the reals, once what is added up has one scale."""
    (x,) = read
    axes = op.window.mixed_axes
    ready, bare = Form(None, x), replace(x, offset=np.asarray(0.0))
    if not is_of_channels(x.scale) and not _is_one_along(x.full(x.scale)[0], axes):
        ready = _ready(bare, f"{op.result.name}.x", axes, op)
    pooled = settled(replace(op, x=ready.meaning.value), {})
    scale = ready.meaning.scale
    meaning = Meaning(value=pooled.result, scale=scale, offset=_summed_offset(op, x))
    return _behind(ready, Form(pooled, meaning))


def _summed_offset(op: SumPool2d, x: Meaning) -> Array:
    reals = replace(op, result=replace(op.result, type=FLOAT))
    return simplest(reals.evaluate({}, x.full(x.offset))[0][0])


def _is_one_along(table: Array, axes: tuple[int, ...]) -> bool:
    return all((table == table.take([0], axis=axis)).all() for axis in axes)


def is_of_channels(table: Array) -> bool:
    """Say whether a table is one number for each channel of a plane."""
    return not table.ndim or table.shape[-2:] == (1, 1)


def _of_channels(x: Meaning, op: MaxPool2d) -> Form:
    """Bring codes to one scale above 0 and no offset for each channel of a plane."""
    return _ready(x, f"{op.result.name}.x", (-2, -1), op)


def _behind(ready: Form, form: Form) -> Form:
    """Return a form whose operand is made ready first."""
    before = () if ready.op is None else (ready.op,)
    return replace(form, tables={**ready.tables, **form.tables}, before=before)


def moved(op: Move, read: list[Meaning], graph: Graph) -> Form:
    """Elements keep their meaning where they go."""
    (x,), (operand,) = read, op.operands
    there = settled(substitute(op, {operand.name: x.value}), {})
    scale, offset = (spread(table, x.value, op) for table in (x.scale, x.offset))
    return Form(there, Meaning(value=there.results[0], scale=scale, offset=offset))


def concat(op: Concat, parts: list[Meaning], graph: Graph) -> Form:
    """Parts side by side keep their own scales and offsets."""
    tables = [
        np.concatenate([p.full(getattr(p, name)) for p in parts], axis=op.axis + 1)[0]
        for name in ("scale", "offset")
    ]
    joined = settled(replace(op, parts=tuple(p.value for p in parts)), {})
    scale, offset = (simplest(table) for table in tables)
    return Form(joined, Meaning(value=joined.result, scale=scale, offset=offset))


def add(op: Add, terms: list[Meaning], graph: Graph) -> Form:
    """Add codes of one scale as they are; others by integer multipliers of the finest step."""
    offset = simplest(np.asarray(sum(t.offset for t in terms)))
    if all(np.array_equal(t.scale, terms[0].scale) for t in terms):
        added = settled(replace(op, terms=tuple(t.value for t in terms)), {})
        return Form(added, Meaning(value=added.result, scale=terms[0].scale, offset=offset))
    return _aligned_add(op, terms, offset)


def _aligned_add(op: Add, terms: list[Meaning], offset: Array) -> Form:
    scales = np.stack([np.broadcast_to(np.abs(t.scale), op.result.shape) for t in terms])
    finest, coarsest = _finest(scales, 0)[0], scales.max(axis=0)
    if (coarsest > _LARGEST_RATIO * finest).any():
        raise unscalable(op, f"it adds values whose scales are over {_LARGEST_RATIO} apart")
    grid, unit = finest / (1 << _ALIGN_BITS), simplest(finest / (1 << _KEPT_BITS))
    tables = {
        f"{op.result.name}.scale{k}": np.rint(simplest(np.asarray(t.scale / grid))).astype(np.int64)
        for k, t in enumerate(terms)
    }
    added = ScaledAdd(
        terms=tuple(t.value for t in terms),
        scales=tuple(Const(name) for name in tables),
        shift=_ALIGN_BITS - _KEPT_BITS,
        result=op.result,
        loc=op.loc,
    )
    added = settled(added, tables)
    return Form(added, Meaning(value=added.result, scale=unit, offset=offset), tables)


def multiply(op: Multiply, read: list[Meaning], graph: Graph) -> Form:
    """A product of codes stands for the product of the reals, once no factor has an offset."""
    a, b = (
        _ready(x, f"{op.result.name}.{side}", None, op) for side, x in zip("ab", read, strict=True)
    )
    product = settled(replace(op, a=a.meaning.value, b=b.meaning.value), {})
    scale = simplest(np.asarray(a.meaning.scale * b.meaning.scale))
    return _product(product, scale, a, b)


def matmul(op: MatMul, read: list[Meaning], graph: Graph) -> Form:
    """The same of a matrix product, once what is added up counts in one step."""
    sides = zip("ab", read, (-1, -2), strict=True)
    a, b = (_ready(x, f"{op.result.name}.{side}", axis, op) for side, x, axis in sides)
    product = settled(replace(op, a=a.meaning.value, b=b.meaning.value), {})
    rows, columns = (x.full(x.scale)[0] for x in (a.meaning, b.meaning))
    return _product(product, simplest(rows[..., :1] * columns[..., :1, :]), a, b)


def _product(op: Multiply | MatMul, scale: Array, a: Form, b: Form) -> Form:
    meaning = Meaning(value=op.result, scale=scale, offset=np.asarray(0.0))
    before = tuple(form.op for form in (a, b) if form.op is not None)
    return Form(op, meaning, {**a.tables, **b.tables}, before)


def _ready(
    x: Meaning,
    name: str,
    axis: int | tuple[int, ...] | None,
    op: Op,
    most_bits: int = 63,
) -> Form:
    """Return an operand without an offset and, along axes that are added up, with one scale.

    Codes of other meanings are brought to a quarter of the finest step by integer multipliers, as
    terms of a sum are: inexact. Where all are multiples of the finest step, it is that step: exact.
    What would be wider than ``most_bits`` is rounded to a coarser step.
    """
    scale = x.full(x.scale)[0]
    finest = _finest(np.abs(scale), () if axis is None else axis)
    if not x.offset.any() and (scale == finest).all():
        return Form(None, x)
    if (np.abs(scale) > _LARGEST_RATIO * finest).any():
        raise unscalable(op, f"it adds values whose scales are over {_LARGEST_RATIO} apart")
    bits, kept = (_ALIGN_BITS, _KEPT_BITS)
    if all(is_whole(table / finest) for table in (scale, x.full(x.offset)[0])):
        bits, kept = 0, 0
    grid = finest / (1 << bits)
    tables = {
        f"{name}.{what}": np.rint(simplest(np.asarray(table / grid))).astype(np.int64)
        for what, table in (("scale", scale), ("offset", x.full(x.offset)[0]))
    }
    if np.abs(tables[f"{name}.offset"]).max() > MOST_WHOLE:
        raise unscalable(op, "a factor has an offset that is too far from its steps")
    aligned = ScaledAdd(
        terms=(x.value,),
        scales=(Const(f"{name}.scale"),),
        offset=Const(f"{name}.offset"),
        shift=bits - kept,
        result=replace(x.value, name=name),
        loc=op.loc,
    )
    wider = max(0, _bits_of(settled(aligned, tables).result) - most_bits)
    aligned = settled(replace(aligned, shift=bits - kept + wider), tables)
    unit = simplest(finest * 2.0 ** (wider - kept))
    return Form(aligned, Meaning(value=aligned.result, scale=unit, offset=np.asarray(0.0)), tables)


def coarser(x: Meaning, bits: int, name: str, loc: str) -> Form:
    """Return codes in steps of ``2**bits`` of theirs, rounded to the nearest (a half upwards)."""
    rounded = ScaledAdd(
        terms=(x.value,),
        scales=(1,),
        offset=1 << (bits - 1),
        shift=bits,
        result=replace(x.value, name=name),
        loc=loc,
    )
    rounded = settled(rounded, {})
    return Form(rounded, replace(x, value=rounded.result, scale=x.scale * 2.0**bits))


def turned(x: Meaning, signs: Array, name: str, loc: str) -> Form:
    """Return codes that count the other way where ``signs`` is -1, and the same where it is 1."""
    table = simplest(np.asarray(signs)).astype(np.int64)
    scale = int(table) if table.ndim == 0 else Const(f"{name}.signs")
    tables = {} if isinstance(scale, int) else {scale.name: table}
    negated = ScaledAdd(
        terms=(x.value,), scales=(scale,), result=replace(x.value, name=name), loc=loc
    )
    negated = settled(negated, tables)
    return Form(negated, replace(x, value=negated.result, scale=x.scale * signs), tables)


def _bits_of(value: Value) -> int:
    assert isinstance(value.type, IntType)
    return value.type.bits


def _finest(scales: Array, axis: int | tuple[int, ...]) -> Array:
    """Return the smallest scale along axes, but for those of nothing (written over, masked): 0."""
    finest = np.where(scales > 0, scales, np.inf).min(axis, keepdims=True)
    return np.where(np.isfinite(finest), finest, 1.0)


def is_whole(ratio: Array) -> bool:
    """Say whether quotients of steps are taken to be integers."""
    return bool((np.abs(ratio - np.rint(ratio)) <= _WHOLE).all())


def as_it_is(op: Op, read: list[Meaning], graph: Graph) -> Form:
    """Leave integers as they are: merged spikes, a layer that was trained with its readout."""
    return Form(op, plain(op.results[0]))


def unscalable(op: Op, reason: str) -> MappingError:
    """Make the error for a network whose scales integers cannot follow."""
    return refuse(
        "unsupported-scaling",
        f"cannot turn this into integers: {reason}",
        loc=op.loc,
        help="fold the scaling into weights, or move it behind a neuron, before exporting",
    )


_NO_FORM = "no network that is trained in real numbers has it here"

FORMS: OpTable[Callable[[Any, list[Meaning], Graph], Form]] = OpTable(
    what="integer forms",
    entries={
        Scale: scale,
        FakeQuantize: grid,
        Synapse: synapse,
        MaxPool2d: max_pool,
        SumPool2d: sum_pool,
        Move: moved,
        Concat: concat,
        Add: add,
        Merge: as_it_is,
        Multiply: multiply,
        MatMul: matmul,
        CrossbarMvm: as_it_is,
        CountActive: as_it_is,
        SenseAmpRead: as_it_is,
        AdcRead: as_it_is,
        ShiftAndAdd: as_it_is,
    },
    without={
        Neuron: "it becomes an integer neuron whose units are fitted to it",
        AvgPool2d: _NO_FORM,
        IntegerNeuron: _NO_FORM,
        ScaledAdd: _NO_FORM,
    },
)
"""How an op becomes one of integers, from what its operands stand for."""
