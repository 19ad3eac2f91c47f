"""Libraries that ours is compared with, held to the instructions that ours is held to.

``--variant avx2`` on a processor with AVX-512 would race AVX2 against AVX-512, were the other side
left alone. Libraries read their limits where they are loaded, so the process starts anew with them.
"""

import os
import sys
from importlib.util import find_spec

from mapper.kernels.core import VARIANT_VARIABLE, VARIANTS, supported_levels

_WIDE = ("AVX512", "X86_V4")
"""How NumPy's names of features begin that AVX2 lacks."""
_MARK = "SPIKELOOM_BENCHMARK_HELD"

LIMITS: dict[str, dict[str, str]] = {
    "base": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "vbmi2": {"ATEN_CPU_CAPABILITY": "avx512"},
    "neon": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "ADVSIMD",
        "OPENBLAS_CORETYPE": "ARMV8",
    },
}
"""What torch (its own loops, oneDNN, MKL) and NumPy's OpenBLAS are told for each variant."""


def _limits(variant: str) -> dict[str, str]:
    """Return what libraries are told: on Arm they have nothing below NEON."""
    return LIMITS["neon" if "neon" in VARIANTS else variant]


def hold(variant: str | None, module: str) -> None:
    """Run a module again with the limits of a variant, in place of this process.

    Returns where the process has them already, or where no variant is asked for. Ends the process
    where the processor lacks the variant.
    """
    if variant is None or os.environ.get(_MARK) == variant:
        return
    if VARIANTS.index(variant) not in supported_levels():  # torch believes what it is told
        raise SystemExit(f"{variant}: this processor has no such instructions")
    limits = _limits(variant) | {VARIANT_VARIABLE: variant, _MARK: variant}
    if off := _numpy_features_off(variant):
        limits["NPY_DISABLE_CPU_FEATURES"] = " ".join(off)
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    os.execve(sys.executable, command, os.environ | limits)


def _numpy_features_off(variant: str) -> list[str]:
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    there = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
    cut = {"base": there, "neon": there, "avx2": [name for name in there if name.startswith(_WIDE)]}
    return cut.get(variant, [])


def held_to() -> dict[str, str]:
    """Return what the other side was told, and what torch says that it uses."""
    asked = os.environ.get(_MARK)
    found = {"variant": asked or "not held"}
    if find_spec("torch"):
        import torch

        found["torch"] = torch.backends.cpu.get_cpu_capability()
    names = () if asked is None else (*_limits(asked), "NPY_DISABLE_CPU_FEATURES")
    return found | {name: os.environ[name] for name in names if name in os.environ}
