"""One macro as the product prices it: its target, a layer of one crossbar, and ``estimate``."""

from functools import cache

import numpy as np

from benchmarks.chips import Known
from mapper.cost import Cost, estimate
from mapper.ir.core import SPIKE, Array, Const, Graph, IntType, Op, Span, Value
from mapper.ir.crossbar import CrossbarMvm, Placement, partial_sum_range
from mapper.ir.encoding import Encoding
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd, exact_read
from targets import Macro

MACRO_AREAS = (
    "cells", "wordline_drivers", "inputs", "read_channels", "readouts", "shift_adders", "adders",
)  # fmt: skip
"""Blocks that are inside of a macro."""


@cache
def priced(known: Known) -> Cost:
    """Return what the product says of one evaluation of one macro."""
    target = known.target()
    return estimate(graph_of(known, target.macros[0]), target, known.density)


def energy_fj_per_mac(known: Known) -> float:
    """Return what one product of full width costs."""
    return sum(energy_parts(known).values()) / known.products * 1e3


def energy_parts(known: Known) -> dict[str, float]:
    """Return pJ of one evaluation of one macro by part."""
    return {name: pj.nominal for name, pj in priced(known).macro_pj.items()}


def area_um2(known: Known) -> float:
    """Return the area of all macros."""
    return known.macros * sum(area_parts(known).values())


def area_parts(known: Known) -> dict[str, float]:
    """Return um2 of one macro by block."""
    blocks = priced(known).layers[0].area_um2
    return {name: blocks[name].nominal for name in (*MACRO_AREAS, "control")}


def delay_ns(known: Known) -> float:
    """Return how long one read of a macro takes, or a turn of it where columns share readouts."""
    layer = priced(known).layers[0]
    reads = known.description.input_bits // known.description.input_bits_per_read
    return layer.stages_ns["read"].nominal / reads / known.description.mux


def graph_of(known: Known, macro: Macro) -> Graph:
    """Make a linear layer with as many weight bits that are 1 as the chip was measured with."""
    given = known.description
    encoding = macro.written(macro.weight_bits)
    weight = weights(known, encoding)
    x = Value(
        "x",
        IntType(given.input_bits, signed=False) if given.input_bits > 1 else SPIKE,
        (known.inputs,),
    )
    rows = tuple(Span(0, known.inputs).split(macro.wordlines))
    columns = tuple(Span(0, known.outputs).split(macro.outputs_per_crossbar(macro.weight_bits)))
    most = (1 << given.input_bits_per_read) - 1
    sums = IntType.spanning(*partial_sum_range(weight, rows, encoding, most))
    reads = -(-given.input_bits // given.input_bits_per_read)
    mvm = CrossbarMvm(
        loc=known.description.name,
        x=x,
        weight=Const("weight"),
        plane_bits=given.input_bits_per_read,
        rows=rows,
        columns=columns,
        encoding=encoding,
        placement=Placement(macro=macro.name, slots=Span(0, len(rows) * len(columns))),
        partial_sum=Value(
            "sum", sums, (reads, len(rows), len(encoding.significances), known.outputs)
        ),
    )
    read = _read(macro, mvm)
    result = Value("y", sum_type(known, encoding), (known.outputs,))
    add = ShiftAndAdd(
        codes=read.results[0],
        significances=encoding.significances,
        result=result,
    )
    ops: tuple[Op, ...] = (mvm, read, add)
    constants = {"weight": weight, "threshold": np.zeros((1, 1, 1, 1), np.int64)}
    return Graph(
        name=given.name, inputs=(x,), outputs=(result,), states=(), constants=constants, ops=ops
    )


def sum_type(known: Known, encoding: Encoding) -> IntType:
    """Return the type that holds every sum of the layer: as wide as its accumulators are."""
    most = known.inputs * ((1 << known.description.input_bits) - 1)
    return IntType.spanning(min(0, most * encoding.weight_min), most * encoding.weight_max)


def weights(known: Known, encoding: Encoding) -> Array:
    """Draw weights whose bits are 1 with the probability of the chip; pairs have a cell on."""
    drawn = np.random.default_rng(1)
    shape = (known.inputs, known.outputs)
    if encoding.pairs:
        kept = drawn.random(shape) < known.ones
        return kept * encoding.weight_max * (2 * drawn.integers(0, 2, shape) - 1)
    bits = max(encoding.weight_bits, 1)
    code = sum((drawn.random(shape) < known.ones).astype(np.int64) << bit for bit in range(bits))
    return np.asarray(code * encoding.code_step + encoding.offset)


def _read(macro: Macro, mvm: CrossbarMvm) -> BitlineRead:
    readout, sums = macro.readout, mvm.partial_sum
    if readout.is_sensed:
        return SenseAmpRead(
            partial_sum=sums,
            thresholds=Const("threshold"),
            levels=(0, 1),
            result=Value("codes", SPIKE, sums.shape),
        )
    if not readout.is_adc:
        codes = Value("codes", sums.type, sums.shape)
        assert isinstance(sums.type, IntType)
        exact = "adder-tree" if readout.form.adds else "ideal"
        return exact_read(exact, sums, sums.type.min, sums.type.max, codes)
    kind = readout.kind
    assert kind == "flash" or kind == "sar" or kind == "cco"
    codes = Value("codes", IntType(readout.bits, signed=False), sums.shape)
    return AdcRead(
        kind=kind, bits=readout.bits, partial_sum=sums, first=1, step=1, base=0, result=codes
    )
