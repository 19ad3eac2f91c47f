"""Published laws of what one analogue-to-digital conversion costs.

Standard library only. Energies are pJ, times ns, areas um2. The laws disagree by a factor of ten
and more, so a component library states the spread; none of them is *the* law.
"""

from math import ceil, exp, log
from typing import TypeVar

from mapper.cost.scaling import analogue_energy_factor

T = TypeVar("T")

SAR_LINEAR_FF = 100.0
SAR_EXPONENTIAL_FF = 0.001
SAR_NODE_NM = 28.0
"""ZigZag-IMC (KULeuven-MICAS/zigzag-imc): a law fitted to three 22/28 nm analogue chips."""

DECISION_FF = 48.8
"""Of a decision of a SAR converter at 28 nm: the double-tail comparator of Schinkel et al. (ISSCC
2007 17.7), 113 fJ at 90 nm and 1.2 V, by ``C V^2``, and the same again for register and clock."""

DAC_UNIT_FF = 2.0
"""Of the least capacitor of its array at 28 nm, as of a charge cell."""

SIMULATED_SAR_UW = {
    130: (8.448, 65.24),
    90: (5.987, 37.46),
    65: (3.7506, 25.844),
    45: (2.169, 16.69),
    32: (1.129, 8.90),
    22: (0.538, 4.375),
    14: (0.313, 2.568),
    10: (0.182, 1.507),
    7: (0.106, 0.885),
}
"""Node in nm: slope a bit and intercept, uW, LSTP transistors (DNN+NeuroSim V1.3)."""

LEVEL_UW = {
    130: 18.09,
    90: 12.61,
    65: 8.41,
    45: 6.32,
    32: 3.09,
    22: 1.70,
    14: 1.00,
    10: 0.55,
    7: 0.35,
}
"""Node in nm: power of one comparator of a flash converter, uW, LSTP (DNN+NeuroSim V1.3)."""

SURVEY_BITS = (4.5, 20.0)
"""Resolutions the survey law is used for: below it falls as bits are added, which no ADC does."""


def sar_fitted_pj(bits: int, node_nm: float, voltage_v: float) -> float:
    """Return pJ of a SAR conversion: ``(100 n + 0.001 * 4^n) fF * V^2`` at 28 nm.

    >>> round(sar_fitted_pj(8, 28, 0.9), 3)
    0.701
    """
    _refuse_bits(bits >= 1, bits, "1 bit or more")
    charge_ff = SAR_LINEAR_FF * bits + SAR_EXPONENTIAL_FF * 4.0**bits
    return charge_ff * 1e-3 * analogue_energy_factor(SAR_NODE_NM, 1.0, node_nm, voltage_v)


def sar_decided_pj(bits: int, node_nm: float, voltage_v: float) -> float:
    """Return pJ of a SAR conversion by its circuits: ``(48.8 n + 2 * 2^n) fF * V^2`` at 28 nm.

    ``n`` decisions, and an array of ``2^n`` capacitors that the supply charges once. Harpe et al.
    (JSSC 2011: 8 bits, 90 nm, 1 V, 26.3 uW at 10.24 MS/s) measured 2.57 pJ, this law has 2.9.

    >>> round(sar_decided_pj(8, 90, 1.0), 2)
    2.9
    """
    _refuse_bits(bits >= 1, bits, "1 bit or more")
    charge_ff = DECISION_FF * bits + sampled_ff(bits)
    return charge_ff * 1e-3 * analogue_energy_factor(SAR_NODE_NM, 1.0, node_nm, voltage_v)


def sampled_ff(bits: int) -> float:
    """Return fF of the capacitors of a SAR converter at 28 nm: what its driver has to charge."""
    return DAC_UNIT_FF * 2.0**bits


def sar_fitted_ns(bits: int, rows: int) -> float:
    """Return ns of the same conversion with so many cells on the bitline."""
    _refuse_bits(bits >= 1, bits, "1 bit or more")
    return bits * (0.00653 * rows + 0.640)


def sar_fitted_um2(bits: int) -> float:
    """Return um2 of the same converter at 28 nm."""
    _refuse_bits(bits >= 1, bits, "1 bit or more")
    return float(10 ** (1.206 - 0.0369 * bits) * 2**bits)


def sar_simulated_pj(bits: int, node_nm: int) -> float:
    """Return pJ of NeuroSim's SAR converter, a cycle of 1 ns a bit and one more.

    Nodes are those of its table: transistor tables are not interpolated.

    >>> round(sar_simulated_pj(5, 65), 3)
    0.268
    """
    _refuse_bits(bits >= 1, bits, "1 bit or more")
    slope, intercept = _of_node(SIMULATED_SAR_UW, node_nm)
    return (slope * bits + intercept) * 1e-3 * (bits + 1)


def flash_pj(bits: int, node_nm: int, sensing_ns: float) -> float:
    """Return pJ of a flash conversion: a comparator a level, all on while it senses.

    >>> round(flash_pj(5, 65, 10.0), 2)
    2.61
    """
    _refuse_bits(bits >= 1, bits, "1 bit or more")
    return ((1 << bits) - 1) * _of_node(LEVEL_UW, node_nm) * 1e-3 * sensing_ns


def survey_pj(bits: float, node_nm: float, frequency_hz: float = 1e6) -> float:
    """Return pJ of a typical published ADC: a regression of Murmann's survey.

    Andrulis et al., arXiv 2404.06553. The figure of merit is the lower of a line in the logarithm
    of the sampling frequency and a cap that grows with the resolution.

    Raises:
        ValueError: below 4.5 bits, where the regression falls as bits are added.

    >>> round(survey_pj(8, 32), 2)
    1.71
    """
    low, high = SURVEY_BITS
    _refuse_bits(low <= bits <= high, bits, f"{low:g}..{high:g} bits")
    cap_db = 128.3068287398817 + 3.2205115113775 * ceil(bits)
    merit_db = min(213.7806687348118 - 2.8719030399529957 * log(frequency_hz), cap_db)
    noise_db = 6.02 * bits + 1.76
    ideal = 0.5 * 10 ** ((noise_db - merit_db) / 10)
    shape = 26.0496215686518 + 1.8800369206815004 * log(node_nm)
    return ideal * exp(shape - 2.8291256050594527 * log(bits) - 1.4702022133784405)


def _refuse_bits(fits: bool, bits: float, needed: str) -> None:
    if not fits:
        raise ValueError(f"this law holds for {needed}, got {bits:g}")


def _of_node(table: dict[int, T], node_nm: int) -> T:
    if node_nm not in table:
        known = ", ".join(map(str, table))
        raise ValueError(f"this law has nodes {known} nm, got {node_nm:g} nm")
    return table[node_nm]
