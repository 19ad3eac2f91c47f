"""Delay of a computing-in-memory macro: the part of ``benchmarks.macro_model`` for ns.

Gates come from the standard cells of the nearer node and go to the node and the supply of the
macro by the delay fits of Stillmaker and Baas (Integration 58, 2017). A conversion goes by
ZigZag-IMC's law, which holds near 28 nm alone: macros with converters elsewhere have no delay.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, log2, sqrt

from benchmarks.macro_model import Macro, Tree, accumulator_bits, trees
from benchmarks.macro_parts import latency_ns, logic_list, part
from mapper.cost.converters import sar_fitted_ns

NEAR_FRAME = (22.0, 28.0)  # nm that the law of conversions is used for; it is of 28 nm

DELAY_FITS = {
    130.0: (-76.65, 334.9, -493.4, 275.8),
    90.0: (-60.34, 262.5, -384.2, 210.9),
    65.0: (-53.3, 230.4, -333.9, 178.6),
    45.0: (-501.6, 1567.0, -1619.0, 566.1),
    32.0: (-1047.0, 2982.0, -2797.0, 873.5),
    20.0: (0.0, 34.63, -66.37, 41.15),
    16.0: (0.0, 24.8, -47.52, 28.87),
    14.0: (-40.66, 109.2, -100.6, 35.92),
    10.0: (-34.95, 93.65, -85.99, 30.4),
    7.0: (-28.58, 76.6, -70.26, 24.69),
}
"""Node in nm: cubic in the supply of a gate's delay. From 45 nm on these are the fits of
high-performance transistors, which the ones above continue: at 45 nm and 1.0 V low-power
transistors are 4.6 times slower. Read in wromaszkan/nodeScale, nodeScale.py, which types them
from the paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Delays in ns at the node and supply of a macro."""

    product: float
    total: float
    """From a term to the sum of a full adder."""
    first_carry: float
    """From a term to its carry."""
    carry: float
    """From carry to carry."""
    register: float
    multiplexer: float


def delay_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """Return what the delay of a gate is multiplied by.

    Linear in the node between those of the table. Beyond the supply at which a cubic turns
    upwards again, which no gate does, the delay at that supply is taken.

    >>> delay_factor(65, 1.0, 65, 1.0)
    1.0
    """
    return _gate_delay(to_nm, to_v) / _gate_delay(from_nm, from_v)


def _gate_delay(node_nm: float, voltage_v: float) -> float:
    known = sorted(DELAY_FITS)
    for below, above in pairwise(known):
        if below <= node_nm <= above:
            share = (node_nm - below) / (above - below)
            low, high = (_at(DELAY_FITS[node], voltage_v) for node in (below, above))
            return low + share * (high - low)
    raise ValueError(f"delays are scaled from {known[0]:g} to {known[-1]:g} nm, got {node_nm:g} nm")


def _at(fit: tuple[float, float, float, float], voltage_v: float) -> float:
    a, b, c, d = fit
    volts = min(voltage_v, _turning_v(a, b, c))
    return a * volts**3 + b * volts**2 + c * volts + d


def _turning_v(a: float, b: float, c: float) -> float:
    """Return where ``3 a V^2 + 2 b V + c`` is first 0: the fit stops falling there, if anywhere."""
    if a == 0:
        return -c / (2 * b)
    squared = b * b - 3 * a * c
    return inf if squared < 0 else (-b + sqrt(squared)) / (3 * a)


def gates_of(macro: Macro, cells: str | None = None) -> Gates:
    """Return the gates of a macro; ``cells`` names a list that is not of the nearer node."""
    cells = cells or logic_list(macro.node_nm)
    known = part(cells, "full-adder")
    factor = delay_factor(known.node_nm, known.voltage_v, macro.node_nm, macro.voltage_v)

    def of(name: str) -> float:
        return latency_ns(part(cells, name)) * factor

    carry, register = of("full-adder"), of("flip-flop")
    if cells == "nangate-45nm":
        return Gates(
            product=of("xnor2"),
            total=of("full-adder-sum"),
            first_carry=of("full-adder-first"),
            carry=carry,
            register=register,
            multiplexer=of("mux2"),
        )
    gate, exclusive = of("nand2"), of("xor2")
    return Gates(
        product=gate,
        total=2 * exclusive,
        first_carry=exclusive + 2 * gate,
        carry=carry,
        register=register,
        multiplexer=2 * gate,
    )


def delay_ns(macro: Macro, cells: str | None = None) -> float | None:
    """Return the cycle time; None where its law of conversions does not reach.

    The slowest path goes through a product, the conversion, the adder trees and the accumulator;
    a pipeline stage between trees splits it in two.
    """
    gates = gates_of(macro, cells)
    if macro.adders == "cells":
        return cells_ns(macro, gates)
    low, high = NEAR_FRAME
    if macro.converter != "none" and not low <= macro.node_nm <= high:
        return None
    front = gates.product + converting_ns(macro)
    passed = trees(macro)
    split = macro.trees_before_pipeline
    behind = _accumulator_ns(macro, passed, gates)
    if split is None:
        return macro.turns * (front + sum(tree_ns(tree, gates) for tree in passed) + behind)
    first = front + sum(tree_ns(tree, gates) for tree in passed[:split])
    second = sum(tree_ns(tree, gates) for tree in passed[split:]) + behind
    return macro.turns * max(first, second)


def converting_ns(macro: Macro) -> float:
    """Return what the conversion takes of one pass through a cycle."""
    if macro.converter == "none":
        return 0.0
    return sar_fitted_ns(macro.converter_bits, macro.inputs)


def cells_ns(macro: Macro, gates: Gates) -> float:
    """Return the longest path between two registers of adders in the cells.

    A product is added down the rows of a stage, and a carry runs across the columns that a sum is
    wide; each step passes a full adder and, where cells are reconfigured, its multiplexer.
    """
    step = gates.multiplexer if "mux2" in macro.cell_logic else 0.0
    rows = macro.rows_between_registers or macro.rows
    across = macro.weight_bits + ceil(log2(macro.inputs)) - 1
    down = rows * (gates.total + step)
    return gates.register + gates.product + down + across * (gates.carry + step)


def _accumulator_ns(macro: Macro, passed: tuple[Tree, ...], gates: Gates) -> float:
    """Return what is left when the carry of the last tree arrives."""
    if macro.adders == "none":
        return 0.0
    arrived = passed[-1].bits + ceil(log2(passed[-1].terms)) if passed else 0
    return gates.first_carry + max(accumulator_bits(macro) - arrived, 0) * gates.carry


def tree_ns(tree: Tree, gates: Gates) -> float:
    """Return the slowest path of a tree of ripple adders.

    Through the sums of all levels but the last, then along the carries of the last.
    """
    levels = ceil(log2(tree.terms))
    carries = tree.bits + levels - 1
    return (levels - 1) * gates.total + gates.first_carry + carries * gates.carry
