"""Components by law: what a component library names instead of a number.

A law is evaluated at the sizes of the macro that it serves, brings the scatter of what was measured
of such circuits, and is refused outside of the sizes that it is known for.
"""

from dataclasses import replace
from math import ceil, log, log2

from mapper.cost.components import at_node
from mapper.cost.converters import (
    SAR_NODE_NM,
    SIMULATED_SAR_UW,
    sar_fitted_ns,
    sar_fitted_pj,
    sar_fitted_um2,
    sar_simulated_pj,
)
from mapper.cost.gates import (
    ADDER_GATES,
    HALF_ADDER_GATES,
    cell,
    chain_adders,
    chain_ns,
    gates_at,
    logic_list,
    tree_adders,
    tree_ns,
)
from mapper.cost.scaling import digital_area_factor
from mapper.diagnostics import refuse
from targets import (
    AdderTree,
    AdderTreeLaw,
    ChannelLaw,
    Converter,
    ConverterLaw,
    Interval,
    Part,
    ReadChannel,
    Write,
    WriteLaw,
    load_library,
    load_parts,
)

SAR_SCATTER = (0.57, 3.9)
"""Measured over the fitted law: FORMS (4 bits, 32 nm) and the converters of WANG (8 bits, 22 nm).
Between them lie JIA (1.23 at both supplies), NeuRRAM (0.66 of 3 bits) and ISAAC (2.1)."""

SAR_TIME_SCATTER = (0.24, 1.3)
"""The fastest SAR of Murmann's survey at 65 nm and 5 bits, 1.25 ns where the law has 5.29; WANG's
measured cycle is 0.81 of the law, three chips of its fit are up to 1.09."""

SAR_AREA_SCATTER = (0.4, 1.25)
"""JIA's converters; the worst of three chips, each from the two others (docs/validation.md)."""

FLASH_SCATTER = (0.2, 5.2)
"""Of one comparator: NeuroSim's at 65 nm; the least of six flash ADCs there in Murmann's survey."""

FLASH_NS = Interval(low=0.07, nominal=1.0, high=10.0)
"""A dynamic comparator after layout, NeuroSim's floor and its ceiling."""

RING_STAGES = 5

COUNT_NS = Interval(low=0.25, nominal=1.0, high=4.0)
"""Of one count of an oscillator: it and its counter run at about the clock of the logic, 1 GHz; its
ends are an assumption."""

CCO_SCATTER = (0.5, 5.0)
"""An assumption: no chip with such a converter is among those that estimates are compared with."""

CCO_AREA_SCATTER = (0.5, 4.0)

TREE_SCATTER = (0.78, 2.2)
"""DIMC1 and COLONNADE over what they are estimated at with these adders."""

TREE_TIME_SCATTER = (0.47, 1.6)
"""Cycles of DIMC4 and DIMC1 over the law, which knows no pipeline."""

TREE_AREA_SCATTER = (0.8, 1.25)
"""Of the area of a gate in digital chips, each from the others (docs/validation.md)."""

ROWS = (1, 2304)
"""Wordlines that conversions were measured at, from a single one to those of JIA."""

SETTLING_V = 0.1
"""Current of an amplifier over its transconductance: weak to moderate inversion, a textbook value
(Jespers and Murmann, Systematic Design of Analog CMOS Circuits: 5 to 25 S/A)."""

SETTLING_SCATTER = (0.5, 3.0)
"""From 20 S/A to 3.3, of an amplifier with two stages or a folded one."""

BRANCHES = 2
"""Of a differential pair."""

WIRE_FF, WIRE_NM = 0.35, SAR_NODE_NM
"""What a cell adds to its bitline, and at which node (ZigZag-IMC); proportional to the node."""

AMPLIFIER_UM2 = Interval(low=40.0, nominal=350.0, high=750.0)
"""At its own node: TIMELY's comparator at 65 nm; the integrator and with it the comparator of a
NeuRRAM neuron at 130 nm."""


def converter_by_law(law: ConverterLaw, rows: int) -> Converter:
    """Return an ADC at the sizes of a macro.

    Args:
        law: As a component library names it.
        rows: Wordlines of the crossbar, whose cells load the bitline.

    Raises:
        MappingError: ``law-range`` where the law is not known to hold.
    """
    _check_range(law.law, "wordlines", rows, *ROWS)
    _check_range(law.law, "nm", law.node_nm, 7, 130)
    ratio = law.node_nm / 28
    sar_um2 = sar_fitted_um2(law.bits) * ratio
    low, high = SAR_AREA_SCATTER
    match law.law:
        case "sar":
            energy = _scattered(sar_fitted_pj(law.bits, law.node_nm, law.voltage_v), SAR_SCATTER)
            time = _scattered(sar_fitted_ns(law.bits, rows), SAR_TIME_SCATTER)
            area = _scattered(sar_um2, (low, max(high, ratio)))
            source = "ZigZag-IMC's law of a SAR conversion, fitted to three chips at 22 and 28 nm"
        case "sar-simulated":
            known = ", ".join(map(str, SIMULATED_SAR_UW))
            if law.node_nm not in SIMULATED_SAR_UW:
                raise _outside(law.law, law.node_nm, f"{known} nm")
            energy = _scattered(sar_simulated_pj(law.bits, int(law.node_nm)), (1.0, 1.0))
            time = _scattered(law.bits + 1.0, (1.0, 1.0))
            area = _scattered(sar_um2, (low, max(high, ratio)))
            source = "NeuroSim's SAR converter, simulated with low-power transistors"
        case "cco":
            energy = _scattered(oscillator_pj(law), CCO_SCATTER)
            time = _times(COUNT_NS, 1 << law.bits)
            bit = load_parts("aladdin-40nm").part("counter-32b")
            area = _scattered(at_area(bit, law.node_nm) / 32 * law.bits, CCO_AREA_SCATTER)
            source = "a ring of five gates and Aladdin's counter, 1 ns a count: textbook"
        case "flash":
            level = at_node(
                load_parts("timely-65nm").part("charging-comparator"), law.node_nm, law.voltage_v
            )
            assert level.energy_pj is not None
            assert level.area_um2 is not None
            count = (1 << law.bits) - 1
            energy = _scattered(count * level.energy_pj.nominal, FLASH_SCATTER)
            time, area = FLASH_NS, _times(level.area_um2, count)
            source = "TIMELY's charging comparator, one a level"
    return Converter(
        bits=law.bits,
        per="conversion of one column",
        energy_pj=energy,
        latency_ns=time,
        area_um2=area,
        node_nm=law.node_nm,
        voltage_v=law.voltage_v,
        source=f"{source}; {law.bits} bits, {rows} wordlines",
    )


def at_rows(adc: Converter, rows: int) -> Converter:
    """Return an ADC with its latency at the rows of a macro, where a law says how they go.

    Raises:
        MappingError: ``law-range`` where the law is not known to hold.
    """
    if adc.latency_law == "none":
        return adc
    _check_range(adc.latency_law, "wordlines", rows, *ROWS)
    time = _scattered(sar_fitted_ns(adc.bits, rows), SAR_TIME_SCATTER)
    return replace(adc, latency_ns=time, latency_law="none")


def oscillator_pj(law: ConverterLaw) -> float:
    """Return pJ of a conversion at half of full scale: a ring and a counter for each count.

    A count switches every stage of the ring, a NAND2 of 0.7 fF at 28 nm each, and two bits of the
    counter on average.
    """
    stage = 0.7e-3 * law.node_nm / 28 * law.voltage_v**2
    register = at_node(load_parts("aladdin-40nm").part("register-bit"), law.node_nm, law.voltage_v)
    assert register.energy_pj is not None
    return 2.0 ** (law.bits - 1) * (RING_STAGES * stage + 2 * register.energy_pj.nominal)


def tree_by_law(
    law: AdderTreeLaw, rows: int, width: int, columns: int = 1, accumulated: int = 0
) -> AdderTree:
    """Return the adders of one column, or of one weight, at the sizes of a macro.

    Args:
        law: As a component library names it.
        rows: Terms: products that are summed at once.
        width: Bits of one product.
        columns: Of a weight, whose sums a further tree puts together, where they are summed apart.
        accumulated: Bits of the sum over the reads of an input; 0 where one read takes all.

    Raises:
        MappingError: ``law-range`` where the law is not known to hold.
    """
    _check_range(law.law, "terms", rows, *ROWS)
    _check_range(law.law, "nm", law.node_nm, 7, 130)
    gates = gates_at(law.node_nm, law.voltage_v)
    if law.order == "chain":
        full, half = float(chain_adders(rows, width)), 0.0
        ns = chain_ns(rows, width, gates)
    else:
        full, half = tree_adders(rows, width)
        ns = gates.product + tree_ns(rows, width, gates)
        arrived = width + ceil(log2(rows))
        if columns > 1:
            summed = arrived + columns - 1
            more, halves = tree_adders(columns, summed)
            full, half = full + more / columns, half + halves / columns
            ns += tree_ns(columns, summed, gates)
            arrived = summed + ceil(log2(columns))
        if accumulated:
            ns += gates.first_carry + max(accumulated - arrived, 0) * gates.carry
    adder = at_node(load_parts("aladdin-40nm").part("adder-32b"), law.node_nm, law.voltage_v)
    assert adder.energy_pj is not None
    equal = full + half * HALF_ADDER_GATES / ADDER_GATES
    return AdderTree(
        per="evaluation with all products 1; area of one tree",
        energy_pj=_scattered(equal * adder.energy_pj.nominal / 32, TREE_SCATTER),
        latency_ns=_scattered(ns, TREE_TIME_SCATTER),
        area_um2=_scattered(_tree_um2(law.node_nm, full, half), TREE_AREA_SCATTER),
        node_nm=law.node_nm,
        voltage_v=law.voltage_v,
        order=law.order,
        source=f"Aladdin's adders and standard cells; {rows} terms of {width} bits, {law.order}",
    )


def _tree_um2(node_nm: float, full: float, half: float) -> float:
    cells = logic_list(node_nm)

    def of(name: str) -> float:
        found = at_area(cell(cells, name), node_nm)
        return found

    if cells == "nangate-45nm":
        return full * of("full-adder") + half * of("half-adder")
    return full * of("full-adder") + half * (of("xor2") + of("nand2"))


def at_area(part: Part, node_nm: float) -> float:
    """Return um2 of a standard cell at another node."""
    assert part.area_um2 is not None
    return part.area_um2.nominal * digital_area_factor(part.node_nm, node_nm)


def channel_by_law(law: ChannelLaw, rows: int, bits: int) -> ReadChannel:
    """Return a read channel whose amplifier settles to half a level of its readout.

    ``I = C (n + 1) ln 2 / t / (gm / I)`` in each branch. A clamp holds the bitline and mirrors its
    current; a transimpedance amplifier drives the converter too, and its output stage takes the
    bitline's current; a buffer drives the converter alone.

    Raises:
        MappingError: ``law-range`` where the law is not known to hold.
    """
    _check_range(law.law, "wordlines", rows, *ROWS)
    _check_range(law.law, "nm", law.node_nm, 7, 130)
    ratio = law.node_nm / WIRE_NM
    line_ff, converter_ff = WIRE_FF * rows * ratio, 100.0 * bits * ratio
    load_ff = {
        "buffer": converter_ff,
        "clamp": line_ff,
        "tia": line_ff + converter_ff,
    }[law.law]
    siemens = load_ff * 1e-15 * (bits + 1) * log(2) / (law.settling_ns * 1e-9)
    microwatts = BRANCHES * siemens * SETTLING_V * law.voltage_v * 1e6
    return ReadChannel(
        per="conversion; area of one amplifier",
        energy_pj=Interval(low=0.0, nominal=0.0, high=0.0),
        latency_ns=Interval(low=law.settling_ns, nominal=law.settling_ns, high=law.settling_ns),
        area_um2=AMPLIFIER_UM2,
        static_uw=_scattered(microwatts, SETTLING_SCATTER),
        samples=law.law != "clamp",
        copies=0.0 if law.law == "buffer" else 1.0,
        node_nm=law.node_nm,
        voltage_v=law.voltage_v,
        source=(
            f"settling of an amplifier to half a level of {bits} bits in {law.settling_ns:g} ns, "
            f"{load_ff:.4g} fF: textbook"
        ),
    )


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
    _check_range(law.law, "wordlines", rows, *ROWS)
    _check_range(law.law, "nm", law.node_nm, 7, 130)
    buffer = load_library("reference-65nm").buffer_write
    charge_ff = 2 * WIRE_FF * law.node_nm / WIRE_NM * (rows * law.deep + 1)
    return Write(
        per="cell; latency of a wordline, whose cells are written at once; area with its cells",
        energy_pj=_scattered(bits * charge_ff * law.voltage_v**2 * 1e-3, WRITE_SCATTER),
        latency_ns=buffer.latency_ns,
        area_um2=Interval(low=0.0, nominal=0.0, high=0.0),
        node_nm=law.node_nm,
        voltage_v=law.voltage_v,
        source=(
            f"a bitline of {rows * law.deep} cells swings: 0.35 fF of wire and as much of a drain "
            "or gate at 28 nm (ZigZag-IMC); latency of a buffer's word"
        ),
    )


def _scattered(value: float, scatter: tuple[float, float]) -> Interval:
    low, high = scatter
    return Interval(low=value * low, nominal=value, high=value * high, kind="law")


def _times(value: Interval, count: int) -> Interval:
    low, nominal, high = (end * count for end in (value.low, value.nominal, value.high))
    return Interval(low=low, nominal=nominal, high=high, kind="law")


def _check_range(law: str, what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise _outside(law, value, f"{low:g}..{high:g} {what}")


def _outside(law: str, value: float, known: str) -> Exception:
    return refuse(
        "law-range",
        f"law '{law}' holds for {known}, got {value:g}",
        help="give the component as numbers with a source in place of the law",
    )
