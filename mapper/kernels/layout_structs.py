"""What putting cells and references into layouts takes: a class for each struct of ``layout.h``."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.kernels.arrays import Bytes, Int64s

Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packing:
    """Cells of a layer, to be packed as bits or, where ``octets`` is not 0, as numbers."""

    C: int
    """Copies; ``S`` slices, ``K`` wordlines of a group, ``N`` outputs in ``groups``."""
    S: int
    K: int
    N: int
    groups: int
    G: int
    """Row blocks, of which the tallest has ``rows`` wordlines; the one behind them is of zeros."""
    rows: int
    Npad: int
    """Outputs of a group, padded."""
    item: int
    """Bytes of a cell as it is: 2 or 4."""
    shift: int
    """Bits that every cell has as zeros, and that are left out."""
    positive: bool
    """Whether digits are 1 for cells above 0, and 0 else."""
    octets: int = 0
    """Bytes of a digit as a number, 0 for bits; ``at_once`` outputs lie together."""
    at_once: int = 0
    nibbles: bool = False
    """Whether two slices share a byte."""
    width: int = 0
    """Bytes of a vector of bits: ``sets`` of them in turn, each of two sets where ``folded``."""
    folded: bool = False
    sets: int = 0
    signed_digits: bool = False
    """Whether the sets are of digits that are 1 and of those that are -1, not bits of digits."""

    cells: Integers
    """``[C, S, K, N]``."""
    spans: Int64s
    """``[G, 2]``: first wordline and wordlines of each row block."""
    out: Integers | Bytes
    """Zeros, but for what is written."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class References:
    """Thresholds of bits that are counted, to be packed as ``planes`` bits and three tests."""

    L: int
    blocks: int
    """Row blocks of all groups and copies."""
    columns: int
    """Of a row block: those of all slices, padded."""
    width: int
    folded: bool
    planes: int
    parity: int
    """1, or 2 where thresholds of an even and of an odd number of driven wordlines differ."""
    halved: bool
    signed_sums: bool
    carried: bool = False
    """Of plain counts, which begin with what thresholds lack of eights: see ``csrc/count.h``."""
    greatest: int
    """Of all sums, in magnitude."""

    table: Int64s
    """``[blocks, L, columns]``."""
    out: Bytes
    """``[blocks, colblks, parity, L, planes + 3, width]``."""
