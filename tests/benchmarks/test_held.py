"""Libraries of the other side have the limits that a variant asks for, before they are loaded."""

import os
import sys

import pytest

from benchmarks import held
from mapper.kernels.core import VARIANT_VARIABLE, VARIANTS

X86 = ("base", "avx2", "avx512", "vbmi2")


def test_each_variant_has_limits() -> None:
    assert set(held.LIMITS) == {*X86, "neon"} >= {*VARIANTS}


def started(
    monkeypatch: pytest.MonkeyPatch,
    variant: str | None,
    levels: int = len(X86),
    variants: tuple[str, ...] = X86,
) -> dict[str, str] | None:
    """Return the environment of the process that takes the place of this one, if any."""
    found: list[dict[str, str]] = []
    monkeypatch.setattr(sys, "argv", ["executor.py", "--json"])

    def execve(program: str, command: list[str], environment: dict[str, str]) -> None:
        assert command == [sys.executable, "-m", "benchmarks.executor", "--json"]
        found.append(environment)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(held, "supported_levels", lambda: range(levels))
    monkeypatch.setattr(held, "VARIANTS", variants)
    held.hold(variant, "benchmarks.executor")
    return found[0] if found else None


def test_process_starts_anew_once(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = started(monkeypatch, "avx2")
    assert environment is not None
    assert environment[VARIANT_VARIABLE] == "avx2"
    assert environment["ATEN_CPU_CAPABILITY"] == "avx2"
    assert environment["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert started(monkeypatch, "avx2") is None
    assert started(monkeypatch, "base") is not None


def test_nothing_is_held_without_a_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, None) is None


def test_features_of_numpy_that_avx2_lacks_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from numpy._core import _multiarray_umath as core

    names = ["X86_V3", "X86_V4", "AVX512_ICL"]
    monkeypatch.setattr(core, "__cpu_dispatch__", names)
    monkeypatch.setattr(core, "__cpu_features__", dict.fromkeys(names, True))
    environment = started(monkeypatch, "avx2")
    assert environment is not None
    assert environment["NPY_DISABLE_CPU_FEATURES"].split() == names[1:]
    environment = started(monkeypatch, "vbmi2")
    assert environment is not None
    assert "NPY_DISABLE_CPU_FEATURES" not in environment


def test_on_arm_the_other_side_has_neon_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    for variant in ("base", "neon"):
        environment = started(monkeypatch, variant, levels=2, variants=("base", "neon"))
        assert environment is not None
        assert environment[VARIANT_VARIABLE] == variant
        assert environment["ONEDNN_MAX_CPU_ISA"] == "ADVSIMD"


def test_a_variant_that_the_processor_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="avx512: this processor has no such instructions"):
        started(monkeypatch, "avx512", levels=2)
