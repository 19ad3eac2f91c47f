"""Build the wheel for 64-bit Arm and run ring 5 with it, in emulation: ``make arm``.

``build/arm`` gets a Python for Arm from Debian's packages and its libraries as wheels from PyPI,
both unpacked and not installed: the system stays as it is. QEMU runs that Python on a Cortex-A72,
an Armv8.0 processor, so that what later ones have would be an illegal instruction. It builds the
wheel as on such a machine, with flags and platform tag of its own; only the compiler is a cross
compiler, for speed. The tests then run against what is in the wheel.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "build" / "arm"
NATIVE = ROOT / "tests" / "executor" / "native"
OTHERS = (
    "tests/kernels/test_structs.py",
    "tests/passes/test_draw_die.py::test_kernels_draw_the_cells_that_numpy_does",
)
"""Tests of kernels that are not of the native engine."""

SOURCES = ("mapper", "passes", "targets", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md")

TOOLS = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "qemu-aarch64": "qemu-user",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}
"""Commands and the packages of Debian that have them."""

CHECK = """
import platform
from mapper.kernels import core
assert not core.unavailable(), core.unavailable()
assert core.VARIANTS == ("base", "neon") and list(core.supported_levels()) == [0, 1]
print(platform.machine(), "Python", platform.python_version(), *core.VARIANTS)
"""
_LEFT_OUT = ("onnxruntime",)  # ends in emulation as it is loaded, and nothing of ring 5 loads it


def missing() -> str:
    """Say what to install before anything is done; empty where every tool is there."""
    absent = [name for name in TOOLS if shutil.which(name) is None]
    if not absent:
        return ""
    packages = " ".join(TOOLS[name] for name in absent)
    names = ", ".join(absent)
    return f"make arm needs {names}, not found here. On Debian: apt-get install {packages}"


@dataclass(frozen=True, slots=True)
class Arm:
    """A folder with an emulated Python: ``root`` of packages, ``site`` of libraries."""

    place: Path

    @property
    def root(self) -> Path:
        return self.place / "root"

    @property
    def site(self) -> Path:
        return self.place / "site"

    @property
    def python(self) -> Path:
        """The interpreter, by its version; raises StopIteration where there is none."""
        found = (self.root / "usr/bin").glob("python3.*")
        return next(path for path in sorted(found) if path.suffix[1:].isdigit())

    @property
    def glibc(self) -> int:
        """The minor version of the C library of the packages."""
        (name,) = {path.name for path in (self.place / "packages").rglob("libc6_2.*_arm64.deb")}
        return int(name.split("_")[1].split("-")[0].split(".")[1])

    def command(self, *words: str | Path) -> list[str]:
        """Return a command that runs the emulated Python with some arguments."""
        machine = ["qemu-aarch64", "-cpu", "cortex-a72", "-L", str(self.root)]
        return [*machine, str(self.python), *map(str, words)]

    def environment(self, *folders: Path) -> dict[str, str]:
        """Return an environment in which Python imports from some folders and the libraries."""
        paths = os.pathsep.join(map(str, (*folders, self.site)))
        return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}

    def get_packages(self) -> None:
        """Unpack Debian's Python for Arm, with what it needs, from a state of apt of its own."""
        packages = self.place / "packages"
        for folder in ("lists/partial", "cache/archives/partial"):
            (packages / folder).mkdir(parents=True, exist_ok=True)
        (packages / "status").touch()
        settings = [
            "APT::Architecture=arm64",
            "APT::Architectures=arm64",
            "APT::Sandbox::User=root",
            f"Dir::State={packages}",
            f"Dir::State::lists={packages / 'lists'}",
            f"Dir::State::status={packages / 'status'}",
            f"Dir::Cache={packages / 'cache'}",
        ]
        apt = ["apt-get", "-qq", *(word for setting in settings for word in ("-o", setting))]
        fetch = [*apt, "install", "-y", "--download-only", "--no-install-recommends"]
        subprocess.run([*apt, "update"])  # lists of others may have nothing for Arm
        subprocess.run([*fetch, "python3", "libstdc++6"], check=True)
        self._unpack()
        headers = [f"lib{self.python.name}-dev"]
        subprocess.run([*apt, "download", *headers], cwd=packages, check=True)
        self._unpack()

    def _unpack(self) -> None:
        self.root.mkdir(exist_ok=True)
        for package in sorted((self.place / "packages").rglob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, self.root], check=True)

    def get_libraries(self) -> None:
        """Unpack wheels for Arm of what the package and its tests import."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        wanted = [name for name in project["dependencies"] if not name.startswith(_LEFT_OUT)]
        tests = ("hypothesis", "pytest>", "setuptools")
        wanted += [
            name for name in project["optional-dependencies"]["dev"] if name.startswith(tests)
        ]
        platforms = [f"manylinux_2_{minor}_aarch64" for minor in range(17, self.glibc + 1)]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--quiet", "--no-compile"]
        of_arm = [word for name in platforms for word in ("--platform", name)]
        version = ["--python-version", self.python.name.removeprefix("python")]
        where = ["--only-binary", ":all:", "--target", str(self.site)]
        subprocess.run([*pip, *of_arm, *version, *where, *wanted], check=True)

    def prepare(self) -> None:
        """Get packages and libraries, unless they are there for this ``pyproject.toml``."""
        stamp, asked = self.place / "ready", (ROOT / "pyproject.toml").read_text()
        if stamp.is_file() and stamp.read_text() == asked:
            return
        shutil.rmtree(self.place, ignore_errors=True)
        self.get_packages()
        self.get_libraries()
        stamp.write_text(asked)

    def build_wheel(self) -> Path:
        """Build the wheel of this tree in emulation, and return it."""
        source, built = self.place / "source", self.place / "dist"
        for folder in (source, built):
            shutil.rmtree(folder, ignore_errors=True)
        source.mkdir()
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.so"))
            else:
                shutil.copy2(ROOT / name, source / name)
        shutil.copy2(ROOT / "LICENSE", source)
        command = self.command("setup.py", "--quiet", "bdist_wheel", "--dist-dir", built)
        headers = self.root / "usr/include"  # the compiler, not emulated, knows of no root
        flags = {"CFLAGS": f"-I{headers} -I{headers / self.python.name}"}
        subprocess.run(command, cwd=source, env=self.environment() | flags, check=True)
        (wheel,) = built.glob("*.whl")
        return wheel

    def install(self, wheel: Path) -> Path:
        """Unpack a wheel beside the tests, and return the folder that they run in."""
        tree = self.place / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        with zipfile.ZipFile(wheel) as file:
            file.extractall(tree)
        shutil.copytree(ROOT / "tests", tree / "tests")
        shutil.copy2(ROOT / "pyproject.toml", tree)
        return tree

    def test(self, tree: Path, tests: str, options: Sequence[str]) -> subprocess.CompletedProcess:
        """Run some tests in emulation and return what they wrote."""
        return subprocess.run(
            self.command("-m", "pytest", "-q", "-p", "no:cacheprovider", *options, tests),
            cwd=tree,
            env=self.environment(tree),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def wrong_wheel(wheel: Path) -> str:
    """Say why a wheel is none for any Python on 64-bit Arm; empty where it is one."""
    if not wheel.name.endswith("-cp311-abi3-linux_aarch64.whl"):
        return f"{wheel.name} is not tagged cp311-abi3-linux_aarch64"
    with zipfile.ZipFile(wheel) as file:
        kernels = [name for name in file.namelist() if name.endswith(".so")]
        if kernels != ["mapper/kernels/_core.abi3.so"]:
            return f"{wheel.name} has {kernels or 'no'} compiled kernels"
        header = file.read(kernels[0])[:20]
    machine = int.from_bytes(header[18:20], "little")
    return "" if machine == 183 else f"kernels are for machine {machine} of ELF, not 183 (AArch64)"


def main(words: Sequence[str] | None = None) -> int:
    """Build, check and test; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2, help="tests' files run at once")
    parser.add_argument("tests", nargs="*", help="tests to run; all of kernels")
    given, options = parser.parse_known_args(words)
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 1
    arm = Arm(PLACE)
    arm.prepare()
    wheel = arm.build_wheel()
    if wrong := wrong_wheel(wheel):
        print(wrong, file=sys.stderr)
        return 1
    print(wheel.relative_to(ROOT))
    tree = arm.install(wheel)
    subprocess.run(arm.command("-c", CHECK), cwd=tree, env=arm.environment(tree), check=True)
    files = (path for path in sorted(NATIVE.glob("test_*.py")) if path.name != "test_sanitized.py")
    tests = given.tests or [*(str(path.relative_to(ROOT)) for path in files), *OTHERS]
    failed = 0
    with ThreadPoolExecutor(given.workers) as pool:
        ran = pool.map(lambda name: arm.test(tree, name, options), tests)
        for name, done in zip(tests, ran, strict=True):
            print(f"{name}: {done.stdout.strip().splitlines()[-1]}", flush=True)
            if done.returncode:
                print(done.stdout, flush=True)
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
