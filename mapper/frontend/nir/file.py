"""Read the HDF5 of a NIR file that may come from anyone.

Only what lies in the file itself is read: links to other files, virtual and external datasets and
loadable filters are refused, sizes are checked before anything is allocated, and nesting is
bounded. Every version from 0.0 to 1.0.8 has this layout; ``nir.read`` itself refuses or misreads
some of them, so there is one reader and it is this one (``docs/decisions.md``).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.nir.probe import MAX_PARTS, refuse_endless_texts, too_many_parts
from mapper.frontend.onnx.constants import MAX_ELEMENTS
from mapper.frontend.onnx.load import MAX_BYTES
from mapper.frontend.onnx.shapes import MAX_RANK
from mapper.hdf5 import DEFLATE, FLETCHER32, LZF, SHUFFLE, check_chunks, filters_of
from mapper.ir.core import Array

SUFFIXES = frozenset({".nir", ".h5", ".hdf5"})
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_DEPTH = 16
"""Of nested graphs; libraries write at most one inside another."""
FREE_BYTES = 64 << 20
"""What the arrays of any file may unpack to, ..."""
MOST_UNPACKED = 100
"""... and for each byte of the file, this much more: weights hardly compress."""
MAX_EDGES = 200_000
MAX_TEXT = 4096
"""Characters of one text."""
FILTERS = frozenset({DEFLATE, SHUFFLE, FLETCHER32, LZF})
"""Others of HDF5 (szip, nbit, scale-offset) unpack by settings of
the file, no library writes them for NIR, and damaged ones have ended in memory of others."""

Held = Array | str
OLD_NAMES = {"weights": "weight", "theta": "v_threshold", "v_th": "v_threshold"}
"""Names of fields before version 0.1."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Node:
    """A node that is no graph: its type and its fields, as stored."""

    kind: str
    loc: str
    fields: Mapping[str, Held]
    metadata: Mapping[str, Held] = field(default_factory=dict)
    """Texts and numbers; nested groups have their keys joined with dots."""
    fires_above: Array | None = None
    """For an integrator that a ``Threshold`` node makes fire: that node's threshold."""

    def array(self, name: str) -> Array:
        """Return a field as doubles, or refuse ``invalid-model`` or ``nan-weights``."""
        held = self.fields.get(name)
        if held is None or isinstance(held, str):
            kept = "has no" if held is None else "has a text as"
            told = (
                "write the file again: nir.write stops at what it cannot write"
                if held is None
                else ""
            )
            raise refuse("invalid-model", f"{self.kind} {kept} '{name}'", loc=self.loc, help=told)
        if held.dtype.kind not in "fiub":
            raise refuse("invalid-model", f"'{name}' holds {held.dtype}, no numbers", loc=self.loc)
        array = held.astype(np.float64)
        if not np.isfinite(array).all():
            raise refuse("nan-weights", f"'{name}' holds values that are no numbers", loc=self.loc)
        return array

    def weight(self) -> Array:
        """Return the weights; integers of eight bits stay what they were rounded to."""
        array = self.array("weight")
        held = self.fields["weight"]
        whole = not isinstance(held, str) and held.dtype.kind in "iu"
        return array.astype(np.int64) if whole and np.abs(array).max(initial=0) < 128 else array

    def integers(self, name: str) -> tuple[int, ...]:
        """Return a field of whole numbers below 2**31, flat."""
        array = self.array(name).reshape(-1)
        if array.size > 64 or (array != np.rint(array)).any() or (np.abs(array) >= 1 << 31).any():
            shown = array[:4].tolist()
            raise refuse("invalid-model", f"'{name}' is {shown}, no whole number", loc=self.loc)
        return tuple(int(n) for n in array)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Net:
    """A graph: its nodes and graphs by name, and its edges."""

    nodes: Mapping[str, "Node | Net"]
    edges: tuple[tuple[str, str], ...]
    loc: str
    metadata: Mapping[str, Held] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class NirFile:
    """What a file holds."""

    version: str
    net: Net


def is_nir(path: Path) -> bool:
    """Say whether a file is taken for NIR: by its suffix, or because it is HDF5."""
    return path.suffix.lower() in SUFFIXES or _is_hdf5(path)


def _is_hdf5(path: Path) -> bool:
    if not path.is_file():  # opening a pipe would wait for someone to write
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(len(HDF5_MAGIC)) == HDF5_MAGIC
    except OSError:
        return False


def read_file(path: Path) -> NirFile:
    """Read a NIR file.

    Raises:
        MappingError: ``no-such-file``, ``missing-extra``, ``not-nir``, ``truncated-model``,
            ``model-too-large``, ``invalid-model``.
    """
    if not path.is_file():
        raise refuse("no-such-file", "there is no such file", loc=str(path))
    h5py = import_h5py(path)
    if not path.stat().st_size:
        raise _half_written("it is empty", path.name)
    if not _is_hdf5(path):
        raise _not_nir(path)
    refuse_endless_texts(path)
    try:
        opened = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise refuse(
            "truncated-model",
            f"the HDF5 file cannot be opened: {_short(error)}",
            loc=path.name,
            help="copy or export it again",
        ) from error
    with opened as root:
        try:
            return _Reader(h5py, path).file(root)
        except MappingError:
            raise
        except Exception as error:  # h5py raises whatever a broken structure meets
            raise _broken(f"it cannot be read: {_short(error)}", path.name) from error


def import_h5py(path: Path) -> ModuleType:
    """Return h5py, or refuse ``missing-extra``."""
    try:
        import h5py
    except ImportError as error:
        raise refuse(
            "missing-extra",
            "NIR files need h5py, which is not installed",
            loc=path.name,
            help="pip install 'spikeloom[nir]'",
        ) from error
    module: ModuleType = h5py
    return module


class _Reader:
    """Walks one file, with a budget for all it holds."""

    def __init__(self, h5py: Any, path: Path) -> None:
        self.h5py = h5py
        self.path = path
        self.nodes = 0
        self.bytes = 0
        self.most_bytes = min(MAX_BYTES, FREE_BYTES + MOST_UNPACKED * path.stat().st_size)
        self.groups: set[tuple[int, int]] = set()
        """Where in the file the groups lie that were looked into."""

    def file(self, root: Any) -> NirFile:
        top = self.members(root, self.path.name)
        held = top.get("version")
        version = self.text(held, "version") if self._is_dataset(held) else "unknown"
        if not isinstance(top.get("node"), self.h5py.Group):
            if not {"nodes", "edges"} <= set(top):
                if set(top) == {"version"}:
                    raise _half_written("it has a version and nothing else", self.path.name)
                raise _not_nir(self.path)
            return NirFile(version=version, net=self.net(top, self.path.name, 0))
        members = self.members(top["node"], self.path.name)
        node = self.node(members, self.path.name, 0)
        if isinstance(node, Node):  # a single node is a graph of one
            node = Net(nodes={node.kind.lower(): node}, edges=(), loc=self.path.name)
        return NirFile(version=version, net=node)

    def _is_dataset(self, item: object) -> bool:
        return isinstance(item, self.h5py.Dataset)

    def members(self, group: Any, loc: str) -> dict[str, Any]:
        """Return what a group holds, links into other places refused.

        A group that hangs in two places of the tree, or in itself, would be walked over and over.
        """
        place = self.h5py.h5o.get_info(group.id)
        if (place.fileno, place.addr) in self.groups:
            raise _broken("a group is in two places", loc)
        self.groups.add((place.fileno, place.addr))
        self._count(len(group), loc)
        found = {}
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(name, str) or not isinstance(link, self.h5py.HardLink):
                raise _broken(f"{str(name)[:80]!r} is a link to another place", loc)
            found[name] = group[name]
        return found

    def _count(self, more: int, loc: str) -> None:
        self.nodes += more
        if self.nodes > MAX_PARTS:
            raise too_many_parts(loc)

    def node(self, members: dict[str, Any], loc: str, depth: int) -> Node | Net:
        if depth > MAX_DEPTH:
            raise refuse(
                "model-too-large", f"graphs are nested more than {MAX_DEPTH} deep", loc=loc
            )
        if "type" not in members:
            raise _half_written("a node has no type", loc)
        kind = self.text(members["type"], loc)
        if kind == "NIRGraph":
            return self.net(members, loc, depth)
        fields: dict[str, Held] = {}
        for name, item in members.items():
            if name in ("type", "metadata"):
                continue
            if not self._is_dataset(item):
                raise _broken(f"field {name[:80]!r} is a group", loc)
            fields[OLD_NAMES.get(name, name)] = self.value(item, f"{loc}.{name}")
        return Node(kind=kind, loc=loc, fields=fields, metadata=self.metadata(members, loc))

    def net(self, members: dict[str, Any], loc: str, depth: int) -> Net:
        nodes, edges = members.get("nodes"), members.get("edges")
        if not isinstance(nodes, self.h5py.Group) or not self._is_dataset(edges):
            lacks = "nodes" if not isinstance(nodes, self.h5py.Group) else "edges"
            raise _half_written(f"its graph has no {lacks}", loc)
        found: dict[str, Node | Net] = {}
        for name, item in self.members(nodes, loc).items():
            where = f"{loc}:{name}" if depth == 0 else f"{loc}.{name}"
            if not isinstance(item, self.h5py.Group):
                raise _broken(f"node {name[:80]!r} is no group", loc)
            found[name] = self.node(self.members(item, where), where, depth + 1)
        return Net(
            nodes=found,
            edges=self.edges(edges, loc),
            loc=loc,
            metadata=self.metadata(members, loc),
        )

    def edges(self, dataset: Any, loc: str) -> tuple[tuple[str, str], ...]:
        if dataset.size == 0:
            return ()
        if dataset.ndim != 2 or dataset.shape[1] != 2 or dataset.shape[0] > MAX_EDGES:
            raise _broken(f"edges have shape {dataset.shape}, expected (N, 2)", loc)
        array = self.checked(dataset, f"{loc}.edges")
        return tuple((_text(a, loc), _text(b, loc)) for a, b in array.tolist())

    def metadata(self, members: dict[str, Any], loc: str) -> dict[str, Held]:
        group = members.get("metadata")
        if not isinstance(group, self.h5py.Group):
            return {}
        return dict(self._metadata(group, "", loc, 0))

    def _metadata(
        self, group: Any, prefix: str, loc: str, depth: int
    ) -> Iterator[tuple[str, Held]]:
        for name, item in self.members(group, loc).items():
            if isinstance(item, self.h5py.Group):
                if depth < MAX_DEPTH:
                    yield from self._metadata(item, f"{prefix}{name}.", loc, depth + 1)
            else:
                yield f"{prefix}{name}", self.value(item, f"{loc}.metadata.{name}")

    # --- datasets ----------------------------------------------------------------------------

    def value(self, dataset: Any, loc: str) -> Held:
        if self.h5py.check_string_dtype(dataset.dtype) is not None and dataset.shape == ():
            return self.text(dataset, loc)
        return self.checked(dataset, loc)

    def text(self, dataset: Any, loc: str) -> str:
        if not self._is_dataset(dataset) or dataset.shape != ():
            raise _broken("a text is missing", loc)
        return _text(self.checked(dataset, loc)[()], loc)

    def checked(self, dataset: Any, loc: str) -> Array:
        """Read a dataset after looking at what reading it would touch and take."""
        if dataset.is_virtual or dataset.external:
            raise _broken("its numbers lie in another file", loc)
        if unknown := [code for code in filters_of(dataset) if code not in FILTERS]:
            raise _broken(f"it is packed with filter {unknown[0]}, which is not supported", loc)
        texts = self.h5py.check_string_dtype(dataset.dtype) is not None
        if dataset.dtype.kind not in "fiub" and not texts:
            raise _broken(f"it holds {str(dataset.dtype)[:80]}, no numbers", loc)
        if dataset.shape is None or dataset.ndim > MAX_RANK:
            raise _broken(f"it has no shape, or more than {MAX_RANK} axes", loc)
        if (longest := max(dataset.shape, default=0)) > MAX_ELEMENTS:
            raise _broken(f"an axis has {longest} elements, at most {MAX_ELEMENTS} are read", loc)
        # A packed dataset is unpacked by whole chunks, which may be larger than it is.
        elements = max(math.prod(dataset.shape), math.prod(dataset.chunks or (0,)))
        self.bytes += elements * dataset.dtype.itemsize
        if elements > MAX_ELEMENTS or self.bytes > self.most_bytes:
            raise refuse(
                "model-too-large",
                f"{elements} elements bring it to {self.bytes} bytes; of such a file at most "
                f"{MAX_ELEMENTS} elements an array and {self.most_bytes} bytes are read",
                loc=loc,
                help="write large arrays uncompressed",
            )
        try:
            check_chunks(dataset)
        except ValueError as error:
            raise _broken(str(error), loc) from error
        return np.asarray(dataset[()])


def _text(held: object, loc: str) -> str:
    if isinstance(held, bytes):
        held = held.decode("utf-8", "replace")
    if isinstance(held, int | float) and not isinstance(held, bool) and held % 1 == 0:
        held = str(int(held))  # versions before 0.1 number their nodes
    if isinstance(held, np.ndarray):
        return _text(held.item(), loc)
    if not isinstance(held, str) or len(held) > MAX_TEXT:
        raise _broken(f"a text is {str(held)[:40]!r}", loc)
    return held


def _not_nir(path: Path) -> MappingError:
    return refuse(
        "not-nir",
        "this is no NIR file: it has no graph of nodes and edges",
        loc=path.name,
        help="write it with nir.write",
    )


def _half_written(what: str, loc: str) -> MappingError:
    """Return the refusal of a file whose writer stopped on the way, as nir.write does at errors."""
    return refuse(
        "truncated-model",
        f"the file is half-written: {what}, so the program that wrote it stopped before its end",
        loc=loc,
        help="write it again, and look at the error that nir.write ended with",
    )


def _broken(message: str, loc: str) -> MappingError:
    return refuse("invalid-model", message, loc=loc, help="export the model again")


def _short(error: Exception) -> str:
    return str(error)[:200]
