"""Files and folders are whole or not there; JSON is what every reader takes."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapper import renames, writing
from mapper.renames import is_leftover, put, recover
from mapper.writing import (
    changed_folder,
    json_text,
    replace_files,
    whole_file,
    written_aside,
)


def test_a_number_that_overflowed_is_null_in_json_and_the_others_stay():
    inf, nan = float("inf"), float("nan")
    data = {"a": [1, inf, {"b": nan}], "c": (0.1, -inf), "d": "inf", "e": True, "f": 10**20}
    assert json.loads(json_text(data)) == {
        "a": [1, None, {"b": None}],
        "c": [0.1, None],
        "d": "inf",
        "e": True,
        "f": 10**20,
    }


def texts(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def write(folder: Path, **files: str) -> Path:
    with written_aside(folder) as aside:
        for name, text in files.items():
            (aside / name).write_text(text)
    return folder


def test_a_file_and_a_folder_take_the_place_of_what_was_there(tmp_path):
    for text in ("old", "new"):
        with whole_file(tmp_path / "on" / "the" / "way.txt") as temporary:
            assert temporary.suffix == ".txt"
            temporary.write_text(text)
        write(tmp_path / "folder", **{text: text})
    assert texts(tmp_path) == {"on/the/way.txt": "new", "folder/new": "new"}
    assert os.listdir(tmp_path / "on" / "the") == ["way.txt"]
    assert sorted(os.listdir(tmp_path)) == ["folder", "on"]


def fill(place: Path) -> None:
    (place / "half" if place.is_dir() else place).write_text('["ha"]')
    raise OSError(errno.ENOSPC, "full")


def test_where_writing_fails_the_old_one_is_there_and_no_folder_that_was_made_on_the_way(tmp_path):
    folder = write(tmp_path / "folder", file="old")
    for place in (folder, tmp_path / "a" / "b"):
        with pytest.raises(OSError, match="full") as failed, written_aside(place) as aside:
            fill(aside)
        assert failed.value.filename == str(place)  # a full disk names no file
    with pytest.raises(KeyError), whole_file(tmp_path / "c" / "file"):
        raise KeyError
    assert texts(tmp_path) == {"folder/file": "old"}
    assert os.listdir(tmp_path) == ["folder"]


def test_an_error_names_the_file_that_the_user_knows_not_the_hidden_one(tmp_path):
    with (
        pytest.raises(OSError, match="No such file") as failed,
        written_aside(tmp_path / "outer") as outer,
        written_aside(outer / "inner") as inner,
    ):
        (inner / "no" / "file").write_text("")
    assert failed.value.filename == str(tmp_path / "outer" / "inner" / "no" / "file")


NAMES = ("x.old", ".old", ".begun.json", "x.replaced", "a b\n\u202e", "y" * 255)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_like_one_of_ours_is_an_output_as_any_other(tmp_path, name):
    file, folder = tmp_path / name, tmp_path / "in" / name
    with pytest.raises(OSError, match="full"), whole_file(file) as temporary:
        fill(temporary)
    with pytest.raises(OSError, match="full"), written_aside(folder) as aside:
        fill(aside)
    assert os.listdir(tmp_path) == []
    with whole_file(file) as temporary:
        temporary.write_text("whole")
    write(folder, file="whole")
    write(folder, file="again")
    assert texts(tmp_path) == {name: "whole", f"in/{name}/file": "again"}
    assert os.listdir(tmp_path / "in") == [name]


def test_what_is_no_plain_file_is_not_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="no plain file"), whole_file(tmp_path / name):
            pytest.fail("refused before anything is written")
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_some_files_of_a_folder_are_replaced_and_the_others_stay(tmp_path):
    folder = write(tmp_path / "folder", a="1", b="1")
    (folder / "sub").mkdir()
    (folder / "sub" / "c").write_text("1")
    (folder / "link").symlink_to("a")
    stays = (folder / "b").stat().st_ino
    with pytest.raises(IsADirectoryError, match="no plain file"):
        replace_files(folder, {"a": b"2", "sub": b"2"}, last="a")
    replace_files(folder, {"a": b"2", "d": b"2"}, last="a")
    assert texts(folder) == {"a": "2", "b": "1", "d": "2", "sub/c": "1", "link": "2"}
    assert (folder / "b").stat().st_ino == stays
    assert (folder / "link").is_symlink()
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_that_another_run_replaced_meanwhile_stays_as_that_run_wrote_it(
    tmp_path, monkeypatch
):
    folder = write(tmp_path / "folder", a="1")

    def late(source: str, target: str) -> None:
        if "b" not in texts(folder):
            write(folder, b="2")
        os.link(folder / "b", target)

    monkeypatch.setattr(writing, "_link", late)
    with pytest.raises(OSError, match="another run replaced it"):
        replace_files(folder, {"record": b"of 1"}, last="a")
    assert texts(tmp_path) == {"folder/b": "2"}


def test_what_comes_into_a_folder_while_it_is_made_anew_stays(tmp_path, monkeypatch):
    folder = write(tmp_path / "folder", a="1", b="1")

    def late(source: str, target: str) -> None:
        (folder / "c").write_text("late")
        write(folder / "sub", d="late")
        os.link(source, target)

    monkeypatch.setattr(writing, "_link", late)
    replace_files(folder, {"a": b"2"}, last="a")
    assert texts(tmp_path / "folder") == {"a": "2", "b": "1", "c": "late", "sub/d": "late"}


@pytest.mark.parametrize("reason", ["others' files", "mount point"])
def test_a_folder_that_is_not_exchanged_changes_entry_by_entry(tmp_path, monkeypatch, reason):
    folder = write(tmp_path / "folder", a="1", gone="1")
    for name in ("own", "build"):
        write(folder / name, file="1")
    if reason == "mount point":
        monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == folder)
    own, order = (folder / "own").stat().st_ino, []

    def noted(new: Path, place: Path) -> Path:
        order.append(place.relative_to(tmp_path).parts[-2:])
        return put(new, place)

    with changed_folder(folder, alone=reason == "mount point", last="a", without=["gone"]) as new:
        monkeypatch.setattr(renames, "put", noted)
        (new / "a").write_text("2")
        write(new / "build", file="2")
        (new / "z").write_text("2")
    assert texts(folder) == {"a": "2", "build/file": "2", "own/file": "1", "z": "2"}
    assert order[-3:] == [("folder", "build"), ("folder", "z"), ("folder", "a")]
    assert (folder / "own").stat().st_ino == own
    assert sorted(os.listdir(folder)) == ["a", "build", "own", "z"]


KILLED = """
import os
import sys
from pathlib import Path
from mapper import renames, writing

def stop(one, other, rename=os.rename):
    rename(one, other)
    if str(one) == sys.argv[1]:
        os._exit(9)

os.rename, renames.exchange = stop, lambda one, other: False
with writing.written_aside(Path(sys.argv[1])) as aside:
    (aside / "a").write_text("new")
    if len(sys.argv) > 2:
        os._exit(9)
"""


def killed(folder: Path, *moment: str) -> None:
    command = [sys.executable, "-c", KILLED, str(folder), *moment]
    assert subprocess.run(command, check=False).returncode == 9


def test_where_two_names_cannot_change_places_nothing_is_lost(tmp_path, monkeypatch):
    folder = write(tmp_path / "folder", a="old")
    killed(folder)
    assert not folder.exists()
    recover(folder / "a")  # whatever the next command names
    assert texts(tmp_path) == {"folder/a": "old"}
    assert os.listdir(tmp_path) == ["folder"]

    monkeypatch.setattr(renames, "exchange", lambda one, other: False)
    replace_files(folder, {"a": b"new"}, last="a")
    assert texts(tmp_path) == {"folder/a": "new"}

    def fail(one: Path, other: Path, rename=os.rename) -> None:
        if other == folder and not folder.exists():
            monkeypatch.undo()
            raise OSError(errno.EIO, "it fails")
        rename(one, other)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="it fails"):
        replace_files(folder, {"a": b"lost"}, last="a")
    assert texts(tmp_path) == {"folder/a": "new"}
    assert os.listdir(tmp_path) == ["folder"]


def test_what_a_killed_run_left_goes_with_the_next_one_and_nothing_else_does(tmp_path):
    folder = write(tmp_path / "out", a="old")
    killed(folder, "while it writes")
    (left,) = {*os.listdir(tmp_path)} - {"out"}
    assert is_leftover(left)
    assert texts(tmp_path / left) == {"out/a": "new"}
    own = (
        ".out.backup12",
        ".out.abcd1234",
        ".other.abcd1234.spikeloom",
        ".outer.abcd1234.spikeloom",
    )
    for name in own:
        (tmp_path / name).mkdir()
    with written_aside(folder) as alive:
        write(folder, a="by another")  # two writers at once: each puts a whole folder there
        assert alive.is_dir()
        (alive / "a").write_text("last")
    assert sorted(os.listdir(tmp_path)) == sorted((*own, "out"))
    assert texts(folder) == {"a": "last"}


def mounted(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == folder)


def test_a_mount_point_that_holds_something_is_refused_before_anything_is_written(
    tmp_path, monkeypatch
):
    folder = write(tmp_path / "out", a="old")
    mounted(monkeypatch, folder)
    with pytest.raises(OSError, match="mount point") as failed, written_aside(folder):
        pytest.fail("refused before anything is written")
    assert failed.value.filename == str(folder)
    assert texts(tmp_path) == {"out/a": "old"}


def test_an_empty_mount_point_is_filled_and_a_killed_run_that_fills_it_is_gone_on_with(
    tmp_path, monkeypatch
):
    for count in range(3):
        folder = tmp_path / f"volume{count}"
        folder.mkdir()
        mounted(monkeypatch, folder)
        moved: list[str] = []

        def stop(new: Path, place: Path, moved=moved, count=count) -> Path:
            if len(moved) == count:
                os._exit(9)
            moved.append(place.name)
            return put(new, place)

        if os.fork() == 0:
            renames.put = stop
            write(folder, a="1", b="2")
            os._exit(0)
        _, status = os.wait()
        assert os.waitstatus_to_exitcode(status) == (9 if count < 2 else 0)
        recover(folder)
        assert texts(folder) == {"a": "1", "b": "2"}
        assert sorted(os.listdir(folder)) == ["a", "b"]


def test_a_hidden_folder_of_someone_elses_moves_nothing_out_of_its_place(tmp_path):
    folder = tmp_path / "folder"
    hidden = folder / ".a.abcd1234.spikeloom"
    hidden.mkdir(parents=True)
    (hidden / "file").write_text("theirs")
    (tmp_path / "file").write_text("mine")
    names = ["../file", "../../file", ".", "..", "", str(tmp_path / "file")]
    number = (tmp_path / "file").stat().st_ino
    notes = [
        *({"put": dict.fromkeys(names, number), "gone": gone} for gone in ([], names, [7], 7)),
        *({"put": put, "gone": []} for put in (names, {"file": []}, {"file": number}, None)),
        *({"gone": names}, names, 3),
    ]
    for text in (*map(json.dumps, notes), "[" * 100_000):
        hidden.mkdir(exist_ok=True)
        (hidden / ".begun.json").write_text(text)
        recover(folder)
        assert texts(tmp_path) == {"file": "mine"}


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_with_files_of_others_is_changed_in_all_its_places_or_none(
    tmp_path, monkeypatch, exchanges
):
    """Killed before each of four steps; whoever names the folder, or what is in it, goes on."""
    if not exchanges:
        monkeypatch.setattr(renames, "exchange", lambda one, other: False)
    for count in range(5):
        folder = tmp_path / f"{exchanges}{count}"
        write(folder / "build", held="old")
        for name in ("gone", "notes", "table", "z"):
            (folder / name).write_text("old")
        steps: list[str] = []

        def stop(new: Path, place: Path, steps=steps, count=count) -> Path:
            if len(steps) == count:
                os._exit(9)
            steps.append(place.name)
            return put(new, place)

        if os.fork() == 0:
            renames.put = stop
            with changed_folder(folder, alone=False, last="table", without=["gone"]) as new:
                (new / "build").mkdir()
                (new / "build" / "held").write_text("new")
                for name in ("new", "table", "z"):
                    (new / name).write_text("new")
            os._exit(0)
        _, status = os.wait()
        assert os.waitstatus_to_exitcode(status) == (9 if count < 4 else 0)
        recover(folder / "build" if count % 2 else folder)
        new = dict.fromkeys(("build/held", "new", "table", "z"), "new")
        assert texts(folder) == {"notes": "old", **new}
        assert sorted(os.listdir(folder)) == ["build", "new", "notes", "table", "z"]
