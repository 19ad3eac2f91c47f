"""What an op reads, writes and refers to is found by the kinds of its fields: all of it."""

from dataclasses import fields

import pytest

from mapper.ir.core import Const, Part, Value
from tests.every_op import graphs_of_every_op

OPS = [op for graph in graphs_of_every_op().values() for op in graph.ops]


def constants_in(items):
    for item in items:
        if isinstance(item, Const):
            yield item
        elif isinstance(item, tuple):
            yield from constants_in(item)
        elif isinstance(item, Part):
            yield from constants_in(getattr(item, spec.name) for spec in fields(item))


@pytest.mark.parametrize("kind", sorted({type(op) for op in OPS}, key=lambda kind: kind.mnemonic))
def test_nothing_that_an_op_holds_is_overlooked(kind):
    for op in (op for op in OPS if type(op) is kind):
        held = {True: [], False: []}
        for spec in fields(op):
            items = getattr(op, spec.name)
            items = items if isinstance(items, tuple) else (items,)
            held[spec.name in op.RESULTS] += [item for item in items if isinstance(item, Value)]
        assert list(op.results) == held[True]
        assert list(op.operands) == held[False]
        assert list(op.constants) == [*constants_in(getattr(op, spec.name) for spec in fields(op))]
