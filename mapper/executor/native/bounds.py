"""Whether a crossbar layer fits the native kernels, and in which integers: proofs, not guesses."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TypedDict

import numpy as np

from mapper.executor.native.grid import Grid
from mapper.ir.bounds import greatest, half_active_products
from mapper.ir.core import INT64, Array, Constants, IntType, param
from mapper.ir.noise import noise_reach
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.units import CrossbarLayer
from mapper.kernels import core
from mapper.kernels.structs import Quick

BYTE, HALF, WORD = 127, 1 << 15, 1 << 31
FEWEST = 8
"""Wordlines whose digits are added as bytes before they are widened: fewer do not pay."""
MOST_DIGIT = 15
"""Of digits whose bits are counted apart: four sets of them in ``csrc/bits.h``."""
FLOAT_WHOLE = 1 << 24
"""Below it a quotient of single-precision floats has the right whole part."""
MOST_BYTES = 1 << 30
"""Of packed weights of one layer: more stays on NumPy."""

_MOST_NOISE = 1 << 20
"""Of a number that is added to a sum: there is a table with an entry for each less."""
_MOST_ENTRIES = (1 << 32) - 1
_COUNTER_BITS = 16
"""Of counters of reached references, over the row blocks of an output."""


class NotNativeError(Exception):
    """Why the native kernels cannot compute something exactly; NumPy does it then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """How a layer is computed."""

    bits: bool
    """Bit-sliced counters and comparisons; otherwise sums lane by lane."""
    cells: int = 32
    """Bits of a stored digit's lane; sums of bytes take 16 bits, others as many as their digits."""
    chunk: int = 1
    """Digits in bytes: how many wordlines' sum is surely one byte."""
    nibbles: int = 0
    """Where two bit-slices share a byte: how many wordlines' sum fits half of it."""
    quick: Quick = "BY_FLOATS"
    """How codes of an ADC are computed, and by how much products are shifted ``down``; see
    ``csrc/quick.h``."""
    down: int = 0
    wide: bool = True
    """Whether sums of row blocks take 32 bits instead of 16, and so what is compared."""
    exact: int = 0
    """Up to how many driven wordlines the codes of an ADC surely stand for the sums themselves."""


def arithmetic(layer: CrossbarLayer, constants: Constants, grid: Grid) -> Arithmetic:
    """Choose the kernel for a layer.

    Raises:
        NotNativeError: where no kernel is exact for every input.
    """
    mvm = layer.mvm
    tallest = max(len(rows) for rows in mvm.cell_rows)
    most = core.number("MOST_INPUT_BITS")
    if mvm.plane_bits > 1:
        raise NotNativeError(f"inputs are read {mvm.plane_bits} bits at a time")
    if mvm.planes > most:
        raise NotNativeError(f"inputs are read {mvm.planes} times, at most {most} times")
    if len(grid.differing_copies) > 1:
        raise NotNativeError(f"cells and tables are of {grid.differing_copies} copies")
    if layer.half_active and grid.noisy:
        raise NotNativeError("half-active columns are read with noise")
    total = max(_output_bound(layer, constants), _greatest_held(layer, constants))
    if total >= WORD:
        raise NotNativeError(f"sums of row blocks may reach {total}, past 32 bits")
    if _is_bit_sliced(layer, grid, tallest):
        return Arithmetic(bits=True, wide=total >= HALF)
    if tallest > (most := core.number("MOST_LISTED")):
        raise NotNativeError(f"row blocks of {tallest} wordlines, at most {most}")
    bits = _sum_bits(layer, constants, grid)
    exact = min(tallest, _exact_up_to(layer, grid))
    if bits == 32:
        return Arithmetic(bits=False, exact=exact)
    chunk = BYTE // max(1, -grid.digits[0], grid.digits[1])
    nibbles = _nibbles(grid) if chunk >= FEWEST else 0
    in_bytes = chunk >= FEWEST and len(layer.add.significances) == 1
    return Arithmetic(
        bits=False,
        cells=8 if chunk >= FEWEST else 16,
        chunk=chunk // nibbles * nibbles if nibbles else max(1, chunk),
        nibbles=nibbles,
        wide=total >= HALF or not _is_narrow(layer, constants, grid),
        exact=0 if in_bytes else exact,
        **_quick(layer, grid),
    )


def _is_narrow(layer: CrossbarLayer, constants: Constants, grid: Grid) -> bool:
    """Say whether sums are compared in 16 bits, and levels added in as many if they fit."""
    read, scale = layer.read, scale_table(layer, constants)
    steps = grid.noise_steps if grid.noisy else 0
    if not isinstance(read, SenseAmpRead) or grid.half_full or grid.bound + steps + 1 >= HALF:
        return False
    if steps > core.number("MOST_STEPS"):
        return False
    if layer.add.offset or (scale != scale[:, :1]).any():
        return False
    return len(rises(read)) * len(layer.add.significances) <= core.number("MOST_NARROW")


def _is_bit_sliced(layer: CrossbarLayer, grid: Grid, tallest: int) -> bool:
    """Say whether counts of cells' bits meet evenly spaced levels."""
    read, (low, high) = layer.read, grid.digits
    if not isinstance(read, SenseAmpRead) or layer.add.offset or grid.noisy:
        return False
    if layer.mvm.encoding is None and layer.mvm.cells is None:
        return False
    if layer.half_active and grid.form != "HALVES":
        return False
    if low < 0 and (low, high) != (-1, 1):
        return False
    if high > MOST_DIGIT or tallest * max(1, high) > core.number("MANY_PLANES_SUM"):
        return False
    if len(layer.mvm.rows) * (len(read.levels) - 1) >= 1 << _COUNTER_BITS:
        return False
    return len(set(rises(read))) == 1 and len(read.levels) - 1 <= core.number("MOST_COUNTS")


def rises(read: SenseAmpRead) -> list[int]:
    """Return what each further threshold adds to the decoded level."""
    return [b - a for a, b in zip(read.levels, read.levels[1:], strict=False)]


def _nibbles(grid: Grid) -> int:
    """Return how many wordlines' digits are added in half a byte; 0 where they may be negative."""
    mvm, (low, high) = grid.layer.mvm, grid.digits
    if low < 0 or grid.shape[1] < 2:
        return 0
    outputs = mvm.outputs // mvm.groups
    if -(-outputs // 32) % 2:  # columns are stored by 32, and nibbles need 64
        return 0
    return {1: 8, 2: 5, 3: 5}.get(high, 0)


def _sum_bits(layer: CrossbarLayer, constants: Constants, grid: Grid) -> int:
    bound = grid.bound
    if layer.half_active:
        tallest = max(len(rows) for rows in layer.mvm.rows)
        assert isinstance(layer.read, SenseAmpRead)
        bound = half_active_products(layer, constants).bound + 2 * bound
        bound += tallest * layer.read.full_level
    most = _read_bound(layer, constants, grid)
    if not isinstance(layer.read, SenseAmpRead):
        first, *_ = grid.converter()
        most += int(np.abs(first).max())
        if most >= FLOAT_WHOLE:
            raise NotNativeError(f"sums less thresholds may reach {most}, past 2**24")
        if _greatest_code(layer.read, constants) >= WORD or layer.read.bits > 24:
            raise NotNativeError("decoded values may pass 32 bits")
    elif grid.noisy and 2 * most + 2 >= WORD:
        raise NotNativeError(f"sums and noise may reach {most}, past 30 bits")
    if bound + 1 >= WORD:
        raise NotNativeError(f"partial sums may reach {bound}, past 32 bits")
    return 16 if bound < HALF else 32


def _read_bound(layer: CrossbarLayer, constants: Constants, grid: Grid) -> int:
    """Bound sums as they are read, with noise."""
    if not grid.noisy:
        return grid.bound
    most = noise_reach(layer.read, constants)
    if most > _MOST_NOISE:
        raise NotNativeError(f"noise may reach {most}, at most {_MOST_NOISE} is looked up")
    return (grid.bound << grid.shift) + most


class _Quick(TypedDict):
    quick: Quick
    down: int


def _quick(layer: CrossbarLayer, grid: Grid) -> _Quick:
    """Say whether an ADC's codes and values are exact in the 16 bits of ``csrc/quick.h``.

    ``n / width`` is the high half of ``n * factor``, shifted ``down``, where ``n * (factor * width
    - 2**(16 + down)) < 2**(16 + down)``; a difference past ``top`` widths is cut off there whatever
    its quotient.
    """
    read, by_floats = layer.read, _Quick(quick="BY_FLOATS", down=0)
    if not isinstance(read, AdcRead) or grid.noisy:
        return by_floats
    first, widths, steps, base = grid.converter()
    widths, top = np.unique(widths), (1 << read.bits) - 1
    least, widest, steepest = int(widths[0]), int(widths[-1]), int(np.abs(steps).max())
    most = grid.bound + int(np.abs(first).max()) + widest
    lowest = int(np.abs(base).max())
    heaviest = max(abs(s) for s in layer.add.significances)
    if max(most, lowest, top, heaviest, steepest) >= HALF or least < 1:
        return by_floats
    furthest = np.minimum((top + 1) * widths, most)
    for down in dict.fromkeys((0, max(0, (least - 1).bit_length() - 1))):
        unit = 1 << (16 + down)
        rest = furthest * (quick_factors(widths, down) * widths - unit)
        if ((rest < unit) | (widths == 1)).all():
            break
    else:
        return by_floats
    alike = all(isinstance(t, int) for t in (read.first, read.spacing, read.step, read.base))
    if alike and not down and heaviest * steepest < HALF:
        return _Quick(quick="EVEN", down=0)
    if lowest + steepest * top < HALF:
        return _Quick(quick="BY_COLUMN", down=down)
    return by_floats


def _exact_up_to(layer: CrossbarLayer, grid: Grid) -> int:
    """Return up to how many driven wordlines every sum is what its code stands for.

    That takes an ADC whose levels are counts and a sum that it does not cut off. What a few
    wordlines add, all slices in one, has to fit 16 bits, too. The cells of dies are left out.
    """
    read, (low, high) = layer.read, grid.digits
    if not isinstance(read, AdcRead) or grid.noisy or not grid.is_whole:
        return 0
    if grid.whole_fits < FEWEST:
        return 0
    first, widths, steps, base = grid.converter()
    if (widths != 1).any() or (steps != 1).any() or (first != base + 1).any():
        return 0
    least, most = int(base.max()), int(base.min()) + (1 << read.bits) - 1
    if least > 0 or most < 0:
        return 0
    ends = ((most, high), (-least, -low))
    return min((end // step for end, step in ends if step > 0), default=BYTE)


def quick_factors(widths: Array, down: int) -> Array:
    """Return what 16-bit numbers are multiplied with in place of a division."""
    return (1 << (16 + down)) // widths + 1


def _greatest_code(read: AdcRead, constants: Constants) -> int:
    """Bound what codes of an ADC stand for."""
    top = (1 << read.bits) - 1
    return greatest(constants, read.base) + greatest(constants, read.step) * top


def _output_bound(layer: CrossbarLayer, constants: Constants) -> int:
    """Bound every integer between decoded values and the layer's result."""
    read, add = layer.read, layer.add
    if isinstance(read, SenseAmpRead):  # levels are reached one rise at a time
        code = abs(read.levels[0]) + sum(abs(rise) for rise in rises(read))
    else:
        code = _greatest_code(read, constants)
    block = code * sum(abs(s) for s in add.significances)
    block += abs(add.offset) * max(len(rows) for rows in layer.mvm.rows)
    scales = np.abs(scale_table(layer, constants)).sum(axis=0)
    planes = sum(abs(weight) for weight in add.plane_weights)
    # Every count that a cluster of row blocks reaches, before its scale too.
    return planes * max(int(scales.max()), len(layer.mvm.rows)) * block


def _greatest_held(layer: CrossbarLayer, constants: Constants) -> int:
    """Return the greatest number that tables of the kernels hold, were it multiplied by zeros."""
    read, add = layer.read, layer.add
    held = [*map(abs, add.significances), greatest(constants, add.scale), abs(add.offset)]
    if isinstance(read, SenseAmpRead):
        held += [*map(abs, read.levels), *map(abs, rises(read))]
    return max(held)


def scale_table(layer: CrossbarLayer, constants: Constants) -> Array:
    """Return the scale of each row block and output, ``[G, N]``."""
    scale = param(constants, layer.add.scale, INT64)
    return np.broadcast_to(scale, (len(layer.mvm.rows), layer.mvm.outputs))


def held_bytes(*sizes: int) -> int:
    """Return a product of sizes, refusing what would not fit in memory.

    Raises:
        NotNativeError: past ``MOST_BYTES``.
    """
    total = prod(sizes)
    if total > MOST_BYTES:
        raise NotNativeError(f"packed weights of {total} bytes, at most {MOST_BYTES}")
    return total


def check_lists(area: int, wordlines: Sequence[int]) -> None:
    """Refuse lists of driven wordlines that are longer than kernels count.

    Args:
        area: Input positions that a band of output rows sees.
        wordlines: Of each combination of row blocks.

    Raises:
        NotNativeError: past 32 bits; ``scratch_make`` in ``csrc/check.c`` has the same limit.
    """
    listed = 128 + sum(area * (rows + 8) for rows in wordlines)
    if listed > _MOST_ENTRIES:
        raise NotNativeError(f"lists of {listed} driven wordlines, at most {_MOST_ENTRIES}")


def is_word(type: IntType) -> bool:
    """Say whether every integer of a type is one of 32 bits."""
    return type.min >= -WORD and type.max < WORD
