"""Mutated recordings: refused, or the same answers from the executor and from its definition."""

import io
import pickle
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from onnx import ModelProto

from mapper import api
from tests.fuzz import values
from tests.fuzz.drive import Finding, spikeloom
from tests.fuzz.onnx_seeds import modern, recurrent, two_layers

MARK = "unpickled"


class Hostile:
    """Unpickling it makes a folder."""

    def __reduce__(self) -> Any:
        import os

        return os.mkdir, (MARK,)


def _plain(rng: Random) -> np.ndarray:
    random = np.random.default_rng(rng.randrange(1 << 32))
    return (random.random((4, 2, _WIDTH)) < 0.4).astype(np.uint8)


_WIDTH = 4

_DTYPES = (
    *("?", "i1", "u1", "<i2", ">i4", "<u4", "i8", "u8", "<f2", "<f4", ">f8", "<f8", "<c8"),
    *("<c16", "<U3", "S4", "M8[s]", "m8[s]", "V8", "longdouble"),
)


def odd_array(rng: Random) -> np.ndarray:
    """Return an array with a wrong shape, type or content."""
    array = _plain(rng)
    kind = rng.randrange(6)
    if kind == 0:
        shapes = ((), (0,), (4,), (4, _WIDTH), (0, 2, _WIDTH), (4, 0, _WIDTH), (4, 2, 0))
        more = ((4, 2, _WIDTH, 1), (1,) * 32, (4, 2, _WIDTH + 1), (2, 4, _WIDTH), (20_000, 1, 4))
        array = np.resize(array, rng.choice((*shapes, *more)))
    elif kind == 1:
        array = array.astype(np.dtype(rng.choice(_DTYPES)), casting="unsafe")
    elif kind == 2:
        array = np.where(array, values.real(rng), 0.0).astype(rng.choice((np.float64, np.float32)))
    elif kind == 3:
        array = array.astype(np.int64) * values.integer(rng)
    elif kind == 4:
        array = np.asfortranarray(array).view()
    else:
        array = array * np.uint64((1 << 64) - rng.choice((1, 2)))
    return array


def _archive(rng: Random, name: str) -> bytes:
    made = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    with zipfile.ZipFile(made, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that occurs twice is what we want
        for key, content in _members(rng, name):
            archive.writestr(key, content)
            if rng.random() < 0.05:
                archive.writestr(key, content)
    return made.getvalue()


def _members(rng: Random, name: str) -> list[tuple[str, bytes]]:
    one = rng.choice(_MEMBERS)(rng)
    members = [(f"{name}.npy", one)]
    if rng.random() < 0.4:
        extras = ("labels", "expected_s2", "v1", "../../up", "/etc/x", "x/y", "a\x1b[2J")
        other = rng.choice((*extras, values.text(rng)))
        content = rng.choice((_saved(odd_array(rng)), _saved(_plain(rng)), b"no array"))
        with_dot = rng.choice((".npy", ".npy", "", ".txt"))
        members.insert(
            rng.randrange(2), (f"{other}{with_dot}".replace("\x00", "") or "none", content)
        )
    return members


def _saved(array: np.ndarray) -> bytes:
    made = io.BytesIO()
    np.save(made, array, allow_pickle=True)
    return made.getvalue()


def _declared(rng: Random) -> bytes:
    """An array header that claims something else than follows."""
    shape: Any = rng.choice(
        ((1 << 40,), (1 << 31, 1 << 31), (-1,), (4, 2), (1 << 62, 4), (0, 1 << 62), "x", (2.5,))
    )
    descr: Any = rng.choice(("<f8", "|O", "<U99999999", "bad", [("a", "<f8")], "|V0", "<f8", "|u1"))
    text = repr({"descr": descr, "fortran_order": rng.choice((True, False, 1)), "shape": shape})
    if rng.random() < 0.2:
        text = rng.choice(
            ("{" * 5000, "[" * 60_000, "__import__('os').mkdir('unpickled')", "", "1")
        )
    version = rng.choice((b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    size = len(text).to_bytes(2 if version[0] == 1 else 4, "little", signed=False)
    return b"\x93NUMPY" + version + size + text.encode() + bytes(rng.choice((0, 64)))


def _bomb(rng: Random) -> bytes:
    """Zeros without end, which an archive packs a thousand times smaller."""
    size = rng.choice((1 << 16, 1 << 26, 3 << 26))
    kind = rng.choice((np.uint8, np.float16))
    return _saved(np.zeros((size // 8, 2, _WIDTH)[: rng.choice((1, 3))], kind))


_MEMBERS: tuple[Callable[[Random], bytes], ...] = (
    lambda rng: _saved(_plain(rng)),
    lambda rng: _saved(odd_array(rng)),
    lambda rng: _saved(odd_array(rng)),
    lambda rng: _saved(odd_array(rng)),
    lambda rng: values.flipped(_saved(_plain(rng)), rng),
    lambda rng: _saved(np.array([Hostile()], dtype=object)),
    lambda rng: pickle.dumps(Hostile()),
    _declared,
)


def odd_recording(rng: Random, name: str) -> bytes:
    """Return the bytes of a recording with something wrong in it."""
    if rng.random() < 0.02:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}.npy", _bomb(rng))
        return made.getvalue()
    data = _archive(rng, name)
    return values.flipped(data, rng) if rng.random() < 0.25 else data


BUILDS: Mapping[str, tuple[Callable[[], ModelProto], str]] = {
    "feedforward": (two_layers, "adcless-32"),
    "recurrent": (recurrent, "hpadc-flash5-64"),
    "modern": (modern, "adcless-64"),
}
"""Small networks, and what they are compiled for."""


@cache
def builds() -> Mapping[str, dict[str, bytes]]:
    """Return the files of each of ``BUILDS``, made once."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as made:
        return {name: _built(Path(made), make(), to) for name, (make, to) in BUILDS.items()}


def _built(folder: Path, network: ModelProto, target: str) -> dict[str, bytes]:
    model = folder / "m.onnx"
    model.write_bytes(network.SerializeToString())
    api.compile_model(model, target, folder / target)
    files = {path.name: path.read_bytes() for path in (folder / target).iterdir()}
    return {"m.onnx": model.read_bytes(), **files}


def unpacked(folder: Path, which: str) -> None:
    """Write a build folder of ``BUILDS`` and its model."""
    (folder / "build").mkdir()
    for name, content in builds()[which].items():
        place = folder if name == "m.onnx" else folder / "build"
        (place / name).write_bytes(content)


def npz_case(rng: Random, folder: Path, extra: Path | None) -> str:
    unpacked(folder, "feedforward")
    (folder / "r.npz").write_bytes(odd_recording(rng, "x"))
    command = rng.choice(("run", "verify", "model", "calibrate", "activity", "compare"))
    try:
        _try(command, folder)
    finally:
        if (folder / MARK).exists():
            raise Finding(f"{command}: the recording was unpickled or evaluated")
    return f"{command}, done"


def _try(command: str, folder: Path) -> None:
    if command == "run":
        spikeloom(folder, "run", "build", "--input", "r.npz", "--output", "y.npz", "--trace")
        spikeloom(folder, "cost", "build", "--activity", "y.trace.npz")
    elif command == "verify":
        spikeloom(folder, "verify", "build", "--input", "r.npz", "--model", "m.onnx")
    elif command == "model":
        spikeloom(folder, "verify", "m.onnx", "--input", "r.npz")
    elif command == "calibrate":
        target = ("--target", "adcless-32", "-o", "made")
        spikeloom(folder, "compile", "m.onnx", *target, "--calibrate", "r.npz")
        spikeloom(folder, "verify", "made", "--input", "r.npz")
    elif command == "activity":
        spikeloom(folder, "cost", "build", "--activity", "r.npz")
    else:
        targets = ("--targets", "adcless-32,ideal-128")
        spikeloom(folder, "compare", "m.onnx", *targets, "--input", "r.npz")
