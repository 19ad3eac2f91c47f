"""A layer on crossbars computed some output rows at a time, as its ops are defined."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from math import prod
from typing import Any

import numpy as np

from mapper.ir.core import Array, Constants, Op, Value, holds_values
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.windows import Window

STRIP = 1 << 19
"""Partial sums in memory at once, 4 MiB. One array of all those of a large layer is new memory from
the system each time, which has to clear its pages: that took as long as the sums themselves."""


def evaluate_in_strips(ops: Sequence[Op], constants: Constants, env: Mapping[str, Array]) -> Array:
    """Evaluate a layer on windows that slide over fewer rows, and return what it leaves.

    Args:
        ops: Its partial sums first, then counts of active wordlines, its read, what adds up. None
            of them counts positions from the first on, as noise and different copies do.
        constants: Of the graph.
        env: What the layer reads, ``[B, *shape]`` by name.
    """
    mvm = ops[0]
    assert isinstance(mvm, CrossbarMvm)
    if mvm.window is None:
        return evaluate_whole(ops, constants, env)
    rows = mvm.positions[0]
    held = len(env[mvm.x.name]) * max(1, prod(mvm.partial_sum.shape) // rows)
    cuts = strips(mvm.window, mvm.x.shape[1], rows, max(1, STRIP // held))
    parts = [evaluate_whole([_cut(op, *cut) for op in ops], constants, env) for cut in cuts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def evaluate_whole(ops: Sequence[Op], constants: Constants, env: Mapping[str, Array]) -> Array:
    """Evaluate the ops of a layer at once, and return what the last of them leaves."""
    inner: dict[str, Array] = {}
    for op in ops:
        operands = (inner[v.name] if v.name in inner else env[v.name] for v in op.operands)
        results = op.evaluate(constants, *operands)
        inner.update(zip((v.name for v in op.results), results, strict=True))
    return inner[ops[-1].results[0].name]


def strips(window: Window, height: int, rows: int, each: int) -> list[tuple[Window, int]]:
    """Cut a window that slides over ``height`` and gives ``rows`` rows of positions.

    Returns:
        For each strip a window that gives its rows alone, ``each`` at most, and how many they are.
        The whole one where a strip would see nothing but padding.
    """
    stuffed = (height - 1) * window.stuffing[0] + 1
    reach = (window.kernel[0] - 1) * window.dilation[0] + 1
    found = []
    for start in range(0, rows, each):
        count = min(each, rows - start)
        top = window.padding[0] - start * window.stride[0]
        bottom = (count - 1) * window.stride[0] + reach - stuffed - top
        if max(0, -top) + max(0, -bottom) >= stuffed:
            return [(window, rows)]
        padding = (top, window.padding[1], bottom, window.padding[3])
        found.append((replace(window, padding=padding), count))
    return found


def _cut(op: Op, window: Window, rows: int) -> Op:
    """Return an op of a layer on fewer output rows."""

    def fewer(value: Value) -> Value:
        return replace(value, shape=(*value.shape[:-2], rows, value.shape[-1]))

    if isinstance(op, CrossbarMvm):
        return replace(op, window=window, partial_sum=fewer(op.partial_sum))
    if isinstance(op, CountActive):
        return replace(op, window=window, active=fewer(op.active))
    values: dict[str, Any] = {
        spec.name: fewer(getattr(op, spec.name))
        for spec in fields(op)
        if holds_values(spec) and getattr(op, spec.name) is not None
    }
    return replace(op, **values)
