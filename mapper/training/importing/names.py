"""Names of layers as paths of modules: what files say is not always one."""

import keyword
import re
from collections.abc import Mapping

from torch import fx, nn

_ODD = re.compile(r"[^A-Za-z0-9_/-]")
"""What a part of a path is not made of: it is written into programs of torch's tracer."""

_DEEPEST = 16
_LONGEST = 100
_TAKEN = frozenset(dir(fx.GraphModule(nn.Module(), fx.Graph())))
"""What a module is asked for itself: ``train``, ``forward``, ``graph``."""


def module_paths(wanted: Mapping[str, str]) -> dict[str, str]:
    """Return a path for each name that is wanted, by key: the name itself wherever it can be one.

    No two paths are alike, and none stands inside another: ``net.0`` is no place for a layer
    ``net.0.conv``. Names that come first keep theirs.

    Example:
        >>> names = ["conv1", "net.0", "net.0.conv", "/fc/Gemm", "/fc/Gemm", "train", 'a"]']
        >>> list(module_paths(dict(enumerate(names))).values())
        ['conv1', 'net.0', 'net_0_conv', '/fc/Gemm', '/fc/Gemm_2', 'train_', 'a__']
    """
    paths: dict[str, str] = {}
    layers: set[str] = set()
    around: set[str] = set()
    numbers: dict[str, int] = {}
    for key, name in wanted.items():
        paths[key] = path = _free(_path(name), layers, around, numbers)
        layers.add(path)
        around |= _around(path)
    return paths


def _path(name: str) -> str:
    parts = name.split(".") if name.count(".") < _DEEPEST else [name]
    return ".".join(_part(part[:_LONGEST]) for part in parts)


def _part(part: str) -> str:
    part = _ODD.sub("_", part) or "_"
    return f"{part}_" if keyword.iskeyword(part) or part in _TAKEN else part


def _free(path: str, layers: set[str], around: set[str], numbers: dict[str, int]) -> str:
    """Return a path that is not taken, nor inside a layer, nor around one.

    ``numbers`` has the last number that was given to a path: many names may be alike.
    """

    def clashes(path: str) -> bool:
        return path in layers or path in around or not _around(path).isdisjoint(layers)

    if clashes(path):
        path = path.replace(".", "_")
    number, free = numbers.get(path, 1), path
    while clashes(free):
        number += 1
        free = f"{path}_{number}"
    numbers[path] = number
    return free


def _around(path: str) -> set[str]:
    parts = path.split(".")
    return {".".join(parts[:depth]) for depth in range(1, len(parts))}
