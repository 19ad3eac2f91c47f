"""One generic model of a computing-in-memory macro: energy of one evaluation.

The same formulas serve every circuit; which cell, converter and adders a chip has is an input.
Constants come from the part lists in ``targets/components`` through ``mapper.cost.scaling``, none
from a fit of this model to a chip. Energies are pJ, times ns, capacitances fF; areas are in
``benchmarks.macro_area``, delays in ``benchmarks.macro_delay``.
"""

from dataclasses import dataclass
from math import ceil, log2
from typing import Annotated, Literal

from benchmarks.macro_parts import energy_pj, part
from mapper.cost.converters import SAR_EXPONENTIAL_FF, SAR_NODE_NM, sar_fitted_pj, sar_simulated_pj
from mapper.cost.scaling import analogue_energy_factor, digital_energy_factor
from targets.fields import Amount, Bounds, Count, Lines, Name, Positive

Share = Annotated[float, Bounds(0.0, 1.0)]
Width = Annotated[int, Bounds(0, 64)]

UNIT_CAPACITOR_FF = 2.0  # metal-oxide-metal; CiMLoop's value for both charge-domain chips here
CELL_CURRENT_UA = 20.0  # of a 6T cell being read, at 1 V; a textbook magnitude, UNVERIFIED
CONTROL = 0.05  # share of clocking and control: NeuroSim's validated block (docs/validation.md)
ADDER_GATES = 6  # a full adder as NAND2: three, and two XOR2 of 1.5 (ZigZag-IMC)
HALF_ADDER_GATES = 2.5  # an XOR2 and a NAND2


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Adder trees of one kind: terms, bits of a term, trees in one macro."""

    terms: Lines
    bits: Width
    count: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """What is published of a macro. Fields with a default of None replace a generic constant."""

    node_nm: Positive
    voltage_v: Positive
    cell: Literal["digital", "charge", "discharge", "static", "rram"]
    """What a product costs: a gate, a capacitor charged and reset, a precharged bitline, a
    current for as long as it is read, or a resistor for as long as it is read."""
    rows: Lines
    """Wordlines that take part at once."""
    columns: Lines
    macros: Count = 1
    inputs: Count
    """Terms of one sum."""
    outputs: Count
    """Sums of one macro."""
    weight_bits: Width
    input_bits: Width
    bits_per_cycle: Width
    input_kind: Literal["bits", "dac", "pulses"] = "bits"
    adders: Literal["none", "words", "bits", "cells", "converted", "serial"] = "none"
    """Digital sums: of whole products, of each weight bit and then of the bits, in every cell, of
    the converted columns of a weight, or only over the input bits."""
    converter: Literal["none", "sar", "sar-measured", "sar-simulated", "flash", "comparator"] = (
        "none"
    )
    converter_bits: Width = 0
    conversions: Annotated[int, Bounds(0, 65_536)] = 0
    """Of one macro and cycle."""
    toggle: Share = 0.5
    """Share of input bits that switch; random bits unless published."""
    ones: Share = 0.5
    """Share of weight bits that are 1."""
    cell_rows: Lines | None = None
    """Rows of the array, where only some take part at once."""
    evaluate_ns: Amount = 0.0
    """How long a static or a resistive cell conducts."""
    units_per_cell: Amount = 1.0
    """Unit capacitors of a charge cell: 1, or 3 in a C-2C ladder."""
    read_voltage_v: Amount = 0.0
    conductance_us: Amount = 0.0
    """Of a resistive cell, mean of its states."""
    cell_ff: Amount | None = None
    """All that one cell switches in a cycle."""
    wordline_ff: Amount | None = None
    """All that one wordline switches."""
    wordline_v2: Amount | None = None
    """V^2 of a wordline: the supply it is charged from times its swing."""
    wordline_toggle: Share | None = None
    """Share of wordlines that switch, where it is not that of the inputs."""
    converter_pj: Amount | None = None
    converter_share: Share = 1.0
    """Share of the conversions that take place."""
    converters_scale: Literal[True, False] = True
    """Whether capacitors of converters shrink with the node."""
    gates: Literal["aladdin-40nm", "zigzag-28nm"] = "aladdin-40nm"
    """The part list that adders and registers are taken from."""
    cell_gates: Amount = 0.0
    """Gates of a digital cell beside its adder, in NAND2."""
    product_bits: Width = 0
    """Width into the adder tree, where it is not the generic one."""
    products: Annotated[int, Bounds(0, 65_536)] = 0
    """Multiplier bits of one output and cycle, where it is not the generic one."""
    tree: tuple[Tree, ...] = ()
    """The adder trees, one after the other, where they are not the generic ones."""
    trees_before_pipeline: Annotated[int, Bounds(0, 8)] | None = None
    """Trees that one cycle passes; the next cycle takes the rest. None: one cycle takes all."""
    turns: Annotated[int, Bounds(1, 16)] = 1
    """Times that a cycle goes through all this."""
    register_bits: Annotated[int, Bounds(0, 65_536)] = 0
    """Pipeline registers of one macro."""
    rows_between_registers: Lines | None = None
    """Of adders in cells: rows that a sum passes in one cycle, where it is not all of them."""
    accumulator_bits: Width = 0
    accumulators: Annotated[int, Bounds(0, 65_536)] = 0
    base_pj: Amount = 0.0
    """What one cycle takes with all data at zero."""
    mean_pulses: Amount | None = None
    area_bits: Width = 0
    """Bits that the area of a converter is of, where it converts fewer."""
    input_converters: Annotated[int, Bounds(0, 65_536)] = 0
    """Of one macro, where there is not one a row."""
    cell_area_um2: Amount | None = None
    """Of one cell with its share of the array's periphery."""
    cell_logic: tuple[Name, ...] = ()
    """Standard cells beside the adder of every cell, for its area."""
    cell_gate: Literal[True, False] = True
    """Whether a gate beside the cell multiplies, and not its own read port."""
    capacitor_ff: Amount = 0.0
    """Capacitors of one macro beside those of its cells."""
    modelled_share: Annotated[float, Bounds(0.01, 1.0)] | None = None
    """Share of the area that its paper gives to the parts that are modelled here; 1 where the
    area is published as a sum of such parts."""

    @property
    def cycles(self) -> int:
        """Count the cycles of one evaluation."""
        return self.input_bits // self.bits_per_cycle

    @property
    def macs(self) -> int:
        """Count the products of one evaluation."""
        return self.inputs * self.outputs * self.macros


def energy_fj_per_mac(macro: Macro) -> float:
    """Return what one product of full width costs."""
    return sum(energy_parts(macro).values()) / macro.macs * 1e3


def energy_parts(macro: Macro) -> dict[str, float]:
    """Return pJ of one evaluation by part."""
    runs = macro.macros * macro.cycles
    moved = {"wordlines": runs * _wordline_pj(macro), "cells": runs * _cell_pj(macro)}
    if macro.base_pj:  # all that does not depend on the data is in it
        return {**moved, "base": runs * macro.base_pj}
    conversions = runs * macro.conversions * macro.converter_share
    parts = {
        **moved,
        "inputs": runs * _input_pj(macro),
        "converters": conversions * _converter_pj(macro),
        "adders": runs * _adder_pj(macro),
    }
    return {**parts, "control": CONTROL * sum(parts.values())}


def _input_pj(macro: Macro) -> float:
    """Registers of the inputs, and converters where an input has several bits at once."""
    bits = macro.rows * macro.bits_per_cycle
    registers = bits * _register_bit_pj(macro)
    if macro.input_kind != "dac":
        return registers
    per_bit = part("zigzag-28nm", "dac-bit")
    scale = analogue_energy_factor(
        per_bit.node_nm, per_bit.voltage_v, _converter_nm(macro), macro.voltage_v
    )
    return registers + bits * energy_pj(per_bit) * scale


def _wordline_pj(macro: Macro) -> float:
    squared = macro.voltage_v**2 if macro.wordline_v2 is None else macro.wordline_v2
    line_ff = macro.wordline_ff
    if line_ff is None:
        line_ff = macro.columns * _wire_ff(macro)
    pulses = macro.toggle if macro.wordline_toggle is None else macro.wordline_toggle
    if macro.input_kind == "pulses":
        pulses = macro.mean_pulses or ((1 << macro.bits_per_cycle) - 1) / 2
    return macro.rows * line_ff * squared * pulses * 1e-3


def _cell_pj(macro: Macro) -> float:
    cells = macro.rows * macro.columns
    on = macro.toggle * macro.ones
    squared = macro.voltage_v**2 * 1e-3
    match macro.cell:
        case "charge":  # every cycle resets all capacitors, so all of them are charged
            switched = macro.cell_ff
            if switched is None:
                gate = _wire_ff(macro)  # half a NAND2, as a wire of one cell
                switched = _wire_ff(macro) + gate + macro.units_per_cell * UNIT_CAPACITOR_FF
            return cells * switched * squared
        case "discharge":
            switched = 2 * _wire_ff(macro) if macro.cell_ff is None else macro.cell_ff
            return cells * switched * squared * on
        case "static":
            watts = CELL_CURRENT_UA * macro.voltage_v * macro.voltage_v  # current grows with V
            return cells * watts * macro.evaluate_ns * on * 1e-3
        case "rram":
            siemens = macro.conductance_us * macro.read_voltage_v**2
            return cells * siemens * macro.evaluate_ns * macro.toggle * 1e-3
        case "digital":
            products = macro.products * macro.outputs or cells * macro.bits_per_cycle
            return products * _adder_bit_pj(macro) / ADDER_GATES / 2 * on


def _converter_pj(macro: Macro) -> float:
    """One conversion: measured, or by the law of its kind."""
    if macro.converter_pj is not None:
        return macro.converter_pj
    bits = macro.converter_bits
    match macro.converter:
        case "none":
            return 0.0
        case "sar":
            return sar_fitted_pj(bits, _converter_nm(macro), macro.voltage_v)
        case "sar-simulated":
            return sar_simulated_pj(bits, int(macro.node_nm))
        case "sar-measured":
            return sar_measured_pj(bits, _converter_nm(macro), macro.voltage_v)
        case "flash" | "comparator":
            level = part("timely-65nm", "charging-comparator")
            scale = analogue_energy_factor(
                level.node_nm, level.voltage_v, macro.node_nm, macro.voltage_v
            )
            return ((1 << bits) - 1) * energy_pj(level) * scale


def sar_measured_pj(bits: int, node_nm: float, voltage_v: float) -> float:
    """Return pJ of a SAR conversion by ZigZag-IMC's form, with a bit's charge as measured on JIA.

    One converter of 8 bits gives the constant: 125 fF a bit at 28 nm, where ZigZag-IMC fitted 100
    to three other chips.
    """
    known = part("jia-65nm", "adc-8b-0.85v")
    scale = analogue_energy_factor(SAR_NODE_NM, 1.0, known.node_nm, known.voltage_v)
    charge_ff = energy_pj(known) / scale * 1e3
    linear_ff = (charge_ff - SAR_EXPONENTIAL_FF * 4.0**8) / 8
    switched_ff = linear_ff * bits + SAR_EXPONENTIAL_FF * 4.0**bits
    return switched_ff * 1e-3 * analogue_energy_factor(SAR_NODE_NM, 1.0, node_nm, voltage_v)


def _adder_pj(macro: Macro) -> float:
    """Adder trees, whose inputs are gated by the products, and accumulators over input bits."""
    gated = macro.toggle * macro.ones
    adder, register = _adder_bit_pj(macro), _register_bit_pj(macro)
    if macro.adders == "cells":  # every cell has an adder; no product gates its carry
        each = adder * (1 + macro.cell_gates / ADDER_GATES)
        summing = macro.rows * macro.columns * each * macro.toggle
        return summing + macro.register_bits * register
    summed = accumulated_bits(macro)
    full, half = tree_adders(macro)
    gates = full + half * HALF_ADDER_GATES / ADDER_GATES
    return (gates * gated + summed) * adder + (summed + macro.register_bits) * register


def accumulated_bits(macro: Macro) -> int:
    """Return the bits of all accumulators of one macro; each has a full adder and a register."""
    accumulators = macro.accumulators or (macro.outputs if macro.adders != "none" else 0)
    return accumulators * accumulator_bits(macro)


def tree_adders(macro: Macro) -> tuple[int, int]:
    """Count the full and the half adders of all trees of one macro.

    Nothing is carried into the lowest bit of a sum of two terms: a half adder serves it, one in
    each of the ``terms - 1`` adders of a tree. (An accumulator subtracts at the sign bit of its
    input, which carries a one in: all of its adders are full.)
    """
    bits = sum(tree.count * tree_bits(tree.terms, tree.bits) for tree in trees(macro))
    half = sum(tree.count * (tree.terms - 1) for tree in trees(macro))
    return bits - half, half


def trees(macro: Macro) -> tuple[Tree, ...]:
    """List the adder trees of one macro, in the order that a sum passes them."""
    if macro.tree:
        return macro.tree
    outputs, weight = macro.outputs, macro.weight_bits
    if macro.adders == "words":
        width = macro.product_bits or weight + macro.bits_per_cycle
        return (Tree(terms=macro.inputs, bits=width, count=outputs),)
    if macro.adders == "bits":
        width = macro.product_bits or macro.bits_per_cycle
        summed = width + ceil(log2(macro.inputs)) + weight - 1
        return (
            Tree(terms=macro.inputs, bits=width, count=outputs * weight),
            Tree(terms=weight, bits=summed, count=outputs),
        )
    if macro.adders == "converted":
        width = macro.converter_bits + weight - 1
        return (Tree(terms=weight, bits=width, count=outputs),)
    return ()


def tree_bits(terms: int, width: int) -> int:
    """Count the bits of a tree of ripple adders, a bit wider at each level.

    >>> tree_bits(4, 2)  # two of 2 bits, one of 3
    7
    """
    count = 0
    while terms > 1:
        pairs = terms // 2
        count += pairs * width
        terms, width = terms - pairs, width + 1
    return count


def accumulator_bits(macro: Macro) -> int:
    """Return the width of the sum over all terms and input bits."""
    if macro.adders == "none":
        return 0
    generic = macro.weight_bits + macro.input_bits + ceil(log2(macro.inputs))
    return macro.accumulator_bits or generic


def _wire_ff(macro: Macro) -> float:
    """Return what one cell loads a wordline or a bitline with, proportional to the node."""
    wire = part("zigzag-28nm", "wordline-cell")
    return energy_pj(wire) / wire.voltage_v**2 * 1e3 * macro.node_nm / wire.node_nm


def _converter_nm(macro: Macro) -> float:
    return macro.node_nm if macro.converters_scale else 28.0


def _adder_bit_pj(macro: Macro) -> float:
    if macro.gates == "zigzag-28nm":
        return _logic_pj(macro, "full-adder")
    return _logic_pj(macro, "adder-32b") / 32


def _register_bit_pj(macro: Macro) -> float:
    name = "flip-flop" if macro.gates == "zigzag-28nm" else "register-bit"
    return _logic_pj(macro, name)


def _logic_pj(macro: Macro, name: str) -> float:
    known = part(macro.gates, name)
    return energy_pj(known) * digital_energy_factor(
        known.node_nm, known.voltage_v, macro.node_nm, macro.voltage_v
    )
