"""The component library of a described target: laws, and published parts brought to its node."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mapper.cost.converters import sampled_ff
from mapper.cost.description import CONVERTERS, TREES, Description
from mapper.cost.gates import ADDER_GATES, cell, logic_list
from mapper.cost.laws import WIRE_FF, WIRE_NM, at_area
from mapper.cost.scaling import (
    DIGITAL_PARTS,
    analogue_energy_factor,
    digital_area_factor,
    digital_energy_factor,
)
from targets import Component, Interval, Library, Neuron, Port, Write, load_library
from targets.cells import CellKind
from targets.toml import Comments

REFERENCE = "reference-65nm"
UNIT_CAPACITOR_FF = 2.0
"""Of a charge cell, metal on metal; CiMLoop has it for two published charge-domain chips."""
CAPACITOR_FF_PER_UM2 = 1.7
"""Metal on metal (CiMLoop, sinangil_jssc_2021/arch.yaml)."""
CELL_6T_UM2, CELL_6T_NM = 0.32, 28.0
"""And its node: with the cell's share of the array, CACTI, 256 bytes."""
FEATURES_1T1R = (4.0, 30.0, 130.0)
"""Squares of the node: a cell of a bare crossbar, with a transistor, by the rules of SRAM."""
CONTROL_AREA = (0.036, 0.073, 0.11)
"""Share of a macro's area: COLONNADE, the mean, WANG."""
CELL_CURRENT_UA = 20.0
"""Of a 6T cell that is read, at 1 V: a textbook magnitude, not measured on a named chip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A resistive device: V across it when it is read, and uS, low, nominal and high."""

    read_voltage_v: tuple[float, float, float]
    on_us: tuple[float, float, float]
    off_us: tuple[float, float, float]
    source: str


DEVICES = {
    "rram": Device(
        read_voltage_v=(0.15, 0.2, 0.5),
        on_us=(4.0, 50.0, 750.0),
        off_us=(0.3333, 1.111, 5.0),
        source="""Voltage: 0.2 V of a measured chip at 130 nm (Liu et al., ISSCC 2020 33.2), 0.15 V
of one at 28 nm (Yao et al., ESSERC 2024, low), 0.5 V of the reference and of CiMLoop's NeuRRAM
(high). Conductance on: 4 uS of CiMLoop's NeuRRAM cell (low), 750 uS of its RAELLA cell (high),
50 uS between; off: ISAAC (low), the reference, 5 uS (high).""",
    ),
    "pcm": Device(
        read_voltage_v=(0.1, 0.2, 0.3),
        on_us=(5.0, 20.0, 25.0),
        off_us=(0.1, 0.5, 1.0),
        source="""Phase-change memory as programmed for inference, 0 to 25 uS at 0.2 V (Joshi et
al., Nature Communications 11, 2020); its other ends are assumptions.""",
    ),
}
"""Devices that ``--cell`` names beside the kinds of cells."""


def library_of(given: Description) -> tuple[dict[str, Any], Comments]:
    """Return the component library and what its numbers are."""
    reference, node, volts = load_library(REFERENCE), given.node_nm, given.supply
    found: dict[str, Any] = {
        "name": f"{given.name}-library"[:64],
        "summary": f"laws and published parts at {node:g} nm and {volts:g} V",
        "provenance": f"written by 'spikeloom targets new'; parts of {REFERENCE} scaled",
        "cell": _cell(given),
        "wordline_drive": _wordline(given, reference.wordline_drive),
        "sense_amp": _analogue(given, reference.sense_amp),
        **_converters(given),
        **{name: _digital(given, getattr(reference, name)) for name in DIGITAL_PARTS},
        "leakage": {
            "power_uw_per_mm2": _interval(reference.leakage.power_uw_per_mm2, 1.0),
            "node_nm": node,
            "source": f"{REFERENCE}, not scaled: {reference.leakage.source}",
            "cites": list(reference.leakage.cites),
        },
        "inputs": _inputs(given, reference),
        **_write(given, reference),
        "control": {
            "share": _ends(*_shares(reference)),
            "area_share": _ends(*CONTROL_AREA),
            "source": """NeuroSim's validated block (nominal), what is left of WANG's energy (low),
control and registers of COLONNADE (high). Area: COLONNADE (low), WANG (high), their mean.""",
        },
    }
    kind = given.channel
    if kind != "none":
        found["read_channel"] = {
            "law": kind,
            "settling_ns": given.settling_ns,
            "node_nm": node,
            "voltage_v": volts,
        }
    return found, {
        ("components.read_channel", "law"): "settles to half a level; amplifiers by textbook",
        ("components.read_channel", "settling_ns"): "5 ns unless given, as memories of RRAM",
        ("components.wordline_drive", "latency_ns"): "the line settles; an assumption unless given",
        ("components.write", "law"): "its bitline swings, and its share of a wordline; no wear",
    }


def _shares(reference: Library) -> tuple[float, float, float]:
    """Return the share of control in the energy of a macro, as the reference has it."""
    assert reference.control is not None
    share = reference.control.share
    return share.low, share.nominal, share.high


def _converters(given: Description) -> dict[str, Any]:
    (kind, bits), named = given.converter, given.named_readout
    if given.readout in TREES:
        law = {"law": "adder-tree", "order": TREES[given.readout], "node_nm": given.node_nm}
        return {"adder_tree": {**law, "voltage_v": given.supply}}
    if named not in CONVERTERS:
        return {}
    _, law_name = CONVERTERS[named]
    law = {"law": law_name, "bits": bits, "node_nm": given.node_nm, "voltage_v": given.supply}
    return {f"{kind}_adc": [law]}


def _write(given: Description, reference: Library) -> dict[str, Any]:
    """Return what writing takes: of SRAM by its law, of RRAM as of the reference, at any node.

    Nobody gives what phase-change memory takes.
    """
    known = reference.write
    if given.kind != "resistive":
        deep = {"deep": given.deep} if given.deep > 1 else {}
        law = {"law": "sram", "node_nm": given.node_nm, "voltage_v": given.supply}
        return {"write": {**law, **deep}}
    if given.cell != "rram" or not isinstance(known, Write):
        return {}
    made = _part(given, known, 1.0, 1.0)
    made |= {"node_nm": known.node_nm, "voltage_v": known.voltage_v}
    made["source"] = f"{REFERENCE}, not scaled: {known.source}"
    if known.endurance is not None:
        made["endurance"] = _interval(known.endurance, 1.0)
    return {"write": made}


def _cell(given: Description) -> dict[str, Any]:
    facts, source = _cell_facts(given)
    areas, told = _cell_areas(given)
    return {
        "kind": given.kind,
        **facts,
        "area_um2": {**_ends(*areas), "kind": "law"},
        "node_nm": given.node_nm,
        "source": f"{source} Area: {told}.",
    }


def _cell_areas(given: Description) -> tuple[tuple[float, ...], str]:
    """Return low, nominal and high um2 of a cell with what multiplies in it, and the source."""
    area = CELL_6T_UM2 * digital_area_factor(CELL_6T_NM, given.node_nm)
    bare: tuple[float, ...] = (0.7 * area, area, 2 * area)
    told = "6T cell with its share of the array by CACTI, 256 bytes at 28 nm"
    if given.kind == "resistive":
        square = (given.node_nm * 1e-3) ** 2
        bare = tuple(features * square for features in FEATURES_1T1R)
        told = "4 F^2 of a crossbar, 30 F^2 with a transistor, 130 F^2 of a cell in SRAM rules"
    if given.cell_um2 is not None:
        bare, told = (given.cell_um2,) * 3, "as given"
    share = (given.rows_per_read or given.wordlines) / given.wordlines
    gate = given.gates * share * _gate_um2(given)
    held = 0.0
    if given.kind == "charge":
        held = share * given.unit_capacitors * UNIT_CAPACITOR_FF / CAPACITOR_FF_PER_UM2
    if gate or held:
        told += ", gates and capacitors at 1.7 fF/um2 beside the cells that take part"
    units = given.cells_per_bitline
    low, nominal, high = (given.deep * area for area in bare)
    return (units * low, units * (nominal + gate + held), units * (high + gate + held)), told


def _gate_um2(given: Description) -> float:
    """Return um2 of a NAND2 of the nearer cell library."""
    return at_area(cell(logic_list(given.node_nm), "nand2"), given.node_nm)


def _cell_facts(given: Description) -> tuple[dict[str, Any], str]:
    """Return the facts that the kind of cell has, and their source."""
    return CELL_FACTS[given.kind](given)


def _resistive(given: Description) -> tuple[dict[str, Any], str]:
    device, columns = DEVICES[given.cell], given.cells_per_bitline
    facts = {
        "read_voltage_v": _given(given.read_voltage_v, device.read_voltage_v),
        "on_conductance_us": _together(columns, _given(given.on_us, device.on_us)),
        "off_conductance_us": _together(columns, _given(given.off_us, device.off_us)),
    }
    if given.feeds_current:
        facts |= _supply(given)
    told = f" {columns} of them, a column each, are read together." if columns > 1 else ""
    return facts, device.source + told


def _together(columns: int, ends: dict[str, float]) -> dict[str, float]:
    """Return uS of the cells of several columns, each of which draws its own current."""
    return {end: float(f"{columns * siemens:.4g}") for end, siemens in ends.items()}


def _charge(given: Description) -> tuple[dict[str, Any], str]:
    units = given.cells_per_bitline
    held = units * given.unit_capacitors * UNIT_CAPACITOR_FF
    switch = units * 2 * _wire_ff(given)
    told = (
        "A metal capacitor of 2 fF (CiMLoop, of two chips); a switch is a gate and 0.35 fF of "
        "wire at 28 nm (ZigZag-IMC)"
    )
    if given.charged == "every":
        facts = {"switched_ff": _given(given.cell_ff, _charged(switch + held))}
        return {**facts, **_supply(given)}, f"{told}; the cells of JIA switch 1.6 times as much."
    return {
        "switched_ff": _ends(*_charged(2 * switch)),
        "product_ff": _given(given.cell_ff, _charged(held)),
        **_supply(given),
    }, f"{told}: two a cell, to reset and to share, that every read switches."


def _charged(femtofarads: float) -> tuple[float, float, float]:
    """Return low, nominal and high of a capacitance by law."""
    return 0.6 * femtofarads, femtofarads, 2 * femtofarads


def _discharge(given: Description) -> tuple[dict[str, Any], str]:
    switched = given.cells_per_bitline * 2 * _wire_ff(given)
    published = (0.5 * switched, switched, 2 * switched)
    return (
        {"switched_ff": _given(given.cell_ff, published), **_supply(given)},
        "0.35 fF of wire and as much of a drain at 28 nm (ZigZag-IMC).",
    )


def _static(given: Description) -> tuple[dict[str, Any], str]:
    current = given.cells_per_bitline * CELL_CURRENT_UA * given.supply
    return (
        {"current_ua": _ends(0.5 * current, current, 2 * current), **_supply(given)},
        "20 uA of a 6T cell at 1 V, growing with the supply: textbook.",
    )


def _gate(given: Description) -> tuple[dict[str, Any], str]:
    adder = load_library(REFERENCE).scale_multiply
    factor = digital_energy_factor(adder.node_nm, adder.voltage_v, given.node_nm, given.supply)
    gate = given.cells_per_bitline * adder.energy_pj.nominal * factor / ADDER_GATES / 2
    return (
        {"product_pj": _ends(0.5 * gate, gate, 2 * gate)},
        "Half of a NAND2, of which a full adder has six (ZigZag-IMC), by Aladdin's adder.",
    )


CELL_FACTS: dict[CellKind, Callable[[Description], tuple[dict[str, Any], str]]] = {
    "resistive": _resistive,
    "charge": _charge,
    "discharge": _discharge,
    "static": _static,
    "digital": _gate,
}
"""Facts that a cell of each kind has, and their source."""


def _supply(given: Description) -> dict[str, Any]:
    return {"supply_v": _ends(given.supply, given.supply, given.supply)}


def _wire_ff(given: Description) -> float:
    """Return fF that a cell adds to a line."""
    return WIRE_FF * given.node_nm / WIRE_NM


WORDLINE_NS: dict[CellKind, float] = {
    "resistive": 1.0,
    "charge": 0.1,
    "discharge": 0.1,
    "static": 0.1,
    "digital": 0.1,
}
"""In which a wordline settles, an assumption: gates load it where cells are SRAM. The bitline of
resistive cells settles afterwards, in a read channel or, where there is none, by itself."""


def _wordline(given: Description, reference: Component) -> dict[str, Any]:
    factor = _analogue_factor(given, reference)
    factor *= given.cells_per_bitline  # each is as wide as so many cells
    area = digital_area_factor(reference.node_nm, given.node_nm)
    made = _part(given, reference, factor, area)
    wait = WORDLINE_NS[given.kind] if given.wordline_ns is None else given.wordline_ns
    if given.kind == "resistive" and given.channel == "none":
        wait += given.settling_ns
    made["latency_ns"] = _ends(min(0.1, wait), wait, max(10.0, wait))
    return made


def _analogue(given: Description, reference: Component) -> dict[str, Any]:
    factor = _analogue_factor(given, reference)
    return _part(given, reference, factor, given.node_nm / reference.node_nm)


def _analogue_factor(given: Description, known: Component) -> float:
    return analogue_energy_factor(known.node_nm, known.voltage_v, given.node_nm, given.supply)


def _digital_factors(given: Description, known: Component) -> tuple[float, float]:
    """Return the factors of energy and area from a part to the node and the supply."""
    return (
        digital_energy_factor(known.node_nm, known.voltage_v, given.node_nm, given.supply),
        digital_area_factor(known.node_nm, given.node_nm),
    )


def _digital(given: Description, reference: Component) -> dict[str, Any]:
    made = _part(given, reference, *_digital_factors(given, reference))
    if isinstance(reference, Port):
        made["word_bits"] = reference.word_bits
    if isinstance(reference, Neuron):
        made["leak_uw"] = _interval(reference.leak_uw, 1.0)
    return made


def _inputs(given: Description, reference: Library) -> dict[str, Any]:
    """Registers of inputs; a capacitor a bit where they are voltages."""
    known = reference.inputs
    assert known is not None  # the reference's registers
    factor, area = _digital_factors(given, known)
    energy, bit_um2 = known.energy_pj.nominal * factor, known.area_um2.nominal * area
    made: dict[str, Any] = {
        "per": "input bit, clocked once a read; area of one bit",
        "energy_pj": _ends(0.5 * energy, energy, 2 * energy),
        "latency_ns": _ends(0.0, 0.0, 0.0),
        "area_um2": _ends(0.5 * bit_um2, bit_um2, bit_um2),
        "node_nm": given.node_nm,
        "voltage_v": given.supply,
        "source": "a register bit of Aladdin, 0.009 pJ at 40 nm; half and twice of it",
        "cites": list(reference.buffer_read.cites),
    }
    form = given.form
    made["form"] = form
    if form == "dac":
        bits = given.input_bits_per_read
        held_ff = sampled_ff(bits) / bits
        pj = held_ff * 1e-3 * given.node_nm / WIRE_NM * given.supply**2
        made["converter_pj"] = _ends(0.5 * pj, pj, 2 * pj)
        um2 = held_ff / CAPACITOR_FF_PER_UM2
        made["converter_um2"] = _ends(0.5 * um2, um2, 2 * um2)
        made["source"] += f"; converter: the {1 << bits} capacitors of a SAR of {bits} bits"
    if form == "pulses":
        made["pulse_ns"] = 1.0 if given.pulse_ns is None else given.pulse_ns
    return made


def _part(given: Description, reference: Component, energy: float, area: float) -> dict[str, Any]:
    return {
        "per": reference.per,
        "energy_pj": _interval(reference.energy_pj, energy),
        "latency_ns": _interval(reference.latency_ns, 1.0),
        "area_um2": _interval(reference.area_um2, area),
        "node_nm": given.node_nm,
        "voltage_v": given.supply,
        "source": f"{REFERENCE} scaled from {_of(reference)}: {reference.source}",
        "cites": list(reference.cites),
    }


def _of(part: Component) -> str:
    return f"{part.node_nm:g} nm and {part.voltage_v:g} V"


def _interval(known: Interval, factor: float) -> dict[str, Any]:
    kind = known.kind if factor == 1 else "law"
    made = _ends(known.low * factor, known.nominal * factor, known.high * factor)
    return made if kind is None else {**made, "kind": kind}


def _given(value: float | None, published: tuple[float, float, float]) -> dict[str, float]:
    return _ends(*published) if value is None else _ends(value, value, value)


def _ends(low: float, nominal: float, high: float) -> dict[str, float]:
    low, nominal, high = (float(f"{value:.4g}") for value in (low, nominal, high))
    return {"low": low, "nominal": nominal, "high": high}
