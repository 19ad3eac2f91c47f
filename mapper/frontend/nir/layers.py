"""Layers without state: weights, pools, shapes. Each becomes the network op of the same meaning."""

import math
from collections.abc import Callable, Mapping

from mapper.diagnostics import refuse
from mapper.frontend.nir.file import Node
from mapper.frontend.nir.neurons import Shape, spread, without_batch
from mapper.frontend.onnx.constants import MAX_ELEMENTS
from mapper.frontend.write.writer import OpWriter
from mapper.ir.core import FLOAT, Array, Const, IntType, Type, Value
from mapper.ir.network import AvgPool2d, Reshape, Scale, SumPool2d
from mapper.ir.synapses import Conv2d, Linear
from mapper.ir.windows import Pair, Sides, Window

Named = Callable[[str, Type, Shape], Value]
"""Makes the value of a node's result: its field in our own metadata, its type, its shape."""


class LayerWriter:
    """Writes the ops of one node that holds no state."""

    def __init__(self, name: str, node: Node, out: OpWriter, result: Named) -> None:
        self.name = name
        self.node = node
        self.out = out
        self.result = result

    def write(self, x: Value) -> Value:
        """Write the node's ops for an input and return its output.

        Raises:
            MappingError: ``unsupported-op`` for a node type or geometry that is not supported;
                ``invalid-model`` for one that cannot be; ``model-too-large``.
        """
        writers: Mapping[str, Callable[[Value], Value]] = {
            "Affine": self._linear,
            "Linear": self._linear,
            "Scale": self._scale,
            "Conv1d": self._conv1d,
            "Conv2d": self._conv2d,
            "SumPool2d": self._pool,
            "AvgPool2d": self._pool,
            "Flatten": self._flatten,
        }
        kind = self.node.kind
        if kind not in writers:
            is_neuron = kind.endswith(("IF", "LI"))
            raise refuse(
                "unsupported-neuron" if is_neuron else "unsupported-op",
                f"NIR nodes of type {kind[:60]!r} are not supported",
                loc=self.node.loc,
                help="supported are: I, LI, IF, LIF, CubaLI, CubaLIF, Threshold, Delay, "
                + ", ".join(sorted(writers)),
            )
        return writers[kind](x)

    def _linear(self, x: Value) -> Value:
        weight = self.node.weight()
        x = self._of_rank(x, 1)
        if weight.ndim != 2:
            raise self._unsupported(f"weights of shape {weight.shape}; two axes are supported")
        if x.shape != weight.shape[1:]:
            raise self._invalid(f"its weights take {weight.shape[1]} inputs, got {x.shape}")
        held, bias = self._weights(weight)
        result = self._checked("result", FLOAT, weight.shape[:1])
        self.out.add(Linear(loc=self.node.loc, x=x, weight=held, bias=bias, result=result))
        return result

    def _weights(self, weight: Array) -> tuple[Const, Const | None]:
        metadata = self.node.metadata
        names = [metadata.get(f"names.{key}") for key in ("weight", "bias")]
        held = self.out.constant(_text_or(names[0], f"{self.name}.weight"), weight)
        has_bias = self.node.kind in ("Affine", "Conv1d", "Conv2d") or "bias" in self.node.fields
        if not has_bias or metadata.get("bias") == "none" or "bias" not in self.node.fields:
            return held, None
        bias = self.node.array("bias")
        if bias.shape != weight.shape[:1]:
            raise self._invalid(f"its bias has shape {bias.shape}, the weights {weight.shape}")
        return held, self.out.constant(_text_or(names[1], f"{self.name}.bias"), bias)

    def _scale(self, x: Value) -> Value:
        factor = spread(self.node.array("scale"), x.shape, "scale", self.node)
        result = self._checked("result", FLOAT, x.shape)
        name = _text_or(self.node.metadata.get("names.factor"), f"{self.name}.scale")
        self.out.add(
            Scale(loc=self.node.loc, x=x, factor=self.out.parameter(name, factor), result=result)
        )
        return result

    # --- windows -----------------------------------------------------------------------------

    def _conv1d(self, x: Value) -> Value:
        weight = self.node.weight()
        x = self._of_rank(x, 2)
        if weight.ndim != 3 or len(x.shape) != 2:
            raise self._invalid(f"weights {weight.shape} do not fit an input of {x.shape}")
        self._check_input_shape(x.shape[1:])
        plane = self._checked("x", x.type, (x.shape[0], 1, x.shape[1]))
        self.out.add(Reshape(loc=self.node.loc, x=x, result=plane))
        window = self._window((1, weight.shape[2]), axes=1)
        made = self._convolve(plane, weight[:, :, None], window, "plane")
        result = self._checked("result", FLOAT, (made.shape[0], made.shape[2]))
        self.out.add(Reshape(loc=self.node.loc, x=made, result=result))
        return result

    def _conv2d(self, x: Value) -> Value:
        weight = self.node.weight()
        x = self._of_rank(x, 3)
        if weight.ndim != 4 or len(x.shape) != 3:
            raise self._invalid(f"weights {weight.shape} do not fit an input of {x.shape}")
        self._check_input_shape(x.shape[1:])
        window = self._window((weight.shape[2], weight.shape[3]), axes=2)
        return self._convolve(x, weight, window, "result")

    def _convolve(self, x: Value, weight: Array, window: Window, field: str) -> Value:
        groups = self.node.integers("groups") if "groups" in self.node.fields else (1,)
        count, channels = groups[0], x.shape[0]
        if count < 1 or channels % count or weight.shape[0] % count:
            raise self._invalid(f"{channels} and {weight.shape[0]} channels in {count} groups")
        if weight.shape[1] * count != channels:
            raise self._invalid(
                f"weights {weight.shape} in {count} groups take other than {channels} channels"
            )
        size = self._positions(x, window)
        held, bias = self._weights(weight)
        result = self._checked(field, FLOAT, (weight.shape[0], *size))
        self.out.add(
            Conv2d(
                loc=self.node.loc,
                x=x,
                weight=held,
                bias=bias,
                result=result,
                kernel=window.kernel,
                stride=window.stride,
                padding=window.padding,
                dilation=window.dilation,
                groups=count,
            )
        )
        return result

    def _pool(self, x: Value) -> Value:
        x = self._of_rank(x, 3)
        if len(x.shape) != 3:
            raise self._invalid(f"it takes three axes, got {x.shape}")
        kernel = self._pair("kernel_size", 2)
        window = self._window(kernel, axes=2)
        shape = (x.shape[0], *self._positions(x, window))
        if self.node.kind == "AvgPool2d":
            result = self._checked("result", FLOAT, shape)
            self.out.add(AvgPool2d(loc=self.node.loc, x=x, window=window, result=result))
            return result
        area = math.prod(kernel)
        type: Type = FLOAT
        if isinstance(x.type, IntType):
            type = IntType.spanning(min(0, area * x.type.min), area * x.type.max)
        result = self._checked("result", type, shape)
        self.out.add(SumPool2d(loc=self.node.loc, x=x, window=window, result=result))
        return result

    def _positions(self, x: Value, window: Window) -> Pair:
        if problems := window.problems():
            raise self._invalid(problems[0])
        size = window.output_size(*x.shape[1:])
        if min(size) < 1:
            raise self._invalid(f"window {window.kernel} does not fit into {x.shape[1:]}")
        if problem := next(window.size_problems(x.shape), ""):
            raise refuse("model-too-large", problem, loc=self.node.loc)
        return size

    def _window(self, kernel: Pair, axes: int) -> Window:
        stride, dilation = self._pair("stride", axes), self._pair("dilation", axes)
        return Window(
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            padding=self._padding(kernel, stride, dilation, axes),
        )

    def _pair(self, field: str, axes: int) -> Pair:
        """Return a size per axis; one number stands for all, and the first axis may be missing."""
        found = self.node.integers(field) if field in self.node.fields else (1,)
        if len(found) not in (1, axes):
            raise self._invalid(f"'{field}' is {found[:4]}, expected {axes} numbers")
        pair = found * axes if len(found) == 1 else found
        none = 0 if field == "padding" else 1
        return (none, pair[0]) if axes == 1 else (pair[0], pair[1])

    def _padding(self, kernel: Pair, stride: Pair, dilation: Pair, axes: int) -> Sides:
        held = self.node.fields.get("padding")
        if not isinstance(held, str):
            down, across = self._pair("padding", axes) if held is not None else (0, 0)
            if min(down, across) < 0:
                raise self._invalid(f"padding ({down}, {across}) is below 0")
            return (down, across, down, across)
        if held == "valid":
            return (0, 0, 0, 0)
        if held != "same":
            raise self._invalid(f"padding is {held[:40]!r}, neither 'same' nor 'valid'")
        if max(stride) > 1:
            raise self._unsupported("padding 'same' with a stride: libraries differ in it")
        down, across = ((k - 1) * d for k, d in zip(kernel, dilation, strict=True))
        return (down // 2, across // 2, down - down // 2, across - across // 2)

    def _check_input_shape(self, size: Shape) -> None:
        if "input_shape" not in self.node.fields:
            return
        held = self.node.integers("input_shape")
        if held != size and held != size[-len(held) :]:
            raise self._invalid(f"it is for inputs of {held}, got {size}")

    # --- shapes ------------------------------------------------------------------------------

    def _flatten(self, x: Value) -> Value:
        rank = len(x.shape)
        first, last = (
            self.node.integers(n)[0] if n in self.node.fields else default
            for n, default in (("start_dim", 1), ("end_dim", -1))
        )
        start, end = (n + rank if n < 0 else n for n in (first, last))
        if rank == 1 and start in (0, 1):
            return x
        if not 0 <= start <= end < rank:
            raise self._invalid(f"axes {first}..{last} of {rank} are flattened")
        middle = math.prod(x.shape[start : end + 1])
        shape = (*x.shape[:start], middle, *x.shape[end + 1 :])
        if shape == x.shape:
            return x
        result = self._checked("result", x.type, shape)
        self.out.add(Reshape(loc=self.node.loc, x=x, result=result))
        return result

    def _of_rank(self, x: Value, rank: int) -> Value:
        """Take away leading axes of one: a batch axis that a library wrote along."""
        shape = without_batch(x.shape, rank)
        if shape == x.shape:
            return x
        result = self.out.fresh(f"{self.name}.x", x.type, shape)
        self.out.add(Reshape(loc=self.node.loc, x=x, result=result))
        return result

    def _checked(self, field: str, type: Type, shape: Shape) -> Value:
        if math.prod(shape) > MAX_ELEMENTS:
            raise refuse(
                "model-too-large",
                f"its result has {math.prod(shape)} elements, at most {MAX_ELEMENTS}",
                loc=self.node.loc,
            )
        return self.result(field, type, shape)

    def _invalid(self, message: str) -> Exception:
        return refuse("invalid-model", message, loc=self.node.loc)

    def _unsupported(self, message: str) -> Exception:
        return refuse("unsupported-op", message, loc=self.node.loc)


def _text_or(held: object, default: str) -> str:
    return held if isinstance(held, str) else default
