"""Small trained-looking float networks, and random ones for property tests."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from hypothesis import strategies as st

from mapper.ir.assignment import Assignment, Choice
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import FLOAT, SPIKE, Array, Const, Graph, Value
from mapper.ir.leaks import NOT_ROUNDED, LeakRounding, Rounding
from mapper.ir.levels import RoundedLevels
from mapper.ir.neurons import Reset
from mapper.ir.windows import Window

SUBTRACT = Reset(kind="subtract", amount=0.6)


def assigned(graph: Graph, weight_bits: int | None = None, **layers: Choice) -> Graph:
    """Return a network with what is decided for its layers: ``fc0=Choice(macro="digital")``."""
    return replace(graph, assignment=Assignment(layers=layers, weight_bits=weight_bits))


class NetworkBuilder(GraphBuilder):
    """Write a float network with random weights; every layer returns its result."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def _drawn(self, name: str, *shape: int) -> Const:
        fan_in = max(1, int(np.prod(shape[1:])))
        drawn = self.rng.normal(0, 1.5 / np.sqrt(fan_in), shape)
        return self.constant(name, drawn.astype(np.float32))

    def entry(self, *shape: int) -> Value:
        return self.input(f"x{len(self.inputs)}", shape, FLOAT)

    def dense(self, x: Value, outputs: int) -> Value:
        name = self.numbered("fc")
        weight = self._drawn(f"{name}.w", outputs, x.shape[0])
        return self.linear(x, weight, self._drawn(f"{name}.b", outputs), name=name)

    def conv(self, x: Value, outputs: int, kernel: int = 3, **options: Any) -> Value:
        name = self.numbered("conv")
        channels = x.shape[0] // options.get("groups", 1)
        weight = self._drawn(f"{name}.w", outputs, channels, kernel, kernel)
        return self.conv2d(x, weight, self._drawn(f"{name}.b", outputs), name=name, **options)

    def conv_transpose(self, x: Value, outputs: int, kernel: int, **options: Any) -> Value:
        name = self.numbered("up")
        weight = self._drawn(f"{name}.w", x.shape[0], outputs, kernel, kernel)
        return self.conv_transpose2d(x, weight, name=name, **options)

    def norm(self, x: Value) -> Value:
        name = self.numbered("bn")
        shape = (x.shape[0], *(1 for _ in x.shape[1:]))
        factor = self.constant(f"{name}.f", self.rng.uniform(0.5, 1.5, shape).astype(np.float32))
        offset = self.constant(f"{name}.o", self.rng.normal(0, 0.1, shape).astype(np.float32))
        return self.scale(x, factor, offset, name=name)

    def spread(self, x: Value, least: float = 0.5) -> Value:
        """Scale each channel by a number of its own, as converted networks do."""
        name = self.numbered("spread")
        shape = (x.shape[0], *(1 for _ in x.shape[1:]))
        drawn = self.rng.uniform(least, 1.5, shape).astype(np.float32)
        return self.scale(x, self.constant(f"{name}.f", drawn), name=name)

    def pool(self, x: Value, kind: str = "max", size: int = 2) -> Value:
        window = Window(kernel=(size, size), stride=(size, size))
        name = self.numbered(kind)
        pooled = self.max_pool2d if kind == "max" else self.avg_pool2d
        return pooled(x, window, name=name, loc=name)

    def neuron(self, x: Value, *, current: bool = False, **options: Any) -> Value:
        held = {"leak": 0.8, "threshold": 0.6, "current_leak": 0.7 if current else None}
        return self.neurons(x, returned=True, **(held | options))


def small_conv_net(seed: int = 0) -> Graph:
    """Conv - LIF (delayed reset, >) - max pool - conv - mean - LIF (hard reset) - fc - LIF."""
    net = NetworkBuilder(seed)
    x = net.entry(2, 8, 8)
    delayed = Reset(kind="subtract", amount=0.6, phase="next")
    s = net.neuron(net.conv(x, 4, padding=(1,) * 4), strict=True, reset=delayed)
    s = net.pool(s)
    s = net.neuron(net.pool(net.conv(s, 6, padding=(1,) * 4), "avg"), reset=Reset(kind="value"))
    return net.graph(net.neuron(net.dense(net.flatten(s), 5)))


@st.composite
def float_networks(draw: st.DrawFn) -> Graph:
    """Random networks over all network ops: branches, merges, pooling, every neuron kind."""
    net = NetworkBuilder(draw(st.integers(0, 2**16)))
    x = net.entry(draw(st.integers(1, 3)), 6, 6)
    s = _block(draw, net, x)
    if draw(st.booleans()):
        other = _block(draw, net, x, like=s)
        s = _joined(draw, net, s, other)
    s = net.spread(s) if draw(st.booleans()) else s
    s = net.pool(s, draw(st.sampled_from(["max", "avg"]))) if draw(st.booleans()) else s
    y = net.dense(net.flatten(s), draw(st.integers(1, 5)))
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
    gates = ["and", "or", "xor", "iand"] if a.type == b.type == SPIKE else []
    how = draw(st.sampled_from([*gates, "concat", "current"]))
    if how == "concat":
        return net.concat(a, b)
    if how == "current":
        currents = [net.conv(s, 3, kernel=1) for s in (a, b)]
        return net.neuron(net.sum(*currents))
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
            "reset": resets,
            "spike_phase": st.sampled_from(["same", "next"]),
            "current": st.booleans(),
            "leak_rounding": _roundings(),
            "current_rounding": _roundings(),
            "how": st.sampled_from(
                [
                    (False, RoundedLevels()),
                    (True, RoundedLevels()),
                    (True, RoundedLevels()),
                    (False, RoundedLevels(low=-1)),
                    (True, RoundedLevels(high=3)),
                    (False, RoundedLevels(high=4, rounding="half-even")),
                    (False, RoundedLevels(high=3, rounding="half-up")),
                    (False, RoundedLevels(low=-1, high=2, rounding="half-down")),
                ]
            ),
        }
    ).map(_going_together)


def _roundings() -> st.SearchStrategy[LeakRounding]:
    """Return no rounding mostly: training refuses a network with any."""
    rounded = (LeakRounding(unit=0.125, rounding=how) for how in get_args(Rounding))
    taken = LeakRounding(unit=0.0625, part="taken")
    return st.sampled_from([*[NOT_ROUNDED] * 12, *rounded, taken])


def _going_together(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with strictness and levels, a current and its rounding that go together."""
    strict, levels = options.pop("how")
    if not options["current"]:
        del options["current_rounding"]
    return {**options, "strict": strict, "levels": levels}


def spikes(graph: Graph, steps: int = 4, batch: int = 2, seed: int = 0) -> Mapping[str, Array]:
    """Random binary inputs ``[T, B, *shape]`` for every input of a graph."""
    rng = np.random.default_rng(seed)
    return {
        v.name: (rng.random((steps, batch, *v.shape)) < 0.3).astype(np.int64) for v in graph.inputs
    }
