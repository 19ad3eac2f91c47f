"""The mapped network as a graph of few nodes: layers with their neurons, and what joins them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from mapper.ir.assignment import layer_name
from mapper.ir.core import Array, Graph, Op, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Move,
    Scale,
    SumPool2d,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.tables import OpTable
from mapper.ir.units import LayerOp

_MAP_AXES = 3  # channels, height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A layer, an input, or a step between layers."""

    name: str
    what: str
    """``conv 3x3``, ``max pool 2x2``, ``input`` ..."""
    shape: tuple[int, ...]
    """Of what it hands on."""
    neurons: int = 0
    neuron: str = ""
    """What its neurons do, in words; empty where there are none."""
    spike: str = ""
    """The value whose spikes a trace counts; empty for what does not fire."""
    rate: float | None = None
    """Spikes of a neuron, or of an input, in a time step; None where nothing was recorded."""
    sources: tuple[int, ...] = ()
    late: tuple[int, ...] = ()
    """Sources whose value is that of the time step before."""
    output: bool = False


@dataclass
class _Builder:
    nodes: list[Node] = field(default_factory=list)
    homes: dict[str, int] = field(default_factory=dict)
    """The node that makes each value."""

    def add(self, node: Node, *values: Value) -> None:
        self.nodes.append(node)
        self.place(len(self.nodes) - 1, values)

    def place(self, node: int, values: tuple[Value, ...]) -> None:
        self.homes.update((value.name, node) for value in values)

    def sources(self, op: Op) -> tuple[int, ...]:
        found = (self.homes[v.name] for v in op.operands if v.name in self.homes)
        return tuple(dict.fromkeys(found))


def network_nodes(graph: Graph, trace: Mapping[str, Array]) -> tuple[Node, ...]:
    """Return the nodes in execution order, with spike rates where ``trace`` has them."""
    made = _Builder()
    for value in graph.inputs:
        rate = spike_rate(value, trace)
        spike, shape = value.name, value.shape
        made.add(Node(name=spike, what="input", shape=shape, spike=spike, rate=rate), value)
    for op in graph.ops:
        _add(made, op, trace)
    outputs = {made.homes[v.name] for v in graph.outputs if v.name in made.homes}
    late = dict(_late_edges(graph, made))
    return tuple(
        replace(node, output=index in outputs, late=late.get(index, ()))
        for index, node in enumerate(made.nodes)
    )


def spike_rate(value: Value, trace: Mapping[str, Array]) -> float | None:
    counts = trace.get(value.name)
    if counts is None or not counts.size:
        return None
    return float(counts.sum()) / (counts.size * max(1, prod(value.shape)))


def _add(made: _Builder, op: Op, trace: Mapping[str, Array]) -> None:
    rule = NODES.entry(type(op))
    if rule is not None:
        rule(made, op, trace)


def _add_layer(made: _Builder, op: LayerOp, trace: Mapping[str, Array]) -> None:
    name = layer_name(op.loc, op.results[0].name.removesuffix(".partial_sum"))
    shape = op.results[0].shape[3:] if isinstance(op, CrossbarMvm) else op.results[0].shape
    node = Node(name=name, what=_layer(op), shape=shape, sources=made.sources(op))
    made.add(node, *op.results)


def _max_pool(made: _Builder, op: MaxPool2d, trace: Mapping[str, Array]) -> None:
    _join(made, op, f"max pool {'x'.join(map(str, op.window.kernel))}")


def _sum_pool(made: _Builder, op: SumPool2d, trace: Mapping[str, Array]) -> None:
    _join(made, op, f"sum pool {'x'.join(map(str, op.window.kernel))}")


def _merge(made: _Builder, op: Merge, trace: Mapping[str, Array]) -> None:
    _join(made, op, f"merge ({op.kind})")


def _product(made: _Builder, op: Multiply | MatMul, trace: Mapping[str, Array]) -> None:
    _join(made, op, op.label)


def _concat(made: _Builder, op: Concat, trace: Mapping[str, Array]) -> None:
    _join(made, op, "join channels")


def _sum(made: _Builder, op: Add | ScaledAdd, trace: Mapping[str, Array]) -> None:
    """A sum of what one node makes is part of that node."""
    if len(made.sources(op)) == 1:
        _pass_on(made, op, trace)
    else:
        _join(made, op, "sum")


def _join(made: _Builder, op: Op, what: str) -> None:
    """Give a step between layers a node of its own, unless it comes from no node."""
    sources, value = made.sources(op), op.results[0]
    if sources:
        made.add(Node(name=value.name, what=what, shape=value.shape, sources=sources), value)


def _move(made: _Builder, op: Move, trace: Mapping[str, Array]) -> None:
    """Other places of a tensor stay with the node it comes from."""
    for home in made.sources(op)[:1]:
        made.place(home, op.results)


def _pass_on(made: _Builder, op: Op, trace: Mapping[str, Array]) -> None:
    """Keep the result with the node it comes from; it has the shape of the last map it makes."""
    for home in made.sources(op)[:1]:
        shape = op.results[0].shape
        made.place(home, op.results)
        inside = len(shape) > _MAP_AXES  # planes, row blocks and slices come first
        if made.nodes[home].what != "input" and not inside:
            made.nodes[home] = replace(made.nodes[home], shape=shape)


def _add_neurons(made: _Builder, op: IntegerNeuron, trace: Mapping[str, Array]) -> None:
    told = {
        "neurons": prod(op.membrane.shape),
        "neuron": neuron_words(op),
        "shape": op.membrane.shape,
        "spike": "" if op.spike is None else op.spike.name,
        "rate": None if op.spike is None else spike_rate(op.spike, trace),
    }
    home = made.homes.get(op.x.name)
    if home is not None and made.nodes[home].what != "input" and not made.nodes[home].neurons:
        made.nodes[home] = replace(made.nodes[home], **told)  # type: ignore[arg-type]
        made.place(home, op.results)
        return
    name = layer_name(op.loc, op.results[0].name)
    made.add(Node(name=name, what="neurons", sources=made.sources(op), **told), *op.results)  # type: ignore[arg-type]


def neuron_words(op: IntegerNeuron) -> str:
    """Say what a layer of neurons does."""
    kind = {"shift": "LIF", "multiply": "LIF", "none": "IF"}.get(op.decay.kind, "neurons")
    words = [f"{kind} with current" if op.current is not None else kind]
    if op.spike is None:
        return f"{words[0]}, accumulates without firing"
    resets = {"subtract": "reset by subtraction", "value": "reset to a value", "none": "no reset"}
    if not op.levels.is_spike:
        words.append(f"{op.levels.low}..{op.levels.high} a step")
    return ", ".join([*words, resets[op.reset.kind]])


def _layer(op: LayerOp) -> str:
    if isinstance(op, Synapse):
        return f"{op.mnemonic.removeprefix('net.').replace('_', ' ')}, digital unit"
    if op.window is None:
        return "linear"
    kind = "transposed conv" if max(op.window.stuffing) > 1 else "conv"
    words = [f"{kind} {'x'.join(map(str, op.window.kernel))}"]
    if max(op.window.stride) > 1:
        words.append(f"stride {'x'.join(map(str, op.window.stride))}")
    return " ".join(words)


_REALS = "a mapped network has no real numbers"

NODES: OpTable[Callable[[_Builder, Any, Mapping[str, Array]], None]] = OpTable(
    what="steps of the network's picture",
    entries={
        CrossbarMvm: _add_layer,
        Synapse: _add_layer,
        IntegerNeuron: _add_neurons,
        SenseAmpRead: _pass_on,
        AdcRead: _pass_on,
        ShiftAndAdd: _pass_on,
        Move: _move,
        Add: _sum,
        ScaledAdd: _sum,
        MaxPool2d: _max_pool,
        SumPool2d: _sum_pool,
        Merge: _merge,
        Multiply: _product,
        MatMul: _product,
        Concat: _concat,
    },
    without={
        CountActive: "beside the crossbars that it counts for",
        AvgPool2d: _REALS,
        FakeQuantize: _REALS,
        Neuron: _REALS,
        Scale: _REALS,
    },
)
"""How an op is drawn: as a node, or as part of the node that it comes from."""


def _late_edges(graph: Graph, made: _Builder) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield each node that reads another one's value of the time step before."""
    held = {state.read.name: state.next for state in graph.states}
    found: dict[int, dict[int, None]] = {}
    for op in graph.ops:
        homes = [made.homes[v.name] for v in op.results if v.name in made.homes]
        for value in op.operands:
            source = made.homes.get(held.get(value.name, ""))
            if homes and source is not None and source != homes[0]:
                found.setdefault(homes[0], {})[source] = None
    return ((node, tuple(sources)) for node, sources in found.items())


# --- layout --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A line from one row to a later one, in a lane beside the rows; lane 0 is the rows' own."""

    source: int
    sink: int
    lane: int
    late: bool = False


def edges_in_lanes(nodes: tuple[Node, ...]) -> tuple[Edge, ...]:
    """Give every edge a lane, so that no two lines in a lane overlap."""
    pairs = [(s, i, False) for i, node in enumerate(nodes) for s in node.sources]
    pairs += [(s, i, True) for i, node in enumerate(nodes) for s in node.late]
    made: list[Edge] = []
    ends: list[list[tuple[int, int]]] = []  # taken rows, by lane
    for source, sink, late in sorted(pairs, key=lambda pair: abs(pair[1] - pair[0])):
        low, high = min(source, sink), max(source, sink)
        if high - low == 1 and not late:
            made.append(Edge(source=source, sink=sink, lane=0))
            continue
        lane = next((k for k, taken in enumerate(ends) if _free(taken, low, high)), len(ends))
        if lane == len(ends):
            ends.append([])
        ends[lane].append((low, high))
        made.append(Edge(source=source, sink=sink, lane=lane + 1, late=late))
    return tuple(made)


def _free(taken: list[tuple[int, int]], low: int, high: int) -> bool:
    return all(high <= start or low >= stop for start, stop in taken)
