"""Writing weights, rounds that load them again, and links between chips: every figure by hand."""

import json
import runpy
import sys
from dataclasses import replace

import numpy as np
import pytest

import mapper
from mapper.cost import Cost, Range, count_actions, estimate, generate_cost
from mapper.cost.actions import activity_of_density
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.points import totals
from mapper.ir.core import SPIKE, Graph, Span, State, Value
from mapper.ir.crossbar import Placement
from targets import Target
from tests.cost.networks import (
    OFFSET_4,
    crossbar,
    layer,
    network,
    small_target,
    two_by_two_grid,
)
from tests.files import DEMO_MODEL

SQUARE = np.array([[1, -2], [3, 0]])
CELLS = 2 * 2 * 4
"""Of each layer: two rows, two outputs, four cells a weight."""
PJ, WORDLINE_NS, ENDURANCE = 33.33, 50, 1e6


def in_rounds(*rounds: int, back: bool = False) -> Graph:
    """Make a chain of layers of two inputs and outputs, one crossbar each, in these rounds.

    Where ``back``, the last layer takes the spikes that the one before computed a step earlier.
    """
    x = Value("x", SPIKE, (2,))
    value, ops, weights = x, [], {}
    for index, which in enumerate(rounds):
        name = f"l{index}"
        if back and index == len(rounds) - 1:
            value = Value("back", SPIKE, (2,))
        place = Placement(macro="sense-amp-8", slots=Span(index, index + 1), round=which)
        held = [Span(0, 2)]
        made, _ = layer(
            crossbar(value, SQUARE, OFFSET_4, held, held, placement=place, name=name), name=name
        )
        ops += made
        weights[f"{name}.weight"] = SQUARE
        value = made[-1].spike
    if not back:
        return network(ops, weights, x)
    earlier = State(read=Value("back", SPIKE, (2,)), next=f"l{len(rounds) - 2}.spike")
    states = tuple(
        State(read=op.membrane, next=op.membrane_next.name)
        for op in ops
        if hasattr(op, "membrane_next")
    )
    whole = network(ops[: len(ops) // len(rounds)], {"l0.weight": SQUARE}, x)
    return replace(
        whole,
        ops=tuple(ops),
        states=(*states, earlier),
        outputs=(value,),
        constants={**whole.constants, **weights},
    )


def cost_of_rounds(*rounds: int, back: bool = False, steps: int = 5) -> Cost:
    return estimate(in_rounds(*rounds, back=back), small_target(), 0.5, steps)


def test_weights_of_one_round_are_written_once_and_stay():
    cost = cost_of_rounds(0, 0)
    found = cost.programming
    assert found is not None
    assert (found.cells, found.rounds, found.loads) == (2 * CELLS, 1, 0)
    assert found.energy_pj.nominal == 2 * CELLS * PJ
    # Two crossbars of one tile, one after the other, two wordlines each.
    assert found.time_ns.nominal == 2 * 2 * WORDLINE_NS
    assert found.endurance == Range(1e5, 1e6, 1e12)
    assert found.inferences is None
    assert "weight_loading" not in cost.energy_pj
    assert found.told == "weights stay as they are written"


def test_each_round_is_loaded_once_an_inference_where_nothing_is_fed_back():
    one, cost = cost_of_rounds(0, 0), cost_of_rounds(0, 1)
    found = cost.programming
    assert found is not None
    assert (found.cells, found.rounds, found.loads) == (2 * CELLS, 2, 1)
    assert cost.energy_pj["weight_loading"].nominal == 2 * CELLS * PJ
    loading = 2 * (1 * 2 * WORDLINE_NS)  # rounds follow each other, a crossbar each
    assert found.time_ns.nominal == loading
    sequential = 5 * cost.latency_ns["step_sequential"].nominal
    assert cost.latency_ns["inference_interval"].nominal == sequential + loading
    assert cost.latency_ns["inference_sequential"].nominal == sequential + loading
    assert one.latency_ns["inference_sequential"].nominal == sequential
    assert found.inferences == Range(1e5 / 2, 1e6 / 2, 1e12 / 2)  # both rounds use one crossbar
    assert found.told == "each of 2 rounds is loaded once an inference"


def test_all_steps_of_an_input_of_an_earlier_round_wait_in_memory():
    first, second = count_actions(in_rounds(0, 1), small_target()).layers
    assert (first.later, second.later) == (False, True)
    short, long = cost_of_rounds(0, 1, steps=2), cost_of_rounds(0, 1, steps=7)
    held = [cost.layers[1].area_um2["memory"].nominal for cost in (short, long)]
    assert held[1] - held[0] == pytest.approx(5 * 2 * 0.739)  # two bits of five further steps


def test_rounds_that_feed_earlier_ones_back_are_loaded_in_every_step():
    layers = count_actions(in_rounds(0, 1, 0, back=True), small_target()).layers
    assert [one.fed_back for one in layers] == [False, False, True]
    assert [one.later for one in layers] == [False, False, False]
    cost = cost_of_rounds(0, 1, 0, back=True)
    found = cost.programming
    assert found is not None
    assert (found.rounds, found.loads) == (2, 5)
    assert cost.energy_pj["weight_loading"].nominal == pytest.approx(5 * 3 * CELLS * PJ)
    loading = 5 * (2 * 2 + 1 * 2) * WORDLINE_NS
    sequential = 5 * cost.latency_ns["step_sequential"].nominal
    assert cost.latency_ns["inference_interval"].nominal == pytest.approx(sequential + loading)
    assert found.inferences is not None
    assert found.inferences.nominal == ENDURANCE / (2 * 5)
    assert "in every time step: later rounds feed earlier ones back" in str(cost)


def without(*parts: str) -> Target:
    target = small_target()
    return replace(target, components=replace(target.components, **dict.fromkeys(parts)))


def test_a_library_that_does_not_know_of_writing_says_that_loads_are_not_charged():
    graph = in_rounds(0, 1)
    cost = estimate(graph, without("write"), 0.5, 5)
    assert cost.programming is None
    assert "weight_loading" not in cost.energy_pj
    assert any("no [write]" in text for text in cost.warnings)
    assert not any("no [write]" in text for text in estimate(graph, small_target(), 0.5).warnings)


# --- links ---------------------------------------------------------------------------------------

# Chips of 8 crossbars. The grid takes the last of chip 0 and the first three of chip 1: the partial
# sums of the first two outputs go from slot 7 to slot 8; those of the third stay. Codes 0..1 at 1
# and 2 of two row blocks are 0..6: 3 bits.
ACROSS = two_by_two_grid(Placement(macro="sense-amp-8", slots=Span(7, 11)))
LINK_BITS = 5 + 2 * 3  # and five input bits come from chip 0


def test_bits_between_chips_are_counted_from_the_placement():
    (only,) = count_actions(ACROSS, small_target()).layers
    assert only.links == (LINK_BITS,)
    inside = two_by_two_grid(Placement(macro="sense-amp-8", slots=Span(0, 4)))
    assert count_actions(inside, small_target()).layers[0].links == ()
    far = two_by_two_grid(Placement(macro="sense-amp-8", slots=Span(16, 20)))
    assert count_actions(far, small_target()).layers[0].links == (5, 5)  # inputs pass chip 1


def test_a_link_costs_energy_for_each_bit_and_time_for_each_word():
    cost = estimate(ACROSS, small_target(), 0.5, 3)
    assert cost.link_bits == (LINK_BITS,)
    assert cost.as_dict()["chips"]["link_bits"] == [LINK_BITS]
    assert cost.energy_pj["chip_link"].nominal == pytest.approx(3 * LINK_BITS * 2.25)
    # One word of 256 bits, 5 ns in whole cycles of 2 ns.
    assert cost.layers[0].stages_ns["chip_link"].nominal == 6.0


def test_layers_share_a_link():
    library = small_target().components
    assert library.chip_link is not None
    narrow = replace(library.chip_link, word_bits=1)
    target = replace(small_target(), components=replace(library, chip_link=narrow))
    counts = count_actions(ACROSS, target)
    chip = chip_of(target, layers=counts.layers)
    facts = corners_of(target)[1]
    twice = counts.layers * 2
    activity = activity_of_density(twice, 0.5, 1)
    assert totals(twice, chip, facts, activity)["interval_ns"] == 2 * LINK_BITS * 6.0


def test_a_library_without_links_says_that_they_are_charged_as_hops():
    cost = estimate(ACROSS, without("chip_link"), 0.5)
    assert "chip_link" not in cost.energy_pj
    assert any("charged as hops on a chip" in text for text in cost.warnings)


@pytest.mark.parametrize("graph", [in_rounds(0, 1), ACROSS], ids=["rounds", "links"])
def test_the_generated_file_and_points_have_the_same_numbers(graph, tmp_path, monkeypatch, capsys):
    target = small_target()
    cost = estimate(graph, target, 0.25, 3)
    counts = count_actions(graph, target)
    path = tmp_path / "cost.py"
    path.write_text(generate_cost(counts, steps=3))
    monkeypatch.setattr(sys, "argv", ["cost.py", "0.25", "--preset", "as-built", "--json"])
    runpy.run_path(str(path), run_name="__main__")
    assert json.loads(capsys.readouterr().out) == cost.as_dict()
    activity = activity_of_density(counts.layers, 0.25, 3)
    facts = corners_of(target)[1]
    found = totals(counts.layers, chip_of(target, layers=counts.layers), facts, activity)
    assert found["energy_pj"] == cost.total_pj.nominal


def test_every_cost_says_what_writing_takes():
    build = mapper.compile(DEMO_MODEL, "adcless-64")
    cost = build.cost()
    (told,) = (fact for fact in cost.headline.facts if fact.name == "Writing all weights")
    assert "weights stay as they are written; a cell survives 1,000,000 writes" in told.told
    assert cost.as_dict()["programming"]["loads_per_inference"] == 0
