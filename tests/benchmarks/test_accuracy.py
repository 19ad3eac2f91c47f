"""The accuracy benchmark: its jobs, that it goes on where it stopped, and its table."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

from benchmarks import accuracy_table
from benchmarks.accuracy_data import Prepared, Recordings, load, split, store
from benchmarks.accuracy_pool import Pool, Schedule
from benchmarks.accuracy_settings import (
    CHAINS,
    SETTINGS,
    SHARED,
    STEPS,
    TARGETS,
    epochs_until,
    jobs,
    small,
)
from benchmarks.accuracy_work import Place
from mapper.training import Awareness, harden
from targets import load_target
from tests.training.small import a_network, spikes

ROOT = Path(__file__).resolve().parents[2]

SMALL = small(SETTINGS["nmnist"])


def recordings(count: int, seed: int) -> Recordings:
    rng = np.random.default_rng(seed)
    x = (rng.random((SMALL.steps, count, 2, 34, 34)) < 0.1).astype(np.uint8)
    return Recordings(x, rng.integers(0, 10, count))


def a_place(folder: Path, **changes) -> Place:
    data = Prepared(recordings(20, 0), recordings(10, 1), {"first": slice(0, 4)})
    store(SMALL, data, folder / "data")
    setting = replace(SMALL, **changes)
    return Place(
        results=folder / "results",
        work=folder / "work",
        data=folder / "data",
        settings={"nmnist": setting},
    )


def run(place: Place, *targets: str, chains: tuple[str, ...] = ("base", "staged")):
    lines: list[str] = []
    schedule = Schedule(place, [Pool(device="cpu", workers=1)], lines.append)
    finished = schedule.run(jobs(["nmnist"], list(targets), [0], list(chains)))
    return finished, lines, schedule


def test_all_targets_are_there():
    for name in TARGETS:
        assert load_target(name).macros[0].readout.kind == "sense-amp"


def test_all_paths_are_equally_long():
    for setting in SETTINGS.values():
        ends = ("staged", "jump", "float-long", "quantised-long")
        assert {epochs_until(STEPS[name], setting) for name in ends} == {setting.all_epochs}
        ends = ("long", "quantised-whole", "float-whole")
        assert {epochs_until(STEPS[name], setting) for name in ends} == {2 * setting.all_epochs}


@pytest.mark.parametrize("size", [32, 64, 128])
def test_the_converter_is_that_of_the_hp_adc_target(size):
    x, model = spikes(3, 8, 2, 6, 6), a_network()
    ours = harden(model, f"adcless-{size}")
    ours.raise_awareness(Awareness(reading="converter", bits=5), x)
    theirs = harden(model, f"hpadc-flash5-{size}", example=x)
    assert (ours.eval()(x) == theirs.eval()(x)).all()
    assert ours.eval()(x).any()


def test_what_matters_comes_first_and_nothing_twice():
    found = list(jobs(["nmnist"], list(TARGETS), [0, 1, 2], ["base", "staged", "jump", "controls"]))
    assert len(found) == len(set(found)) == 3 * (1 + 2 + 2 * len(TARGETS))
    assert [job.steps for job in found[:3]] == [("float", "quantised")] * 3
    assert {job.target for job in found[3:6]} == {"adcless-diff-64"}
    assert all(job.after in found for job in found if job.after)
    everything = list(jobs(["nmnist"], list(TARGETS), [0, 1, 2], list(CHAINS)))
    assert len(everything) == len(set(everything)) == len(found) + 3 * (len(TARGETS) + 2)
    long = list(jobs(["nmnist"], ["adcless-64"], [0], ["long"]))
    assert [job.steps for job in long] == [("float-long",), ("long",)]
    assert long[1].after == long[0]


def test_data_comes_back_as_it_was(tmp_path):
    place = a_place(tmp_path)
    held = load(SMALL, place.data)
    assert np.array_equal(held.train.x, recordings(20, 0).x)
    assert np.array_equal(held.test.wanted, recordings(10, 1).wanted)
    assert held.parts == {"first": slice(0, 4)}
    with pytest.raises(ValueError, match="20 recordings of 6 steps at 34, not 800 of 6 at 34"):
        load(SETTINGS["nmnist"], place.data)


def test_settings_are_chosen_without_the_test_set(tmp_path):
    place = a_place(tmp_path)
    held = load(SMALL, place.data)
    reported = split(SMALL, held, validate=True).whole
    ((x, labels),) = reported.held_out()
    assert np.array_equal(x.numpy(), held.train.x[:, 16:])
    assert np.array_equal(labels.numpy(), held.train.wanted[16:])
    assert len(reported.train[1]) == 16


@pytest.mark.campaign(0)
def test_a_stopped_run_goes_on_and_other_settings_are_refused(tmp_path):
    place = a_place(tmp_path)
    finished, lines, _ = run(place, "adcless-64")
    assert finished
    assert [line.split()[5] for line in lines] == [
        "float",
        "quantised",
        "converter",
        "untrained",
        "staged",
    ]
    assert run(place, "adcless-64")[1] == []  # nothing is left to do
    before = (place.folder(next(jobs(["nmnist"], [], [0], ["base"])), "float") / "float.pt").stat()
    finished, lines, _ = run(place, "adcless-diff-64")
    assert finished
    assert len(lines) == 3  # the shared steps are not done again
    after = (place.folder(next(jobs(["nmnist"], [], [0], ["base"])), "float") / "float.pt").stat()
    assert before.st_mtime_ns == after.st_mtime_ns
    fewer = replace(SMALL, crossbars=(64,))  # which others there are says nothing of this one
    assert run(replace(place, settings={"nmnist": fewer}), "adcless-64")[1] == []
    with pytest.raises(ValueError, match="use another folder"):
        run(replace(place, settings={"nmnist": replace(SMALL, shift=1)}), "adcless-64")


@pytest.mark.campaign(0)
def test_one_bit_starts_from_float_that_was_trained_as_long(tmp_path):
    """The controls go beside it."""
    place = a_place(tmp_path)
    finished, lines, _ = run(place, "adcless-64", chains=("long", "long-controls"))
    assert finished
    steps = [line.split()[5] for line in lines]
    assert steps == ["float-long", "long", "quantised-whole", "float-whole"]
    todo = list(jobs(["nmnist"], ["adcless-64"], [0], ["long"]))[-1]
    held = json.loads(place.result(todo, "long").read_text())
    assert (held["from"], held["rate"]) == ("float-long", 4e-3)
    assert (held["epochs"], held["epochs_in_all"]) == (4, 8)


@pytest.mark.campaign(0)
def test_a_run_out_of_time_keeps_what_is_done(tmp_path):
    place = a_place(tmp_path)
    lines: list[str] = []
    pools = [Pool(device="cpu", workers=1)]
    todo = list(jobs(["nmnist"], ["adcless-64"], [0], ["base", "staged"]))
    assert not Schedule(place, pools, lines.append, minutes=0.0).run(todo)
    assert lines == ["out of time: 2 jobs not started"]

    def stop(line: str) -> None:
        lines.append(line)
        if "converter" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Schedule(place, pools, stop).run(todo)
    kept = {path.stem.rpartition("_")[2] for path in place.results.glob("*.json")}
    assert {"float", "quantised", "converter"} <= kept
    assert run(place, "adcless-64")[0]


@pytest.mark.campaign(0)
def test_a_failure_is_reported_and_does_not_stop_the_rest(tmp_path):
    place = a_place(tmp_path)
    finished, _, schedule = run(place, "no-such-64", "adcless-32")
    assert not finished
    assert ["no-such-64" in problem for problem in schedule.failed] == [True]
    assert place.is_done(list(jobs(["nmnist"], ["adcless-32"], [0], ["staged"]))[-1])


def test_the_table(tmp_path):
    results = [
        a_result(target=SHARED, step="float", seed=seed, metric=m)
        for seed, m in enumerate((0.94, 0.95, 0.96))
    ]
    results.append(a_result(target="adcless-64", step="staged", seed=0, metric=0.9))
    results.append(a_result(target="adcless-diff-32", step="staged", seed=1, metric=0.93))
    text = accuracy_table.as_markdown(results)
    assert text.splitlines() == [
        "**nmnist**, two (width 32, inputs 34x34), %:",
        "",
        "| target | float | 1 bit, staged |",
        "|---|---|---|",
        "| `adcless-diff-32` | 95.0 ± 1.0 | 93.0 (1) |",
        "| `adcless-64` | 95.0 ± 1.0 | 90.0 (1) |",
        "",
        "**1 bit, staged, against float**, better by:",
        "",
        "| task | `adcless-diff-32` | `adcless-diff-64` | `adcless-diff-128` | `adcless-32` "
        "| `adcless-64` | `adcless-128` |",
        "|---|---|---|---|---|---|---|",
        "| nmnist, points | -2.0 (0 of 1) | - | - | - | -4.0 (0 of 1) | - |",
    ]
    page = tmp_path / "page.md"
    page.write_text(f"above\n{accuracy_table.BEGIN}\nold\n{accuracy_table.END}\nbelow\n")
    accuracy_table.write_into(page, text)
    written = page.read_text()
    assert written.startswith("above\n")
    assert written.endswith("below\n")
    assert "old" not in written
    assert text in written


def test_a_gain_is_of_the_seeds_that_both_have():
    made = {
        ("staged", 0): 0.8,
        ("staged", 1): 1.1,
        ("staged", 2): 9.0,
        ("float", 0): 1.0,
        ("float", 1): 1.0,
    }
    results = [
        a_result(metric_name="endpoint error", target="t-64", step=step, seed=seed, metric=metric)
        for (step, seed), metric in made.items()
    ]
    found = accuracy_table.gain(results, "nmnist", "t-64", "staged", "float")
    assert (round(found.mean, 9), found.better, found.seeds) == (5.0, 1, 2)  # 0.95 for 1.0
    assert accuracy_table.gain(results, "nmnist", "t-64", "staged", "jump") is None


def a_result(**fields):
    setting = {"width": 32, "size": 34}
    told = {"task": "nmnist", "network": "two", "metric_name": "accuracy", "setting": setting}
    return told | fields


def test_the_page_shows_the_results_that_are_kept():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.accuracy", "--table", "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout)
    results = accuracy_table.read(ROOT / "benchmarks" / "results" / "accuracy")
    measured = {result["step"] for result in results}
    wanted = {pair for pair in accuracy_table.COMPARISONS if measured.issuperset(pair)}
    assert {(row["step"], row["against"]) for row in told["comparisons"]} == wanted
    assert len(wanted) >= 3
    assert {row["task"] for row in told["rows"]} == {row["task"] for row in told["comparisons"]}
    page = (ROOT / "docs" / "accuracy.md").read_text()
    assert accuracy_table.as_markdown(results) in page
    assert not any(result["validation"] for result in results)


@pytest.mark.parametrize("text", ["gpu=1", "cpu", "cpu=0", "cpu=x"])
def test_a_pool_that_is_none(text):
    with pytest.raises(ValueError, match="a pool is"):
        Pool.parse(text)


def test_a_pool_takes_what_it_was_given():
    assert Pool.parse("cuda=4:gesture,flow") == Pool(
        device="cuda", workers=4, tasks=("gesture", "flow")
    )
