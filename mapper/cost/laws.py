"""Components by law: what a component library names instead of a number.

A law is evaluated at the sizes of the macro that it serves, brings the scatter of what was measured
of such circuits, and is refused outside of the sizes that it is known for.
"""

from math import log

from mapper.cost.components import at_node
from mapper.cost.converters import (
    SIMULATED_SAR_UW,
    sar_fitted_ns,
    sar_fitted_pj,
    sar_fitted_um2,
    sar_simulated_pj,
)
from mapper.diagnostics import refuse
from targets import ChannelLaw, Converter, ConverterLaw, Interval, ReadChannel, load_parts

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

ROWS = (1, 2304)
"""Wordlines that conversions were measured at, from a single one to those of JIA."""

SETTLING_V = 0.1
"""Current of an amplifier over its transconductance: weak to moderate inversion, a textbook value
(Jespers and Murmann, Systematic Design of Analog CMOS Circuits: 5 to 25 S/A)."""

SETTLING_SCATTER = (0.5, 3.0)
"""From 20 S/A to 3.3, of an amplifier with two stages or a folded one."""

BRANCHES = 2
"""Of a differential pair."""

WIRE_FF = 0.35
"""What a cell adds to its bitline at 28 nm (ZigZag-IMC), proportional to the node."""

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
                raise _outside(law.law, "nm", law.node_nm, f"{known} nm")
            energy = _scattered(sar_simulated_pj(law.bits, int(law.node_nm)), (1.0, 1.0))
            time = _scattered(law.bits + 1.0, (1.0, 1.0))
            area = _scattered(sar_um2, (low, max(high, ratio)))
            source = "NeuroSim's SAR converter, simulated with low-power transistors"
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
    ratio = law.node_nm / 28
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
        copies=0.0 if law.law == "buffer" else 1.0,
        node_nm=law.node_nm,
        voltage_v=law.voltage_v,
        source=(
            f"settling of an amplifier to half a level of {bits} bits in {law.settling_ns:g} ns, "
            f"{load_ff:.4g} fF: textbook"
        ),
    )


def _scattered(value: float, scatter: tuple[float, float]) -> Interval:
    low, high = scatter
    return Interval(low=value * low, nominal=value, high=value * high, kind="law")


def _times(value: Interval, count: int) -> Interval:
    return Interval(low=value.low * count, nominal=value.nominal * count, high=value.high * count)


def _check_range(law: str, what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise _outside(law, what, value, f"{low:g}..{high:g} {what}")


def _outside(law: str, what: str, value: float, known: str) -> Exception:
    return refuse(
        "law-range",
        f"law '{law}' holds for {known}, got {value:g}",
        help="give the component as numbers with a source in place of the law",
    )
