"""Mutated target files: refused, or a target onto which a network maps bit for bit."""

import tomllib
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from targets.load import LIBRARIES, SHIPPED
from tests.frontend.models import one_neuron_layer
from tests.fuzz import values
from tests.fuzz.drive import spikeloom
from tests.fuzz.onnx_seeds import two_layers
from tests.fuzz.trees import edit_tree


@cache
def _texts() -> tuple[tuple[str, bytes], ...]:
    paths = [*sorted(SHIPPED.glob("*.toml")), *sorted(LIBRARIES.glob("*.toml"))]
    return tuple((path.parent.name, path.read_bytes()) for path in paths)


def toml_case(rng: Random, folder: Path, extra: Path | None) -> str:
    place, content = rng.choice(_texts())
    if rng.random() < 0.25:
        content = values.flipped(content, rng)
    else:
        data = tomllib.loads(content.decode())
        for _ in range(rng.choice((1, 1, 2, 4))):
            data = edit_tree(data, rng)
        content = written(data).encode(errors="surrogatepass")
    if rng.random() < 0.1:
        content += _tail(rng)
    (folder / "t.toml").write_bytes(content)
    if place == LIBRARIES.name:  # a library is read through a target that names it
        (folder / "t.toml").rename(folder / "lib.toml")
        shipped = next(text for kind, text in _texts() if kind != LIBRARIES.name)
        (folder / "t.toml").write_bytes(shipped.replace(b'"reference-65nm"', b'"lib.toml"'))
    spikeloom(folder, "targets", "./t.toml")
    return _mapped(rng, folder)


def _mapped(rng: Random, folder: Path) -> str:
    model = rng.choice((one_neuron_layer, two_layers))()
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    width = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    x = np.random.default_rng(rng.randrange(1 << 32)).random((4, 2, width)) < 0.4
    np.savez(folder / "x.npz", x=x.astype(np.uint8))
    spikeloom(folder, "compile", "m.onnx", "--target", "./t.toml", "-o", "build")
    spikeloom(folder, "verify", "build", "--input", "x.npz")
    spikeloom(folder, "cost", "build", "--activity", "0.5")
    return "mapped, equal"


def _tail(rng: Random) -> bytes:
    deep = rng.choice((10, 500, 20_000))
    return rng.choice(
        (
            b"\nx = " + b"[" * deep + b"]" * deep,
            b"\nx = " + b"{a=" * deep + b"1" + b"}" * deep,
            b"\n" + b"a." * deep + b"b = 1",
            b"\n[" + b"a." * deep + b"b]",
            b"\nx = 1" + b"0" * deep,
            b"\nx = 1e" + b"9" * deep,
            b'\nx = "\\u0000\\u001b"',
            b"\n\xff\xfe",
            b"\nx = 9999-99-99T99:99:99Z",
        )
    )


def written(data: Any, top: bool = True) -> str:
    """Write plain data as TOML: tables at the top, everything below them inline."""
    if isinstance(data, dict) and top:
        return "".join(f"{_quoted(k)} = {written(v, top=False)}\n" for k, v in data.items())
    if isinstance(data, dict):
        inner = ", ".join(f"{_quoted(k)} = {written(v, top=False)}" for k, v in data.items())
        return f"{{ {inner} }}"
    if isinstance(data, list):
        return f"[{', '.join(written(item, top=False) for item in data)}]"
    if isinstance(data, bool):
        return str(data).lower()
    if isinstance(data, int) and abs(data) > 1 << 63:
        return hex(abs(data))  # Python does not print integers of thousands of digits
    return repr(data) if isinstance(data, int | float) else _quoted(str(data))


def _quoted(text: str) -> str:
    escaped = (f"\\U{ord(c):08x}" if not c.isprintable() or c in '"\\' else c for c in text)
    return f'"{"".join(escaped)}"'
