"""The one layer that others are folded into, computed beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mapper.ir.core import FLOAT, Array, Const, Constants, IntType, Op, Value
from mapper.ir.network import Scale
from mapper.ir.synapses import Conv2d, Linear
from mapper.ir.windows import sliding
from passes.folding.convolved import Convolved, plane

_EQUAL = 1e-5
"""Of the greatest magnitude: how far single precision may move a sum (docs/semantics.md)."""


def one_layer(
    ops: Sequence[Op], convolved: Convolved, result: Value, loc: str, constants: Constants
) -> tuple[tuple[Op, ...], Mapping[str, Array]] | None:
    """Return the layer that computes what ``ops`` do, and the constants that it brings along.

    What the ops give of zeros is its bias; where that differs from place to place (zeros around a
    map that has a bias), a table that is added behind it.

    Args:
        ops: In the order they run; the last one makes a value of the shape of ``result``.
        convolved: What they compute.
        result: Of the layer.
        loc: Of the layer.
        constants: Of the graph.

    Returns:
        None where the layer gives other numbers than the ops do, beyond rounding.
    """
    weights = convolved.weights()
    x = _numbers(convolved.source)
    offset, given = _outputs(ops, convolved.source, x, constants).astype(np.float64)
    near = _EQUAL * float(np.abs(given).max())
    rows, columns = (_looked_at(length) for length in given.shape[1:])
    found = _sums(convolved, weights, x[1], rows, columns)
    wanted = (given - offset)[:, rows][:, :, columns]
    if (np.abs(found - wanted) > near).any():
        return None
    middle = offset[:, given.shape[1] // 2, given.shape[2] // 2].reshape(-1, 1, 1)
    if (np.abs(offset - middle) <= near).all():
        offset = middle
    return _written(convolved, weights.astype(np.float32), offset.astype(np.float32), result, loc)


def _looked_at(length: int) -> Array:
    """Return both ends of an axis, what is beside them, and its middle."""
    return np.unique(np.array([0, 1, length // 2, length - 2, length - 1]).clip(0, length - 1))


def _numbers(source: Value) -> Array:
    """Return zeros, and random numbers of a type: ``[2, *shape]``."""
    rng = np.random.default_rng(0)
    if isinstance(source.type, IntType):
        drawn = rng.integers(source.type.min, source.type.max, source.shape, endpoint=True)
    else:
        drawn = rng.normal(0, 1, source.shape).astype(np.float32)
    return np.stack([np.zeros_like(drawn), drawn])


def _outputs(ops: Sequence[Op], source: Value, x: Array, constants: Constants) -> Array:
    """Return what ops make of ``x[B, *shape]``, as maps ``[B, N, H, W]``."""
    known = {source.name: x}
    for op in ops:
        read = (known[value.name] for value in op.operands)
        known[op.results[0].name] = op.evaluate(constants, *read)[0]
    return known[ops[-1].results[0].name].reshape(len(x), *plane(ops[-1].results[0]))


def _sums(convolved: Convolved, weights: Array, x: Array, rows: Array, columns: Array) -> Array:
    """Return the sums ``[N, rows, columns]`` of a layer at some places."""
    maps = x.reshape(1, *plane(convolved.source)).astype(np.float64)
    seen = sliding(maps, convolved.window)[0][:, rows][:, :, columns]
    down, across = seen.shape[1:3]
    groups = convolved.groups
    seen = seen.transpose(0, 3, 4, 1, 2).reshape(groups, -1, down * across)
    total = weights.reshape(groups, len(weights) // groups, -1) @ seen
    return np.asarray(total.reshape(-1, down, across))


def _written(
    convolved: Convolved, weights: Array, offset: Array, result: Value, loc: str
) -> tuple[tuple[Op, ...], Mapping[str, Array]]:
    """Return a layer with these weights and what is added to it: ``[N, 1, 1]``, or a table."""
    name, window = result.name, convolved.window
    weight, added = Const(f"{name}.weight"), Const(f"{name}.bias")
    everywhere = offset.shape[1:] == (1, 1)
    result = replace(result, type=FLOAT)
    own = result if everywhere else replace(result, name=f"{name}.sum")
    held: dict[str, Any] = {"x": convolved.source, "weight": weight, "result": own, "loc": loc}
    held["bias"] = added if everywhere else None
    layer: Op
    if len(convolved.source.shape) == 1:
        layer, weights = Linear(**held), weights.reshape(len(weights), -1)
    else:
        layer = Conv2d(
            **held,
            kernel=window.kernel,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            groups=convolved.groups,
        )
    constants = {weight.name: weights, added.name: offset[:, 0, 0] if everywhere else offset}
    if everywhere:
        return (layer,), constants
    return (layer, Scale(x=own, offset=added, result=result, loc=loc)), constants
