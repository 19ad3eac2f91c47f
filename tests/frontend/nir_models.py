"""NIR files made by hand, and a simulator of the equations, apart from the reader."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mapper.frontend import NirOptions, import_model
from mapper.ir.core import Array
from mapper.ir.evaluate import evaluate

Edge = tuple[str, str]


def full(value: float, *shape: int) -> Array:
    return np.full(shape, float(value))


def lif(n: int = 1, **changed: Any) -> nir.LIF:
    """Leak 1/2 and gain 1 with a time step of 1; fires above 1."""
    fields = {"tau": full(2, n), "r": full(2, n), "v_leak": full(0, n), "v_threshold": full(1, n)}
    return nir.LIF(**(fields | changed))


def cuba(n: int = 1, **changed: Any) -> nir.CubaLIF:
    """Both leaks 1/2 and all gains 1 with a time step of 1; fires above 1."""
    fields = {"tau_syn": full(2, n), "tau_mem": full(2, n), "r": full(2, n), "v_leak": full(0, n)}
    return nir.CubaLIF(**(fields | {"v_threshold": full(1, n), "w_in": full(2, n)} | changed))


def iaf(n: int = 1, **changed: Any) -> nir.IF:
    return nir.IF(**({"r": full(1, n), "v_threshold": full(1, n)} | changed))


def net(nodes: Mapping[str, Any], edges: Sequence[Edge], **more: Any) -> nir.NIRGraph:
    return nir.NIRGraph(nodes=dict(nodes), edges=list(edges), type_check=False, **more)


def port(*shape: int) -> nir.Input:
    return nir.Input(input_type={"input": np.array(shape)})


def end(*shape: int) -> nir.Output:
    return nir.Output(output_type={"output": np.array(shape)})


def chain(shape: Sequence[int], *nodes: Any, **more: Any) -> nir.NIRGraph:
    """Return input -> n0 -> n1 -> ... -> output; the output's shape is not looked at."""
    named = {f"n{k}": node for k, node in enumerate(nodes)}
    names = ["input", *named, "output"]
    ends = {"input": port(*shape), "output": end(1)}
    return net({**ends, **named}, list(pairwise(names)), **more)


def saved(tmp_path: Path, graph: nir.NIRGraph, name: str = "net.nir") -> Path:
    path = tmp_path / name
    nir.write(path, graph)
    return path


def run(path: Path, x: Any, *watch: str, **options: Any) -> dict[str, Array]:
    """Run a file's graph on ``x[T, *shape]`` for one sample; the batch axis is dropped."""
    graph = import_model(path, NirOptions(**options)).graph
    inputs = {graph.inputs[0].name: np.asarray(x, np.float32)[:, None]}
    found = evaluate(graph, inputs, watch=watch)
    return {name: array[:, 0] for name, array in found.items()}


def answer(tmp_path: Path, graph: nir.NIRGraph, x: Any, **options: Any) -> Array:
    """Return the only output of a graph that is written, read and run."""
    return run(saved(tmp_path, graph), x, **options)["output"]


def raw(path: Path, tree: Mapping[str, Any]) -> Path:
    """Write any tree of groups and arrays as HDF5."""
    with h5py.File(path, "w") as file:
        put(file, tree)
    return path


def put(group: h5py.Group, tree: Mapping[str, Any]) -> None:
    for name, held in tree.items():
        if isinstance(held, Mapping):
            put(group.create_group(name), held)
        elif isinstance(held, str):
            group.create_dataset(name, data=held, dtype=h5py.string_dtype())
        elif isinstance(held, list):
            group.create_dataset(name, data=np.array(held, object), dtype=h5py.string_dtype())
        else:
            group.create_dataset(name, data=held)


class Simulator:
    """Steps NIR nodes in double precision, in an order that the test gives.

    An edge from a node that comes later in that order reads the output of the step before.
    """

    def __init__(self, graph: nir.NIRGraph, order: Sequence[str], dt: float, reset: str) -> None:
        self.graph, self.order, self.dt, self.reset = graph, order, dt, reset
        self.v: dict[str, Array] = {}
        self.i: dict[str, Array] = {}
        self.last: dict[str, Any] = {}

    def run(self, x: Array) -> Array:
        return np.stack([self._step(now) for now in x])

    def _step(self, x: Array) -> Array:
        now: dict[str, Any] = {"input": x}
        for name in self.order:
            read = [now.get(a, self.last.get(a, 0.0)) for a, b in self.graph.edges if b == name]
            now[name] = self._node(name, sum(read))
        self.last = now
        (source,) = [a for a, b in self.graph.edges if b == "output"]
        return np.asarray(now[source])

    def _node(self, name: str, x: Any) -> Any:
        node = self.graph.nodes[name]
        if isinstance(node, nir.Affine):
            return node.weight @ np.broadcast_to(x, node.weight.shape[1]) + node.bias
        if isinstance(node, nir.Linear):
            return node.weight @ np.broadcast_to(x, node.weight.shape[1])
        if isinstance(node, nir.Conv2d):
            return self._conv(node, x)
        if isinstance(node, nir.SumPool2d):
            (h, w), (sy, sx) = node.kernel_size, node.stride
            return sliding_window_view(x, (h, w), axis=(1, 2))[:, ::sy, ::sx].sum((3, 4))
        if isinstance(node, nir.Flatten):
            return np.reshape(x, -1)
        return self._neuron(name, node, x)

    def _conv(self, node: nir.Conv2d, x: Array) -> Array:
        (py, px), (sy, sx) = node.padding, node.stride
        seen = sliding_window_view(
            np.pad(x, ((0, 0), (py, py), (px, px))), node.weight.shape[2:], axis=(1, 2)
        )[:, ::sy, ::sx]
        return np.einsum("chwyx,ncyx->nhw", seen, node.weight) + node.bias[:, None, None]

    def _neuron(self, name: str, node: Any, x: Any) -> Any:
        v = self.v.get(name, 0.0)
        if isinstance(node, nir.CubaLI | nir.CubaLIF):
            i = self.i.get(name, 0.0)
            i = i + self.dt / node.tau_syn * (-i + node.w_in * x)
            self.i[name], x = i, i
        if isinstance(node, nir.IF | nir.I):
            v = v + self.dt * node.r * x
        else:
            tau = node.tau_mem if hasattr(node, "tau_mem") else node.tau
            v = v + self.dt / tau * ((node.v_leak - v) + node.r * x)
        if not hasattr(node, "v_threshold"):
            self.v[name] = v
            return v
        z = v > node.v_threshold
        below = {"value": node.v_reset, "zero": 0.0, "subtract": v - node.v_threshold}[self.reset]
        self.v[name] = np.where(z, below, v)
        return z.astype(float)
