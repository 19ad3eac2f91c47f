"""The three questions of a newcomer: answered from the estimate, and from nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.cost import DENSITY, count_actions, count_layers, estimate
from mapper.cost.timing import paced_stages
from mapper.ir.readout import SenseAmpRead
from mapper.pipeline import make_passes, run_passes
from mapper.report import Evidence
from mapper.report.answers import answers
from mapper.report.data import report_of
from mapper.report.numbers import nominal, percent
from mapper.report.page.frame import shown
from mapper.report.ternary import BINARY, TERNARY, counterpart_cost, with_levels, with_readout
from mapper.report.waiting import waits
from mapper.verify import Verification
from targets import DEFAULT_PRESET, load_preset, load_target
from tests.report.pages import demo_build, dvsnet_graph


@pytest.fixture(scope="module")
def build():
    return demo_build()


def test_the_dominating_layer_is_named_with_its_share_and_its_components(build):
    held = build.report()
    energy = answers(held)[0]
    most, second, *_ = sorted(held.cost.layers, key=lambda layer: -layer.total_pj.nominal)
    total = held.cost.total_pj.nominal
    share = percent(most.total_pj.nominal / total)
    assert energy.text.startswith(f"/conv1/Conv: {share} of the energy of an inference, ")
    next_share = percent(second.total_pj.nominal / total)
    assert energy.text.endswith(f"The next one, /conv2/Conv, takes {next_share}.")
    memory = percent(most.energy_pj["membrane_memory"].nominal / most.total_pj.nominal)
    assert energy.reasons[0].startswith(f"{memory} of that goes to membrane memory: ")
    # 4,096 membranes of 16 bits, read and written
    assert "131,072 bits of membranes are read and written" in energy.reasons[0]


def test_reads_are_the_product_of_positions_and_blocks():
    target = load_target("hpadc-flash5-64")
    graph, _ = run_passes(dvsnet_graph(32), target, make_passes())
    held = report_of(
        count_actions(graph, target),
        weight_bits=4,
        passes=(),
        source={},
        evidence=Evidence(activity=0.5),
        preset="paper",
    )
    told = " ".join(answers(held)[0].reasons)
    # 32 x 32 positions; 288 wordlines in blocks of 64; 32 outputs of 4 columns in blocks of 64.
    assert "1,024 output positions x 5 row blocks x 2 column blocks = 10,240 crossbar reads" in told


def test_latency_names_the_stage_and_what_limits_after_it(build):
    held = build.report()
    latency = answers(held)[1]
    times = [layer.step_ns.nominal for layer in held.cost.layers]
    # 64 positions of 4 copies, a word each, 2 ns a word, one after the other; 64 updates of 5 ns.
    assert latency.text.startswith("/conv1/Conv: 512 ns")
    assert held.cost.limited_by[1] == "load"
    assert "Its longest stage is load, because it loads" in latency.text
    assert "the port of a tile's buffer, which 4 copies share" in latency.text
    assert "membrane, 320 ns: a faster load gains at most 1.6x" in latency.reasons[0]
    assert f"/conv2/Conv, takes {nominal(times[1], 'ns')}: at most 1.6x" in latency.reasons[1]


def test_one_output_position_waits_for_no_other(build):
    layers = count_layers(build.hardware, build.target)
    told = [waits("membrane", layer, build.target) for layer in layers]
    assert told == [
        "it updates the membranes of 64 output positions in each of its 4 copies, one after the "
        "other",
        "it updates the membranes of 64 output positions one after the other",
        "it updates the membranes of its one output position",
    ]


def test_stages_that_follow_each_other_leave_the_others_to_wait_for(build):
    held = build.report(preset="paper")
    assert not held.preset.overlap
    latency = answers(held)[1]
    slowest = max(held.cost.layers, key=lambda layer: layer.step_ns.nominal)
    longest = max(ns.nominal for ns in slowest.stages_ns.values())
    rest = slowest.step_ns.nominal - longest
    gain = slowest.step_ns.nominal / rest
    assert f"the others take {nominal(rest, 'ns')}" in latency.reasons[0]
    assert f"gains at most {gain:.2g}x" in latency.reasons[0]


def test_an_adder_tree_holds_up_no_more_than_one_of_its_additions():
    target = load_target("adcless-64")
    graph, _ = run_passes(dvsnet_graph(32), target, make_passes())
    held = report_of(count_actions(graph, target), weight_bits=4, passes=(), source={})
    cycle = held.cost.latency_ns["cycle"].nominal
    limits = []
    for cost, counted in zip(held.cost.layers, count_layers(graph, target), strict=True):
        stages = {name: ns.nominal for name, ns in cost.stages_ns.items()}
        paced = paced_stages(counted, stages, cycle)
        assert paced["accumulate"] <= stages["accumulate"]
        assert max(paced.values()) == pytest.approx(cost.step_ns.nominal)
        limits.append((cost.step_ns.nominal, cost.name, max(paced, key=lambda name: paced[name])))
    longest = max(ns for ns, *_ in limits)
    first = next(names for ns, *names in limits if ns == longest)
    assert held.cost.limited_by == tuple(first)


def test_columns_that_share_an_adc_are_said_to_wait():
    latency = answers(demo_build("hpadc-flash5-64").report())[1]
    assert "in 8 turns of the columns that share a readout" in latency.text


def test_ternary_readout_is_priced_by_the_cost_model(build):
    held = build.report()
    ternary = answers(held)[2]
    after = counterpart_cost(held, TERNARY)
    change = after.total_pj.nominal / held.cost.total_pj.nominal - 1
    assert f"costs {percent(change)} more energy" in ternary.text
    assert f"to {nominal(after.total_um2.nominal, 'um2')}), at the same pace" in ternary.text
    assert "has to be trained for three levels" in ternary.reasons[-1]
    assert "--targets adcless-diff-64,ternary-diff-64" in ternary.command


def test_a_network_of_its_own_hardware_is_compared_as_another_build(build):
    held = replace(build.report(), source={"file": "m.onnx", "trained for": "adcless-diff-64"})
    assert answers(held)[2].command.startswith("spikeloom compare BUILD BUILD_OF_THE_OTHER ")


def test_ternary_readout_doubles_the_energy_of_reading_and_adds_bit_slices(build):
    preset = load_preset(DEFAULT_PRESET)
    one = estimate(build.hardware, build.target, DENSITY, 1, preset)
    two = counterpart_cost(build.report(), TERNARY)
    for name, value in one.energy_pj.items():
        factor = 2 if name == "readout" else 1
        if name not in ("leakage", "shift_add", "control"):  # they follow area and macros
            assert two.energy_pj[name].nominal == factor * value.nominal
    # Slices of -1 and 1 that count 1, 2 and 4 are wires; of -1, 0 and 1 they are -7..7: 4 bits.
    conversions = one.counts["conversions"]
    added = pytest.approx(conversions * 4 * 0.0257, rel=1e-12)
    assert (one.energy_pj["shift_add"].nominal, two.energy_pj["shift_add"].nominal) == (0, added)
    told = " ".join(answers(build.report())[2].reasons)
    assert "Bit-slices are wires now and added one to another then." in told
    assert two.latency_ns["inference_interval"] == one.latency_ns["inference_interval"]


def test_a_counterpart_counts_the_widths_of_its_levels(build):
    two_levels = with_levels(build.hardware, (0, 1))
    three = with_levels(two_levels, TERNARY)
    for graph, levels in ((two_levels, (0, 1)), (three, TERNARY)):
        for op in graph.ops:
            if isinstance(op, SenseAmpRead):
                assert op.levels == levels
                assert len(graph.constants[op.thresholds.name]) == len(levels) - 1
                assert list(op.verify(graph.constants)) == []
    narrow, wide = (
        count_layers(graph, with_readout(build.target, levels))[0].work.shift_add_width
        for graph, levels in ((two_levels, (0, 1)), (three, TERNARY))
    )
    assert narrow < wide


def test_the_mapping_itself_is_its_own_counterpart(build):
    held = build.report()
    assert counterpart_cost(held, BINARY) == held.cost
    again = with_levels(with_levels(held.graph, TERNARY), BINARY)
    assert again.ops == held.graph.ops
    for name, table in held.graph.constants.items():
        assert np.array_equal(again.constants[name], table)


def test_other_readouts_are_told_what_to_compare(build):
    held = build.report()
    ternary = replace(
        held,
        counts=count_actions(with_levels(held.graph, TERNARY), with_readout(held.target, TERNARY)),
        cost=counterpart_cost(held, TERNARY),
    )
    text = answers(ternary)[2].text
    assert text.startswith("Not known: what it wins in accuracy was not measured. This target has")
    assert "less energy" in text
    adc = demo_build("hpadc-flash5-64").report()
    share = percent(adc.cost.energy_pj["readout"].nominal / adc.cost.total_pj.nominal)
    assert answers(adc)[2].text.startswith(f"Perhaps: at most {share} of the energy and ")


def test_what_was_measured_decides_whether_there_is_something_to_win(build):
    for right, verdict in (
        (0.9, "Only if it wins back part of the 5.0 points of accuracy that are lost. With"),
        (0.945, "No: there is little accuracy to win. With a second reference"),
    ):
        found = Verification(rings=(), accuracy=right, source_accuracy=0.95)
        ternary = answers(build.report(Evidence(verification=found)))[2]
        assert ternary.text.startswith(verdict)
        assert f"right on {percent(right)}, the trained network on 95 %" in ternary.reasons[-1]
    assert answers(build.report())[2].text.startswith("Not known: what it wins in accuracy")


def test_every_link_of_an_answer_leads_somewhere_on_the_page(build):
    from mapper.report import render_report

    held = build.report()
    page = render_report(held)
    for answer in answers(held):
        assert answer.links
        for _, place in answer.links:
            assert f'id="{place}"' in page
            assert f'href="#{place}"' in page


def test_what_runs_from_right_to_left_is_isolated_from_numbers():
    assert shown("שלם רב1: 512 ns") == "\u2068שלם רב\u20691: 512 ns"
    assert shown("conv1: 512 ns") == "conv1: 512 ns"
    assert "\u202e" not in shown("\u202egnp.exe")
