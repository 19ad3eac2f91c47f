"""Synaptic filters in integers: membranes that never fire, and what weights read of them.

A filter has as many fraction bits as the greatest number that it may hold leaves to the target's
membranes. Weights read its highest bits, as many as a macro of the target takes, and wordlines
carry them bit plane by bit plane.

A leak that a spike ``s`` switches is two leaks of the target, ``a(v)`` where ``s`` is 0 and
``b(v)`` where it is 1: ``v' = sat(v + x + (a(v) - v) + s * (b(v) - a(v)))``. Their shifts round
down; a leak of 1 keeps every bit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, log2

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import SPIKE, Array, Const, Constants, Graph, Op, Value
from mapper.ir.hardware import ScaledAdd
from mapper.ir.infer import settled
from mapper.ir.network import Add
from mapper.ir.neurons import Neuron
from mapper.ir.products import Multiply
from mapper.ir.switched import NEAR, SwitchedLeak, filters, leaks_of, switched_leaks
from mapper.ir.synapses import Synapse
from passes.integers.meaning import Meaning
from passes.integers.neuron_units import MAX_FRACTION_BITS, Leak, leak_of
from passes.shared.rewrite import number, simplest, use_counts
from targets import Target

ROOM = 4
"""How often a filter that spikes may hold holds what it would settle at if it always leaked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterUnits:
    """How a filter counts."""

    fraction_bits: int
    bits: int
    """Of its state, which saturates."""
    dropped: int
    """Lowest bits that weights do not read."""
    in_a_row: float
    """Greatest inputs in a row that it holds before it saturates; infinite where it never does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is known of the filters of a network in reals.

    Its ``graph`` is the network without what switches leaks: there, neurons read what else
    drives them.
    """

    graph: Graph
    target: Target
    switched: Mapping[str, SwitchedLeak]
    """By membrane."""
    weighed: frozenset[str]
    """Values that weights read, or ops without a neuron between that they read."""

    @classmethod
    def of(cls, graph: Graph, target: Target) -> "Filters":
        """Return those of a network in reals."""
        leaks = switched_leaks(graph)
        graph = without_switches(graph, leaks)
        weighed = frozenset(read_by_weights(graph))
        return cls(graph=graph, target=target, switched=leaks, weighed=weighed)

    def units(self, op: Neuron, x: Meaning) -> FilterUnits | None:
        """Return how a filter fed by ``x`` counts.

        None of other neurons, and of those whose leak nothing switches and no weights read.
        """
        switched = self.switched.get(op.membrane.name)
        if switched is None and op.membrane_next.name not in self.weighed:
            return None
        gain = number(self.graph, op.gain) * x.scale
        if not filters(self.graph, op, switched) or (gain <= 0).any():
            return None
        leaks = leaks_of(self.graph, op, switched)
        least, most = float(min(map(np.min, leaks))), float(max(map(np.max, leaks)))
        holds = most > 1 - NEAR
        bias = number(self.graph, op.gain) * x.offset + number(self.graph, op.bias)
        step = float(max(-x.type.min, x.type.max)) + float(np.abs(bias / gain).max())
        reach = step * (ROOM / (1 - least) if holds else 1 / (1 - most))
        bits, fraction = self._widths(reach)
        macros = [m for m in self.target.macros if m.max_input_bits > 1]
        taken = [m.max_input_bits for m in macros if m.takes(m.max_input_bits)]
        held = ((1 << (bits - 1)) - 1) / 2.0**fraction
        return FilterUnits(
            fraction_bits=fraction,
            bits=bits,
            dropped=max(0, bits - max(taken, default=bits)),
            in_a_row=held / step if holds else float("inf"),
        )

    def _widths(self, reach: float) -> tuple[int, int]:
        """Return bits of a state that gets as far as ``reach`` input steps, and fraction bits."""
        unit = self.target.neuron
        fraction = unit.fraction_bits
        if fraction is None:
            spare = floor(unit.membrane_bits - 1 - log2(reach))
            fraction = min(max(0, spare), MAX_FRACTION_BITS)
        bits = 1 + ceil(fraction + log2(reach))
        return min(unit.membrane_bits, max(2, bits)), fraction

    def told(self, op: Neuron, units: FilterUnits, scale: float) -> Iterator[str]:
        """Yield what is lost of a filter. ``scale`` is the greatest real of a step of its state."""
        if units.dropped and op.membrane_next.name in self.weighed:
            yield (
                f"weights read the highest {units.bits - units.dropped} of its {units.bits} bits, "
                f"in steps of {scale * 2.0**units.dropped:g}"
            )
        if np.isfinite(units.in_a_row):
            yield (
                "a spike keeps its membrane from leaking, so nothing bounds it: it saturates at "
                f"{scale * ((1 << (units.bits - 1)) - 1):g}, which {units.in_a_row:.0f} greatest "
                "inputs in a row reach"
            )

    def codes(self, op: Neuron, held: Meaning, units: FilterUnits) -> tuple[Op, Meaning] | None:
        """Return the op that gives what weights read of a filter, and its meaning.

        None where that is all of it.
        """
        if not units.dropped or op.membrane_next.name not in self.weighed:
            return None
        cut = ScaledAdd(
            terms=(held.value,),
            scales=(1,),
            shift=units.dropped,
            result=replace(held.value, name=f"{held.value.name}.codes"),
            loc=op.loc,
        )
        cut = settled(cut, {})
        return cut, replace(held, value=cut.result, scale=held.scale * 2.0**units.dropped)

    def drive(
        self, op: Neuron, x: Meaning, switch: Meaning, membrane: Value, fraction_bits: int
    ) -> "Drive":
        """Return what a neuron reads that has no leak itself, as spikes switch it.

        Args:
            op: The neuron in reals.
            x: What drives it beside its leaks.
            switch: What switches the leak.
            membrane: The integer state.
            fraction_bits: Of the state.

        Raises:
            MappingError: ``unsupported-leak`` where the target has no such leak, or what switches
                it is no spike.
        """
        if switch.type != SPIKE or (switch.scale != 1).any() or switch.offset.any():
            raise _unswitched(
                op, f"'{switch.value.name}', which holds codes of {switch.type.bits} bits"
            )
        unit = self.target.neuron
        leaks = leaks_of(self.graph, op, self.switched[op.membrane.name])
        off_leak, on_leak = map(_snapped, leaks)
        built = _Built(f"{op.results[0].name}.leak", op.loc)
        off = built.left(leak_of(op, off_leak, unit), membrane, "off")
        on = built.left(leak_of(op, on_leak, unit), membrane, "on")
        change = built.add("change", (on, 1), (off, -1))
        result = replace(change, name=f"{built.name}.switched")
        product = settled(Multiply(a=switch.value, b=change, result=result, loc=op.loc), {})
        built.ops.append(product)
        terms: list[tuple[Value, int]] = [(x.value, 1 << fraction_bits), (product.result, 1)]
        if off != membrane:
            terms += [(off, 1), (membrane, -1)]
        return Drive(x=built.add("x", *terms), ops=tuple(built.ops), tables=built.tables)

    def switch_of(self, op: Neuron) -> Value | None:
        """Return what switches a neuron's leak; None where nothing does.

        Raises:
            MappingError: ``unsupported-leak`` where several values do.
        """
        known = self.switched.get(op.membrane.name)
        if known is None:
            return None
        if len(known.switches) > 1:
            names = " and ".join(f"'{value.name}'" for value, _ in known.switches)
            raise _unswitched(op, f"{names}, each by itself")
        return known.switches[0][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """What a neuron reads in steps of its membrane, and the ops that make it."""

    x: Value
    ops: tuple[Op, ...]
    tables: Constants


def _unswitched(op: Neuron, by: str) -> MappingError:
    return refuse(
        "unsupported-leak",
        f"the leak of this membrane is switched by {by}; the digital unit switches one by a "
        "spike of 1 bit",
        loc=op.loc,
        help="filter spikes of 0 and 1: those of one neuron, or of the network's input",
    )


def _snapped(leak: Array) -> Array:
    """Return a leak that is 0 or 1 but for rounding as that."""
    near = np.rint(leak)
    return simplest(np.where(np.abs(leak - near) < NEAR, near, leak))


def without_switches(graph: Graph, leaks: Mapping[str, SwitchedLeak]) -> Graph:
    """Return a graph in which neurons read what drives them beside their own membranes."""
    ops: list[Op] = []
    for op in graph.ops:
        leak = leaks.get(op.membrane.name) if isinstance(op, Neuron) else None
        if leak is not None and isinstance(op, Neuron):
            x = leak.rest[0]
            if len(leak.rest) > 1:
                x = Value(f"{op.x.name}.rest", op.x.type, op.x.shape)
                ops.append(Add(terms=leak.rest, result=x, loc=op.loc))
            op = replace(op, x=x)
        ops.append(op)
    return _without_unused(replace(graph, ops=tuple(ops))) if leaks else graph


def _without_unused(graph: Graph) -> Graph:
    """Drop ops that nothing reads any more."""
    while True:
        used = use_counts(graph)
        ops = tuple(op for op in graph.ops if any(used[value.name] for value in op.results))
        if len(ops) == len(graph.ops):
            return graph
        graph = replace(graph, ops=ops)


def read_by_weights(graph: Graph) -> set[str]:
    """Return the values that weights read, or ops without a neuron between that they read."""
    import networkx as nx  # as in passes/shared/rewrite.py

    flow: nx.DiGraph[str] = nx.DiGraph()
    for op in graph.ops:
        if not isinstance(op, Neuron):
            flow.add_edges_from((r.name, v.name) for r in op.results for v in op.operands)
    layers = {op.result.name for op in graph.ops if isinstance(op, Synapse)}
    return {name for layer in layers for name in nx.descendants(flow, layer)}


class _Built:
    """Ops of one drive, in order."""

    def __init__(self, name: str, loc: str) -> None:
        self.name, self.loc = name, loc
        self.ops: list[Op] = []
        self.tables: dict[str, Array] = {}

    def add(
        self, name: str, *terms: tuple[Value, int | Const], offset: int = 0, shift: int = 0
    ) -> Value:
        """Write ``(sum of terms times numbers + offset) >> shift``."""
        added = ScaledAdd(
            terms=tuple(term for term, _ in terms),
            scales=tuple(scale for _, scale in terms),
            offset=offset,
            shift=shift,
            result=replace(terms[0][0], name=f"{self.name}.{name}"),
            loc=self.loc,
        )
        added = settled(added, self.tables)
        self.ops.append(added)
        return added.result

    def left(self, leak: Leak, v: Value, name: str) -> Value:
        """Write what a leak leaves of a membrane; nothing where that is all of it."""
        decay = leak.decay
        if decay.kind == "none":
            return v
        if decay.kind == "shift":  # v - (v >> k)
            most = (1 << decay.shift) - 1
            return self.add(name, (v, most), offset=most, shift=decay.shift)
        assert leak.multiplier is not None
        table = simplest(leak.multiplier).astype(np.int64)
        if table.ndim == 0:
            return self.add(name, (v, int(table)), shift=decay.shift)
        const = Const(f"{self.name}.{name}.scale")
        self.tables[const.name] = table
        return self.add(name, (v, const), shift=decay.shift)
