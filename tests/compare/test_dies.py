"""Dies of builds side by side: accuracy with its spread beside energy, energy at equal yield."""

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.compare.dies import _check_alike
from mapper.compare.folder import DIES as FOLDER
from mapper.compare.folder import read_comparison
from mapper.cost import Range
from mapper.diagnostics import MappingError
from mapper.dies.trials import Ideal
from mapper.proportions import Score
from mapper.report.comparison.dies import ComparedDies, SideDies
from mapper.report.comparison.page import comparison_charts
from mapper.study import RECORDS
from tests.networks import small_conv_net, spikes

NETWORK = small_conv_net()
X = spikes(NETWORK, steps=4, batch=6)
TARGETS = ("adcless-diff-64", "hpadc-sar5-64")
DIES = {"dies": 3, "device": "rram-typical", "settings": {"amplifier.offset": 0.3}, "require": 0.5}


def net() -> mapper.Imported:
    return mapper.Imported(graph=NETWORK, time_form="step", producer="", opset=None, ports=())


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    return mapper.compare_targets(net(), TARGETS, inputs=X, output=folder, **DIES), folder


def side(name: str, energy: float, adcs: bool | None, *values: float) -> SideDies:
    return SideDies(
        name=name,
        energy_pj=Range(energy, energy, energy),
        adcs=adcs,
        device="d",
        measured="accuracy",
        ideal=Score(9, 10),
        values=values,
    )


def dies(*sides: SideDies, require: float | None = 0.8) -> ComparedDies:
    return ComparedDies(require=require, first_seed=0, sides=sides, warnings=())


def test_the_least_energy_at_equal_yield_is_of_designs_with_enough_good_dies():
    cheap, good, dear = (
        side("cheap", 1e3, False, 0.7, 0.9),
        side("good", 2e3, False, 0.8, 0.9),
        side("dear", 3e3, False, 0.9, 0.9),
    )
    adc = side("adc", 5e3, True, 0.95, 0.95)
    held = dies(dear, cheap, good, adc)
    assert held.least(adcs=False) is good
    assert held.least(adcs=True) is adc
    assert tuple(held.told()) == (
        "least energy with sense amplifiers and 95 % of dies at 80 % or more: good, 2.00 nJ",
        "least energy with ADCs and 95 % of dies at 80 % or more: adc, 5.00 nJ",
        "at equal yield ADCs take 2.5x the energy of sense amplifiers",
    )
    assert held.rows()[1][-1] == "50 % (9.5 .. 90.5)"


def test_where_no_design_is_good_enough_or_nothing_is_required_it_is_said():
    bad = dies(side("bad", 1e3, False, 0.1), side("mixed", 1e3, None, 0.9))
    assert tuple(bad.told()) == (
        "no design with sense amplifiers that was compared has 95 % of dies at 80 % or more",
    )
    asked = dies(side("bad", 1e3, False, 0.1), require=None)
    assert (tuple(asked.told()), asked.heads[-1]) == ((), "dies")
    assert asked.as_dict()["sides"][0]["yield"] is None


def test_dies_stand_beside_costs_as_builds_say_them_alone(compared):
    answer, folder = compared
    for one, name in zip(answer.dies.sides, TARGETS, strict=True):
        target = mapper.load_target(name).with_device(mapper.load_device("rram-typical"))
        build = mapper.compile(net(), target, calibrate=X)
        alone = build.dies(X, dies=3, settings=DIES["settings"])
        assert one.values == tuple(alone.values)
        assert one.adcs == (name == "hpadc-sar5-64")
    energies = [build.cost.total_pj for build in answer.builds]
    assert [one.energy_pj for one in answer.dies.sides] == energies
    written = json.loads((folder / "comparison.json").read_text())
    assert written["dies"] == json.loads(json.dumps(answer.dies.as_dict()))
    assert any("does not cover age" in text for text in answer.warnings)
    page = (folder / "compare.html").read_text()
    for told in answer.dies.told():
        assert told in page
    assert "Chips as they come from the fab" in page
    assert 'data-chart="dies"' in page
    assert "dies of" in (folder / "comparison.md").read_text()


def test_dies_are_read_again_for_figures(compared):
    answer, folder = compared
    read = read_comparison(folder)
    assert read.dies == replace(answer.dies, cites=())  # their works are among the references
    assert comparison_charts(read) == comparison_charts(answer.side_by_side())
    alive = replace(read, sides=tuple(replace(one, incomparable="") for one in read.sides))
    charts = {chart.name: chart for chart in comparison_charts(alive)}
    bars, scatter = charts["dies"], charts["pareto-dies"]
    means = [f"{100 * np.mean(one.values):.4g}" for one in answer.dies.sides]
    rows = [row for row in bars.table.rows if row[1] == "dies"]
    assert [(row[0], row[2]) for row in rows] == list(zip(TARGETS, means, strict=True))
    assert [row[1] for row in scatter.table.rows] == means
    assert "Of 3 dies (rram-typical) the mean" in bars.description
    assert "Required of a die: 50 %." in bars.description


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("require", 2),
        ("share", "95%"),
        ("first_seed", -1),
        ("sides", []),
        ("name", "another"),
        ("adcs", "yes"),
        ("energy_pj", [1.0]),
        ("measured", "\ud800"),
        ("values", []),
        ("values", [0.5]),
        ("values", [0.5, 1.5]),
        ("ideal", {}),
    ],
)
def test_dies_that_compare_does_not_write_are_refused(compared, tmp_path, name, value):
    held = json.loads((compared[1] / "comparison.json").read_text())
    dies = held["dies"]
    (dies if name in dies else dies["sides"][0])[name] = value
    (tmp_path / "comparison.json").write_text(json.dumps(held))
    with pytest.raises(MappingError, match="bad-comparison"):
        read_comparison(tmp_path)


# --- records -----------------------------------------------------------------------------------


def records(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.glob(f"{FOLDER}/*/{RECORDS}")}


def test_a_comparison_goes_on_where_it_was_killed(compared, tmp_path, monkeypatch):
    answer, folder = compared
    ran, compare = [], Ideal._compared

    def killed_in_the_second(self, answers):
        ran.append(answers)
        if len(ran) == 7:  # two ideal chips, three dies of the first, one of the second
            raise KeyboardInterrupt
        return compare(self, answers)

    place = tmp_path / "compared"
    with monkeypatch.context() as patched:
        patched.setattr(Ideal, "_compared", killed_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            mapper.compare_targets(net(), TARGETS, inputs=X, output=place, **DIES)
    assert sorted(len(held.splitlines()) - 1 for held in records(place).values()) == [1, 3]
    told: list[str] = []
    asked = {"progress": told.append, **DIES}
    again = mapper.compare_targets(net(), TARGETS, inputs=X, output=place, **asked)
    assert [t for t in told if "earlier run" in t] == ["2 dies, 1 more from an earlier run"]
    assert again.as_dict() == answer.as_dict()
    assert records(place) == records(folder)


def test_a_comparison_with_records_changes_in_one_step_and_runs_nothing_twice(
    compared, tmp_path, monkeypatch
):
    answer, folder = compared
    place = tmp_path / "compared"
    copytree(folder, place)
    before = place.stat().st_ino
    monkeypatch.setattr(Ideal, "__call__", None)  # no die is run
    again = mapper.compare_targets(net(), TARGETS, inputs=X, output=place, **DIES)
    assert again.as_dict() == answer.as_dict()
    assert place.stat().st_ino != before  # exchanged
    assert records(place) == records(folder)
    (place / FOLDER / "mine.txt").write_text("mine")
    mapper.compare_targets(net(), TARGETS, inputs=X, output=place, **DIES)
    assert (place / FOLDER / "mine.txt").read_text() == "mine"


def test_every_scheduler_gives_the_same_dies(compared):
    answer, _ = compared
    threads = mapper.compare_targets(
        net(), TARGETS, inputs=X, scheduler="threads", workers=2, **DIES
    )
    assert threads.dies == answer.dies


def test_a_target_has_no_name_of_the_records(tmp_path):
    target = replace(mapper.load_target(TARGETS[0]), name="Dies")
    with pytest.raises(MappingError, match="would have the name of what compare writes"):
        mapper.compare_targets(net(), [target], inputs=X, output=tmp_path, **DIES)


def test_builds_that_are_there_are_compared_by_the_command(compared, tmp_path):
    _, folder = compared
    np.savez(tmp_path / "x.npz", **X)
    words = ["compare", *(str(folder / name) for name in TARGETS), "--input", tmp_path / "x.npz"]
    asked = ["--dies", "3", "--require", "50%", "--set", "amplifier.offset=0.3"]
    asked += ["--device", "rram-typical", "--corner", "worst"]
    asked += ["--scheduler", "threads", "--workers", "1"]
    done = CliRunner().invoke(cli.app, [*map(str, words), *asked])
    assert done.exit_code == 0, done.output
    assert "3 dies of each" in done.stdout
    assert "rram-typical-worst" in done.stdout
    assert "with ADCs" in done.stdout


def test_dies_that_are_measured_by_different_things_do_not_stand_side_by_side():
    work = [
        SimpleNamespace(labels=None, deciding=SimpleNamespace(names_classes=classes))
        for classes in (True, False, True)
    ]
    found = [SimpleNamespace(title=name) for name in "abc"]
    _check_alike(found[::2], work[::2])
    with pytest.raises(MappingError, match="things: same class of a, same outputs of b"):
        _check_alike(found[:2], work[:2])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"require": 0.5}, "compare-inputs"),
        ({"settings": {"cell.sigma": 0.1}}, "compare-inputs"),
        ({"age": 10.0}, "compare-inputs"),
        ({"dies": 3}, "compare-inputs"),  # without recordings
        ({"scheduler": "threads"}, "compare-inputs"),
        ({"workers": 2}, "compare-inputs"),
        ({"dies": 3, "scheduler": "luck"}, "unknown-scheduler"),
        ({"dies": 3, "workers": 0}, "bad-argument"),
        ({"dies": 3, "require": 2.0}, "bad-share"),
        ({"dies": 3, "age": -1.0}, "device-age"),
        ({"dies": 3, "settings": {"cell.sigm": 1.0}}, "device-setting"),
        ({"dies": 3, "device": "rram"}, "unknown-device"),
        ({"dies": 0, "inputs": X}, "bad-dies"),
    ],
)
def test_what_cannot_be_compared_is_refused(options, code):
    with pytest.raises(MappingError) as caught:
        mapper.compare_targets(net(), TARGETS[:1], **options)
    assert caught.value.diagnostics[0].code == code
