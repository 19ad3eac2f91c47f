"""Mutated NIR files: refused with a diagnostic, or imported and mapped like any model."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzz import values
from tests.fuzz.drive import Refused
from tests.fuzz.onnx_case import check_model


@cache
def nir_seeds(extra: Path | None) -> tuple[bytes, ...]:
    """Return NIR files: two made here, and the small ones under ``extra``."""
    import tempfile

    import nir

    made = []
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        for graph in (_layers(nir), _recurrent(nir)):
            path = Path(folder) / "n.nir"
            nir.write(path, graph)
            made.append(path.read_bytes())
    files = sorted(extra.glob("nir/**/*.nir")) if extra is not None else ()
    return (*made, *(path.read_bytes() for path in files if path.stat().st_size < 400_000))


def _layers(nir: Any) -> Any:
    rng = np.random.default_rng(5)
    ones = np.ones(4, np.float32)
    return nir.NIRGraph.from_list(
        nir.Input(np.array([2, 6, 6])),
        nir.Conv2d(
            input_shape=(6, 6),
            weight=rng.normal(0, 0.5, (2, 2, 3, 3)).astype(np.float32),
            stride=(1, 1),
            padding=(1, 1),
            dilation=(1, 1),
            groups=1,
            bias=np.zeros(2, np.float32),
        ),
        nir.IF(r=np.ones((2, 6, 6)), v_threshold=np.ones((2, 6, 6))),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Flatten(input_type={"input": np.array([2, 3, 3])}, start_dim=0, end_dim=-1),
        nir.Affine(rng.normal(0, 0.5, (4, 18)).astype(np.float32), np.zeros(4, np.float32)),
        nir.LIF(tau=ones * 0.01, r=ones, v_leak=ones * 0, v_threshold=ones),
        nir.Output(np.array([4])),
    )


def _recurrent(nir: Any) -> Any:
    ones, rng = np.ones(3, np.float32), np.random.default_rng(6)
    lif = {"r": ones, "v_leak": ones * 0, "v_threshold": ones}
    nodes = {
        "input": nir.Input(np.array([4])),
        "fc": nir.Linear(rng.normal(0, 0.5, (3, 4)).astype(np.float32)),
        "lif": nir.CubaLIF(tau_mem=ones * 0.02, tau_syn=ones * 0.01, **lif),
        "back": nir.Linear(rng.normal(0, 0.3, (3, 3)).astype(np.float32)),
        "delay": nir.Scale(ones * 0.5),
        "output": nir.Output(np.array([3])),
    }
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "back"), ("back", "lif")]
    return nir.NIRGraph(nodes, [*edges, ("lif", "delay"), ("delay", "output")])


def nir_case(rng: Random, folder: Path, extra: Path | None) -> str:
    try:
        import h5py
    except ImportError:
        raise Refused("nir is not installed") from None
    content = rng.choice(nir_seeds(extra))
    path = folder / "m.nir"
    path.write_bytes(content)
    if rng.random() < 0.2:
        path.write_bytes(values.flipped(content, rng))
    else:
        with h5py.File(path, "r+") as file:
            for _ in range(rng.choice((1, 1, 2, 4))):
                _edit(h5py, file, rng)
    return check_model(folder, "m.nir", rng)


def _items(group: Any, depth: int = 0) -> Iterator[tuple[Any, str]]:
    for name in list(group):
        try:
            below = group.get(name)
        except RuntimeError:  # links that an edit before this one tied to a circle
            continue
        yield group, name
        if depth < 20 and below is not None and hasattr(below, "keys"):
            yield from _items(below, depth + 1)


def _edit(h5py: Any, file: Any, rng: Random) -> None:
    places = sorted(_items(file), key=lambda place: f"{place[0].name}/{place[1]}")
    if not places:
        return
    group, name = rng.choice(places)
    kind = rng.randrange(9)
    if kind == 0:
        del group[name]
    elif kind == 1:
        _add_link(h5py, group, name, rng)
    elif kind == 2:
        other = _name(rng) or "none"
        if other not in group:
            group.move(name, other)
    else:
        _edit_dataset(h5py, *rng.choice([p for p in places if _is_data(p)] or [places[0]]), rng)


def _is_data(place: tuple[Any, str]) -> bool:
    return hasattr(place[0].get(place[1]), "dtype")


def _name(rng: Random) -> str:
    return values.text(rng).replace("/", "").replace("\x00", "").replace(".", "")[:200]


def _add_link(h5py: Any, group: Any, name: str, rng: Random) -> None:
    """Point somewhere else: another node, itself, its parents, another file."""
    made = rng.choice(
        (
            lambda: h5py.SoftLink("/"),
            lambda: h5py.SoftLink(rng.choice(("/node/nodes", f"{group.name}/{name}", "/none"))),
            lambda: h5py.ExternalLink("/etc/passwd", "/"),
            lambda: h5py.ExternalLink("../secret.nir", "/node"),
            lambda: group[name],
            lambda: group,
        )
    )()
    key = name if rng.random() < 0.6 else (_name(rng) or "more")
    if key in group and key == name:
        del group[key]
    if key not in group:
        group[key] = made


def _edit_dataset(h5py: Any, group: Any, name: str, rng: Random) -> None:
    held = group.get(name)
    old = held[()] if hasattr(held, "dtype") and held.size < 1 << 20 else None
    del group[name]
    kind = rng.randrange(7)
    if isinstance(old, bytes) and kind < 4:
        types = ("LIF", "IF", "CubaLIF", "LI", "CubaLI", "Affine", "Linear", "Conv1d", "Conv2d")
        more = ("Flatten", "SumPool2d", "AvgPool2d", "Input", "Output", "NIRGraph", "Delay", "x")
        group[name] = rng.choice((*types, *more, values.text(rng).replace("\x00", "")))
    elif isinstance(old, np.ndarray) and old.dtype.kind in "fiu" and kind < 6:
        group[name] = _odd_numbers(old, rng)
    elif kind == 4:
        group.create_dataset(name, shape=(1 << 40,), dtype="f4", chunks=(1 << 20,))
    elif kind == 5:
        group.create_group(name)
    else:
        group[name] = rng.choice((values.integer(rng) % (1 << 62), values.real(rng), "text", True))


def _odd_numbers(old: np.ndarray, rng: Random) -> np.ndarray:
    made = np.array(old)
    kind = rng.randrange(6)
    if made.size and kind < 3:
        with np.errstate(all="ignore"):
            value = values.real(rng) if made.dtype.kind == "f" else values.integer(rng) % (1 << 31)
            if kind == 0:
                made.reshape(-1)[rng.randrange(made.size)] = value
            else:
                made[...] = value
        return made
    if kind == 3:
        return made.reshape(-1)
    if kind == 4:
        return made[None] if made.ndim < 6 else made
    return made.astype(rng.choice((np.float64, np.int32, np.int8, np.complex64, np.bool_)))
