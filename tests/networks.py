"""Small trained-looking float networks, and random ones for property tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mapper.ir.assignment import Assignment, Choice
from mapper.ir.core import FLOAT, SPIKE, Array, Const, Graph, Op, State, Value
from mapper.ir.network import Add, AvgPool2d, Concat, MaxPool2d, Merge, Reshape, Scale
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear
from mapper.ir.windows import Window

SUBTRACT = Reset(kind="subtract", amount=0.6)


def assigned(graph: Graph, weight_bits: int | None = None, **layers: Choice) -> Graph:
    """Return a network with what is decided for its layers: ``fc0=Choice(macro="digital")``."""
    return replace(graph, assignment=Assignment(layers=layers, weight_bits=weight_bits))


@dataclass
class NetworkBuilder:
    """Write a float network layer after layer; every layer returns its result."""

    seed: int = 0
    inputs: list[Value] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.ops)}"

    def _weight(self, name: str, *shape: int) -> Const:
        fan_in = max(1, int(np.prod(shape[1:])))
        drawn = self.rng.normal(0, 1.5 / np.sqrt(fan_in), shape)
        self.constants[name] = drawn.astype(np.float32)
        return Const(name)

    def input(self, *shape: int) -> Value:
        value = Value(f"x{len(self.inputs)}", FLOAT, shape)
        self.inputs.append(value)
        return value

    def linear(self, x: Value, outputs: int) -> Value:
        name = self._name("fc")
        result = Value(name, FLOAT, (outputs,))
        weight = self._weight(f"{name}.w", outputs, x.shape[0])
        bias = self._weight(f"{name}.b", outputs)
        self.ops.append(Linear(x=x, weight=weight, bias=bias, result=result, loc=name))
        return result

    def conv(self, x: Value, outputs: int, kernel: int = 3, **options: Any) -> Value:
        name = self._name("conv")
        channels = x.shape[0] // options.get("groups", 1)
        weight = self._weight(f"{name}.w", outputs, channels, kernel, kernel)
        bias = self._weight(f"{name}.b", outputs)
        empty = Value(name, FLOAT, (outputs, 1, 1))
        op = Conv2d(
            x=x, weight=weight, bias=bias, result=empty, kernel=(kernel,) * 2, loc=name, **options
        )
        return self._sized(op)

    def conv_transpose(self, x: Value, outputs: int, kernel: int, **options: Any) -> Value:
        name = self._name("up")
        weight = self._weight(f"{name}.w", x.shape[0], outputs, kernel, kernel)
        empty = Value(name, FLOAT, (outputs, 1, 1))
        op = ConvTranspose2d(
            x=x, weight=weight, result=empty, kernel=(kernel,) * 2, loc=name, **options
        )
        return self._sized(op)

    def _sized(self, op: Conv2d | ConvTranspose2d) -> Value:
        size = op.window.output_size(*op.x.shape[1:])
        result = replace(op.result, shape=(op.result.shape[0], *size))
        self.ops.append(replace(op, result=result))
        return result

    def norm(self, x: Value) -> Value:
        name = self._name("bn")
        shape = (x.shape[0], *(1 for _ in x.shape[1:]))
        self.constants[f"{name}.f"] = self.rng.uniform(0.5, 1.5, shape).astype(np.float32)
        self.constants[f"{name}.o"] = self.rng.normal(0, 0.1, shape).astype(np.float32)
        result = Value(name, FLOAT, x.shape)
        factor, offset = Const(f"{name}.f"), Const(f"{name}.o")
        self.ops.append(Scale(x=x, factor=factor, offset=offset, result=result, loc=name))
        return result

    def pool(self, x: Value, kind: str = "max", size: int = 2) -> Value:
        window = Window(kernel=(size, size), stride=(size, size))
        shape = (x.shape[0], *window.output_size(*x.shape[1:]))
        name = self._name(kind)
        if kind == "max":
            result = Value(name, x.type, shape)
            self.ops.append(MaxPool2d(x=x, window=window, result=result, loc=name))
        else:
            result = Value(name, FLOAT, shape)
            self.ops.append(AvgPool2d(x=x, window=window, result=result, loc=name))
        return result

    def flatten(self, x: Value) -> Value:
        result = Value(self._name("flat"), x.type, (int(np.prod(x.shape)),))
        self.ops.append(Reshape(x=x, result=result))
        return result

    def add(self, *terms: Value) -> Value:
        result = Value(self._name("add"), FLOAT, terms[0].shape)
        self.ops.append(Add(terms=terms, result=result, loc=result.name))
        return result

    def merge(self, kind: Any, a: Value, b: Value) -> Value:
        result = Value(self._name("merge"), SPIKE, a.shape)
        self.ops.append(Merge(kind=kind, a=a, b=b, result=result))
        return result

    def concat(self, *parts: Value) -> Value:
        channels = sum(p.shape[0] for p in parts)
        result = Value(self._name("cat"), parts[0].type, (channels, *parts[0].shape[1:]))
        self.ops.append(Concat(parts=parts, result=result))
        return result

    def neuron(
        self, x: Value, *, current: bool = False, fires: bool = True, **options: Any
    ) -> Value:
        name = self._name("lif")

        def state(what: str) -> tuple[Value, Value]:
            read = Value(f"{name}.{what}", FLOAT, x.shape)
            after = Value(f"{name}.{what}_next", FLOAT, x.shape)
            self.states.append(State(read=read, next=after.name, output=f"{name}.{what}_out"))
            return read, after

        membrane, membrane_next = state("v")
        held: dict[str, Any] = {"leak": 0.8, "threshold": 0.6, "reset": SUBTRACT}
        if not fires:
            held["reset"] = Reset()
        if current:
            i, i_next = state("i")
            held |= {"current": i, "current_next": i_next, "current_leak": 0.7}
            held |= {"current_input": 1.0, "current_gain": 0.7}
        spike = Value(f"{name}.s", SPIKE, x.shape) if fires else None
        self.ops.append(
            Neuron(
                x=x,
                membrane=membrane,
                membrane_next=membrane_next,
                spike=spike,
                loc=name,
                **(held | options),
            )
        )
        return membrane_next if spike is None else spike

    def graph(self, *outputs: Value) -> Graph:
        return Graph(
            name="net",
            inputs=tuple(self.inputs),
            outputs=outputs,
            states=tuple(self.states),
            ops=tuple(self.ops),
            constants=self.constants,
        )


def small_conv_net(seed: int = 0) -> Graph:
    """Conv - LIF (delayed reset, >) - max pool - conv - mean - LIF (hard reset) - fc - LIF."""
    net = NetworkBuilder(seed)
    x = net.input(2, 8, 8)
    delayed = Reset(kind="subtract", amount=0.6, phase="next")
    s = net.neuron(net.conv(x, 4, padding=(1,) * 4), strict=True, reset=delayed)
    s = net.pool(s)
    s = net.neuron(net.pool(net.conv(s, 6, padding=(1,) * 4), "avg"), reset=Reset(kind="value"))
    return net.graph(net.neuron(net.linear(net.flatten(s), 5)))


@st.composite
def float_networks(draw: st.DrawFn) -> Graph:
    """Random networks over all network ops: branches, merges, pooling, every neuron kind."""
    net = NetworkBuilder(draw(st.integers(0, 2**16)))
    x = net.input(draw(st.integers(1, 3)), 6, 6)
    s = _block(draw, net, x)
    if draw(st.booleans()):
        other = _block(draw, net, x, like=s)
        s = _joined(draw, net, s, other)
    s = net.pool(s, draw(st.sampled_from(["max", "avg"]))) if draw(st.booleans()) else s
    y = net.linear(net.flatten(s), draw(st.integers(1, 5)))
    if draw(st.booleans()):
        y = net.neuron(y, **draw(_neuron_options()))
    return net.graph(y)


def _block(draw: st.DrawFn, net: NetworkBuilder, x: Value, like: Value | None = None) -> Value:
    outputs = like.shape[0] if like else draw(st.integers(1, 4))
    y = net.conv(x, outputs, padding=(1,) * 4)
    if draw(st.booleans()):
        y = net.norm(y)
    return net.neuron(y, **draw(_neuron_options()))


def _joined(draw: st.DrawFn, net: NetworkBuilder, a: Value, b: Value) -> Value:
    how = draw(st.sampled_from(["and", "or", "xor", "iand", "concat", "current"]))
    if how == "concat":
        return net.concat(a, b)
    if how == "current":
        currents = [net.conv(s, 3, kernel=1) for s in (a, b)]
        return net.neuron(net.add(*currents))
    return net.merge(how, a, b)


def _neuron_options() -> st.SearchStrategy[dict[str, Any]]:
    phases = ("none", "same"), ("subtract", "same"), ("subtract", "next"), ("subtract", "guarded")
    phases += ("value", "same"), ("value", "next"), ("value", "late")
    amounts = st.sampled_from([0.0, 0.3, 0.6])
    resets = st.builds(
        lambda how, amount: Reset(kind=how[0], amount=amount, phase=how[1]),
        st.sampled_from(phases),
        amounts,
    )
    return st.fixed_dictionaries(
        {
            "leak": st.sampled_from([1.0, 0.875, 0.8, 0.5]),
            "strict": st.booleans(),
            "reset": resets,
            "spike_phase": st.sampled_from(["same", "next"]),
            "current": st.booleans(),
        }
    )


def spikes(graph: Graph, steps: int = 4, batch: int = 2, seed: int = 0) -> Mapping[str, Array]:
    """Random binary inputs ``[T, B, *shape]`` for every input of a graph."""
    rng = np.random.default_rng(seed)
    return {
        v.name: (rng.random((steps, batch, *v.shape)) < 0.3).astype(np.int64) for v in graph.inputs
    }
