"""Which layers could be one, and which way costs less."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mapper.ir.assignment import layer_name
from mapper.ir.core import Array, Graph, IntType, Op, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.encoding import greatest_weight
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
    Transpose,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear, Synapse
from mapper.ir.tables import OpTable
from mapper.ir.windows import Window
from passes.folding.convolved import Convolved, added, as_it_is, plane, scaled, summed, transposed
from passes.integers.meaning import READ_BITS
from passes.shared.rewrite import number, use_counts
from targets import Target, weight_bits

When = Literal["cheaper", "always", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a value is a convolution of, and what making it costs."""

    convolved: Convolved
    cost: int = 0
    """Products of a weight and a bit, folded where that is cheaper."""
    folded: bool = False
    """Whether one layer is to make it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Terms of a sum that one layer is to make."""

    terms: tuple[Value, ...]
    convolved: Convolved
    loc: str
    """Of the term with the most weights, whose name the layer gets."""
    plain: tuple[tuple[Value, Convolved], ...]
    """Other terms of what they read, without weights: scaled spikes, say."""


class Ways:
    """How the values of a graph are made; in ``found`` and ``beside`` by their names."""

    def __init__(self, graph: Graph, target: Target, when: When) -> None:
        self.given = graph
        self.target = target
        self.when = when
        self.uses = use_counts(graph)
        self.made_by = {op.results[0].name: op for op in graph.ops}
        self.found: dict[str, Way] = {}
        self.beside: dict[str, tuple[Beside, ...]] = {}
        for op in graph.ops:
            rule = CONVOLVED.entry(type(op))
            way = None if rule is None else rule(self, op)
            if way is not None:
                self.found[op.results[0].name] = way

    def between(self, source: Value, *values: Value) -> list[Op]:
        """Return the ops that make values of ``source``, in the order they run."""
        made: dict[str, Op] = {}
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            if value.name != source.name:
                made[value.name] = self.made_by[value.name]
                waiting.extend(made[value.name].operands)
        return [op for name, op in self.made_by.items() if name in made]

    def before(self, x: Value) -> Way | None:
        """Return how a value that is read is made, as far as nothing else reads it."""
        way = self.found.get(x.name)
        if way is not None and self.uses[x.name] == 1:
            return way
        plain = as_it_is(x)
        return None if plain is None else Way(convolved=plain)

    def _moved(self, x: Value, moved: Callable[[Convolved], Convolved | None]) -> Way | None:
        """Return how a value is made that is another one, scaled or elsewhere."""
        before = self.before(x)
        found = None if before is None else moved(before.convolved)
        return None if before is None or found is None else Way(convolved=found, cost=before.cost)

    def scale(self, op: Scale) -> Way | None:
        factor = np.broadcast_to(number(self.given, op.factor), op.x.shape)
        return self._moved(op.x, lambda x: scaled(x, factor))

    def transpose(self, op: Transpose) -> Way | None:
        if len(op.order) != 3:
            return None
        return self._moved(op.x, lambda x: transposed(x, op.order))

    def border(self, op: SumPool2d) -> Way | None:
        """Zeros around a map; true sums over windows are left to the digital unit."""
        if op.window.kernel != (1, 1):
            return None
        ones = np.ones((op.x.shape[0], 1, 1, 1))
        shape = plane(op.result)
        return self._moved(op.x, lambda x: summed(x, op.window, len(ones), lambda: ones, shape))

    # --- in a row --------------------------------------------------------------------------

    def layer(self, op: Synapse) -> Way | None:
        if self.given.constants[op.weight.name].dtype.kind != "f":
            return None
        before, plain = self.before(op.x), as_it_is(op.x)
        assert before is not None  # a layer reads a map or a vector
        assert plain is not None
        alone = self._over(op, plain)
        assert alone is not None  # a convolution of what it reads
        cost = alone.products * self._bits(op.x, op.loc)
        found = self._over(op, before.convolved)
        if found is None:
            return Way(convolved=alone, cost=cost)
        return self._cheaper(found, before.cost + cost, op.loc, op.x)

    def _over(self, op: Synapse, x: Convolved) -> Convolved | None:
        """Return the sums of a layer as a convolution of what ``x`` is one of."""

        def weights() -> Array:
            held = self.given.constants[op.weight.name].astype(np.float64)
            return held if held.ndim == 4 else held[:, :, None, None]

        window = op.window or Window(kernel=(1, 1))
        found = summed(x, window, op.group_count, weights, plane(op.result))
        return found and replace(found, layers=x.layers + 1)

    # --- side by side ----------------------------------------------------------------------

    def sum(self, op: Add) -> Way | None:
        ways = [(term, self.before(term)) for term in op.terms]
        known = [(term, way) for term, way in ways if way is not None]
        if len(known) < len(ways):
            return None
        self.beside[op.result.name] = tuple(self._cheaper_terms(known))
        whole = added([way.convolved for _, way in known])
        if whole is None:
            return None
        layers = self.beside[op.result.name]
        taken = {term.name for beside in layers for term in beside.terms}
        cost = sum(self._folded_cost(beside.convolved, beside.loc) for beside in layers)
        cost += sum(way.cost for term, way in known if term.name not in taken)
        return Way(convolved=whole, cost=cost)

    def _cheaper_terms(self, terms: Sequence[tuple[Value, Way]]) -> Iterator[Beside]:
        """Yield terms of one source that are cheaper as one layer."""
        sources = defaultdict(list)
        for term, way in terms:
            sources[way.convolved.source].append((term, way))
        for source, group in sources.items():
            weighted = [(term, way) for term, way in group if way.convolved.layers]
            found = added([way.convolved for _, way in weighted]) if len(weighted) > 1 else None
            if found is None:
                continue
            values = tuple(term for term, _ in weighted)
            loc = max(self._layers(source, *values), key=self._weights).loc
            apart = sum(way.cost for _, way in weighted)
            if self._cheaper(found, apart, loc, *values).folded:
                plain = ((term, way.convolved) for term, way in group if not way.convolved.layers)
                yield Beside(terms=values, convolved=found, loc=loc, plain=tuple(plain))

    def _layers(self, source: Value, *values: Value) -> list[Synapse]:
        return [op for op in self.between(source, *values) if isinstance(op, Synapse)]

    def _weights(self, op: Synapse) -> int:
        return self.given.constants[op.weight.name].size

    # --- costs -----------------------------------------------------------------------------

    def _cheaper(self, found: Convolved, apart: int, loc: str, *inner: Value) -> Way:
        """Return the cheaper way: as one layer with the name of ``loc``, or layers of ``apart``.

        A layer that is decided for by its name is not lost in one of another name.
        """
        whole = self._folded_cost(found, loc)
        lost = {op.loc for op in self._layers(found.source, *inner)} - {loc}
        named = any(layer_name(other) in self.given.assignment.layers for other in lost)
        wanted = found.layers > 1 and not named and (self.when == "always" or whole < apart)
        return Way(convolved=found, cost=whole if wanted else apart, folded=wanted)

    def _folded_cost(self, found: Convolved, loc: str) -> int:
        return found.products * self._bits(found.source, loc)

    def _bits(self, x: Value, loc: str) -> int:
        """Return how many bits of a value a layer reads, one after the other.

        Of sums of another layer those that they can have, up to those that are read of reals.
        """
        if isinstance(x.type, IntType):
            return x.type.bits
        way = self.found.get(x.name)
        if way is None or not way.convolved.layers:
            return READ_BITS
        inner = way.convolved
        most = (1 << self._bits(inner.source, loc)) - 1
        weight = greatest_weight(weight_bits(self.target, self.given.assignment, loc))
        return min(READ_BITS, (inner.wordlines * most * weight).bit_length() + 1)


_NEURON = "what it gives is no sum of what it reads"
_LARGEST = "the greatest of some values is no sum of them"
_ROUNDED = "it rounds"
_LOWERED = "layers are folded before they are on crossbars"
_ELSEWHERE = "it moves elements in other ways than a window does"

CONVOLVED: OpTable[Callable[[Ways, Any], Way | None]] = OpTable(
    what="ways to make values",
    entries={
        Conv2d: Ways.layer,
        Linear: Ways.layer,
        Add: Ways.sum,
        Scale: Ways.scale,
        Transpose: Ways.transpose,
        SumPool2d: Ways.border,
    },
    without={
        AvgPool2d: "a mean is left to the digital unit",
        Concat: _ELSEWHERE,
        ConvTranspose2d: "it slides over a map with zeros between its elements",
        FakeQuantize: _ROUNDED,
        IntegerNeuron: _NEURON,
        MatMul: "a product of two computed values",
        MaxPool2d: _LARGEST,
        Merge: "a gate of spikes is no sum",
        Move: _ELSEWHERE,
        Multiply: "a product of two computed values",
        Neuron: _NEURON,
        AdcRead: _LOWERED,
        CountActive: _LOWERED,
        CrossbarMvm: _LOWERED,
        ScaledAdd: _LOWERED,
        SenseAmpRead: _LOWERED,
        ShiftAndAdd: _LOWERED,
    },
)
"""How the results of an op are made, as a convolution of one value."""
