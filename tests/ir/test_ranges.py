"""Every field that holds a number has a range, told before anything is made of the number."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, get_args, get_type_hints

import numpy as np
import pytest

from mapper.ir.core import SPIKE, Const, Graph, IntType, Op, State, Value
from mapper.ir.network import MaxPool2d, Reshape
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.ranges import RANGES, Inside, Many, Rule, op_range_problems, range_problems
from mapper.ir.readout import SenseAmpRead, ShiftAndAdd
from mapper.ir.serialize import OPS
from mapper.ir.synapses import Linear, matrix_range
from mapper.ir.verify import graph_problems
from mapper.ir.windows import Window
from tests.every_op import integer_graphs

NUMBERS = (int, float, Const)


def unranged(kind: type, rules: Mapping[str, Rule], name: str = "") -> Iterator[str]:
    """Yield every field that may hold a number, and has no rule."""
    hints = get_type_hints(kind)
    for spec in fields(kind):
        where = f"{name or kind.__name__}.{spec.name}"
        yield from _unranged(hints[spec.name], rules.get(spec.name), where)


def _unranged(hint: Any, rule: Rule | None, where: str) -> Iterator[str]:
    if hint in NUMBERS and rule is None:
        yield where
    elif hint is Value or hint in (str, bool, IntType, *NUMBERS):
        return
    elif is_dataclass(hint):
        yield from unranged(hint, rule.fields if isinstance(rule, Inside) else {}, where)
    else:
        inner = rule.each if isinstance(rule, Many) else rule
        for option in get_args(hint):
            if option is not Ellipsis and not isinstance(option, str):
                yield from _unranged(option, inner, where)


@pytest.mark.parametrize("kind", OPS.values(), ids=OPS)
def test_every_field_that_may_hold_a_number_has_a_range(kind: type[Op]):
    rules = RANGES.entry(kind) or {}
    assert not list(unranged(kind, rules))


def test_every_rule_is_of_a_field():
    for key, rules in RANGES.entries.items():
        held = {
            spec.name for kind in OPS.values() if issubclass(kind, key) for spec in fields(kind)
        }
        assert set(rules) <= held, key


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard(Op):
    """An op with a number, in a part, that no table knows."""

    mnemonic: ClassVar[str] = "net.unheard"
    x: Value
    window: Window | None = None
    taps: tuple[int | Const, ...] = ()


def test_a_field_without_a_range_is_found():
    found = list(unranged(Unheard, {}))
    assert found[:2] == ["Unheard.window.kernel", "Unheard.window.kernel"]
    assert found[-1] == "Unheard.taps"


def test_ranges_are_looked_at_before_anything_is_made():
    """Numbers of gigabytes: an op that looked at one would not come back."""
    x = Value("x", IntType(10**11, signed=True), (4,))
    graph = Graph(name="g", inputs=(x,), outputs=(x,))
    assert next(iter(graph_problems(graph))) == f"%x is i{10**11}: widths are 1..63 bits"
    sums = Value("p", SPIKE, (1, 1, 1, 1))
    read = SenseAmpRead(
        partial_sum=sums, thresholds=Const("t"), levels=(0, 1), cell_bits=10**11, result=sums
    )
    (problem,) = op_range_problems(read, {"t": np.zeros((1, 1, 1, 1), int)})
    assert problem == f"cell_bits is {10**11}, it takes whole numbers of 1..8"
    deep = replace(sums, shape=(10**9, 1, 1, 1))
    add = ShiftAndAdd(codes=deep, significances=(1,), result=replace(sums, shape=(1,)))
    assert "sizes are 1..16777216" in next(op_range_problems(add, {}))


def test_padding_of_terabytes_is_refused_by_its_size():
    x = Value("x", SPIKE, (2, 4, 4))
    window = Window(kernel=(2, 2), padding=(1 << 23, 0, 1 << 23, 0))
    result = replace(x, shape=(2, *window.output_size(4, 4)))
    problems = "\n".join(MaxPool2d(x=x, window=window, result=result).verify({}))
    assert f"padded maps are 2 of [{(1 << 24) + 4}, 4]: sizes are at most 16777216" in problems
    one = replace(x, shape=(1, 4, 4))
    many = Window(kernel=(1 << 12, 1 << 12), padding=(1 << 12,) * 4)
    result = replace(one, shape=(1, *many.output_size(4, 4)))
    problems = "\n".join(MaxPool2d(x=one, window=many, result=result).verify({}))
    assert f"windows look at {4101**2 << 24} places of a channel, at most 33554432" in problems


def test_a_crop_of_more_than_there_is_is_refused():
    x = Value("x", SPIKE, (1, 4, 4))
    window = Window(kernel=(1, 1), padding=(-5, 0, 9, 0))
    result = replace(x, shape=(1, 8, 4))
    problems = list(MaxPool2d(x=x, window=window, result=result).verify({}))
    assert problems == ["padding (-5, 0, 9, 0) crops more than (4, 4)"]


def neuron(**fields: Any) -> IntegerNeuron:
    v = Value("v", IntType(8, signed=True), (2,))
    x = Value("x", SPIKE, (2,))
    return IntegerNeuron(x=x, membrane=v, membrane_next=replace(v, name="w"), **fields)


def test_the_least_number_of_64_bits_is_outside_every_range():
    """NumPy's absolute value of it is negative, and so below every limit."""
    least = {"b": np.array([0, -(1 << 63)])}
    (problem,) = op_range_problems(neuron(bias=Const("b")), least)
    assert problem.startswith("bias, @b, spans -9223372036854775808..0, it takes whole numbers")


def test_constants_of_whole_numbers_are_integers_and_hold_something():
    halves, none = {"b": np.array([0.5, 1.5])}, {"b": np.zeros(0, int)}
    assert "holds float64" in next(op_range_problems(neuron(bias=Const("b")), halves))
    assert "which holds nothing" in next(op_range_problems(neuron(bias=Const("b")), none))
    assert not list(op_range_problems(neuron(bias=Const("b")), {"b": np.array([1, 2])}))
    assert "threshold is 1.5" in next(op_range_problems(neuron(threshold=1.5), {}))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e308, 10**39, 10**400])
def test_no_real_number_is_past_single_precision(number: float):
    rule = (RANGES.entry(OPS["net.scale"]) or {})["factor"]
    assert list(range_problems("factor", rule, number, {}))
    assert not list(range_problems("factor", rule, 1e38, {}))


@pytest.mark.parametrize("start", [(1 << 40) + 5, 128, -129, 0.5, float("nan"), 10**30])
def test_a_state_starts_within_its_type(start: float):
    op = neuron()
    state = State(read=op.membrane, next="w", initial=start)
    graph = Graph(name="g", inputs=(op.x,), outputs=(op.membrane_next,), states=(state,), ops=(op,))
    assert any("initial value of %v is" in problem for problem in graph_problems(graph))
    for fits in (127, -128):
        well = replace(graph, states=(replace(state, initial=fits),))
        assert not list(graph_problems(well))


def test_sums_past_64_bits_are_told_and_do_not_wrap():
    wide = np.full((2048, 1), (1 << 53) - 1)
    low, high = matrix_range(wide, SPIKE)
    assert (low, high) == (0, 2048 * ((1 << 53) - 1))
    x = Value("x", SPIKE, (2048,))
    y = Value("y", IntType(63, signed=True), (1,))
    op = Linear(x=x, weight=Const("w"), result=y)
    assert "past 4611686018427387903" in next(iter(op.verify({"w": wide.T})))


def test_a_scale_that_would_wrap_the_bound_of_a_sum_does_not():
    codes = Value("c", IntType(12, signed=True), (1, 1, 1, 2))
    add = ShiftAndAdd(
        codes=codes, significances=(1,), scale=Const("m"), result=Value("y", SPIKE, (2,))
    )
    tables = {"m": np.full((1, 2), (1 << 53) - 1)}
    most = ((1 << 53) - 1) << 11
    assert add.range(tables) == (-most, ((1 << 53) - 1) * 2047)
    assert f"numbers before the shift may reach {most}" in next(iter(add.verify(tables)))


def test_spans_end_after_they_start_and_are_printed_at_any_size():
    graph = integer_graphs()["ternary"]
    mvm = graph.ops[0]
    for stop in (-(1 << 40), 10**30):
        rows = (replace(mvm.rows[0], stop=stop),)  # type: ignore[attr-defined]
        broken = replace(graph, ops=(replace(mvm, rows=rows), *graph.ops[1:]))
        assert any("rows[0]" in problem for problem in graph_problems(broken))


def test_sizes_of_values_are_at_least_one():
    x = Value("x", SPIKE, (2, 2))
    op = Reshape(x=x, result=replace(x, name="y", shape=(-2, -2)))
    assert "sizes are 1..16777216" in next(op_range_problems(op, {}))
