"""Groups that share crossbars: how many, that nothing else changes, and what dies of them do."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from mapper import Imported, inspect
from mapper.build.rules import placement_problems
from mapper.cli.inspection import InspectionText
from mapper.diagnostics import MappingError
from mapper.executor.engine import ENGINES
from mapper.executor.native.run import NativeExecutor
from mapper.ir.assignment import Choice, layer_name
from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.readout import SenseAmpRead
from mapper.ir.synapses import Synapse
from mapper.pipeline import make_passes, run_passes
from passes.dies.facts import Conditions, facts_of
from passes.dies.faults import faults_of
from targets import Target, load_target, target_from_data, target_to_data
from targets.devices import Device, load_device
from targets.devices.circuit import ReplicaKind
from tests.drawn_dies import EVERYTHING, device, drawn, with_keys
from tests.engines import AVAILABLE, assert_same_bits, assert_same_counts, run_everywhere
from tests.networks import NetworkBuilder, assigned, spikes

TARGETS = ("ideal-128", "adcless-64", "adcless-diff-64", "hpadc-sar5-64")


def depthwise(channels: int, kernel: int = 3, size: int = 4, **options: object) -> Graph:
    """Return a depthwise layer with neurons, padded so that it keeps its size."""
    net = NetworkBuilder()
    x = net.entry(channels, size, size)
    side = kernel // 2
    y = net.conv(x, channels, kernel, groups=channels, padding=(side,) * 4, **options)
    return net.graph(net.neuron(y))


def transposed(channels: int) -> Graph:
    net = NetworkBuilder()
    y = net.conv_transpose(net.entry(channels, 3, 3), 1, 2, stride=(2, 2), groups=channels)
    return net.graph(net.neuron(y))


def grouped() -> Graph:
    """Return 5 groups of 2 channels and 3 outputs, on a line of 6 pixels."""
    net = NetworkBuilder()
    weight = net.rng.normal(0, 0.5, (15, 2, 1, 3)).astype(np.float32)
    y = net.conv2d(net.entry(10, 1, 6), net.constant("w", weight), name="c", groups=5, loc="/c")
    return net.graph(net.neuron(y))


NETWORKS = {
    "16 channels": lambda: depthwise(16),
    "strided": lambda: depthwise(9, stride=(2, 2)),
    "5x5": lambda: depthwise(5, 5),
    "7x7, of which none share": lambda: depthwise(3, 7),
    "transposed": lambda: transposed(9),
    "grouped, in one dimension": grouped,
}


def mapped(network: Graph, target: Target | str) -> Graph:
    loaded = load_target(target) if isinstance(target, str) else target
    return run_passes(network, loaded, make_passes())[0]


def layers(graph: Graph) -> list[CrossbarMvm]:
    return [op for op in graph.ops if isinstance(op, CrossbarMvm)]


def decided(network: Graph, *, packing: bool) -> Graph:
    names = [layer_name(op.loc) for op in network.ops if isinstance(op, Synapse)]
    return assigned(network, **dict.fromkeys(names, Choice(packing=packing)))


# --- how many share a crossbar ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "kernel", "of_64", "of_128"),
    [
        (16, 3, (7, 3), (14, 2)),
        (24, 3, (7, 4), (14, 2)),
        (24, 5, (2, 12), (5, 5)),
        (24, 7, (1, 24), (2, 12)),
    ],
)
def test_depthwise_layers_take_the_crossbars_that_hands_count(channels, kernel, of_64, of_128):
    """Of cells of one bit and weights of four: min(R / k^2, columns / 4) groups a crossbar."""
    for target, (packed, crossbars) in (("adcless-64", of_64), ("adcless-128", of_128)):
        (op,) = layers(mapped(depthwise(channels, kernel, size=7), target))
        assert (op.packed, op.crossbars) == (packed, crossbars)
        assert len(op.placement.slots) == crossbars * op.placement.copies


def test_bitlines_limit_groups_of_many_outputs():
    """Of two channels and 8 outputs a group: 32 bitlines, two on 64, though 3 have wordlines."""
    net = NetworkBuilder()
    graph = net.graph(net.neuron(net.conv(net.entry(8, 5, 5), 32, groups=4)))
    (op,) = layers(mapped(graph, "adcless-64"))
    assert (op.packed, [str(span) for span in op.columns]) == (2, ["0:16", "16:32"])


def test_rows_that_are_active_at_once_limit_groups():
    """All groups of a crossbar are driven in one read: of 27 rows at once three."""
    target = load_target("adcless-64")
    target = replace(target, macros=(replace(target.macros[0], rows_per_read=27),))
    (op,) = layers(mapped(depthwise(6), target))
    assert (op.packed, op.crossbars) == (3, 2)


def test_columns_that_take_turns_at_a_readout_are_weighed_against_crossbars():
    """Two of three groups on a crossbar: 2 crossbars of 8 turns, where 3 of 4 turns are less."""
    net = NetworkBuilder()
    graph = net.graph(net.neuron(net.conv(net.entry(9, 5, 5), 3, groups=3)))  # 27 wordlines
    (op,) = layers(mapped(graph, "hpadc-sar5-64"))
    assert op.packed == 1
    (op,) = layers(mapped(graph, "adcless-64"))
    assert (op.packed, op.crossbars) == (2, 2)


def test_what_is_decided_for_a_layer_is_done():
    (op,) = layers(mapped(decided(depthwise(16), packing=False), "adcless-64"))
    assert (op.packed, op.crossbars) == (1, 16)
    net = NetworkBuilder()
    three = net.graph(net.neuron(net.conv(net.entry(9, 5, 5), 3, groups=3)))
    (op,) = layers(mapped(decided(three, packing=True), "hpadc-sar5-64"))
    assert op.packed == 2


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (lambda: depthwise(3, 7, size=7), "two take 98 wordlines at once, 'sense-amp-64' has 64"),
        (lambda: depthwise(1), "the layer has one group"),
    ],
)
def test_groups_that_cannot_share_crossbars_are_refused_where_they_are_to(network, reason):
    with pytest.raises(MappingError) as refused:
        mapped(decided(network(), packing=True), "adcless-64")
    (found,) = refused.value.diagnostics
    assert (found.code, found.message) == ("packing", f"groups cannot share crossbars: {reason}")


def one_reference() -> Target:
    target = load_target("adcless-64")
    macro = target.macros[0]
    readout = replace(macro.readout, shared_reference=True)
    return replace(target, macros=(replace(macro, readout=readout),))


def test_a_reference_that_all_columns_share_keeps_groups_apart():
    (op,) = layers(mapped(depthwise(16), one_reference()))
    assert (op.packed, op.crossbars) == (1, 16)


def test_a_mapping_that_packs_where_all_columns_share_a_reference_is_none_of_its_target():
    graph = mapped(depthwise(16), "adcless-64")
    assert not list(placement_problems(graph, load_target("adcless-64")))
    (problem,) = placement_problems(graph, one_reference())
    assert problem.startswith("7 groups of conv0 share a crossbar, 'sense-amp-64' makes one")


# --- nothing else changes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "target"),
    [(name, TARGETS[(i + j) % 4]) for i, name in enumerate(NETWORKS) for j in range(2)],
)
def test_every_engine_computes_what_groups_apart_give(network, target):
    graph = NETWORKS[network]()
    inputs = spikes(graph, steps=3)
    packed = mapped(graph, target)
    found = run_everywhere(packed, inputs)
    assert_same_bits(found, evaluate(mapped(decided(graph, packing=False), target), inputs))


@pytest.mark.parametrize("target", ["adcless-64", "hpadc-sar5-64"])
def test_reads_are_counted_by_crossbar_on_every_engine(target):
    graph = depthwise(16)
    packed, inputs = mapped(graph, target), spikes(graph, steps=2)
    inputs = {name: array & (spikes(graph, 2, seed=1)[name]) for name, array in inputs.items()}
    expected = ENGINES["definition"].prepare(packed).trace(inputs).counts
    (op,) = layers(packed)
    reads = expected[op.partial_sum.name + ".reads"]
    assert reads.shape == (3, 1)
    for name in AVAILABLE:
        assert_same_counts(ENGINES[name].prepare(packed).trace(inputs).counts, expected)
    alone = mapped(decided(graph, packing=False), target)
    (one,) = layers(alone)
    counted = ENGINES["definition"].prepare(alone).trace(inputs).counts
    by_group = counted[one.partial_sum.name + ".reads"].ravel()
    assert (reads.ravel() <= np.add.reduceat(by_group, [0, 7, 14])).all()
    assert (reads.ravel() >= np.maximum.reduceat(by_group, [0, 7, 14])).all()


# --- dies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_the_die_of_an_ideal_device_is_the_ideal_chip(target):
    graph = mapped(depthwise(9), target)
    die = drawn(graph, load_target(target), load_device("ideal"))
    inputs = spikes(graph, steps=2)
    assert_same_bits(run_everywhere(die, inputs), evaluate(graph, inputs))


@pytest.mark.parametrize("target", TARGETS)
def test_dies_give_the_same_bits_on_every_engine(target):
    graph = mapped(depthwise(9), target)
    settings = {name.replace(".", "__"): value for name, value in EVERYTHING.items()}
    noise = {} if target == "ideal-128" else {"amplifier__noise": 0.3}
    for made in (device(**settings), device(cell__sigma=0.2, cell__on_off=5.0, **noise)):
        die = drawn(graph, load_target(target), made, seed=3)
        inputs = with_keys(die, spikes(graph, steps=2))
        run_everywhere(die, inputs)
        counted = ENGINES["definition"].prepare(die).trace(inputs).counts
        for name in AVAILABLE:
            assert_same_counts(ENGINES[name].prepare(die).trace(inputs).counts, counted)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_kernels_run_packed_dies_of_raised_codes_and_plan_the_next_one(noise):
    """Cells of all groups add to a column, and the offset is of its own group's wordlines."""
    if "native" not in AVAILABLE:
        pytest.skip("the kernels were not built")
    graph, target = mapped(depthwise(9), "hpadc-sar5-64"), load_target("hpadc-sar5-64")
    made = device(cell__sigma=0.2, cell__on_off=5.0, amplifier__noise=noise)
    first, second = (drawn(graph, target, made, seed=seed) for seed in (3, 4))
    (op,) = layers(first)
    assert op.packed == 7
    executor = NativeExecutor(first)
    again = executor.again(second)
    assert executor.notes == again.notes == ()
    for die, engine in ((first, executor), (second, again)):
        inputs = with_keys(die, spikes(graph, steps=2))
        assert_same_bits(engine.run(inputs), ENGINES["definition"].prepare(die).run(inputs))


def cells_of(die: Graph) -> np.ndarray:
    (op,) = layers(die)
    assert op.cells is not None
    return die.constants[op.cells.name].astype(float) / 2**op.fraction


def test_cells_of_other_groups_leak_into_a_column():
    """9 channels on crossbars of 7 and 2: 63 wordlines, own ones spread as they do alone."""
    target = load_target("adcless-diff-64")
    graph = mapped(depthwise(9), target)
    (op,) = layers(graph)
    packed, rows = op.packed, op.packed * 9
    assert (packed, op.crossbars) == (7, 2)
    cells = cells_of(drawn(graph, target, device(cell__sigma=0.1, cell__on_off=4.0)))
    assert cells.shape[2:] == (rows, 9)
    assert op.encoding is not None
    digits = op.encoding.digits(graph.constants[op.weight.name])
    for group in range(9):
        own = slice(group % 7 * 9, group % 7 * 9 + 9)
        there = 63 if group < 7 else 18  # wordlines of the last crossbar
        assert np.abs(cells[:, :, own, group] - digits[:, :, group]).max() < 1
        others = np.delete(cells[:, :, :, group], np.r_[own], axis=2)
        leaks = others[:, :, : there - 9]
        assert abs(leaks.std() - 0.1 * 2**0.5) < 0.02  # of two cells that are off
        assert not others[:, :, there - 9 :].any()


def with_replicas(kind: ReplicaKind, **settings: float) -> Device:
    made = device(**settings)
    return replace(made, replica=replace(made.replica, kind=kind))


@pytest.mark.parametrize("replica", ["cells", "dac"])
def test_half_of_what_a_group_could_give_is_taken_on_its_own_wordlines_alone(replica):
    """Of cells of levels 0 and 1 that leak nothing: +-1/2 there, and 0 on those of other groups."""
    target = load_target("adcless-64")
    graph = mapped(depthwise(9), target)
    cells = cells_of(drawn(graph, target, with_replicas(replica, cell__stuck_on=1e-9)))
    (op,) = layers(graph)
    for group in range(9):
        own = slice(group % 7 * 9, group % 7 * 9 + 9)
        assert (np.abs(cells[:, :, own, group]) == 0.5).all()
        assert not np.delete(cells[:, :, :, group], np.r_[own], axis=2).any()
    assert op.packed == 7


@pytest.mark.parametrize("replica", ["cells", "dac"])
def test_a_die_drawn_by_numpy_has_the_cells_that_kernels_draw(monkeypatch, replica):
    target = load_target("adcless-64")
    graph = mapped(depthwise(9), target)
    made = with_replicas(replica, cell__sigma=0.1, cell__on_off=5.0, cell__stuck_off=0.05)
    dies = [drawn(graph, target, made)]
    monkeypatch.setattr("passes.dies.net.drawn_by_kernels", lambda *given: None)
    dies.append(drawn(graph, target, made))
    assert (cells_of(dies[0]) == cells_of(dies[1])).all()


def test_the_faults_of_a_crossbar_are_of_all_cells_that_it_has():
    """7 groups of 9 wordlines and 4 cells: 63 x 28 cells; then 2: 18 x 8."""
    target = load_target("adcless-64").with_device(device(cell__stuck_on=0.5))
    (found,) = faults_of(mapped(depthwise(9), target), target, 0, Conditions())
    copies = len(found.cells) // 2
    assert found.cells.tolist() == [63 * 28, 18 * 8] * copies
    assert (np.abs(found.stuck / found.cells - 0.25) < 0.25).all()


def test_cells_that_a_smaller_last_crossbar_does_not_have_are_refused():
    target = load_target("adcless-diff-64")
    die = drawn(mapped(depthwise(9), target), target, device(cell__sigma=0.1))
    (op,) = layers(die)
    assert op.cells is not None
    cells = die.constants[op.cells.name].copy()
    cells[0, 0, 62, 8] = 1
    problems = list(op.verify({**die.constants, op.cells.name: cells}))
    assert problems == ["cells of groups that the last of 2 crossbars does not have"]


def test_a_target_file_says_that_columns_share_a_reference():
    target = one_reference()
    assert target_from_data(target_to_data(target), loc="test") == target
    assert "shared_reference" not in str(target_to_data(load_target("adcless-64")))
    readout = replace(load_target("hpadc-sar5-64").macros[0].readout, shared_reference=True)
    (problem,) = readout.problems()
    assert problem == "shared_reference needs reference 'half-active', got 'constant'"


def test_inspection_says_how_many_groups_are_on_a_crossbar():
    read = Imported(graph=depthwise(16), time_form="step", producer="", opset=None, ports=())
    answer = inspect(read, "adcless-64")
    console = Console(file=StringIO(), width=200)
    console.print(InspectionText(answer))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "3 crossbars 9x16, 7 groups on each" in told
    (layer,) = answer.as_dict()["mapping"]["layers"]
    assert (layer["packed"], layer["column_blocks"]) == (7, 3)
    assert layer["rows_used"] == pytest.approx(16 * 9 / (3 * 64))
    assert layer["utilisation"] == pytest.approx(16 * 9 * 4 / (3 * 64 * 64))


def test_cells_of_other_groups_add_to_the_noise_of_a_read():
    """Of pairs, each wordline driven in one read of four: 7 columns have 63, the last two 18."""
    target = load_target("adcless-diff-64")
    graph, made = mapped(depthwise(9), target), device(cell__read_noise=0.1, cell__on_off=2.0)
    die = drawn(graph, target, made)
    (read,) = (op for op in die.ops if isinstance(op, SenseAmpRead))
    (op,) = layers(die)
    assert read.noise is not None
    assert op.encoding is not None
    found = die.constants[read.noise.name].std() / 2**op.fraction
    off, on = facts_of(op, target.with_device(made), Conditions()).cell.read_noise or (0, 0)
    assert 0 < off < on
    digits = np.abs(op.encoding.digits(graph.constants[op.weight.name]))  # one of a pair is on
    pairs = (7 * 63 + 2 * 18) * len(digits)
    variance = (pairs * 2 * off**2 + digits.sum() * (on**2 - off**2)) / 4 / (9 * len(digits))
    assert found == pytest.approx(variance**0.5, rel=0.02)
