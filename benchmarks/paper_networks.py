"""The networks of the reference design (arXiv 2211.02167), with random 4-bit weights.

They have the published topologies, so the crossbars they take and the time and energy they need are
those of the trained networks; what they compute means nothing. NumPy alone: no training framework.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from mapper.ir.core import FLOAT, SPIKE, Array, Const, Graph, Op, State, Value
from mapper.ir.network import Concat, MaxPool2d, Merge, Reshape
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear
from mapper.ir.windows import Window

THRESHOLD = 0.6  # where the reference starts to learn it
LEAK = 0.75


@dataclass
class _Writer:
    """Writes a network layer after layer; every layer returns the spikes it fires."""

    rng: np.random.Generator
    states: list[State] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def conv(self, x: Value, outputs: int, stride: int = 1) -> Value:
        name = self._name("conv")
        weight = self._weights(name, outputs, x.shape[0], 3, 3)
        window = Window(kernel=(3, 3), stride=(stride, stride), padding=(1, 1, 1, 1))
        y = Value(f"{name}.y", FLOAT, (outputs, *window.output_size(*x.shape[1:])))
        op = Conv2d(
            x=x,
            weight=weight,
            result=y,
            kernel=(3, 3),
            stride=window.stride,
            padding=window.padding,
            loc=name,
        )
        self.ops.append(op)
        return self._fire(y, name)

    def upsample(self, x: Value, outputs: int) -> Value:
        """Twice the height and the width, by a 4x4 transposed convolution."""
        name = self._name("up")
        weight = self._weights(name, x.shape[0], outputs, 4, 4)
        size = (2 * x.shape[1], 2 * x.shape[2])
        y = Value(f"{name}.y", FLOAT, (outputs, *size))
        op = ConvTranspose2d(
            x=x,
            weight=weight,
            result=y,
            kernel=(4, 4),
            stride=(2, 2),
            padding=(1, 1, 1, 1),
            loc=name,
        )
        self.ops.append(op)
        return self._fire(y, name)

    def linear(self, x: Value, outputs: int) -> Value:
        name = self._name("fc")
        flat = Value(f"{name}.x", x.type, (int(np.prod(x.shape)),))
        self.ops.append(Reshape(x=x, result=flat))
        weight = self._weights(name, outputs, flat.shape[0])
        y = Value(f"{name}.y", FLOAT, (outputs,))
        self.ops.append(Linear(x=flat, weight=weight, result=y, loc=name))
        return self._fire(y, name)

    def pool(self, x: Value) -> Value:
        window = Window(kernel=(2, 2), stride=(2, 2))
        y = Value(self._name("pool"), x.type, (x.shape[0], *window.output_size(*x.shape[1:])))
        self.ops.append(MaxPool2d(x=x, window=window, result=y))
        return y

    def iand(self, a: Value, b: Value) -> Value:
        """Spikes of ``b`` where ``a`` has none."""
        y = Value(self._name("iand"), SPIKE, a.shape)
        self.ops.append(Merge(kind="iand", a=a, b=b, result=y))
        return y

    def concat(self, *parts: Value) -> Value:
        channels = sum(part.shape[0] for part in parts)
        y = Value(self._name("cat"), SPIKE, (channels, *parts[0].shape[1:]))
        self.ops.append(Concat(parts=parts, result=y))
        return y

    def graph(self, name: str, x: Value, *outputs: Value) -> Graph:
        return Graph(
            name=name,
            inputs=(x,),
            outputs=outputs,
            states=tuple(self.states),
            ops=tuple(self.ops),
            constants=self.constants,
        )

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.ops)}"

    def _weights(self, name: str, *shape: int) -> Const:
        """Draw the 16 numbers that 4 bits tell apart, all alike; scaled to fire now and then."""
        fan_in = max(1, int(np.prod(shape[1:])))
        drawn = self.rng.integers(-8, 8, shape, np.int8)
        self.constants[f"{name}.w"] = drawn * np.float32(2.0**-3 / np.sqrt(fan_in))
        return Const(f"{name}.w")

    def _fire(self, y: Value, name: str) -> Value:
        membrane, after = (Value(f"{name}.{v}", FLOAT, y.shape) for v in ("v", "v_next"))
        spike = Value(f"{name}.s", SPIKE, y.shape)
        neuron = Neuron(
            x=y,
            membrane=membrane,
            membrane_next=after,
            spike=spike,
            leak=LEAK,
            threshold=THRESHOLD,
            reset=Reset(kind="subtract", amount=THRESHOLD),
            loc=name,
        )
        self.ops.append(neuron)
        self.states.append(State(read=membrane, next=after.name))
        return spike


def _started(seed: int, *shape: int) -> tuple[_Writer, Value]:
    return _Writer(np.random.Generator(np.random.SFC64(seed))), Value("x", SPIKE, shape)


def dvsnet(size: int = 64, seed: int = 0) -> Graph:
    """DVS128 Gesture, 11 classes; 20 time steps of 2 x size x size (size: a multiple of 32).

    A convolution, five blocks ``(1 - f(x)) * x`` of two convolutions each with a max-pool, and a
    linear layer.
    """
    net, x = _started(seed, 2, size, size)
    s = net.conv(x, 32)
    for _ in range(5):
        s = net.pool(net.iand(net.conv(net.conv(s, 32), 32), s))
    return net.graph("DVSNet", x, net.linear(s, 11))


def fireflownet(size: int = 256, seed: int = 0) -> Graph:
    """MVSEC optical flow, 5 time steps of 4 x size x size: seven convolutions.

    The 1x1 prediction of the flow is left out, as in the published counts of weights and crossbars.
    """
    net, s = _started(seed, 4, size, size)
    x = s
    for _ in range(7):
        s = net.conv(s, 32)
    return net.graph("FireFlowNet", x, s)


def spike_flownet(size: int = 256, seed: int = 0) -> Graph:
    """Spiking SFN, MVSEC optical flow, 5 time steps of 4 x size x size (a multiple of 16).

    Four strided convolutions, two residual blocks of two, three transposed convolutions with skip
    connections, and a transposed convolution for the flow at each of four scales. The sum of a
    residual block is of spikes, which the published chip leaves open: here ``x`` where ``f(x)``
    is silent, a gate as in DVSNet.
    """
    net, x = _started(seed, 4, size, size)
    skips, s = [], x
    for channels in (64, 128, 256, 512):
        s = net.conv(s, channels, stride=2)
        skips.append(s)
    for _ in range(2):
        s = net.iand(net.conv(net.conv(s, 512), 512), s)
    for channels, skip in ((128, skips[2]), (64, skips[1]), (4, skips[0])):
        s = net.concat(skip, net.upsample(s, channels), net.upsample(s, 32))
    return net.graph("SFN", x, net.upsample(s, 32))


def spiking_vgg(size: int = 32, seed: int = 0) -> Graph:
    """Images of 100 classes, 10 time steps of 3 x size x size; 13 convolutions, 3 linear layers."""
    net, x = _started(seed, 3, size, size)
    s = x
    for channels in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512):
        s = net.conv(s, channels) if channels else net.pool(s)
    for outputs in (4096, 4096, 100):
        s = net.linear(s, outputs)
    return net.graph("SNN_VGG", x, s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One network of the reference, at the size it was run."""

    make: Callable[[int], Graph]
    size: int
    steps: int
    """Time steps of an inference."""

    def graph(self, size: int | None = None) -> Graph:
        """Build the network, at the published size unless another one is named."""
        return self.make(size or self.size)


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "DVSNet": Reference(make=dvsnet, size=64, steps=20),
        "FireFlowNet": Reference(make=fireflownet, size=256, steps=5),
        "SFN": Reference(make=spike_flownet, size=256, steps=5),
        "SNN_VGG": Reference(make=spiking_vgg, size=32, steps=10),
    }
)
