"""The build folder: written whole, the same every time, and trusted by no one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapper import api
from mapper.build.files import LISTED, listed, sha256
from mapper.build.folder import programs, read_build
from mapper.build.rules import shared_problems
from mapper.diagnostics import MappingError
from mapper.recordings import read_arrays
from tests.files import DEMO_MODEL, DEMO_RECORDING

FILES = {
    "mapping.json",
    "weights.npz",
    "source.npz",
    "executor.py",
    "cost.py",
    "lowered.onnx",
    "report.html",
    "manifest.json",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("build") / "demo"
    api.compile_model(DEMO_MODEL, "adcless-64", out, calibrate=DEMO_RECORDING)
    return out


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    made = tmp_path / "copy"
    made.mkdir()
    for path in folder.iterdir():
        (made / path.name).write_bytes(path.read_bytes())
    return made


def refusal(folder: Path) -> tuple[str, str]:
    with pytest.raises(MappingError) as refused:
        read_build(folder)
    return refused.value.diagnostics[0].code, refused.value.diagnostics[0].message


def test_a_build_holds_the_files_of_the_design(folder):
    assert {path.name for path in folder.iterdir()} == FILES


def test_the_same_inputs_give_the_same_bytes(folder, tmp_path):
    again = tmp_path / "again"
    api.compile_model(DEMO_MODEL, "adcless-64", again, calibrate=DEMO_RECORDING)
    for name in FILES:
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_manifest_has_the_hash_of_every_other_file(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    names = FILES - {"manifest.json"}
    assert names == LISTED.keys()
    assert manifest["files"] == {name: sha256(folder / name) for name in names}
    assert manifest["sizes"] == {name: (folder / name).stat().st_size for name in names}
    assert "time" not in manifest


def test_reading_gives_back_what_was_written(folder):
    build = read_build(folder)
    assert programs(build)["executor.py"] == (folder / "executor.py").read_bytes()
    assert build.target.name == "adcless-64"
    assert build.samples["x"].shape == (20, 8, 2, 32, 32)


def test_the_executor_runs_alone(copy, tmp_path):
    """In another folder, without the package: NumPy and weights.npz are all it needs."""
    answer = tmp_path / "y.npz"
    command = [
        sys.executable,
        "-I",
        str(copy / "executor.py"),
        str(tmp_path / "x.npz"),
        str(answer),
    ]
    np.savez(tmp_path / "x.npz", x=read_arrays(DEMO_RECORDING)["x"])
    subprocess.run(command, check=True, cwd=tmp_path, env={"PATH": ""})
    api.run_build(copy, DEMO_RECORDING, tmp_path / "mine.npz")
    mine, alone = read_arrays(tmp_path / "mine.npz"), read_arrays(answer)
    assert mine.keys() >= {"spk"}
    assert np.array_equal(mine["spk"], alone["spk"])


def test_the_cost_estimator_runs_alone(copy):
    command = [sys.executable, "-I", "-S", str(copy / "cost.py"), "0.1", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={"PATH": ""})
    expected = api.cost_build(copy, "0.1", 1)[0]
    # what recordings tell of the network is kept with the build, which the estimator does not read
    assert json.loads(done.stdout) == {**expected, "warnings": []}


def test_a_changed_file_is_refused(copy, folder):
    (copy / "executor.py").write_text("print('mine now')")
    had = (folder / "executor.py").stat().st_size
    changed = f"executor.py has 17 bytes, in manifest.json {had}"
    assert refusal(copy) == ("build-changed", changed)
    (copy / "executor.py").write_bytes(b" " * had)
    assert refusal(copy) == ("build-changed", "executor.py does not have the hash in manifest.json")


def test_a_changed_file_with_a_corrected_hash_is_refused_too(copy):
    """Whoever changes the code also changes the manifest; the code is regenerated to compare."""
    (copy / "executor.py").write_text("print('mine now')")
    manifest = json.loads((copy / "manifest.json").read_text())
    sign(copy, manifest)
    assert refusal(copy) == ("build-changed", "executor.py is not what mapping.json gives")


def test_a_file_too_many_or_too_few_is_refused(copy):
    (copy / "extra.py").write_text("")
    assert refusal(copy) == ("build-changed", "extra.py is not in manifest.json")
    (copy / "extra.py").unlink()
    (copy / "cost.py").unlink()
    assert refusal(copy) == ("build-changed", "cost.py is missing")


@pytest.mark.parametrize("name", [*LISTED, "manifest.json"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "device", "terabyte"])
def test_what_is_no_plain_file_of_its_size_is_not_opened(copy, tmp_path, name, kind):
    """A pipe would wait for ever, a device never ends, and nobody wants to read a terabyte."""
    place = copy / name
    moved = place.rename(tmp_path / "moved")
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to(moved)
    elif kind == "device":
        place.symlink_to("/dev/zero")
    else:
        with place.open("wb") as file:
            file.truncate(1 << 40)
    if (name, kind) == ("manifest.json", "link"):
        read_build(copy)  # which lists itself nowhere
        return
    code, message = refusal(copy)
    assert code == ("not-a-build" if name == "manifest.json" else "build-changed")
    if kind != "folder" or name != "manifest.json":
        told = f"{1 << 40} bytes" if kind == "terabyte" else "is no plain file"
        assert told in message


def test_a_file_of_gigabytes_is_not_read_though_the_manifest_gives_its_size(copy):
    with (copy / "cost.py").open("wb") as file:
        file.truncate(33 << 20)
    manifest = json.loads((copy / "manifest.json").read_text())
    sizes = manifest["sizes"] | {"cost.py": 33 << 20}
    (copy / "manifest.json").write_text(json.dumps(manifest | {"sizes": sizes}))
    told = f"cost.py has {33 << 20} bytes, at most {32 << 20}"
    assert refusal(copy) == ("build-changed", told)


@pytest.mark.parametrize("key", ["files", "sizes"])
@pytest.mark.parametrize("change", [{"numpy.py": 1}, {"mapping.json": None}, None, [], "all"])
def test_a_manifest_lists_the_files_of_a_build_and_no_others(copy, key, change):
    """A program of the folder would import a numpy.py beside it."""
    (copy / "numpy.py").write_text("print('mine now')")
    manifest = json.loads((copy / "manifest.json").read_text())
    held = manifest[key] | change if isinstance(change, dict) else change
    (copy / "manifest.json").write_text(json.dumps(manifest | {key: held}))
    assert refusal(copy)[0] == "not-a-build"


def test_byte_code_that_would_run_in_place_of_a_program_is_refused(copy):
    (copy / "__pycache__").mkdir()
    with pytest.raises(MappingError) as refused:
        read_build(copy)
    (told,) = refused.value.diagnostics
    assert (told.code, told.message) == ("build-changed", "__pycache__ is not in manifest.json")
    assert "remove it, and import with python -B" in told.help


def _set(*path_and_value):
    *path, key, value = path_and_value

    def change(data):
        for step in path:
            data = data[step]
        data[key] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        *(_set("weight_bits", n) for n in (float("inf"), float("nan"), -1, 17, 1e3, True, "4")),
        *(_set("passes", 0, 2, n) for n in (float("inf"), -1, 1 << 40, 1.5, None, "3")),
        _set("passes", 0, 1, "yes"),
        _set("passes", 0, 0, 7),
        _set("passes", {"a": 1}),
        *(
            _set("passes", 0, ["a", True, 1, *more])
            for more in (["text"], [[7]], [["x" * (1 << 15)]], [[], []])
        ),
        _set("source", "model", 10**30),
        _set("source", []),
        _set("schema", []),
    ],
)
def test_numbers_beside_the_graphs_have_ranges_too(copy, change):
    assert refusal(with_mapping(copy, change))[0] == "bad-mapping"


def test_a_mapping_is_of_its_network_and_of_recordings_that_fit(folder):
    build = read_build(folder)

    def told(**other) -> str:
        parts = {"network": build.network, "hardware": build.hardware, "samples": build.samples}
        return next(shared_problems(**{**parts, **other}), "")

    assert told() == ""
    x = build.hardware.inputs[0]
    other = replace(build.hardware, inputs=(replace(x, name="other"),))
    assert "the network has inputs {'x': (2, 32, 32)}, the mapping {'other'" in told(hardware=other)
    assert "the network has outputs" in told(hardware=replace(build.hardware, outputs=()))
    silent = replace(build.hardware, ops=build.hardware.ops[:-1])
    assert "of the network is not in the mapping" in told(hardware=silent)
    assert "'x' is (20, 8, 2, 32, 31), expected" in told(
        samples={"x": build.samples["x"][..., :-1]}
    )
    assert "recordings for calibration" in told(samples={"y": build.samples["x"]})
    assert "recordings for calibration" in told(samples={"x": build.samples["x"] + 7})
    assert "has no axis of samples" in told(samples={"x": build.samples["x"][0]})


def test_a_folder_that_is_no_build_is_refused(tmp_path):
    assert refusal(tmp_path)[0] == "not-a-build"


def test_a_build_of_another_version_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"version": "0.0.0"}))
    assert refusal(copy)[0] == "build-version"


def with_mapping(copy: Path, change) -> Path:
    """Change mapping.json and correct its hash."""
    data = json.loads((copy / "mapping.json").read_text())
    change(data)
    (copy / "mapping.json").write_text(json.dumps(data))
    manifest = json.loads((copy / "manifest.json").read_text())
    return sign(copy, manifest)


def sign(copy: Path, manifest: dict[str, Any]) -> Path:
    """Write a manifest with the hashes and sizes of what is there."""
    (copy / "manifest.json").write_text(json.dumps(manifest | listed(copy)))
    return copy


def test_a_mapping_that_breaks_a_rule_is_refused(copy):
    def wider(data):
        data["hardware"]["ops"][0]["rows"][0]["stop"] = 999

    assert refusal(with_mapping(copy, wider))[0] == "bad-mapping"


def test_a_mapping_with_a_missing_part_is_refused(copy):
    assert refusal(with_mapping(copy, lambda data: data.pop("target")))[0] == "bad-mapping"


def test_nothing_is_left_behind_when_compiling_fails(tmp_path):
    with pytest.raises(MappingError):
        api.compile_model(DEMO_MODEL, "no-such-target", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_ours_is_not_replaced(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(MappingError, match=r"error\[output-exists\]"):
        api.compile_model(DEMO_MODEL, "adcless-64", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_build_is_replaced_by_the_next(copy):
    api.compile_model(DEMO_MODEL, "ideal-128", copy)
    assert read_build(copy).target.name == "ideal-128"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"macro": "none"}, "is on a macro 'none'"),
        ({"slots": {"start": 0, "stop": 9999999}}, "crossbars in slots"),
        ({"copies": 10**9}, "crossbars in slots"),
    ],
)
def test_a_mapping_that_is_none_onto_its_target_is_refused(copy, change, reason):
    def moved(data):
        data["hardware"]["ops"][0]["placement"].update(change)

    code, message = refusal(with_mapping(copy, moved))
    assert code == "bad-mapping"
    assert reason in message
