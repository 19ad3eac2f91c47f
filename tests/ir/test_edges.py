"""What values hold, as ``inspect`` says it of the inputs of layers."""

import pytest

from mapper.ir.core import FLOAT, SPIKE, Graph, Op, Value
from mapper.ir.edges import edges
from mapper.ir.network import Add, AvgPool2d, Concat, FakeQuantize, MaxPool2d, Scale, Take
from mapper.ir.windows import Window

HALF = Window(kernel=(2, 2), stride=(2, 2))


def edge_of(op: Op, *inputs: Value) -> tuple[str, int | None]:
    graph = Graph(name="g", inputs=inputs, outputs=op.results, ops=(op,))
    found = edges(graph)[op.results[0].name]
    return found.kind, found.bits


def image(name: str, *shape: int, type=FLOAT) -> Value:
    return Value(name, type, shape)


X, Y = image("x", 2, 4, 4), image("y", 2, 2, 2)
PARTS = {
    "a slice": Take(x=X, indices=(1,), result=image("y", 1, 4, 4)),
    "the greatest": MaxPool2d(x=X, window=HALF, result=Y),
}


@pytest.mark.parametrize("op", PARTS.values(), ids=PARTS)
def test_what_is_passed_on_is_what_came_in(op):
    assert edge_of(op, X) == ("input", None)


def test_two_of_a_kind_side_by_side_are_of_that_kind():
    joined = Concat(parts=(X, image("z", 2, 4, 4)), result=image("y", 4, 4, 4))
    assert edge_of(joined, *joined.parts) == ("input", None)
    mixed = Concat(parts=(X, image("z", 2, 4, 4, type=SPIKE)), result=image("y", 4, 4, 4))
    assert edge_of(mixed, *mixed.parts) == ("analogue", None)


def test_what_is_computed_from_reals_is_analogue():
    assert edge_of(Scale(x=X, factor=2.0, result=image("y", 2, 4, 4)), X) == ("analogue", None)
    total = Add(terms=(X, X), result=image("y", 2, 4, 4))
    assert edge_of(total, X) == ("analogue", None)


def test_a_grid_of_sixteen_codes_takes_four_bits():
    rounded = FakeQuantize(x=X, step=0.1, low=0, high=15, result=image("y", 2, 4, 4))
    assert edge_of(rounded, X) == ("codes", 4)


def test_the_mean_of_four_spikes_is_a_count_of_up_to_four():
    spikes = image("x", 2, 4, 4, type=SPIKE)
    assert edge_of(AvgPool2d(x=spikes, window=HALF, result=Y), spikes) == ("counts", 3)
