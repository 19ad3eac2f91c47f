"""``spikeloom die`` and ``verify --die``: one chip of a build."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper as spikeloom
from mapper import cli
from tests.fuzz.onnx_seeds import two_layers

INPUTS = (np.random.default_rng(0).random((5, 6, 4)) < 0.4).astype(np.uint8)


def run(*args: object, code: int = 0) -> str:
    done = CliRunner().invoke(cli.app, [*map(str, args)])
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.output


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("dies")
    spikeloom.compile(two_layers(), "adcless-64", calibrate=INPUTS).save(work / "build")
    np.savez(work / "x.npz", x=INPUTS)
    return work


def test_a_die_is_written_and_runs(work):
    where = work / "die"
    settings = ("--device", "rram-typical", "--set", "amplifier.offset=1")
    text = run("die", work / "build", "--seed", 5, *settings, "-o", where)
    assert "die 5 of rram-typical" in text
    assert "rram-typical does not cover age" in text
    answer = json.loads(run("die", work / "build", "--seed", 5, *settings, "-o", where, "--json"))
    assert (answer["schema"], answer["seed"], answer["folder"]) == (
        "spikeloom/die/1",
        5,
        str(where),
    )
    assert [layer["copies"] for layer in answer["layers"]] == [1, 1]
    assert answer["layers"][0]["reference_error"] > 0
    x = ("--input", work / "x.npz")
    assert "on die 5 of rram-typical" in run("run", where, *x, "--output", work / "y.npz")
    assert "One chip" in run("cost", where)


def test_a_die_is_verified_without_being_written(work):
    before = {path.name: path.read_bytes() for path in (work / "build").iterdir()}
    x = ("--input", work / "x.npz")
    noisy = ("--set", "amplifier.noise=0.5", "--set", "wire.share=1e-4", "--age", "1d")
    text = run("verify", work / "build", "--die", 2, *noisy, *x)
    assert "on die 2 of rram-wan, 86400 s after programming" in text
    answer = json.loads(run("verify", work / "build", "--die", 2, *noisy, *x, "--json"))
    ran = {ring["name"][0]: ring["status"] for ring in answer["rings"]}
    assert {ring for ring, status in ran.items() if status == "equal"} == set("456")
    assert answer["die"].startswith("die 2 of rram-wan")
    assert {path.name: path.read_bytes() for path in (work / "build").iterdir()} == before


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("--die", 1, "--device", "nothing"), 1, "unknown-device"),
        (("--die", 1, "--set", "cell.sigma=-1"), 1, "device-setting"),
        (("--device", "pcm"), 2, "need --die SEED"),
        (("--die", -1), 2, "--die"),
    ],
)
def test_what_cannot_be_a_die_is_refused(args, code, message, work):
    assert message in run("verify", work / "build", "--input", work / "x.npz", *args, code=code)


def test_a_die_is_a_seed_or_was_measured(work):
    (work / "chip.csv").write_text("slot,readout,offset_counts\n0,0,2.5\n")
    where = ("-o", work / "measured")
    assert "--seed" in run("die", work / "build", *where, code=2)
    text = run("die", work / "build", "--measured", work / "chip.csv", "--device", "ideal", *where)
    assert "a measured chip, the rest ideal" in text


def test_wires_ask_for_recordings(work):
    args = ("--seed", 1, "--device", "rram-wan", "-o", work / "none")
    assert "die-activity" in run("die", work / "build", *args, code=1)
    assert not (work / "none").exists()
