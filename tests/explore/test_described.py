"""Points of a described target: its library is of laws, so everything follows."""

from dataclasses import fields, replace

import pytest

import mapper
from mapper.cost.description import Description
from mapper.cost.description_given import TAKES
from mapper.cost.description_to_target import described
from mapper.diagnostics import MappingError
from mapper.exploration.axes import AXES
from mapper.exploration.base import BESIDE_LIBRARY, DESCRIBED, Base, target_of
from mapper.exploration.credible import not_credible
from mapper.exploration.digests import target_digest
from mapper.exploration.space import Space
from mapper.exploration.work import explore_work
from mapper.study.case import digest
from targets import list_targets, load_target, target_to_data
from tests.networks import small_conv_net

RRAM = Description(
    name="rram", node_nm=28, wordlines=128, bitlines=64, cell="rram", readout="sar5", mux=4
)
READ = mapper.Imported(graph=small_conv_net(), time_form="step", producer="", opset=None, ports=())

CHANGES = [
    {},
    {"wordlines": 32, "bitlines": 512, "mux": 16, "weight_bits": 2, "membrane_bits": 20},
    {"tiles": 4, "crossbars_per_tile": 2, "clock_ns": 2.0, "encoding": "differential"},
    {"readout": "sense-amp", "weight_bits": 1, "node_nm": 65.0},
    {"cell_bits": 2, "cell_columns": 2, "rows_per_read": 16},
    {"cell": "charge", "readout": "sar4", "cell_bits": 4, "input_bits": 4, "rows_per_read": 64},
    {"cell": "digital", "readout": "adder-chain", "wordlines": 64, "weight_bits": 3},
    {"cell": "digital", "readout": "word-tree", "wordlines": 64, "weight_bits": 3, "deep": 4},
    {"cell": "static", "readout": "cco6", "read_channel": "clamp", "settling_ns": 3.0},
]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_target_of_a_library_that_was_made_before_is_the_one_that_is_described(changes):
    given = replace(RRAM, **changes)
    assert target_of(given) == described(given)


def test_a_supply_that_the_node_does_not_bear_is_refused_with_both():
    with pytest.raises(MappingError, match=r"scaling-range.*28 nm bears 1.1 V at most, got 100 V"):
        described(replace(RRAM, voltage_v=100.0))
    described(replace(RRAM, voltage_v=1.1))


def test_what_makes_no_sense_is_refused_as_it_is_described():
    given = replace(RRAM, mux=1000)
    with pytest.raises(MappingError) as expected:
        described(given)
    with pytest.raises(MappingError) as found:
        target_of(given)
    assert str(found.value) == str(expected.value)


def test_every_field_of_a_description_is_an_axis():
    told = set(DESCRIBED.values()) | {
        name for axis in AXES.values() if axis.described for name in axis.edits(1).described
    }
    assert told | {"name"} == {field.name for field in fields(Description)}
    assert set(BESIDE_LIBRARY) <= told
    assert told <= {*TAKES, "wordlines", "bitlines"}


SPACE = Space.of_data(
    {
        "describe": {"node": 28, "array": "128x64", "cell": "rram", "readout": "sar5", "mux": 4},
        "axes": {
            "node": [28, 65],
            "array": [32, "128x64"],
            "readout": ["sense-amp", "serial4", "sar5"],
            "cell_bits": [1, 2],
            "weight_bits": [2, 4],
            "chip.max_chips": [16],
            "macro.main.readout.columns_per_readout": [2],
        },
        "objectives": {"energy": "min", "area": "min"},
    }
)


def test_every_axis_of_a_described_target_is_credible():
    values = {name: (1,) for name, axis in AXES.items() if axis.described}
    assert not_credible(Base(start=RRAM), values) == ()


def test_a_described_space_is_read_again_from_its_data():
    assert SPACE.described == replace(RRAM, name="described")
    assert Space.of_data(SPACE.as_dict()) == SPACE


def test_a_point_of_another_node_is_what_its_target_costs(tmp_path):
    work = explore_work(READ, SPACE.described, SPACE)
    found = {}
    for node in (28, 65):
        point = {
            "node": node,
            "array": 32,
            "readout": "serial4",
            "cell_bits": 2,
            "weight_bits": 2,
            "chip.max_chips": 16,
            "macro.main.readout.columns_per_readout": 2,
        }
        assert work.base.design(point).target.macros[0].readout.columns_per_readout == 2
        record = found[node] = work.prepare()({"point": point})
        file = tmp_path / f"{node}.toml"
        file.write_text(work.design(point)["target.toml"], encoding="utf-8")
        build = mapper.compile(READ, str(file), weight_bits=2)
        assert record["energy_uj"] == [pj / 1e6 for pj in build.cost().energy_pj]
        assert record["target"] == digest(target_to_data(load_target(file)))
    assert found[65]["area_mm2"][1] > found[28]["area_mm2"][1]


def test_the_digest_of_a_target_is_that_of_its_data():
    for target in map(load_target, list_targets()):
        assert target_digest(target) == digest(target_to_data(target))


def test_a_target_is_named_or_described_and_not_both():
    for target in (None, "adcless-64"):
        space = SPACE if target else Space.of_data({"axes": {"array": [64]}, **WANTED})
        with pytest.raises(MappingError, match="named or from \\[describe\\]") as refused:
            mapper.explore(READ, space, target)
        assert refused.value.diagnostics[0].code == "bad-space"
    found = mapper.explore(READ, SPACE, points=2)
    assert {point.record["state"] for point in found.points} == {"done"}


WANTED = {"objectives": {"energy": "min"}}
