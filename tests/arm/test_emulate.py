"""What NEON computes is what any compiler computes; and what ``make arm`` says when it cannot run.

``make arm`` itself takes minutes and packages from Debian and PyPI: it is no part of these tests.
"""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.arm import emulate

CSRC = emulate.ROOT / "mapper" / "kernels" / "csrc"
FLAGS = ["-O1", "-w", "-fwrapv", f"-I{CSRC}"]


def printed(out: Path, compiler: str, flags: list[str], *emulator: str) -> str:
    """Compile ``pieces.c``, run it and return what it prints."""
    source = Path(__file__).with_name("pieces.c")
    subprocess.run([compiler, *FLAGS, *flags, source, "-o", out], check=True)
    return subprocess.run([*emulator, out], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("aarch64-linux-gnu-gcc", "qemu-aarch64", "gcc")),
    reason="needs gcc, gcc-aarch64-linux-gnu and qemu-user",
)
def test_pieces_of_kernels_are_the_same_with_neon_and_without(tmp_path):
    expected = printed(tmp_path / "here", "gcc", ["-DVARIANT=base"])
    assert [expected.count(word) for word in ("reached", "listed", "codes")] == [400, 202, 200]
    arm = ("qemu-aarch64", "-cpu", "cortex-a72")
    for variant in (["base"], ["neon", "-DNEON"]):
        flags = ["-static", f"-DVARIANT={variant[0]}", *variant[1:]]
        found = printed(tmp_path / variant[0], "aarch64-linux-gnu-gcc", flags, *arm)
        assert found == expected


def test_what_is_missing_is_named_with_its_package(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "qemu-aarch64" else name)
    assert emulate.main([]) == 1
    assert capsys.readouterr().err == (
        "make arm needs qemu-aarch64, not found here. On Debian: apt-get install qemu-user\n"
    )


def elf(machine: int) -> bytes:
    """Return the beginning of a compiled file for a machine by its number in ELF."""
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("tag", "files", "said"),
    [
        ("cp311-abi3-linux_aarch64", {"mapper/kernels/_core.abi3.so": elf(183)}, ""),
        ("cp311-abi3-linux_x86_64", {}, "is not tagged cp311-abi3-linux_aarch64"),
        ("cp311-abi3-linux_aarch64", {}, "has no compiled kernels"),
        ("cp311-abi3-linux_aarch64", {"mapper/kernels/_core.abi3.so": elf(62)}, "for machine 62"),
    ],
)
def test_a_wheel_of_another_kind_is_told(tmp_path, tag, files, said):
    path = tmp_path / f"spikeloom-1-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    found = emulate.wrong_wheel(path)
    assert said in found if said else found == ""
