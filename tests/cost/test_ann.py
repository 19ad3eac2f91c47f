"""A quantised ANN on the crossbars of a spiking network, counted by hand."""

from dataclasses import replace
from itertools import product

import pytest

import mapper
from mapper.compare.compared import Compared
from mapper.compare.energy import _pair, ann_target, meeting
from mapper.compare.run import Mapped
from mapper.cost import count_actions
from mapper.cost.ann import ann_layers, code_bits, code_density, sum_levels
from mapper.cost.model import Layer
from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.pipeline import make_passes, run_passes
from targets import load_preset, load_target
from tests.frontend.models import one_neuron_layer, saved
from tests.networks import small_conv_net

PHYSICAL = load_preset("physical")


def without_states(layer: Layer) -> Layer:
    """Return a layer whose membranes are forgotten after each inference, and updated once."""
    held = layer.work.membrane_bits // 2
    return replace(
        layer,
        work=replace(layer.work, membrane_bits=0),
        stored_bits=layer.stored_bits - held,
        full=layer.full._replace(updates=0),
        event_neurons=0,
        repeats=False,
        updates_exact=True,
    )


def counts_on(name: str):
    graph = small_conv_net()
    hardware, _ = run_passes(graph, load_target(name), make_passes())
    spiking = count_actions(hardware, load_target(name))
    target = ann_target(spiking, 20)
    hardware, _ = run_passes(graph, target, make_passes())
    return count_actions(hardware, target)


def test_a_code_has_the_bits_that_count_the_spikes_of_all_steps():
    assert [code_bits(steps) for steps in (1, 2, 3, 4, 7, 8, 20)] == [1, 2, 2, 3, 3, 4, 5]


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_the_bits_of_a_code_are_those_of_every_train_of_spikes(steps):
    rate = 0.3
    trains = list(product((0, 1), repeat=steps))
    chances = [rate ** sum(t) * (1 - rate) ** (steps - sum(t)) for t in trains]
    ones = sum(c * sum(t).bit_count() for c, t in zip(chances, trains, strict=True))
    # Sums of the same few numbers, in another order.
    assert code_density(rate, steps) == pytest.approx(ones / code_bits(steps), rel=1e-12)
    assert code_density(0.0, steps) == 0
    assert code_density(1.0, steps) == steps.bit_count() / code_bits(steps)


@pytest.mark.parametrize("name", ["adcless-64", "adcless-diff-64", "hpadc-sar5-64", "ideal-128"])
def test_of_one_step_the_ann_is_the_network_without_its_membranes(name):
    counts = counts_on(name)
    assert ann_layers(counts, 1) == tuple(map(without_states, counts.layers))


def test_more_steps_take_more_planes_of_the_same_crossbars():
    counts = counts_on("hpadc-sar5-64")
    for was, layer in zip(counts.layers, ann_layers(counts, 20), strict=True):
        assert replace(layer.grid, planes=1) == was.grid
        assert layer.grid.planes == 5
        for name in ("crossbar_reads", "conversions", "buffer_read_bits", "buffer_write_bits"):
            assert getattr(layer.work, name) == 5 * getattr(was.work, name)
        assert layer.work.macs == was.work.macs
        assert layer.full.wordlines == 5 * was.full.wordlines
        assert (layer.stage, layer.distance) == (was.stage, was.distance)


def test_adcs_have_the_bits_of_all_sums():
    # Of 18, 36 and 24 rows of one bit: 19, 37 and 25 sums; an ADC has 2 .. 8 bits.
    counts = counts_on("adcless-64")
    assert dict(sum_levels(counts.graph, 1)) == {"sense-amp-64": 25}
    levels = max(found for _, found in sum_levels(counts.graph, 1))
    (macro,) = counts.target.macros
    assert macro.readout.kind == "sar"
    assert 2**macro.readout.bits >= levels > 2 ** (macro.readout.bits - 1)
    assert macro.readout.columns_per_readout == 8


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Three inputs and four outputs, weights of four bits, three steps."""
    path = saved(one_neuron_layer(), tmp_path_factory.mktemp("ann"))
    build = mapper.compile(path, "adcless-64").mapped
    one = Compared(build=build, activity=1.0, steps=3)
    mapped = Mapped(
        imported=import_model(path),
        source={},
        targets=(),
        weight_bits=None,
        assignment=None,
        density=None,
    )
    return _pair(one, mapped, PHYSICAL)


def test_one_layer_is_counted_by_hand(pair):
    (layer,) = pair.layers
    work = layer.work
    assert layer.grid.planes == 2  # 0 .. 3 spikes
    assert work.crossbar_reads == 2
    assert work.conversions == 2 * 4 * 4  # planes x slices x outputs
    assert work.shift_adds == 32 + 4  # and the second plane to the first
    assert (work.macs, work.membrane_updates, work.membrane_bits) == (12, 4, 0)
    assert (work.buffer_write_bits, work.buffer_read_bits) == (6, 6)
    (macro,) = pair.counts.target.macros
    assert (macro.readout.kind, macro.readout.bits) == ("sar", 2)  # 0 .. 3 rows that are on


def test_one_layer_is_priced_by_hand(pair):
    _, cost = pair.costs()  # all three steps spike: both bits are 1
    library = pair.counts.target.components
    adc, drive = library.converter("sar", 2), library.wordline_drive
    assert cost.steps == 1
    assert cost.energy_pj["readout"].nominal == 32 * adc.energy_pj.nominal
    # Six driven wordlines of 64 cells each.
    assert cost.energy_pj["wordline_drive"].nominal == 6 * 64 * drive.energy_pj.nominal
    assert cost.energy_pj["membrane_memory"].nominal == 0
    updates = 4 * library.membrane_update.energy_pj.nominal
    assert cost.energy_pj["membrane_update"].nominal == updates


def test_where_two_energies_meet_is_solved():
    found = meeting(lambda rate: (rate - 0.3) * (rate - 0.7))
    assert found.rates == pytest.approx((0.3, 0.7), abs=1e-9)
    assert found.snn_first
    assert str(meeting(lambda rate: -1 - rate)) == "never: the ANN takes less at every rate"


def test_sums_that_no_adc_keeps_are_refused():
    target = load_target("adcless-64")
    library = replace(target.components, sar_adc=target.components.sar_adc[:1], flash_adc=())
    graph = small_conv_net()
    hardware, _ = run_passes(graph, target, make_passes())
    counts = count_actions(hardware, replace(target, components=library))
    with pytest.raises(MappingError) as caught:
        ann_target(counts, 1)
    (problem,) = caught.value.diagnostics
    assert problem.code == "energy-table"
    assert "has no ADC of so many" in problem.message
