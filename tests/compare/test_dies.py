"""Dies of builds side by side: accuracy with its spread beside energy, energy at equal yield."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.compare.folder import read_comparison
from mapper.cost import Range
from mapper.diagnostics import MappingError
from mapper.proportions import Score
from mapper.report.comparison.dies import ComparedDies, SideDies
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
    assert "dies of" in (folder / "comparison.md").read_text()
    assert read_comparison(folder).network == answer.network


def test_builds_that_are_there_are_compared_by_the_command(compared, tmp_path):
    _, folder = compared
    np.savez(tmp_path / "x.npz", **X)
    words = ["compare", *(str(folder / name) for name in TARGETS), "--input", tmp_path / "x.npz"]
    asked = ["--dies", "3", "--require", "50%", "--set", "amplifier.offset=0.3"]
    done = CliRunner().invoke(cli.app, [*map(str, words), *asked])
    assert done.exit_code == 0, done.output
    assert "3 dies of each" in done.stdout
    assert "with ADCs" in done.stdout


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"require": 0.5}, "compare-inputs"),
        ({"settings": {"cell.sigma": 0.1}}, "compare-inputs"),
        ({"age": 10.0}, "compare-inputs"),
        ({"dies": 3}, "compare-inputs"),  # without recordings
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
