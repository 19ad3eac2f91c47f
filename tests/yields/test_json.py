"""Every key of the JSON of dies is documented, and every documented key is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mapper as spikeloom
from mapper.study.sweep import parse_sweep
from tests.drawn_dies import device
from tests.fuzz.onnx_seeds import two_layers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "json.md"
DISTRIBUTION = {"of", "mean", "deviation", "least", "p5", "median", "p95", "greatest"}
DIFFERENCE = {"difference", "deviation", "interval", "of"}
BY_NAME = ("settings", "spikes_differing")
"""Objects whose keys are names."""
RNG = np.random.default_rng(0)
SAMPLES = (RNG.random((6, 8, 4)) < 0.4).astype(np.uint8)


@pytest.fixture(scope="module")
def build() -> spikeloom.Build:
    return spikeloom.compile(two_layers(), "adcless-64", calibrate=SAMPLES)


def rows(schema: str) -> dict[str, str]:
    """Return what the page says of each key at the top, of a table."""
    table = PAGE.read_text(encoding="utf-8").partition(f"## `{schema}`")[2].partition("\n## ")[0]
    found = {}
    for keys, told in re.findall(r"^\| (`.*?) \| (.*) \|$", table, re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`(\w+)`", keys), told)
    return found


def keys_within(value: Any, name: str = "") -> Iterator[str]:
    """Yield keys below a value; those that are names of the model are none."""
    if isinstance(value, dict):
        for key, held in value.items():
            if name not in BY_NAME:
                yield key
            yield from keys_within(held)
    elif isinstance(value, list):
        for held in value:
            yield from keys_within(held)


def documented(told: str) -> set[str]:
    """Return the keys that the text of a row names, in its own words or as one of its forms."""
    found = set(re.findall(r"`(\w+)`", told))
    for name in re.findall(r"score `(\w+)`", told):
        found |= {f"{name}_{part}" for part in ("right", "of", "interval")}
    forms = (("distribution", DISTRIBUTION), ("difference", DIFFERENCE))
    return found.union(*(keys for word, keys in forms if word in told))


def check(answer: dict[str, Any], schema: str) -> None:
    told = rows(schema)
    assert answer["schema"] == schema
    assert list(answer) == list(told), "the page has the keys in their order"
    for name, text in told.items():
        if name != "references":  # works, as target files have them
            assert set(keys_within(answer[name], name)) <= documented(text), name


def test_keys_of_a_yield(build):
    found = build.dies(
        SAMPLES,
        device=device(amplifier__offset=1.0),
        dies=2,
        require=0.8,
        sweeps=[parse_sweep("amplifier.offset=0,0.2")],
        attribute=True,
    )
    answer = found.as_dict()
    assert answer["costs"]
    assert answer["tolerances"]
    assert answer["yield"]
    check(answer, "spikeloom/yield/1")
    layers = [held["label"] for held in answer["spikes_differing"].values()]
    assert layers == [op.layer for op in build.run(SAMPLES).firing.layers]


def test_keys_of_a_calibration(build, tmp_path):
    die = build.die(1, device=device(amplifier__offset=1.0, cell__stuck_on=0.05))
    judged = {build.hardware.inputs[0].name: SAMPLES, "labels": np.arange(8) % 2}
    done = die.calibrate(SAMPLES, inputs=judged, trim_step=0.5).saved(tmp_path / "die")
    answer = done.as_dict()
    assert answer["overlap"] == 8
    assert "accuracy" in answer["worth"]["after"]
    check(answer, "spikeloom/calibrate/1")


def test_forms_are_those_of_the_code(build):
    found = build.dies(SAMPLES, device="ideal", dies=2).as_dict()
    assert set(found["dies"]) == {*DISTRIBUTION, "values"}
    table = PAGE.read_text(encoding="utf-8").partition("## ")[0]
    assert set(re.findall(r"`(\w+)`", re.search(r"\| distribution \|.*", table)[0])) == (
        DISTRIBUTION | {"null"}
    )
    assert set(re.findall(r"`(\w+)`", re.search(r"\| difference \|.*", table)[0])) == (
        DIFFERENCE | {"null"}
    )
