"""Yield: the same numbers from every scheduler and every run, and what they are made of."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.diagnostics import MappingError
from mapper.dies.draw import Lot
from mapper.dies.found import measured, study_dies
from mapper.dies.plan import Plan, check_plan
from mapper.dies.trials import Ideal, Trials
from mapper.executor import engine
from mapper.ir.counter import read_keys
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.firing import firing_of
from mapper.recordings import to_reals
from mapper.study import RECORDS
from mapper.study.sweep import parse_sweep
from mapper.verify.answers import classes
from targets.devices import load_device
from tests.networks import small_conv_net, spikes

NETWORK = small_conv_net()
X = {name: array[:, :] for name, array in spikes(NETWORK, steps=5, batch=8).items()}
DIE = {"device": "rram-typical", "settings": {"amplifier.offset": 0.3}}


@pytest.fixture(scope="module")
def build() -> mapper.Build:
    net = mapper.Imported(graph=NETWORK, time_form="step", producer="", opset=None, ports=())
    return mapper.compile(net, "adcless-diff-64", calibrate=X)


@pytest.fixture(scope="module")
def few(build) -> dict[str, np.ndarray]:
    """Samples and labels, all but one of which are what the ideal chip says."""
    labels = build.run(X).predictions.copy()
    labels[0] = (labels[0] + 1) % 5
    return {**X, "labels": labels}


@pytest.fixture(scope="module")
def trials(build) -> Trials:
    lot = Lot(
        device=load_device("rram-typical"), settings={**DIE["settings"], "amplifier.noise": 0.2}
    )
    codes = {name: array.astype(np.int64) for name, array in X.items()}
    return Trials(graph=build.hardware, target=build.target, lot=lot, codes=codes, run_seed=7)


def refused(call, *args, **options) -> str:
    with pytest.raises(MappingError) as caught:
        call(*args, **options)
    return caught.value.diagnostics[0].code


# --- one die -----------------------------------------------------------------------------------


def test_a_record_is_what_a_run_of_the_die_counts(build, trials):
    """With noise of its own seed, against the ideal chip: drawn and run here by other means."""
    lot, graph = trials.lot, trials.graph
    layers = [name for name in Ideal(trials).spikes]
    die = lot.die(graph, trials.target, 3)
    keys = read_keys(7 + 3, *trials.shape)
    ideal = engine.run(graph, trials.codes, "numpy", watch=layers).outputs
    found = engine.run(die, {**trials.codes, "read_key": keys}, "numpy", watch=layers).outputs
    record = trials.prepare()({"seed": 3})
    assert record["spikes"] == {name: int((found[name] != ideal[name]).sum()) for name in layers}
    assert sum(record["spikes"].values()) > 0
    out = graph.outputs[0].name
    same = build.run(X).predictions == classes(to_reals(graph, found)[out])
    assert record["same_class"] == same.sum()
    assert record["same_outputs"] == (found[out] == ideal[out]).all(axis=(0, 2)).sum()
    assert "right" not in record


def test_samples_are_run_in_parts_where_spikes_take_much_memory(trials, monkeypatch):
    whole = trials.prepare()({"seed": 1})
    monkeypatch.setattr("mapper.dies.trials._CHUNK_BYTES", 1)
    parts = replace(trials).prepare()
    assert len(parts.parts) > 1
    assert parts({"seed": 1}) == whole
    ran = engine.run(trials.graph, trials.codes, trace=True)
    assert parts.firing == firing_of(trials.graph, ran.counts, trials.codes, ran.outputs)
    assert parts.firing == trials.prepare().firing


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_the_ideal_chip_runs_once_in_a_process(build, few, scheduler, monkeypatch):
    begun, begin = [], Ideal.__init__
    monkeypatch.setattr(Ideal, "__init__", lambda self, held: begun.append(begin(self, held)))
    monkeypatch.setattr(engine, "run", None)
    build.dies(few, dies=2, scheduler=scheduler, workers=1, **DIE)
    assert len(begun) == 1


def test_other_processes_get_no_run_of_the_ideal_chip(trials):
    """What a process has prepared is known by the digest of what it was sent."""
    fresh = replace(trials)
    before = pickle.dumps(fresh)
    assert fresh.prepare() is fresh.prepare()
    assert pickle.dumps(fresh) == before


def test_a_die_of_an_ideal_device_is_the_ideal_chip(trials):
    ideal = replace(trials, lot=Lot(device=load_device("ideal")))
    record = ideal.prepare()({"seed": 0})
    samples = trials.shape[1]
    assert (record["same_outputs"], record["same_class"]) == (samples, samples)
    assert set(record["spikes"].values()) == {0}


# --- many --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_every_scheduler_gives_the_same(build, few, scheduler, tmp_path):
    swept = {"sweeps": [parse_sweep("amplifier.offset=0.1,0.6")], "require": 0.5, **DIE}
    folders = [tmp_path / name for name in ("serial", scheduler)]
    one, other = (
        build.dies(few, dies=3, folder=folder, scheduler=folder.name, workers=1, **swept)
        for folder in folders
    )
    assert one.as_dict() == other.as_dict()
    assert len({(folder / RECORDS).read_bytes() for folder in folders}) == 1


def test_a_run_goes_on_where_it_was_stopped(build, few, tmp_path, monkeypatch):
    whole = build.dies(few, dies=4, **DIE)
    build.dies(few, dies=2, folder=tmp_path, **DIE)
    told = []
    more = build.dies(few, dies=4, folder=tmp_path, progress=told.append, **DIE)
    assert more.as_dict() == whole.as_dict()
    assert "2 dies, 2 more from an earlier run" in told
    assert refused(build.dies, few, dies=4, folder=tmp_path) == "other-study"
    assert refused(build.dies, few, dies=4, folder=tmp_path, run_seed=1, **DIE) == "other-study"
    (tmp_path / RECORDS).write_bytes(b"\x80not ours\n")
    assert refused(build.dies, few, dies=4, folder=tmp_path, **DIE) == "bad-study"


@pytest.mark.parametrize(
    ("name", "value"),
    [("right", 9), ("right", -1), ("right", 0.5), ("right", None),
     ("spikes", {}), ("spikes", 3)],
)  # fmt: skip
def test_counts_that_no_die_can_have_are_refused(build, few, tmp_path, name, value):
    build.dies(few, dies=1, folder=tmp_path, **DIE)
    header, line = (tmp_path / RECORDS).read_text().splitlines()
    held = json.loads(line)
    held["record"][name] = value
    (tmp_path / RECORDS).write_text(f"{header}\n{json.dumps(held)}\n")
    with pytest.raises(MappingError, match=r"that of case \{'seed': 0\} (has no|says:)") as caught:
        build.dies(few, dies=1, folder=tmp_path, **DIE)
    assert caught.value.diagnostics[0].code == "bad-study"


def test_yield_counts_dies_that_reach_what_is_required(build, few):
    dies = build.dies(few, dies=5, seed=10, require=0.75, **DIE)
    assert dies.seeds.tolist() == [10, 11, 12, 13, 14]
    assert dies.measured == "accuracy"
    assert dies.score.right == (dies.values >= 0.75).sum()
    assert dies.score.of == 5
    assert dies.ideal == build.run(X).score(few["labels"])
    none = build.dies(few, dies=1, seed=10, **DIE)
    assert none.score is None
    assert none.as_dict()["yield"] is None
    assert none.values[0] == dies.values[0]


def test_without_labels_it_is_told_what_the_ideal_chip_does(build):
    dies = build.dies(X, dies=2, **DIE)
    assert dies.measured == "same class"
    assert dies.ideal.share == 1
    assert "accuracy" not in json.dumps(dies.as_dict())


def test_what_says_no_class_is_compared_number_by_number(trials):
    graph = trials.graph
    spatial = replace(graph, outputs=(replace(graph.outputs[0], shape=(2, 3)),))
    assert measured(replace(trials, graph=spatial)) == "same outputs"


def test_noise_of_reads_follows_from_a_seed_of_its_own(build, few):
    a, b = (
        build.dies(few, dies=2, run_seed=s, device="ideal", settings={"amplifier.noise": 1.0})
        for s in (0, 1)
    )
    assert a.as_dict()["spikes_differing"] != b.as_dict()["spikes_differing"]


# --- sweeps ------------------------------------------------------------------------------------


def test_a_point_of_a_sweep_is_what_its_setting_alone_gives(build, few):
    asked = {"device": "ideal", "dies": 3, "require": 0.5}
    sweeps = [parse_sweep("amplifier.offset=0,0.5,2"), parse_sweep("cell.stuck_on=0,0.2")]
    dies = build.dies(few, sweeps=sweeps, **asked)
    (first, second) = dies.told.found.sweeps
    assert first.points[0][1].values == second.points[0][1].values == dies.distribution.values
    for name, value, found in (("amplifier.offset", 0.5, first), ("cell.stuck_on", 0.2, second)):
        alone = build.dies(few, settings={name: value}, **asked)
        assert dict(found.points)[value] == alone.distribution
    assert [one.name for one in dies.tolerances] == ["amplifier.offset", "cell.stuck_on"]
    told = dies.as_dict()
    assert told["tolerances"][0]["told"].startswith(("amplifier.offset up to", "all of it"))
    assert [p["value"] for p in told["sweeps"][0]["points"]] == [0, 0.5, 2]


def test_age_is_swept_in_seconds(build, few):
    sweep = parse_sweep("age=1,86400")
    dies = build.dies(few, device="pcm", settings={"wire.share": 0}, dies=2, sweeps=[sweep])
    alone = build.dies(few, device="pcm", settings={"wire.share": 0}, dies=2, age=86400.0)
    assert dict(dies.sweeps["age"].points)[86400.0] == alone.distribution


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"sweeps": [parse_sweep("cell.sigm=0,1")]}, "device-setting"),
        ({"sweeps": [parse_sweep("amplifier.gain=0,1.5")]}, "device-setting"),
        ({"sweeps": [parse_sweep("age=0,1")]}, "device-age"),
        ({"dies": 0}, "bad-dies"),
        ({"seed": 2**63 - 1}, "bad-dies"),
        ({"require": 1.5}, "bad-share"),
        ({"scheduler": "slurm"}, "unknown-scheduler"),
        ({"device": "rram"}, "unknown-device"),
    ],
)
def test_what_cannot_be_is_refused_before_a_die_is_drawn(build, few, options, code, monkeypatch):
    monkeypatch.setattr(Lot, "die", None)
    assert refused(build.dies, few, **options) == code


def test_a_sweep_of_what_cannot_be_is_said_to_be_of_the_sweep():
    for text in ("cell.sigm=0,1", "age=0,1"):
        with pytest.raises(MappingError) as refused:
            check_plan(Plan(sweeps=(parse_sweep(text),)))
        assert {str(one.loc) for one in refused.value.diagnostics} == {"--sweep"}


# --- what costs what ---------------------------------------------------------------------------


def test_what_costs_what_is_told_against_the_ideal_chip_and_against_real_ones(build, few):
    asked = {"device": "ideal", "dies": 3}
    two = {"amplifier.offset": 0.8, "cell.stuck_on": 0.05}
    found = build.dies(few, settings=two, attribute=True, **asked)
    costs = found.costs
    assert costs.dies == 3
    assert [one.name for one in costs.imperfections] == ["stuck", "offset"]
    ideal = found.ideal.share
    for one, name in zip(costs.imperfections, ("cell.stuck_on", "amplifier.offset"), strict=True):
        alone = build.dies(few, settings={name: two[name]}, **asked)
        rest = build.dies(few, settings={n: v for n, v in two.items() if n != name}, **asked)
        assert one.alone.mean == pytest.approx(ideal - alone.distribution.mean)
        assert one.left_out.mean == pytest.approx(rest.distribution.mean - found.distribution.mean)
    assert costs.together.mean == pytest.approx(ideal - found.distribution.mean)
    stuck, offset = costs.imperfections  # with two, what is left out of one is the other alone
    assert stuck.alone.mean + offset.left_out.mean == pytest.approx(costs.together.mean)


def test_layers_are_drawn_alone_and_left_ideal(build, few, trials):
    found = build.dies(few, dies=2, attribute=True, device="ideal", settings={"cell.stuck_on": 0.1})
    layers = found.costs.layers
    assert len(layers) == 3
    graph, lot = trials.graph, Lot(settings={"cell.stuck_on": 0.1})
    target = trials.target.with_device(load_device("ideal"))
    first = (layers[0].name,)
    whole, alone = (ops_of(lot.die(graph, target, 1, layers=held)) for held in (None, first))
    ideal = ops_of(graph)
    for name, op in whole.items():
        if isinstance(op, CrossbarMvm):
            assert op.cells is not None
            assert alone[name] == (op if name in first else ideal[name])
    assert lot.die(graph, target, 1, layers=()) == graph


def ops_of(graph):
    return {op.results[0].name: op for op in graph.ops}


def test_study_needs_no_folder_and_says_what_it_does(trials):
    told = []
    study_dies(trials, Plan(dies=1), progress=told.append)
    assert told == ["the ideal chip on the recording", "1 dies"]


# --- the command -------------------------------------------------------------------------------


def test_the_command_prints_what_the_call_returns(build, few, tmp_path):
    build.save(tmp_path / "b")
    np.savez(tmp_path / "x.npz", **few)
    words = ["yield", str(tmp_path / "b"), "--input", str(tmp_path / "x.npz"), "--dies", "3"]
    words += ["--device", "rram-typical", "--require", "75%", "--set", "amplifier.offset=0.3"]
    words += ["--sweep", "amplifier.offset=0:1:3", "--attribute"]
    done = CliRunner().invoke(cli.app, [*words, "--json", "-o", str(tmp_path / "y")])
    assert done.exit_code == 0, done.output
    answer = build.dies(
        few,
        device="rram-typical",
        settings={"amplifier.offset": 0.3},
        dies=3,
        require=0.75,
        sweeps=[parse_sweep("amplifier.offset=0:1:3")],
        attribute=True,
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(answer.as_dict()))
    shown = CliRunner().invoke(cli.app, [*words, "-o", str(tmp_path / "y")])
    assert shown.exit_code == 0
    assert "3 dies of rram-typical, amplifier.offset=0.3 (seeds 0 to 2)" in shown.stdout
    assert "which imperfection costs what, on 3 dies" in shown.stdout
    assert "does not cover" in shown.stderr
    assert "nobody verified: cell.on_off" in shown.stderr


def test_wrong_words_are_told_without_a_traceback(build, tmp_path):
    words = ["yield", str(tmp_path), "--input", "x.npz", "--require", "110%"]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 1
    assert "error[bad-share]" in done.stderr


def test_a_dead_ideal_chip_is_said_to_be_dead(build):
    """Inputs that are all 0: whatever dies give says nothing of them."""
    nothing = {name: np.zeros_like(array) for name, array in X.items()}
    found = build.dies(nothing, dies=2, **DIE)
    assert found.warnings[0] == "the recordings are empty: every input is 0 in every step"
