"""Points that are run: accuracy, spike agreement and activity are those of their builds."""

from itertools import product

import numpy as np
import pytest

import mapper
from mapper.cost.description import Description
from mapper.diagnostics import MappingError
from mapper.exploration.space import Space
from mapper.exploration.work import explore_work
from mapper.recordings import Recording
from targets import load_target
from tests.networks import small_conv_net

READ = mapper.Imported(graph=small_conv_net(), time_form="step", producer="", opset=None, ports=())
RNG = np.random.default_rng(3)
INPUTS = {"x0": (RNG.random((6, 9, 2, 8, 8)) < 0.4).astype(np.int64)}
LABELS = RNG.integers(0, 5, 9)


def space(**objectives):
    return Space.of_data({"axes": {"readout": ["sense-amp", "sar4"]}, "objectives": objectives})


def recording(**arrays):
    return Recording.of({**INPUTS, **arrays}, READ.graph.inputs)


def test_a_point_that_is_run_is_what_its_build_does():
    target = load_target("hpadc-sar5-64")
    asked = space(energy="min", accuracy="max", agreement="max")
    work = explore_work(READ, target, asked, recording=recording(labels=LABELS))
    run = work.prepare()
    for readout in ("sense-amp", "sar4"):
        point = {"readout": readout}
        record = run({"point": point})
        made = work.base.design(point).target
        build = mapper.compile(READ, made, calibrate=INPUTS)
        ran = build.run(INPUTS, trace=True)
        verified = build.verify({**INPUTS, "labels": LABELS})
        assert record["accuracy"] == verified.accuracy
        assert record["agreement"] == verified.spike_agreement
        assert record["energy_uj"] == [pj / 1e6 for pj in build.cost(ran).energy_pj]
        assert record["spikes"] > 0


def test_points_that_compute_the_same_are_run_once_and_priced_as_their_builds():
    axes = {"copies": [1, 4], "columns_per_readout": [1, 8], "macro.bitlines": [32, 64]}
    asked = Space.of_data({"axes": axes, "objectives": {"agreement": "max"}})
    work = explore_work(READ, load_target("hpadc-sar5-64"), asked, recording=recording())
    run = work.prepare()
    ran = []
    run.trial.run = lambda *given, run=run.trial.run, **how: ran.append(1) or run(*given, **how)
    for bitlines, copies, columns in product((32, 64), (1, 4), (1, 8)):
        point = {"copies": copies, "columns_per_readout": columns, "macro.bitlines": bitlines}
        record, design = run({"point": point}), work.base.design(point)
        build = mapper.compile(READ, design.target, calibrate=INPUTS, passes=design.options)
        cost = build.cost(build.run(INPUTS, trace=True))
        assert record["energy_uj"] == [pj / 1e6 for pj in cost.energy_pj]
    assert len(ran) == 2


def test_without_such_objectives_points_take_the_activity_of_the_recording_or_an_assumed_one():
    target = load_target("hpadc-sar5-64")
    assumed = Space.of_data(
        {**space(energy="min").as_dict(), "evaluation": {"activity": "assumed"}}
    )
    point = {"point": {"readout": "sar4"}}
    recorded = explore_work(READ, target, space(energy="min"), recording=recording()).prepare()
    by_density = explore_work(READ, target, assumed, recording=recording()).prepare()
    one, other = recorded(point), by_density(point)
    assert one["energy_uj"] != other["energy_uj"]
    assert ("spikes" in one, "spikes" in other) == (True, False)
    assert one["accuracy"] is None
    build = mapper.compile(
        READ, by_density.work.base.design(point["point"]).target, calibrate=INPUTS
    )
    assert other["energy_uj"] == [pj / 1e6 for pj in build.cost().energy_pj]


def test_what_recordings_cannot_say_is_refused_before_anything_is_run():
    target = load_target("hpadc-sar5-64")
    with pytest.raises(MappingError, match="agreement is asked for, and there are no recordings"):
        explore_work(READ, target, space(agreement="max"))
    with pytest.raises(MappingError, match="the recording has no labels"):
        explore_work(READ, target, space(accuracy="max"), recording=recording())


def test_an_assignment_is_a_file_from_the_folder_of_the_space(tmp_path):
    (tmp_path / "first.toml").write_text('[layer.conv3]\nmacro = "digital"\n', encoding="utf-8")
    (tmp_path / "second.toml").write_text("weight_bits = 2\n", encoding="utf-8")
    text = '[axes]\nassignment = ["first.toml", "second.toml"]\n[objectives]\nenergy = "min"\n'
    (tmp_path / "space.toml").write_text(text, encoding="utf-8")
    from mapper.exploration.space import load_space

    work = explore_work(READ, load_target("hpadc-sar5-64"), load_space(tmp_path / "space.toml"))
    first, second = (
        work.prepare()({"point": {"assignment": name}}) for name in ("first.toml", "second.toml")
    )
    assert first["crossbars"] != second["crossbars"]
    assert work.design({"assignment": "first.toml"})["assignment.toml"]
    assert work.compile_options({"assignment": "second.toml"}) == ("--weight-bits", "2")
    (tmp_path / "first.toml").write_text("weight_bits = 1\n", encoding="utf-8")
    again = explore_work(READ, load_target("hpadc-sar5-64"), load_space(tmp_path / "space.toml"))
    assert again.identity() != work.identity()


def test_a_yield_is_that_of_the_dies_of_the_build():
    target = load_target("hpadc-sar5-64")
    how = {"dies": 4, "require": 0.8}
    asked = Space.of_data(
        {
            "axes": {"readout": ["sense-amp"]},
            "objectives": {"yield": "max"},
            "evaluation": how,
        }
    )
    work = explore_work(READ, target, asked, recording=recording())
    record = work.prepare()({"point": {"readout": "sense-amp"}})
    made = work.base.design({"readout": "sense-amp"}).target
    build = mapper.compile(READ, made, calibrate=INPUTS)
    expected = build.dies(INPUTS, dies=how["dies"], require=how["require"]).score
    assert record["yield"] == expected.share


def test_a_yield_needs_what_is_required_and_a_device():
    data = {"axes": {"readout": ["sar4"]}, "objectives": {"yield": "max"}}
    with pytest.raises(MappingError, match="a yield needs require"):
        Space.of_data(data)
    plain = {**data, "axes": {"chip.tiles": [4]}}
    needed = Space.of_data({**plain, "evaluation": {"require": 0.9}})
    no_device = Description(
        name="none", node_nm=28, wordlines=64, bitlines=64, cell="rram", readout="sar4"
    )
    with pytest.raises(MappingError, match="no-device"):
        explore_work(READ, no_device, needed, recording=recording())
