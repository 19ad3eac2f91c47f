"""A component library comes by name or lies beside its target; it is read as strictly."""

from pathlib import Path

import pytest

from mapper.diagnostics import MappingError
from tests.targets.test_load import problems


def test_an_unknown_library_suggests_the_nearest(edited):
    with pytest.raises(MappingError) as error:
        edited('"reference-65nm"', '"reference-64nm"')
    message = "no component library is named 'reference-64nm'; did you mean 'reference-65nm'?"
    assert problems(error) == [("target-value", message)]


@pytest.mark.parametrize("name", ["../secret.toml", "/etc/passwd", "a/b.toml"])
def test_a_library_is_never_read_from_another_folder(edited, name):
    with pytest.raises(MappingError) as error:
        edited('"reference-65nm"', f'"{name}"')
    message = f"no component library is named {name!r}"
    assert problems(error) == [("target-value", message)]


def library_text() -> str:
    path = Path(__file__).parents[2] / "targets" / "components" / "reference-65nm.toml"
    return path.read_text()


def test_a_library_of_ones_own_lies_beside_the_target(tmp_path, edited):
    text = library_text().replace('name = "reference-65nm"', 'name = "mine"')
    (tmp_path / "mine.toml").write_text(text)
    assert edited('"reference-65nm"', '"mine.toml"').components.name == "mine"


def test_problems_of_the_library_come_with_those_of_the_target(tmp_path, edited):
    text = library_text().replace("low = 40, nominal = 54.3", "low = 60, nominal = 54.3")
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(MappingError) as error:
        edited('"reference-65nm"\n\n[[macro]]', '"mine.toml"\nx = 1\n\n[[macro]]')
    assert problems(error) == [
        (
            "target-value",
            "mine.toml: [sense_amp.area_um2] low, nominal and high must rise, got 60, 54.3 and 56",
        ),
        ("target-key", "adc.toml: the top level has no key 'x'"),
    ]


def test_a_library_lists_each_adc_once(tmp_path, edited):
    text = library_text().replace("bits = 3\nper", "bits = 2\nper", 1)
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(MappingError) as error:
        edited('"reference-65nm"', '"mine.toml"')
    message = "mine.toml: flash_adc lists the same bits twice: [2, 2, 4, 5, 6]"
    assert problems(error) == [("target-value", message)]
