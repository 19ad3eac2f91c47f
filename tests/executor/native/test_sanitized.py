"""A few tests of the kernels with address checks: the short form of ``make sanitize``.

Only ``--all-cases`` runs it: the compiler takes half a minute and more.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mapper.kernels.core import VARIANTS, supported_levels

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "mapper/kernels/csrc").glob("*.c"))
CHECKED = ["-O0", "-g0", "-fPIC", "-fwrapv", "-fno-strict-aliasing", "-fsanitize=address"]
RUN = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("mapper.kernels._core", sys.argv[1])
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
import pytest
from mapper.kernels import core
assert core._core.__file__ == sys.argv[1]
sys.exit(pytest.main(sys.argv[2:]))
"""
TESTS = [
    "tests/executor/native/test_boundary.py",
    "tests/executor/native/test_packing.py",
    "tests/executor/native/test_dies.py::test_two_copies_of_a_cell",
    "tests/executor/native/test_dies.py::test_another_die_shares_all_but_its_layers",
    "tests/executor/native/test_merged.py::test_counters_of_any_depth",
    "tests/executor/native/test_merged.py::test_outputs_that_fill_no_vectors",
    "tests/executor/native/test_sizes.py::test_odd_sizes",
    "tests/executor/native/test_sizes.py::test_readouts_of_full_row_blocks",
    "tests/executor/native/test_sizes.py::test_samples_of_linear_layers_are_rows_of_an_image",
    "tests/executor/native/test_sizes.py::test_a_trace_holds_packed_spikes",
]
NOISE = "tests/executor/native/test_dies.py::test_noise_of_reads_is_counted_by_place"


def compiler() -> list[str]:
    """Return the compiler of this Python, or skip."""
    command = shlex.split(sysconfig.get_config_var("CC") or "cc")
    if sys.platform != "linux" or shutil.which(command[0]) is None:
        pytest.skip("no C compiler that checks addresses is known here")
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("every test of the kernels runs with these checks already")
    return command


def runtime(command: list[str]) -> str:
    """Return the library that must be loaded first, or skip."""
    asked = [*command, "-print-file-name=libasan.so"]
    found = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip(f"{command[0]} has no AddressSanitizer")
    return found


@pytest.mark.campaign(0)
def test_kernels_stay_inside_their_arrays(tmp_path):
    command = compiler()
    best = len(supported_levels()) - 1
    preload = runtime(command)
    include = sysconfig.get_paths()["include"]
    objects = [tmp_path / f"{source.stem}.o" for source in SOURCES]

    def build(pair: tuple[Path, Path]) -> None:
        source, out = pair
        subprocess.run([*command, *CHECKED, f"-I{include}", "-c", source, "-o", out], check=True)

    with ThreadPoolExecutor(2) as pool:
        largest_first = sorted(zip(SOURCES, objects, strict=True), key=lambda pair: pair[0].name)
        list(pool.map(build, largest_first[::-1]))
    built = tmp_path / "_core.abi3.so"
    linked = [*command, "-shared", "-fsanitize=address", *objects, "-o", built]
    subprocess.run(linked, check=True)
    environment = os.environ | {"LD_PRELOAD": preload, "ASAN_OPTIONS": "detect_leaks=0"}
    noisy = [f"{NOISE}[window1-2-40-{VARIANTS[level]}]" for level in sorted({0, best})]
    tests = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS, *noisy]
    ran = subprocess.run(
        [sys.executable, "-c", RUN, built, *tests],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    assert " passed" in ran.stdout
