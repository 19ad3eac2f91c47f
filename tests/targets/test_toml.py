"""A target as a file to start another one from, and component libraries wherever they lie."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mapper import api, cli
from mapper.diagnostics import MappingError
from targets import Target, list_targets, load_target, target_from_data, target_to_data
from targets.files import MAX_FILE_BYTES
from targets.load import LIBRARIES
from targets.toml import to_toml

SMALL = Path(__file__).with_name("small.toml")
NAMED = 'components = "reference-65nm"'


def again(text: str, folder: Path) -> Target:
    (folder / "again.toml").write_text(text, encoding="utf-8")
    return load_target(folder / "again.toml")


@pytest.mark.parametrize("name", list_targets())
def test_what_is_printed_of_a_target_loads_to_the_same_target(name, tmp_path):
    done = CliRunner().invoke(cli.app, ["targets", name, "--toml"])
    assert done.exit_code == 0
    assert again(done.stdout, tmp_path) == load_target(name)
    assert again(to_toml(load_target(name)), tmp_path) == load_target(name)


def test_comments_of_a_shipped_target_are_printed_too():
    text = api.facts_of_target("adcless-64", toml=True).toml
    assert "max_rounds = 1         # weights stay as they were written" in text


def test_json_has_the_file_where_it_is_asked_for():
    for args, there in (([], False), (["--toml"], True)):
        done = CliRunner().invoke(cli.app, ["targets", "mixed-64", "--json", *args])
        assert ("toml" in json.loads(done.stdout)) == there


@pytest.mark.parametrize("args", [[], ["accuracies", "--components"]])
def test_a_file_is_of_one_target(args):
    done = CliRunner().invoke(cli.app, ["targets", "--toml", *args])
    assert done.exit_code == 2


def test_a_library_that_is_not_shipped_is_written_out(tmp_path):
    """So is one that has the name of a shipped one and other numbers."""
    target = load_target(SMALL)
    slow = replace(target.components.sense_amp, source="measured, 3 times as slow")
    for name in ("mine", target.components.name):
        own = replace(target.components, name=name, sense_amp=slow)
        text = to_toml(replace(target, components=own))
        assert "[components.sense_amp]" in text
        assert again(text, tmp_path).components == own


@pytest.mark.parametrize(
    "text",
    [
        'quotes " and \\ \\n no line',
        "two\nlines, \ttab",
        "\n",
        "\nfirst is empty\n",
        '"""',
        "\x7f \x00 \x1b \r",
        "\u00e9 \u2028 \U0001f9e0",
        "." * 200,
    ],
)
def test_any_text_is_written_so_that_it_is_read_back(text, tmp_path):
    target = replace(load_target(SMALL), provenance=text, summary=text)
    assert again(to_toml(target), tmp_path) == target


# --- component libraries -------------------------------------------------------------------


@pytest.fixture
def library(tmp_path) -> Path:
    """A library of one's own, two folders away from the target."""
    text = (LIBRARIES / "reference-65nm.toml").read_text("utf-8")
    path = tmp_path / "parts" / "mine.toml"
    path.parent.mkdir()
    path.write_text(text.replace('name = "reference-65nm"', 'name = "mine"'), encoding="utf-8")
    (tmp_path / "chips").mkdir()
    return path


def of_library(named: str, folder: Path) -> Target:
    assert SMALL.read_text().count(NAMED) == 1
    path = folder / "chips" / "chip.toml"
    path.write_text(SMALL.read_text().replace(NAMED, f"components = {json.dumps(named)}"))
    return load_target(path)


def test_a_library_is_found_from_the_folder_of_the_target(library, tmp_path, monkeypatch):
    """Wherever the command runs; or by its whole path, or through a link."""
    os.symlink(library, tmp_path / "chips" / "link.toml")
    for place in (tmp_path, library.parent):
        monkeypatch.chdir(place)
        for named in ("../parts/mine.toml", str(library), "link.toml"):
            assert of_library(named, tmp_path).components.name == "mine"
    assert of_library("reference-65nm", tmp_path).components.name == "reference-65nm"


def test_a_target_with_a_library_elsewhere_becomes_one_file(library, tmp_path):
    target = of_library("../parts/mine.toml", tmp_path)
    (tmp_path / "alone").mkdir()
    text = api.facts_of_target(str(tmp_path / "chips" / "chip.toml"), toml=True).toml
    assert again(text, tmp_path / "alone") == target


def refused(named: str, folder: Path) -> tuple[str, str, str]:
    with pytest.raises(MappingError) as error:
        of_library(named, folder)
    (problem,) = error.value.diagnostics
    return problem.code, problem.message, problem.help


def test_a_library_that_is_not_there_is_refused_with_where_it_was_looked_for(library, tmp_path):
    code, message, help = refused("../parts/other.toml", tmp_path)
    assert (code, message) == (
        "target-value",
        "no component library is named '../parts/other.toml'",
    )
    assert f"there is no file '{tmp_path / 'chips' / '../parts/other.toml'}'" in help
    assert "reference-65nm" in help


@pytest.mark.parametrize("named", ["x" * 60 + ".toml", "a\0b.toml", "/etc/passwd", "mine", ""])
def test_what_is_no_path_of_a_library_is_refused(library, tmp_path, named):
    if len(named) > 50:
        named = "x" * 300 + ".toml"
    code, message, _ = refused(named, tmp_path)
    assert code == "target-value"
    assert "no component library is named" in message or "must have 1..64" in message


def test_only_regular_files_of_a_bounded_size_are_read(library, tmp_path):
    os.mkfifo(tmp_path / "parts" / "pipe.toml")
    (tmp_path / "parts" / "folder.toml").mkdir()
    (tmp_path / "parts" / "big.toml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    assert "pipe.toml is not a file" in refused("../parts/pipe.toml", tmp_path)[1]
    assert "folder.toml is not a file" in refused("../parts/folder.toml", tmp_path)[1]
    assert "larger than" in refused("../parts/big.toml", tmp_path)[1]
    os.symlink("/dev/zero", tmp_path / "parts" / "zero.toml")
    assert "zero.toml is not a file" in refused("../parts/zero.toml", tmp_path)[1]


def test_a_build_names_no_files(library, tmp_path):
    """What comes in ``mapping.json`` may be anyone's."""
    data = target_to_data(load_target(SMALL))
    for named in (str(library), "../parts/mine.toml", "mine.toml"):
        with pytest.raises(MappingError, match="no component library is named"):
            target_from_data({**data, "components": named}, loc="mapping.json")
