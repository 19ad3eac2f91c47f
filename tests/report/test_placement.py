"""Figures of utilisation and of the floorplan: the numbers that they draw."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.ir.crossbar import CrossbarMvm
from mapper.report.charts.base import COLUMN
from mapper.report.charts.floorplan import tiling_of
from mapper.report.charts.name_places import Tiling, name_place
from mapper.report.charts.placement import floorplan_charts, utilisation_chart
from tests.campaigns import examples
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
    """The first layer has two rows of four in the first tile, and leaves the rest to others."""
    (chart,) = floorplan_charts(held, COLUMN)
    first = chart.spec["layer"][2]["data"]["values"][0]
    assert (first["middle"], first["line"], first["wide"]) == (2.0, 1.0, 4.0)


@pytest.mark.parametrize(
    ("first", "last", "middle", "line", "length"),
    [
        (4, 9, 2.0, 1.5, 4.0),  # the second row of the first tile; the third has two of six
        (14, 35, 8.9, 0.5, 8.6),  # first rows of tiles 1 and 2; tile 0 has two, in its last row
        (20, 47, 8.9, 2.5, 8.6),  # tiles 1 and 2, but for the first row, which tile 1 lacks
        (0, 31, 4.3, 2.0, 8.6),  # two whole tiles
        (3, 27, 4.3, 2.0, 8.6),  # rows 1 and 2; tile 0 lacks three of row 0, tile 1 all of row 3
        (60, 70, 15.8, 3.5, 4.0),  # the last row of the last tile beside the others
    ],
)
def test_a_name_stands_on_crossbars_that_are_all_of_its_own_layer(
    first, last, middle, line, length
):
    """Four tiles of 4 by 4 crossbars beside each other, and the gap between tiles is 0.6."""
    tiling = Tiling(tiles=16, across=4, per_tile=16, inner=4)
    at = name_place(first, last, tiling)
    assert (at.chip, at.line) == (0, line)
    assert (at.middle, at.length) == (pytest.approx(middle), pytest.approx(length))


@given(first=st.integers(0, 400), count=st.integers(1, 300), data=st.data())
@settings(max_examples=examples(60), deadline=None)
def test_no_crossbar_of_another_layer_lies_on_the_line_of_a_name(first, count, data):
    per_tile, tiles = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    tiling = tiling_of(tiles, per_tile)
    at = name_place(first, first + count - 1, tiling)
    own, others = [], []
    for slot in range(at.chip * tiles * per_tile, (at.chip + 1) * tiles * per_tile):
        x, y = tiling.tile(slot // per_tile % tiles)
        place = slot % per_tile
        left, top = x + place % tiling.inner, y + place // tiling.inner
        beside = abs(left + 0.5 - at.middle) >= (at.length + 1) / 2 - 1e-9
        if not beside and top <= at.line <= top + 1:
            (own if first <= slot < first + count else others).append(slot)
    assert own
    assert others == []
