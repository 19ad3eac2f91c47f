"""How often each op of a lowered graph does what costs something, in one time step of one sample.

A count comes with the bits it is done on: ``shift_adds`` with ``shift_add_bits``, and so on. Ops
that are wiring (shapes), single gates a spike (max-pool and merging of spikes) or done by the host
(floats) count nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from mapper.ir.core import INT64, Const, Constants, IntType, Op, Scalar, Value, param
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
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.tables import OpTable

Tally = Counter[str]
Makers = Mapping[str, Op]
"""The op that computes each value, by its name."""


def op_work(op: Op, makers: Makers, constants: Constants) -> Tally:
    """Count the actions of one op."""
    count = WORK.entry(type(op))
    return Tally() if count is None else count(op, makers, constants)


def bits_of(value: Value) -> int:
    """Return the width of an integer value; 0 for floats, which the host handles."""
    return value.type.bits if isinstance(value.type, IntType) else 0


def additions(count: int, bits: int) -> Tally:
    """Count additions of so many bits each; additions of floats are none of ours."""
    return Tally(accumulations=count, accumulate_bits=count * bits) if bits else Tally()


def shift_additions(count: int, bits: int) -> Tally:
    return Tally(shift_adds=count, shift_add_bits=count * bits)


def multiplications(count: int, bits: int, scale: Scalar, constants: Constants) -> Tally:
    """Count products with a scale that is not 1, in bits times bits."""
    if not isinstance(scale, Const) and scale == 1:
        return Tally()
    values = param(constants, scale, INT64)
    width = IntType.spanning(int(values.min()), int(values.max())).bits
    return Tally(scale_multiplies=count, scale_multiply_bits=count * bits * width)


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
        crossbar_reads=op.planes * positions * op.crossbars,
        buffer_write_bits=inputs,
        buffer_read_bits=width * positions * wordlines,
        fresh_bits=inputs,
    )


def readout_work(op: BitlineRead, makers: Makers, constants: Constants) -> Tally:
    """Count one conversion a partial sum, whatever circuit makes it."""
    return Tally(conversions=prod(op.result.shape))


def add_work(op: Add, makers: Makers, constants: Constants) -> Tally:
    return additions(prod(op.result.shape) * (len(op.terms) - 1), bits_of(op.result))


def shift_and_add_work(op: ShiftAndAdd, makers: Makers, constants: Constants) -> Tally:
    """Count the shift-adds of codes, scales, sums over row blocks and over bit planes."""
    planes, blocks, _, *outputs = op.codes.shape
    results = prod(outputs)
    width = slice_sum_bits(op)
    total = accumulator_bits(op)
    work = shift_additions(planes * blocks * results * slice_additions(op), width)
    work += multiplications(planes * blocks * results, width, op.scale, constants)
    work += additions(planes * results * (blocks - 1), total)
    work += shift_additions((planes - 1) * results, total)
    if op.active is not None:  # offset * active: a power of two, so an addition and no product
        correction = additions(planes * blocks * results, width)
        correction += count_active_work(makers[op.active.name])
        work += correction
        work += Tally(
            corrections=correction["accumulations"], correction_bits=correction["accumulate_bits"]
        )
    return work


def slice_additions(op: ShiftAndAdd) -> int:
    """Count what weighs and adds the codes of a row block's bit-slices.

    A significance that is a power of two is one shift and addition, any other is one for each of
    its bits: 3 counts twice, for cells of three levels. A slice alone is shifted by wires.
    """
    if len(op.significances) == 1 and abs(op.significances[0]).bit_count() == 1:
        return 0
    return sum(abs(significance).bit_count() for significance in op.significances)


def slice_sum_bits(op: ShiftAndAdd) -> int:
    """Return the width of the sum over the bit-slices of one row block."""
    code = op.codes.type
    assert isinstance(code, IntType)
    ends = [sorted((s * code.min, s * code.max)) for s in op.significances]
    return IntType.spanning(sum(low for low, _ in ends), sum(high for _, high in ends)).bits


def accumulator_bits(op: ShiftAndAdd) -> int:
    """Return the width of the sum over row blocks, before the shift at the end."""
    return bits_of(op.result) + op.shift


def count_active_work(op: Op) -> Tally:
    """Count the additions of a counter beside the wordline drivers."""
    assert isinstance(op, CountActive)
    planes, _, groups, *positions = op.active.shape
    each = sum(len(span) - 1 for span in op.rows)
    return additions(planes * groups * prod(positions) * each, bits_of(op.active))


def neuron_work(op: IntegerNeuron, makers: Makers, constants: Constants) -> Tally:
    """Count updates, and the bits of all states read and written."""
    states = [value for value in (op.membrane, op.current) if value is not None]
    neurons = prod(op.membrane.shape)
    return Tally(
        membrane_updates=neurons,
        membrane_bits=2 * neurons * sum(bits_of(value) for value in states),
    )


def scaled_add_work(op: ScaledAdd, makers: Makers, constants: Constants) -> Tally:
    results = prod(op.result.shape)
    work = additions(results * (len(op.terms) - 1), bits_of(op.result) + op.shift)
    for term, scale in zip(op.terms, op.scales, strict=True):
        work += multiplications(results, bits_of(term), scale, constants)
    return work


def pool_work(op: SumPool2d | MaxPool2d, makers: Makers, constants: Constants) -> Tally:
    """Count additions, or comparisons of codes; the OR of spikes is a gate."""
    if isinstance(op, MaxPool2d) and bits_of(op.x) == 1:
        return Tally()
    each = prod(op.window.kernel) - 1
    return additions(prod(op.result.shape) * each, bits_of(op.result))


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
    return IntType.spanning(int(weight.min()), int(weight.max())).bits


_HOST = "real numbers are done by the host"
_WIRES = "wires"

WORK: OpTable[Callable[[Any, Makers, Constants], Tally]] = OpTable(
    what="actions that cost something",
    entries={
        CrossbarMvm: crossbar_work,
        SenseAmpRead: readout_work,
        AdcRead: readout_work,
        ShiftAndAdd: shift_and_add_work,
        IntegerNeuron: neuron_work,
        Synapse: digital_layer_work,
        ScaledAdd: scaled_add_work,
        Add: add_work,
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
