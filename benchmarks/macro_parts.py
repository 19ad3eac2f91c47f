"""Published parts that the macro model is made of, and the standard cells of the nearer node."""

from functools import cache
from math import log

from targets import Part, load_parts

LOGIC = {28.0: "zigzag-28nm", 45.0: "nangate-45nm"}
"""Node in nm: part list of standard cells. A macro takes the nearer one, as a ratio of nodes."""


@cache
def part(parts: str, name: str) -> Part:
    return load_parts(parts).part(name)


def logic_list(node_nm: float) -> str:
    """Return the list of standard cells that areas and delays at a node are taken from.

    >>> logic_list(28), logic_list(65)
    ('zigzag-28nm', 'nangate-45nm')
    """
    return LOGIC[min(LOGIC, key=lambda known: abs(log(node_nm / known)))]


def energy_pj(found: Part) -> float:
    assert found.energy_pj is not None
    return found.energy_pj.nominal


def latency_ns(found: Part) -> float:
    assert found.latency_ns is not None
    return found.latency_ns.nominal


def area_um2(found: Part) -> float:
    assert found.area_um2 is not None
    return found.area_um2.nominal
