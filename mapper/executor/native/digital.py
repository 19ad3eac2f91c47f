"""Integer layers of the digital unit, as crossbars that are read exactly.

A convolution of integers is one row block of whole weights, an ideal ADC and a sum over the bit
planes of the input: the kernels compute it without further ado.
"""

from collections.abc import Mapping

from mapper.executor.native.bounds import NotNativeError
from mapper.ir.core import Array, Const, Constants, IntType, Span, Value
from mapper.ir.crossbar import CrossbarMvm, partial_sum_range
from mapper.ir.infer import planes_of
from mapper.ir.readout import ShiftAndAdd, exact_read
from mapper.ir.synapses import Synapse
from mapper.ir.units import CrossbarLayer

_MATRIX = "digital matrix"
_MOST_BITS = 24


def as_crossbars(op: Synapse, constants: Constants) -> tuple[CrossbarLayer, Mapping[str, Array]]:
    """Return the layer, and the constants it refers to.

    Raises:
        NotNativeError: for floats, and sums past 24 bits.
    """
    if not isinstance(op.x.type, IntType) or not isinstance(op.result.type, IntType):
        raise NotNativeError("the layer is not of integers")
    matrix = op.matrix(constants[op.weight.name])
    wordlines, outputs = matrix.shape
    rows = (Span(0, wordlines),)
    type = IntType.spanning(*partial_sum_range(matrix, rows, None))
    if type.bits > _MOST_BITS:
        raise NotNativeError(f"sums of {type}, at most {_MOST_BITS} bits are exact")
    shape = (op.x.type.bits, 1, 1, outputs, *op.result.shape[1:])
    mvm = CrossbarMvm(
        loc=op.loc,
        x=op.x,
        weight=Const(_MATRIX),
        window=op.window,
        groups=op.group_count,
        rows=rows,
        columns=Span(0, outputs).split(outputs // op.group_count),
        partial_sum=Value(f"{op.result.name} sums", type, shape),
    )
    codes = Value(f"{op.result.name} codes", type, shape)
    read = exact_read("ideal", mvm.partial_sum, type.min, type.max, codes, loc=op.loc)
    add = ShiftAndAdd(
        loc=op.loc,
        codes=read.result,
        significances=(1,),
        **planes_of(mvm),
        result=op.result,
    )
    return CrossbarLayer(mvm=mvm, read=read, add=add), {_MATRIX: matrix}
