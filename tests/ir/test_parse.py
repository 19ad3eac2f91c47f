"""The text form read back: equal, or refused by line and column."""

import re
from dataclasses import fields, replace
from typing import get_origin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.ir.assignment import Assignment, Choice
from mapper.ir.core import FLOAT, SPIKE, Coding, Const, Graph, Span, State, Value, holds_values
from mapper.ir.frozen import FrozenMap
from mapper.ir.literals import DTYPES
from mapper.ir.network import Scale
from mapper.ir.parse import parse_graph
from mapper.ir.serialize import OPS
from mapper.pipeline import make_passes, run_passes
from targets import list_targets, load_target
from tests.campaigns import examples
from tests.every_op import graphs_of_every_op
from tests.networks import float_networks, small_conv_net
from tests.strategies import hardware_graphs

OF_EVERY_OP = graphs_of_every_op()
EVERYTHING = 1 << 40


def assert_comes_back(graph: Graph) -> None:
    assert parse_graph(str(graph), graph.constants) == graph
    assert parse_graph(graph.text(inline=EVERYTHING)) == graph
    assert parse_graph(graph.text(inline=0), graph.constants) == graph


@pytest.mark.parametrize("mnemonic", OPS)
def test_every_op_comes_back(mnemonic):
    graph = OF_EVERY_OP[mnemonic]
    coded = {graph.inputs[0].name: Coding(scale=0.1, offset=-0.0), graph.outputs[0].name: Coding()}
    assert_comes_back(replace(graph, codings=coded))


@settings(max_examples=examples(60), deadline=None)
@given(hardware_graphs())
def test_hardware_graphs_come_back(graph):
    assert_comes_back(graph)


@settings(max_examples=10, deadline=None)
@given(network=float_networks(), target=st.sampled_from(list_targets()))
def test_networks_come_back_before_and_after_every_pass(network, target):
    loaded = load_target(target)
    stages = [network]
    run_passes(network, loaded, make_passes(), after=lambda _, graph: stages.append(graph))
    assert len(stages) > 10
    for graph in stages:
        assert_comes_back(graph)


@settings(deadline=None)
@given(
    names=st.lists(st.text(min_size=1), min_size=9, max_size=9, unique=True),
    numbers=st.lists(st.floats(allow_nan=False), min_size=3, max_size=3),
    start=st.one_of(st.integers(-(1 << 62), 1 << 62), st.floats(allow_nan=False)),
)
def test_any_name_and_any_number_comes_back(names, numbers, start):
    title, x, y, v, after, const, loc, output, other = names
    op = Scale(
        x=Value(x, FLOAT, (2,)),
        factor=numbers[0],
        offset=Const(const),
        result=Value(y, FLOAT, (2,)),
        loc=loc,
    )
    graph = Graph(
        name=title,
        inputs=(op.x, Value(after, SPIKE, ())),
        outputs=(op.result,),
        states=(State(read=Value(v, SPIKE, ()), next=after, initial=start, output=output),),
        ops=(op,),
        constants={const: np.array(numbers[1:]), other: np.array(numbers, np.float64)},
        codings={x: Coding(scale=numbers[1], offset=Const(other))},
    )
    assert_comes_back(graph)


@pytest.mark.parametrize("word", ["True", "None", "inf", "-inf", "nan", "1", "1.5", "a b", "", "_"])
def test_a_name_that_reads_as_something_else_comes_back(word):
    graph = OF_EVERY_OP["imc.crossbar_mvm"]
    placed = replace(graph.ops[0].placement, macro=word)
    first = replace(graph.ops[0], placement=placed, loc=word)
    assert_comes_back(replace(graph, name=word, ops=(first, *graph.ops[1:])))


@given(st.data())
def test_every_bit_of_a_constant_that_is_written_out_comes_back(data):
    name = data.draw(st.sampled_from(sorted(DTYPES)))
    size = DTYPES[name].itemsize
    raw = data.draw(st.binary(min_size=6 * size, max_size=6 * size))
    array = np.frombuffer(raw, DTYPES[name]).reshape(2, 3)
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.zeros_like(array), array)
    graph = Graph(name="n", inputs=(), outputs=(), constants={"w": array})
    assert parse_graph(graph.text(inline=6)) == graph


def test_a_constant_of_no_elements_and_one_of_no_axes_come_back():
    constants = {"a": np.zeros((2, 0, 3)), "b": np.zeros((0, 7), np.int8), "c": np.array(-3)}
    graph = Graph(name="n", inputs=(), outputs=(), constants=constants)
    text = graph.text(inline=6)
    assert "@a: float64[2,0,3] = [[], []]\n" in text
    assert "@c: int64[] = -3\n" in text
    assert parse_graph(text) == graph


@settings(deadline=None)
@given(
    names=st.lists(st.text(), max_size=3, unique=True),
    macro=st.text(),
    bits=st.one_of(st.none(), st.integers()),
)
def test_what_is_decided_for_layers_comes_back(names, macro, bits):
    layers = {name: Choice(macro=macro, weight_bits=bits) for name in names}
    assert_comes_back(replace(small_conv_net(), assignment=Assignment(layers=layers)))
    assert_comes_back(replace(small_conv_net(), assignment=Assignment(weight_bits=bits)))


def test_what_is_decided_for_layers_stands_first():
    layers = {"/conv": Choice(macro="flash5-64", weight_bits=6), "a b": Choice()}
    graph = replace(small_conv_net(), assignment=Assignment(layers=layers, weight_bits=4))
    assert str(graph).splitlines()[1:4] == [
        "  layers {weight_bits=4}",
        "  layer /conv {macro=flash5-64, weight_bits=6}",
        '  layer "a b"',
    ]


TEXT = """\
graph net
  # a comment, and an empty line

  input %x: u1[4] {scale=0.5, offset=0.0}
  state %v: i12[3] <- %v.next from @start as v_out
  %sum: i4[3] = net.linear(%x) {weight=@w} at "a node"  # where it comes from
  %s: u1[3], %v.next: i12[3] = imc.update_membrane(%sum, %v) {decay={kind=shift, shift=2}}
  output %s: u1[3]
  constant @start: int64[3] = [1, 0, -1]
  constant @w: int8[3,4]
"""
WEIGHT = {"w": np.arange(12, dtype=np.int8).reshape(3, 4)}


def test_a_text_with_constants_inside_and_beside_is_a_graph():
    graph = parse_graph(TEXT, WEIGHT)
    linear, membrane = graph.ops
    assert (graph.name, linear.loc, membrane.decay.shift) == ("net", "a node", 2)
    assert graph.codings == FrozenMap({"x": Coding(scale=0.5)})
    assert graph.states[0].output == "v_out"
    assert graph.constants["start"].tolist() == [1, 0, -1]
    assert graph.constants["w"] is not None
    assert not graph.constants["start"].flags.writeable


def test_spans_are_written_short():
    graph = parse_graph(
        "graph g\n  input %x: u1[10]\n"
        "  %p: u4[1] = imc.crossbar_mvm(%x) {weight=@w, rows=[0:10 by 4], columns=[0:1 1:2]}\n"
        "  output %p: u4[1]\n  constant @w: int8[0] = []\n"
    )
    (op,) = graph.ops
    assert op.rows == (Span(0, 4), Span(4, 8), Span(8, 10))
    assert op.columns == (Span(0, 1), Span(1, 2))


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("graph net\n", "", "3:3", "input has no place here: the order is graph, layers, layer"),
        (TEXT, "", "1:1", "there is no line 'graph NAME'"),
        ("graph net\n", "graph net\ngraph net\n", "2:1", "graph has no place here"),
        (
            "graph net\n",
            "graph net\nlayers {macro=a}\n",
            "2:8",
            "only weight_bits and spread_steps are decided",
        ),
        ("graph net\n", "graph net\nlayers {weight_bits=a}\n", "2:8", "expected int, got 'a'"),
        (
            "graph net\n",
            "graph net\nlayers {weight_bits=4}\nlayers {weight_bits=4}\n",
            "3:8",
            "layers are decided twice",
        ),
        ("graph net\n", "graph net\nlayer a\nlayer a\n", "3:7", "layer 'a' is decided twice"),
        ("graph net\n", "graph net\nlayer a {bits=4}\n", "2:7", "Choice has no field 'bits'"),
        ("graph net", "graph net 2", "1:11", "expected the end of the line, got '2'"),
        ("graph net", "graph", "1:6", "expected a name, got the end of the line"),
        ("  # a comment", "  ; a comment", "2:3", "'; a comment, and an ' is no word of this form"),
        (
            "  output",
            "  result",
            "8:3",
            "expected graph, layers, layer, input, state, an op, output, constant, got",
        ),
        ("  input", "  output %s: u1[3]\n  input", "4:10", "nothing defines it"),
        ("input %x", "input x", "4:9", "expected a value, got 'x'"),
        ("u1[4]", "u100[4]", "4:13", "'u100' is none of IntType, FloatType"),
        ("u1[4]", "u1[4,]", "4:13", "[4,] is no shape"),
        ("u1[4]", f"u1[{'9' * 19}]", "4:13", "is no shape"),
        ("{scale=0.5, ", "{scale=0.5, scale=1, ", "4:31", "'scale' is given twice"),
        ("{scale=0.5, ", "{scale=half, ", "4:19", "'half' is none of"),
        ("{scale=0.5, ", "{const=w, ", "4:20", "no attribute is called 'const'"),
        ("%v.next from", "%other from", "5:1", "%other is the next value of a state, and no value"),
        ("from @start", "from @stop", "5:1", "@stop is neither written out nor given"),
        ("from @start", "from start", "5:36", "'start' is none of"),
        ("state %v", "state %x", "5:9", "%x is defined twice"),
        ("net.linear(", "net.liner(", "6:17", "there is no op 'net.liner'"),
        ("net.linear(%x)", "net.linear(%y)", "6:28", "%y is used before it is defined"),
        ("net.linear(%x)", "net.linear(%x, %x)", "6:17", "net.linear has no 2 operands"),
        ("net.linear(%x)", "net.linear(_)", "6:17", "net.linear needs 'x'"),
        ("net.linear(%x)", "net.linear %x", "6:28", "expected '(', got 'x'"),
        ("{weight=@w}", "{}", "6:17", "net.linear needs 'weight'"),
        ("{weight=@w}", "{weight=w}", "6:33", "'weight': expected a constant, got 'w'"),
        ("{weight=@w}", "{weight=@w, stride=2}", "6:44", "net.linear has no attribute 'stride'"),
        ("{weight=@w}", "{weight=@w", "6:43", "expected ',', got 'at'"),
        ("{weight=@w}", "{weight=@no}", "6:1", "@no is neither written out nor given"),
        ('"a node"', r'"a \q node"', "6:47", r'"a \q node" is no JSON string'),
        ('"a node"', '"a node', "6:47", "is no word of this form"),
        ("%s: u1[3], %v.next", "%s: u1[3], %s", "7:14", "%s is defined twice"),
        ("%s: u1[3], %v.next: i12[3]", "_, _", "7:3", "imc.update_membrane needs 'membrane_next'"),
        ("{kind=shift, shift=2}", "{kind=shif, shift=2}", "7:63", "'shif' is none of"),
        ("{kind=shift, shift=2}", "{kind=shift, shift=2.0}", "7:63", "expected int, got 2.0"),
        ("shift=2}", "shift=" + "1" * 41 + "}", "7:88", "a number of more than 40 digits"),
        ("shift=2}", "shift=" + "(" * 40 + "}", "7:119", "more than 32 braces or parentheses"),
        ("output %s: u1[3]", "output %s: u1[4]", "8:10", "%s: u1[3] was defined"),
        ("[1, 0, -1]", "[1, 0]", "9:36", "expected ',', got ']'"),
        ("[1, 0, -1]", "[1, 0, -1, 2]", "9:40", "expected ']', got ','"),
        ("[1, 0, -1]", "[1, 0, 0.5]", "9:38", "'0.5' is no int64"),
        ("[1, 0, -1]", f"[1, 0, {1 << 63}]", "9:38", "is no int64"),
        ("int64[3]", "float16[3] = [1, 0, 1e9] # ", "9:40", "'1e9' is no float16"),
        ("int64[3]", "int64[0,999999999999999999]", "9:51", "expected ']', got '1'"),
        ("int64[3]", "bit8[3]", "9:12", "bit8 is none of int8, int16"),
        ("int8[3,4]", "int8[3,5]", "10:12", "@w is int8[3, 5], given is int8[3, 4]"),
        ("int8[3,4]", "int16[3,4]", "10:12", "@w is int16[3, 4], given is int8[3, 4]"),
        ("@w: int8[3,4]", "@w: int8[0] = []", "10:12", "@w is written out, and given beside"),
        ("@w: int8", "@start: int8", "10:12", "@start is defined twice"),
        ("@w: int8", "@v: int8", "10:12", "@v is neither written out nor given"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_column(old, new, place, message):
    assert old in TEXT
    with pytest.raises(MappingError) as refused:
        parse_graph(TEXT.replace(old, new, 1), WEIGHT, "net.txt")
    (problem,) = refused.value.diagnostics
    assert problem.code == "bad-graph-text"
    assert message in problem.message
    assert problem.loc == f"net.txt:{place}"


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ("0:1000000000 by 1", "more than 1048576 spans"),
        ("0:1000000000000000000000 by 1", "more than 1048576 spans"),
        ("0:10 by 0", "spans of 0"),
        ("0.0:10", "a span starts at a whole number"),
        ("0:1.5", "expected a whole number"),
    ],
)
def test_spans_that_cannot_be_are_refused_at_once(spans, message):
    text = "graph g\n  input %x: u1[1]\n  %y: u1[1] = imc.count_active(%x) {rows=[" + spans + "]}\n"
    with pytest.raises(MappingError, match="bad-graph-text") as refused:
        parse_graph(text)
    assert message in refused.value.diagnostics[0].message


CUTS = re.compile(r"\w+|\s+|.", re.DOTALL)


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_a_text_that_was_changed_is_a_graph_or_refused(data):
    """Pieces of texts are left out, put in twice, swapped or replaced by pieces of another."""
    graphs = [OF_EVERY_OP[name] for name in data.draw(st.permutations(list(OPS)))[:2]]
    one, other = (CUTS.findall(graph.text(inline=EVERYTHING)) for graph in graphs)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(one) - 1))
        length = data.draw(st.integers(0, 3))
        wild = st.sampled_from(["{", "(", "[", "-1", "1e999", "%", '"', "\0", "é", "9" * 50, "_"])
        piece = data.draw(st.one_of(st.just(""), st.sampled_from(other), wild))
        one[at : at + length] = [piece]
    text = "".join(one)
    try:
        graph = parse_graph(text)
    except MappingError:
        with pytest.raises(MappingError, match="bad-graph-text"):
            parse_graph(text)
    else:
        assert parse_graph(str(graph), graph.constants) == graph


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_is_refused(text):
    with pytest.raises(MappingError, match="bad-graph-text"):
        parse_graph("graph g\n" + text + "\n!")


def test_names_in_parentheses_belong_to_the_fields_of_an_op_in_order():
    """So what takes a tuple of values takes all that are left, and comes last."""
    for kind in OPS.values():
        for written in (False, True):
            specs = [s for s in fields(kind) if holds_values(s)]
            specs = [s for s in specs if (s.name in kind.RESULTS) is written]
            assert specs, kind
            assert not any(get_origin(s.type) is tuple for s in specs[:-1]), kind
