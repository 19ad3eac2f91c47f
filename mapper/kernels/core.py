"""The compiled kernels, where they were built and this processor can run them."""

import os
from typing import Any

INTERFACE = 15
"""What Python and kernels agree on: they are refused where ``csrc/fields.h`` has another number."""


def _reason(kernels: object) -> str:
    """Say why kernels that were built cannot be used; empty where they can."""
    built = getattr(kernels, "INTERFACE", None)  # kernels of before there was one have none
    if built == INTERFACE:
        return ""
    return "the native kernels are of another version: build them again"


try:
    from mapper.kernels import _core
except ImportError as error:  # an install without a compiler: everything still runs on NumPy
    _core = None  # type: ignore[assignment]
    _REASON = f"the native kernels were not built ({error.name or 'import failed'})"
else:
    _REASON = _reason(_core)

_NUMBERS = {} if _REASON else {n: v for g in _core.CONSTANTS.values() for n, v in g.items()}

_VECTOR_BYTES: dict[str, int] = {"base": 16} if _REASON else _core.VARIANTS

VARIANTS = tuple(_VECTOR_BYTES)
"""By level, of the family of processors that kernels were built for.

``base``, ``avx2``, ``avx512`` and ``vbmi2`` on x86-64, of which the last is AVX-512 on processors
that also compress bytes; ``base`` and ``neon`` on 64-bit Arm; elsewhere ``base``.
"""

VARIANT_VARIABLE = "SPIKELOOM_VARIANT"
"""Environment variable that asks for a lower variant than the processor's best."""


def unavailable() -> str:
    """Say why there are no native kernels; empty where there are."""
    return _REASON


def number(name: str) -> int:
    """Return what a name of an enumeration or a limit of ``csrc/layer.h`` stands for.

    Raises:
        KeyError: for a name that is not there.
    """
    return _NUMBERS[name]


def vector_bytes(level: int) -> int:
    """Return the bytes of the widest vectors of a level."""
    return _VECTOR_BYTES[VARIANTS[level]]


def best_level() -> int:
    """Return the level this processor supports, or the lower one the environment asks for."""
    highest = int(_core.level())
    asked = os.environ.get(VARIANT_VARIABLE, "")
    return min(highest, VARIANTS.index(asked)) if asked in VARIANTS else highest


def supported_levels() -> range:
    """Return every level this processor runs."""
    return range(0) if _REASON else range(int(_core.level()) + 1)


def run_layer(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int
) -> None:
    """Run jobs ``first..last`` of a crossbar layer; see ``csrc/fields.h`` for what it takes."""
    _core.run_layer(level, fields, arrays, first, last)


def run_neurons(level: int, fields: dict[str, int], arrays: dict[str, Any]) -> None:
    """Run neurons on sums ``y[T, B, P, N]``."""
    _core.run_neurons(level, fields, arrays)


def count_regions(level: int, arrays: dict[str, Any], *sizes: int) -> None:
    """Count how often each channel is on, by class of row and column."""
    _core.count_regions(level, arrays, *sizes)


def pack(level: int, arrays: dict[str, Any], *sizes: int) -> bool:
    """Turn numbers into packed values: planes, images, pixels, channels, lowest and highest.

    Returns whether every number was from lowest to highest.
    """
    return bool(_core.pack(level, arrays, *sizes))


def unpack(level: int, arrays: dict[str, Any], *sizes: int) -> None:
    """Turn packed values into numbers: planes, images, pixels, channels, and whether signed."""
    _core.unpack(level, arrays, *sizes)


def count_on(level: int, arrays: dict[str, Any], planes: int, images: int, words: int) -> None:
    """Count what is not zero in each of some images of packed planes."""
    _core.count_on(level, arrays, planes, images, words)


def pack_cells(fields: dict[str, int], arrays: dict[str, Any]) -> None:
    """Put the cells of a layer into the layout that kernels read; see ``csrc/layout.h``."""
    _core.pack_cells(fields, arrays)


def pack_references(fields: dict[str, int], arrays: dict[str, Any]) -> None:
    """Put thresholds of counted bits into the layout that kernels read."""
    _core.pack_references(fields, arrays)


def draw_cells(level: int, fields: dict[str, int], arrays: dict[str, Any]) -> bool:
    """Draw the cells of a layer of a die; see ``csrc/draw.h``.

    Returns whether every digit is a level and every cell a number of 32 bits.
    """
    return bool(_core.draw_cells(level, fields, arrays))


def behind_wires(fields: dict[str, int], arrays: dict[str, Any]) -> None:
    """Find what the cells of some crossbars carry behind their wires; see ``csrc/wires.h``."""
    _core.behind_wires(fields, arrays)


def lay_spikes(level: int, fields: dict[str, int], arrays: dict[str, Any]) -> bool:
    """Turn spikes into bytes of an image; return whether all numbers were 0 or 1."""
    return bool(_core.lay_spikes(level, fields, arrays))


def read_forward(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int
) -> None:
    """Read columns for vectors ``first..last`` as training does; see ``csrc/training.h``."""
    _core.read_forward(level, fields, arrays, first, last)


def read_backward(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int
) -> None:
    """Add the gradients of vectors ``first..last``."""
    _core.read_backward(level, fields, arrays, first, last)


def walk_forward(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int
) -> None:
    """Run neurons ``first..last`` over ``x[T, N]`` in single precision."""
    _core.walk_forward(level, fields, arrays, first, last)


def walk_backward(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int
) -> None:
    """Pass gradients back through neurons ``first..last``."""
    _core.walk_backward(level, fields, arrays, first, last)
