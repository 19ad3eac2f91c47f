"""Space files are read strictly: what they hold, and everything that is wrong with them."""

import pytest

from mapper.diagnostics import MappingError
from mapper.exploration.sampling import Sampling
from mapper.exploration.space import Limit, Space, load_space, spread

WANTED = {"objectives": {"energy": "min"}}


def refused(**tables):
    with pytest.raises(MappingError) as error:
        Space.of_data({"axes": {"array": [64]}, **WANTED, **tables})
    assert {d.code for d in error.value.diagnostics} == {"bad-space"}
    return str(error.value)


def test_a_file_says_axes_objectives_and_all_else(tmp_path):
    file = tmp_path / "space.toml"
    file.write_text(
        """
[axes]
array = [64, "128x32"]
readout = ["sense-amp", "sar4"]
columns_per_readout = { from = 1, to = 16, steps = 5, log = true }
chip.tiles = [4, 16]
component.adc.energy_pj = [0.5, 1]
"macro.sar5-64.cell_bits" = [1, 2]
[objectives]
energy = "min"
accuracy = "max"
[constraints]
area_mm2 = { at_most = 50 }
[sampler]
kind = "grid"
[evaluation]
steps = 20
""",
        encoding="utf-8",
    )
    space = load_space(file)
    assert space.axes == {
        "array": (64, "128x32"),
        "readout": ("sense-amp", "sar4"),
        "columns_per_readout": (1, 2, 4, 8, 16),
        "chip.tiles": (4, 16),
        "component.adc.energy_pj": (0.5, 1.0),
        "macro.sar5-64.cell_bits": (1, 2),
    }
    assert space.size == 160
    assert space.constraints == {"area_mm2": Limit(at_most=50.0)}
    assert space.sampling == Sampling(kind="grid")
    assert (space.evaluation.steps, space.runs) == (20, True)
    again = Space.of_data(space.as_dict(), folder=str(tmp_path))
    assert again == space


@pytest.mark.parametrize(
    ("low", "high", "steps", "by_factors", "expected"),
    [
        (1, 16, 5, True, [1, 2, 4, 8, 16]),
        (1, 3, 5, False, [1, 2, 3]),
        (0.0, 1.0, 3, False, [0.0, 0.5, 1.0]),
        (1.0, 100.0, 3, True, [1.0, pytest.approx(10.0), 100.0]),
    ],
)
def test_ranges_have_both_ends_and_whole_numbers_stay_whole(low, high, steps, by_factors, expected):
    found = spread(low, high, steps, by_factors)
    assert found == expected
    assert [type(value) for value in found] == [type(low)] * len(found)


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"arrays": [64]}, "did you mean 'array'"),
        ({"array": []}, "1..1000 values, got 0 values"),
        ({"array": 64}, "a list of 1..1000 values, got 64"),
        ({"array": [64.0]}, "wordlines x bitlines, 64 or '256x64', got 64.0"),
        ({"array": ["64x"]}, "got '64x'"),
        ({"array": [64, 64]}, "takes 64 twice"),
        ({"array": [64, "64x64"]}, "takes '64x64' twice"),
        ({"readout": ["sar"]}, "got 'sar'"),
        ({"readout": ["sharp4"]}, "takes sense-amp, ternary"),
        ({"cell_bits": [0]}, "must be 1..8, got 0"),
        ({"cell_bits": [True]}, "must be an integer, got True"),
        ({"encoding": ["gray"]}, "must be 'twos-complement' or"),
        ({"component.adc.energy": [1]}, "did you mean 'component.adc.energy_pj'"),
        ({"component.adc.latency_ns": [0]}, "must be 1e-09..1e+12, got 0"),
        ({"macro.device": ["rram-wan"]}, "'macro.device' is no axis: a device"),
        ({"macro.readout.bits": [4]}, "in a word, as sar4"),
        ({"copies": {"from": 1, "to": 4}}, "a range has from, to, steps"),
        ({"copies": {"from": 4, "to": 1, "steps": 3}}, "goes up"),
        ({"copies": {"from": 0, "to": 8, "steps": 3, "log": True}}, "from above 0 where log"),
        ({"copies": {"from": 1, "to": 8, "steps": 1}}, "in 2..1000 steps"),
        ({}, "a space needs [axes]"),
        ([], "[axes] must be a table"),
    ],
)
def test_what_is_wrong_with_axes_is_said(axes, words):
    assert words in refused(axes=axes)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"clock.logic_ns": [-1, -2.0]}, 2),
        ({"array": [0, "0x0"], "readout": ["a", "b"]}, 4),
        ({"copies": {"from": 1, "to": 10**400, "steps": 3}}, 1),
    ],
)
def test_each_bad_value_is_said_once(axes, said):
    with pytest.raises(MappingError) as error:
        Space.of_data({"axes": axes, "objectives": {"energy": "min"}})
    assert len(error.value.diagnostics) == said
    assert "twice" not in str(error.value)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"at_most": 10**400}, "has at_most, at_least or both"),
        ({"at_least": 2, "at_most": 1}, "at_least is above at_most"),
    ],
)
def test_limits_that_nothing_keeps_are_refused(limit, words):
    with pytest.raises(MappingError, match=words):
        Space.of_data(
            {
                "axes": {"array": [64]},
                "objectives": {"energy": "min"},
                "constraints": {"energy_uj": limit},
            }
        )


def test_everything_is_said_at_once():
    with pytest.raises(MappingError) as error:
        Space.of_data(
            {
                "axis": {},
                "axes": {"mux": [1]},
                "objectives": {"speed": "max", "energy": "max"},
                "constraints": {"area": {"at_most": 1}, "area_mm2": {"below": 1}, "chips": {}},
                "sampler": {"kind": "best"},
                "evaluation": {"preset": "real", "density": 2},
                "describe": {"node": [28], "array": "64x64", "cell": "rram", "readout": "sar4"},
            }
        )
    text = str(error.value)
    for words in (
        "has no key 'axis'; did you mean 'axes'?",
        "there is no axis 'mux'",
        "there is no objective 'speed'",
        "[objectives] energy is 'min', got 'max'",
        "nothing called 'area' is limited; did you mean 'area_mm2'?",
        "[constraints] area_mm2 has at_most, at_least or both",
        "[constraints] chips has at_most",
        "[sampler] no sampler is called 'best'",
        "[evaluation] density must be 0..1, got 2",
        "[describe] node_nm is [28], a list: it takes a number",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"node": 28}, "[describe] a new target needs 'array'"),
        ({"nodes": 28}, "[describe] a new target takes no 'nodes'"),
        (
            {"node": 28, "array": "64", "cell": "rram", "readout": "sar4"},
            "[describe] an array is WORDLINESxBITLINES",
        ),
        (
            {"node": 28, "array": "0x64", "cell": "rram", "readout": "sar4"},
            "[describe] wordlines is 1 or more, got 0",
        ),
        (
            {"node": 3, "array": "64x64", "cell": "rram", "readout": "sar4"},
            "[describe] nodes are 7 to 130 nm, got 3",
        ),
    ],
)
def test_what_is_wrong_with_a_description_is_said(given, words):
    assert words in refused(describe=given)


def test_a_file_that_is_not_there_or_no_toml_is_refused(tmp_path):
    with pytest.raises(MappingError, match="no-such-file"):
        load_space(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[axes", encoding="utf-8")
    with pytest.raises(MappingError, match="target-syntax"):
        load_space(tmp_path / "bad.toml")
    assert "the top level must be a table" in refused_whole([])


def test_what_is_wrong_with_a_sampler_names_the_file(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text('[axes]\narray = [64]\n[objectives]\nenergy = "min"\n[sampler]\nbatch = 0\n')
    with pytest.raises(MappingError) as error:
        load_space(file)
    (problem,) = error.value.diagnostics
    assert problem.loc == str(file)
    assert problem.message == "s.toml: [sampler] batch of the sampler is 0, not 1 to 4,096"


def refused_whole(data):
    with pytest.raises(MappingError) as error:
        Space.of_data(data)
    return str(error.value)
