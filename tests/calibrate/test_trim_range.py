"""A trim has a range: what is beyond it is trimmed to its end, counted and said."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper as spikeloom
from mapper import cli
from mapper.diagnostics import MappingError
from mapper.dies.trims import Trim, measured_offsets, trimmed
from mapper.ir.crossbar import CrossbarMvm
from targets import load_target
from targets.devices import device_from_data
from tests.drawn_dies import device
from tests.fuzz.onnx_seeds import two_layers

RNG = np.random.default_rng(0)
SAMPLES = (RNG.random((6, 8, 4)) < 0.4).astype(np.uint8)
MACRO = load_target("adcless-64").macros[0]


@pytest.fixture(scope="module")
def build() -> spikeloom.Build:
    return spikeloom.compile(two_layers(), "adcless-64", calibrate=SAMPLES)


@pytest.mark.parametrize(
    ("step", "reach", "left", "beyond"),
    [
        # offsets 0.2, 0.3, -0.7, 1.2, -9; ends at 1.0 (two steps of 0.5 are within 1.1)
        (0.5, 1.1, [0.2, -0.2, -0.2, 0.2, -8.0], [0, 0, 0, 0, 1]),
        # ends at one step: 1.2 keeps 0.7, which a second step would take to 0.2
        (0.5, 0.99, [0.2, -0.2, -0.2, 0.7, -8.5], [0, 0, 0, 1, 1]),
        # less than a step is none: whatever needs a step is beyond
        (0.5, 0.4, [0.2, 0.3, -0.7, 1.2, -9.0], [0, 1, 1, 1, 1]),
        (0.5, 0.0, [0.2, 0.3, -0.7, 1.2, -9.0], [0, 1, 1, 1, 1]),
        (0.5, None, [0.2, -0.2, -0.2, 0.2, 0.0], [0, 0, 0, 0, 0]),
        # 0.3 / 0.1 is a little less than 3, and has three steps all the same
        (0.1, 0.3, [0.0, 0.0, -0.4, 0.9, -8.7], [0, 0, 1, 1, 1]),
    ],
)
def test_a_trim_ends_with_its_range(step, reach, left, beyond):
    offsets = np.array([0.2, 0.3, -0.7, 1.2, -9.0])
    moved, further = Trim(step=step).of(offsets, reach)
    np.testing.assert_allclose(offsets + moved, left, atol=1e-12)
    assert further.astype(int).tolist() == beyond


def test_offsets_beyond_are_counted_by_readout_and_keep_the_rest(build, tmp_path: Path):
    """Two offsets are measured: 3 counts with a range of 2 keep 1, and 1.5 of 0.5 is within."""
    (tmp_path / "m.csv").write_text("slot,readout,offset_counts\n0,0,3\n0,1,-1.5\n")
    die = build.die(measured=tmp_path / "m.csv", device="ideal")
    done = die.calibrate(SAMPLES, trim=True, trim_step=1.0, trim_range=2.0)
    assert (done.found.trimmed, done.found.beyond, done.found.reaches) == (2, 1, (2.0,))
    name = next(op for op in build.hardware.ops if isinstance(op, CrossbarMvm)).partial_sum.name
    trims = done.build.mapped.die.step.trims[name]
    held = next(
        o for o in measured_offsets(die.mapped.die, build.target) if o.op.partial_sum.name == name
    )
    left = sorted(set((held.counts + trims).ravel().tolist()))
    assert left == [0.0, 0.5, 1.0]
    readouts = done.found.ranged
    assert f"1 of {readouts} readouts is beyond the trim's range of 2 counts" in done.lines
    assert done.as_dict()["references"]["beyond_range"] == 1
    assert done.as_dict()["trim_ranges"] == [2.0]


def test_the_device_says_the_range_and_an_option_goes_before_it(build):
    die = build.die(1, device=device(amplifier__offset=3.0, amplifier__trim_range=2.0))
    done = die.calibrate(SAMPLES, trim=True, trim_step=1.0)
    offsets = {}
    for held in measured_offsets(die.mapped.die, build.target):
        pairs = zip(held.sites.ravel().tolist(), np.abs(held.counts).ravel(), strict=True)
        offsets |= dict(pairs)
    assert done.found.beyond == sum(offset > 2.5 for offset in offsets.values()) > 0
    assert done.found.reaches == (2.0,)
    wide = die.calibrate(SAMPLES, trim=True, trim_step=1.0, trim_range=100.0)
    assert (wide.found.beyond, wide.found.reaches) == (0, (100.0,))


def test_a_range_that_nobody_knows_is_said_not_to_be_known(build):
    die = build.die(1, device=device(amplifier__offset=3.0))
    done = die.calibrate(SAMPLES, trim=True, trim_step=1.0)
    found = done.found
    assert (found.beyond, found.reaches, found.ranged) == (0, (), 0)
    assert found.endless == found.references
    assert any(
        line.startswith(f"the trim's range is not known of {found.references} readouts")
        for line in done.lines
    )
    assert done.as_dict()["references"]["range_not_known"] == found.references


def test_a_range_in_millivolts_is_counted_in_counts():
    """8 mV at 4 mV a count are 2 counts; without a count in mV it is not known."""
    data = {
        "name": "d",
        "kind": "other",
        "summary": "s",
        "provenance": "p",
        "amplifier": {
            "trim_range_mv": {"value": 8, "source": "s"},
            "mv_per_count": {"value": 4, "source": "s"},
        },
    }
    assert device_from_data(data, loc="d.toml").on(MACRO).readout.trim_range == 2.0
    del data["amplifier"]["mv_per_count"]
    unknown = device_from_data(data, loc="d.toml")
    assert unknown.on(MACRO).readout.trim_range is None
    assert unknown.with_set({"amplifier.trim_range": 3}).on(MACRO).readout.trim_range == 3.0
    data["amplifier"]["trim_range_counts"] = {"value": 1, "source": "s"}
    with pytest.raises(MappingError, match="the range of a trim is said twice"):
        device_from_data(data, loc="d.toml")


def test_columns_are_placed_away_from_readouts_that_a_trim_cannot_reach(build):
    """Offsets alone, half of them beyond: columns find readouts that the trim reaches."""
    die = build.die(1, device=device(amplifier__offset=4.0))
    here, there = (
        die.calibrate(SAMPLES, trim=True, place=place, trim_step=1.0, trim_range=3.0, biases=False)
        for place in (False, True)
    )
    assert here.found.beyond > 0
    assert there.found.columns_placed > 0
    assert there.found.beyond < here.found.beyond
    far = die.calibrate(SAMPLES, trim=True, place=True, trim_step=1.0)
    assert far.found.columns_placed == 0


@pytest.mark.parametrize("reach", [-1.0, float("nan"), float("inf")])
def test_a_range_that_is_none_is_refused(build, reach):
    die = build.die(0, device=device(amplifier__offset=1.0))
    with pytest.raises(MappingError) as refused:
        die.calibrate(SAMPLES, trim_step=1.0, trim_range=reach)
    assert refused.value.diagnostics[0].code == "trim-range"
    with pytest.raises(MappingError) as untrimmed:
        die.calibrate(SAMPLES, trim=False, trim_range=reach)
    assert untrimmed.value.diagnostics == refused.value.diagnostics


def test_a_range_alone_asks_for_a_step(build):
    die = build.die(0, device=device(amplifier__offset=1.0))
    with pytest.raises(MappingError) as refused:
        die.calibrate(SAMPLES, trim_range=1.0)
    assert refused.value.diagnostics[0].code == "trim-step"


def test_the_command_says_how_many_are_beyond(build, tmp_path: Path):
    build.die(0, device=device(amplifier__offset=2.0)).save(tmp_path / "die")
    np.savez(tmp_path / "x.npz", x=SAMPLES)
    args = ["calibrate", str(tmp_path / "die"), "--samples", str(tmp_path / "x.npz")]
    given = ["--trim", "--trim-step", "1", "--trim-range", "1", "-o", str(tmp_path / "c")]
    run = CliRunner().invoke(cli.app, [*args, *given])
    assert run.exit_code == 0, run.output
    found = trimmed(
        build.die(0, device=device(amplifier__offset=2.0)).mapped.die,
        build.target,
        Trim(step=1.0, reach=1.0),
    )
    beyond, all_of = (sum(getattr(one, f) for one in found) for f in ("beyond", "readouts"))
    assert f"{beyond} of {all_of} readouts are beyond the trim's range of 1 counts" in run.stdout
