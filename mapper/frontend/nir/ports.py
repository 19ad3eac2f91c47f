"""The ends of a graph: its inputs and outputs, also where an old file leaves them out."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend.nir.file import Node
from mapper.frontend.nir.flatten import Edge, Flat
from mapper.frontend.nir.neurons import Shape, without_batch
from mapper.frontend.nir.order import NEURONS
from mapper.frontend.onnx.constants import MAX_ELEMENTS

MOST_AXES = 8
"""Of an input."""

RANKS = {"Affine": 1, "Linear": 1, "Conv1d": 2, "Conv2d": 3, "SumPool2d": 3, "AvgPool2d": 3}


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Ends:
    """A graph of which every node lies between its inputs and its outputs."""

    nodes: dict[str, Node]
    edges: tuple[Edge, ...]
    inputs: dict[str, Shape]
    outputs: tuple[str, ...]
    warnings: tuple[str, ...]


def with_ends(flat: Flat, where: str) -> Ends:
    """Find or make the inputs and outputs, and leave out what no output needs.

    Raises:
        MappingError: ``invalid-model`` for no nodes, an input without a shape or with something
            that feeds it, or a node that nothing reaches.
    """
    nodes, edges = dict(flat.nodes), list(flat.edges)
    for source, target in edges:
        if nodes[source].kind == "Output" or nodes[target].kind == "Input":
            told = (
                f"edge {source[:60]!r} -> {target[:60]!r} leads out of an output, or into an input"
            )
            raise refuse("invalid-model", told, loc=where)
    if not any(node.kind == "Input" for node in nodes.values()):
        _add_inputs(nodes, edges)
    if not any(node.kind == "Output" for node in nodes.values()):
        _add_outputs(nodes, edges, where)
    outputs = tuple(name for name, node in nodes.items() if node.kind == "Output")
    needed = _reaching(outputs, edges)
    warnings = [
        f"{name!r} leads to no output and is left out"
        for name in nodes
        if name not in needed and nodes[name].kind != "Identity"
    ]
    nodes = {name: node for name, node in nodes.items() if name in needed}
    edges = [(a, b) for a, b in edges if a in needed and b in needed]
    fed = {target for _, target in edges}
    for name, node in nodes.items():
        if node.kind != "Input" and name not in fed:
            raise refuse("invalid-model", f"nothing leads to {name[:60]!r}", loc=node.loc)
    inputs = {
        name: _shape(name, nodes, edges) for name, node in nodes.items() if node.kind == "Input"
    }
    if not inputs:
        raise refuse("invalid-model", "no input leads to an output", loc=where)
    return Ends(
        nodes=nodes,
        edges=tuple(edges),
        inputs=inputs,
        outputs=outputs,
        warnings=(*flat.warnings, *warnings),
    )


def _add_inputs(nodes: dict[str, Node], edges: list[Edge]) -> None:
    """Give every node that nothing feeds an input of its shape, as ``nir`` 1.0.8 does."""
    fed = {target for _, target in edges}
    for name in [n for n in nodes if n not in fed]:
        shape = np.asarray(_taken(nodes[name]))
        made = f"input_{name}" if len(nodes) > 1 and "input" in nodes else "input"
        made = made if made not in nodes else f"input_{name}"
        nodes[made] = Node(kind="Input", loc=nodes[name].loc, fields={"shape": shape})
        edges.append((made, name))


def _add_outputs(nodes: dict[str, Node], edges: list[Edge], where: str) -> None:
    sources = {source for source, _ in edges}
    leaves = [name for name in nodes if name not in sources]
    if not leaves:
        raise refuse("invalid-model", "the graph has no output", loc=where)
    for name in leaves:
        made = "output" if len(leaves) == 1 and "output" not in nodes else f"output_{name}"
        nodes[made] = Node(kind="Output", loc=nodes[name].loc, fields={})
        edges.append((name, made))


def _taken(node: Node) -> Shape:
    """Return the input shape that a node's own fields tell."""
    if node.kind in ("Affine", "Linear"):
        return node.array("weight").shape[-1:]
    if node.kind in NEURONS:
        return field_shape(node)
    raise refuse(
        "invalid-model",
        f"the graph has no Input, and a {node.kind[:40]} does not tell its input's shape",
        loc=node.loc,
    )


def field_shape(node: Node) -> Shape:
    """Return the shape of a neuron's largest field."""
    arrays = [node.array(name) for name in node.fields]
    return max((a.shape for a in arrays), key=math.prod, default=())


def _reaching(outputs: tuple[str, ...], edges: list[Edge]) -> set[str]:
    sources: dict[str, list[str]] = {}
    for source, target in edges:
        sources.setdefault(target, []).append(source)
    found, waiting = set(outputs), list(outputs)
    while waiting:
        for source in sources.get(waiting.pop(), ()):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _shape(name: str, nodes: dict[str, Node], edges: list[Edge]) -> Shape:
    """Return an input's shape without the batch axis that some exporters write along."""
    node = nodes[name]
    shape = node.integers("shape")
    if not shape or min(shape) < 1 or len(shape) > MOST_AXES:
        told = f"an input of shape {shape[:MOST_AXES]}: it has 1 to {MOST_AXES} axes, none empty"
        raise refuse("invalid-model", told, loc=node.loc)
    if (elements := math.prod(shape)) > MAX_ELEMENTS:
        told = f"an input of {elements} elements, at most {MAX_ELEMENTS} are read"
        raise refuse("model-too-large", told, loc=node.loc)
    ranks = list(_ranks(name, nodes, edges))
    return without_batch(shape, max(ranks)) if ranks else shape


def _ranks(name: str, nodes: dict[str, Node], edges: list[Edge]) -> Iterator[int]:
    for node in (nodes[target] for source, target in edges if source == name):
        if node.kind in RANKS:
            yield RANKS[node.kind]
        elif node.kind in NEURONS and math.prod(field_shape(node)) > 1:
            yield len(field_shape(node))
        else:
            yield 8  # takes any shape


def fused_thresholds(ends: Ends) -> Ends:
    """Let an integrator that only a ``Threshold`` reads fire itself, without a reset.

    The same numbers; one neuron instead of an analogue value between two (Spyx writes ``PSU_LIF``
    as this pair).
    """
    nodes = dict(ends.nodes)
    sources: dict[str, list[str]] = {}
    readers: dict[str, int] = {}
    for source, target in ends.edges:
        sources.setdefault(target, []).append(source)
        readers[source] = readers.get(source, 0) + 1
    for name, node in ends.nodes.items():
        if node.kind != "Threshold" or len(sources[name]) != 1:
            continue
        before = sources[name][0]
        if ends.nodes[before].kind in ("I", "LI", "CubaLI") and readers[before] == 1:
            nodes[before] = replace(nodes[before], fires_above=node.array("threshold"))
            nodes[name] = replace(node, kind="Identity")
    return replace(ends, nodes=nodes)
