"""Hardware graphs of known sizes with random integers, whose layers all fire about equally often.

They are written by hand, op by op, so that a benchmark needs no trained model and no pass.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mapper.executor import engine
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import INT64, SPIKE, Array, Const, Graph, IntType, Span, State, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm, partial_sum_range
from mapper.ir.encoding import Encoding
from mapper.ir.hardware import UpdateMembrane
from mapper.ir.leaks import Decay
from mapper.ir.neurons import Reset
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.windows import Window, transposed_window
from passes.shared.grid import count_active

MEMBRANE = IntType(16, signed=True)
TWOS_COMPLEMENT = Encoding(kind="twos-complement", weight_bits=4, cell_bits=1)
POOL = Window(kernel=(2, 2), stride=(2, 2))


def window(kernel: int, stride: int = 1) -> Window:
    return Window(kernel=(kernel, kernel), stride=(stride, stride), padding=(kernel // 2,) * 4)


@dataclass
class Net:
    """Writes a graph layer by layer; thresholds make every layer fire at ``density``."""

    codes: Array
    """Input spikes ``[T, 1, C, H, W]``."""
    density: float
    rows: int = 64
    encoding: Encoding = TWOS_COMPLEMENT
    adc_bits: int = 0
    adc_step: int = 0
    """Counts between two codes; 0: as many as the whole range takes."""
    input_bits: int = 1
    net: GraphBuilder = field(default_factory=GraphBuilder)
    dense: list[tuple[str, tuple[int, ...], int, int, int]] = field(default_factory=list)
    """Kind, input shape, outputs, kernel and stride of each layer with weights."""

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(len(self.codes))
        type = IntType(self.input_bits, signed=False)
        self.x = self.net.input("x", self.codes.shape[2:], type)

    def graph(self, name: str, *outputs: Value) -> Graph:
        return replace(self.net.graph(*outputs, checked=False), name=name)

    def conv(self, x: Value, outputs: int, kernel: int = 3, stride: int = 1) -> Value:
        self.dense.append(("conv", x.shape, outputs, kernel, stride))
        return self._fire(self.sums(x, outputs, window(kernel, stride)))

    def upsample(self, x: Value, outputs: int) -> Value:
        """Twice as high and wide, by a 4x4 transposed convolution."""
        self.dense.append(("conv_transpose", x.shape, outputs, 4, 2))
        turned = transposed_window((4, 4), (2, 2), (1, 1, 1, 1), (1, 1), (0, 0))
        return self._fire(self.sums(x, outputs, turned))

    def linear(self, x: Value, outputs: int) -> Value:
        flat = self.net.flatten(x)
        self.dense.append(("linear", flat.shape, outputs, 1, 1))
        return self._fire(self.sums(flat, outputs, None))

    def pool(self, x: Value) -> Value:
        return self.net.max_pool2d(x, POOL)

    def iand(self, a: Value, b: Value) -> Value:
        return self.net.merge("iand", a, b)

    def concat(self, *parts: Value) -> Value:
        return self.net.concat(*parts)

    def sums(self, x: Value, outputs: int, over: Window | None) -> Value:
        name, encoding = f"layer{len(self.net.ops)}", self.encoding
        area = 1 if over is None else over.kernel[0] * over.kernel[1]
        wordlines = area * x.shape[0]
        blocks = Span(0, wordlines).split(self.rows)
        positions = () if over is None else over.output_size(*x.shape[1:])
        weight = self.rng.integers(
            encoding.weight_min, encoding.weight_max + 1, (wordlines, outputs)
        )
        slices = len(encoding.significances)
        low, high = partial_sum_range(weight, blocks, encoding)
        p = Value(
            f"{name}.p",
            IntType.spanning(low, high),
            (x.type.bits, len(blocks), slices, outputs, *positions),  # type: ignore[union-attr]
        )
        self.net.constants[f"{name}.w"] = weight.astype(np.int8)
        mvm = CrossbarMvm(
            x=x,
            weight=Const(f"{name}.w"),
            window=over,
            rows=blocks,
            columns=(Span(0, outputs),),
            encoding=encoding,
            partial_sum=p,
            loc=name,
        )
        read = self._read(name, p, blocks)
        counts = self._counts(mvm)
        add = ShiftAndAdd(
            codes=read.result,
            active=counts[0].active if counts else None,
            significances=encoding.significances,
            offset=encoding.offset if counts else 0,
            result=Value(name, INT64, p.shape[3:]),
            loc=name,
        )
        y = Value(name, IntType.spanning(*add.range(self.net.constants)), p.shape[3:])
        self.net.ops += [mvm, read, *counts, replace(add, result=y)]
        return y

    def _counts(self, mvm: CrossbarMvm) -> list[CountActive]:
        """Return what takes the offset of weights back behind ADCs, where they have one."""
        assert mvm.encoding is not None
        return [count_active(mvm)] if self.adc_bits and mvm.encoding.offset else []

    def _read(self, name: str, p: Value, blocks: tuple[Span, ...]) -> Any:
        """Read around the mean of the sums: references that no lucky early exit passes."""
        if self.adc_bits:
            top = (1 << self.adc_bits) - 1
            step = self.adc_step or max(1, -(-int(p.type.max) // top))  # type: ignore[union-attr]
            codes = Value(f"{name}.codes", IntType.spanning(0, step * top), p.shape)
            return AdcRead(
                kind="sar", bits=self.adc_bits, partial_sum=p, first=step, step=step, base=0,
                result=codes, loc=name,
            )  # fmt: skip
        signed = self.encoding.kind == "differential"
        mean = 0.0 if signed else min(self.rows, len(blocks[0])) * self.density / 2
        spread = np.sqrt(max(self.rows * self.density / 2, 0.25))
        drawn = np.rint(mean + spread * self.rng.standard_normal((1, *p.shape[1:4])))
        lowest = -self.rows if signed else 1
        self.net.constants[f"{name}.t"] = np.clip(drawn, lowest, self.rows).astype(np.int16)
        return SenseAmpRead(
            partial_sum=p,
            thresholds=Const(f"{name}.t"),
            levels=(0, 1),
            result=Value(f"{name}.codes", SPIKE, p.shape),
            loc=name,
        )

    def _fire(self, y: Value) -> Value:
        name = y.name
        self.net.constants[f"{name}.bias"] = np.zeros(1, np.int16)
        threshold, bias = self._calibrated(y)
        v, after = (Value(f"{name}.{s}", MEMBRANE, y.shape) for s in ("v", "v_next"))
        spike = Value(f"{name}.s", SPIKE, y.shape)
        neuron = UpdateMembrane(
            x=y,
            membrane=v,
            membrane_next=after,
            spike=spike,
            decay=Decay(kind="shift", shift=2),
            bias=Const(f"{name}.bias"),
            threshold=threshold,
            reset=Reset(kind="subtract", amount=threshold),
            loc=name,
        )
        self.net.constants[f"{name}.bias"] = bias
        self.net.ops.append(neuron)
        self.net.states.append(State(read=v, next=after.name))
        return spike

    def _calibrated(self, y: Value) -> tuple[int, Array]:
        """Return a threshold at which the neurons of the last layer fire at the wanted density.

        Biases take away each channel's mean, so that channels fire alike.
        """
        part = self.graph("part", y)
        sums = engine.run(part, {"x": self.codes}, "native", threads=1).outputs[y.name]
        flat = sums.reshape(len(sums), y.shape[0], -1)[:, :, :512]
        bias = -np.rint(flat.mean(axis=(0, 2))).astype(np.int16)
        flat = flat + bias[None, :, None]
        low, high = 1, 4 * int(np.abs(flat).max()) + 2
        while high - low > 1:
            middle = (low + high) // 2
            if _fired(flat, middle) > self.density:
                low = middle
            else:
                high = middle
        return high, bias.reshape(-1, *(1 for _ in y.shape[1:]))


def _fired(sums: Array, threshold: int) -> float:
    v, total = np.zeros(sums.shape[1:], np.int64), 0.0
    for x in sums:
        v = v - (v >> 2) + x
        spikes = v >= threshold
        v = v - threshold * spikes
        total += spikes.mean()
    return total / len(sums)


def spikes(rng: np.random.Generator, density: float, *shape: int) -> Array:
    return (rng.random(shape) < density).astype(np.int64)


def dvsnet(net: Net) -> Graph:
    s = net.conv(net.x, 32)
    for _ in range(5):
        s = net.pool(net.iand(net.conv(net.conv(s, 32), 32), s))
    return net.graph("DVSNet", net.linear(s, 11))


def fireflownet(net: Net) -> Graph:
    s = net.x
    for _ in range(7):
        s = net.conv(s, 32)
    return net.graph("FireFlowNet", s)


def sfn(net: Net) -> Graph:
    skips, s = [], net.x
    for channels in (64, 128, 256, 512):
        s = net.conv(s, channels, stride=2)
        skips.append(s)
    for _ in range(2):
        s = net.iand(net.conv(net.conv(s, 512), 512), s)
    for channels, skip in ((128, skips[2]), (64, skips[1]), (4, skips[0])):
        s = net.concat(skip, net.upsample(s, channels), net.upsample(s, 32))
    return net.graph("SFN", net.upsample(s, 32))


NETWORKS: dict[str, tuple[Callable[[Net], Graph], tuple[int, ...], int]] = {
    "DVSNet": (dvsnet, (2, 64, 64), 20),
    "FireFlowNet": (fireflownet, (4, 256, 256), 5),
    "SFN": (sfn, (4, 256, 256), 5),
}
"""Graph, input and time steps of each network."""
