"""Big layers are drawn a portion at a time, and are then what they are whole."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.ir.core import IntType, Span, Value
from mapper.ir.crossbar import Placement
from mapper.ir.encoding import Encoding
from passes.dies.portions import portions, whole_cells
from passes.dies.sites import sites_of
from targets import load_target
from tests.drawn_dies import device
from tests.passes.die_layers import ONE_BIT, PAIR, SPIKES, SUM, drawing, layer, reading

MACRO = load_target("adcless-64").macros[0]


def big(encoding: Encoding, **fields):
    """Three copies of three column blocks of 4, 4 and 2 outputs, two row blocks of 3 wordlines."""
    given = {
        "x": Value("x", SPIKES, (6,)),
        "rows": (Span(0, 3), Span(3, 6)),
        "columns": (Span(0, 4), Span(4, 8), Span(8, 10)),
        "placement": Placement(macro="m", copies=3, slots=Span(5, 23)),
        "partial_sum": Value("p", SUM, (1, 2, len(encoding.significances), 10)),
    }
    return replace(layer(encoding, rows=6, outputs=10), **(given | fields))


def spans(op, most):
    return [(str(p.copies), str(p.blocks)) for p in portions(op, most)]


def test_copies_are_cut_first_and_column_blocks_where_one_copy_is_too_large():
    op = big(ONE_BIT)  # 60 digits a copy, 24 a column block
    assert spans(op, 180) == [("0:3", "0:3")]
    assert spans(op, 179) == [("0:2", "0:3"), ("2:3", "0:3")]
    assert spans(op, 59) == [(f"{c}:{c + 1}", b) for c in range(3) for b in ("0:2", "2:3")]
    assert spans(op, 1)[:3] == [("0:1", "0:1"), ("0:1", "1:2"), ("0:1", "2:3")]


def test_groups_stay_together():
    op = big(ONE_BIT, groups=2, columns=(Span(0, 5), Span(5, 10)))
    assert spans(op, 1) == [("0:1", "0:2"), ("1:2", "0:2"), ("2:3", "0:2")]


@pytest.mark.parametrize("encoding", [ONE_BIT, PAIR], ids=["replicas", "pairs"])
@pytest.mark.parametrize("wires", [0.0, 1e-2])
@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("most", [1, 59, 130])
def test_a_layer_in_portions_is_the_layer(encoding, wires, turns, most):
    op = big(encoding, turns=turns)
    made = device(cell__sigma=0.1, cell__stuck_on=0.1, wire__share=wires).on(MACRO)
    facts = replace(made, readout=replace(made.readout, replica="cells"))
    active = Value("n", IntType(3, signed=False), (1, 2, 1))
    read = reading(op, active=None if encoding.pairs else active)
    whole = drawing(op, facts, read, activity=np.full((1, 6), 0.3))
    weight = np.random.default_rng(0).choice([-1, 1], (6, 10))
    cells, constant = whole.whole(weight, 8)
    found, moved = whole_cells(whole, weight, 8, most)
    assert np.array_equal(found, cells)
    assert np.array_equal(moved, constant)
    assert (constant != 0).any() == bool(wires)


@pytest.mark.parametrize("most", [1, 59, 130])
def test_so_it_is_where_wordlines_do_not_lie_in_order(most):
    op = big(PAIR)
    order = np.random.default_rng(1).permuted(np.tile(np.arange(3), (3, 3, 2, 1)), axis=3)
    made = device(cell__sigma=0.1, cell__stuck_on=0.1).on(MACRO)
    whole = drawing(op, made)
    whole = replace(whole, sites=sites_of(op, lines=order.reshape(3, 3, 6)))
    weight = np.random.default_rng(0).choice([-1, 1], (6, 10))
    assert np.array_equal(whole_cells(whole, weight, 8, most)[0], whole.whole(weight, 8)[0])
