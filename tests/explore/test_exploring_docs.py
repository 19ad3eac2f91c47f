"""The page on exploring names every axis, stage and key, and its spaces are read."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from mapper.exploration.axes import AXES, STAGES
from mapper.exploration.space import LIMITED, Evaluation, Space

PAGE = (Path(__file__).parents[2] / "docs" / "exploring.md").read_text(encoding="utf-8")
SPACES = [text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.S) if "[axes]" in text]


def test_every_axis_is_in_the_table_with_its_first_stage():
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \| `(\w+)` \|$", PAGE, re.M)
    assert dict(rows) == {name: axis.stage for name, axis in AXES.items()}


def test_every_stage_and_key_is_named():
    for name in (*STAGES, *LIMITED, *(member.name for member in fields(Evaluation))):
        assert f"`{name}`" in PAGE, name


@pytest.mark.parametrize("text", SPACES)
def test_spaces_of_the_page_are_spaces(text):
    assert Space.of_data(tomllib.loads(text)).size > 1
