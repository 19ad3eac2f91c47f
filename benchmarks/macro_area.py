"""Area of a computing-in-memory macro: the part of ``benchmarks.macro_model`` for um2.

Cells, the gates and capacitors beside them, converters, adders, registers and counters, each an
area of a published part brought to the node. Digital parts scale by the factors of Stillmaker and
Baas; converters and comparators, which are analogue, with the node; metal capacitors not at all.
"""

from benchmarks.macro_model import UNIT_CAPACITOR_FF, Macro, accumulated_bits, tree_adders
from benchmarks.macro_parts import area_um2 as _area
from benchmarks.macro_parts import energy_pj, logic_list, part
from mapper.cost.converters import sar_fitted_um2
from mapper.cost.scaling import digital_area_factor
from targets import Part

ARRAY_CELL_UM2 = 0.32  # 6T cell with its share of the array: CACTI, 256 bytes at 28 nm
CAPACITOR_FF_PER_UM2 = 1.7  # metal-oxide-metal; CiMLoop, sinangil_jssc_2021/arch.yaml
MODELLED_SHARES = (0.89, 0.964)
"""Of WANG and COLONNADE, the two chips whose papers say what share of the macro its control,
decoders and drivers have: the rest."""


def area_um2(macro: Macro) -> float:
    """Return the area of all macros: that of the modelled parts over the share they have in it."""
    return macro.macros * sum(area_parts(macro).values()) / modelled_share(macro)


def modelled_share(macro: Macro) -> float:
    """Return the published share of the modelled parts, else the mean of those that are."""
    if macro.modelled_share is not None:
        return macro.modelled_share
    return sum(MODELLED_SHARES) / len(MODELLED_SHARES)


def area_parts(macro: Macro) -> dict[str, float]:
    """Return um2 of one macro by part."""
    rows = macro.cell_rows or macro.rows
    full, half = tree_adders(macro)
    summed = accumulated_bits(macro)
    return {
        "cells": rows * macro.columns * _cell(macro),
        "multipliers": _multipliers(macro) * _logic(macro, "nand2"),
        "capacitors": _capacitors_ff(macro) / CAPACITOR_FF_PER_UM2,
        "converters": macro.conversions * _converter(macro),
        "adders": (full + summed) * _logic(macro, "full-adder") + half * _half_adder(macro),
        "registers": (summed + macro.register_bits) * _logic(macro, "flip-flop"),
        "inputs": _inputs(macro),
    }


def _inputs(macro: Macro) -> float:
    """What holds the inputs and turns them into pulses or voltages.

    Every input that the energy charges for: a register for each bit, which is part of the counter
    where inputs are counted out, and in a converter the capacitor that its energy switches.
    """
    bits = macro.rows * macro.bits_per_cycle
    if macro.input_kind == "pulses":
        return bits * _scaled(part("aladdin-40nm", "counter-32b"), macro) / 32
    registers = bits * _logic(macro, "flip-flop")
    if macro.input_kind != "dac":
        return registers
    converters = macro.input_converters or macro.rows
    return registers + converters * macro.bits_per_cycle * dac_bit_um2()


def dac_bit_um2() -> float:
    """Return um2 of one bit of an input converter: its capacitor, whatever the node.

    The 50 fF of ZigZag-IMC's energy take 29.4 um2. TIMELY's 8-bit converter to time has 30 um2 a
    bit, that of WANG 36.
    """
    bit = part("zigzag-28nm", "dac-bit")
    return energy_pj(bit) / bit.voltage_v**2 * 1e3 / CAPACITOR_FF_PER_UM2


def _half_adder(macro: Macro) -> float:
    """A half adder, of its own cell or, where the list has none, of an XOR2 and a NAND2."""
    if logic_list(macro.node_nm) == "nangate-45nm":
        return _logic(macro, "half-adder")
    return _logic(macro, "xor2") + _logic(macro, "nand2")


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
        case "sar" | "sar-measured" | "sar-simulated":
            return sar_fitted_um2(bits) * macro.node_nm / 28.0
        case "flash" | "comparator":
            level = part("timely-65nm", "charging-comparator")
            return ((1 << bits) - 1) * _area(level) * macro.node_nm / level.node_nm


def _logic(macro: Macro, name: str) -> float:
    return _scaled(part(logic_list(macro.node_nm), name), macro)


def _scaled(known: Part, macro: Macro) -> float:
    return _area(known) * digital_area_factor(known.node_nm, macro.node_nm)
