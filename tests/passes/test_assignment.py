"""Layers that are not left to the compiler: their macro, the digital unit, their weights' width."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.ir.assignment import DIGITAL, Assignment, Choice
from mapper.ir.core import Graph, IntType
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.synapses import Conv2d, Linear
from mapper.pipeline import make_passes, run_passes
from passes import InputCode, QuantizeWeights
from targets import Target, choose_macro, load_target, weight_bits
from tests.engines import run_everywhere
from tests.networks import NetworkBuilder, assigned, small_conv_net, spikes

LAYERS = ("conv0", "conv3", "fc7")
MIXED = load_target("mixed-64")


def both_take_spikes() -> Target:
    """The mixed chip, but its ADC macro takes spikes as well and so comes first."""
    adc, sense_amp = MIXED.macros
    return replace(MIXED, macros=(replace(adc, accepts=("spikes", "codes")), sense_amp))


def mapped(graph: Graph, target: Target | str = "adcless-64", **options: object) -> Graph:
    loaded = load_target(target) if isinstance(target, str) else target
    passes = make_passes(**options)  # type: ignore[arg-type]  # forwarded by name
    return run_passes(graph, loaded, passes)[0]


def grids(graph: Graph) -> dict[str, CrossbarMvm]:
    return {op.loc: op for op in graph.ops if isinstance(op, CrossbarMvm)}


def assert_every_engine_agrees(graph: Graph) -> None:
    assert run_everywhere(graph, spikes(graph)).keys() == {v.name for v in graph.outputs}


def refused(graph: Graph, target: Target | str = MIXED, **options: object) -> list[tuple[str, str]]:
    with pytest.raises(MappingError) as caught:
        mapped(graph, target, **options)
    return [(problem.code, problem.message) for problem in caught.value.diagnostics]


# --- what may be decided --------------------------------------------------------------------


@pytest.mark.parametrize("target", ["adcless-64", "adcless-diff-64", "hpadc-flash5-64"])
def test_layers_of_different_weight_bits_are_bit_exact(target):
    """Weights of 6 bits reach 31 where those of 4 end at 7."""
    graph = mapped(assigned(small_conv_net(), conv0=Choice(weight_bits=6)), target)
    layers = grids(graph)
    assert [layers[name].encoding.weight_bits for name in LAYERS] == [6, 4, 4]
    greatest = [np.abs(graph.constants[layers[name].weight.name]).max() for name in LAYERS]
    assert greatest == [31, 7, 7]
    assert_every_engine_agrees(graph)


def test_64_bitlines_hold_10_weights_of_six_bits_and_16_of_four():
    net = NetworkBuilder()
    s = net.neuron(net.dense(net.entry(9), 20))
    graph = net.graph(net.neuron(net.dense(s, 20)))
    layers = grids(mapped(assigned(graph, fc0=Choice(weight_bits=6))))
    assert [len(span) for span in layers["fc0"].columns] == [10, 10]
    assert [len(span) for span in layers["fc2"].columns] == [16, 4]


def test_a_layer_has_its_own_width_the_others_that_of_all():
    graph = mapped(assigned(small_conv_net(), 5, fc7=Choice(weight_bits=8)))
    assert [grids(graph)[name].encoding.weight_bits for name in LAYERS] == [5, 5, 8]


def test_a_layer_on_the_digital_unit_is_summed_exactly():
    graph = mapped(assigned(small_conv_net(), conv3=Choice(macro=DIGITAL)))
    assert list(grids(graph)) == ["conv0", "fc7"]
    (digital,) = (op for op in graph.ops if isinstance(op, Conv2d))
    assert np.abs(graph.constants[digital.weight.name]).max() == 7
    assert_every_engine_agrees(graph)


def test_a_layer_on_the_digital_unit_has_its_own_width_too():
    choice = Choice(macro=DIGITAL, weight_bits=8)
    graph = mapped(assigned(small_conv_net(), fc7=choice))
    (digital,) = (op for op in graph.ops if isinstance(op, Linear))
    assert np.abs(graph.constants[digital.weight.name]).max() == 127
    assert_every_engine_agrees(graph)


def test_a_layer_goes_to_the_second_macro_of_a_mixed_chip():
    """Left alone every layer would be read by the ADC of the first."""
    graph = mapped(
        assigned(small_conv_net(), conv3=Choice(macro="sense-amp-64")), both_take_spikes()
    )
    macros = [grids(graph)[name].placement.macro for name in LAYERS]
    assert macros == ["flash5-64", "sense-amp-64", "flash5-64"]
    reads = [type(op) for op in graph.ops if isinstance(op, SenseAmpRead | AdcRead)]
    assert reads == [AdcRead, SenseAmpRead, AdcRead]
    assert_every_engine_agrees(graph)


def test_weights_on_an_assigned_macro_are_as_wide_as_it_has_them():
    adc, sense_amp = both_take_spikes().macros
    target = replace(MIXED, macros=(adc, replace(sense_amp, weight_bits=6)))
    graph = mapped(assigned(small_conv_net(), conv3=Choice(macro="sense-amp-64")), target)
    assert [grids(graph)[name].encoding.weight_bits for name in LAYERS] == [4, 6, 4]


def test_deciding_what_the_compiler_would_changes_no_op_and_no_constant():
    default = mapped(small_conv_net(), "mixed-64")
    same = Choice(macro="sense-amp-64", weight_bits=4)
    spelled = mapped(assigned(small_conv_net(), 4, **dict.fromkeys(LAYERS, same)), "mixed-64")
    assert spelled.ops == default.ops
    assert spelled.states == default.states
    assert spelled.constants.keys() == default.constants.keys()
    for name, array in default.constants.items():
        assert np.array_equal(spelled.constants[name], array), name


def test_layers_that_meet_in_one_sum_share_a_scale_only_where_they_have_one_width():
    """Steps that suit 4 bits would leave 8 bits no more than fifteen of their 255 codes."""
    net = NetworkBuilder()
    x = net.entry(6)
    graph = net.graph(net.neuron(net.sum(net.dense(x, 3), net.dense(x, 3))))
    mixed = assigned(graph, 8, fc1=Choice(weight_bits=4))
    quantised = QuantizeWeights(granularity="layer").run(mixed, MIXED)
    greatest = [np.abs(quantised.constants[f"{name}.codes"]).max() for name in ("fc0", "fc1")]
    assert greatest == [127, 7]
    assert quantised.constants["fc0.scale"][0] < quantised.constants["fc1.scale"][0] / 4


# --- what is refused ------------------------------------------------------------------------


def counts(bits: int) -> dict[str, InputCode]:
    return {"x0": InputCode(type=IntType(bits, signed=False))}


def test_a_macro_that_does_not_take_a_layers_inputs_is_refused_with_both_numbers():
    graph = assigned(small_conv_net(), conv0=Choice(macro="sense-amp-64"))
    assert refused(graph, codes=counts(4)) == [
        (
            "macro-inputs",
            "layer 'conv0' has inputs of 4 bits, macro 'sense-amp-64' of 'mixed-64' takes "
            "spikes of 1 bit",
        )
    ]
    graph = assigned(small_conv_net(), conv3=Choice(macro="flash5-64"))
    assert refused(graph) == [
        (
            "macro-inputs",
            "layer 'conv3' has inputs of 1 bit, macro 'flash5-64' of 'mixed-64' takes codes of "
            "2..8 bits",
        )
    ]


def test_names_that_are_not_there_are_refused_together_with_the_nearest():
    graph = assigned(
        small_conv_net(), conv=Choice(macro=DIGITAL), fc7=Choice(macro="sense-amp", weight_bits=9)
    )
    assert refused(graph) == [
        ("unknown-layer", "no layer of weights is named 'conv'; did you mean 'conv3'?"),
        ("unknown-macro", "'mixed-64' has no macro 'sense-amp'; did you mean 'sense-amp-64'?"),
        ("weight-bits", "weights of 9 bits, but 1..8 are possible"),
    ]


def test_a_layers_weight_wider_than_a_crossbar_is_refused_with_both_numbers():
    adc, sense_amp = MIXED.macros
    narrow = replace(MIXED, macros=(adc, replace(sense_amp, bitlines=7)))
    graph = assigned(small_conv_net(), conv3=Choice(weight_bits=8))
    assert refused(graph, narrow) == [
        ("weight-too-wide", "a 8-bit weight takes 8 bitlines, macro 'sense-amp-64' has 7")
    ]


# --- copies ----------------------------------------------------------------------------------


def test_decided_copies_outweigh_the_pace_of_the_others():
    left = {name: op.placement.copies for name, op in grids(mapped(small_conv_net())).items()}
    graph = mapped(assigned(small_conv_net(), conv3=Choice(copies=3)))
    layers = grids(graph)
    assert {name: op.placement.copies for name, op in layers.items()} == {**left, "conv3": 3}
    slots = layers["conv3"].placement.slots
    assert len(slots) == 3 * layers["conv3"].crossbars
    assert_every_engine_agrees(graph)


def test_copies_that_cannot_be_are_refused_with_both_numbers():
    graph = assigned(
        small_conv_net(),
        conv0=Choice(macro=DIGITAL, copies=2),
        conv3=Choice(copies=10_000),
        fc7=Choice(copies=2),
    )
    assert refused(graph, "adcless-64") == [
        (
            "copies",
            "layer 'conv0' runs on the digital unit, 2 copies on crossbars are assigned",
        ),
        (
            "copies",
            f"layer 'conv3' has {positions(graph, 'conv3')} output positions in a step, "
            "10,000 copies are assigned",
        ),
        ("copies", "layer 'fc7' has 1 output position in a step, 2 copies are assigned"),
    ]


def positions(graph: Graph, name: str) -> int:
    layer = grids(mapped(replace(graph, assignment=Assignment())))[name]
    return prod(layer.positions)


def test_decided_copies_count_where_crossbars_are_short():
    target = load_target("adcless-64")
    graph = assigned(small_conv_net(), conv0=Choice(copies=4))
    held = {name: op.crossbars for name, op in grids(mapped(graph, target)).items()}
    needed = 4 * held["conv0"] + held["conv3"] + held["fc7"]

    def chip(crossbars: int) -> Target:
        size = replace(target.chip, tiles=crossbars, crossbars_per_tile=1, max_chips=1)
        return replace(target, chip=size)

    layers = grids(mapped(graph, chip(needed)))
    assert [layers[name].placement.copies for name in LAYERS] == [4, 1, 1]
    ((code, message),) = refused(graph, chip(needed - 1))
    assert code == "too-many-crossbars"
    assert f"network needs {needed} crossbars, 'adcless-64' has {needed - 1}" in message


# --- the one function -----------------------------------------------------------------------


def test_the_first_macro_that_takes_the_inputs_is_chosen():
    nothing = Assignment()
    assert choose_macro(MIXED, nothing, "m.onnx:/fc", 1).name == "sense-amp-64"
    assert choose_macro(MIXED, nothing, "m.onnx:/fc", 4).name == "flash5-64"
    assert choose_macro(MIXED, nothing, "m.onnx:/fc", 12) is None


def test_a_layer_is_named_by_its_node():
    decided = Assignment(layers={"/fc": Choice(macro=DIGITAL, weight_bits=3)})
    assert choose_macro(MIXED, decided, "m.onnx:/fc", 1) is None
    assert choose_macro(MIXED, decided, "/fc", 1) is None
    assert choose_macro(MIXED, decided, "m.onnx:/fc2", 1).name == "sense-amp-64"
    assert weight_bits(MIXED, decided, "m.onnx:/fc") == 3
    assert weight_bits(MIXED, decided, "m.onnx:/fc2") == 4
