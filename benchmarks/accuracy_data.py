"""Data of the accuracy benchmark: made once, kept in compact files, loaded as tasks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.accuracy_settings import Setting
from mapper.ir.core import Array
from mapper.training.data import flow, gestures, nmnist
from mapper.training.hardening.tasks import Classification, Flow
from mapper.training.hardening.trainer import Task

NMNIST = Path(__file__).resolve().parents[2] / "shared" / "events" / "nmnist"

VALIDATION = 0.2
"""Share of the training recordings that settings are chosen on; the test set plays no part."""


@dataclass(frozen=True, eq=False, slots=True)
class Recordings:
    """Inputs ``[T, B, C, H, W]`` as uint8 and what they should give, ``[B, ...]``."""

    x: Array
    wanted: Array

    def chosen(self, part: slice) -> "Recordings":
        return Recordings(self.x[:, part], self.wanted[part])


@dataclass(frozen=True, eq=False, slots=True)
class Prepared:
    """One task's data; ``parts`` names stretches of the test set that are reported apart."""

    train: Recordings
    test: Recordings
    parts: dict[str, slice]


def prepare(setting: Setting, folder: Path) -> Path:
    """Make a task's data and keep it; return the file."""
    return store(setting, _MAKERS[setting.task](setting), folder)


def store(setting: Setting, data: Prepared, folder: Path) -> Path:
    """Write data with the bits of inputs packed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{setting.task}.npz"
    held: dict[str, Any] = {}
    for name, part in (("train", data.train), ("test", data.test)):
        held[f"{name}_shape"] = np.array(part.x.shape)
        planes = [(part.x >> bit) & 1 for bit in range(setting.input_bits)]
        held[f"{name}_x"] = np.packbits(np.stack(planes))
        held[f"{name}_wanted"] = part.wanted
    for name, place in data.parts.items():
        held[f"part_{name}"] = np.array([place.start, place.stop])
    np.savez_compressed(path, **held)
    return path


def load(setting: Setting, folder: Path) -> Prepared:
    """Read what ``prepare`` made.

    Raises:
        ValueError: It was made for another setting; the message has both numbers.
    """
    path = folder / f"{setting.task}.npz"
    if not path.exists():
        raise ValueError(f"{path} is missing: run with --prepare first")
    with np.load(path, allow_pickle=False) as held:
        parts = {
            key.removeprefix("part_"): slice(*held[key].tolist())
            for key in held.files
            if key.startswith("part_")
        }
        data = Prepared(_unpacked(held, "train"), _unpacked(held, "test"), parts)
    for name in ("train", "test"):
        steps, count, _, size, _ = getattr(data, name).x.shape
        found, asked = (steps, size), (setting.steps, setting.size)
        if found != asked or count < getattr(setting, name):
            raise ValueError(
                f"{path} has {count} recordings of {steps} steps at {size}, not "
                f"{getattr(setting, name)} of {setting.steps} at {setting.size}: prepare it again"
            )
    return data


def _unpacked(held: Any, name: str) -> Recordings:
    shape = tuple(held[f"{name}_shape"].tolist())
    count = int(np.prod(shape))
    packed = held[f"{name}_x"]
    bits = packed.size * 8 // count
    planes = np.unpackbits(packed, count=bits * count).reshape(bits, *shape)
    x = sum(planes[bit] << bit for bit in range(bits))
    return Recordings(np.asarray(x, np.uint8), held[f"{name}_wanted"])


@dataclass(frozen=True)
class Split:
    """What is trained on and what is reported."""

    whole: Task
    parts: dict[str, Task]


def split(setting: Setting, data: Prepared, validate: bool) -> Split:
    """Return the task of a setting; with ``validate`` on a share of the training recordings."""
    train = data.train.chosen(slice(setting.train))
    if not validate:
        test = data.test.chosen(slice(setting.test))
        named = {name: test.chosen(part) for name, part in data.parts.items()}
        parts = {name: _task(setting, train, p) for name, p in named.items() if len(p.wanted)}
        return Split(_task(setting, train, test), parts)
    last = int(setting.train * (1 - VALIDATION))
    return Split(
        _task(setting, train.chosen(slice(last)), train.chosen(slice(last, None))), parts={}
    )


def _task(setting: Setting, train: Recordings, test: Recordings) -> Task:
    pairs = [(torch.from_numpy(r.x), torch.from_numpy(r.wanted)) for r in (train, test)]
    return _TASKS[setting.metric](setting, *pairs)


Pair = tuple[Tensor, Tensor]


def _classification(setting: Setting, train: Pair, test: Pair) -> Task:
    return Classification(setting.task, train, test, setting.batch, setting.shift)


def _flow(setting: Setting, train: Pair, test: Pair) -> Task:
    return Flow(setting.task, _masked(*train), _masked(*test), setting.batch)


def _masked(x: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x, wanted[:, :2].float(), wanted[:, 2] > 0


_TASKS: dict[str, Callable[[Setting, Pair, Pair], Task]] = {
    "accuracy": _classification,
    "endpoint error": _flow,
}


# --- where data comes from -----------------------------------------------------------------


def _nmnist(setting: Setting) -> Prepared:
    """Real recordings: the last 200 of the 1000, and the 50 of the test list, are for testing."""
    x, labels = (t.numpy() for t in nmnist.read_set(NMNIST, "train.txt", setting.steps))
    more, truth = (t.numpy() for t in nmnist.read_set(NMNIST, "test.txt", setting.steps))
    order = np.random.default_rng(0).permutation(len(labels))
    train, held_out = order[: setting.train], order[setting.train :]
    test = Recordings(
        np.concatenate([x[:, held_out], more], axis=1), np.concatenate([labels[held_out], truth])
    )
    middle = len(held_out)
    parts = {"held out": slice(0, middle), "test list": slice(middle, len(test.wanted))}
    return Prepared(Recordings(x[:, train], labels[train]), test, parts)


_TRAIN, _TEST = 1, 2
"""Seeds of the generators; those of training are others."""


def _gesture(setting: Setting) -> Prepared:
    drawn = [
        Recordings(*gestures.make(count, setting.size, setting.steps, seed))
        for count, seed in ((setting.train, _TRAIN), (setting.test, _TEST))
    ]
    return Prepared(*drawn, parts={})


def _scenes(setting: Setting) -> Prepared:
    drawn = []
    for count, seed in ((setting.train, _TRAIN), (setting.test, _TEST)):
        x, moved, mask = flow.make(count, setting.size, seed, binary=True)
        wanted = np.concatenate([moved, mask[:, None]], axis=1).astype(np.float16)
        drawn.append(Recordings(x, wanted))
    return Prepared(*drawn, parts={})


_MAKERS: dict[str, Callable[[Setting], Prepared]] = {
    "nmnist": _nmnist,
    "gesture": _gesture,
    "gesture-64": _gesture,
    "gesture-narrow": _gesture,
    "flow": _scenes,
    "flow-narrow": _scenes,
    "sfn": _scenes,
}
