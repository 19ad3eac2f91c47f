"""Packed layers of a die whose codes were raised, as two layers: of its cells, and of counts.

On a die every wordline of a crossbar reaches a column, while what was added to the codes of its
weights is taken back for each driven wordline of its own group. So the kernels add up the cells as
they are, and beside that the driven wordlines of each group, as a layer of equal whole weights.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mapper.executor.native.bounds import NotNativeError, is_word, scale_table
from mapper.ir.core import Array, Const, Constants, IntType, Span, Value
from mapper.ir.crossbar import Placement, partial_sum_range
from mapper.ir.readout import exact_read
from mapper.ir.units import CrossbarLayer

_MATRIX = "what is taken back"


def is_counted_apart(layer: CrossbarLayer) -> bool:
    """Say whether other wordlines add to a column than those that its offset counts."""
    return bool(layer.add.offset) and layer.mvm.cell_rows != layer.mvm.rows


def without_offset(layer: CrossbarLayer) -> CrossbarLayer:
    """Return the layer of cells alone, before anything is shifted out."""
    return replace(layer, add=replace(layer.add, offset=0, active=None, shift=0))


def taken_back(
    layer: CrossbarLayer, constants: Constants
) -> tuple[CrossbarLayer, Mapping[str, Array]]:
    """Return the layer of what is taken back, and the constants that it refers to.

    Raises:
        NotNativeError: The result of both is wider than the kernels' 32 bits.
    """
    mvm, add = layer.mvm, layer.add
    assert isinstance(add.result.type, IntType)
    if not is_word(add.result.type):
        raise NotNativeError(f"sums of {add.result.type}, at most 32 bits")
    wordlines, width = mvm.rows[-1].stop, mvm.outputs // mvm.groups
    each = add.offset * scale_table(layer, constants)[0].astype(np.int64)  # of one row block
    matrix = np.ascontiguousarray(np.broadcast_to(each, (wordlines, mvm.outputs)))
    rows = (Span(0, wordlines),)
    type = IntType.spanning(*partial_sum_range(matrix, rows, None))
    shape = (mvm.planes, 1, 1, *mvm.partial_sum.shape[3:])
    own = replace(
        mvm,
        weight=Const(_MATRIX),
        encoding=None,
        cells=None,
        fraction=0,
        rows=rows,
        columns=Span(0, mvm.outputs).split(width),
        placement=Placement(),
        partial_sum=Value(f"{mvm.partial_sum.name} of its own", type, shape),
    )
    codes = Value(f"{own.partial_sum.name} as codes", type, shape)
    read = exact_read("ideal", own.partial_sum, type.min, type.max, codes, loc=mvm.loc)
    adder = replace(
        without_offset(layer).add, codes=codes, significances=(1,), scale=1, merged=False
    )
    return CrossbarLayer(mvm=own, read=read, add=adder), {_MATRIX: matrix}
