"""Write a network graph as a NIR file, where NIR can say it.

NIR has continuous time and no word for a subtracting reset or for firing at the threshold itself.
The time step and such words go into ``metadata``, which NIR carries along and our reader honours;
``write_nir`` names them. Every file is read back before it is put in place: what does not come
back as the same graph, bit for bit, is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mapper.diagnostics import refuse
from mapper.exchange.nir_nodes import NodeWriter, NotInNirError
from mapper.frontend import Imported
from mapper.frontend.nir import NirOptions, import_h5py, read_nir
from mapper.frontend.nir.rules import DEFAULT_DT
from mapper.ir.core import Graph, Op, State
from mapper.ir.identity import first_difference
from mapper.ir.network import Add, Reshape
from mapper.ir.neurons import Neuron
from mapper.ir.synapses import Conv2d
from mapper.writing import whole_file

VERSION = "1.0.8"
"""Of the format; ``nir.read`` of this version takes the files."""


def write_nir(network: Imported | Graph, path: Path | str) -> tuple[str, ...]:
    """Write a float network graph, and return what only our metadata says.

    Args:
        network: The graph of one time step, as ``import_model`` gives it.
        path: The file to write; it is whole or not there.

    Raises:
        MappingError: ``not-in-nir`` for what NIR has no node for; ``missing-extra``.
    """
    path = Path(path)
    graph = network.graph if isinstance(network, Imported) else network
    h5py = import_h5py(path)
    written = _Writer(graph, path.name)
    written.write()
    with whole_file(path) as file:
        # In memory first: the HDF5 library ends the process when a disk is full.
        with h5py.File(path.name, "w", driver="core", backing_store=False) as root:
            _put(root, {"version": VERSION, "node": written.as_dict()}, h5py)
            root.flush()
            file.write_bytes(root.id.get_file_image())
        back = read_nir(file, NirOptions()).graph
        if (different := first_difference(graph, back)) is not None:
            raise _refused(f"it would come back with another {different}", path.name)
    return tuple(dict.fromkeys(written.notes))


def _put(group: Any, data: Mapping[str, Any], h5py: Any) -> None:
    for name, held in data.items():
        if isinstance(held, Mapping):
            if held or name != "metadata":
                _put(group.create_group(name), held, h5py)
        elif isinstance(held, str):
            group.create_dataset(name, data=held, dtype=h5py.string_dtype())
        elif isinstance(held, np.ndarray) and held.ndim:
            group.create_dataset(name, data=held, compression="gzip")
        elif isinstance(held, list):
            group.create_dataset(name, data=np.array(held, object), dtype=h5py.string_dtype())
        else:
            group.create_dataset(name, data=held)


@dataclass
class _Writer:
    graph: Graph
    where: str
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    waiting: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.states = {s.read.name: s for s in self.graph.states}
        self.made = {v.name: op for op in self.graph.ops for v in op.results}
        self.sources: dict[str, list[str]] = {}
        self.sums: dict[str, str] = {}
        self.readers: dict[str, int] = {}
        for op in self.graph.ops:
            for value in op.operands:
                self.readers[value.name] = self.readers.get(value.name, 0) + 1

    def as_dict(self) -> dict[str, Any]:
        metadata = {
            "producer": "spikeloom",
            "dt": DEFAULT_DT,
            "integration": "euler",
            "reset": "value",
            "names": {"name": self.graph.name},
        }
        edges = [list(edge) for edge in self.edges]
        return {"type": "NIRGraph", "nodes": self.nodes, "edges": edges, "metadata": metadata}

    def write(self) -> None:
        for value in self.graph.inputs:
            name = self._add(value.name, {"type": "Input", "shape": np.array(value.shape)})
            self.sources[value.name] = [name]
        planes = self._planes()
        outputs = {v.name for v in self.graph.outputs}
        try:
            for state in self.graph.states:
                self._check_state(state)
            for op in self.graph.ops:
                if id(op) not in planes:
                    self._op(op, outputs)
            self._late_edges()
        except NotInNirError as error:
            raise _refused(str(error), error.loc or self.where) from error
        for value in self.graph.outputs:
            name = self._add(value.name, {"type": "Output", "shape": np.array(value.shape)})
            self._join(value.name, name)
            self._late_edges()

    # --- nodes and edges -------------------------------------------------------------------

    def _add(self, wanted: str, data: dict[str, Any]) -> str:
        """Keep a node under a name that HDF5 can hold, its own name in the metadata."""
        safe = "".join("." if c == "/" or not c.isprintable() else c for c in wanted).strip(".")
        name = safe[:200] or "node"
        while name in self.nodes:
            name += "_"
        metadata = data.setdefault("metadata", {})
        metadata["position"] = len(self.nodes)
        if name != wanted:
            key = "name" if data["type"] in ("Input", "Output") else "result"
            metadata.setdefault("names", {}).setdefault(key, wanted)
        self.nodes[name] = data
        return name

    def _join(self, value: str, node: str) -> None:
        """Lead a value to a node; edges from what is written later are added at the end."""
        self.waiting.append((value, node))

    def _late_edges(self) -> None:
        for value, node in self.waiting:
            if value not in self.sources:
                raise NotInNirError(f"nothing in NIR gives {value!r} alone", "")
            self.edges += [(source, node) for source in self.sources[value]]
            if value in self.sums:
                names = self.nodes[node].setdefault("metadata", {}).setdefault("names", {})
                names["sum"] = value
        self.waiting.clear()

    # --- ops -------------------------------------------------------------------------------

    def _op(self, op: Op, outputs: set[str]) -> None:
        if isinstance(op, Add):
            self._sum(op)
            return
        writer = NodeWriter(self.graph, self.states)
        if isinstance(op, Reshape) and op.x.shape == op.result.shape:
            self._copy(op, outputs)
            return
        x, result = op.operands[0].name, op.results[0].name
        if isinstance(op, Neuron) and op.spike is None:
            result = op.membrane_next.name
        if isinstance(op, Conv2d) and self._is_plane(op):
            x = self.made[op.x.name].operands[0].name
            result = self._reshape_of(op).results[0].name
            first, *more = [writer.line_of(op)]
        else:
            first, *more = writer.nodes_of(op)
        self.notes += writer.notes
        name = self._add(result, first)
        self._join(x, name)
        for data in more:  # the comparison of a neuron that never resets
            after = self._add(f"{name}.fires", data)
            self.edges.append((name, after))
            name = after
        self.sources[result] = [name]
        if isinstance(op, Neuron):
            self._remember(op, result)

    def _sum(self, op: Add) -> None:
        found: list[str] = []
        for term in op.terms:
            if term.name not in self.sources or term.name in self.sums:
                raise NotInNirError("a sum of sums, or of what comes later", op.loc)
            found += self.sources[term.name]
        if len(set(found)) < len(found):
            raise NotInNirError("a value is added to itself", op.loc)
        self.sources[op.result.name] = found
        self.sums[op.result.name] = op.result.name

    def _remember(self, op: Neuron, result: str) -> None:
        """Let what reads a neuron's output of the step before read the neuron."""
        for state in self.graph.states:
            if state.next == result and state.read.name not in (op.membrane.name,):
                self.sources[state.read.name] = self.sources[result]
        if op.spike is None:
            self.sources[op.membrane.name] = self.sources[result]

    def _copy(self, op: Reshape, outputs: set[str]) -> None:
        """Write a copy: a delay where a state keeps it, else nothing but an output."""
        state = next((s for s in self.graph.states if s.next == op.result.name), None)
        if state is None:
            if op.result.name not in outputs:
                raise NotInNirError("a copy of a value", op.loc)
            self.sources[op.result.name] = self.sources.get(op.x.name, [])
            if not self.sources[op.result.name]:
                raise NotInNirError("an output that is a state", op.loc)
            return
        names = {"d1": state.read.name, "moved": op.result.name}
        data: dict[str, Any] = {
            "type": "Delay",
            "delay": np.full(op.x.shape, DEFAULT_DT),
            "metadata": {"names": names},
        }
        name = self._add(state.read.name, data)
        self._join(op.x.name, name)
        self.sources[state.read.name] = [name]

    # --- convolutions over one axis --------------------------------------------------------

    def _planes(self) -> set[int]:
        """Return the reshapes around convolutions that are written as Conv1d."""
        found: set[int] = set()
        for op in self.graph.ops:
            if isinstance(op, Conv2d) and self._is_plane(op):
                found |= {id(self.made[op.x.name]), id(self._reshape_of(op))}
        return found

    def _is_plane(self, op: Conv2d) -> bool:
        before, after = self.made.get(op.x.name), self._reshape_of(op)
        if not isinstance(before, Reshape) or not isinstance(after, Reshape):
            return False
        fits = op.kernel[0] == 1 and op.x.shape[1] == 1 and op.padding[0] == op.padding[2] == 0
        alone = self.readers[op.x.name] == self.readers[op.result.name] == 1
        return (
            fits
            and alone
            and before.x.shape == (op.x.shape[0], op.x.shape[2])
            and after.result.shape == (op.result.shape[0], op.result.shape[2])
        )

    def _reshape_of(self, op: Conv2d) -> Op:
        return next((o for o in self.graph.ops if op.result in o.operands), op)

    def _check_state(self, state: State) -> None:
        initial = state.initial
        if not isinstance(initial, int | float) or initial != 0:
            raise NotInNirError(f"state {state.read.name!r} starts at other than 0", "")


def _refused(message: str, loc: str) -> Exception:
    return refuse(
        "not-in-nir",
        f"NIR cannot say this network: {message}",
        loc=loc,
        help="export it as .onnx",
    )
