"""Components by law beside converters: adder trees, read channels, writing.

As the laws of converters they are evaluated at the sizes of the macro that they serve.
"""

from math import ceil, log, log2

from mapper.cost.components import at_node
from mapper.cost.converters import sampled_ff
from mapper.cost.gates import (
    ADDER_GATES,
    HALF_ADDER_GATES,
    cell,
    chain_adders,
    chain_ns,
    gates_at,
    logic_list,
    multiplier_adders,
    multiplier_rows,
    random_adders,
    random_multiplier,
    tree_adders,
    tree_ns,
)
from mapper.cost.laws import NODES_NM, ROWS, WIRE_FF, WIRE_NM, at_area, check_range, scattered
from targets import (
    AdderTree,
    AdderTreeLaw,
    ChannelLaw,
    Interval,
    ReadChannel,
    Write,
    WriteLaw,
    load_library,
    load_parts,
)
from targets.cells import ZERO

RANDOM_PRODUCTS, RANDOM_INPUTS = 0.25, 0.5
"""Share of products, or of inputs of a chain, that are 1 among random bits: a published addition
has random operands, and the energy of a tree is that of all products 1."""

TREE_SCATTER = (0.29, 2.0)
"""DIMC1 and COLONNADE over what they are estimated at with these adders."""

TREE_TIME_SCATTER = (0.47, 1.6)
"""Cycles of DIMC4 and DIMC1 over the law, which knows no pipeline."""

TREE_AREA_SCATTER = (0.8, 1.25)
"""Of the area of a gate in digital chips, each from the others (docs/validation.md)."""

SETTLING_V = 0.1
"""Current of an amplifier over its transconductance: weak to moderate inversion, a textbook value
(Jespers and Murmann, Systematic Design of Analog CMOS Circuits: 5 to 25 S/A)."""

SETTLING_SCATTER = (0.5, 3.0)
"""From 20 S/A to 3.3, of an amplifier with two stages or a folded one."""

BRANCHES = 2
"""Of a differential pair."""

AMPLIFIER_UM2 = Interval(low=40.0, nominal=350.0, high=750.0)
"""At its own node: TIMELY's comparator at 65 nm; the integrator and with it the comparator of a
NeuRRAM neuron at 130 nm."""


def tree_by_law(
    law: AdderTreeLaw,
    rows: int,
    width: int,
    columns: int = 1,
    accumulated: int = 0,
    multiplied: tuple[int, int] = (1, 1),
) -> AdderTree:
    """Return the adders of one column, or of one weight, at the sizes of a macro.

    Args:
        law: As a component library names it.
        rows: Terms: products that are summed at once.
        width: Bits of one product.
        columns: Of a weight, whose sums a further tree puts together, where they are summed apart.
        accumulated: Bits of the sum over the reads of an input; 0 where one read takes all.
        multiplied: Bits of a word and of an input that are multiplied before they are summed.

    Raises:
        MappingError: ``law-range`` where the law is not known to hold.
    """
    check_range(law.law, "terms", rows, *ROWS)
    check_range(law.law, "nm", law.node_nm, *NODES_NM)
    gates = gates_at(law.node_nm, law.voltage_v)
    half_adder = HALF_ADDER_GATES / ADDER_GATES
    if law.order == "chain":
        full, half = float(chain_adders(rows, width)), 0.0
        added = full / RANDOM_INPUTS
        ns = chain_ns(rows, width, gates)
    else:
        full, half = tree_adders(rows, width)
        full += rows * multiplier_adders(*multiplied)
        added = random_adders(rows, width, half_adder) + rows * random_multiplier(*multiplied)
        added /= RANDOM_PRODUCTS
        ns = (
            gates.product
            + tree_ns(rows, width, gates)
            + multiplier_rows(multiplied[1]) * gates.total
        )
        arrived = width + ceil(log2(rows))
        if columns > 1:
            summed = arrived + columns - 1
            more, halves = tree_adders(columns, summed)
            full, half = full + more / columns, half + halves / columns
            added += (more + halves * half_adder) / columns / RANDOM_PRODUCTS
            ns += tree_ns(columns, summed, gates)
            arrived = summed + ceil(log2(columns))
        if accumulated:
            ns += gates.first_carry + max(accumulated - arrived, 0) * gates.carry
    adder = at_node(load_parts("horowitz-45nm").part("adder-8b"), law.node_nm, law.voltage_v)
    assert adder.energy_pj is not None
    return AdderTree(
        per="evaluation with all products 1; area of one tree",
        energy_pj=scattered(added * adder.energy_pj.nominal / 8, TREE_SCATTER),
        latency_ns=scattered(ns, TREE_TIME_SCATTER),
        area_um2=scattered(_tree_um2(law.node_nm, full, half), TREE_AREA_SCATTER),
        node_nm=law.node_nm,
        voltage_v=law.voltage_v,
        order=law.order,
        source=f"Horowitz' addition and standard cells; {rows} terms of {width} bits, {law.order}",
    )


def _tree_um2(node_nm: float, full: float, half: float) -> float:
    cells = logic_list(node_nm)

    def of(name: str) -> float:
        found = at_area(cell(cells, name), node_nm)
        return found

    if cells == "nangate-45nm":
        return full * of("full-adder") + half * of("half-adder")
    return full * of("full-adder") + half * (of("xor2") + of("nand2"))


def channel_by_law(law: ChannelLaw, rows: int, bits: int) -> ReadChannel:
    """Return a read channel that settles to half a level of its readout.

    A clamp is a transistor in common gate that holds the bitline, as in memories: it works with
    the current of the cells, which is mirrored, and takes none of its own. Where an amplifier
    holds the bitline through it, the channel is ``regulated``. Amplifiers take
    ``I = C (n + 1) ln 2 / t / (gm / I)`` in each branch. A transimpedance amplifier drives the
    converter too, and its output stage takes the bitline's current; a buffer drives the converter
    alone.

    Raises:
        MappingError: ``law-range`` where the law is not known to hold.
    """
    check_range(law.law, "wordlines", rows, *ROWS)
    check_range(law.law, "nm", law.node_nm, *NODES_NM)
    ratio = law.node_nm / WIRE_NM
    line_ff, converter_ff = WIRE_FF * rows * ratio, sampled_ff(bits) * ratio
    load_ff = {
        "buffer": converter_ff,
        "clamp": 0.0,
        "regulated": line_ff,
        "tia": line_ff + converter_ff,
    }[law.law]
    siemens = load_ff * 1e-15 * (bits + 1) * log(2) / (law.settling_ns * 1e-9)
    microwatts = BRANCHES * siemens * SETTLING_V * law.voltage_v * 1e6
    return ReadChannel(
        per="conversion; area of one amplifier",
        energy_pj=ZERO,
        latency_ns=Interval(low=law.settling_ns, nominal=law.settling_ns, high=law.settling_ns),
        area_um2=AMPLIFIER_UM2,
        static_uw=scattered(microwatts, SETTLING_SCATTER),
        samples=law.law not in ("clamp", "regulated"),
        copies=0.0 if law.law == "buffer" else 1.0,
        node_nm=law.node_nm,
        voltage_v=law.voltage_v,
        source=(
            f"settling of an amplifier to half a level of {bits} bits in {law.settling_ns:g} ns, "
            f"{load_ff:.4g} fF: textbook"
        ),
    )


WRITTEN_ROWS = (1, 4608)
"""Wordlines of SRAM that computes, to those of Valavi et al. (JSSC 2019)."""

WRITE_SCATTER = (0.5, 2.0)
"""Assumptions: bitlines that swing half of the way; cells twice as long, with their drivers."""


def write_by_law(law: WriteLaw, rows: int, bits: int) -> Write:
    """Return what writing a cell of SRAM takes: a swing of its bitline, and its wordline's share.

    ``C V^2`` of the wire and the drain of every cell on the bitline, and of the wire and the gates
    that one cell has on its wordline, each pair as large as the other. A wordline takes as long as
    a word of a buffer, an SRAM too. Nothing wears out.

    Args:
        law: As a component library names it.
        rows: Wordlines of the crossbar, all on the bitline.
        bits: Memory cells that a cell consists of, each written.

    Raises:
        MappingError: ``law-range`` where the law is not known to hold.
    """
    check_range(law.law, "wordlines", rows, *WRITTEN_ROWS)
    check_range(law.law, "nm", law.node_nm, *NODES_NM)
    buffer = load_library("reference-65nm").buffer_write
    charge_ff = 2 * WIRE_FF * law.node_nm / WIRE_NM * (rows * law.deep + 1)
    return Write(
        per="cell; latency of a wordline, whose cells are written at once; area with its cells",
        energy_pj=scattered(bits * charge_ff * law.voltage_v**2 * 1e-3, WRITE_SCATTER),
        latency_ns=buffer.latency_ns,
        area_um2=ZERO,
        node_nm=law.node_nm,
        voltage_v=law.voltage_v,
        source=(
            f"a bitline of {rows * law.deep} cells swings: 0.35 fF of wire and as much of a drain "
            "or gate at 28 nm (ZigZag-IMC); latency of a buffer's word"
        ),
    )
