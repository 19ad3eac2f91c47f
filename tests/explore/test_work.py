"""The work of an exploration: records of points, and the commands that build them."""

import pickle

import numpy as np
import pytest

import mapper
from mapper.diagnostics import MappingError
from mapper.exploration.space import Space
from mapper.exploration.swept import Constants
from mapper.exploration.work import explore_work
from mapper.study import run_study
from passes.options import parse
from targets import load_target
from tests.networks import small_conv_net

READ = mapper.Imported(graph=small_conv_net(), time_form="step", producer="", opset=None, ports=())
SPACE = Space.of_data(
    {
        "axes": {
            "array": [32, "64x16"],
            "readout": ["sense-amp", "sar4"],
            "weight_bits": [2, 4],
            "columns_per_readout": [2],
            "copies": [4],
            "component.adc.energy_pj": [0.25],
            "chip.crossbars_per_tile": [16, 1],
            "chip.max_chips": [16, 1],
            "chip.tiles": [1024, 1],
        },
        "objectives": {"energy": "min", "area": "min"},
        "evaluation": {"steps": 5, "density": 0.2},
    }
)
POINT = {
    "array": 32,
    "readout": "sar4",
    "weight_bits": 2,
    "columns_per_readout": 2,
    "copies": 4,
    "component.adc.energy_pj": 0.25,
    "chip.crossbars_per_tile": 16,
    "chip.max_chips": 16,
    "chip.tiles": 1024,
}


@pytest.fixture(scope="module")
def work():
    return explore_work(READ, load_target("hpadc-sar5-64"), SPACE)


def test_a_record_is_what_the_command_that_builds_the_point_costs(work, tmp_path):
    point = {**POINT, "array": "64x16"}
    record = work.prepare()({"number": 3, "point": point})
    (tmp_path / "target.toml").write_text(work.design(point)["target.toml"], encoding="utf-8")
    given = work.compile_options(point)
    assert given == ("--weight-bits", "2", "--pass", "replicate{max-copies=4}")
    build = mapper.compile(
        READ, str(tmp_path / "target.toml"), weight_bits=2, passes=parse([given[3]])
    )
    cost = build.cost(0.2, steps=5)
    assert record["state"] == "done"
    assert record["energy_uj"] == [pj / 1e6 for pj in cost.energy_pj]
    assert record["latency_us"] == [ns / 1e3 for ns in cost.latency_ns]
    assert record["area_mm2"] == [um2 / 1e6 for um2 in cost.area_um2]


def test_an_encoding_of_one_width_takes_the_width_of_the_point(work):
    """``hpadc-sar5-64`` has weights of 4 bits, and binary ones have 1."""
    axes = {"encoding": ["binary", "differential"], "weight_bits": [1, 4]}
    space = Space.of_data({"axes": axes, "objectives": {"energy": "min"}})
    run = explore_work(READ, load_target("hpadc-sar5-64"), space).prepare()
    states = {
        (e, b): run.record({"encoding": e, "weight_bits": b})
        for e in axes["encoding"]
        for b in (1, 4)
    }
    assert states["binary", 1]["state"] == states["differential", 4]["state"] == "done"
    design = work.base.design({"encoding": "differential", "array": 32}).target
    assert design.summary == "hpadc-sar5-64 with encoding differential, wordlines 32, bitlines 32"
    assert states["binary", 4]["why"].endswith("binary weights have 1 bit, got 4")


def test_a_point_that_the_compiler_refuses_is_a_record(work):
    small = {"chip.crossbars_per_tile": 1, "chip.max_chips": 1, "chip.tiles": 1}
    record = work.prepare()({"point": {**POINT, **small}})
    assert (record["state"], record["code"]) == ("refused", "too-many-crossbars")
    assert "crossbars, 'hpadc-sar5-64' has 1" in record["why"]
    record = work.prepare()({"point": {**POINT, "array": "32x1"}})
    assert (record["state"], record["code"]) == ("refused", "target-value")


def test_other_processes_get_the_same(work):
    cases = [{"point": POINT}, {"point": {**POINT, "readout": "sense-amp"}}]
    again = pickle.loads(pickle.dumps(work))
    assert again.identity() == work.identity()
    one, other = (run_study(each, cases).records for each in (work, again))
    assert one == other
    assert one[0]["energy_uj"] != one[1]["energy_uj"]


def test_the_same_study_is_of_the_same_network_target_and_space(work):
    target = load_target("hpadc-sar5-64")
    bits = explore_work(READ, target, SPACE, weight_bits=2)
    other = explore_work(READ, load_target("adcless-64"), SPACE_WITHOUT_ADC)
    digests = [str(each.identity()) for each in (work, bits, other)]
    assert len(set(digests)) == 3
    sampled = Space.of_data({**SPACE.as_dict(), "sampler": {"seed": 3}})
    assert explore_work(READ, target, sampled).identity() == work.identity()


SPACE_WITHOUT_ADC = Space.of_data({"axes": {"array": [64]}, "objectives": {"energy": "min"}})


def test_axes_that_are_not_credible_are_refused_before_anything_is_run():
    space = Space.of_data({"axes": {"node": [28, 65]}, "objectives": {"energy": "min"}})
    with pytest.raises(MappingError, match="not-credible"):
        explore_work(READ, load_target("hpadc-sar5-64"), space)


def test_points_of_constants_alone_are_evaluated_at_once(work):
    point = {**POINT, "component.adc.energy_pj": 0.25}
    values = np.array([0.25, 0.5, 4.0])
    found = Constants(work.prepare(), point).at({"adc.energy_pj": values})
    for place, value in enumerate(values):
        record = work.prepare()({"point": {**point, "component.adc.energy_pj": float(value)}})
        assert found["energy_pj"][place] / 1e6 == pytest.approx(record["energy_uj"][1], rel=1e-14)
        assert found["latency_ns"] / 1e3 == record["latency_us"][1]
        assert found["area_um2"] / 1e6 == record["area_mm2"][1]
