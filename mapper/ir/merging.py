"""Bit-slices whose codes make one code: wires and a constant in place of adders.

A readout of ``2**n`` evenly spaced levels gives a code ``c`` of ``n`` bits that stands for
``base + step * c``. Slices whose significances are powers of two, ``2**n`` or more apart, put these
codes beside each other in one number:

    ``sum_s significance_s * (base + step * c_s) = constant + step * (c_0 | c_1 << n | ...)``

With one bit, levels -1 and 1 and significances 1, 2, 4, 8 that is ``2c - 15``, with levels 0 and 1
the code ``c`` itself. A slice that counts negatively, such as a sign, has its bits inverted, as
``-c = (2**n - 1 - c) - (2**n - 1)``. The constant is the same in every read, so nothing adds it
read by read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mapper.ir.core import Graph
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd


def code_bits(read: BitlineRead) -> int:
    """Return how many bits its codes have; 0 where their levels are no code of whole bits.

    >>> from mapper.ir.core import Const, Value, INT64
    >>> p, result = Value("p", INT64, (1, 1, 1, 1)), Value("codes", INT64, (1, 1, 1, 1))
    >>> def bits(*levels):
    ...     at = Const("t")
    ...     read = SenseAmpRead(partial_sum=p, thresholds=at, levels=levels, result=result)
    ...     return code_bits(read)
    >>> bits(-1, 1), bits(0, 1), bits(0, 1, 2, 3), bits(-1, 0, 1), bits(0, 3)
    (1, 1, 2, 0, 0)
    """
    if isinstance(read, AdcRead):
        plain = isinstance(read.base, int) and isinstance(read.step, int)
        return read.bits if plain and _is_power(read.step) else 0
    rises = {high - low for low, high in pairwise(read.levels)}
    bits = len(read.levels).bit_length() - 1
    even = len(rises) == 1 and all(map(_is_power, rises))
    return bits if even and len(read.levels) == 1 << bits else 0


def makes_code(read: BitlineRead, significances: Sequence[int]) -> bool:
    """Say whether the codes of a layer's bit-slices lie beside each other in one number.

    A single slice that counts as a power of two does so whatever its levels are.

    >>> from mapper.ir.core import INT64, Value
    >>> from mapper.ir.readout import exact_read
    >>> p, codes = Value("p", INT64, (1, 1, 2, 1)), Value("codes", INT64, (1, 1, 2, 1))
    >>> one_bit, two_bits = (exact_read("ideal", p, 0, top, codes) for top in (1, 3))
    >>> [makes_code(one_bit, counts) for counts in ((1, 2, 4, -8), (1, 4), (1, 2, 3), (1, 1))]
    [True, True, False, False]
    >>> [makes_code(two_bits, counts) for counts in ((1, 4), (1, 2), (2,))]
    [True, False, True]
    """
    if len(significances) == 1:
        return _is_power(significances[0])
    bits = code_bits(read)
    places = sorted(abs(significance) for significance in significances)
    apart = all(high >= low << bits for low, high in pairwise(places))
    return bits > 0 and apart and all(map(_is_power, places))


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedCode:
    """The number that the codes of a layer's bit-slices make: what they add up to, less a constant.

    ``sum_s significance_s * level_s = constant + step * number``, and ``number`` has the code of
    slice ``s`` from bit ``places[s]`` on.
    """

    bits: int
    """Of the code of one slice."""
    step: int
    constant: int
    places: tuple[int, ...]
    inverted: tuple[bool, ...]
    """Slices that count negatively: ``2**bits - 1 - c`` in place of ``c``."""

    @property
    def top(self) -> int:
        """The greatest number."""
        return sum(((1 << self.bits) - 1) << place for place in self.places)


def merged_code(read: SenseAmpRead, significances: Sequence[int]) -> MergedCode | None:
    """Return the code that bit-slices read by sense amplifiers make; None where they make none.

    >>> from mapper.ir.core import INT64, Const, Value
    >>> p, codes = Value("p", INT64, (1, 1, 4, 1)), Value("codes", INT64, (1, 1, 4, 1))
    >>> read = SenseAmpRead(partial_sum=p, thresholds=Const("t"), levels=(-1, 1), result=codes)
    >>> code = merged_code(read, (1, 2, 4, 8))
    >>> code.step, code.constant, code.top, code.places
    (2, -15, 15, (0, 1, 2, 3))
    >>> merged_code(read, (1, 2, 4, -8)).inverted  # 2c + 1, with c of two's complement
    (False, False, False, True)
    """
    bits = code_bits(read)
    if not bits or not makes_code(read, significances):
        return None
    unit = min(map(abs, significances))
    rise = read.levels[1] - read.levels[0]
    negative = sum(-significance for significance in significances if significance < 0)
    return MergedCode(
        bits=bits,
        step=rise * unit,
        constant=read.levels[0] * sum(significances) - rise * ((1 << bits) - 1) * negative,
        places=tuple((abs(s) // unit).bit_length() - 1 for s in significances),
        inverted=tuple(significance < 0 for significance in significances),
    )


def _is_power(number: object) -> bool:
    return isinstance(number, int) and number > 0 and number & (number - 1) == 0


def readouts(graph: Graph) -> dict[str, BitlineRead]:
    """Return what reads bitlines, by the name of its codes."""
    return {op.result.name: op for op in graph.ops if isinstance(op, BitlineRead)}


def merging_problems(graph: Graph) -> Iterator[str]:
    """Yield every shift-and-add of a graph that wires cannot be, though it says so."""
    reads = readouts(graph)
    for op in graph.ops:
        if not isinstance(op, ShiftAndAdd) or not op.merged:
            continue
        read = reads.get(op.codes.name)
        if read is None:
            yield f"bit-slices of %{op.codes.name} are merged, but no readout gives these codes"
        elif not makes_code(read, op.significances):
            yield (
                f"bit-slices of %{op.codes.name} are merged, but codes of a {read.words} "
                f"with significances {op.significances} make no code"
            )
