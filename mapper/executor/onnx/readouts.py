"""Readouts in standard ONNX operators: comparisons, conversions, and bit-slices that count."""

from collections.abc import Sequence

import numpy as np

from mapper.executor.onnx.nodes import Nodes
from mapper.ir import bounds, core
from mapper.ir.core import Array, Const, Constants, param
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd


def compared(
    n: Nodes,
    sums: str,
    read: SenseAmpRead,
    references: Sequence[str],
    active: str | None,
    of_sums: str,
    levels: Sequence[Array],
) -> str:
    """Compare sums with references ``[..., S | 1, N | 1, 1]``, and give the level that is reached.

    ``levels`` broadcast to the sums, the lowest first; ``of_sums`` is the type of sums.
    """
    if active is not None:
        full = n.number(read.full_level, of_sums)
        twice = n.op("Mul", sums, n.number(2, of_sums))
        sums = n.op("Sub", twice, n.op("Mul", active, full))
    decoded = n.array(levels[0])
    for level, reference in zip(levels[1:], references, strict=True):
        reached = n.op("GreaterOrEqual", sums, reference)
        decoded = n.op("Where", reached, n.array(level), decoded)
    return decoded


def converted(n: Nodes, sums: str, read: AdcRead, tables: Sequence[str]) -> str:
    """Convert int64 sums with an ADC and decode the codes.

    ``tables`` are the first threshold, what sums rise by from code to code, step and base.
    """
    first, width, step, base = tables
    steps = n.floor_divide(n.op("Sub", sums, first), width)
    code = n.clip(n.op("Add", steps, n.number(1)), 0, (1 << read.bits) - 1)
    return n.op("Add", base, n.op("Mul", step, code))


def weighed(n: Nodes, codes: str, significances: Sequence[int], dtype: str) -> str:
    """Add up bit-slices ``[..., S, N, P]`` by what they count: int64 ``[..., N, P]``."""
    return added(n, n.op("Mul", codes, n.array(by_slice(significances, 1, dtype))))


def added(n: Nodes, weighed_codes: str) -> str:
    return n.cast(n.sum(weighed_codes, -3), np.int64)


def by_slice(significances: Sequence[int], level: int, dtype: str) -> Array:
    """Return what a level counts in each bit-slice, ``[S, 1, 1]``."""
    counts: Array = np.array([level * s for s in significances], dtype)
    return counts.reshape(-1, 1, 1)


def code_type(read: BitlineRead, add: ShiftAndAdd) -> str:
    """Return a type in which codes are weighed exactly."""
    if isinstance(read, AdcRead):
        return "int64"
    largest = max(abs(level) for level in read.levels)
    bound = largest * sum(abs(s) for s in add.significances)
    return bounds.Products(-bound, bound).dtype


def thresholds(read: SenseAmpRead, constants: Constants, bound: int, copy: int = 0) -> Array:
    """Return references ``[G | 1, L, S | 1, N | 1, 1]`` of a copy, within what sums can reach."""
    table = constants[read.thresholds.name].astype(np.int64) * (1 if read.active is None else 2)
    own = table[:, copy] if table.ndim == 5 else table
    return np.clip(own, -bound, bound + 1).swapaxes(0, 1)[..., None]


def per_column(constants: Constants, table: int | Const, copy: int = 0) -> Array:
    """Return a number or a table ``[G | 1, ..., N | 1]`` with a position axis at its end."""
    values = param(constants, table, core.INT64)
    own = values[copy] if values.ndim == 4 else values
    return own[..., None] if own.ndim else own.reshape(1, 1, 1)


def adc_tables(read: AdcRead) -> tuple[int | Const, ...]:
    """Return what ``converted`` asks for."""
    return (read.first, read.spacing, read.step, read.base)
