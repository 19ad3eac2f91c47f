"""One broken graph for each rule of the graph, and of the ops that carry most of them."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.ir.core import FLOAT, SPIKE, Coding, Const, Graph, IntType, Op, Span, State, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.encoding import Encoding
from mapper.ir.hardware import ScaledAdd
from mapper.ir.leaks import Decay
from mapper.ir.network import Add, Concat, Merge, Reshape, Take
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.ranges import op_range_problems
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Linear
from mapper.ir.verify import InvalidIR, check_graph, graph_problems
from mapper.ir.windows import Window

X = Value("x", SPIKE, (4,))
Y = Value("y", IntType(5, signed=True), (2,))
LAYER = Linear(x=X, weight=Const("w"), result=Y)
GRAPH = Graph(
    name="g", inputs=(X,), outputs=(Y,), ops=(LAYER,), constants={"w": np.ones((2, 4), np.int8)}
)
ENCODING = Encoding(kind="offset-binary", weight_bits=2, cell_bits=1)
SUMS = Value("p", IntType(3, signed=False), (1, 2, 2, 2))
GRID = CrossbarMvm(
    x=X,
    weight=Const("w"),
    rows=(Span(0, 2), Span(2, 4)),
    columns=(Span(0, 2),),
    encoding=ENCODING,
    partial_sum=SUMS,
)
CODES = Value("c", IntType(2, signed=True), SUMS.shape)
SENSE = SenseAmpRead(partial_sum=SUMS, thresholds=Const("t"), levels=(-1, 1), result=CODES)
SHIFT = ShiftAndAdd(codes=CODES, significances=(1, 2), result=Y)
TABLES = {"w": np.ones((4, 2), np.int8), "t": np.zeros((1, 1, 1, 1), np.int64)}


def problems(graph: Graph) -> str:
    return "\n".join(graph_problems(graph))


def of_op(op: Op, **tables: np.ndarray) -> str:
    constants = {**TABLES, **tables}
    return "\n".join(list(op_range_problems(op, constants)) or op.verify(constants))


def test_the_graphs_these_cases_break_are_valid():
    assert problems(GRAPH) == ""
    assert of_op(GRID) == of_op(SENSE) == of_op(SHIFT) == ""


def test_broken_graphs_are_named():
    ghost = Value("ghost", SPIKE, (4,))
    assert "%ghost is used before it is defined" in problems(
        replace(GRAPH, ops=(replace(LAYER, x=ghost),))
    )
    assert "%y is defined twice" in problems(replace(GRAPH, ops=(LAYER, LAYER)))
    assert "@w does not exist" in problems(replace(GRAPH, constants={}))
    assert "was defined" in problems(replace(GRAPH, outputs=(replace(Y, shape=(3,)),)))
    assert "never written" in problems(replace(GRAPH, states=(State(read=ghost, next="no"),)))
    assert "is written with" in problems(replace(GRAPH, states=(State(read=ghost, next="y"),)))
    assert "holds NaN or infinity" in problems(replace(GRAPH, constants={"w": np.full(2, np.nan)}))
    wide = replace(X, type=IntType(64, signed=True))
    assert "widths are 1..63 bits" in problems(replace(GRAPH, inputs=(wide,), ops=(), outputs=()))


def test_a_broken_graph_names_who_made_it():
    with pytest.raises(InvalidIR, match="pass 'tile-rows' made an invalid graph"):
        check_graph(replace(GRAPH, constants={}), "pass 'tile-rows'")


def test_layers_check_shapes_and_ranges():
    assert "weight has shape (4, 2), expected (2, 4)" in of_op(LAYER)
    narrow = replace(LAYER, result=replace(Y, type=IntType(2, signed=True)))
    assert "sum spans 0..4, too wide for i2" in of_op(narrow, w=np.ones((2, 4), np.int8))
    assert "has no bias" in of_op(replace(LAYER, bias=Const("b")), w=TABLES["w"].T, b=np.ones(2))


def test_crossbars_check_spans_weights_and_ranges():
    def grid(**changes: object) -> str:
        return of_op(replace(GRID, **changes))

    assert "do not cover 4 wordlines" in grid(rows=(Span(0, 3), Span(2, 4)))
    assert "do not cover 2 outputs" in grid(columns=(Span(0, 1),))
    assert "2-bit offset-binary holds -2..1" in of_op(GRID, w=np.full((4, 2), 2))
    assert "too wide for u1" in grid(partial_sum=replace(SUMS, type=SPIKE))
    assert "partial sums are (1, 2, 2, 2) per position" in grid(
        partial_sum=replace(SUMS, shape=(1, 1, 2, 2))
    )
    assert "groups of 2 row blocks share a crossbar, only those of 1 can" in grid(groups=2)
    assert "4 inputs a position drive 1 groups of 5 wordlines" in of_op(
        GRID, w=np.ones((5, 2), int)
    )
    narrow = Window(kernel=(1, 1))
    assert "a window slides over [channels, height, width], got (4,)" in grid(window=narrow)


def test_counters_check_what_they_count():
    counter = CountActive(
        x=X, rows=GRID.rows, active=Value("n", IntType(2, signed=False), (1, 2, 1))
    )
    assert of_op(counter) == ""
    tight = replace(counter, active=replace(counter.active, type=SPIKE))
    assert "up to 2 active wordlines, too many for u1" in of_op(tight)
    short = replace(counter, rows=(Span(0, 2),))
    assert "4 inputs a position drive 1 groups of 2 wordlines" in of_op(short)


def test_neurons_check_their_bias_and_leaks():
    state = [Value(name, IntType(8, signed=True), (4,)) for name in ("v", "after")]
    neuron = IntegerNeuron(x=X, membrane=state[0], membrane_next=state[1])
    assert of_op(neuron) == ""
    assert "bias is 1152921504606846976, it takes whole numbers of -9007199254740991" in of_op(
        replace(neuron, bias=1 << 60)
    )
    slow = Decay(kind="multiply", shift=40, multiplier=1)
    assert "decay.shift is 40, it takes whole numbers of 0..30" in of_op(
        replace(neuron, decay=slow)
    )


def test_readouts_check_levels_and_thresholds():
    assert "2 levels, but thresholds have shape (2, 1, 1, 1)" in of_op(
        SENSE, t=np.zeros((2, 1, 1, 1), int)
    )
    three = replace(SENSE, levels=(-1, 0, 1))
    assert "thresholds must ascend" in of_op(three, t=np.array([2, 1]).reshape(2, 1, 1, 1))
    assert "do not broadcast" in of_op(SENSE, t=np.zeros((1, 3, 1, 1), int))
    assert "levels (-9, 9) do not fit i2" in of_op(replace(SENSE, levels=(-9, 9)))
    adc = AdcRead(kind="flash", bits=2, partial_sum=SUMS, first=1, step=0, base=0, result=CODES)
    assert "step is 0, it takes whole numbers of 1..9007199254740991" in of_op(adc)
    assert "decoded values span 0..3, too wide for i2" in of_op(replace(adc, step=1))


def test_shift_and_add_checks_slices_offset_and_range():
    assert "1 significances for 2 slices" in of_op(replace(SHIFT, significances=(1,)))
    assert "needs a count of active rows" in of_op(replace(SHIFT, offset=-8))
    tiny = replace(SHIFT, result=replace(Y, type=SPIKE))
    assert "sum spans -12..6, too wide for u1" in of_op(tiny)


def test_merging_and_shaping_check_what_they_join():
    wide = Value("z", IntType(2, signed=False), (4,))
    assert "takes and gives spikes (u1), got u2" in of_op(Merge(kind="and", a=X, b=wide, result=X))
    assert "4 elements in, 2 out" in of_op(Reshape(x=X, result=replace(X, shape=(2,))))
    assert "sum spans 0..2, too wide for u1" in of_op(Add(terms=(X, X), result=X))
    assert "8 elements along axis 0" in of_op(Concat(parts=(X, X), result=X))


def test_taking_elements_checks_their_numbers():
    two = replace(X, shape=(2,))
    assert of_op(Take(x=X, indices=(3, 0), result=two)) == ""
    assert "element 4 is taken of 4" in of_op(Take(x=X, indices=(4, 0), result=two))
    assert "no axis 1 among 1" in of_op(Take(x=X, indices=(0, 1), axis=1, result=two))
    assert "taking gives (2,), but the result has (4,)" in of_op(
        Take(x=X, indices=(1, 0), result=X)
    )
    wide = replace(two, type=IntType(2, signed=False))
    assert "input is u1, but the result is u2" in of_op(Take(x=X, indices=(0, 1), result=wide))


def test_a_graph_has_an_input_and_an_output():
    assert "no input" in problems(replace(GRAPH, inputs=()))
    assert "no output" in problems(replace(GRAPH, outputs=()))


def test_numbers_of_ports_and_starts_have_their_shape():
    wide = {**GRAPH.constants, "wide": np.ones((3, 2))}
    graph = replace(GRAPH, constants=wide)
    start = State(read=replace(Y, name="v"), next="y", initial=Const("wide"))
    assert "initial value of %v has shape (3, 2)" in problems(replace(graph, states=(start,)))
    output = {"y": Coding(scale=Const("wide"))}
    assert "scale of %y has shape (3, 2)" in problems(replace(graph, codings=output))
    missing = {"y": Coding(offset=Const("none"))}
    assert "@none does not exist" in problems(replace(graph, codings=missing))
    lost = {"y": Coding(offset=float("nan"))}
    assert "offset of %y is nan" in problems(replace(graph, codings=lost))
    assert "above zero" in problems(replace(graph, codings={"x": Coding(scale=0.0)}))
    assert "no input or output" in problems(replace(graph, codings={"z": Coding()}))


def test_scales_of_a_sum_have_the_shape_of_their_term():
    add = ScaledAdd(terms=(Y,), scales=(Const("m"),), result=Value("z", IntType(9, True), (2,)))
    assert "scale has shape (3, 2)" in of_op(add, m=np.ones((3, 2), np.int64))


def test_start_values_and_currents_must_fit_their_layer():
    x, v, after = (Value(name, FLOAT, (4,)) for name in ("x", "v", "after"))
    i, i_next = (Value(name, FLOAT, (4,)) for name in ("i", "i_next"))
    neuron = Neuron(
        x=x,
        membrane=v,
        membrane_next=after,
        current=i,
        current_next=i_next,
        current_leak=Const("odd"),
    )
    graph = Graph(
        name="odd",
        inputs=(x,),
        outputs=(after,),
        states=(State(read=v, next="after", initial=Const("odd")), State(read=i, next="i_next")),
        ops=(neuron,),
        constants={"odd": np.ones(3, np.float32)},
    )
    found = list(graph_problems(graph))
    assert len(found) == 2
    assert found[0].startswith("current_leak has shape (3,), which does not broadcast to (4,)")
    assert "initial value of %v has shape (3,), which does not broadcast to (4,)" in found[1]
