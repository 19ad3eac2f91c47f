"""Shapes and types that must be known before a node is written: those in cycles."""

import math
from collections.abc import Mapping

from mapper.diagnostics import refuse
from mapper.frontend.nir.file import Node
from mapper.frontend.nir.neurons import SPIKING, Shape, without_batch
from mapper.frontend.nir.order import NEURONS
from mapper.frontend.nir.ports import field_shape
from mapper.ir.core import FLOAT, SPIKE, Type, Value

Sources = Mapping[str, list[str]]


def neuron_shape(node: Node, given: Shape) -> Shape:
    """Return a neuron layer's shape: its input's, without a batch axis that its fields lack."""
    own = field_shape(node)
    return without_batch(given, len(own)) if math.prod(own) > 1 else given


def still_shape(
    name: str, nodes: Mapping[str, Node], sources: Sources, values: Mapping[str, Value]
) -> Shape:
    """Return the shape of what a node gives, from fields alone, its own or those before it."""
    waiting, seen = [name], set()
    while waiting:
        found = waiting.pop(0)
        if found in seen:
            continue
        seen.add(found)
        shape = values[found].shape if found in values else _own_shape(nodes[found])
        if shape is not None:
            return shape
        if nodes[found].kind in NEURONS or nodes[found].kind in ("Delay", "Identity", "Threshold"):
            waiting.extend(sources[found])
    raise refuse(
        "invalid-model",
        f"the shape of {name[:60]!r}, which is in a cycle, follows from nothing in the file",
        loc=nodes[name].loc,
        help="give its parameters the full shape of the layer",
    )


def _own_shape(node: Node) -> Shape | None:
    if node.kind in ("Affine", "Linear"):
        return node.array("weight").shape[:1]
    numeric = [
        a.shape
        for a in (node.array(f) for f, h in node.fields.items() if not isinstance(h, str))
        if a.size > 1
    ]
    if node.kind in NEURONS or node.kind in ("Scale", "Delay", "Threshold"):
        return max(numeric, key=math.prod, default=None)
    return None


def still_type(name: str, nodes: Mapping[str, Node], sources: Sources) -> Type:
    """Return what a delay in a cycle carries: spikes where they reach it unchanged."""
    seen = set()
    while name not in seen:
        seen.add(name)
        node = nodes[name]
        if node.kind in SPIKING or node.kind == "Threshold" or node.fires_above is not None:
            return SPIKE
        if node.kind not in ("Delay", "Identity", "Flatten") or len(sources[name]) != 1:
            return FLOAT
        name = sources[name][0]
    return FLOAT
