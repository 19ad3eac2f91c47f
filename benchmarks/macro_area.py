"""Area of a computing-in-memory macro: the part of ``benchmarks.macro_model`` for um2.

Cells, the gates and capacitors beside them, converters, adders, registers and counters, each an
area of a published part brought to the node. Digital parts scale by the factors of Stillmaker and
Baas; converters and comparators, which are analogue, with the node; metal capacitors not at all.
"""

from math import log

from benchmarks.macro_model import UNIT_CAPACITOR_FF, Macro, accumulator_bits, tree_bits, trees
from mapper.cost.converters import sar_fitted_um2
from mapper.cost.scaling import digital_area_factor
from targets import Part, load_parts

ARRAY_CELL_UM2 = 0.32  # 6T cell with its share of the array: CACTI, 256 bytes at 28 nm
CAPACITOR_FF_PER_UM2 = 1.7  # metal-oxide-metal; CiMLoop, sinangil_jssc_2021/arch.yaml
LOGIC = {28.0: "zigzag-28nm", 45.0: "nangate-45nm"}
"""Node in nm: part list of standard cells. A macro takes the nearer one, as a ratio of nodes."""


def area_um2(macro: Macro) -> float:
    """Return the area of all macros: that of the modelled parts over the share they have in it."""
    return macro.macros * sum(area_parts(macro).values()) / macro.modelled_share


def area_parts(macro: Macro) -> dict[str, float]:
    """Return um2 of one macro by part."""
    rows = macro.cell_rows or macro.rows
    gates = sum(tree.count * tree_bits(tree.terms, tree.bits) for tree in trees(macro))
    accumulators = macro.accumulators or (macro.outputs if macro.adders != "none" else 0)
    summed = accumulators * accumulator_bits(macro)
    counted = macro.rows * macro.bits_per_cycle if macro.input_kind == "pulses" else 0
    return {
        "cells": rows * macro.columns * _cell(macro),
        "multipliers": _multipliers(macro) * _logic(macro, "nand2"),
        "capacitors": _capacitors_ff(macro) / CAPACITOR_FF_PER_UM2,
        "converters": macro.conversions * _converter(macro),
        "adders": (gates + summed) * _logic(macro, "full-adder"),
        "registers": (summed + macro.register_bits) * _logic(macro, "flip-flop"),
        "counters": counted * _scaled(load_parts("aladdin-40nm").part("counter-32b"), macro) / 32,
    }


def _cell(macro: Macro) -> float:
    """One cell with its share of the array's periphery, and the adder in it if there is one."""
    cell = macro.cell_area_um2
    if cell is None:
        cell = ARRAY_CELL_UM2 * digital_area_factor(28.0, macro.node_nm)
    if macro.adders == "cells":
        cell += sum(_logic(macro, name) for name in ("full-adder", *macro.cell_logic))
    return cell


def _multipliers(macro: Macro) -> int:
    if not macro.cell_gate:
        return 0
    return macro.products * macro.outputs or macro.rows * macro.columns


def _capacitors_ff(macro: Macro) -> float:
    units = macro.units_per_cell * UNIT_CAPACITOR_FF if macro.cell == "charge" else 0.0
    return macro.rows * macro.columns * units + macro.capacitor_ff


def _converter(macro: Macro) -> float:
    bits = macro.area_bits or macro.converter_bits
    match macro.converter:
        case "none":
            return 0.0
        case "sar" | "sar-simulated":
            return sar_fitted_um2(bits) * macro.node_nm / 28.0
        case "flash" | "comparator":
            level = load_parts("timely-65nm").part("charging-comparator")
            return ((1 << bits) - 1) * _area(level) * macro.node_nm / level.node_nm


def logic_list(node_nm: float) -> str:
    """Return the list of standard cells that areas at a node are taken from.

    >>> logic_list(28), logic_list(65)
    ('zigzag-28nm', 'nangate-45nm')
    """
    return LOGIC[min(LOGIC, key=lambda known: abs(log(node_nm / known)))]


def _logic(macro: Macro, name: str) -> float:
    return _scaled(load_parts(logic_list(macro.node_nm)).part(name), macro)


def _scaled(part: Part, macro: Macro) -> float:
    return _area(part) * digital_area_factor(part.node_nm, macro.node_nm)


def _area(part: Part) -> float:
    assert part.area_um2 is not None
    return part.area_um2.nominal
