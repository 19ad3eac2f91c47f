"""Mutated models: refused with a diagnostic, or imported and equal to ONNX Runtime."""

from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from onnx import ModelProto

from mapper.ir.weights import write_arrays
from tests.fuzz import values
from tests.fuzz.drive import spikeloom
from tests.fuzz.onnx_edits import edit
from tests.fuzz.onnx_seeds import SEEDS

TARGETS = (
    *("ideal-128", "adcless-32", "adcless-diff-64", "hpadc-flash5-64", "hpadc-sar5-64"),
    *("ternary-diff-64", "mixed-64"),
)
_LARGEST = 1 << 18
"""Elements of an input that is run; mutations of sizes make networks that would take minutes."""


@cache
def seeds(extra: Path | None) -> tuple[bytes, ...]:
    """Return serialised models: ours, and the small ones under ``extra``."""
    files = sorted(extra.glob("models/*/model.onnx")) if extra is not None else ()
    small = [path.read_bytes() for path in files if path.stat().st_size < 400_000]
    return (*(make().SerializeToString() for make in SEEDS), *small)


def onnx_case(rng: Random, folder: Path, extra: Path | None) -> str:
    ours = len(SEEDS)
    known = seeds(extra)
    chosen = known[rng.randrange(ours if rng.random() < 0.7 else len(known))]
    model = ModelProto.FromString(chosen)
    if rng.random() < 0.92:
        edit(model, rng)
        chosen = model.SerializeToString()
    else:
        chosen = values.flipped(chosen, rng)
    (folder / "m.onnx").write_bytes(chosen)
    (folder / "weights.bin").write_bytes(bytes(64))
    return check_model(folder, "m.onnx", rng)


def check_model(folder: Path, name: str, rng: Random) -> str:
    """Inspect a model and compare it with ONNX Runtime; map and verify some of them."""
    found = spikeloom(folder, "inspect", name)
    shapes = {port["name"]: tuple(port["shape"]) for port in found["inputs"]}
    if sum(np.prod(shape, dtype=float) for shape in shapes.values()) > _LARGEST:
        return "imported, too large to run"
    spikes = np.random.default_rng(rng.randrange(1 << 32))
    arrays = {n: (spikes.random((4, 2, *s)) < 0.4).astype(np.uint8) for n, s in shapes.items()}
    if len(arrays) == 1:  # its name may be one that no file can hold
        arrays = {"x": next(iter(arrays.values()))}
    write_arrays(folder / "x.npz", arrays)
    answer = spikeloom(folder, "verify", name, "--input", "x.npz")
    ring = next(r for r in answer["rings"] if r["name"].startswith("3-"))
    if rng.random() < 0.5:
        map_model(folder, name, rng)
    return f"imported, {ring['status']}"


def map_model(folder: Path, name: str, rng: Random) -> None:
    """Take a model through every command."""
    calibrated = ("--calibrate", "x.npz") if rng.random() < 0.5 else ()
    target = rng.choice(TARGETS)
    spikeloom(folder, "compile", name, "--target", target, "-o", "build", *calibrated)
    spikeloom(folder, "verify", "build", "--input", "x.npz", "--model", name)
    spikeloom(folder, "run", "build", "--input", "x.npz", "--output", "y.npz", "--trace")
    spikeloom(folder, "cost", "build", "--activity", "y.trace.npz")
    spikeloom(folder, "report", "build", "-o", "page.html")
