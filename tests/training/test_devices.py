"""Devices by name in training: what chips of them do to columns, in counts, by hand."""

from contextlib import nullcontext
from dataclasses import replace
from math import exp, sqrt
from pathlib import Path

import pytest
from torch import nn

from mapper import MappingError
from mapper.training import Hardened, harden
from mapper.training.backends.noise import Noise
from mapper.training.hardening.devices import noise_for
from mapper.training.hardening.stages import Stage, staged
from targets.devices import Device, load_device, shipped_device_text
from targets.devices.cell import Cell, Quantiles, Spread
from targets.devices.fact import Fact
from tests.training.small import a_macro, a_network, spikes
from tests.training.test_trainer import DIFFERENTIAL, SHORT, a_model, a_run, same

DAY = 86_400.0


def a_layer(readout: str = "sense-amp", **changes) -> Hardened:
    return Hardened(nn.Linear(40, 5), a_macro(readout, wordlines=64, **changes))


def a_device(**cell) -> Device:
    source = {"name": "hand-made", "kind": "other", "summary": "for tests", "provenance": "none"}
    return Device(cell=Cell(**cell), **source)


def test_rram_of_wan_by_hand():
    """Fit of its spread at 0 and 39 uS; 3.44 mV at 1 V over 64 rows, 15.625 mV a count."""
    found = noise_for(a_layer(), "rram-wan")
    at_39 = 1.053 + 0.2374 * 39 - 0.01167 * 39**2 + 0.0001536 * 39**3
    assert found.cells == pytest.approx((1.053 / 39, at_39 / 39))
    assert found.offset == pytest.approx(3.44 / 15.625)
    assert found.levels == (0.0, 1.0)
    assert (found.read, found.stuck_on, found.stuck_off, found.off) == (0, 0, 0, 0)


def test_settings_are_in_counts():
    device = load_device("ideal").with_set(
        {"cell.sigma": 0.1, "amplifier.offset": 0.5, "amplifier.noise": 0.2, "cell.stuck_on": 0.01}
    )
    found = noise_for(a_layer(), device)
    assert (found.cells, found.offset, found.read) == ((0.1, 0.1), 0.5, 0.2)
    assert (found.stuck_on, found.replica) == (0.01, False)


def test_ideal_chips_are_no_noise():
    assert noise_for(a_layer(), "ideal").is_none
    assert noise_for(a_layer(), None) is None


def test_what_ages_loses_conductance_and_spreads():
    """A cell of one count at nu 0.06 +- 0.02, exp(10) t0 old: exp(-0.6), and 0.2 of that."""
    device = load_device("ideal").with_set({"cell.nu": 0.06, "cell.nu_sigma": 0.02})
    found = noise_for(a_layer(), device, age=exp(10))
    assert found.levels == pytest.approx((0.0, exp(-0.6)))
    assert found.cells == pytest.approx((0.0, 0.2 * exp(-0.6)))
    assert noise_for(a_layer(), device).is_none  # as programmed


def test_leakage_is_what_a_cell_has_to_lose():
    """On/off 11: a cell of two levels that is off conducts a tenth of a count."""
    device = load_device("ideal").with_set({"cell.on_off": 11, "cell.sigma": 0.2})
    found = noise_for(a_layer(), device)
    assert (found.off, found.levels) == (pytest.approx(0.1), (0.0, 1.0))


def test_leakage_that_nobody_takes_off_adds_to_columns_alone():
    """A pair takes it off itself, and so does the reference that follows the rows."""
    base = load_device("ideal").with_set({"cell.on_off": 11})
    device = replace(base, replica=replace(base.replica, leakage="stays"))
    alone = a_layer(encoding="offset-binary")
    assert noise_for(alone, device).levels == pytest.approx((0.1, 1.1))
    assert noise_for(alone, device).off == 0
    for layer in (a_layer(), a_layer("half-active", encoding="offset-binary")):
        assert noise_for(layer, device).levels == (0.0, 1.0)


def test_laws_that_are_not_normal_have_their_mean_and_spread():
    on, off = Fact(value=20, source="x"), Fact(value=10, source="x")
    log = a_device(on_us=on, off_us=off, spread=(Spread(log_sigma=0.3, source="x"),))
    found = noise_for(a_layer(), log)  # a count is 10 uS: cells of 1 and 2 counts, 1 is taken off
    mean, share = exp(0.045), sqrt(exp(0.09) - 1)
    assert found.levels == pytest.approx((mean - 1, 2 * mean - 1))
    assert found.cells == pytest.approx((mean * share, 2 * mean * share))
    levels = (Quantiles(at_us=10, found_us=(8, 12)), Quantiles(at_us=20, found_us=(20, 24)))
    table = a_device(on_us=on, off_us=off, spread=(Spread(level=levels, source="x"),))
    found = noise_for(a_layer(), table)
    assert found.levels == pytest.approx((0.0, 1.2))
    assert found.cells == pytest.approx((0.2, 0.2))


def test_a_twin_has_the_chips_it_was_hardened_for():
    x = spikes(4, 6, 2, 6, 6)
    twin = harden(a_network(), "adcless-64", example=x, device="rram-wan")
    plain = harden(a_network(), "adcless-64", example=x)
    expected = noise_for(next(plain.layers()), "rram-wan")
    assert all(layer.noise == expected for layer in twin.layers())
    assert twin.train()(x).isfinite().all()
    aged = harden(a_network(), "adcless-64", device="pcm", age=DAY)
    assert next(aged.layers()).noise.levels[1] == pytest.approx(0.66, abs=0.01)
    twin.disturb(None)
    assert all(layer.noise is None for layer in twin.layers())


def test_a_device_that_there_is_not_is_refused():
    with pytest.raises(MappingError, match=r"unknown-device.*no device is named 'rram-wam'"):
        harden(a_network(), "adcless-64", device="rram-wam")


def test_a_run_refuses_a_device_before_its_first_epoch():
    late = Stage(name="dies", kind="target", epochs=1, rate=1e-3, device="rram-wam")
    run = a_run(schedule=(*SHORT, late))
    with pytest.raises(MappingError, match="unknown-device"):
        run.train()
    assert not run.history


def test_a_twin_keeps_its_own_chips_in_stages_that_name_none():
    twin = harden(a_model(), DIFFERENTIAL, device=load_device("rram-wan"))
    own, other = twin.noise, Noise(offset=2.0)
    assert all(noise.offset > 0.1 for noise in own)
    quick = replace(SHORT[-1], epochs=1)
    schedule = (quick, replace(quick, name="dies", noise=other), replace(quick, name="own"))
    seen = []
    run = a_run(model=twin, schedule=schedule)
    run.report = lambda line: seen.append(twin.noise)
    run.train()
    assert seen == [own, (other, other), own]
    late = replace(quick, device="rram-wam")
    for last, fails in ((schedule[1], False), (late, True)):
        with pytest.raises(MappingError) if fails else nullcontext():
            a_run(model=twin, schedule=(last,)).train()
        assert twin.noise == own


def test_a_run_that_was_cut_off_goes_on_with_the_twins_own_chips_to_the_same_bits(tmp_path):
    """On one that is made in the same way; any other is refused: no checkpoint has its chips."""
    quick = replace(SHORT[-1], epochs=1)
    dies = replace(quick, name="dies", noise=Noise(offset=2.0))
    schedule = (quick, dies, replace(quick, name="own", epochs=2))

    def run(folder=None, **options):
        asked = {"device": load_device("rram-wan"), **options}
        return a_run(folder, model=harden(a_model(), DIFFERENTIAL, **asked), schedule=schedule)

    lines = []

    def report(line):
        lines.append(line)
        if len(lines) == 4:  # the last stage, on its own chips again, has one whole epoch
            raise KeyboardInterrupt

    whole = run()
    expected = whole.train()
    broken = run(tmp_path)
    broken.report = report
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    resumed = run(tmp_path)
    assert same(resumed.train(), expected)
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in whole.history]
    assert resumed.model.noise == whole.model.noise
    for options, where in (
        ({"device": None}, r"twin\.layers\.0\.chips {'cells': .*\.\.\., not None"),
        ({"device": "rram-milo"}, r"twin\.layers\.0\.chips\.cells\.0 0\.\d+, not "),
        ({"weight_bits": 3}, r"twin\.layers\.0\.encoding\.\w+ "),
        ({"scale": "column"}, r"twin\.layers\.0\.scale 'layer', not 'column'"),
    ):
        with pytest.raises(ValueError, match=f"is of a run with {where}"):
            run(tmp_path, **options).train()


def test_a_run_knows_the_file_of_a_device_by_its_content(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(shipped_device_text("rram-wan"), encoding="utf-8")
    schedule = (replace(SHORT[-1], epochs=1, device=str(file)),)
    a_run(tmp_path / "run", schedule=schedule).train()
    changed = load_device(file).with_set({"amplifier.offset": 0.9})
    file.write_text(changed.text, encoding="utf-8")
    with pytest.raises(ValueError, match="is of a run with devices"):
        a_run(tmp_path / "run", schedule=schedule).train()


def test_a_run_ends_on_chips_of_a_device(tmp_path):
    quick = replace(SHORT[-1], epochs=1)
    dies = replace(quick, name="dies", device=load_device("rram-wan"), age=60.0)
    run = a_run(tmp_path, schedule=(quick, dies))
    twin = run.train()
    assert [row["stage"] for row in run.history] == ["target", "dies"]
    assert all(layer.noise.offset > 0.1 for layer in twin.layers())  # at 32 rows
    a_run(tmp_path, schedule=(quick, dies)).train()  # the folder knows the run by its device
    other = replace(dies, device=load_device("rram-milo"))
    with pytest.raises(ValueError, match="is of a run with schedule"):
        a_run(tmp_path, schedule=(quick, other)).train()


def test_stages_for_chips():
    *before, dies = staged(dies=8, device="pcm", age=DAY)
    assert [stage.chips for stage in before] == [None] * 2
    assert (dies.name, dies.chips, dies.age) == ("dies", "pcm", DAY)
    assert staged(noise=Noise(read=1.0))[-1].chips == Noise(read=1.0)
    with pytest.raises(ValueError, match="stage 'dies' has a device and noise"):
        staged(dies=8, device="pcm", noise=Noise(read=1.0))
    with pytest.raises(ValueError, match=r"stage 'dies' has device .*Path.*its file as text"):
        staged(dies=8, device=Path("pcm.toml"))
