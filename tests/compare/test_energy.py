"""The energy table: counted operations, crossbars with intervals, and an ANN on these crossbars."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.cost.ann import ann_layers
from mapper.cost.sensitivity import intervals, with_ends
from mapper.diagnostics import MappingError
from mapper.report.markup import markdown
from targets import Interval, Target, load_target
from tests.files import DEMO_MODEL, DEMO_RECORDING
from tests.frontend.models import one_neuron_layer, saved, two_neuron_layers

TARGETS = ("hpadc-sar5-64", "adcless-64")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return saved(one_neuron_layer(), tmp_path_factory.mktemp("energy"))


@pytest.fixture(scope="module")
def table():
    return mapper.energy_table(DEMO_MODEL, TARGETS, inputs=DEMO_RECORDING)


def test_a_layer_of_three_inputs_and_four_outputs_is_tabled_by_hand(tiny):
    table = mapper.energy_table(tiny, ["adcless-64"], density=1.0, steps=20)
    (one,) = table.targets
    (row,) = one.rows
    assert (table.steps, table.code_bits) == (20, 5)
    assert (row.rate, row.spiking, row.sops, row.macs) == (1.0, True, 240, 12)
    assert row.snn_proxy_pj == 240 * 0.9
    assert row.ann_proxy_pj == 12 * 4.6
    # rate x 0.9 pJ x 240 = 4.6 pJ x 12
    assert one.proxy_meets.rates == (pytest.approx(12 * 4.6 / (0.9 * 240), rel=1e-15),)
    assert one.proxy_meets.snn_first
    assert one.ann_readout == "2-bit SAR ADC"  # of 0 .. 3 rows that are on


def test_fewer_steps_never_meet_and_that_is_said(tiny):
    table = mapper.energy_table(tiny, ["adcless-64"], density=0.5, steps=3)
    (one,) = table.targets  # 4.6 / (0.9 x 3) is above 1
    assert str(one.proxy_meets) == "never: the SNN takes less at every rate"


def test_energies_of_operations_may_be_given(tiny):
    table = mapper.energy_table(tiny, ["adcless-64"], density=1.0, ac_pj=0.1, mac_pj=3.2)
    (row,) = table.targets[0].rows
    assert (row.snn_proxy_pj, row.ann_proxy_pj) == (12 * 0.1, 12 * 3.2)
    assert ", as given; " in table.note
    assert "45 nm" not in table.note


def test_the_crossbars_cost_what_cost_says_and_layers_have_the_spikes_that_were_counted(table):
    for one in table.targets:
        build = mapper.compile(DEMO_MODEL, one.target, calibrate=DEMO_RECORDING)
        run = build.run(DEMO_RECORDING, trace=True)
        cost = build.cost(activity=run.trace).cost
        assert one.snn_pj == cost.total_pj
        assert [row.snn_pj for row in one.rows] == [layer.total_pj for layer in cost.layers]
        assert one.sops == cost.counts["synaptic_operations"] / cost.samples
        assert one.macs == sum(layer.counts["macs"] for layer in cost.layers) / (
            cost.steps * cost.samples
        )


def with_energies(name: str, energies: Mapping[str, float]) -> Target:
    """Return a target on which nothing takes energy but for these parts, in pJ."""
    target = load_target(name)
    free = ("energy_pj", "leak_uw", "power_uw_per_mm2", "share", "conductance_us")
    for constant, _ in list(intervals(target.components)):
        if constant.endswith(free):
            value = energies.get(constant.removesuffix(".energy_pj"), 0.0)
            target = with_ends(target, constant, Interval(low=value, nominal=value, high=value))
    return target


def test_the_crossing_on_crossbars_is_the_one_worked_out_by_hand(tmp_path):
    """Of 60 inputs and 4 outputs of 4 bits: 16 columns, and 64 cells on each driven wordline.

    Two steps make codes of ceil(log2(3)) = 2 bits. The SNN takes 2 steps x 16 conversions x 1 pJ
    and, at a rate r, 2 x 60 r wordlines x 64 pJ. The ANN takes 2 planes x 16 x 31 pJ; its codes
    have 2 r (1 - r) + r^2 = 2 r - r^2 bits that are 1, so 60 (2 r - r^2) wordlines x 64 pJ. They
    meet where 992 - 32 = 3840 r^2: at r = 1/2.
    """
    path = saved(one_neuron_layer(inputs=60), tmp_path)
    energies = {"sense_amp": 1.0, "sar_adc.6": 31.0, "wordline_drive": 1.0}
    target = with_energies("adcless-64", energies)
    (one,) = mapper.energy_table(path, [target], density=1.0, steps=2).targets
    assert one.ann_readout == "6-bit SAR ADC"
    for meets in one.meets:
        # Events are whole: 60 r^2 wordlines are 15, or its neighbours.
        assert meets.rates == (pytest.approx(0.5, abs=1 / 60),)
        assert meets.snn_first  # 32 against 992 pJ without spikes
    assert one.proxy_meets.rates == ()  # 0.9 x 2 x 240 r = 4.6 x 240 above r = 1
    assert one.snn_pj.nominal == 32 + 2 * 60 * 64
    assert one.ann_pj.nominal == 992 + 60 * 64  # two spikes are 10


def test_the_table_of_two_layers(golden, tmp_path):
    """By hand, of ``x[3] -> 4 -> 2`` at density 1 and four steps, codes of ceil(log2(5)) = 3 bits.

    MACs 3 x 4 + 4 x 2 = 20; synaptic operations 4 steps x 20 = 80, x 0.9 pJ = 72 pJ; 20 x 4.6 pJ =
    92 pJ: they meet at 92 / 72, above 1, so never. Columns 16 and 8: SNN 4 x 24 x 1 pJ = 96 pJ.
    Sums are 0..3 and 0..4, so ADCs have 3 bits: ANN 3 planes x 24 x 2 pJ = 144 pJ.
    """
    target = with_energies("adcless-64", {"sense_amp": 1.0, "sar_adc.3": 2.0})
    path = saved(two_neuron_layers(), tmp_path)
    table = mapper.energy_table(path, [target], density=1.0, steps=4)
    assert table.code_bits == 3
    golden(table.as_markdown().removesuffix(f"\n{markdown(table.caption)}\n"))


def small_chip(max_chips: int, max_rounds: int, crossbars: int) -> Target:
    target = load_target("adcless-64")
    chip = replace(target.chip, tiles=1, crossbars_per_tile=crossbars)
    return replace(target, chip=replace(chip, max_chips=max_chips, max_rounds=max_rounds))


def test_the_ann_loads_the_weights_of_its_rounds_as_the_spiking_network_does():
    table = mapper.energy_table(DEMO_MODEL, [small_chip(1, 2, 32)], density=0.1, steps=10)
    (one,) = table.targets
    cells = 4 * (17_184 + 3 * 288)  # four a weight; the first layer's are there four times
    loads = tuple(pytest.approx(cells * pj, rel=1e-12) for pj in (0.6, 33.33, 104.4))
    assert one.snn_loads_pj == loads
    assert one.ann_loads_pj == loads
    left = one.ann_pj.nominal - one.ann_loads_pj.nominal
    assert left > sum(row.ann_pj.nominal for row in one.rows)  # and the leakage
    assert "(weight loading)" in table.as_markdown()


def test_without_facts_of_writing_the_table_says_that_loads_are_not_charged():
    target = small_chip(1, 2, 32)
    target = replace(target, components=replace(target.components, write=None))
    table = mapper.energy_table(DEMO_MODEL, [target], density=0.1, steps=10)
    (one,) = table.targets
    assert one.snn_loads_pj is one.ann_loads_pj is None
    told = [text for text in table.warnings if "which is not charged" in text]
    assert [text.partition(":")[0] for text in told] == ["adcless-64", "adcless-64, the ANN"]


def test_on_several_chips_codes_pass_the_links_with_all_their_bits():
    target = small_chip(16, 1, 4)
    (one,) = mapper.energy_table(DEMO_MODEL, [target], density=0.1, steps=10).targets
    assert one.ann_pj.nominal > 0
    counts = mapper.compile(DEMO_MODEL, target).mapped.counts
    spiking, coded = counts.layers[1], ann_layers(counts, 10)[1]
    assert coded.input_bits == 4 * spiking.input_bits  # codes of 0..10
    assert len(coded.links) == len(spiking.links) == 10  # eleven chips
    assert sum(coded.links) > sum(spiking.links) > 0


@pytest.mark.parametrize("place", [1, 2])
def test_where_they_meet_both_cost_the_same(place):
    (one,) = mapper.energy_table(DEMO_MODEL, ["adcless-64"], density=0.1, steps=10).targets
    rate = one.meets[place].rates[-1]
    (there,) = mapper.energy_table(DEMO_MODEL, ["adcless-64"], density=rate, steps=10).targets
    # Events are whole: one of some ten thousand is the nearest that costs can be.
    assert there.snn_pj[place] == pytest.approx(there.ann_pj[place], rel=1e-4)


def test_of_many_steps_the_ann_takes_less_at_every_rate_and_that_is_said(table):
    for one in table.targets:  # 20 reads against 5
        assert str(one.meets[1]) == "never: the ANN takes less at every rate"
        assert one.ann_pj.nominal < one.snn_pj.nominal


def test_every_form_has_the_table_its_sources_and_what_is_not_claimed(tmp_path):
    arguments = ["energy-table", DEMO_MODEL, "--targets", "hpadc-sar5-64", "--input"]
    arguments += [DEMO_RECORDING, "-o", tmp_path / "t"]
    done = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    again = mapper.energy_table(DEMO_MODEL, ["hpadc-sar5-64"], inputs=DEMO_RECORDING)
    held = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "t").iterdir()}
    assert sorted(held) == ["energy.json", "energy.md", "energy.tex", "references.bib"]
    assert held["energy.md"] == again.as_markdown()
    assert held["energy.tex"] == again.as_latex()
    assert json.loads(held["energy.json"]) == json.loads(json.dumps(again.as_dict()))
    assert "horowitz2014energy" in held["references.bib"]
    for text in (done.stdout, held["energy.md"], held["energy.tex"]):
        told = " ".join(text.split())
        assert "No accuracy is claimed for it" in told
        assert "horowitz2014energy" in told
        assert "/conv1/Conv" in told


def test_dead_networks_are_told_beside_their_numbers(table):
    fine, dead = table.targets
    assert fine.incomparable == ""
    assert dead.incomparable
    assert "adcless-64 (dead)" in table.as_markdown()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"preset": "paper"}, "preset 'paper' draws random inputs"),
        ({"ac_pj": 0.0}, "an operation takes more than 0 pJ, got 0 pJ"),
        ({"mac_pj": float("nan")}, "an operation takes more than 0 pJ, got nan pJ"),
    ],
)
def test_what_no_table_can_be_of_is_refused(tiny, options, told):
    with pytest.raises(MappingError) as caught:
        mapper.energy_table(tiny, ["adcless-64"], density=0.1, **options)
    (problem,) = caught.value.diagnostics
    assert problem.code == "energy-table"
    assert problem.message.startswith(told)
