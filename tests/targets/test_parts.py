"""Lists of published parts: what ships, and what is refused."""

from pathlib import Path

import pytest

from mapper.diagnostics import MappingError
from targets import list_libraries, list_parts, load_parts, load_target

PART = """
[[part]]
name = "adder"
per = "addition"
scaling = "digital"
energy_pj = { low = 1, nominal = 2, high = 3 }
node_nm = 40
voltage_v = 1.0
verified = false
source = "a book"
"""
HEAD = 'name = "mine"\nsummary = "one adder"\nprovenance = "a book"\n'


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


def refused(path) -> list[tuple[str, str]]:
    with pytest.raises(MappingError) as error:
        load_parts(path)
    return [(d.code, d.message) for d in error.value.diagnostics]


@pytest.mark.parametrize("name", list_parts())
def test_every_shipped_part_says_what_it_is_and_where_from(name):
    parts = load_parts(name)
    assert parts.name == name
    for part in parts.parts:
        assert len(part.source) > 20, part.name
        assert part.facts(), part.name
        assert 7 <= part.node_nm <= 130, part.name


def test_an_unpublished_fact_is_left_out():
    part = load_parts("aladdin-40nm").part("adder-32b")
    assert part.latency_ns is None
    assert list(part.facts()) == ["energy_pj", "area_um2"]


def test_the_numbers_of_some_parts():
    assert load_parts("isaac-32nm").part("adc-8b").energy_pj.nominal == pytest.approx(1.667, 1e-3)
    assert load_parts("neurosim-lstp").part("comparator-65nm").energy_pj.low == 8.41e-3
    assert load_parts("jia-65nm").part("adc-8b-0.85v").energy_pj.nominal == 1.79
    assert load_parts("zigzag-28nm").part("full-adder").energy_pj.nominal == 4.2e-3 * 0.81


def test_a_file_of_parts(written):
    (part,) = load_parts(written(HEAD + PART)).parts
    assert (part.energy_pj.high, part.area_um2, part.verified) == (3, None, False)


def test_an_unknown_list_suggests_the_nearest():
    ((code, message),) = refused("alladin-40nm")
    assert code == "unknown-components"
    assert message == "no list of parts is named 'alladin-40nm'; did you mean 'aladdin-40nm'?"


def test_a_file_that_is_not_there(tmp_path):
    assert refused(tmp_path / "no.toml") == [("unknown-components", "no.toml is not a file")]


def test_an_unknown_key_suggests_the_nearest(written):
    text = HEAD + PART.replace("energy_pj", "energy_fj")
    assert refused(written(text)) == [
        ("target-key", "mine.toml: [part] has no key 'energy_fj'; did you mean 'energy_pj'?")
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("low = 1", "low = 4", "[part.energy_pj] low, nominal and high must rise, got 4, 2 and 3"),
        (
            '"digital"',
            '"linear"',
            "[part] scaling must be 'digital' or 'analogue' or 'none', got 'linear'",
        ),
        ("verified = false", "verified = 0", "[part] verified must be True or False, got 0"),
        (
            "energy_pj = { low = 1, nominal = 2, high = 3 }\n",
            "",
            "[part] needs one of energy_pj, latency_ns and area_um2, got none",
        ),
    ],
)
def test_a_value_that_cannot_be(written, old, new, message):
    assert refused(written(HEAD + PART.replace(old, new))) == [
        ("target-value", f"mine.toml: {message}")
    ]


def test_names_are_used_once(written):
    assert refused(written(HEAD + PART + PART)) == [
        ("target-value", "mine.toml: 2 parts are named 'adder'; names are used once")
    ]


def test_a_list_needs_parts(written):
    assert refused(written(HEAD + "part = []")) == [
        ("target-value", "mine.toml: a list needs one [[part]] or more, got 0")
    ]


def test_a_target_cannot_be_priced_by_a_list_of_parts(tmp_path):
    shipped = Path(__file__).parents[2] / "targets" / "adcless-64.toml"
    text = shipped.read_text().replace('"reference-65nm"', '"aladdin-40nm"')
    path = tmp_path / "chip.toml"
    path.write_text(text)
    with pytest.raises(MappingError) as error:
        load_target(path)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "target-value"
    assert diagnostic.message == "no component library is named 'aladdin-40nm'"
    assert "aladdin-40nm" not in list_libraries()
