"""Put nested graphs into one: ports of inner graphs become nodes that hand their input on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mapper.diagnostics import refuse
from mapper.frontend.nir.file import Net, Node

IDENTITY = "Identity"
"""A port of an inner graph: what comes in goes out."""

Edge = tuple[str, str]
_SPIKING = frozenset({"IF", "LIF", "CubaLIF"})


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Flat:
    """A graph without graphs inside; an inner node is named ``outer.inner``."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    warnings: tuple[str, ...] = ()


def flatten(net: Net) -> Flat:
    """Return one graph.

    Raises:
        MappingError: ``invalid-model`` for an edge to or from a node that is not there;
            ``unsupported-op`` for an edge to an inner graph of several inputs or outputs.
    """
    nodes: dict[str, Node] = {}
    warnings: list[str] = []
    edges = list(dict.fromkeys(_flat(net, "", nodes, warnings)))
    return Flat(nodes=nodes, edges=tuple(edges), warnings=tuple(warnings))


def _flat(net: Net, prefix: str, nodes: dict[str, Node], warnings: list[str]) -> Iterator[Edge]:
    inputs: dict[str, str] = {}
    outputs: dict[str, str] = {}
    for name, node in net.nodes.items():
        full = f"{prefix}{name}"
        if isinstance(node, Net):
            node = _with_input_at_neuron(node, full, warnings)
            yield from _flat(node, f"{full}.", nodes, warnings)
            inputs[name] = _port(node, full, "Input")
            outputs[name] = _port(node, full, "Output")
        else:
            is_port = node.kind in ("Input", "Output")
            _put(nodes, full, replace(node, kind=IDENTITY) if is_port and prefix else node)
            inputs[name] = outputs[name] = full
    if len(set(net.edges)) < len(net.edges):
        warnings.append(f"{net.loc}: an edge is listed twice; it counts once, as in libraries")
    for source, target in net.edges:
        if source not in outputs or target not in inputs:
            shown = f"{source[:60]!r} -> {target[:60]!r}"
            raise refuse(
                "invalid-model", f"edge {shown} joins a node that is not there", loc=net.loc
            )
        yield outputs[source], inputs[target]


def _put(nodes: dict[str, Node], name: str, node: Node) -> None:
    if name in nodes:
        raise refuse("invalid-model", f"two nodes are named {name[:60]!r}", loc=node.loc)
    nodes[name] = node


def _port(net: Net, full: str, kind: str) -> str:
    """Return the full name of an inner graph's only input or output."""
    names = [n for n, node in net.nodes.items() if isinstance(node, Node) and node.kind == kind]
    if len(names) != 1:
        raise refuse(
            "unsupported-op",
            f"an inner graph has {len(names)} nodes of type {kind}; one is supported",
            loc=net.loc,
        )
    return f"{full}.{names[0]}"


def _with_input_at_neuron(net: Net, full: str, warnings: list[str]) -> Net:
    """Let the input of a recurrent layer reach its neuron, where a library drew it elsewhere.

    Spyx writes a recurrent layer as ``input -> w_rec <-> lif -> output`` (snnTorch makes the same
    graph while it reads); both mean, and run, ``lif(input + w_rec(spikes))``.
    """
    kinds = {name: node.kind for name, node in net.nodes.items() if isinstance(node, Node)}
    if len(kinds) != 4 or len(net.nodes) != 4:
        return net
    roles = {
        ("rec" if k in ("Affine", "Linear") else "cell" if k in _SPIKING else k): name
        for name, k in kinds.items()
    }
    if set(roles) != {"rec", "cell", "Input", "Output"}:
        return net
    rec, cell, start, end = roles["rec"], roles["cell"], roles["Input"], roles["Output"]
    if set(net.edges) != {(start, rec), (rec, cell), (cell, rec), (cell, end)}:
        return net
    warnings.append(
        f"{full!r}: its input is connected to the recurrent weights; it is taken as the "
        "libraries that write such graphs mean it, into the neurons"
    )
    edges = tuple((start, cell) if edge == (start, rec) else edge for edge in net.edges)
    return replace(net, edges=edges)
