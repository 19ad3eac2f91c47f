"""Tables by the kind of cell, or by law, have an entry for every kind: none has a default."""

from typing import get_args

import pytest

from mapper.cost.description import CELL_GATES, CELLS, CONVERTERS
from mapper.cost.description_to_library import CELL_FACTS, WORDLINE_NS
from mapper.cost.laws import CONVERTER_LAWS
from mapper.cost.macro import CELL_ENERGY
from mapper.cost.tested import TESTED_CELLS
from targets.cells import NEEDED, CellKind
from targets.library import ConverterLawName

KINDS = set(get_args(CellKind))


@pytest.mark.parametrize(
    "table", [CELL_ENERGY, CELL_FACTS, CELL_GATES, NEEDED, TESTED_CELLS, WORDLINE_NS]
)
def test_a_table_of_cells_has_every_kind(table):
    assert set(table) == KINDS


def test_every_law_of_converters_has_its_formula():
    assert set(CONVERTER_LAWS) == set(get_args(ConverterLawName))


def test_cells_of_descriptions_are_of_every_kind():
    assert set(CELLS.values()) == KINDS


def test_converters_of_descriptions_have_laws():
    assert {law for _, law in CONVERTERS.values()} <= set(CONVERTER_LAWS)
