"""The text form, as people read it."""

from mapper.ir.core import SPIKE, Graph, Value
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.networks import small_conv_net


def test_a_network_before_and_after_mapping(golden):
    target = load_target("adcless-64")
    network = small_conv_net()
    mapped, _ = run_passes(network, target, make_passes(target))
    golden(f"{network}\n{mapped}")


def test_hostile_names_cannot_drive_a_terminal():
    name = "a\x1b[2Jb\nc"
    text = str(Graph(name=name, inputs=(Value(name, SPIKE, (1,)),), outputs=()))
    assert "\x1b" not in text
    assert text.count("\n") == 2
    assert "a\\x1b[2Jb\\nc" in text
