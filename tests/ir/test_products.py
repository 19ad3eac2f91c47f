"""Products of two computed values: numbers that can be checked by hand, and every broken rule."""

import numpy as np
import pytest

from mapper.ir.core import FLOAT, SPIKE, IntType, Value
from mapper.ir.products import MatMul, Multiply

U2, U3, I3 = IntType(2, signed=False), IntType(3, signed=False), IntType(3, signed=True)


def of(name: str, type=SPIKE, *shape: int) -> Value:
    return Value(name, type, shape)


def test_a_mask_leaves_counts_where_it_is_set():
    op = Multiply(a=of("m", SPIKE, 3), b=of("c", I3, 3), result=of("y", I3, 3))
    assert not list(op.verify({}))
    (found,) = op.evaluate({}, np.array([[1, 0, 1]]), np.array([[-4, 3, 2]]))
    assert found.tolist() == [[-4, 0, 2]]


def test_matrices_are_multiplied_head_by_head():
    """Two heads of 2 queries and 3 keys; the second head sees the first one's keys turned round."""
    q = np.array([[[[1, 0], [1, 1]], [[0, 1], [1, 0]]]])
    k = np.array([[[[1, 1, 0], [0, 1, 1]], [[0, 1, 1], [1, 1, 0]]]])
    op = MatMul(a=of("q", SPIKE, 2, 2, 2), b=of("k", SPIKE, 2, 2, 3), result=of("y", U2, 2, 2, 3))
    assert not list(op.verify({}))
    (found,) = op.evaluate({}, q, k)
    assert found.tolist() == [[[[1, 1, 0], [1, 2, 1]], [[1, 1, 0], [0, 1, 1]]]]


def test_both_orders_of_attention_give_the_same_integers():
    rng = np.random.default_rng(0)
    q, k, v = (rng.integers(0, 2, (1, 2, 5, 3)) for _ in range(3))
    spikes, turned = of("s", SPIKE, 2, 5, 3), of("t", SPIKE, 2, 3, 5)
    k = k.transpose(0, 1, 3, 2)
    scores = MatMul(a=spikes, b=turned, result=of("qk", U2, 2, 5, 5))
    left = MatMul(a=scores.result, b=spikes, result=of("y", IntType(4, signed=False), 2, 5, 3))
    pairs = MatMul(a=turned, b=spikes, result=of("kv", U3, 2, 3, 3))
    right = MatMul(a=spikes, b=pairs.result, result=of("y", IntType(5, signed=False), 2, 5, 3))
    for op in (scores, left, pairs, right):
        assert not list(op.verify({}))
    (one,) = left.evaluate({}, *scores.evaluate({}, q, k), v)
    (other,) = right.evaluate({}, q, *pairs.evaluate({}, k, v))
    assert np.array_equal(one, other)


def test_floats_are_added_up_in_double_precision_and_rounded_once():
    op = MatMul(a=of("a", FLOAT, 1, 3), b=of("b", SPIKE, 3, 1), result=of("y", FLOAT, 1, 1))
    a = np.array([[[2.0**24, 1, 1]]], np.float32)
    (found,) = op.evaluate({}, a, np.ones((1, 3, 1), np.int64))
    assert found.dtype == np.float32
    assert found.item() == 2**24 + 2


WRONG = {
    "factor has shape (2,), but the result has (3,)": Multiply(
        a=of("a", SPIKE, 2), b=of("b", SPIKE, 3), result=of("y", SPIKE, 3)
    ),
    "product spans 0..9, too wide for u3": Multiply(
        a=of("a", U2, 3), b=of("b", U2, 3), result=of("y", U3, 3)
    ),
    "result is u3, so both factors must be integers": Multiply(
        a=of("a", FLOAT, 3), b=of("b", U2, 3), result=of("y", U3, 3)
    ),
    "factors have shapes (3,) and (3, 2), matrices have two axes or more": MatMul(
        a=of("a", SPIKE, 3), b=of("b", SPIKE, 3, 2), result=of("y", U2, 2)
    ),
    "(2, 3) and (2, 3) do not line up: [.., n, k] times [.., k, m]": MatMul(
        a=of("a", SPIKE, 2, 3), b=of("b", SPIKE, 2, 3), result=of("y", U2, 2, 3)
    ),
    "(2, 3) times (3, 4) gives (2, 4), but the result has (4, 2)": MatMul(
        a=of("a", SPIKE, 2, 3), b=of("b", SPIKE, 3, 4), result=of("y", U2, 4, 2)
    ),
    "matrix product spans -12..9, too wide for i4": MatMul(
        a=of("a", SPIKE, 2, 3), b=of("b", I3, 3, 4), result=of("y", IntType(4, signed=True), 2, 4)
    ),
    f"it takes {1 << 45} products, at most {1 << 40}": MatMul(
        a=of("a", SPIKE, 1 << 15, 1 << 15),
        b=of("b", SPIKE, 1 << 15, 1 << 15),
        result=of("y", IntType(16, signed=False), 1 << 15, 1 << 15),
    ),
}


@pytest.mark.parametrize("problem", WRONG)
def test_a_broken_rule_is_named_with_both_numbers(problem):
    assert list(WRONG[problem].verify({})) == [problem]
