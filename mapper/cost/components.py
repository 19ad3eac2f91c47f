"""Bring published parts to the node and the supply of a target."""

from dataclasses import replace

from mapper.cost.scaling import (
    ScalingError,
    analogue_energy_factor,
    digital_area_factor,
    digital_energy_factor,
)
from mapper.diagnostics import refuse
from targets import Interval, Part


def at_node(part: Part, node_nm: float, voltage_v: float) -> Part:
    """Return a part as it would be at another node and supply, pJ and um2; times stay published.

    Logic scales by the tables of ``mapper.cost.scaling``. The energy of an analogue part scales
    with ``C V^2``; its area lies between staying as it is (capacitors and wide devices) and
    shrinking as logic does, so the interval is widened to both, and the published one is nominal
    where the part stays at its node. A part of ``scaling = "none"`` is given only as published.

    Args:
        part: A published part.
        node_nm: 7..130.
        voltage_v: Above 0, and within the fit of the node for logic.

    Raises:
        MappingError: ``scaling-range`` where the tables say nothing about a node or a supply, or
            the part does not scale.
    """
    if (node_nm, voltage_v) == (part.node_nm, part.voltage_v):
        return part
    if part.scaling == "none":
        raise refuse(
            "scaling-range",
            f"{part.name!r} does not scale: it is of {part.node_nm:g} nm and {part.voltage_v:g} V, "
            f"asked for {node_nm:g} nm and {voltage_v:g} V",
        )
    try:
        energy, areas = _factors(part, node_nm, voltage_v)
    except ScalingError as error:
        raise refuse("scaling-range", f"{part.name!r}: {error}") from error
    return replace(
        part,
        energy_pj=_times(part.energy_pj, (energy, energy, energy)),
        area_um2=_times(part.area_um2, areas),
        node_nm=node_nm,
        voltage_v=voltage_v,
        source=f"{part.source}; scaled from {part.node_nm:g} nm and {part.voltage_v:g} V",
    )


Factors = tuple[float, float, float]


def _factors(part: Part, node_nm: float, voltage_v: float) -> tuple[float, Factors]:
    """Return the factor of the energy, and of the area at the low, nominal and high end."""
    start = (part.node_nm, part.voltage_v)
    shrunk = digital_area_factor(part.node_nm, node_nm)
    if part.scaling == "digital":
        return digital_energy_factor(*start, node_nm, voltage_v), (shrunk, shrunk, shrunk)
    low, high = sorted((shrunk, 1.0))
    middle = node_nm / part.node_nm  # between both: one dimension of two follows the node
    return analogue_energy_factor(*start, node_nm, voltage_v), (low, middle, high)


def _times(value: Interval | None, factors: Factors) -> Interval | None:
    return None if value is None else value.times(*factors, kind="law")
