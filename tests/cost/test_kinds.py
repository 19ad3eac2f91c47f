"""Tables by the kind of cell, or by law, have an entry for every kind: none has a default."""

from typing import get_args

import pytest

from mapper.cost.description import CELLS, Description
from mapper.cost.description_to_library import CELL_FACTS
from mapper.cost.laws import CONVERTER_LAWS
from mapper.cost.macro import CELL_ENERGY
from mapper.cost.tested import TESTED_CELLS
from targets.cells import NEEDED, CellKind
from targets.library import ConverterLawName

KINDS = set(get_args(CellKind))


@pytest.mark.parametrize("table", [CELL_ENERGY, CELL_FACTS, NEEDED, TESTED_CELLS])
def test_a_table_of_cells_has_every_kind(table):
    assert set(table) == KINDS


def test_every_law_of_converters_has_its_formula():
    assert set(CONVERTER_LAWS) == set(get_args(ConverterLawName))


def test_cells_of_descriptions_are_of_every_kind():
    facts = {"name": "x", "node_nm": 28.0, "wordlines": 64, "bitlines": 64, "readout": "ideal"}
    assert {Description(cell=cell, **facts).kind for cell in CELLS} == KINDS
