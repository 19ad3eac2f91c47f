"""Figures of utilisation and of the floorplan: the numbers that they draw."""

from dataclasses import replace

import pytest

from mapper.ir.crossbar import CrossbarMvm
from mapper.report.charts.base import COLUMN
from mapper.report.charts.placement import floorplan_charts, utilisation_chart
from tests.report.pages import demo_build


@pytest.fixture(scope="module")
def held():
    return demo_build().report()


def test_utilisation_is_that_of_the_table_of_layers(held):
    chart = utilisation_chart(held)
    assert chart.spec["layer"][0]["encoding"]["x"]["scale"] == {"domain": [0, 100]}
    values = chart.spec["data"]["values"]
    assert [(row["group"], row["nominal"]) for row in values[:2]] == [
        ("rows (wordlines)", 100 * held.layers[0].rows_used),
        ("columns (bitlines)", 100 * held.layers[0].columns_used),
    ]
    for row in held.layers:
        assert row.utilisation == pytest.approx(row.rows_used * row.columns_used)


def test_a_mapping_without_crossbars_has_no_figure_of_them(held):
    assert utilisation_chart(replace(held, layers=())) is None


def test_the_floorplan_has_a_square_for_every_crossbar_and_a_name_where_it_fits(held):
    (chart,) = floorplan_charts(held, COLUMN)  # nothing recorded: no activity
    frames, cells, edges, halo, names = (layer["data"]["values"] for layer in chart.spec["layer"])
    ops = [op for op in held.graph.ops if isinstance(op, CrossbarMvm)]
    assert len(cells) == sum(len(op.placement.slots) for op in ops) == held.crossbars
    assert len({(cell["x"], cell["y"]) for cell in cells}) == len(cells)
    assert frames == []  # tiles after the last one in use are left out
    assert len(edges) == len(held.layers)
    assert halo == names
    used = [row.utilisation * row.crossbars for row in held.layers]
    assert sum(cell["value"] for cell in cells) == pytest.approx(sum(used), abs=1e-4 * len(cells))


def test_small_crossbars_are_drawn_as_tiles_of_their_mean(held):
    (chart,) = floorplan_charts(held, 20)
    _, cells, *_ = (layer["data"]["values"] for layer in chart.spec["layer"])
    assert "tile (mean of its crossbars)" in chart.description
    per_tile = held.target.chip.crossbars_per_tile
    assert len(cells) == -(-held.crossbars // per_tile)


def test_a_name_stands_on_its_own_crossbars_where_layers_share_a_tile(held):
    """The first layer has one row of four in the first tile, and leaves the rest to others."""
    (chart,) = floorplan_charts(held, COLUMN)
    first = chart.spec["layer"][2]["data"]["values"][0]
    assert (first["middle"], first["line"], first["wide"]) == (2.0, 0.5, 4.0)
