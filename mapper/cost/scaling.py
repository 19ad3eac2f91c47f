"""Bring a published cost from one technology node and supply voltage to another.

Standard library only. Digital logic down to 32 nm follows the fits of Stillmaker and Baas
(Integration 58, 2017): a quadratic in the supply for the energy of a gate at each node. Below,
their models of transistors promise far more than chips got, so ``C V^2`` leads from their 32 nm to
what additions take at 7 nm in a product (``ENERGY_FITS``). Areas have their factor a node. Analogue
blocks follow ``C V^2`` with capacitances proportional to the node. A resistive cell draws
``V^2 G t`` whatever the node, so nothing here applies to it.

Between two nodes of the table, the energy at that supply and the area are interpolated linearly in
the node. Outside the table nothing is known, and a supply below the minimum of a quadratic, or near
the threshold, is outside of the fit, and one far above the usual is more than transistors bear: all
raise ``ScalingError``.
"""

from math import isfinite

DIGITAL_PARTS = (
    "shift_add",
    "accumulate",
    "scale_multiply",
    "membrane_update",
    "buffer_read",
    "buffer_write",
    "hop",
)
"""Components that are logic or memory, which the tables here bring to another node."""

ENERGY_FITS = {
    130.0: (7.171, -6.709, 2.904),
    90.0: (4.762, -4.781, 2.092),
    65.0: (3.755, -4.398, 1.975),
    45.0: (1.103, -0.362, 0.2767),
    32.0: (0.9559, -0.7823, 0.471),
    20.0: (0.5937, 0.0, 0.0),
    16.0: (0.5613, 0.0, 0.0),
    14.0: (0.5427, 0.0, 0.0),
    10.0: (0.4987, 0.0, 0.0),
    7.0: (0.4559, 0.0, 0.0),
}
"""Node in nm: ``a``, ``b``, ``c`` of the energy ``a V^2 + b V + c`` of the same gate.

From 130 to 32 nm by Stillmaker and Baas. At 7 nm and 0.7 V an addition takes 1/3.78 of that at 45
nm and 0.9 V: 0.007 of 0.03 pJ (8 bits), 0.03 of 0.1 pJ (32 bits), in geometric mean (Jouppi et al.,
Ten Lessons From Three Generations Shaped Google's TPUv4i, ISCA 2021, table 2, with Horowitz'
numbers at 45 nm; not read in the primary text). Its supply is not stated, 0.7 V is usual. Between
32 nm at 0.9 V and there, capacitance is a power of the node. Stillmaker and Baas would have 1/17.7.
"""

LOWEST_V = 0.4
"""Below 32 nm: an assumption. Nearer the threshold leakage tells, which ``C V^2`` does not know."""

AREAS = {
    130.0: 4.3,
    90.0: 1.9,
    65.0: 1.0,
    45.0: 0.66,
    32.0: 0.31,
    20.0: 0.14,
    16.0: 0.13,
    14.0: 0.12,
    10.0: 0.068,
    7.0: 0.039,
}
"""Node in nm: area of a block that has 1 at 65 nm."""

SUPPLIES_V = {
    130.0: 1.3,
    90.0: 1.2,
    65.0: 1.1,
    45.0: 1.0,
    32.0: 0.9,
    20.0: 0.9,
    16.0: 0.8,
    14.0: 0.8,
    10.0: 0.75,
    7.0: 0.7,
}
"""Supply in V that is assumed for a node in nm where none is given."""

HIGHEST_V = {130.0: 1.98, 28.0: 1.1, 16.0: 1.0}
"""Node in nm: the highest supply in V that logic of it is rated for, linear between; smaller nodes
bear no more than the smallest here. 130 nm: most of the core supply of SOFA HD, an FPGA in
SkyWater's process (its data sheet, recommended operating conditions). 28 nm and 16 nm: absolute
maximum of the core supply of Spartan-7 (AMD DS189) and Spartan UltraScale+ (AMD DS930)."""

SMALLEST_NM, LARGEST_NM = min(ENERGY_FITS), max(ENERGY_FITS)


class ScalingError(ValueError):
    """A node or a voltage outside what the tables cover."""


def digital_energy_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """Return what the energy of a logic block is multiplied by.

    >>> round(digital_energy_factor(32, 0.9, 65, 1.1), 3)
    3.106
    """
    factor = _gate_energy(to_nm, to_v) / _gate_energy(from_nm, from_v)
    _check_bearable(from_nm, from_v, to_nm, to_v)
    return factor


def digital_area_factor(from_nm: float, to_nm: float) -> float:
    """Return what the area of a logic block is multiplied by.

    >>> digital_area_factor(65, 32)
    0.31
    """
    return _between(AREAS, to_nm) / _between(AREAS, from_nm)


def analogue_energy_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """Return what the energy of a block of switched capacitors is multiplied by.

    >>> analogue_energy_factor(28, 0.5, 56, 1.0)
    8.0
    """
    for node in (from_nm, to_nm):
        _neighbours(node)
    for voltage in (from_v, to_v):
        _check_voltage(voltage)
    _check_bearable(from_nm, from_v, to_nm, to_v)
    return to_nm / from_nm * (to_v / from_v) ** 2


def supply_of(node_nm: float) -> float:
    """Return the assumed supply of a node, linear between those of the table."""
    return _volts(SUPPLIES_V, node_nm)


def highest_voltage(node_nm: float) -> float:
    """Return the supply in V that logic of a node bears.

    >>> highest_voltage(16)
    1.0
    """
    return _volts(HIGHEST_V, node_nm)


def _volts(table: dict[float, float], node_nm: float) -> float:
    """Interpolate linearly in the node; beyond the table, take its end."""
    below = max((node for node in table if node <= node_nm), default=min(table))
    above = min((node for node in table if node >= node_nm), default=max(table))
    if below == above:
        return table[below]
    share = (node_nm - below) / (above - below)
    return table[below] + share * (table[above] - table[below])


def _check_bearable(from_nm: float, from_v: float, to_nm: float, to_v: float) -> None:
    """Refuse to bring a cost to a supply that its node does not bear; a published cost may stay."""
    if (from_nm, from_v) == (to_nm, to_v) or not SMALLEST_NM <= to_nm <= LARGEST_NM:
        return
    if to_v > highest_voltage(to_nm):
        raise ScalingError(
            f"logic at {to_nm:g} nm bears {highest_voltage(to_nm):.3g} V at most, got {to_v:g} V"
        )


def lowest_voltage(node_nm: float) -> float:
    """Return the supply in V below which the energy fit of a node does not hold."""
    fits = map(ENERGY_FITS.__getitem__, _neighbours(node_nm))
    return max(-b / (2 * a) if b else LOWEST_V for a, b, _ in fits)


def _gate_energy(node_nm: float, voltage: float) -> float:
    _check_voltage(voltage)
    lowest = lowest_voltage(node_nm)
    if voltage < lowest:
        raise ScalingError(
            f"the energy fit at {node_nm:g} nm holds from {lowest:.3g} V, got {voltage:g} V"
        )
    at = {node: a * voltage**2 + b * voltage + c for node, (a, b, c) in ENERGY_FITS.items()}
    return _between(at, node_nm)


def _between(table: dict[float, float], node_nm: float) -> float:
    """Interpolate linearly in the node; exact at the nodes of the table."""
    below, above = _neighbours(node_nm)
    if below == above:
        return table[below]
    share = (node_nm - below) / (above - below)
    return table[below] + share * (table[above] - table[below])


def _neighbours(node_nm: float) -> tuple[float, float]:
    if not SMALLEST_NM <= node_nm <= LARGEST_NM:
        raise ScalingError(
            f"nodes are scaled from {SMALLEST_NM:g} to {LARGEST_NM:g} nm, got {node_nm:g} nm"
        )
    below = max(node for node in ENERGY_FITS if node <= node_nm)
    above = min(node for node in ENERGY_FITS if node >= node_nm)
    return below, above


def _check_voltage(voltage: float) -> None:
    if not isfinite(voltage) or voltage <= 0:
        raise ScalingError(f"a supply voltage is above 0 V, got {voltage:g} V")
