"""The energy table: counted operations, crossbars with intervals, and an ANN on these crossbars."""

import json

import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.diagnostics import MappingError
from tests.files import DEMO_MODEL, DEMO_RECORDING
from tests.frontend.models import one_neuron_layer, saved

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
