"""On a disk that is full, or cannot be written, old outputs stay and the error names the file."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapper.renames import is_leftover
from tests.crash.test_crash_points import state
from tests.files import DEMO_MODEL

COMMANDS = {
    "compile": f"compile {DEMO_MODEL} --calibrate {{one}} --target adcless-64 -o {{out}}",
    "run": "run {build} --trace --input {two} --output {out}",
    "report": "report {build} --steps 2 -o {out}",
    "export ONNX": f"export {DEMO_MODEL} -o {{out}}.onnx",
    "export NIR": "export {other} -o {out}.nir",
    "compare": f"compare {DEMO_MODEL} --targets adcless-64,ideal-128 -o {{out}}",
    "compare builds": "compare {build} -o {out}",
    "figures": "few-figures {build} -o {out}",
    "demo": "quick-demo {out}",
}


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(done, place: Path) -> str:
    """Return the first line of the only error, which names a file below ``place``."""
    assert done.code == 1, done.output
    assert "Traceback" not in done.output
    lines = done.output.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("error["))
    assert lines[at].startswith("error[file-error]: ")
    assert lines[at + 1].startswith(f"  --> {place}")
    assert not any(is_leftover(part) for part in Path(lines[at + 1]).parts)
    return lines[at]


@pytest.mark.parametrize("command", COMMANDS)
def test_where_a_file_cannot_grow_the_error_names_it_and_nothing_is_left(
    children, fixed, tmp_path, command
):
    """A limit on the size of files stands for a full disk: writing fails in the middle of one."""
    out = tmp_path / "on" / "the" / "way"
    line = COMMANDS[command].format(**fixed, out=out)
    largest = 100 if "run" in line or "export" in line else 9000
    done = children.run(*line.split(), largest=largest)
    if command == "demo":  # no command line: the error comes as it is
        assert (
            f"'File too large', filename='{out}" in done.output or "File too large" in done.output
        )
    else:
        assert refused(done, tmp_path) == "error[file-error]: File too large"
    assert everything(tmp_path) == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a disk needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_on_a_full_or_read_only_disk_old_outputs_stay(children, fixed, disk):
    build, page = disk / "place" / "build", disk / "place" / "page.html"
    shutil.copytree(fixed["build"], build)
    names = {**fixed, "build": str(build), "page": str(page)}
    run = [
        f"compile {DEMO_MODEL} --calibrate {{one}} --target adcless-64 -o {{build}}",
        "report {build} --steps 2 -o {page}",
        f"compare {DEMO_MODEL} --targets adcless-64,ideal-128 -o {{build}}s",
        "few-figures {build} -o {build}s",
    ]
    assert children.run(*run[1].format(**names).split()).code == 0
    old, names_of = state(build), everything(disk)
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(4 << 20))
    for full in (True, False):
        for line in run if full else run[:1]:
            done = children.run(*line.format(**names).split())
            told = "No space left on device" if full else "Read-only file system"
            assert refused(done, disk) == f"error[file-error]: {told}"
        done = children.run("verify", build, "--input", fixed["one"])
        assert done.code == 0
        assert "warning: the result is not stored" in done.output
        assert state(build) == old
        if full:
            filler.unlink()
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert everything(disk) == names_of
