"""Fold layers of weights in a row, or side by side, into one where that costs less."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mapper.ir.core import Array, Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.network import Add
from passes.base import Pass
from passes.folding.convolved import Convolved, added
from passes.folding.one_layer import one_layer
from passes.folding.ways import Beside, Ways, When
from passes.shared.rewrite import pruned
from targets import Target


@dataclass(frozen=True, kw_only=True)
class FoldLayers(Pass):
    """Fold layers of trained weights in a row, or side by side on one input, into one convolution.

    A row is what a 1x1 convolution, batch norm, a border of its value of zero, a depthwise
    convolution and another 1x1 make (RepConv); side by side are branches that are added up. They
    are folded ``when`` one layer has fewer products of a weight and a bit of what it reads. With
    branches goes one without weights (identity) of which no number exceeds the greatest weight of
    its channel. Layers that are decided for by name stay. Each fold is computed beside the layers
    on random numbers, at the borders of the map, too, and left where they differ.

    Inexact by rounding: products are rounded to single precision once more.
    """

    name: ClassVar[str] = "fold-layers"
    exact: ClassVar[bool] = False

    when: When = "cheaper"

    def run(self, graph: Graph, target: Target) -> Graph:
        if self.when == "never" or any(isinstance(op, CrossbarMvm) for op in graph.ops):
            return graph
        ways = Ways(graph, target, self.when)
        gone: set[str] = set()
        ops: list[Op] = []
        constants = dict(graph.constants)
        for op in reversed(graph.ops):
            if op.results[0].name in gone:
                continue
            made = _folded(op, ways)
            ops.extend(reversed(made.ops))
            gone |= made.gone
            constants |= made.constants
        return pruned(replace(graph, ops=tuple(reversed(ops)), constants=constants))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What stands in place of an op."""

    ops: tuple[Op, ...]
    constants: Mapping[str, Array]
    gone: frozenset[str] = frozenset()
    """Results of other ops that nothing reads any more."""


def _folded(op: Op, ways: Ways) -> _Made:
    way = ways.found.get(op.results[0].name)
    if isinstance(op, Add):
        made = _Made(ops=(op,), constants={})
        for beside in ways.beside.get(op.result.name, ()):
            made = _with_one(made, beside, ways)
        return made
    if way is not None and way.folded:
        inner = ways.between(way.convolved.source, op.results[0])
        found = one_layer(inner, way.convolved, op.results[0], op.loc, ways.given.constants)
        if found is not None:
            gone = frozenset(other.results[0].name for other in inner if other is not op)
            return _Made(ops=found[0], constants=found[1], gone=gone)
    return _Made(ops=(op,), constants={})


def _with_one(made: _Made, beside: Beside, ways: Ways) -> _Made:
    """Put one layer in place of some terms of a sum, which is the last op of what is made."""
    total = made.ops[-1]
    assert isinstance(total, Add)
    terms, convolved = list(beside.terms), beside.convolved
    if (whole := _with_plain(beside)) is not None:
        terms, convolved = terms + [term for term, _ in beside.plain], whole
    names = {term.name for term in terms}
    left = tuple(term for term in total.terms if term.name not in names)
    result = total.result
    if left:
        result = replace(result, name=f"{result.name}.folded{len(made.ops)}")
    own = Add(terms=tuple(terms), result=result)
    inner = ways.between(convolved.source, *terms)
    found = one_layer([*inner, own], convolved, result, beside.loc, ways.given.constants)
    if found is None:
        return made
    rest = (replace(total, terms=(result, *left)),) if left else ()
    return _Made(
        ops=(*made.ops[:-1], *found[0], *rest),
        constants={**made.constants, **found[1]},
        gone=made.gone | {op.results[0].name for op in inner},
    )


def _with_plain(beside: Beside) -> Convolved | None:
    """Return the sum with terms without weights, where these are as small as weights."""
    plain = added([convolved for _, convolved in beside.plain]) if beside.plain else None
    whole = plain and added([beside.convolved, plain])
    if plain is None or whole is None:
        return None
    each, most = (
        np.abs(convolved.weights()).reshape(convolved.shape[0], -1).max(axis=1)
        for convolved in (plain, beside.convolved)
    )
    return whole if (each <= most).all() else None
