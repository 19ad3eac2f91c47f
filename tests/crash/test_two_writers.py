"""Several runs that write one output at once: each puts a whole one there, and the last stays."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mapper import api
from mapper.build import folder as folders
from mapper.build.folder import read_build
from mapper.writing import replace_files, whole_file, written_aside
from tests.files import DEMO_MODEL

FILES = ("a", "b", "c")


def whole(folder: Path) -> str:
    """Return what all files of a folder say, though it may be replaced while they are read."""
    while True:
        opened = os.open(folder, os.O_RDONLY)
        try:
            said = {read(opened, name) for name in FILES}
        except FileNotFoundError:  # it was replaced, and is being removed
            continue
        finally:
            os.close(opened)
        (text,) = said
        return text


def read(folder: int, name: str) -> str:
    with open(os.open(name, os.O_RDONLY, dir_fd=folder), encoding="utf-8") as file:
        return file.read()


def at_once(*writers: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(len(writers)) as pool:
        for done in [pool.submit(writer, number) for number, writer in enumerate(writers)]:
            done.result()


def test_a_folder_that_four_replace_at_once_is_always_whole(tmp_path):
    folder = tmp_path / "folder"

    def write(number: int) -> None:
        for turn in range(10):
            with written_aside(folder) as aside:
                for name in FILES:
                    (aside / name).write_text(f"{number} {turn}")
            whole(folder)

    at_once(write, write, write, write)
    assert whole(folder).endswith(" 9")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_file_that_four_replace_at_once_is_always_whole(tmp_path):
    def write(number: int) -> None:
        for _ in range(10):
            with whole_file(tmp_path / "file") as temporary:
                temporary.write_text(str(number) * 10_000)
            assert len(set((tmp_path / "file").read_text())) == 1

    at_once(write, write, write, write)
    assert os.listdir(tmp_path) == ["file"]


def test_a_record_goes_to_the_folder_it_is_of_or_nowhere(tmp_path):
    """One run replaces the folder, another adds what it found in it: never the old one again."""
    folder = tmp_path / "folder"

    def write(_: int) -> None:
        for turn in range(20):
            with written_aside(folder) as aside:
                for name in FILES:
                    (aside / name).write_text(str(turn))

    def record(_: int) -> None:
        for _ in range(20):
            try:
                replace_files(folder, {"record": b"found"}, last="a")
            except OSError as error:
                assert "another run replaced it" in str(error) or not folder.exists()  # noqa: PT017

    at_once(write, record)
    assert whole(folder) == "19"
    assert os.listdir(tmp_path) == ["folder"]


def test_a_build_that_is_replaced_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    folder = tmp_path / "build"
    api.compile(DEMO_MODEL, "ideal-128").save(folder)
    other = api.compile(DEMO_MODEL, "adcless-64")
    check = folders.check_files

    def late(place: Path, manifest: dict[str, object], beside: set[str]) -> None:
        monkeypatch.undo()
        other.save(place)
        check(place, manifest, beside)

    monkeypatch.setattr(folders, "check_files", late)
    assert read_build(folder).target.name == "adcless-64"
