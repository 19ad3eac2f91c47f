"""Dies of layers whose groups share crossbars: rows and columns are placed among all of theirs."""

import numpy as np
import pytest

import mapper as spikeloom
from mapper.ir.crossbar import CrossbarMvm
from tests.drawn_dies import device
from tests.networks import NetworkBuilder, spikes


@pytest.fixture(scope="module")
def shown() -> dict[str, np.ndarray]:
    return dict(spikes(network().graph, steps=3, batch=3))


def network() -> spikeloom.Imported:
    net = NetworkBuilder()
    y = net.neuron(net.conv(net.entry(9, 4, 4), 9, groups=9, padding=(1,) * 4))
    graph = net.graph(net.neuron(net.dense(net.flatten(y), 3)))
    return spikeloom.Imported(graph=graph, time_form="step", producer="", opset=None, ports=())


@pytest.mark.parametrize("target", ["adcless-64", "adcless-diff-64"])
def test_rows_and_columns_of_packed_groups_are_placed_round_faults(shown, target):
    build = spikeloom.compile(network(), target, calibrate=shown)
    (op, _) = (op for op in build.hardware.ops if isinstance(op, CrossbarMvm))
    assert (op.packed, len(op.columns)) == (7, 2)
    faults = device(cell__stuck_on=0.05, cell__stuck_off=0.05, amplifier__offset=0.5)
    die = build.die(1, device=faults)
    done = die.calibrate(shown, place=True)
    lines = done.build.mapped.die.step.lines[op.partial_sum.name]
    assert lines.shape == (op.placement.copies, 2, 63)
    assert done.found.rows_placed > 0
    assert done.found.columns_placed > 0
    assert done.found.rows >= 2 * 63
    assert done.build.verify(shown, rings="4,5,6").bit_exact


def test_a_die_of_packed_groups_is_read_back_as_it_was_written(shown, tmp_path):
    build = spikeloom.compile(network(), "adcless-64", calibrate=shown)
    die = build.die(
        2, device=device(cell__sigma=0.1, cell__stuck_on=0.02, wire__share=1e-4), inputs=shown
    )
    die.save(tmp_path / "die")
    again = spikeloom.load(tmp_path / "die")
    one, other = die.run(shown), again.run(shown)
    assert all((one.outputs[name] == array).all() for name, array in other.outputs.items())
    again.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text().replace(" ", "")
    assert '"group":{"rows":9,"outputs":1}' in page
    assert '"packed":7' in page
    assert "7groupsoneach" in page
