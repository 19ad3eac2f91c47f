"""The text form, as people read it."""

from dataclasses import replace

from mapper.ir.core import SPIKE, Graph, Value
from mapper.ir.neurons import Reset
from mapper.ir.text import print_op
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.every_op import graphs_of_every_op
from tests.networks import small_conv_net


def test_a_network_before_and_after_mapping(golden):
    target = load_target("adcless-64")
    network = small_conv_net()
    mapped, _ = run_passes(network, target, make_passes())
    golden(f"{network}\n{mapped}")


def test_hostile_names_cannot_drive_a_terminal():
    name = "a\x1b[2Jb\nc\u202e"
    text = str(Graph(name=name, inputs=(Value(name, SPIKE, (1,)),), outputs=()))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("\n") == 2
    assert r'input %"a\u001b[2Jb\nc\u202e": u1[1]' in text


def test_what_an_op_does_not_have_is_left_out_at_the_end_and_marked_before():
    """Such a neuron has no spike and no synaptic current: the first and the last result."""
    op = graphs_of_every_op()["net.neuron"].ops[0]
    still = replace(op, spike=None, current=None, current_next=None, reset=Reset(), loc="a b")
    assert print_op(still) == (
        "_, %lif0.v_next: f32[3] = net.neuron(%x0, %lif0.v) {leak=0.8, current_leak=0.7, "
        "current_rounding={unit=0.25, rounding=toward-zero}, current_input=1.0, "
        'current_gain=0.7, threshold=0.6, strict=True, floor=-1.5} at "a b"'
    )


def test_constants_are_written_out_if_they_are_small():
    """Of 24, 2 and 2 numbers."""
    text = graphs_of_every_op()["imc.adc_read"].text(inline=2)
    assert text.splitlines()[-3:] == [
        "  constant @layer0.weight: int64[6,4]",
        "  constant @layer0.first: int64[2,1,1] = [[[-2]], [[1]]]",
        "  constant @layer0.scale: int64[2,1] = [[2], [3]]",
    ]
