"""How layers are cut to crossbars, with counts that can be checked by hand."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.ir.core import SPIKE, Graph, IntType, State, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.synapses import Linear
from mapper.pipeline import make_passes, run_passes
from passes import InputCode
from passes.shared.chips import rounds_of, smallest_capacity
from targets import Target, load_target
from tests.engines import run_everywhere
from tests.networks import NetworkBuilder, assigned, small_conv_net, spikes


def mapped(graph: Graph, target: Target | str, **options: object) -> Graph:
    loaded = load_target(target) if isinstance(target, str) else target
    passes = make_passes(**options)  # type: ignore[arg-type]  # forwarded by name
    return run_passes(graph, loaded, passes)[0]


def grids(graph: Graph) -> list[CrossbarMvm]:
    return [op for op in graph.ops if isinstance(op, CrossbarMvm)]


def linear_net(inputs: int, outputs: int) -> Graph:
    net = NetworkBuilder()
    return net.graph(net.neuron(net.dense(net.entry(inputs), outputs)))


def test_300_wordlines_on_a_128_row_crossbar_are_128_128_and_44():
    (layer,) = grids(mapped(linear_net(300, 3), "adcless-128"))
    assert [len(rows) for rows in layer.rows] == [128, 128, 44]


def in_turns(name: str, rows: int) -> Target:
    target = load_target(name)
    return replace(target, macros=(replace(target.macros[0], rows_per_read=rows),))


@pytest.mark.parametrize(
    ("rows", "heights", "turns", "down"),
    [
        (None, [64, 36], 1, 2),
        (64, [64, 36], 1, 2),
        (16, [16] * 6 + [4], 4, 2),  # 64 = 4 x 16: four row blocks on the first crossbar
        (24, [24] * 4 + [4], 2, 3),  # 48 of 64 wordlines are used
        (48, [48, 48, 4], 1, 3),
    ],
)
def test_row_blocks_of_the_rows_active_at_once_share_a_crossbar(rows, heights, turns, down):
    """100 wordlines on crossbars of 64."""
    (layer,) = grids(mapped(linear_net(100, 3), in_turns("adcless-64", rows)))
    assert [len(span) for span in layer.rows] == heights
    assert (layer.turns, layer.crossbars_down, layer.crossbars) == (turns, down, down)
    assert len(layer.placement.slots) == down * layer.placement.copies


@pytest.mark.parametrize("name", ["adcless-64", "hpadc-sar5-64", "ternary-diff-64", "ideal-128"])
def test_turns_compute_what_as_many_smaller_crossbars_do(name):
    """16 rows of 64 at once are read as crossbars of 16 rows are; a quarter of them is left."""
    network = small_conv_net()
    inputs = spikes(network, steps=3)
    macro = load_target(name).macros[0]
    small = replace(load_target(name), macros=(replace(macro, wordlines=16),))
    turned, apart = mapped(network, in_turns(name, 16)), mapped(network, small)
    found = run_everywhere(turned, inputs)
    for value, array in evaluate(apart, inputs).items():
        assert (found[value] == array).all()
    turns = macro.wordlines // 16
    for layer, many in zip(grids(turned), grids(apart), strict=True):
        assert layer.rows == many.rows
        assert layer.crossbars_down == -(-many.crossbars_down // turns)


@pytest.mark.parametrize(
    ("target", "widths"),
    [("adcless-64", [16, 16, 8]), ("adcless-diff-64", [10, 10, 10, 10]), ("ideal-128", [16] * 2)],
)
def test_64_bitlines_hold_16_outputs_of_four_slices_or_10_of_three_pairs(target, widths):
    """128 bitlines hold 16 outputs of eight slices as well."""
    outputs = sum(widths)
    (layer,) = grids(mapped(linear_net(9, outputs), target))
    assert [len(columns) for columns in layer.columns] == widths


def test_a_crossbar_serves_one_group_only_where_two_have_no_room():
    net = NetworkBuilder()
    y = net.conv(net.entry(8, 5, 5), 6, groups=2)
    (layer,) = grids(mapped(net.graph(net.neuron(y)), "adcless-64"))
    assert [str(span) for span in layer.columns] == ["0:3", "3:6"]
    assert layer.rows[-1].stop == 4 * 9


DVSNET = {"adcless-32": 372, "adcless-64": 104, "adcless-128": 32}


@pytest.mark.parametrize(("target", "crossbars"), DVSNET.items())
def test_the_reference_gesture_network_takes_as_many_crossbars_as_published(target, crossbars):
    """Conv 2->32, ten convs 32->32, FC 128->11: arXiv 2211.02167, 4-bit weights."""
    net = NetworkBuilder()
    s = net.neuron(net.conv(net.entry(2, 64, 64), 32, padding=(1,) * 4))
    for _ in range(5):
        x = s
        for _ in range(2):
            s = net.neuron(net.conv(s, 32, padding=(1,) * 4))
        s = net.pool(net.merge("iand", s, x))
    graph = net.graph(net.neuron(net.dense(net.flatten(s), 11)))
    assert sum(op.crossbars for op in grids(mapped(graph, target))) == crossbars


def test_copies_follow_the_number_of_positions():
    """8x8 positions against 4x4: four copies, one copy; a linear layer has one position."""
    layers = grids(mapped(small_conv_net(), "adcless-64"))
    assert [op.placement.copies for op in layers] == [4, 1, 1]


def test_layers_lie_side_by_side_and_one_stage_apart():
    layers = grids(mapped(small_conv_net(), "adcless-64"))
    assert [str(op.placement.slots) for op in layers] == ["0:4", "4:5", "5:6"]
    assert [op.placement.stage for op in layers] == [0, 1, 2]


def test_parallel_branches_share_a_stage():
    net = NetworkBuilder()
    x = net.entry(2, 6, 6)
    a, b = (net.neuron(net.conv(x, 3)) for _ in range(2))
    end = net.neuron(net.conv(net.concat(a, b), 2))
    assert [op.placement.stage for op in grids(mapped(net.graph(end), "adcless-64"))] == [0, 0, 1]


def small_chip(crossbars: int, rounds: int) -> Target:
    target = load_target("adcless-64")
    chip = replace(
        target.chip, tiles=crossbars, crossbars_per_tile=1, max_chips=1, max_rounds=rounds
    )
    return replace(target, name="small", chip=chip)


def test_layers_that_do_not_fit_together_are_loaded_in_rounds():
    """Three layers of one crossbar each on a chip of two, in two rounds."""
    layers = grids(mapped(small_conv_net(), small_chip(2, rounds=2)))
    assert [op.placement.round for op in layers] == [0, 0, 1]
    assert [str(op.placement.slots) for op in layers] == ["0:1", "1:2", "0:1"]


def test_a_network_too_large_for_the_chip_is_refused_with_both_numbers():
    with pytest.raises(MappingError) as refused:
        mapped(small_conv_net(), small_chip(2, rounds=1))
    assert str(refused.value) == (
        "error[too-many-crossbars]: network needs 3 crossbars, 'small' has 2 (1 chip of 2); there "
        "is no room for layer 'fc7', of 1\n  --> fc7\n  help: enough would be max_chips = 2 or 3 "
        "crossbars a chip or max_rounds = 2; fewer weight bits need fewer"
    )


def test_a_layer_too_large_for_all_chips_is_named_and_rounds_do_not_help():
    """Eleven crossbars: the layer in the middle needs eight of them at once."""
    net = NetworkBuilder()
    s = net.neuron(net.dense(net.entry(128), 32))
    s = net.neuron(net.dense(s, 128))
    end = net.neuron(net.dense(s, 4))
    with pytest.raises(MappingError) as refused:
        mapped(net.graph(end), small_chip(4, rounds=8))
    assert str(refused.value) == (
        "error[too-many-crossbars]: network needs 14 crossbars, 'small' has 4 (1 chip of 4) in "
        "each of 8 rounds; layer 'fc2' alone needs 8 at once\n  --> fc2\n  help: enough would be "
        "max_chips = 2 or 8 crossbars a chip; fewer weight bits need fewer"
    )


def test_layers_that_feed_each_other_back_are_named_together():
    """One crossbar each, on a chip of one: they share a round."""
    net, before = NetworkBuilder(), Value("before", SPIKE, (5,))
    hidden = net.neuron(net.sum(net.dense(net.entry(6), 7), net.dense(before, 7)))
    end = net.neuron(net.dense(hidden, 5))
    net.states.append(State(read=before, next=end.name))
    with pytest.raises(MappingError) as refused:
        mapped(net.graph(end), small_chip(1, rounds=8))
    assert re.search(
        r"layers 'fc\d' and 'fc\d', which feed each other back, alone need 2 at once",
        str(refused.value),
    )
    assert "max_chips = 2 or 2 crossbars a chip;" in str(refused.value)


@pytest.mark.parametrize(("crossbars", "rounds"), [(1, 1), (1, 2), (2, 1)])
def test_what_is_said_to_be_enough_is_enough_and_one_less_is_not(crossbars, rounds):
    target = small_chip(crossbars, rounds)
    with pytest.raises(MappingError) as refused:
        mapped(small_conv_net(), target)
    told = refused.value.diagnostics[0].help
    ways = {
        "max_chips": re.search(r"max_chips = (\d+)", told),
        "tiles": re.search(r"(\d+) crossbars a chip", told),
        "max_rounds": re.search(r"max_rounds = (\d+)", told),
    }
    for key, found in ways.items():
        assert found, told
        mapped(small_conv_net(), changed(target, key, int(found[1])))
        with pytest.raises(MappingError, match="too-many-crossbars"):
            mapped(small_conv_net(), changed(target, key, int(found[1]) - 1))


def changed(target: Target, key: str, count: int) -> Target:
    return replace(target, chip=replace(target.chip, **{key: count}))


@given(needed=st.lists(st.integers(1, 12), min_size=1, max_size=7), rounds=st.integers(1, 4))
def test_the_smallest_capacity_is_the_smallest(needed, rounds):
    """Found by trying every capacity from one crossbar on."""

    def fits(capacity: int) -> bool:
        return max(needed) <= capacity and rounds_of(needed, capacity)[-1] < rounds

    found = smallest_capacity(needed, rounds)
    assert fits(found)
    assert not any(map(fits, range(1, found)))


def test_a_weight_wider_than_a_crossbar_is_refused_with_both_numbers():
    target = load_target("adcless-64")
    narrow = replace(target, macros=(replace(target.macros[0], bitlines=7),))
    with pytest.raises(MappingError, match=r"error\[weight-too-wide\]: a 8-bit weight takes 8 bit"):
        mapped(assigned(small_conv_net(), 8), narrow)


def counts(bits: int) -> dict[str, InputCode]:
    return {"x0": InputCode(type=IntType(bits, signed=False))}


def test_multi_bit_inputs_go_to_the_adc_macro_of_a_mixed_chip():
    layers = grids(mapped(small_conv_net(), "mixed-64", codes=counts(4)))
    readouts = [op.placement.macro for op in layers]
    assert readouts[0] != readouts[1] == readouts[2]
    assert layers[0].planes == 4


def test_inputs_too_wide_for_every_macro_stay_on_the_digital_unit():
    net = NetworkBuilder()
    s = net.neuron(net.dense(net.entry(5), 4))
    graph = mapped(net.graph(net.neuron(net.dense(s, 3))), "mixed-64", codes=counts(12))
    assert [op.result.name for op in graph.ops if isinstance(op, Linear)] == ["fc0.sum"]
    assert len(grids(graph)) == 1
