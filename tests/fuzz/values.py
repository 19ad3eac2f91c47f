"""Numbers and texts that break programs."""

import math
from random import Random

INTEGERS = (
    *(0, 1, -1, 2, 3, 7, -2, 8, 16, 64, 127, 128, 255, 256, 1 << 12, 1 << 16),
    *((1 << 31) - 1, 1 << 31, -(1 << 31), 1 << 32, (1 << 53) + 1, (1 << 63) - 1, -(1 << 63)),
)
FLOATS = (
    *(0.0, -0.0, 0.5, 1.0, -1.0, 1e-3, 1e-45, 1e-40, 1e-8, 3.4e38, -3.4e38, 1e30, 0.1, 2.0),
    *(math.inf, -math.inf, math.nan, 16777217.0, 1e300),
)
TEXTS = (
    *("", "x", "v", "s", "0", "-1", "1.5", "a" * 3000, "../../etc/passwd", "/etc/passwd", "C:\\x"),
    *("\x1b[2J\x07", "a\nb\rc", "\u202e\u2066", "\ud7ff\U0001f600", "<script>alert(1)</script>"),
    *("{{7*7}}", "{% raw %}", "'; import os; #", '"""', "__class__", "%s%n", "\x00", "names", "c0"),
    *("labels", "expected_s", "Relu", "ai.onnx", "com.microsoft", "nan", "inf", "é" * 40),
)


def integer(rng: Random) -> int:
    return rng.choice(INTEGERS) if rng.random() < 0.7 else rng.randint(-20, 20)


def real(rng: Random) -> float:
    return rng.choice(FLOATS) if rng.random() < 0.7 else rng.uniform(-2, 2)


def text(rng: Random) -> str:
    return rng.choice(TEXTS)


def flipped(data: bytes, rng: Random) -> bytes:
    """Flip bits, cut, repeat or overwrite a few bytes of a file."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if not found:
            break
        at = rng.randrange(len(found))
        kind = rng.randrange(6)
        if kind == 0:
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            found[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del found[at : at + rng.choice((1, 4, 100))]
        elif kind == 3:
            found[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 8))))
        elif kind == 4:
            size = rng.choice((1, 8, 64))
            found[at:at] = found[at : at + size]
        elif rng.random() < 0.3:
            del found[at:]
    return bytes(found)
