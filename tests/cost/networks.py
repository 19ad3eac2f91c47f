"""Small lowered networks, built by hand, whose actions can be counted on paper."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import prod
from pathlib import Path

import numpy as np

from mapper.cost import Activity, Events, measure
from mapper.executor import engine
from mapper.ir.core import SPIKE, Array, Const, Graph, IntType, Op, Span, State, Value
from mapper.ir.crossbar import (
    CountActive,
    CrossbarMvm,
    Placement,
    driven_wordlines,
    partial_sum_range,
)
from mapper.ir.encoding import Encoding
from mapper.ir.evaluate import evaluate
from mapper.ir.hardware import UpdateMembrane
from mapper.ir.infer import planes_of
from mapper.ir.neurons import Reset
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.verify import check_graph
from mapper.ir.windows import Window
from targets import Target, load_target

I12 = IntType(12, signed=True)
UNPLACED = Placement()
FIRST_TILE = Placement(slots=Span(0, 4))


def small_target() -> Target:
    """Crossbars of 8x12 with one sense amplifier a column, four a tile, two tiles a chip."""
    return load_target(Path(__file__).parents[1] / "targets" / "small.toml")


def crossbar(
    x: Value,
    weight: Array,
    encoding: Encoding,
    rows: Sequence[Span],
    columns: Sequence[Span],
    window: Window | None = None,
    groups: int = 1,
    placement: Placement = UNPLACED,
    name: str = "fc",
) -> CrossbarMvm:
    """Make the crossbars of ``weight[K, N]``."""
    assert isinstance(x.type, IntType)
    positions = () if window is None else window.output_size(*x.shape[1:])
    slices = len(encoding.significances)
    shape = (x.type.bits, len(rows), slices, weight.shape[1], *positions)
    sums = IntType.spanning(*partial_sum_range(weight, tuple(rows), encoding))
    return CrossbarMvm(
        loc=f"model.onnx:/{name}",
        x=x,
        weight=Const(f"{name}.weight"),
        window=window,
        groups=groups,
        rows=tuple(rows),
        columns=tuple(columns),
        encoding=encoding,
        placement=placement,
        partial_sum=Value(f"{name}.sum", sums, shape),
    )


def layer(mvm: CrossbarMvm, half_active: bool = False, name: str = "fc") -> tuple[list[Op], Value]:
    """Read ``mvm`` with sense amplifiers of levels 0 and 1, add up, and let neurons fire."""
    assert mvm.encoding is not None
    ops: list[Op] = [mvm]
    active = None
    if half_active:
        count = count_active(mvm, name)
        ops.append(count)
        active = count.active
    codes = Value(f"{name}.codes", SPIKE, mvm.partial_sum.shape)
    ops.append(
        SenseAmpRead(
            partial_sum=mvm.partial_sum,
            active=active,
            thresholds=Const("one"),
            levels=(0, 1),
            result=codes,
        )
    )
    y = Value(f"{name}.y", I12, codes.shape[3:])
    ops.append(
        ShiftAndAdd(
            codes=codes,
            significances=mvm.encoding.significances,
            **planes_of(mvm),
            result=y,
        )
    )
    ops.append(neurons(y, name))
    return ops, y


def count_active(mvm: CrossbarMvm, name: str = "fc") -> CountActive:
    shape = (mvm.planes, len(mvm.rows), mvm.groups, *mvm.positions)
    active = Value(f"{name}.active", IntType(4, signed=False), shape)
    return CountActive(x=mvm.x, window=mvm.window, groups=mvm.groups, rows=mvm.rows, active=active)


def adc_layer(mvm: CrossbarMvm, name: str = "fc") -> list[Op]:
    """Read offset-binary weights with a 5-bit ADC and correct the offset digitally."""
    assert mvm.encoding is not None
    count = count_active(mvm, name)
    codes = Value(f"{name}.codes", IntType(5, signed=False), mvm.partial_sum.shape)
    read = AdcRead(
        kind="sar", bits=5, partial_sum=mvm.partial_sum, first=1, step=1, base=0, result=codes
    )
    y = Value(f"{name}.y", IntType(16, signed=True), codes.shape[3:])
    add = ShiftAndAdd(
        codes=codes,
        active=count.active,
        significances=mvm.encoding.significances,
        offset=mvm.encoding.offset,
        result=y,
    )
    return [mvm, count, read, add, neurons(y, name)]


def neurons(x: Value, name: str = "fc") -> UpdateMembrane:
    return UpdateMembrane(
        x=x,
        membrane=Value(f"{name}.v", I12, x.shape),
        spike=Value(f"{name}.spike", SPIKE, x.shape),
        membrane_next=Value(f"{name}.v_next", I12, x.shape),
        threshold=2,
        reset=Reset(kind="subtract", amount=2),
    )


def network(ops: Sequence[Op], constants: dict[str, Array], x: Value) -> Graph:
    """Close a list of ops into a graph, with a state for each neuron, and verify it."""
    updates = [op for op in ops if isinstance(op, UpdateMembrane)]
    last = updates[-1].spike
    assert last is not None
    graph = Graph(
        name="tiny",
        inputs=(x,),
        outputs=(last,),
        states=tuple(State(read=op.membrane, next=op.membrane_next.name) for op in updates),
        ops=tuple(ops),
        constants={"one": np.ones((1, 1, 1, 1), np.int64), **constants},
    )
    check_graph(graph, "the test")
    return graph


OFFSET_4 = Encoding(kind="offset-binary", weight_bits=4, cell_bits=1)
DIFFERENTIAL_3 = Encoding(kind="differential", weight_bits=3, cell_bits=1)

FIVE_BY_THREE = np.array([[1, -2, 3], [0, 0, -1], [3, 3, 3], [-3, 0, 1], [2, 0, 0]])
"""Magnitudes 1 2 3 | 0 0 1 | 3 3 3 | 3 0 1 | 2 0 0: cells on 4, 1, 6, 3 and 1 a row."""


def two_by_two_grid(placement: Placement = FIRST_TILE) -> Graph:
    """Five inputs, three outputs, 3-bit weights as pairs: 2 row blocks, 2 column blocks."""
    x = Value("x", SPIKE, (5,))
    mvm = crossbar(
        x,
        FIVE_BY_THREE,
        DIFFERENTIAL_3,
        rows=(Span(0, 3), Span(3, 5)),
        columns=(Span(0, 2), Span(2, 3)),
        placement=placement,
    )
    ops, _ = layer(mvm)
    return network(ops, {"fc.weight": FIVE_BY_THREE}, x)


def random_codes(rng: np.random.Generator, value: Value, steps: int, batch: int) -> Array:
    """Draw input codes ``[T, B, *shape]`` of any value that the type holds."""
    assert isinstance(value.type, IntType)
    shape = (steps, batch, *value.shape)
    codes = rng.integers(value.type.min, value.type.max + 1, prod(shape))
    return codes.reshape(shape)


def traced(graph: Graph, inputs: Array) -> dict[str, Array]:
    """Run the generated executor and return what it traced."""
    return engine.run(graph, {"x": inputs}, "numpy", trace=True).counts


def activity_of(graph: Graph, inputs: Array) -> Activity:
    return measure(graph, traced(graph, inputs))


def graph_for(target: Target) -> Graph:
    """Make a layer of 20 inputs and 6 outputs for the last macro of a target."""
    macro = target.macros[-1]
    encoding = macro.written(macro.weight_bits)
    weight = np.random.default_rng(1).integers(
        encoding.weight_min + 1, encoding.weight_max, (20, 6)
    )
    if not encoding.holds_zero:
        weight = 2 * (weight % 2) - 1  # -1 and 1 alone
        weight[::2] = 1
    x = Value("x", SPIKE, (20,))
    columns = Span(0, 6).split(macro.outputs_per_crossbar(macro.weight_bits))
    placement = Placement(macro=macro.name, slots=Span(0, 2 * len(columns)))
    mvm = crossbar(x, weight, encoding, Span(0, 20).split(10), columns, placement=placement)
    half = macro.readout.reference == "half-active"
    adc = macro.readout.is_adc and macro.encoding == "offset-binary"
    ops = adc_layer(mvm) if adc else layer(mvm, half)[0]
    return network(ops, {"fc.weight": weight}, x)


def without_updates(events: Iterable[Events]) -> tuple[Events, ...]:
    """Leave out what events do to membranes, which tests/cost/test_update_on_event.py counts."""
    return tuple(one._replace(updates=0) for one in events)


def one_by_one(graph: Graph, inputs: Array) -> Iterator[Events]:
    """Walk over every time step, sample, bit, position and crossbar of every layer."""
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    run = evaluate(graph, {"x": inputs}, watch=[op.x.name for op in layers])
    for op in layers:
        assert op.encoding is not None
        digits = op.encoding.digits(graph.constants[op.weight.name])
        width = op.outputs // op.groups
        wordlines = cells = levels = reads = conversions = 0
        for step in run[op.x.name]:
            driven = driven_wordlines(step, op)
            samples, planes, _, _, places = driven.shape
            for b, plane, place in product(range(samples), range(planes), range(places)):
                for rows, columns in product(op.rows, op.columns):
                    bits = driven[b, plane, columns.start // width, :, place]
                    if bits[rows.slice].any():
                        reads += 1
                        conversions += len(columns) * len(digits)
                    for row in range(rows.start, rows.stop):
                        if bits[row]:
                            here = digits[:, row, columns.slice]
                            wordlines += 1
                            cells += here.size * op.encoding.bitlines_per_slice
                            levels += int(np.abs(here).sum())
        yield Events(wordlines, cells, levels, reads, conversions)
