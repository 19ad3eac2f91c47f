"""How often each op of a lowered graph does what costs something, in one time step of one sample.

A count comes with the bits it is done on: ``shift_adds`` with ``shift_add_bits``, and so on. Ops
that are wiring (shapes), single gates a spike (max-pool and merging of spikes) or done by the host
(floats) count nothing.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from mapper.cost.count_arithmetic import (
    Makers,
    Tally,
    additions,
    bits_of,
    multiplications,
    width_of,
)
from mapper.cost.shift_add_counts import separate_work, sums_work
from mapper.ir.core import Constants, Op
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Move,
    Scale,
    SumPool2d,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.readout_kinds import READOUTS
from mapper.ir.synapses import Synapse
from mapper.ir.tables import OpTable


def op_work(op: Op, makers: Makers, constants: Constants) -> Tally:
    """Count the actions of one op."""
    count = WORK.entry(type(op))
    return Tally() if count is None else count(op, makers, constants)


def separate_op_work(
    op: Op, makers: Makers, constants: Constants, known: Tally | None = None
) -> Tally:
    """Count the actions of one op where every bit-slice is added and every row block scaled.

    ``known`` is what ``op_work`` counts, where that was asked before.
    """
    if isinstance(op, ShiftAndAdd):
        return separate_work(op, makers, constants)
    return op_work(op, makers, constants) if known is None else known


def crossbar_work(op: CrossbarMvm, makers: Makers, constants: Constants) -> Tally:
    """Count grid reads, one for each position and bit plane, and the traffic of the input buffer.

    Every layer has its own buffer: written once a step, read for each position, and one read
    serves all column blocks. ``fresh_bits`` is what is left of the reads where a line buffer keeps
    what neighbouring windows share.
    """
    positions = prod(op.positions)
    wordlines = op.groups * op.rows[-1].stop
    width = bits_of(op.x)
    inputs = width * prod(op.x.shape)
    return Tally(
        macs=positions * op.rows[-1].stop * op.outputs,
        crossbar_reads=op.planes * positions * len(op.rows) * len(op.columns),
        buffer_write_bits=inputs,
        buffer_read_bits=width * positions * wordlines,
        fresh_bits=inputs,
    )


def readout_work(op: BitlineRead, makers: Makers, constants: Constants) -> Tally:
    """Count one conversion a partial sum, or one sum of an adder tree and its additions."""
    sums = prod(op.result.shape)
    if op.kind is None or not READOUTS[op.kind].adds:
        return Tally(conversions=sums)
    layer = makers[op.partial_sum.name]
    assert isinstance(layer, CrossbarMvm)
    adders = sum(len(rows) - 1 for rows in layer.shared_rows)
    return Tally(tree_sums=sums, tree_additions=sums // len(layer.rows) * adders)


def add_work(op: Add, makers: Makers, constants: Constants) -> Tally:
    """Count one addition a result and term behind the first."""
    return additions(prod(op.result.shape) * (len(op.terms) - 1), bits_of(op.result))


def neuron_work(op: IntegerNeuron, makers: Makers, constants: Constants) -> Tally:
    """Count updates, and the bits of all states read and written.

    An update compares once and takes a reset off once. A neuron of several levels also compares
    with each threshold behind the first, and adds up what its reset takes, bit by bit of a level.
    """
    states = [value for value in (op.membrane, op.current) if value is not None]
    neurons = prod(op.membrane.shape)
    taken = op.levels.type.bits - 1 if op.reset.kind == "subtract" else 0
    return Tally(
        membrane_updates=neurons,
        membrane_bits=2 * neurons * sum(bits_of(value) for value in states),
    ) + additions(neurons * (op.levels.thresholds - 1 + taken), bits_of(op.membrane))


def scaled_add_work(op: ScaledAdd, makers: Makers, constants: Constants) -> Tally:
    """Count the same, as wide as before the shift, and the products with scales that are not 1.

    An offset other than 0 is a term.
    """
    results = prod(op.result.shape)
    terms = len(op.terms) + (op.offset != 0)
    work = additions(results * (terms - 1), bits_of(op.result) + op.shift)
    for term, scale in zip(op.terms, op.scales, strict=True):
        work += multiplications(results, bits_of(term), scale, constants)
    return work


def pool_work(op: SumPool2d | MaxPool2d, makers: Makers, constants: Constants) -> Tally:
    """Count additions, or comparisons of codes; the OR of spikes is a gate."""
    if isinstance(op, MaxPool2d) and bits_of(op.x) == 1:
        return Tally()
    each = prod(op.window.kernel) - 1
    return additions(prod(op.result.shape) * each, bits_of(op.result))


def multiply_work(op: Multiply, makers: Makers, constants: Constants) -> Tally:
    """Count products of numbers; a mask of spikes is a gate for each bit."""
    return _products(prod(op.result.shape), op)


def matmul_work(op: MatMul, makers: Makers, constants: Constants) -> Tally:
    """Count the products and sums of a matrix product, and the traffic of its right factor.

    The right factor is written to a buffer, and read once for each row of the left one.
    """
    results = prod(op.result.shape)
    products = results * op.length
    work = _products(products, op) + additions(products - results, bits_of(op.result))
    read = products * bits_of(op.b)
    return work + Tally(
        buffer_write_bits=bits_of(op.b) * prod(op.b.shape), buffer_read_bits=read, fresh_bits=read
    )


def _products(count: int, op: Multiply | MatMul) -> Tally:
    """Count products of two numbers of several bits; with a spike they are ANDs."""
    a, b = bits_of(op.a), bits_of(op.b)
    if min(a, b) < 2:
        return Tally()
    return Tally(scale_multiplies=count, scale_multiply_bits=count * a * b)


def digital_layer_work(op: Synapse, makers: Makers, constants: Constants) -> Tally:
    """Count the products and sums of a layer on the digital unit, whose weights are in a buffer."""
    weight = constants[op.weight.name]
    width = weight_bits(op, constants)
    if not bits_of(op.result):
        return Tally()
    positions = prod(op.result.shape[1:])
    products = weight.size * positions
    inputs = bits_of(op.x)
    work = additions(products, bits_of(op.result))
    if inputs > 1:
        work += Tally(scale_multiplies=products, scale_multiply_bits=products * inputs * width)
    rows = weight.size // op.result.shape[0] * op.group_count
    work += Tally(
        macs=products,
        buffer_write_bits=inputs * prod(op.x.shape),
        buffer_read_bits=inputs * positions * rows + products * width,
        fresh_bits=inputs * prod(op.x.shape) + products * width,
    )
    return work


def weight_bits(op: Synapse, constants: Constants) -> int:
    """Return the width that holds every weight of a layer."""
    weight = constants[op.weight.name]
    return width_of(int(weight.min()), int(weight.max()))


_HOST = "real numbers are done by the host"
_WIRES = "wires"

WORK: OpTable[Callable[[Any, Makers, Constants], Tally]] = OpTable(
    what="actions that cost something",
    entries={
        CrossbarMvm: crossbar_work,
        SenseAmpRead: readout_work,
        AdcRead: readout_work,
        ShiftAndAdd: sums_work,
        IntegerNeuron: neuron_work,
        Synapse: digital_layer_work,
        ScaledAdd: scaled_add_work,
        Add: add_work,
        Multiply: multiply_work,
        MatMul: matmul_work,
        SumPool2d: pool_work,
        MaxPool2d: pool_work,
    },
    without={
        Move: _WIRES,
        Concat: _WIRES,
        Merge: "a single gate a spike",
        CountActive: "counted with the shift-and-add that takes its counts; a replica column else",
        AvgPool2d: _HOST,
        FakeQuantize: _HOST,
        Neuron: _HOST,
        Scale: _HOST,
    },
)
"""How an op's actions are counted."""
