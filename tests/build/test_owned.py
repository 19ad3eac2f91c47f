"""An output folder is replaced where all of it is spikeloom's; anything else is named and stays."""

import json
import os
import shutil
from pathlib import Path

import pytest

from mapper import api
from mapper.build.folder import (
    DEMO_SCHEMA,
    MANIFEST_SCHEMA,
    RECORD,
    check_replaceable,
    read_build,
)
from mapper.diagnostics import MappingError
from mapper.writing import written_aside
from tests.files import DEMO_MODEL


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("owned") / "build"
    api.compile(DEMO_MODEL, "ideal-128").save(folder)
    return folder


@pytest.fixture
def copy(build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(build, tmp_path / "copy"))


def refusal(folder: Path) -> str:
    before = sorted(path for path in folder.rglob("*"))
    with pytest.raises(MappingError) as refused:
        check_replaceable(folder)
    with pytest.raises(MappingError):
        api.compile_model(DEMO_MODEL, "ideal-128", folder)
    assert sorted(path for path in folder.rglob("*")) == before
    (problem,) = refused.value.diagnostics
    assert (problem.code, problem.loc) == ("output-exists", str(folder))
    return problem.message


def test_a_build_with_its_record_byte_code_and_leftovers_is_replaced(copy):
    (copy / RECORD).write_text("{}")
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "executor.cpython-311.pyc").write_bytes(b"")
    (copy / ".verification.json.abcd1234.spikeloom").mkdir()
    (copy / "weights.npz").unlink()  # what is missing can be lost no more
    api.compile(DEMO_MODEL, "adcless-64").save(copy)
    assert read_build(copy).target.name == "adcless-64"


@pytest.mark.parametrize(
    "name",
    ["notes.txt", ".git/HEAD", "thesis/1.tex", "__pycache__/mine.cpython-311.pyc", ".x.abcd1234"],
)
def test_what_is_beside_a_build_is_named_and_stays(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("mine")
    assert f"spikeloom did not write '{name.split('/')[0]}', which" in refusal(copy)
    assert (copy / name).read_text() == "mine"


def test_a_folder_or_a_link_by_the_name_of_a_listed_file_is_not_of_the_build(copy):
    for name in ("cost.py", "report.html"):
        (copy / name).unlink()
    (copy / "cost.py").mkdir()
    (copy / "report.html").symlink_to("mapping.json")
    assert "did not write 'cost.py', 'report.html', which" in refusal(copy)


def test_of_many_files_eight_are_named(copy):
    for number in range(11):
        (copy / f"{number:02}.txt").write_text("")
    assert "'06.txt', '07.txt', and 3 others, which" in refusal(copy)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("manifest.json", {"schema": MANIFEST_SCHEMA}),
        ("manifest.json", {"schema": MANIFEST_SCHEMA, "version": "1", "files": {"notes.txt": ""}}),
        ("manifest.json", {"schema": MANIFEST_SCHEMA, "version": "1", "files": ["mapping.json"]}),
        ("demo.json", {"schema": DEMO_SCHEMA}),
        ("demo.json", {"schema": DEMO_SCHEMA, "targets": [{"target": ["notes.txt"]}]}),
    ],
)
def test_a_mark_alone_makes_no_build(tmp_path, name, data):
    (tmp_path / name).write_text(json.dumps(data))
    (tmp_path / "notes.txt").write_text("mine")
    assert refusal(tmp_path)


def test_of_a_demo_are_the_builds_that_it_names_and_nothing_beside_them(build, tmp_path):
    demo = tmp_path / "demo"
    shutil.copytree(build, demo / "ideal-128")
    targets = [{"target": "ideal-128"}, {"target": "own"}]
    (demo / "demo.json").write_text(json.dumps({"schema": DEMO_SCHEMA, "targets": targets}))
    check_replaceable(demo)
    shutil.copytree(build, demo / "compiled-here")
    (demo / "own").mkdir()
    (demo / "ideal-128" / "notes.txt").write_text("mine")
    assert "did not write 'compiled-here', 'ideal-128/notes.txt', 'own', which" in refusal(demo)


def test_a_run_that_is_stopped_while_it_writes_a_build_leaves_one_that_can_be_read(copy):
    left = copy / ".report.html.abcd1234.spikeloom"
    left.mkdir()
    assert read_build(copy).target.name == "ideal-128"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
def test_an_empty_mount_point_takes_a_build_and_is_refused_as_long_as_it_holds_one(tmp_path):
    place = tmp_path / "volume"
    place.mkdir()
    if os.system(f"mount -t tmpfs -o size=16m tmpfs '{place}' 2>/dev/null") != 0:
        pytest.skip("mounting a file system is not allowed here")
    try:
        api.compile(DEMO_MODEL, "ideal-128").save(place)  # into an empty one
        before = sorted(os.listdir(place))
        with pytest.raises(OSError, match="mount point"):
            check_replaceable(place)
        with pytest.raises(OSError, match="mount point"), written_aside(place):
            pytest.fail("refused before anything is written")
        assert sorted(os.listdir(place)) == before
        assert read_build(place).target.name == "ideal-128"
    finally:
        os.system(f"umount '{place}'")
