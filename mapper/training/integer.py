"""Run a hardware graph in torch: what a trained network computes, in integers.

The graph is the one that is compiled; its arithmetic here is a second reading of the definitions
in ``mapper.ir``, on whole batches, and on a GPU where there is one. ``tests/training`` hold it to
them bit for bit.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mapper.ir.core import EXACT_SINGLE, Array, Const, Graph, IntType, Op, Scalar, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import Add, Concat, MaxPool2d, Merge, Reshape, SumPool2d, Transpose
from mapper.ir.neurons import Decay, IntegerNeuron
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.windows import Window
from mapper.training.layers import exact_sums
from mapper.training.partial_sums import Grid, arithmetic
from mapper.training.readout import Comparators, Converter, Reading


class IntegerNetwork:
    """A fully lowered graph, its constants on one device."""

    def __init__(self, graph: Graph, device: torch.device) -> None:
        self.graph, self.device = graph, device
        self.constants = {name: _tensor(a, device) for name, a in graph.constants.items()}
        self.layers = {op.partial_sum.name: op for op in graph.ops if isinstance(op, CrossbarMvm)}
        self.readers = {op.result.name: op for op in graph.ops if isinstance(op, BitlineRead)}

    @torch.no_grad()
    def run(self, codes: Tensor) -> Tensor:
        """Return the output ``[T, B, ...]`` for input codes ``[T, B, ...]``; int64 both.

        Raises:
            TypeError: An op that no trained network lowers to.
        """
        (source,), (result,) = self.graph.inputs, self.graph.outputs
        held = {s.read.name: self._start(s.initial, s.read, codes) for s in self.graph.states}
        frames = []
        for frame in codes.to(self.device, torch.int64):
            env = {source.name: frame, **held}
            for op in self.graph.ops:
                self._compute(op, env)
            held = {s.read.name: env[s.next] for s in self.graph.states}
            frames.append(env[result.name])
        return torch.stack(frames)

    def _start(self, initial: Scalar, read: Value, codes: Tensor) -> Tensor:
        full = torch.zeros(codes.shape[1], *read.shape, dtype=torch.int64, device=self.device)
        return full + self.number(initial)

    def number(self, scalar: Scalar) -> Tensor:
        """Return a parameter as int64."""
        if isinstance(scalar, Const):
            return self.constants[scalar.name]
        return torch.tensor(int(scalar), device=self.device)

    def _compute(self, op: Op, env: dict[str, Tensor]) -> None:
        if op.inside_layer:
            return  # done together, in chunks, where the sum is asked for
        operands = [env[v.name] for v in op.operands if v.name in env]
        if isinstance(op, ShiftAndAdd):
            env[op.result.name] = self._layer(op, env)
        elif isinstance(op, IntegerNeuron):
            results = self._neuron(op, operands)
            env.update(zip((v.name for v in op.results), results, strict=True))
        elif isinstance(op, Synapse):
            env[op.result.name] = self._digital(op, operands[0])
        else:
            rule = _RULES.get(type(op))
            if rule is None:
                raise TypeError(f"{op.mnemonic} is not part of trained networks")
            env[op.results[0].name] = rule(self, op, operands)

    # --- layers --------------------------------------------------------------------------------

    def _digital(self, op: Synapse, x: Tensor) -> Tensor:
        matrix = op.matrix(self.graph.constants[op.weight.name])
        weight = _tensor(np.ascontiguousarray(matrix), self.device).double()  # sums stay whole
        sums = exact_sums(x.double(), weight, op.window, op.group_count)
        return sums.round().to(torch.int64)

    def _layer(self, op: ShiftAndAdd, env: dict[str, Tensor]) -> Tensor:
        reader = self.readers[op.codes.name]
        mvm = self.layers[reader.partial_sum.name]
        x, total = env[mvm.x.name], torch.zeros((), dtype=torch.int64, device=self.device)
        for bit, weight in enumerate(op.plane_weights):
            plane = (x >> bit) & 1
            total = total + weight * self._plane(op, reader, mvm, plane).round().to(torch.int64)
        return total >> op.shift

    def _plane(
        self, op: ShiftAndAdd, reader: BitlineRead, mvm: CrossbarMvm, plane: Tensor
    ) -> Tensor:
        exact = self._exact_type(op)
        weight, plane = self.constants[mvm.weight.name].to(exact), plane.to(exact)
        if isinstance(reader, AdcRead) and reader.kind == "ideal":
            sums = exact_sums(plane, weight, mvm.window, mvm.groups)
            return sums * self.number(op.scale)
        assert mvm.encoding is not None
        grid = Grid(
            encoding=mvm.encoding,
            wordlines=len(mvm.rows[0]),
            window=mvm.window,
            groups=mvm.groups,
            half_active=isinstance(reader, SenseAmpRead) and reader.active is not None,
        )
        scale = self.number(op.scale).reshape(-1).to(exact)
        layer = arithmetic(plane, weight, grid)(grid, self._reading(reader), weight, scale)
        return layer.all_outputs(plane)

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

    # --- neurons -------------------------------------------------------------------------------

    def _neuron(self, op: IntegerNeuron, operands: list[Tensor]) -> list[Tensor]:
        if op.reset.phase != "same" or op.spike_phase != "same" or op.floor is not None:
            raise TypeError("a neuron that resets late or has a floor is not part of training")
        x, v = operands[:2]
        drive = (x << op.fraction_bits) + self.number(op.bias)
        currents: list[Tensor] = []
        if op.current is not None:
            current = self._leaked(op.current_decay, operands[2]) + drive
            currents = [_saturated(current, op.current)]
            drive = self._leaked(op.input_decay, currents[0])
        u = _saturated(self._leaked(op.decay, v) + drive, op.membrane)
        if op.spike is None:
            return [u, *currents]
        spike = (u >= self.number(op.threshold) + int(op.strict)).to(torch.int64)
        amount = self.number(op.reset.amount)
        if op.reset.kind == "subtract":
            u = u - spike * amount
        elif op.reset.kind == "value":
            u = torch.where(spike == 1, amount, u)
        return [spike, _saturated(u, op.membrane), *currents]

    def _leaked(self, decay: Decay, v: Tensor) -> Tensor:
        if decay.kind == "none":
            return v
        if decay.kind == "shift":
            return v - (v >> decay.shift)
        return (v * self.number(decay.multiplier)) >> decay.shift

    # --- between layers ------------------------------------------------------------------------

    def _scaled_add(self, op: ScaledAdd, terms: list[Tensor]) -> Tensor:
        scaled = [self.number(s) * term for s, term in zip(op.scales, terms, strict=True)]
        return torch.stack(scaled).sum(dim=0) >> op.shift


def _tensor(array: Array, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(array)).to(device)  # a copy; single numbers come bare


def _saturated(u: Tensor, held: Value) -> Tensor:
    assert isinstance(held.type, IntType)
    return u.clamp(held.type.min, held.type.max)


def _pooled(x: Tensor, window: Window, greatest: bool) -> Tensor:
    """Pool integers; elements outside count as the least there is, or as zero."""
    top, left, bottom, right = window.padding
    fill = torch.iinfo(torch.int64).min if greatest else 0
    padded = functional.pad(x, (left, right, top, bottom), value=fill)
    (kh, kw), (sy, sx), (dy, dx) = window.kernel, window.stride, window.dilation
    views = padded.unfold(2, (kh - 1) * dy + 1, sy).unfold(3, (kw - 1) * dx + 1, sx)
    views = views[..., ::dy, ::dx]
    return views.amax(dim=(4, 5)) if greatest else views.sum(dim=(4, 5))


def _merged(op: Merge, a: Tensor, b: Tensor) -> Tensor:
    return {"and": a & b, "or": a | b, "xor": a ^ b, "iand": (1 - a) & b}[op.kind]


_Rule = Callable[[IntegerNetwork, Any, list[Tensor]], Tensor]

_RULES: dict[type[Op], _Rule] = {
    Add: lambda net, op, terms: torch.stack(terms).sum(dim=0),
    Concat: lambda net, op, parts: torch.cat(parts, dim=op.axis + 1),
    MaxPool2d: lambda net, op, x: _pooled(x[0], op.window, greatest=True),
    Merge: lambda net, op, x: _merged(op, *x),
    Reshape: lambda net, op, x: x[0].reshape(len(x[0]), *op.result.shape),
    ScaledAdd: lambda net, op, terms: net._scaled_add(op, terms),
    SumPool2d: lambda net, op, x: _pooled(x[0], op.window, greatest=False),
    Transpose: lambda net, op, x: x[0].permute(0, *(i + 1 for i in op.order)),
}
