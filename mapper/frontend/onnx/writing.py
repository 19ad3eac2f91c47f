"""Nodes that write known numbers into a computed tensor, such as a border of a fixed value.

What is written over is a factor of 0 and an offset: no layer, but part of the form.
"""

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Form, of_array
from mapper.frontend.onnx.node import Node
from mapper.frontend.onnx.shapes import axis_of
from mapper.ir.core import Array


def written(node: Node) -> Form:
    """``ScatterND``: known rows at known coordinates."""
    x, index, update = _operands(node)
    depth = index.shape[-1] if index.ndim else 0
    if not 0 < depth <= len(x.shape) or update.shape != (*index.shape[:-1], *x.shape[depth:]):
        raise node.unsupported(f"{update.shape} at {index.shape} does not fit {x.shape}")
    return _over(node, x, tuple(np.moveaxis(index, -1, 0)), update)


def written_elements(node: Node) -> Form:
    """``ScatterElements``: known numbers, each at a known place along one axis."""
    x, index, update = _operands(node)
    axis = axis_of(int(node.attribute("axis", 0)), len(x.shape))
    if index.ndim != len(x.shape) or update.shape != index.shape:
        raise node.unsupported(f"{update.shape} at {index.shape} does not fit {x.shape}")
    places: list[Array] = list(np.indices(index.shape, sparse=True))
    places[axis] = index
    return _over(node, x, tuple(np.broadcast_arrays(*places)), update)


def _operands(node: Node) -> tuple[Form, Array, Array]:
    if bytes(node.attribute("reduction", b"none")) not in (b"none", b""):
        raise node.unsupported("adds where it writes")
    x = node.form(0)
    node.check_size(x.shape)
    return x, node.constant(1).array, node.constant(2).array


def _over(node: Node, x: Form, places: tuple[Array, ...], update: Array) -> Form:
    """Return a form with ``update`` at ``places``, one array of coordinates an axis."""
    for axis, place in enumerate(places):
        if place.size and not -x.shape[axis] <= place.min() <= place.max() < x.shape[axis]:
            raise node.unsupported(f"writes at {int(place.max())} of {x.shape[axis]}")
    kept, values = np.ones(x.shape), np.zeros(x.shape)
    kept[places] = 0.0
    values[places] = update
    return forms.add(forms.multiply(x, of_array(kept)), of_array(values))
