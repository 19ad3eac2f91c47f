"""Mutated build folders: refused, or as good as one that ``compile`` wrote."""

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from mapper.build.files import listed
from mapper.build.folder import PAGE, _read_data, programs
from mapper.diagnostics import MappingError
from mapper.ir.weights import write_arrays
from mapper.report import render_report
from tests.fuzz import values
from tests.fuzz.drive import spikeloom
from tests.fuzz.npz_case import BUILDS, odd_array, odd_recording, unpacked
from tests.fuzz.trees import edit_tree


def build_case(rng: Random, folder: Path, extra: Path | None) -> str:
    unpacked(folder, rng.choice(list(BUILDS)))
    build = folder / "build"
    (value,) = json.loads((build / "mapping.json").read_text())["hardware"]["inputs"]
    shape = value["shape"]
    if rng.random() < 0.15:
        _edit_any_file(build, rng)
    else:
        _edit_data(build, rng)
        _sign(build)
    x = np.random.default_rng(rng.randrange(1 << 32)).random((4, 2, *shape)) < 0.4
    np.savez(folder / "x.npz", x=x.astype(np.uint8))
    command = rng.choice(("run", "verify", "cost", "report", "verify"))
    answer = spikeloom(folder, command, "build", *_OPTIONS[command], forged=True)
    return f"{command}, {'done' if answer.get('bit_exact', True) else 'difference told'}"


_OPTIONS = {
    "run": ("--input", "x.npz", "--output", "y.npz", "--trace"),
    "verify": ("--input", "x.npz"),
    "cost": ("--activity", "0.3"),
    "report": ("-o", "page.html"),
}


def _edit_any_file(build: Path, rng: Random) -> None:
    path = rng.choice(sorted(build.iterdir()))
    kind = rng.randrange(5)
    if kind == 0:
        path.unlink()
    elif kind == 1:
        (build / rng.choice(("extra.py", "__init__.py", "a\x1b[2Jb"))).write_text("print('mine')")
    elif kind == 2:
        path.unlink()
        path.symlink_to("/etc/hostname")
    elif kind == 3:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(values.flipped(path.read_bytes(), rng))


def _edit_data(build: Path, rng: Random) -> None:
    """Change what the other files are made from."""
    kind = rng.randrange(10)
    if kind < 7:
        path = build / ("manifest.json" if kind == 0 else "mapping.json")
        data = json.loads(path.read_text())
        for _ in range(rng.choice((1, 1, 2, 3))):
            data = edit_tree(data, rng)
        path.write_text(_dumped(data), encoding="utf-8", errors="surrogatepass")
        return
    path = build / rng.choice(("weights.npz", "source.npz"))
    if kind == 7:
        path.write_bytes(odd_recording(rng, "c0"))
    else:
        _edit_arrays(path, rng)


def _dumped(data: Any) -> str:
    try:
        return json.dumps(data)
    except ValueError:  # integers of thousands of digits
        return json.dumps(str(type(data)))


def _edit_arrays(path: Path, rng: Random) -> None:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = rng.choice(list(arrays))
    held = np.array(arrays[name])
    if rng.random() < 0.3 or held.size == 0:
        held = odd_array(rng)
    elif held.dtype.kind in "iu":
        info = np.iinfo(held.dtype)
        near = int(held.reshape(-1)[0]) + rng.choice((-1, 1))
        value = near if rng.random() < 0.5 else values.integer(rng)
        held.reshape(-1)[rng.randrange(held.size)] = max(info.min, min(info.max, value))
    else:
        with np.errstate(all="ignore"):
            held.reshape(-1)[rng.randrange(held.size)] = values.real(rng)
    if held.dtype.hasobject:
        return
    arrays[name] = held
    write_arrays(path, arrays)


def _sign(build: Path) -> None:
    """Make the generated files and the manifest agree with the data, as a forger would."""
    try:
        forged = _read_data(build)
        files = programs(forged) | {PAGE: render_report(forged.page).encode()}
    except MappingError:
        files = {}
    for name, content in files.items():
        (build / name).write_bytes(content)
    path = build / "manifest.json"
    try:
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps(manifest | listed(build)))
    except (ValueError, TypeError, KeyError):
        return  # the manifest itself was changed
