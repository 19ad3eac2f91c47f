"""Other columns a readout and other copies are counted again, and agree with a compile of them."""

from dataclasses import replace

import pytest

from mapper.compare.designs import (
    Copies,
    _paces,
    all_copies,
    columns_of,
    copies_of,
    most_columns,
    with_columns,
    with_copies,
)
from mapper.cost import Counts, count_actions, price
from mapper.ir.core import Graph
from mapper.pipeline import make_passes, run_passes
from passes.ran import PassOptions
from targets import Target, load_preset, load_target
from tests.networks import small_conv_net

TARGETS = ("adcless-64", "hpadc-sar5-64", "adcless-diff-64", "mixed-64", "ideal-128")
PRESETS = ("paper", "physical", "as-built")


def compiled(graph: Graph, target: Target, options: PassOptions | None = None) -> Counts:
    hardware, _ = run_passes(graph, target, make_passes(options=options or {}))
    return count_actions(hardware, target)


def in_chips(target: Target, **sizes: int) -> Target:
    return replace(target, chip=replace(target.chip, **sizes))


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_counted_again_is_what_a_compile_with_these_settings_counts(name):
    graph, target = small_conv_net(), load_target(name)
    counts = compiled(graph, target)
    for columns, positions in ((1, 64), (8, 16), (32, 5), (2, 1)):
        copies = next(c for c in all_copies(counts) if c.positions <= positions)
        again = with_copies(with_columns(counts, columns), copies)
        options = {"replicate": {"positions": copies.positions, "max-copies": copies.most}}
        real = compiled(graph, again.target, options)
        assert again.graph == real.graph
        assert again.layers == real.layers
        for preset in map(load_preset, PRESETS):
            assert price(again, 0.2, 4, preset) == price(real, 0.2, 4, preset)


def test_columns_are_those_of_readouts_that_are_in_use():
    graph = small_conv_net()
    assert columns_of(compiled(graph, load_target("hpadc-sar5-64"))) == (8,)
    assert columns_of(compiled(graph, load_target("ideal-128"))) == ()
    mixed = compiled(graph, load_target("mixed-64"))
    used = {layer.macro for layer in mixed.layers}
    kinds = {m.name: m.readout.columns_per_readout for m in mixed.target.macros}
    assert columns_of(mixed) == tuple(sorted({kinds[name] for name in used}))
    # 64 bitlines are 32 pairs, and a pair has one readout.
    assert most_columns(compiled(graph, load_target("adcless-diff-64"))) == 32
    assert most_columns(mixed) == 64


def test_ideal_readouts_keep_their_columns():
    counts = compiled(small_conv_net(), load_target("ideal-128"))
    assert with_columns(counts, 8).target == counts.target


def test_copies_go_from_one_to_one_a_position():
    counts = compiled(small_conv_net(), load_target("adcless-64"))  # 64 positions, 16, and 1
    ways = list(all_copies(counts))
    assert [(way.positions, way.most) for way in ways[:3]] == [(64, 1), (32, 2), (22, 3)]
    assert ways[-1] == Copies(positions=1, most=64)
    by_layer = [layer.grid.copies for layer in with_copies(counts, ways[-1]).layers]
    assert by_layer == [64, 16, 1]
    assert copies_of(with_copies(counts, ways[1])) == 2


def test_every_number_of_positions_that_copies_leave_is_tried_once():
    for positions in (1, 2, 10, 64, 97):
        shared = {-(-positions // copies) for copies in range(1, positions + 1)}
        assert list(_paces(positions)) == sorted(shared, reverse=True)


def test_copies_stop_where_the_chip_is_full():
    graph, roomy = small_conv_net(), load_target("adcless-64")
    one_each = next(all_copies(compiled(graph, roomy)))
    crossbars = sum(
        layer.grid.row_blocks * layer.grid.column_blocks
        for layer in with_copies(compiled(graph, roomy), one_each).layers
    )
    tight = in_chips(roomy, tiles=crossbars + 1, crossbars_per_tile=1, max_chips=1)
    ways = list(all_copies(compiled(graph, tight)))
    assert [way.most for way in ways] == [1, 2]  # of the first layer, which is one crossbar
