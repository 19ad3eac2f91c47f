"""How many elements a node with known inputs may give: asked before it is computed.

Each function returns the count, or a little more, from the node and the inputs that it has. It
may raise what NumPy raises where inputs do not fit.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from onnx import NodeProto

from mapper.ir.core import Array

SizeRule = Callable[[NodeProto, Sequence[Array]], float]
TermRule = Callable[[Sequence[Array]], float]


def broadcast(node: NodeProto, arrays: Sequence[Array]) -> float:
    """Of a node that computes element by element."""
    return math.prod(np.broadcast_shapes(*(a.shape for a in arrays)))


def as_given(node: NodeProto, arrays: Sequence[Array]) -> float:
    """Of a node that gives at most the elements that it reads."""
    return sum(a.size for a in arrays)


def product(node: NodeProto, arrays: Sequence[Array]) -> float:
    inner = max(1, min(arrays[0].shape[-1:], default=1))
    return float(arrays[0].size) * arrays[1].size / inner**2


def convolved(node: NodeProto, arrays: Sequence[Array]) -> float:
    """Of a convolution: at most one element a place of the padded input and output channel."""
    source, kernel = arrays[0].shape, arrays[1].shape
    settings = {a.name: list(a.ints) for a in node.attribute}
    rank = len(kernel) - 2
    strides = settings.get("strides") or [1] * rank
    pads = settings.get("pads") or [0] * (2 * rank)
    if len(source) != len(kernel) or len(strides) != rank or len(pads) != 2 * rank:
        raise ValueError(f"an input of shape {source} under a kernel of shape {kernel}")
    places = (
        float(math.ceil((n + abs(before) + abs(after)) / max(1, stride)))
        for n, before, after, stride in zip(
            source[2:], pads[:rank], pads[rank:], strides, strict=True
        )
    )
    return float(source[0] * kernel[0] * math.prod(places))


def matrix_terms(arrays: Sequence[Array]) -> float:
    """Return how many products an element of a matrix product adds up, at most."""
    return float(max(arrays[0].shape, default=1))


def kernel_terms(arrays: Sequence[Array]) -> float:
    """Return how many products an element of a convolution adds up."""
    return float(math.prod(arrays[1].shape[1:]))


def filled(node: NodeProto, arrays: Sequence[Array]) -> float:
    return _volume(arrays[0])


def expanded(node: NodeProto, arrays: Sequence[Array]) -> float:
    target = tuple(int(n) for n in arrays[1].reshape(-1))
    return float(math.prod(np.broadcast_shapes(arrays[0].shape, target)))


def tiled(node: NodeProto, arrays: Sequence[Array]) -> float:
    return arrays[0].size * _volume(arrays[1])


def gathered(node: NodeProto, arrays: Sequence[Array]) -> float:
    axis = next((int(a.i) for a in node.attribute if a.name == "axis"), 0)
    return float(arrays[0].size / max(1, arrays[0].shape[axis])) * arrays[1].size


def gathered_by_table(node: NodeProto, arrays: Sequence[Array]) -> float:
    return float(arrays[0].size) * arrays[1].size


def counted_up(node: NodeProto, arrays: Sequence[Array]) -> float:
    start, limit, delta = (float(a.reshape(-1)[0]) for a in arrays)
    return abs(limit - start) / abs(delta) if delta else math.inf


def padded(node: NodeProto, arrays: Sequence[Array]) -> float:
    return float(arrays[0].size + 1) * _volume(1.0 + np.abs(arrays[1].astype(np.float64)))


def one_hot(node: NodeProto, arrays: Sequence[Array]) -> float:
    return arrays[0].size * float(arrays[1].reshape(-1)[0])


def places(node: NodeProto, arrays: Sequence[Array]) -> float:
    """Of a node that gives one index per axis of each element."""
    return float(arrays[0].size) * max(1, arrays[0].ndim)


def first(node: NodeProto, arrays: Sequence[Array]) -> float:
    return arrays[0].size


def _volume(lengths: Array) -> float:
    return float(math.prod(float(v) for v in np.asarray(lengths).reshape(-1).tolist()))
