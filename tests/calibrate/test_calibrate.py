"""Known dies are calibrated: references trimmed, biases moved, rows and columns placed."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper as spikeloom
from mapper import cli
from mapper.diagnostics import MappingError
from mapper.dies.assign import cheapest
from mapper.dies.calibrate import Calibration
from mapper.dies.trims import Trim, measured_offsets, trimmed
from mapper.executor import engine
from mapper.ir.core import INT64, param
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.identity import digest
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.readout import BitlineRead
from passes.dies.references import reference_gap
from targets import list_targets, load_target
from tests.drawn_dies import device
from tests.fuzz.onnx_seeds import two_layers
from tests.networks import NetworkBuilder, spikes

RNG = np.random.default_rng(0)
SAMPLES = (RNG.random((6, 8, 4)) < 0.4).astype(np.uint8)
OTHERS = (RNG.random((6, 20, 4)) < 0.4).astype(np.uint8)
SENSED = [name for name in list_targets() if not load_target(name).macros[0].readout.is_exact]


@pytest.fixture(scope="module")
def build() -> spikeloom.Build:
    return spikeloom.compile(two_layers(), "adcless-64", calibrate=SAMPLES)


def same_bits(one: spikeloom.Build, other: spikeloom.Build) -> bool:
    runs = [each.run(OTHERS, spikes=True) for each in (one, other)]
    arrays = [{**run.spikes, **run.outputs} for run in runs]
    return all(np.array_equal(array, arrays[1][name]) for name, array in arrays[0].items())


@pytest.mark.campaign(5)
@pytest.mark.parametrize("target", SENSED)
def test_trimming_in_steps_of_the_margin_gives_the_bits_of_the_ideal_chip(target):
    """Its only fault is offsets: what is left of them is within half a gap between two sums."""
    build = spikeloom.compile(two_layers(), target, calibrate=SAMPLES)
    die = build.die(1, device=device(amplifier__offset=3.0))
    gaps = [reference_gap(op) for op in build.hardware.ops if isinstance(op, BitlineRead)]
    done = die.calibrate(SAMPLES, trim=True, trim_step=min(gaps), inputs=OTHERS)
    assert done.found.trimmed > 0
    assert digest(done.build.hardware) == digest(build.die(0, device="ideal").hardware)
    assert same_bits(done.build, build)
    assert done.worth["after"].agree.right == done.worth["after"].agree.of == 20


def test_what_a_trim_leaves_is_within_half_a_step(build):
    die = build.die(1, device=device(amplifier__offset=3.0)).mapped.die
    for step in (0.25, 1.0, 4.0):
        trims = {layer.name: layer.moved for layer in trimmed(die, build.target, Trim(step=step))}
        for held in measured_offsets(die, build.target):
            trim = trims[held.op.partial_sum.name]
            left = held.counts + trim
            assert ((-step / 2 < left) & (left <= step / 2)).all()
            assert not (trim % step).any()


def test_a_half_on_its_edge_goes_to_the_side_that_keeps_the_bit():
    """Half a step below is a reference on the sum below it: that one has to stay out."""
    offset = np.array([-0.5, 0.5, 1.5, -1.5])
    trim, beyond = Trim(step=1.0).of(offset, None)
    assert (offset + trim).tolist() == [0.5, 0.5, 0.5, 0.5]
    assert not beyond.any()


def test_biases_give_every_channel_the_mean_sum_of_the_ideal_chip(build):
    """On samples, to half a unit of the membrane; the second layer sees the first corrected."""
    die = build.die(2, device=device(amplifier__offset=1.5, cell__sigma=0.2))
    done = die.calibrate(SAMPLES, biases=True)
    assert done.found.moved > 0
    assert (done.found.trimmed, done.found.columns_placed) == (0, 0)
    meant, before, after = (_drives(each) for each in (build, die, done.build))
    assert any(np.abs(before[name] - meant[name]).max() > 1 for name in meant)
    for name, drive in after.items():
        assert np.abs(drive - meant[name]).max() <= 0.5 + 1e-9, name


def _drives(build: spikeloom.Build) -> dict[str, np.ndarray]:
    """Return what neurons are driven by on average, ``[N]`` by layer in units of membranes."""
    codes = {build.hardware.inputs[0].name: SAMPLES.astype(np.int64)}
    neurons = [op for op in build.hardware.ops if isinstance(op, IntegerNeuron)]
    ran = engine.run(build.hardware, codes, watch=[op.x.name for op in neurons]).outputs
    found = {}
    for op in neurons:
        mean = ran[op.x.name].mean(axis=(0, 1)) * (1 << op.fraction_bits)
        drive = mean + param(build.hardware.constants, op.bias, INT64)
        found[op.membrane_next.name] = drive.reshape(op.x.shape[0], -1).mean(axis=1)
    return found


@pytest.mark.parametrize("target", ["adcless-64", "adcless-diff-64", "hpadc-flash5-64"])
def test_rows_and_columns_find_the_faults_that_do_not_matter(target):
    """Stuck cells alone: no die has more wrong codes than before, and most have fewer."""
    build = spikeloom.compile(two_layers(), target, calibrate=SAMPLES)
    wrong = {"before": 0, "after": 0}
    for seed in range(4):
        die = build.die(seed, device=device(cell__stuck_on=0.05, cell__stuck_off=0.05))
        done = die.calibrate(SAMPLES, place=True)
        for name, each in (("before", die), ("after", done.build)):
            runs = [one.run(SAMPLES, spikes=True).spikes for one in (build, each)]
            wrong[name] += sum(int((runs[0][n] != runs[1][n]).sum()) for n in runs[0])
        _check_places(done.build)
    assert wrong["after"] < wrong["before"] / 2


def _check_places(die: spikeloom.Build) -> None:
    """Every input has a wordline of its own in a crossbar, every output bitlines of its own."""
    step = die.mapped.die.step
    for op in die.mapped.ideal.ops:
        if not isinstance(op, CrossbarMvm):
            continue
        macro = die.target.macro(op.placement.macro)
        room = macro.bitlines // op.encoding.bitlines_per_weight
        for columns in op.columns:
            for held in step.places[op.partial_sum.name][..., columns.slice].reshape(
                -1, len(columns)
            ):
                assert len(set(held.tolist())) == len(held)
                assert max(held) < room
        for held in step.lines[op.partial_sum.name].reshape(-1, op.rows[-1].stop):
            for rows in op.rows:
                assert len(set(held[rows.slice].tolist())) == len(rows)
                assert max(held[rows.slice]) < macro.wordlines


@pytest.mark.parametrize("target", ["adcless-64", "hpadc-flash5-64"])
def test_a_calibrated_die_is_a_build_whose_rings_agree(target, tmp_path):
    facts = device(amplifier__offset=1.0, cell__stuck_on=0.05, cell__sigma=0.1)
    build = spikeloom.compile(two_layers(), target, calibrate=SAMPLES)
    done = build.die(3, device=facts).calibrate(SAMPLES, trim_step=0.5).saved(tmp_path / "die")
    assert done.what == Calibration(trim=Trim(step=0.5), biases=True, place=True)
    again = spikeloom.load(tmp_path / "die")
    assert digest(again.hardware) == digest(done.build.hardware)
    found = again.verify(OTHERS)
    assert found.bit_exact
    assert found.ring("2-exact-passes").status == "equal"
    assert found.die == "die 3 of ideal, calibrated"


def test_rows_find_the_faults_that_do_not_matter_behind_wires(build):
    """Among their own wordlines; what wires take comes back as it was drawn, on every engine."""
    faults = device(cell__stuck_on=0.08, cell__stuck_off=0.08, wire__share=1e-3)
    cost = {}
    for seed in range(3):
        done = build.die(seed, device=faults, inputs=SAMPLES).calibrate(SAMPLES, place=True)
        assert done.found.rows_placed > 0
        for op in done.build.mapped.ideal.ops:
            if isinstance(op, CrossbarMvm):
                held = np.sort(done.build.mapped.die.step.lines[op.partial_sum.name])
                assert (held == np.arange(op.rows[-1].stop)).all()
        for name, lines in (("placed", done.build.mapped.die.step.lines), ("in order", {})):
            die = done.build.mapped.die
            hardware = replace(die, step=replace(die.step, lines=lines)).draw(build.target)
            cost[name] = cost.get(name, 0.0) + _cell_error(build.hardware, hardware)
        assert done.build.verify(OTHERS, rings="4,5").bit_exact
    assert cost["placed"] < cost["in order"] / 2


def _cell_error(ideal, die) -> float:
    """Return the squares of what driven wordlines add too much or too little, all added up."""
    codes = {ideal.inputs[0].name: SAMPLES.astype(np.int64)}
    layers = [op for op in ideal.ops if isinstance(op, CrossbarMvm)]
    seen = {**codes, **engine.run(ideal, codes, watch=[op.x.name for op in layers[1:]]).outputs}
    total = 0.0
    for op in die.ops:
        if isinstance(op, CrossbarMvm):
            meant = next(o for o in layers if o.partial_sum.name == op.partial_sum.name)
            digits = meant.encoding.digits(ideal.constants[meant.weight.name])
            cells = die.constants[op.cells.name] / (1 << op.fraction)
            weight = np.square(np.asarray(op.encoding.significances, float))[:, None, None]
            driven = np.square(seen[meant.x.name].astype(float)).mean(axis=(0, 1))
            off = np.square(cells + (0.5 if meant.encoding.kind != "differential" else 0) - digits)
            total += float((off * weight * driven[:, None]).sum())
    return total


def test_samples_that_judge_and_took_part_are_named(build):
    die = build.die(0, device=device(amplifier__offset=1.0))
    mixed = np.concatenate([OTHERS[:, :3], SAMPLES[:, :2]], axis=1)
    done = die.calibrate(SAMPLES, biases=True, inputs=mixed, labels=np.zeros(5, int))
    assert done.overlap == 2
    assert done.warnings == ("2 samples of --input took part in the calibration",)
    assert done.as_dict()["overlap"] == 2
    assert done.worth["ideal"].right.of == 5
    assert die.calibrate(SAMPLES, biases=True, inputs=OTHERS).warnings == ()


def test_a_target_that_does_not_say_its_step_is_not_trimmed(build):
    die = build.die(0, device=device(amplifier__offset=1.0))
    with pytest.raises(MappingError) as refused:
        die.calibrate(SAMPLES, trim=True)
    assert refused.value.diagnostics[0].code == "trim-step"
    assert die.calibrate(SAMPLES).what.trim is None
    for step in (0, -1.0, 1e-320, float("nan")):
        with pytest.raises(MappingError) as refused:
            die.calibrate(SAMPLES, trim=True, trim_step=step)
        assert refused.value.diagnostics[0].code == "trim-step"
    target = load_target("adcless-64")
    readout = replace(target.macros[0].readout, trim_step=0.5)
    trims = replace(target, macros=(replace(target.macros[0], readout=readout),))
    known = spikeloom.compile(two_layers(), trims, calibrate=SAMPLES)
    die = known.die(0, device="rram-typical")
    assert die.calibrate(SAMPLES, place=False).what.trim == Trim(step=0.5)


def test_the_cheapest_assignment_is_found():
    """Against every permutation, with equal costs among them."""
    rng = np.random.default_rng(0)
    for trial in range(60):
        rows = int(rng.integers(1, 6))
        places = int(rng.integers(rows, 7))
        cost = rng.integers(0, 5, (rows, places)) if trial % 2 else rng.random((rows, places))
        found = cheapest(cost.astype(float))
        assert len(set(found.tolist())) == rows
        sums = (cost[range(rows), list(p)].sum() for p in permutations(range(places), rows))
        assert cost[range(rows), found].sum() == pytest.approx(min(sums))


def test_the_command_says_what_it_changed(build, tmp_path: Path):
    build.die(0, device=device(amplifier__offset=1.0, cell__stuck_on=0.05)).save(tmp_path / "die")
    np.savez(tmp_path / "x.npz", x=SAMPLES)
    np.savez(tmp_path / "y.npz", x=OTHERS, labels=np.zeros(20, np.int64))
    args = ["calibrate", str(tmp_path / "die"), "--samples", str(tmp_path / "x.npz"), "-o"]
    judged = ["--input", str(tmp_path / "y.npz")]
    run = CliRunner().invoke(cli.app, [*args, str(tmp_path / "c"), *judged, "--trim-step", "1"])
    assert run.exit_code == 0, run.output
    assert "trimmed in steps of 1 counts" in run.stdout
    assert "placed elsewhere" in run.stdout
    run = CliRunner().invoke(cli.app, [*args, str(tmp_path / "c"), "--trim"])
    assert run.exit_code == 1
    assert "trim-step" in run.output
    build.save(tmp_path / "build")
    args[1] = str(tmp_path / "build")
    run = CliRunner().invoke(cli.app, [*args, str(tmp_path / "c")])
    assert run.exit_code == 1
    assert "not-a-die" in run.output


def test_currents_that_are_pooled_have_no_more_copies_than_they_are():
    """64 copies of a convolution, of whose 64 positions a pool leaves 4: one bias for each."""
    net = NetworkBuilder()
    x = net.entry(1, 8, 8)
    s = net.neuron(net.pool(net.conv(x, 3, padding=(1,) * 4), "max", 4))
    s = net.neuron(net.conv(s, 3, kernel=2))
    net.output(net.neuron(net.dense(net.flatten(s), 5)))
    network = net.graph()
    shown = dict(spikes(network, steps=4, batch=4))
    read = spikeloom.Imported(graph=network, time_form="step", producer="", opset=None, ports=())
    build = spikeloom.compile(read, "adcless-diff-64", calibrate=shown)
    copies = [op.placement.copies for op in build.hardware.ops if isinstance(op, CrossbarMvm)]
    assert copies[0] == 64
    die = build.die(1, device=device(amplifier__offset=0.5))
    done = die.calibrate(shown, biases=True)
    biases = done.build.mapped.die.biases
    assert biases
    assert all(len(table) <= 4 for table in biases.values())
    assert done.found.channels == 3 * 4 + 3 + 5


def test_readouts_are_counted_once_however_many_columns_they_have():
    build = spikeloom.compile(two_layers(), "hpadc-flash5-64", calibrate=SAMPLES)
    shared = build.target.macros[0].readout.columns_per_readout
    assert shared > 1
    die = build.die(1, device=device(amplifier__offset=3.0))
    found = die.calibrate(SAMPLES, trim=True, trim_step=1.0).found
    layers = [op for op in build.hardware.ops if isinstance(op, CrossbarMvm)]
    bitlines = [op.outputs * op.encoding.bitlines_per_weight for op in layers]
    assert found.references == found.offsets == sum(-(-lines // shared) for lines in bitlines)
    assert 0 < found.trimmed <= found.references


@pytest.mark.parametrize("first", ["trim", "biases"])
def test_placing_does_not_throw_an_earlier_calibration_away(build, first):
    die = build.die(1, device=device(amplifier__offset=1.0, cell__stuck_on=0.05))
    done = die.calibrate(SAMPLES, trim_step=1.0, **{first: True}).build
    with pytest.raises(MappingError, match="calibrate-again") as refused:
        done.calibrate(SAMPLES, place=True)
    moved = {"trim": "references", "biases": "references and biases"}[first]
    assert f"{moved} of die 1 of ideal, calibrated were moved" in str(refused.value)
    again = done.calibrate(SAMPLES, trim_step=1.0)
    assert again.what == Calibration(trim=Trim(step=1.0), biases=True, place=True)


def test_a_step_asks_for_trimming_beside_what_else_is_asked_for(build):
    die = build.die(1, device=device(amplifier__offset=3.0))
    assert die.calibrate(SAMPLES, biases=True, trim_step=1.0).found.trimmed > 0
    assert die.calibrate(SAMPLES, biases=True, trim=False, trim_step=1.0).found.trimmed == 0
