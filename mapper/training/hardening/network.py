"""A torch network as a graph of ``mapper.ir``: what is compiled, exported and verified.

Layers that compare or convert their columns become crossbars with their readout, whose integers
are what training learned. Everything else becomes the float ops that an importer makes too, so
that the same passes take them on.
"""

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from mapper.ir.builder import GraphBuilder
from mapper.ir.core import (
    FLOAT,
    INT64,
    SPIKE,
    Array,
    Const,
    Graph,
    IntType,
    Scalar,
    State,
    Type,
    Value,
)
from mapper.ir.infer import infer_types
from mapper.ir.network import Add, Concat, Scale
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.windows import Window
from mapper.training.hardening.crossbars import digital_layer, read_layer, synapse
from mapper.training.nets.geometry import Geometry, Weighted, pair
from mapper.training.nets.layers import Hardened
from mapper.training.nets.modules import Iand, shapes_of, traced
from mapper.training.nets.neurons import LIF


def network_graph(model: nn.Module, example: Tensor, *, input: Type = SPIKE) -> Graph:
    """Return one time step of a model as a graph; its input is ``x``, its output ``y``.

    Args:
        model: Layers, neurons, pooling, batch norm; sums and concatenations between them.
        example: ``[T, B, ...]``; only its shape is looked at.
        input: What the input carries: spikes, unsigned codes, or real numbers.

    Raises:
        TypeError: A module or function that has no counterpart on the hardware.
    """
    network = traced(model)
    shapes = shapes_of(network, example[0, :1].float())
    return _Writer(network, shapes, input).run()


class _Writer:
    """The walk over one traced network: a value per node, ops in order."""

    def __init__(
        self, network: fx.GraphModule, shapes: dict[str, tuple[int, ...]], input: Type
    ) -> None:
        self.network, self.shapes, self.input = network, shapes, input
        self.values: dict[str, Value] = {}
        self.net = GraphBuilder(network.__class__.__name__)

    def run(self) -> Graph:
        outputs: tuple[Value, ...] = ()
        for node in self.network.graph.nodes:
            if node.op == "placeholder":
                x = self.net.input("x", self.shapes[node.name], self.input)
                self.values[node.name] = x
            elif node.op == "output":
                outputs = (self._output(self._operands(node)[0]),)
            elif node.op != "get_attr":
                self.values[node.name] = self._write(node)
        return infer_types(self.net.graph(*outputs, checked=False))

    def _output(self, value: Value) -> Value:
        return self.net.reshape(value, value.shape, name="y", loc="output")

    def _operands(self, node: fx.Node) -> list[Value]:
        return [self.values[n.name] for n in node.all_input_nodes]

    def _write(self, node: fx.Node) -> Value:
        operands = self._operands(node)
        if node.op == "call_module":
            module = self.network.get_submodule(str(node.target))
            return self._module(module, operands, node)
        if node.target in (operator.add, operator.iadd, torch.add, "add"):
            return self._add(operands, node)
        if node.target in (torch.cat, torch.concat):
            return self._concat(operands, node)
        if node.target in (torch.flatten, "flatten"):
            return self._flatten(operands[0], node)
        raise TypeError(f"{node.target} has no counterpart on the hardware, at {node.name!r}")

    def _module(self, module: nn.Module, operands: list[Value], node: fx.Node) -> Value:
        if isinstance(module, Iand):
            return self.net.merge("iand", *operands, name=node.name, loc=node.name)
        if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d):
            return operands[0]
        for kind, write in _WRITERS:
            if isinstance(module, kind):
                return write(self, module, operands[0], node)
        raise TypeError(
            f"{type(module).__name__} has no counterpart on the hardware, at {node.target!r}"
        )

    # --- between layers ------------------------------------------------------------------------

    def _add(self, operands: list[Value], node: fx.Node) -> Value:
        if len(operands) != 2:
            raise TypeError(f"only layers and spikes are added, at {node.name!r}")
        integers = all(isinstance(v.type, IntType) for v in operands)
        result = self._result(node, INT64 if integers else FLOAT)
        self.net.ops.append(Add(terms=tuple(operands), result=result, loc=node.name))
        return result

    def _concat(self, operands: list[Value], node: fx.Node) -> Value:
        dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        if dim != 1:
            raise TypeError(f"only channels (dim=1) are concatenated, got dim={dim}")
        type = operands[0].type
        if any(v.type != type for v in operands):
            type = INT64 if all(isinstance(v.type, IntType) for v in operands) else FLOAT
        result = self._result(node, type)
        self.net.ops.append(Concat(parts=tuple(operands), result=result, loc=node.name))
        return result

    def _flatten(self, x: Value, node: fx.Node) -> Value:
        return self.net.reshape(x, self.shapes[node.name], name=node.name, loc=node.name)

    def flatten(self, module: nn.Flatten, x: Value, node: fx.Node) -> Value:
        return self._flatten(x, node)

    def pool(self, module: nn.MaxPool2d | nn.AvgPool2d, x: Value, node: fx.Node) -> Value:
        kernel, stride = pair(module.kernel_size), pair(module.stride or module.kernel_size)
        down, across = pair(module.padding)
        window = Window(kernel=kernel, stride=stride, padding=(down, across, down, across))
        if module.ceil_mode or pair(getattr(module, "dilation", 1)) != (1, 1):
            raise TypeError(f"pooling with ceil_mode or dilation, at {node.target!r}")
        if isinstance(module, nn.MaxPool2d):
            return self.net.max_pool2d(x, window, name=node.name, loc=str(node.target))
        return self.net.avg_pool2d(x, window, name=node.name, loc=str(node.target))

    def norm(self, module: nn.BatchNorm2d | nn.BatchNorm1d, x: Value, node: fx.Node) -> Value:
        mean, variance = module.running_mean, module.running_var
        if mean is None or variance is None:
            raise TypeError(f"a batch norm without running statistics, at {node.target!r}")
        weight = module.weight if module.affine else torch.ones_like(mean)
        bias = module.bias if module.affine else torch.zeros_like(mean)
        factor = (weight.double() / (variance.double() + module.eps).sqrt()).detach()
        return self._scaled(x, factor, bias.detach().double() - mean.double() * factor, node)

    def _scaled(self, x: Value, factor: Tensor, offset: Tensor, node: fx.Node) -> Value:
        shape = (-1,) + (1,) * (len(x.shape) - 1)
        result = self._result(node, FLOAT)
        self.net.ops.append(
            Scale(
                x=x,
                factor=self._number(f"{node.name}.factor", factor.reshape(shape)),
                offset=self._number(f"{node.name}.offset", offset.reshape(shape)),
                result=result,
                loc=str(node.target),
            )
        )
        return result

    # --- neurons -------------------------------------------------------------------------------

    def neuron(self, module: LIF, x: Value, node: fx.Node) -> Value:
        leak, threshold = (float(t.detach()) for t in module.bounded())
        membrane = Value(f"{node.name}.membrane", FLOAT, x.shape)
        after = replace(membrane, name=f"{node.name}.membrane_next")
        self.net.states.append(State(read=membrane, next=after.name))
        spike = self._result(node, SPIKE) if module.spiking else None
        op = Neuron(
            x=x,
            membrane=membrane,
            membrane_next=after,
            spike=spike,
            leak=leak,
            threshold=threshold,
            reset=_reset(module, threshold),
            loc=str(node.target),
        )
        current_leak = module.bounded_current_leak()
        if current_leak is not None:
            op = self._with_current(op, float(current_leak.detach()))
        self.net.ops.append(op)
        return after if spike is None else spike

    def _with_current(self, op: Neuron, leak: float) -> Neuron:
        current = replace(op.membrane, name=op.membrane.name.replace("membrane", "current"))
        after = replace(current, name=f"{current.name}_next")
        self.net.states.append(State(read=current, next=after.name))
        return replace(
            op,
            current=current,
            current_next=after,
            current_leak=leak,
            current_input=1.0,
            current_gain=leak,
        )

    # --- layers --------------------------------------------------------------------------------

    def plain(self, module: Weighted, x: Value, node: fx.Node) -> Value:
        bias = None if module.bias is None else self._constant(f"{node.name}.bias", module.bias)
        weight = self._constant(f"{node.name}.weight", module.weight)
        result = self._result(node, FLOAT)
        op = synapse(Geometry.of(module), x, weight, bias, result, str(node.target))
        self.net.ops.append(op)
        return result

    def hardened(self, module: Hardened, x: Value, node: fx.Node) -> Value:
        """Write the crossbars and the readout of the layer's awareness."""
        offset = module.bias.detach().double()
        factor = module.real_scale().detach().double().expand_as(offset)
        shape = self.shapes[node.name]
        if not isinstance(x.type, IntType):
            raise TypeError(f"wordlines are driven by spikes or codes, not {x}, at {node.name!r}")
        sums, constants = Value(f"{node.name}.sums", INT64, shape), self.net.constants
        if module.digital:
            self.net.ops.append(digital_layer(module, x, sums, constants, str(node.target)))
        else:
            self.net.ops.extend(read_layer(module, x, sums, constants, str(node.target)))
        return self._scaled(sums, factor, offset, node)

    # --- values --------------------------------------------------------------------------------

    def _result(self, node: fx.Node, type: Type) -> Value:
        return Value(node.name, type, self.shapes[node.name])

    def _constant(self, name: str, tensor: Tensor) -> Const:
        self.net.constants[name] = np.ascontiguousarray(tensor.detach().cpu().numpy())
        self._check_finite(name, self.net.constants[name])
        return Const(name)

    def _check_finite(self, name: str, array: Array) -> None:
        if not np.isfinite(array).all():
            layer, _, what = name.removeprefix("_").rpartition(".")
            raise ValueError(
                f"{what} of {layer!r} holds values that are no numbers: training diverged"
            )

    def _number(self, name: str, tensor: Tensor) -> Scalar:
        """Return one number where all are the same, else a constant in single precision."""
        array = tensor.detach().cpu().numpy().astype(np.float32)
        self._check_finite(name, array)
        if (array == array.flat[0]).all():
            return float(array.flat[0])
        self.net.constants[name] = array
        return Const(name)


_Write = Callable[["_Writer", Any, Value, fx.Node], Value]

_WRITERS: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], _Write], ...] = (
    (Hardened, _Writer.hardened),
    (LIF, _Writer.neuron),
    ((nn.Conv2d, nn.ConvTranspose2d, nn.Linear), _Writer.plain),
    ((nn.BatchNorm2d, nn.BatchNorm1d), _Writer.norm),
    ((nn.MaxPool2d, nn.AvgPool2d), _Writer.pool),
    (nn.Flatten, _Writer.flatten),
)


def _reset(module: LIF, threshold: float) -> Reset:
    if module.reset == "none":
        return Reset()
    amount = threshold if module.reset == "subtract" else 0.0
    return Reset(kind=module.reset, amount=amount)
