"""Run a hardware graph in torch: what a trained network computes, in integers.

The graph is the one that is compiled; its arithmetic here is a second reading of the definitions
in ``mapper.ir``, on whole batches, and on a GPU where there is one. ``tests/training`` hold it to
them bit for bit.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mapper.executor.base import (
    Arrays,
    Engine,
    Generated,
    Progress,
    Traced,
    check_watched,
    ports_of,
    traced_by_values,
)
from mapper.executor.engine import ENGINES
from mapper.ir.bounds import Products
from mapper.ir.core import EXACT_SINGLE, Array, Const, Graph, Op, Scalar
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.evaluate import recorded_names
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Move,
    Reshape,
    Scale,
    SumPool2d,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.readout_kinds import READOUTS
from mapper.ir.synapses import Synapse
from mapper.ir.tables import OpTable
from mapper.ir.windows import Window
from mapper.training.backends.choose import sums_backend
from mapper.training.backends.readout import Comparators, Converter, Reading
from mapper.training.backends.sums import Grid
from mapper.training.hardening.integer_neurons import integer_neuron
from mapper.training.nets.layers import exact_sums


class IntegerNetwork:
    """A fully lowered graph that is ready to run, its constants on one device."""

    variant = ""
    notes: tuple[str, ...] = ()

    def __init__(self, graph: Graph, device: torch.device, watch: Sequence[str] = ()) -> None:
        check_watched(graph, watch)
        inside = {v.name for op in graph.ops if op.inside_layer for v in op.results}
        if hidden := sorted(inside.intersection(watch)):
            raise TypeError(f"{hidden[0]} is inside a crossbar layer, which torch computes whole")
        self.graph, self.device, self.watch = graph, device, tuple(watch)
        self.ports = ports_of(graph)
        self.constants = {name: _tensor(a, device) for name, a in graph.constants.items()}
        self.layers = {op.partial_sum.name: op for op in graph.ops if isinstance(op, CrossbarMvm)}
        self.readers = {op.result.name: op for op in graph.ops if isinstance(op, BitlineRead)}
        self._sources: dict[str, Tensor] = {}

    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Arrays:
        """Run as every engine does.

        Raises:
            TypeError: An op that no trained network lowers to.
        """
        return self._run(inputs, initial, progress, self.watch)

    def trace(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Traced:
        """Run and count, by the definition of every count."""
        return traced_by_values(
            self.graph, self.watch, lambda watch: self._run(inputs, initial, progress, watch)
        )

    @torch.no_grad()
    def _run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None,
        progress: Progress | None,
        watch: Sequence[str],
    ) -> Arrays:
        arrays, starts = self.ports.checked(inputs, initial)
        held = {name: _tensor(array, self.device) for name, array in starts.items()}
        codes = {name: _tensor(a, self.device).to(torch.int64) for name, a in arrays.items()}
        names = recorded_names(self.graph, watch)
        record: dict[str, list[Tensor]] = {name: [] for name in names}
        for t in range(len(next(iter(codes.values())))):
            env = {name: tensor[t] for name, tensor in codes.items()} | held
            for op in self.graph.ops:
                self._compute(op, env)
            held = {s.read.name: env[s.next] for s in self.graph.states}
            for name, value in names.items():
                record[name].append(env[value])
            if progress is not None:
                progress(t + 1)
        return {name: torch.stack(frames).cpu().numpy() for name, frames in record.items()}

    def number(self, scalar: Scalar) -> Tensor:
        """Return a parameter as int64."""
        if isinstance(scalar, Const):
            return self.constants[scalar.name]
        return torch.tensor(int(scalar), device=self.device)

    def sources(self, op: Move) -> Tensor:
        """Return which element of the flat operand each element of the flat result is."""
        (x,), (result,) = op.operands, op.results
        if result.name not in self._sources:
            numbers = np.arange(math.prod(x.shape)).reshape(1, *x.shape)
            self._sources[result.name] = _tensor(op.moved(numbers).reshape(-1), self.device)
        return self._sources[result.name]

    def _compute(self, op: Op, env: dict[str, Tensor]) -> None:
        if op.inside_layer:
            return  # done together, in chunks, where the sum is asked for
        if isinstance(op, ShiftAndAdd):
            env[op.result.name] = self._layer(op, env)
            return
        rule = INTEGERS.entry(type(op))
        if rule is None:
            raise TypeError(f"{op.mnemonic} is not part of trained networks")
        results = rule(self, op, [env[v.name] for v in op.operands])
        env.update(zip((v.name for v in op.results), results, strict=True))

    # --- layers --------------------------------------------------------------------------------

    def _layer(self, op: ShiftAndAdd, env: dict[str, Tensor]) -> Tensor:
        reader = self.readers[op.codes.name]
        mvm = self.layers[reader.partial_sum.name]
        x, total = env[mvm.x.name], torch.zeros((), dtype=torch.int64, device=self.device)
        for plane, weight in zip(mvm.bit_planes, op.plane_weights, strict=True):
            sums = self._plane(op, reader, mvm, plane.digit(x)).round().to(torch.int64)
            total = total + weight * sums
        if op.shares_scale(self.graph.constants):  # of all row blocks, so it is multiplied once
            total = self._columns(op) * total
        return total >> op.shift

    def _columns(self, op: ShiftAndAdd) -> Tensor:
        """Return the scale that row blocks share, beside ``[B, N, *positions]``."""
        scale = self.number(op.scale)
        return scale.reshape(-1, *(1 for _ in op.result.shape[1:])) if scale.ndim else scale

    def _plane(
        self, op: ShiftAndAdd, reader: BitlineRead, mvm: CrossbarMvm, plane: Tensor
    ) -> Tensor:
        exact = self._exact_type(op)
        weight, plane = self.constants[mvm.weight.name].to(exact), plane.to(exact)
        if isinstance(reader, AdcRead) and READOUTS[reader.kind].exact:
            sums = exact_sums(plane, weight, mvm.window, mvm.groups)
            if op.shares_scale(self.graph.constants):
                return sums
            return sums * self.number(op.scale)
        assert mvm.encoding is not None
        grid = Grid(
            encoding=mvm.encoding,
            wordlines=len(mvm.rows[0]),
            window=mvm.window,
            groups=mvm.groups,
            most_driven=mvm.most_driven,
            half_active=reader.follows_activity,
        )
        scale = self.number(1 if op.shares_scale(self.graph.constants) else op.scale)
        scale = scale.reshape(-1).to(exact)
        kind, driven = sums_backend(plane, weight, grid)
        return kind(grid, self._reading(reader), weight, scale).all_outputs(driven)

    def _exact_type(self, op: ShiftAndAdd) -> torch.dtype:
        """Return the type that holds a layer's sum of one plane exactly, and all on the way."""
        low, high = op.range(self.graph.constants)
        greatest = max(-low, high + 1) << op.shift
        return torch.float32 if greatest < EXACT_SINGLE else torch.float64

    def _reading(self, reader: BitlineRead) -> Reading:
        if isinstance(reader, SenseAmpRead):
            thresholds = self.constants[reader.thresholds.name].to(torch.float32)
            width = torch.ones(thresholds.shape[2], device=self.device)
            return Comparators(thresholds=thresholds, levels=reader.levels, half_width=width)
        signed = bool(self.number(reader.base).any())
        step = self.number(reader.step).to(torch.float32)
        return Converter(step=step, bits=reader.bits, signed=signed)


@dataclass(frozen=True, slots=True)
class TorchEngine:
    """Torch as an engine, on a device of its own choice; it stands with training, as torch does."""

    device: torch.device
    name: str = "torch"

    def unavailable(self) -> str:
        """Say nothing: where this is imported, torch is there."""
        return ""

    def prepare(
        self,
        graph: Graph,
        *,
        watch: Sequence[str] = (),
        threads: int | None = None,
        generated: Generated | None = None,
    ) -> IntegerNetwork:
        """Put a graph's constants on the device; threads are torch's own.

        Raises:
            TypeError: A value inside a crossbar layer is watched.
        """
        return IntegerNetwork(graph, self.device, watch)


def engine_on(device: torch.device) -> Engine:
    """Return what runs integers where tensors are: compiled kernels on a CPU, torch on a GPU."""
    native = ENGINES["native"]
    return TorchEngine(device) if device.type != "cpu" or native.unavailable() else native


def _tensor(array: Array, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(array)).to(device)  # a copy; single numbers come bare


# --- ops that are computed one by one: the network, the op and its operands in, results out -----


def _digital(net: IntegerNetwork, op: Synapse, operands: list[Tensor]) -> list[Tensor]:
    matrix = op.matrix(net.graph.constants[op.weight.name])
    weight = _tensor(np.ascontiguousarray(matrix), net.device).double()  # sums stay whole
    sums = exact_sums(operands[0].double(), weight, op.window, op.group_count)
    return [sums.round().to(torch.int64)]


def _neuron(net: IntegerNetwork, op: IntegerNeuron, operands: list[Tensor]) -> list[Tensor]:
    return integer_neuron(net.number, op, operands)


def _add(net: IntegerNetwork, op: Add, operands: list[Tensor]) -> list[Tensor]:
    return [torch.stack(operands).sum(dim=0)]


def _scaled_add(net: IntegerNetwork, op: ScaledAdd, operands: list[Tensor]) -> list[Tensor]:
    scaled = [net.number(s) * term for s, term in zip(op.scales, operands, strict=True)]
    return [(torch.stack(scaled).sum(dim=0) + net.number(op.offset)) >> op.shift]


def _merge(net: IntegerNetwork, op: Merge, operands: list[Tensor]) -> list[Tensor]:
    a, b = operands
    return [{"and": a & b, "or": a | b, "xor": a ^ b, "iand": (1 - a) & b}[op.kind]]


def _multiply(net: IntegerNetwork, op: Multiply, operands: list[Tensor]) -> list[Tensor]:
    a, b = operands
    return [a * b]


def _matmul(net: IntegerNetwork, op: MatMul, operands: list[Tensor]) -> list[Tensor]:
    """Multiply numbers of a type in which all sums are exact; a GPU has no whole ones."""
    dtype = getattr(torch, Products(*op.range()).dtype)
    a, b = (x.to(dtype) for x in operands)
    return [torch.matmul(a, b).to(torch.int64)]


def _max_pool(net: IntegerNetwork, op: MaxPool2d, operands: list[Tensor]) -> list[Tensor]:
    return [_windows(operands[0], op.window, torch.iinfo(torch.int64).min).amax(dim=(4, 5))]


def _sum_pool(net: IntegerNetwork, op: SumPool2d, operands: list[Tensor]) -> list[Tensor]:
    return [_windows(operands[0], op.window, 0).sum(dim=(4, 5))]


def _windows(x: Tensor, window: Window, fill: int) -> Tensor:
    """Return what each window sees, ``[B, C, Ho, Wo, kh, kw]``; ``fill`` outside the input."""
    top, left, bottom, right = window.padding
    padded = functional.pad(x, (left, right, top, bottom), value=fill)
    (kh, kw), (sy, sx), (dy, dx) = window.kernel, window.stride, window.dilation
    views = padded.unfold(2, (kh - 1) * dy + 1, sy).unfold(3, (kw - 1) * dx + 1, sx)
    return views[..., ::dy, ::dx]


def _concat(net: IntegerNetwork, op: Concat, operands: list[Tensor]) -> list[Tensor]:
    return [torch.cat(operands, dim=op.axis + 1)]


def _reshape(net: IntegerNetwork, op: Reshape, operands: list[Tensor]) -> list[Tensor]:
    return [operands[0].reshape(-1, *op.result.shape)]


def _moved(net: IntegerNetwork, op: Move, operands: list[Tensor]) -> list[Tensor]:
    elements = operands[0].flatten(1).index_select(1, net.sources(op))
    return [elements.reshape(-1, *op.results[0].shape)]


_TOGETHER = "computed with the layer it is part of"
_REALS = "it is not of integers"

INTEGERS: OpTable[Callable[[IntegerNetwork, Any, list[Tensor]], list[Tensor]]] = OpTable(
    what="integer ops in torch",
    entries={
        Synapse: _digital,
        IntegerNeuron: _neuron,
        Add: _add,
        ScaledAdd: _scaled_add,
        Merge: _merge,
        Multiply: _multiply,
        MatMul: _matmul,
        MaxPool2d: _max_pool,
        SumPool2d: _sum_pool,
        Concat: _concat,
        Move: _moved,
        Reshape: _reshape,
    },
    without={
        CrossbarMvm: _TOGETHER,
        CountActive: _TOGETHER,
        SenseAmpRead: _TOGETHER,
        AdcRead: _TOGETHER,
        ShiftAndAdd: _TOGETHER,
        AvgPool2d: _REALS,
        FakeQuantize: _REALS,
        Neuron: _REALS,
        Scale: _REALS,
    },
)
"""How torch computes an op outside of crossbar layers."""
