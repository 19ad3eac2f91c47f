"""Write a graph layer by layer: names, shapes and types follow from what feeds each layer.

Example:
    >>> import numpy as np
    >>> from mapper.ir.builder import GraphBuilder
    >>> net = GraphBuilder("two-layers")
    >>> x = net.input("x", (2, 8, 8))
    >>> weight = np.ones((4, 2, 3, 3), np.float32)
    >>> spikes = net.neurons(net.conv2d(x, weight, padding=(1, 1, 1, 1)), leak=0.75)
    >>> net.output(net.linear(net.flatten(spikes), np.ones((10, 256), np.float32)))
    >>> [op.mnemonic for op in net.graph().ops]
    ['net.conv2d', 'net.neuron', 'net.reshape', 'net.linear']
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from mapper.ir.core import (
    FLOAT,
    INT64,
    SPIKE,
    Array,
    Coding,
    Const,
    Graph,
    IntType,
    Op,
    Scalar,
    State,
    Type,
    Value,
)
from mapper.ir.frozen import exactly
from mapper.ir.infer import settled
from mapper.ir.levels import ONE_TRAINED_SPIKE
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    MaxPool2d,
    Merge,
    MergeKind,
    Reshape,
    Scale,
    SumPool2d,
    Take,
    Transpose,
)
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.products import MatMul, Multiply
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear
from mapper.ir.verify import InvalidIR, broken_rules
from mapper.ir.windows import Window


class GraphBuilder:
    """A graph under construction; every method that adds a layer returns its result.

    Layers of float weights give reals, layers of integer weights the narrowest integers that their
    sums fit. A layer is named after its kind and its place among the ops, or by ``name``; constants
    are ``NAME.weight`` and so on. ``loc`` is the node of a source model that a layer comes from.

    The parts so far (``inputs``, ``outputs``, ``states``, ``ops``, ``constants``) may be looked at
    and added to; ``graph`` makes the graph of them and checks it.

    Args:
        name: Of the graph.
        reserved: Names that no value may get, such as those of a source model's ports.
    """

    def __init__(self, name: str = "net", reserved: Iterable[str] = ()) -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.states: list[State] = []
        self.ops: list[Op] = []
        self.constants: dict[str, Array] = {}
        self.codings: dict[str, Coding] = {}
        self._names = set(reserved)

    def graph(self, *outputs: Value, checked: bool = True) -> Graph:
        """Return the graph of all that was added; ``outputs`` come after those named before.

        Raises:
            InvalidIR: A rule of the graph or of an op is broken.
        """
        graph = Graph(
            name=self.name,
            inputs=tuple(self.inputs),
            outputs=(*self.outputs, *outputs),
            states=tuple(self.states),
            ops=tuple(self.ops),
            constants=self.constants,
            codings=self.codings,
        )
        if checked and (shown := broken_rules(graph)):
            raise InvalidIR(f"the graph that was written breaks rules\n{shown}")
        return graph

    # --- names, numbers and ports ------------------------------------------------------------

    def unique(self, name: str) -> str:
        """Return ``name``, or the first of ``name.1``, ``name.2``, ... that was not given yet."""
        if name not in self._names:
            self._names.add(name)
            return name
        tries = (f"{name}.{k}" for k in count(1))
        return self.unique(next(n for n in tries if n not in self._names))

    def numbered(self, kind: str) -> str:
        """Return how a layer of a kind is called by default: ``conv3`` for the fourth op."""
        return f"{kind}{len(self.ops)}"

    def release(self, name: str) -> None:
        """Let ``name``, reserved until now, be given."""
        self._names.discard(name)

    def reserve(self, name: str) -> None:
        self._names.add(name)

    def fresh(self, name: str, type: Type, shape: Sequence[int]) -> Value:
        """Return a value that no op writes yet, under ``unique(name)``."""
        return Value(self.unique(name), type, tuple(shape))

    def constant(self, name: str, array: Any) -> Const:
        """Store an array; under a name that has other numbers it is ``name.1``, ``name.2``, ..."""
        array = np.asarray(array)
        for k in count():
            tried = f"{name}.{k}" if k else name
            stored = self.constants.setdefault(tried, array)
            if stored is array or exactly(stored, array):
                return Const(tried)
        raise AssertionError  # count() does not end

    def scalar(self, name: str, number: Any) -> Any:
        """Return a Python number or a ``Const`` as it is; store anything else as a constant."""
        return number if isinstance(number, int | float | Const) else self.constant(name, number)

    def input(self, name: str, shape: Sequence[int], type: Type = SPIKE) -> Value:
        value = Value(name, type, tuple(shape))
        self.inputs.append(value)
        return value

    def output(self, *values: Value) -> None:
        """Make results outputs of the graph, in this order."""
        self.outputs.extend(values)

    def state(
        self, name: str, shape: Sequence[int], type: Type, initial: Any = 0, output: str = ""
    ) -> Value:
        """Add what is remembered between steps; ``follow`` says what it is in the next one."""
        read = Value(name, type, tuple(shape))
        start = self.scalar(f"{name}.initial", initial)
        self.states.append(State(read=read, next="", initial=start, output=output))
        return read

    def follow(self, state: Value, following: Value) -> None:
        """Say which value a state has in the next step."""
        at = next(i for i, s in enumerate(self.states) if s.read == state)
        self.states[at] = replace(self.states[at], next=following.name)

    def add(self, op: Op) -> Value:
        """Add any op; return its first result, with the narrowest type that is proved for it.

        Raises:
            InvalidIR: The op breaks a rule of its own, such as weights of another width than ``x``.
        """
        op = settled(op, self.constants)
        if problem := next(op.verify(self.constants), ""):
            raise InvalidIR(f"{op.mnemonic} {op.results[0].name!r}: {problem}")
        self.ops.append(op)
        return op.results[0]

    # --- layers with weights, and neurons ------------------------------------------------

    def conv2d(self, x: Value, weight: Any, bias: Any = None, **fields: Any) -> Value:
        """Convolve ``x[C, H, W]`` with ``weight[N, C / groups, kh, kw]``.

        ``fields`` are ``name``, ``loc`` and those of ``Conv2d``: ``stride``, ``padding`` (top,
        left, bottom, right), ``dilation``, ``groups``.
        """
        outputs = self._array(weight).shape[0]
        return self._convolved(Conv2d, "conv", x, weight, bias, outputs, **fields)

    def conv_transpose2d(self, x: Value, weight: Any, bias: Any = None, **fields: Any) -> Value:
        """Convolve transposed: ``weight[C, N / groups, kh, kw]``; ``fields`` as for ``conv2d``."""
        outputs = self._array(weight).shape[1] * fields.get("groups", 1)
        return self._convolved(ConvTranspose2d, "up", x, weight, bias, outputs, **fields)

    def _convolved(
        self,
        kind: type[Conv2d] | type[ConvTranspose2d],
        called: str,
        x: Value,
        weight: Any,
        bias: Any,
        outputs: int,
        *,
        name: str = "",
        loc: str = "",
        **fields: Any,
    ) -> Value:
        name = name or self.numbered(called)
        array = self._array(weight)
        op = kind(
            x=x,
            weight=self._weight(f"{name}.weight", weight),
            bias=None if bias is None else self._weight(f"{name}.bias", bias),
            result=Value(name, _sum_type(array), (outputs, 1, 1)),
            kernel=(array.shape[2], array.shape[3]),
            loc=loc or name,
            **fields,
        )
        shape = (outputs, *op.window.output_size(x.shape[1], x.shape[2]))
        return self.add(replace(op, result=replace(op.result, shape=shape)))

    def linear(
        self, x: Value, weight: Any, bias: Any = None, *, name: str = "", loc: str = ""
    ) -> Value:
        """Multiply ``x[K]`` by ``weight[N, K]``."""
        name = name or self.numbered("fc")
        array = self._array(weight, axes=2)
        op = Linear(
            x=x,
            weight=self._weight(f"{name}.weight", weight),
            bias=None if bias is None else self._weight(f"{name}.bias", bias),
            result=Value(name, _sum_type(array), (array.shape[0],)),
            loc=loc or name,
        )
        return self.add(op)

    def _array(self, weight: Any, axes: int = 4) -> Array:
        array = self.constants[weight.name] if isinstance(weight, Const) else np.asarray(weight)
        if array.ndim != axes:
            raise InvalidIR(f"weights of this layer have {axes} axes, got shape {array.shape}")
        return array

    def _weight(self, name: str, weight: Any) -> Const:
        return weight if isinstance(weight, Const) else self.constant(name, weight)

    def neurons(
        self,
        x: Value,
        *,
        leak: Scalar = 1.0,
        threshold: Scalar = 1.0,
        reset: Reset | None = None,
        current_leak: Scalar | None = None,
        fires: bool = True,
        returned: bool = False,
        name: str = "",
        loc: str = "",
        **fields: Any,
    ) -> Value:
        """Add float neurons; return their spikes, or membranes ``[*x.shape]`` where none fires.

        Args:
            x: What drives them.
            leak: Share of the membrane that stays from step to step, 0..1.
            threshold: Where they fire.
            reset: By default the threshold is subtracted at once.
            current_leak: With it there is a synaptic current ``i = current_leak * i + x`` that
                drives the membrane with its new value.
            fires: False for integrators.
            returned: Whether the source model returns its states, as ``NAME.v_out``.
            name: Of the layer; its spikes are ``NAME.s``, its states ``NAME.v`` and ``NAME.i``.
            loc: Where it comes from.
            fields: Other fields of ``Neuron``.
        """
        name = name or self.numbered("lif")
        if reset is None:
            reset = Reset(kind="subtract", amount=threshold) if fires else Reset()
        membrane, after = self._remembered(f"{name}.v", x, returned)
        if current_leak is not None:
            current, current_after = self._remembered(f"{name}.i", x, returned)
            fields = {
                "current": current,
                "current_next": current_after,
                "current_leak": current_leak,
                "current_input": 1.0,
                "current_gain": current_leak,
                **fields,
            }
        given = fields.get("levels", ONE_TRAINED_SPIKE)
        op = Neuron(
            x=x,
            membrane=membrane,
            membrane_next=after,
            spike=Value(f"{name}.s", given.type, x.shape) if fires else None,
            leak=leak,
            threshold=threshold,
            reset=reset,
            loc=loc or name,
            **fields,
        )
        self.ops.append(op)
        return after if op.spike is None else op.spike

    def _remembered(self, name: str, x: Value, returned: bool) -> tuple[Value, Value]:
        read = self.state(name, x.shape, FLOAT, output=f"{name}_out" if returned else "")
        after = Value(f"{name}_next", FLOAT, x.shape)
        self.follow(read, after)
        return read, after

    # --- layers without weights --------------------------------------------------------------

    def scale(
        self, x: Value, factor: Any = 1.0, offset: Any = 0.0, *, name: str = "", loc: str = ""
    ) -> Value:
        """Return reals ``x * factor + offset``: numbers, or arrays that broadcast to ``x``."""
        name = name or self.numbered("scale")
        op = Scale(
            x=x,
            factor=self.scalar(f"{name}.factor", factor),
            offset=self.scalar(f"{name}.offset", offset),
            result=Value(name, FLOAT, x.shape),
            loc=loc or name,
        )
        return self.add(op)

    def sum(self, *terms: Value, name: str = "", loc: str = "") -> Value:
        """Add values of one shape: integers where all are, else reals."""
        result = Value(name or self.numbered("sum"), _common(terms), terms[0].shape)
        return self.add(Add(terms=terms, result=result, loc=loc or result.name))

    def merge(self, kind: MergeKind, a: Value, b: Value, *, name: str = "", loc: str = "") -> Value:
        """Combine spikes by a gate: ``and``, ``or``, ``xor`` or ``iand`` (not ``a``, but ``b``)."""
        result = Value(name or self.numbered(kind), SPIKE, a.shape)
        return self.add(Merge(kind=kind, a=a, b=b, result=result, loc=loc))

    def multiply(self, a: Value, b: Value, *, name: str = "", loc: str = "") -> Value:
        """Multiply values of one shape: integers where both are, else reals."""
        result = Value(name or self.numbered("product"), _common((a, b)), a.shape)
        return self.add(Multiply(a=a, b=b, result=result, loc=loc))

    def matmul(self, a: Value, b: Value, *, name: str = "", loc: str = "") -> Value:
        """Multiply matrices ``a[.., n, k]`` and ``b[.., k, m]``."""
        shape = (*a.shape[:-1], b.shape[-1])
        result = Value(name or self.numbered("product"), _common((a, b)), shape)
        return self.add(MatMul(a=a, b=b, result=result, loc=loc))

    def max_pool2d(self, x: Value, window: Window, *, name: str = "", loc: str = "") -> Value:
        result = self._pooled(x, window, x.type, name or self.numbered("max"))
        return self.add(MaxPool2d(x=x, window=window, result=result, loc=loc))

    def avg_pool2d(self, x: Value, window: Window, *, name: str = "", loc: str = "") -> Value:
        """Return means as reals; elements outside count as zeros."""
        result = self._pooled(x, window, FLOAT, name or self.numbered("avg"))
        return self.add(AvgPool2d(x=x, window=window, result=result, loc=loc))

    def sum_pool2d(self, x: Value, window: Window, *, name: str = "", loc: str = "") -> Value:
        result = self._pooled(x, window, _common((x,)), name or self.numbered("pool"))
        return self.add(SumPool2d(x=x, window=window, result=result, loc=loc))

    def _pooled(self, x: Value, window: Window, type: Type, name: str) -> Value:
        return Value(name, type, (x.shape[0], *window.output_size(x.shape[1], x.shape[2])))

    def reshape(self, x: Value, shape: Sequence[int], *, name: str = "", loc: str = "") -> Value:
        result = Value(name or self.numbered("flat"), x.type, tuple(shape))
        return self.add(Reshape(x=x, result=result, loc=loc))

    def flatten(self, x: Value, *, name: str = "", loc: str = "") -> Value:
        return self.reshape(x, (int(np.prod(x.shape)),), name=name, loc=loc)

    def transpose(self, x: Value, order: Sequence[int], *, name: str = "", loc: str = "") -> Value:
        shape = tuple(x.shape[axis] for axis in order)
        result = Value(name or self.numbered("turned"), x.type, shape)
        return self.add(Transpose(x=x, order=tuple(order), result=result, loc=loc))

    def take(
        self, x: Value, indices: Sequence[int], axis: int = 0, *, name: str = "", loc: str = ""
    ) -> Value:
        """Return elements of one axis by number: left out, repeated, in another order."""
        shape = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
        result = Value(name or self.numbered("taken"), x.type, shape)
        return self.add(Take(x=x, indices=tuple(indices), axis=axis, result=result, loc=loc))

    def concat(self, *parts: Value, axis: int = 0, name: str = "", loc: str = "") -> Value:
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        result = Value(name or self.numbered("cat"), _joined(parts), tuple(shape))
        return self.add(Concat(parts=parts, axis=axis, result=result, loc=loc))


def _sum_type(weight: Array) -> Type:
    """Return the type of a layer's sums before it is settled: integers of integer weights."""
    return INT64 if weight.dtype.kind in "iub" else FLOAT


def _common(values: Sequence[Value]) -> Type:
    return INT64 if all(isinstance(value.type, IntType) for value in values) else FLOAT


def _joined(parts: Sequence[Value]) -> Type:
    kinds = {part.type for part in parts}
    return kinds.pop() if len(kinds) == 1 else _common(parts)
