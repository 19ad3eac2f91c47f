"""What integers stand for while floats become integers: ``real = scale * code + offset``."""

from dataclasses import dataclass, replace

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import FLOAT, INT64, Array, Const, Constants, IntType, Op, Value
from mapper.ir.hardware import ScaledAdd
from mapper.ir.infer import settled
from mapper.ir.network import Add, Concat, MaxPool2d, Reshape, SumPool2d, Take, Transpose
from mapper.ir.synapses import Synapse, group_products
from mapper.ir.windows import wordline_inputs
from passes.shared.rewrite import simplest

_ALIGN_BITS = 8
"""Fraction bits of the multipliers that align values of different scales: 0.2 % of the finest."""

_KEPT_BITS = 2
"""Fraction bits of the aligned sum: a quarter of the finest step."""

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


def spread(table: Array, value: Value, op: Op) -> Array:
    """Push a table of scales or offsets through an op that only moves elements."""
    batch = np.broadcast_to(table, (1, *value.shape))
    (moved,) = op.evaluate({}, batch)
    return simplest(moved[0])


def synapse(op: Synapse, x: Meaning, constants: Constants) -> tuple[Op, Meaning]:
    """Make a layer of integer weights an integer layer; its input's offset becomes the result's."""
    if x.scale.ndim:
        raise unscalable(op, "inputs of one layer have different scales")
    offset = np.asarray(0.0)
    if x.offset.any():
        matrix = op.matrix(constants[op.weight.name])
        inputs = wordline_inputs(x.full(x.offset), op.window, op.group_count)
        offset = group_products(inputs, matrix.astype(np.float64), op.x.type)[0]
    if op.bias is not None:
        bias = constants[op.bias.name].astype(np.float64)
        offset = offset + bias.reshape(-1, *(1 for _ in op.result.shape[1:]))
    layer = replace(op, x=x.value, bias=None, result=replace(op.result, type=INT64))
    layer = settled(layer, constants)
    return layer, Meaning(value=layer.result, scale=x.scale, offset=simplest(offset))


def max_pool(op: MaxPool2d, x: Meaning) -> tuple[Op, Meaning]:
    """The greatest code stands for the greatest real where each channel has one scale above 0."""
    if (x.scale <= 0).any():
        raise unscalable(op, "a maximum of values with a negative scale")
    for name, table in (("scale", x.scale), ("offset", x.offset)):
        if table.ndim and table.shape[-2:] != (1, 1):
            raise unscalable(op, f"a maximum over values with more than one {name}")
    pooled = settled(replace(op, x=x.value), {})
    return pooled, replace(x, value=pooled.result)


def sum_pool(op: SumPool2d, x: Meaning) -> tuple[Op, Meaning]:
    """A sum of codes stands for the sum of the reals."""
    if x.scale.ndim and x.scale.shape[-2:] != (1, 1):
        raise unscalable(op, "a sum over values of different scales")
    pooled = settled(replace(op, x=x.value), {})
    reals = replace(op, result=replace(op.result, type=FLOAT))
    (offset,) = reals.evaluate({}, x.full(x.offset))
    return pooled, Meaning(value=pooled.result, scale=x.scale, offset=simplest(offset[0]))


def moved(op: Reshape | Take | Transpose, x: Meaning) -> tuple[Op, Meaning]:
    """Elements keep their meaning where they go."""
    there = settled(replace(op, x=x.value), {})
    scale, offset = (spread(table, x.value, op) for table in (x.scale, x.offset))
    return there, Meaning(value=there.result, scale=scale, offset=offset)


def concat(op: Concat, parts: list[Meaning]) -> tuple[Op, Meaning]:
    """Parts side by side keep their own scales and offsets."""
    tables = [
        np.concatenate([p.full(getattr(p, name)) for p in parts], axis=op.axis + 1)[0]
        for name in ("scale", "offset")
    ]
    joined = settled(replace(op, parts=tuple(p.value for p in parts)), {})
    scale, offset = (simplest(table) for table in tables)
    return joined, Meaning(value=joined.result, scale=scale, offset=offset)


def add(op: Add, terms: list[Meaning]) -> tuple[Op, Meaning, dict[str, Array]]:
    """Add codes of one scale as they are; others by integer multipliers of the finest step."""
    offset = simplest(np.asarray(sum(t.offset for t in terms)))
    if all(np.array_equal(t.scale, terms[0].scale) for t in terms):
        added = settled(replace(op, terms=tuple(t.value for t in terms)), {})
        return added, Meaning(value=added.result, scale=terms[0].scale, offset=offset), {}
    return _aligned_add(op, terms, offset)


def _aligned_add(
    op: Add, terms: list[Meaning], offset: Array
) -> tuple[Op, Meaning, dict[str, Array]]:
    finest = np.min([np.broadcast_to(np.abs(t.scale), op.result.shape) for t in terms], axis=0)
    coarsest = np.max([np.broadcast_to(np.abs(t.scale), op.result.shape) for t in terms], axis=0)
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
    return added, Meaning(value=added.result, scale=unit, offset=offset), tables


def unscalable(op: Op, reason: str) -> MappingError:
    """Make the error for a network whose scales integers cannot follow."""
    return refuse(
        "unsupported-scaling",
        f"cannot turn this into integers: {reason}",
        loc=op.loc,
        help="fold the scaling into weights, or move it behind a neuron, before exporting",
    )
