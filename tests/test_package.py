"""What a user gets from `pip install`: every file, and nothing that needs an extra."""

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mapper", "passes", "targets")
COMPILER = f"""#!{sys.executable}
import pathlib, sys
pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).touch()
"""


@pytest.fixture(scope="module")
def built(request, tmp_path_factory) -> Path:
    """Return a folder with a wheel and the ``source`` it was built from.

    Empty files stand for what a compiler makes, which takes most of the time of a wheel: these
    tests look at what is in a wheel, and every other one runs the kernels of the install. With
    ``--all-cases`` there is a compiler.
    """
    folder: Path = tmp_path_factory.mktemp("wheel")
    if request.config.getoption("--all-cases"):
        build_wheel(folder)
        return folder
    compiler = folder / "compiler"
    compiler.write_text(COMPILER, encoding="utf-8")
    compiler.chmod(0o755)
    build_wheel(folder, CC=str(compiler))
    return folder


def test_a_wheel_carries_every_file_of_the_packages_and_nothing_else(built):
    wheel = wheel_in(built)
    carried = {name for name in wheel.namelist() if ".dist-info/" not in name}
    source = built / "source"
    files = (path for package in PACKAGES for path in (source / package).rglob("*"))
    kernels = {name for name in carried if name.endswith(".so")}  # none without a C compiler
    expected = {path.relative_to(source).as_posix() for path in files if path.is_file()}
    assert carried - kernels == expected - kernels
    assert all(name.startswith("mapper/kernels/_core.abi3") for name in kernels)

    assert {f"{package}/py.typed" for package in PACKAGES} <= carried
    assert {"mapper/data/demo/model.onnx", "mapper/data/demo/recording.npz"} <= carried
    assert any(name.startswith("targets/") and name.endswith(".toml") for name in carried)
    assert any(name.endswith(".py.j2") for name in carried)
    assert any(name.endswith(".html.j2") for name in carried)


def test_an_install_without_a_compiler_still_works(tmp_path):
    build_wheel(tmp_path, CC="no-such-compiler")
    wheel = wheel_in(tmp_path)
    assert not any(name.endswith(".so") for name in wheel.namelist())
    installed = tmp_path / "installed"
    wheel.extractall(installed)
    source = """
import mapper.executor.engine, mapper.executor.native
print(mapper.executor.engine.chosen_backend(None), mapper.executor.native.unavailable())
"""
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("numpy the native kernels were not built")


def test_a_wheel_installs_the_command_and_the_licence(built):
    wheel = wheel_in(built)
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    scripts = configparser.ConfigParser()
    scripts.read_string(wheel.read(entry_points).decode())
    assert dict(scripts["console_scripts"]) == {"spikeloom": "mapper.cli:main"}
    (licence,) = (name for name in wheel.namelist() if name.endswith("LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_command_imports_without_any_extra():
    blocked = ("torch", "nir", "h5py", "hypothesis", "pytest")
    source = f"""
import sys
sys.modules.update(dict.fromkeys({blocked!r}))  # None makes the import fail
import mapper, passes, targets
import mapper.api, mapper.cli
"""
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def build_wheel(folder: Path, **environment: str) -> None:
    """Build from a copy: setuptools leaves files behind that a second build would pick up."""
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        junk = shutil.ignore_patterns("__pycache__", "*.py[co]", "*.so")
        shutil.copytree(ROOT / package, source / package, ignore=junk)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(source)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def wheel_in(folder: Path) -> zipfile.ZipFile:
    """Open the one wheel in a folder."""
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel)
