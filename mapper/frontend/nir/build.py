"""From the nodes of a NIR file to the graph of one time step."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend.limits import check_limits
from mapper.frontend.nir.delays import Line, line_of, steps_of
from mapper.frontend.nir.file import Node, read_file
from mapper.frontend.nir.flatten import IDENTITY, flatten
from mapper.frontend.nir.layers import LayerWriter
from mapper.frontend.nir.neurons import (
    SPIKING,
    WITH_CURRENT,
    Shape,
    Stepped,
    spread,
    step,
    weak_points,
)
from mapper.frontend.nir.order import NEURONS, delayed_edges, ordered
from mapper.frontend.nir.ports import Ends, fused_thresholds, with_ends
from mapper.frontend.nir.rules import NirOptions, Rules, settle, text
from mapper.frontend.nir.shapes import neuron_shape, still_shape, still_type
from mapper.frontend.write.writer import OpWriter
from mapper.ir.core import FLOAT, SPIKE, Array, Graph, IntType, Scalar, State, Type, Value
from mapper.ir.network import Add, Reshape
from mapper.ir.network import Scale as ScaleOp
from mapper.ir.neurons import Neuron, Reset, ResetKind
from mapper.ir.verify import check_graph

RESETS: Mapping[str | None, ResetKind] = {
    None: "none",
    "subtract": "subtract",
    "value": "value",
    "zero": "value",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNir:
    """A graph and what was known beyond it."""

    graph: Graph
    version: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def read_nir(path: Path, options: NirOptions) -> ReadNir:
    """Read a NIR file into a graph of float network ops.

    Raises:
        MappingError: The file cannot be read; ``docs/nir.md`` lists what is, and how.
    """
    file = read_file(path)
    with np.errstate(all="ignore"):  # what is no number is refused where it becomes a parameter
        ends = fused_thresholds(with_ends(flatten(file.net), path.name))
        rules, warnings, notes = settle(options, file.net, ends.nodes)
        name = text(file.net.metadata, "names.name") or path.stem
        graph = _Builder(ends, rules, name).graph()
        weak = weak_points(ends.nodes, rules)
        warnings = (*ends.warnings, *warnings, *weak)
    check_limits(graph)
    check_graph(graph, "the NIR reader")
    if not any(isinstance(op, Neuron) for op in graph.ops):
        raise refuse("no-neurons", "no neuron was recognised", loc=path.name)
    return ReadNir(graph=graph, version=file.version, warnings=warnings, notes=notes)


class _Builder:
    def __init__(self, ends: Ends, rules: Rules, name: str) -> None:
        self.nodes = ends.nodes
        self.ends = ends
        self.rules = rules
        self.name = name
        self.delays = {
            n: steps_of(node, rules.dt) for n, node in self.nodes.items() if node.kind == "Delay"
        }
        self.delayed = delayed_edges(
            self.nodes, ends.edges, lambda n: n in self.delays and bool(self.delays[n].all())
        )
        self.sources: dict[str, list[str]] = {n: [] for n in self.nodes}
        for source, target in ends.edges:
            self.sources[target].append(source)
        self.ports = {n: self._port_name(n) for n in (*ends.inputs, *ends.outputs)}
        self.claims = self._claims()
        self.out = OpWriter(self.name, set(self.ports.values()))
        self.values: dict[str, Value] = {}
        self.before: dict[str, Value] = {}
        self.lines: dict[str, Line] = {}
        """Delays that are made before what they hold, in cycles."""
        self.sums: dict[tuple[str, ...], Value] = {}

    def graph(self) -> Graph:
        if self.rules.late and any(self.nodes[a].kind in SPIKING for a, _ in self.delayed):
            raise refuse(
                "unsupported-cycle",
                "recurrent layers of Spyx use the spikes of their own step",
                loc=self.name,
                help="give --dt and --reset instead of --library",
            )
        inputs = [Value(self.ports[n], FLOAT, shape) for n, shape in self.ends.inputs.items()]
        self.values.update(zip(self.ends.inputs, inputs, strict=True))
        for name in sorted({source for source, _ in self.delayed}):
            self._make_before(name)
        order = ordered(self.nodes, self.ends.edges, self.delayed)
        for name in order:
            if self.nodes[name].kind not in ("Input", "Output"):
                self.values[name] = self._write(name)
        by_name = {name: self._output(name) for name in self.ends.outputs}
        self.out.inputs.extend(self.values[n] for n in order if n in self.ends.inputs)
        self.out.output(*(by_name[n] for n in order if n in by_name))
        return self.out.graph(checked=False)  # ``read_nir`` checks it

    # --- names -----------------------------------------------------------------------------

    def _port_name(self, name: str) -> str:
        return text(self.nodes[name].metadata, "names.name") or name

    def _claims(self) -> dict[str, str]:
        """Name results after the outputs that they are."""
        claims: dict[str, str] = {}
        for output in self.ends.outputs:
            sources = self.sources[output]
            source = sources[0]
            while self.nodes[source].kind == IDENTITY and len(self.sources[source]) == 1:
                sources = self.sources[source]
                source = sources[0]
            silent = self.nodes[source].kind in ("Input", IDENTITY, "Delay")
            if len(self.sources[output]) == 1 and not silent:
                claims.setdefault(source, self.ports[output])
        return claims

    def _new(self, name: str, field: str, type: Type, shape: Shape) -> Value:
        """Return the value of one of a node's results, under the name it has in our own files."""
        node = self.nodes[name]
        if field == "result" and name in self.claims:
            return Value(self.claims[name], type, shape)
        default = name if field == "result" else f"{name}.{field}"
        return self.out.fresh(text(node.metadata, f"names.{field}") or default, type, shape)

    # --- inputs of a node ------------------------------------------------------------------

    def _input_of(self, name: str) -> Value:
        """Return what a node reads: its source, or the sum of its sources."""
        terms = [self._given(source, name) for source in self.sources[name]]
        if len(terms) == 1:
            return terms[0]
        key = tuple(term.name for term in terms)
        if key not in self.sums:
            self.sums[key] = self._sum(name, terms)
        return self.sums[key]

    def _given(self, source: str, name: str) -> Value:
        if (source, name) in self.delayed:
            return self.before[source]
        if source not in self.values:
            raise refuse(
                "invalid-model",
                f"it uses {source[:80]!r}, which is an output of the network",
                loc=self.nodes[name].loc,
            )
        return self.values[source]

    def _sum(self, name: str, terms: list[Value]) -> Value:
        shapes = {term.shape for term in terms}
        if len(shapes) > 1:
            raise refuse(
                "invalid-model",
                f"edges of shapes {sorted(shapes)} meet",
                loc=self.nodes[name].loc,
            )
        low, high = 0, 0
        for term in terms:
            if isinstance(term.type, IntType):
                low, high = low + term.type.min, high + term.type.max
        whole = all(isinstance(term.type, IntType) for term in terms)
        type = IntType.spanning(low, high) if whole else FLOAT
        if name in self.ends.outputs:
            total = Value(self.ports[name], type, terms[0].shape)
        else:
            total = self._new(name, "sum", type, terms[0].shape)
        self.out.add(Add(loc=self.nodes[name].loc, terms=tuple(terms), result=total))
        return total

    def _shaped(self, x: Value, name: str, field: str, shape: Shape) -> Value:
        if x.shape == shape:
            return x
        if int(np.prod(x.shape)) != int(np.prod(shape)):
            raise refuse(
                "invalid-model",
                f"its input has shape {x.shape}, the layer {shape}",
                loc=self.nodes[name].loc,
            )
        result = self._new(name, field, x.type, shape)
        self.out.add(Reshape(loc=self.nodes[name].loc, x=x, result=result))
        return result

    # --- nodes -----------------------------------------------------------------------------

    def _write(self, name: str) -> Value:
        node, x = self.nodes[name], self._input_of(name)
        if node.kind == IDENTITY:
            return x
        if node.kind in NEURONS:
            return self._neuron(name, x)
        if node.kind == "Delay":
            return self._delay(name, x)
        if node.kind == "Threshold":
            return self._threshold(name, x)
        writer = LayerWriter(name, node, self.out, lambda f, t, s: self._new(name, f, t, s))
        return writer.write(x)

    def _make_before(self, name: str) -> None:
        """Make the value that a delayed edge reads: spikes, a membrane, or a delay's end."""
        node = self.nodes[name]
        shape = still_shape(name, self.nodes, self.sources, self.values)
        if node.kind == "Delay":
            line = self._line(name, still_type(name, self.nodes, self.sources), shape)
            self.lines[name], self.before[name] = line, line.arrived(self.out)
        elif self._fires(node):
            self.before[name] = self._new(name, "before", SPIKE, shape)
        else:
            self.before[name] = self._new(name, "v", FLOAT, shape)

    def _fires(self, node: Node) -> bool:
        return node.kind in SPIKING or node.fires_above is not None

    def _neuron(self, name: str, x: Value) -> Value:
        node = self.nodes[name]
        held = self.before.get(name)
        shape = neuron_shape(node, x.shape) if held is None else held.shape
        x = self._shaped(x, name, "x", shape)
        stepped = step(node, shape, self.rules)
        if not self._fires(node):
            result = self._new(name, "result", FLOAT, shape)
            self._add_neuron(name, x, stepped, spike=None, after=result, membrane=held)
            return result
        spike = self._new(name, "result", SPIKE, shape)
        after = self._new(name, "v_next", FLOAT, shape)
        self._add_neuron(name, x, stepped, spike=spike, after=after, membrane=None)
        if held is not None:
            shown = text(node.metadata, "names.before_returned") or ""
            self.out.states.append(State(read=held, next=spike.name, output=shown))
        return spike

    def _add_neuron(
        self,
        name: str,
        x: Value,
        stepped: Stepped,
        *,
        spike: Value | None,
        after: Value,
        membrane: Value | None,
    ) -> None:
        before = self._state(name, "v", after, membrane)
        current, current_next = self._current(name, x.shape)
        given = partial(self._parameter, name)
        self.out.add(
            Neuron(
                loc=self.nodes[name].loc,
                x=x,
                membrane=before,
                current=current,
                spike=spike,
                membrane_next=after,
                current_next=current_next,
                leak=given("leak", stepped.leak, 1.0),
                gain=given("gain", stepped.gain, 1.0),
                bias=given("bias", stepped.bias, 0.0),
                current_leak=given("current_leak", stepped.current_leak, 0.0),
                current_input=given("current_input", stepped.current_input, 0.0),
                current_gain=given("current_gain", stepped.current_gain, 0.0),
                threshold=given("threshold", stepped.threshold, 1.0),
                strict=stepped.strict and spike is not None,
                reset=Reset(
                    kind=RESETS[stepped.reset],
                    amount=given("reset", stepped.amount, 0.0) if stepped.reset else 0,
                    phase=stepped.phase,
                ),
                spike_phase=stepped.spike_phase,
                floor=None if stepped.floor is None else given("floor", stepped.floor, 0.0),
            )
        )

    def _current(self, name: str, shape: Shape) -> tuple[Value | None, Value | None]:
        """Make a neuron's synaptic current, as it is before and after the step."""
        if self.nodes[name].kind not in WITH_CURRENT:
            return None, None
        after = self._new(name, "i_next", FLOAT, shape)
        return self._state(name, "i", after, None), after

    def _parameter(self, name: str, field: str, array: Array | None, default: float) -> Scalar:
        """Return a neuron's parameter under the name that it has in our own files."""
        if array is None:
            return default
        wanted = text(self.nodes[name].metadata, f"names.{field}") or f"{name}.{field}"
        return self.out.parameter(wanted, array)

    def _state(self, name: str, field: str, after: Value, read: Value | None) -> Value:
        """Return a state of this step whose value in the next step is ``after``."""
        held = read or self._new(name, field, FLOAT, after.shape)
        shown = text(self.nodes[name].metadata, f"names.{field}_returned")
        if shown is None:
            shown = "" if after.name in self.ports.values() else after.name
        self.out.states.append(State(read=held, next=after.name, output=shown))
        return held

    def _threshold(self, name: str, x: Value) -> Value:
        """Write a comparison as a neuron that keeps nothing: ``0 * v + x``."""
        node = self.nodes[name]
        stepped = Stepped(
            leak=np.zeros(()),
            gain=np.ones(()),
            bias=np.zeros(()),
            threshold=spread(node.array("threshold"), x.shape, "threshold", node),
        )
        spike = self._new(name, "result", SPIKE, x.shape)
        after = self._new(name, "v_next", FLOAT, x.shape)
        self._add_neuron(name, x, stepped, spike=spike, after=after, membrane=None)
        return spike

    # --- delays ----------------------------------------------------------------------------

    def _line(self, name: str, type: Type, shape: Shape) -> Line:
        def new(field: str, type: Type, shape: Shape) -> Value:
            return self._new(name, field, type, shape)

        return line_of(self.delays[name], type, shape, self.nodes[name].loc, new)

    def _delay(self, name: str, x: Value) -> Value:
        """Let a value wait, each neuron's for its own steps."""
        if not self.delays[name].any():
            return x
        held = self.lines.get(name)
        line = self._line(name, x.type, x.shape) if held is None else held
        first = line.states[0]
        x = self._shaped(x, name, "x", first.shape)
        if x.type != first.type:
            cast = self._new(name, "cast", first.type, first.shape)
            self.out.add(ScaleOp(loc=self.nodes[name].loc, x=x, result=cast))
            x = cast
        line.enter(self.out, x)
        return self.before[name] if held is not None else line.arrived(self.out, [x])

    # --- outputs ---------------------------------------------------------------------------

    def _output(self, name: str) -> Value:
        value, wanted = self._input_of(name), self.ports[name]
        if value.name == wanted:
            return value
        result = Value(wanted, value.type, value.shape)
        self.out.add(Reshape(loc=self.nodes[name].loc, x=value, result=result))
        return result
