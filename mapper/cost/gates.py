"""Adder trees of standard cells: how many gates, how long their slowest path, at any node.

Standard library and published parts alone. Gates are those of the nearer of two cell libraries:
ZigZag-IMC's at 28 nm and NanGate's at 45 nm. Their delays go to another node and supply by the
delay fits of Stillmaker and Baas (Integration 58, 2017).
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import ceil, inf, log, log2, sqrt

from mapper.cost.scaling import ScalingError
from targets import Part, load_parts

LOGIC = {28.0: "zigzag-28nm", 45.0: "nangate-45nm"}
"""Node in nm: part list of standard cells. A macro takes the nearer one, as a ratio of nodes."""

ADDER_GATES = 6.0  # a full adder as NAND2: three, and two XOR2 of 1.5 (ZigZag-IMC)
HALF_ADDER_GATES = 2.5  # an XOR2 and a NAND2

BOOTH_BITS = 2
"""Bits of a digit that selects a multiple of a word, without an adder."""

DELAY_FITS = {
    130.0: (-76.65, 334.9, -493.4, 275.8),
    90.0: (-60.34, 262.5, -384.2, 210.9),
    65.0: (-53.3, 230.4, -333.9, 178.6),
    45.0: (-501.6, 1567.0, -1619.0, 566.1),
    32.0: (-1047.0, 2982.0, -2797.0, 873.5),
    20.0: (0.0, 34.63, -66.37, 41.15),
    16.0: (0.0, 24.8, -47.52, 28.87),
    14.0: (-40.66, 109.2, -100.6, 35.92),
    10.0: (-34.95, 93.65, -85.99, 30.4),
    7.0: (-28.58, 76.6, -70.26, 24.69),
}
"""Node in nm: cubic in the supply of a gate's delay. From 45 nm on these are the fits of
high-performance transistors, which the ones above continue: at 45 nm and 1.0 V low-power
transistors are 4.6 times slower. Read in wromaszkan/nodeScale, nodeScale.py, which types them
from the paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Delays in ns at the node and supply of a macro."""

    product: float
    total: float
    """From a term to the sum of a full adder."""
    first_carry: float
    """From a term to its carry."""
    carry: float
    """From carry to carry."""
    register: float
    multiplexer: float


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


def tree_adders(terms: int, width: int) -> tuple[int, int]:
    """Count the full and the half adders of a tree.

    Nothing is carried into the lowest bit of a sum of two terms: a half adder serves it, one in
    each of the ``terms - 1`` adders.
    """
    return tree_bits(terms, width) - (terms - 1), terms - 1


def random_adders(terms: int, width: int, half_adder: float) -> float:
    """Count the additions of a bit with random operands that a tree of random products takes.

    Weights stay and inputs are random: a product of two bits changes once in four reads, half as
    often as a random bit, and the lowest bit of a sum of ``k`` of them, a parity, ``1 - 2^-k``
    times as often. Higher bits are taken to go with it (Landman and Rabaey, TVLSI 1995, have
    random bits in all but those of the sign).

    Args:
        terms: Products of one bit, or of ``width`` bits with as random a lowest bit.
        width: Bits of a term.
        half_adder: What a half adder takes of a full one.

    >>> random_adders(4, 1, 0.5)  # 2 x 0.5 x 1/2, then (1 + 0.5) x 3/4
    1.625
    """
    count, summed = 0.0, 1
    while terms > 1:
        pairs = terms // 2
        count += pairs * (width - 1 + half_adder) * (1 - 2.0**-summed)
        terms, width, summed = terms - pairs, width + 1, 2 * summed
    return count


def multiplier_adders(width: int, taken: int) -> int:
    """Count the full adders that multiply a word by bits of an input: a row for each but the first.

    One bit selects the word. Two bits select a multiple of it, as in Booth's recoding to radix 4.

    >>> multiplier_adders(8, 2)
    0
    >>> multiplier_adders(8, 8) * 0.03 / 8  # Horowitz has 0.2 pJ for 8 x 8 bits
    0.21
    """
    return width * multiplier_rows(taken)


def multiplier_rows(taken: int) -> int:
    """Count the rows of adders that so many bits of an input take."""
    return taken - 1 if taken > BOOTH_BITS else 0


def random_multiplier(width: int, taken: int) -> float:
    """Count the additions of a bit with random operands that it takes: row by row as in a tree.

    >>> random_multiplier(4, 3)  # 4 x (1/2 + 3/4)
    5.0
    """
    return sum(width * (1 - 2.0**-summed) for summed in range(1, multiplier_rows(taken) + 1))


def chain_adders(terms: int, width: int) -> int:
    """Count the full adders of a chain, one in every cell: each as wide as the whole sum."""
    return terms * (width + ceil(log2(terms)))


def tree_ns(terms: int, width: int, gates: Gates) -> float:
    """Return the slowest path of a tree of ripple adders.

    Through the sums of all levels but the last, then along the carries of the last.
    """
    levels = ceil(log2(terms))
    if not levels:
        return 0.0
    carries = width + levels - 1
    return (levels - 1) * gates.total + gates.first_carry + carries * gates.carry


def chain_ns(
    terms: int, width: int, gates: Gates, *, rows: int | None = None, multiplexed: bool = False
) -> float:
    """Return the longest path of adders in the cells: down the rows, then across the sum.

    Args:
        terms: Of the sum, one a row.
        width: Bits of a term.
        gates: At the node and supply of the macro.
        rows: Between two pipeline registers; all of them where None.
        multiplexed: Each step passes a multiplexer, as where cells can be configured.
    """
    step = gates.multiplexer if multiplexed else 0.0
    across = width + ceil(log2(terms)) - 1
    down = (rows or terms) * (gates.total + step)
    return gates.register + gates.product + down + across * (gates.carry + step)


def logic_list(node_nm: float) -> str:
    """Return the list of standard cells that areas and delays at a node are taken from.

    >>> logic_list(28), logic_list(65)
    ('zigzag-28nm', 'nangate-45nm')
    """
    return LOGIC[min(LOGIC, key=lambda known: abs(log(node_nm / known)))]


@cache
def cell(cells: str, name: str) -> Part:
    """Return a standard cell of a list."""
    return load_parts(cells).part(name)


def gates_at(node_nm: float, voltage_v: float) -> Gates:
    """Return the gates of a macro, from the list of the nearer node.

    Raises:
        ScalingError: for a node outside of 7..130 nm.
    """
    cells = logic_list(node_nm)
    known = cell(cells, "full-adder")
    factor = delay_factor(known.node_nm, known.voltage_v, node_nm, voltage_v)

    def of(name: str) -> float:
        found = cell(cells, name).latency_ns
        assert found is not None
        return found.nominal * factor

    carry, register = of("full-adder"), of("flip-flop")
    if cells == "nangate-45nm":
        return Gates(
            product=of("xnor2"),
            total=of("full-adder-sum"),
            first_carry=of("full-adder-first"),
            carry=carry,
            register=register,
            multiplexer=of("mux2"),
        )
    gate, exclusive = of("nand2"), of("xor2")
    return Gates(
        product=gate,
        total=2 * exclusive,
        first_carry=exclusive + 2 * gate,
        carry=carry,
        register=register,
        multiplexer=2 * gate,
    )


def delay_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """Return what the delay of a gate is multiplied by.

    Linear in the node between those of the table. Beyond the supply at which a cubic turns
    upwards again, which no gate does, the delay at that supply is taken.

    Raises:
        ScalingError: for a node outside of the table.

    >>> delay_factor(65, 1.0, 65, 1.0)
    1.0
    """
    return _gate_delay(to_nm, to_v) / _gate_delay(from_nm, from_v)


def _gate_delay(node_nm: float, voltage_v: float) -> float:
    known = sorted(DELAY_FITS)
    for below, above in pairwise(known):
        if below <= node_nm <= above:
            share = (node_nm - below) / (above - below)
            low, high = (_at(DELAY_FITS[node], voltage_v) for node in (below, above))
            return low + share * (high - low)
    raise ScalingError(f"delays are scaled from {known[0]:g} to {known[-1]:g} nm, got {node_nm:g}")


def _at(fit: tuple[float, float, float, float], voltage_v: float) -> float:
    a, b, c, d = fit
    volts = min(voltage_v, _turning_v(a, b, c))
    return a * volts**3 + b * volts**2 + c * volts + d


def _turning_v(a: float, b: float, c: float) -> float:
    """Return where ``3 a V^2 + 2 b V + c`` is first 0: the fit stops falling there, if anywhere."""
    if a == 0:
        return -c / (2 * b)
    squared = b * b - 3 * a * c
    return inf if squared < 0 else (-b + sqrt(squared)) / (3 * a)
