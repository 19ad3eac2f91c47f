"""Turn trained weights into small integers and a scale."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from typing import ClassVar, Literal

import numpy as np

from mapper.diagnostics import MappingError
from mapper.ir.core import FLOAT, Array, Const, Constants, Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.encoding import greatest_weight
from mapper.ir.network import Add, Scale
from mapper.ir.neurons import Neuron
from mapper.ir.synapses import Synapse
from mapper.ir.units import LayerOp
from passes.base import Pass
from passes.integers.grids import GRID, binary_step, column_steps, common_step
from passes.integers.rounding import round_window
from passes.shared.rewrite import pruned
from targets import Target, assignment_problems, weight_bits

_CLIP_RATIOS = np.linspace(1.0, 0.3, 36)
"""Candidate ranges, as fractions of the greatest weight; the first wins a tie."""

_LEAST_SCALE = 1 / 256
"""A channel's scale is at least this share of the layer's greatest: a channel of weights that
are nearly zero would otherwise make its threshold a number too wide for any membrane."""

_SEARCH_WEIGHTS = 1 << 19
"""Weights of a layer that take part in the search for its scale; evenly spaced wordlines."""

_TILE_WEIGHTS = 1 << 17
"""Weights that are worked on at once: a MiB in double precision stays in cache."""


@dataclass(frozen=True, kw_only=True)
class QuantizeWeights(Pass):
    """Turn trained weights into signed integers and one scale per output channel or layer.

    Rounds to integers in ``-(2**(bits-1) - 1) .. 2**(bits-1) - 1``, or to -1 and 1. The scale is
    the step that all weights of a layer or channel are multiples of, else that of least squared
    error; errors of neighbouring taps of a kernel cancel (``passes.integers.rounding``). ``bits``
    are those the graph's assignment has for the layer, else the target's. Layers of one width that
    meet in one sum share a scale when it is per layer.
    Weights that are integers of at most ``bits`` bits already (a quantised model) stay as they
    are, and any integers of a network that comes with its crossbars. The scale and the bias become
    a ``net.scale`` after the layer.
    """

    name: ClassVar[str] = "quantize-weights"
    exact: ClassVar[bool] = False

    granularity: Literal["channel", "layer"] = "channel"

    def run(self, graph: Graph, target: Target) -> Graph:
        _check_assignment(graph, target)
        widths = _widths(graph, target)
        scales = self._scales(graph, widths)
        constants = dict(graph.constants)
        ops: list[Op] = []
        for op in graph.ops:
            scale = scales.get(op.results[0].name)
            if not isinstance(op, Synapse) or scale is None:
                ops.append(op)
                continue
            ops.extend(_quantize(op, scale, widths[op.result.name], constants))
        return pruned(replace(graph, ops=tuple(ops), constants=constants))

    def _scales(self, graph: Graph, widths: Mapping[str, int]) -> dict[str, Array]:
        """Map each layer to quantise to its scale per output channel."""
        layers = {op.result.name: op for op in graph.ops if isinstance(op, Synapse)}
        neurons = [op for op in graph.ops if isinstance(op, Neuron)]
        rounds = any(op.leak_rounding.unit or op.current_rounding.unit for op in neurons)
        if self.granularity == "channel":
            return {
                name: kept_scales(_matrix(layers[name], graph.constants), bits, rounds)
                for name, bits in widths.items()
            }
        matrices = {name: _matrix(layers[name], graph.constants) for name in widths}
        found = {}
        for group in _meeting(graph, widths):
            together = np.concatenate([matrices[name].reshape(-1, 1) for name in group])
            scale = kept_scales(together, widths[group[0]], rounds)[0]
            found.update({n: np.full(matrices[n].shape[1], scale) for n in group})
        return found


def _check_assignment(graph: Graph, target: Target) -> None:
    layers = [op.loc for op in graph.ops if isinstance(op, LayerOp)]
    if wrong := list(assignment_problems(target, graph.assignment, layers)):
        raise MappingError(wrong)


def _widths(graph: Graph, target: Target) -> dict[str, int]:
    """Map each layer to quantise to the width of its weights."""
    trained = any(isinstance(op, CrossbarMvm) for op in graph.ops)
    widths = {}
    for op in graph.ops:
        if isinstance(op, Synapse):
            bits = weight_bits(target, graph.assignment, op.loc)
            weight = graph.constants[op.weight.name]
            if not _is_integer(weight) or not (trained or _fits(weight, bits)):
                widths[op.result.name] = bits
    return widths


def _is_integer(weight: Array) -> bool:
    return weight.dtype.kind in "iu"


def _fits(weight: Array, bits: int) -> bool:
    greatest = greatest_weight(bits)
    within = -greatest <= weight.min() and weight.max() <= greatest
    return bool(within and (bits > 1 or weight.all()))


def _matrix(op: Synapse, constants: Constants) -> Array:
    return op.matrix(constants[op.weight.name])


def _meeting(graph: Graph, widths: Mapping[str, int]) -> list[list[str]]:
    """Group layers of one width whose results are added to each other, in the order they run."""
    import networkx as nx  # as in passes/shared/rewrite.py

    together: nx.Graph[str] = nx.Graph()
    together.add_nodes_from(widths)
    for op in graph.ops:
        if isinstance(op, Add):
            for bits in set(widths.values()):
                nx.add_path(together, [v.name for v in op.terms if widths.get(v.name) == bits])
    order = {name: i for i, name in enumerate(widths)}
    return [sorted(group, key=order.__getitem__) for group in nx.connected_components(together)]


def kept_scales(matrix: Array, bits: int, rounds: bool = False) -> Array:
    """Return the scale of each column of ``matrix[K, N]``: its own grid, or that of least error.

    Weights that are whole multiples of one step, of the layer or of a channel, keep their integers.

    Args:
        matrix: The layer's.
        bits: Of its integers.
        rounds: The network rounds membranes to a unit of its own: the step has no odd factor that
            can be avoided, so that units of layers and membranes are powers of two apart.
    """
    if bits == 1:
        return best_scales(matrix, bits)
    step = common_step(matrix.ravel(order="K"), bits)  # in the order of memory: no copy
    if step > 0 and rounds:
        return np.full(matrix.shape[1], binary_step(step, matrix, bits))
    best = best_scales(matrix, bits)
    steps = np.full(matrix.shape[1], step) if step > 0 else column_steps(matrix, bits)
    kept = np.flatnonzero(steps >= _LEAST_SCALE * best.max())  # NaN is not
    kept = kept[~_are_exact(matrix, kept, best[kept])]
    best[kept] = steps[kept]
    return best


def _are_exact(matrix: Array, columns: Array, scales: Array) -> Array:
    """Say which of some columns are whole multiples of their scales already."""
    exact = np.empty(len(columns), bool)
    for place, (column, scale) in enumerate(zip(columns, scales, strict=True)):
        codes = matrix[:, column].astype(np.float64) / scale
        exact[place] = (np.abs(codes - np.rint(codes)) <= GRID * np.abs(codes)).all()
    return exact


def best_scales(matrix: Array, bits: int) -> Array:
    """Return the scale of least squared error for each column of ``matrix[K, N]``.

    A column of zeros gets that of the greatest column. Large layers are searched on a sample of
    their wordlines. Of one bit it is the mean magnitude (Rastegari et al., XNOR-Net, ECCV 2016,
    arXiv 1603.05279, section 3.1).
    """
    greatest = greatest_weight(bits)
    highest, lowest = (matrix.max(axis=0), matrix.min(axis=0))
    peak = np.maximum(highest.astype(np.float64), -lowest.astype(np.float64))
    if not peak.any():
        return np.ones(matrix.shape[1])
    peak = np.where(peak > 0, peak, peak.max())
    if bits == 1:
        means = np.abs(matrix).mean(axis=0, dtype=np.float64)
        best = np.where(means > 0, means, means.max())
        return np.asarray(np.maximum(best, _LEAST_SCALE * best.max()))
    best = peak / greatest
    sample = matrix[:: max(1, matrix.size // _SEARCH_WEIGHTS)]
    for columns in _tiles(sample):
        best[columns] = _searched(sample[:, columns].astype(np.float64), peak[columns], greatest)
    return np.asarray(np.maximum(best, _LEAST_SCALE * best.max()))


def _searched(sample: Array, peak: Array, greatest: int) -> Array:
    """Return the scale of least squared error for each column of some."""
    best, least = peak / greatest, np.full(len(peak), np.inf)
    work = np.empty_like(sample)  # one array for every step: memory takes longer than arithmetic
    for ratio in _CLIP_RATIOS:
        scale = ratio * peak / greatest
        np.divide(sample, scale, out=work)
        np.clip(np.rint(work, out=work), -greatest, greatest, out=work)
        np.subtract(sample, np.multiply(work, scale, out=work), out=work)
        error = np.square(work, out=work).sum(axis=0)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return best


def _tiles(matrix: Array) -> Iterator[slice]:
    """Cut the columns of ``matrix[K, N]`` into parts that are worked on at once.

    None is a single column, unless all are: NumPy adds the numbers of one in another order.
    """
    outputs = matrix.shape[1]
    parts = min(ceil(matrix.size / _TILE_WEIGHTS), max(1, outputs // 2))
    edges = [outputs * i // parts for i in range(parts + 1)]
    return (slice(*edge) for edge in pairwise(edges))


def _quantize(op: Synapse, scale: Array, bits: int, constants: dict[str, Array]) -> list[Op]:
    name = op.result.name
    matrix = _matrix(op, constants)
    codes = np.empty(matrix.shape, np.int8)  # in C order, as crossbars take it
    for columns in _tiles(matrix):
        part = matrix[:, columns].astype(np.float64)
        codes[:, columns] = round_window(part, scale[columns], op.window, bits)
    shape = (-1,) + (1,) * (len(op.result.shape) - 1)
    constants[f"{name}.codes"] = op.from_matrix(codes)
    constants[f"{name}.scale"] = scale.reshape(shape)
    bias = np.zeros(len(scale)) if op.bias is None else constants[op.bias.name]
    constants[f"{name}.offset"] = bias.reshape(shape)
    total = replace(op.result, name=f"{name}.sum", type=FLOAT)
    return [
        replace(op, weight=Const(f"{name}.codes"), bias=None, result=total),
        Scale(
            x=total,
            factor=Const(f"{name}.scale"),
            offset=Const(f"{name}.offset"),
            result=op.result,
            loc=op.loc,
        ),
    ]
