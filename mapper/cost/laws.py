"""Converters by law: what a component library names instead of a number.

A law is evaluated at the sizes of the macro that it serves, brings the scatter of what was measured
of such circuits, and is refused outside of the sizes that it is known for.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from mapper.cost.components import at_node
from mapper.cost.converters import (
    SAR_NODE_NM,
    SIMULATED_SAR_UW,
    sar_decided_pj,
    sar_fitted_ns,
    sar_fitted_pj,
    sar_fitted_um2,
    sar_simulated_pj,
)
from mapper.cost.scaling import analogue_energy_factor, digital_area_factor
from mapper.diagnostics import refuse
from targets import (
    Converter,
    ConverterLaw,
    Interval,
    Part,
    load_library,
    load_parts,
)
from targets.library import ConverterLawName

SAR_SCATTER = (0.57, 3.9)
"""Measured over the fitted law: FORMS (4 bits, 32 nm) and the converters of WANG (8 bits, 22 nm).
Between them lie JIA (1.23 at both supplies), NeuRRAM (0.66 of 3 bits) and ISAAC (2.1)."""

SAR_DECIDED_SCATTER = (0.65, 3.7)
"""Measured over the law of decisions: NeuRRAM (3 bits, 130 nm) and the converters of WANG (8 bits,
22 nm). Between them lie Harpe et al. (0.89), FORMS (1.0, 4 bits, 32 nm) and JIA (1.18)."""

SAR_TIME_SCATTER = (0.24, 1.3)
"""The fastest SAR of Murmann's survey at 65 nm and 5 bits, 1.25 ns where the law has 5.29; WANG's
measured cycle is 0.81 of the law, three chips of its fit are up to 1.09."""

SAR_AREA_SCATTER = (0.4, 1.25)
"""JIA's converters; the worst of three chips, each from the two others (docs/validation.md)."""

FLASH_BITS = 5
"""Of the flash converter of ``reference-65nm``, the best of six in Murmann's survey: measured, and
one level with its share of all around it is a level of any."""

FLASH_SCATTER = (0.0386, 9.48)
"""NeuroSim's comparator, 8.41 uW for 1 ns; the worst of those six, 64 pJ."""

DECISION_SCATTER = (0.2, 5.2)
"""Of a lone comparator: NeuroSim's at 65 nm; a level of a flash converter as measured."""

FLASH_NS = Interval(low=0.07, nominal=1.0, high=10.0)
"""A dynamic comparator after layout, NeuroSim's floor and its ceiling."""

RING_STAGES = 5
GATE_FF = 0.7
"""Of a NAND2 at 28 nm (ZigZag-IMC), proportional to the node."""

COUNT_NS = Interval(low=0.25, nominal=1.0, high=4.0)
"""Of one count of an oscillator: it and its counter run at about the clock of the logic, 1 GHz; its
ends are an assumption."""

CCO_SCATTER = (0.5, 5.0)
"""An assumption: no chip with such a converter is among those that estimates are compared with."""

CCO_AREA_SCATTER = (0.5, 4.0)

NODES_NM = (7, 130)
"""Nodes that parts are brought to."""

EXACT = (1.0, 1.0)
"""Of what has one number."""

ROWS = (1, 2304)
"""Wordlines that conversions were measured at, from a single one to those of JIA."""

WIRE_FF, WIRE_NM = 0.35, SAR_NODE_NM
"""What a cell adds to its bitline, and at which node (ZigZag-IMC); proportional to the node."""


class _Made(NamedTuple):
    """What a law gives of a conversion."""

    energy_pj: Interval
    latency_ns: Interval
    area_um2: Interval
    source: str


def converter_by_law(law: ConverterLaw, rows: int) -> Converter:
    """Return an ADC at the sizes of a macro.

    Args:
        law: As a component library names it.
        rows: Wordlines of the crossbar, whose cells load the bitline.

    Raises:
        MappingError: ``law-range`` where the law is not known to hold.
    """
    check_range(law.law, "wordlines", rows, *ROWS)
    check_range(law.law, "nm", law.node_nm, *NODES_NM)
    made = CONVERTER_LAWS[law.law](law, rows)
    return Converter(
        bits=law.bits,
        per="conversion of one column",
        energy_pj=made.energy_pj,
        latency_ns=made.latency_ns,
        area_um2=made.area_um2,
        node_nm=law.node_nm,
        voltage_v=law.voltage_v,
        source=f"{made.source}; {law.bits} bits, {rows} wordlines",
    )


def _sar(law: ConverterLaw, rows: int) -> _Made:
    return _Made(
        scattered(sar_fitted_pj(law.bits, law.node_nm, law.voltage_v), SAR_SCATTER),
        scattered(sar_fitted_ns(law.bits, rows), SAR_TIME_SCATTER),
        _sar_area(law),
        "ZigZag-IMC's law of a SAR conversion, fitted to three chips at 22 and 28 nm",
    )


def _decided_sar(law: ConverterLaw, rows: int) -> _Made:
    return _Made(
        scattered(sar_decided_pj(law.bits, law.node_nm, law.voltage_v), SAR_DECIDED_SCATTER),
        scattered(sar_fitted_ns(law.bits, rows), SAR_TIME_SCATTER),
        _sar_area(law),
        "a published comparator and its logic once a bit, 2^n capacitors; ZigZag-IMC's time",
    )


def _simulated_sar(law: ConverterLaw, rows: int) -> _Made:
    if law.node_nm not in SIMULATED_SAR_UW:
        known = ", ".join(map(str, SIMULATED_SAR_UW))
        raise _outside(law.law, law.node_nm, f"{known} nm")
    return _Made(
        scattered(sar_simulated_pj(law.bits, int(law.node_nm)), EXACT),
        scattered(law.bits + 1.0, EXACT),
        _sar_area(law),
        "NeuroSim's SAR converter, simulated with low-power transistors",
    )


def _sar_area(law: ConverterLaw) -> Interval:
    ratio = law.node_nm / SAR_NODE_NM
    low, high = SAR_AREA_SCATTER
    return scattered(sar_fitted_um2(law.bits) * ratio, (low, max(high, ratio)))


def _oscillator(law: ConverterLaw, rows: int) -> _Made:
    counts, bit = 1 << law.bits, load_parts("aladdin-40nm").part("counter-32b")
    return _Made(
        scattered(oscillator_pj(law), CCO_SCATTER),
        COUNT_NS.times(counts, counts, counts, kind="law"),
        scattered(at_area(bit, law.node_nm) / 32 * law.bits, CCO_AREA_SCATTER),
        "a ring of five gates and Aladdin's counter, 1 ns a count: textbook",
    )


def _flash(law: ConverterLaw, rows: int) -> _Made:
    known = load_library("reference-65nm").converter("flash", FLASH_BITS)
    assert isinstance(known, Converter)
    factor = analogue_energy_factor(known.node_nm, known.voltage_v, law.node_nm, law.voltage_v)
    level_pj = known.energy_pj.nominal / ((1 << FLASH_BITS) - 1)
    count, (_, comparator_um2) = (1 << law.bits) - 1, _comparator(law)
    return _Made(
        scattered(count * level_pj * factor, FLASH_SCATTER),
        FLASH_NS,
        scattered(count * comparator_um2, EXACT),
        "levels of the best flash ADC of 5 bits in Murmann's survey, TIMELY's area",
    )


def _serial(law: ConverterLaw, rows: int) -> _Made:
    comparator_pj, comparator_um2 = _comparator(law)
    register_um2 = at_area(load_parts("aladdin-40nm").part("register-bit"), law.node_nm)
    return _Made(
        scattered(law.bits * (comparator_pj + _register_pj(law)), DECISION_SCATTER),
        FLASH_NS.times(law.bits, law.bits, law.bits, kind="law"),
        scattered(comparator_um2 + law.bits * register_um2, EXACT),
        "TIMELY's charging comparator and a register, once a bit; references are shared",
    )


def _comparator(law: ConverterLaw) -> tuple[float, float]:
    """Return pJ of a decision and um2 of TIMELY's charging comparator."""
    found = at_node(
        load_parts("timely-65nm").part("charging-comparator"), law.node_nm, law.voltage_v
    )
    assert found.energy_pj is not None
    assert found.area_um2 is not None
    return found.energy_pj.nominal, found.area_um2.nominal


def _register_pj(law: ConverterLaw) -> float:
    """Return pJ of an access to a bit of Aladdin's register."""
    found = at_node(load_parts("aladdin-40nm").part("register-bit"), law.node_nm, law.voltage_v)
    assert found.energy_pj is not None
    return found.energy_pj.nominal


CONVERTER_LAWS: dict[ConverterLawName, Callable[[ConverterLaw, int], _Made]] = {
    "sar": _sar,
    "sar-decisions": _decided_sar,
    "sar-simulated": _simulated_sar,
    "sar-serial": _serial,
    "cco": _oscillator,
    "flash": _flash,
}
"""Laws of converters, by the name that a component library has for them."""


def at_rows(adc: Converter, rows: int) -> Converter:
    """Return an ADC with its latency at the rows of a macro, where a law says how they go.

    Raises:
        MappingError: ``law-range`` where the law is not known to hold.
    """
    if adc.latency_law == "none":
        return adc
    check_range(adc.latency_law, "wordlines", rows, *ROWS)
    time = scattered(sar_fitted_ns(adc.bits, rows), SAR_TIME_SCATTER)
    return replace(adc, latency_ns=time, latency_law="none")


def oscillator_pj(law: ConverterLaw) -> float:
    """Return pJ of a conversion at half of full scale: a ring and a counter for each count.

    A count switches every stage of the ring, a NAND2 each, and two bits of the counter on average.
    """
    stage = GATE_FF * 1e-3 * law.node_nm / WIRE_NM * law.voltage_v**2
    return 2.0 ** (law.bits - 1) * (RING_STAGES * stage + 2 * _register_pj(law))


def at_area(part: Part, node_nm: float) -> float:
    """Return um2 of a standard cell at another node."""
    assert part.area_um2 is not None
    return part.area_um2.nominal * digital_area_factor(part.node_nm, node_nm)


def scattered(value: float, scatter: tuple[float, float]) -> Interval:
    """Return a value by law with its scatter: the least and the most of what was measured."""
    low, high = scatter
    return Interval(low=value * low, nominal=value, high=value * high, kind="law")


def check_range(law: str, what: str, value: float, low: float, high: float) -> None:
    """Refuse a size that a law is not known to hold for: ``law-range``."""
    if not low <= value <= high:
        raise _outside(law, value, f"{low:g}..{high:g} {what}")


def _outside(law: str, value: float, known: str) -> Exception:
    return refuse(
        "law-range",
        f"law '{law}' holds for {known}, got {value:g}",
        help="give the component as numbers with a source in place of the law",
    )
