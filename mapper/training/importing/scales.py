"""Factors of channels brought near one, as batch norms have them and learn."""

from dataclasses import replace
from typing import Any

import numpy as np

from mapper.ir.core import Array, Const, Graph, Op
from mapper.ir.network import Scale
from mapper.ir.synapses import Synapse
from mapper.training.importing.neurons import numbers_of
from mapper.training.nets.norms import LEAST_FACTOR
from passes.shared.rewrite import use_counts

_SMALL = 2.0**-4
"""Factors of trained batch norms are above it; a step of quantised weights is below."""


def with_near_factors(graph: Graph) -> Graph:
    """Move small factors into the layer of weights before them, as a power of two: to the bit.

    Files of quantised networks have whole weights and one small factor after the layer. Training
    keeps factors of channels at 0.01 or more, and weights of whole numbers would hardly move.
    """
    uses = use_counts(graph)
    ops = {value.name: op for op in graph.ops for value in op.results}
    constants = dict(graph.constants)
    for op in graph.ops:
        layer = ops.get(op.x.name) if isinstance(op, Scale) else None
        if not isinstance(op, Scale) or not isinstance(layer, Synapse) or uses[op.x.name] != 1:
            continue
        factor = numbers_of(op.factor, constants)
        if power := _power(factor):
            ops[layer.result.name] = _multiplied(layer, power, constants)
            constants[f"{op.result.name}.factor"] = np.ldexp(factor, -power)
            ops[op.result.name] = replace(op, factor=Const(f"{op.result.name}.factor"))
    changed = tuple(ops[op.results[0].name] for op in graph.ops)
    return replace(graph, ops=changed, constants=constants)


def _power(factor: Array) -> int:
    """Return which power of two is a factor's share that its layer takes over; 0 for none.

    It makes factors larger alone, the least of them at least ``LEAST_FACTOR``.
    """
    sizes = np.abs(factor[np.isfinite(factor) & (factor != 0)])
    if not sizes.size or sizes.min() >= _SMALL:
        return 0
    middle = np.rint(np.log2(np.median(sizes)))
    enough = np.floor(np.log2(sizes.min()) - np.log2(LEAST_FACTOR))
    return min(0, int(middle), int(enough))


def _multiplied(layer: Synapse, power: int, constants: dict[str, Array]) -> Op:
    """Return a layer whose sums are ``2 ** power`` times as large."""
    held: dict[str, Any] = {}
    for name, const in (("weight", layer.weight), ("bias", layer.bias)):
        if const is not None:
            near = f"{layer.result.name}.{name}.near"
            constants[near] = np.ldexp(constants[const.name].astype(np.float32), power)
            held[name] = Const(near)
    return replace(layer, **held)
