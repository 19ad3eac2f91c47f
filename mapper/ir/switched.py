"""Leaks that a spike switches: synaptic filters such as ``v' = v - (1 - s) v / tau + s``.

A neuron reads such a membrane once for its leak and once more for what it is driven by: ``v' =
leak * v + (change * (s * v) + rest)``. Where ``s`` is 1 its leak is ``leak + change``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mapper.ir.core import FLOAT, Array, Graph, Op, Scalar, Value, param
from mapper.ir.network import Add, Scale
from mapper.ir.neurons import Neuron
from mapper.ir.products import Multiply


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchedLeak:
    """What switches the leak of a neuron that never fires, and what else drives it."""

    switches: tuple[tuple[Value, Scalar], ...]
    """Values, and what is added to the leak where each is 1."""
    rest: tuple[Value, ...]
    """The other terms of the neuron's input, one or more."""


def switched_leaks(graph: Graph) -> Mapping[str, SwitchedLeak]:
    """Return the leaks of a trained network that something switches, by membrane."""
    made_by = {value.name: op for op in graph.ops for value in op.results}
    found = {}
    for op in graph.ops:
        if isinstance(op, Neuron) and op.spike is None and op.current is None:
            added = made_by.get(op.x.name)
            terms = added.terms if isinstance(added, Add) else (op.x,)
            own = {term: _product_with(op, term, made_by) for term in terms}
            switches = tuple(product for product in own.values() if product is not None)
            rest = tuple(term for term in terms if own[term] is None)
            if switches and rest:
                found[op.membrane.name] = SwitchedLeak(switches=switches, rest=rest)
    return found


NEAR = 1e-6
"""How near 0 or 1 a leak is taken to be that: it may be a sum of numbers of single precision."""


def leaks_of(graph: Graph, op: Neuron, switched: SwitchedLeak | None) -> list[Array]:
    """Return the leak of a neuron, in double precision, and what spikes make of it."""
    leak = np.asarray(param(graph.constants, op.leak, FLOAT), np.float64)
    changes = () if switched is None else switched.switches
    return [leak, *(leak + param(graph.constants, change, FLOAT) for _, change in changes)]


def filters(graph: Graph, op: Neuron, switched: SwitchedLeak | None) -> bool:
    """Say whether a neuron is a filter: it never fires, and what comes in decays again."""
    if op.spike is not None or op.current is not None or op.floor is not None:
        return False
    leaks = leaks_of(graph, op, switched)
    least, most = min(map(np.min, leaks)), max(map(np.max, leaks))
    return bool(0 <= least < 1 - NEAR and most <= (1 - NEAR if switched is None else 1 + NEAR))


def _product_with(
    op: Neuron, term: Value, made_by: Mapping[str, Op]
) -> tuple[Value, Scalar] | None:
    """Return what a term multiplies the neuron's membrane by: a value, and a number."""
    factor: Scalar = 1.0
    made = made_by.get(term.name)
    if isinstance(made, Scale) and made.offset == 0:
        factor, made = made.factor, made_by.get(made.x.name)
    if not isinstance(made, Multiply) or op.membrane not in (made.a, made.b):
        return None
    return (made.a if made.b == op.membrane else made.b), factor
