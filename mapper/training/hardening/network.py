"""A torch network as a graph of ``mapper.ir``: what is compiled, exported and verified.

Layers that compare or convert their columns become crossbars with their readout, whose integers
are what training learned. Everything else becomes the float ops that an importer makes too, so
that the same passes take them on.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from mapper.diagnostics import Diagnostic, MappingError
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import (
    FLOAT,
    INT64,
    SPIKE,
    Array,
    Const,
    Graph,
    Op,
    Scalar,
    State,
    Type,
    Value,
)
from mapper.ir.infer import infer_types
from mapper.ir.network import Add, Concat, Scale
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.products import MatMul, Multiply
from mapper.ir.windows import Window
from mapper.training.hardening import rules
from mapper.training.hardening.crossbars import digital_layer, read_layer, synapse
from mapper.training.nets.geometry import Geometry, Weighted, pair
from mapper.training.nets.imported import Rearranged
from mapper.training.nets.layers import Hardened
from mapper.training.nets.modules import (
    Gate,
    flatten_help,
    is_about_shapes,
    place_of,
    shapes_of,
    traced,
    used_directly,
    value_of,
    words_for,
)
from mapper.training.nets.neurons import LIF
from mapper.training.nets.refused import TrainingError, refused


def network_graph(model: nn.Module, example: Tensor, *, input: Type = SPIKE) -> Graph:
    """Return one time step of a model as a graph; its input is ``x``, its output ``y``.

    Args:
        model: Layers, neurons, pooling, batch norm; sums and concatenations between them.
        example: ``[T, B, ...]``; only its shape is looked at.
        input: What the input carries: spikes, unsigned codes, or real numbers.

    Raises:
        TrainingError: Modules and functions that have no counterpart on the hardware, all of
            them; a shape that a module cannot take; weights that are no numbers.
    """
    network = traced(model)
    types, problems = judged(network, input)
    if problems:
        raise TrainingError(problems)
    shapes = shapes_of(network, example[0, :1].float())
    return _Writer(network, shapes, types).run()


def judged(
    network: fx.GraphModule, input: Type
) -> tuple[dict[str, rules.Carried], list[Diagnostic]]:
    """Return what each node of a traced network carries, and what the hardware cannot compute.

    Asked by ``harden``, by evaluation and by export alike; shapes are not looked at.
    """
    types: dict[str, rules.Carried] = {}
    problems: list[Diagnostic] = []
    for node in network.graph.nodes:
        if node.op == "placeholder":
            types[node.name] = input
        elif node.op == "get_attr":
            problems.append(used_directly(node))
        elif node.op != "output" and not is_about_shapes(node):
            types[node.name] = None
            try:
                called, row = _row(network, node)
                types[node.name] = row.rule(
                    called, node, [types.get(n.name) for n in _inputs(node)]
                )
            except MappingError as error:
                problems += [_at(d, node) for d in error.diagnostics]
    return types, problems


def _at(problem: Diagnostic, node: fx.Node) -> Diagnostic:
    return replace(problem, message=f"{problem.message}, at {words_for(node)}", loc=place_of(node))


def _row(network: fx.GraphModule, node: fx.Node) -> "tuple[Any, Counterpart]":
    """Return what a node calls, and its row of the table."""
    called = node.target
    if node.op == "call_module":
        called = network.get_submodule(str(node.target))
    for row in COUNTERPARTS:
        if node.op == "call_module" and isinstance(called, row.modules):
            return called, row
        if node.op != "call_module" and called in row.functions:
            return called, row
    kind = type(called) if node.op == "call_module" else called
    raise refused(
        "unsupported-op",
        f"{getattr(kind, '__name__', kind)} has no counterpart on the hardware",
        help=flatten_help(called),
    )


def _inputs(node: fx.Node) -> list[fx.Node]:
    """Return the operands of a node in their order, one that is used twice twice."""
    found: list[fx.Node] = []
    fx.map_arg((node.args, node.kwargs), found.append)
    return found


class _Writer:
    """The walk over one traced network: a value per node, ops in order."""

    def __init__(
        self,
        network: fx.GraphModule,
        shapes: dict[str, tuple[int, ...]],
        types: dict[str, rules.Carried],
    ) -> None:
        self.network, self.shapes, self.types = network, shapes, types
        self.values: dict[str, Value] = {}
        self.net = GraphBuilder(network.__class__.__name__)

    def run(self) -> Graph:
        outputs: tuple[Value, ...] = ()
        for node in self.network.graph.nodes:
            if node.op == "placeholder":
                x = self.net.input("x", self.shapes[node.name], self._type(node))
                self.values[node.name] = x
            elif node.op == "output":
                value = self._operands(node)[0]
                outputs = (self.net.reshape(value, value.shape, name="y", loc="output"),)
            elif node.name in self.types:
                called, row = _row(self.network, node)
                self.values[node.name] = row.write(self, called, self._operands(node), node)
        return infer_types(self.net.graph(*outputs, checked=False))

    def _operands(self, node: fx.Node) -> list[Value]:
        return [self.values[n.name] for n in _inputs(node)]

    # --- between layers ------------------------------------------------------------------------

    def add(self, called: Any, operands: list[Value], node: fx.Node) -> Value:
        result = self._result(node, self._type(node))
        self._check_shapes(operands, result, node)
        return self._put(Add(terms=tuple(operands), result=result, loc=node.name))

    def multiply(self, called: Any, operands: list[Value], node: fx.Node) -> Value:
        result = self._result(node, self._type(node))
        self._check_shapes(operands, result, node)
        return self._put(Multiply(a=operands[0], b=operands[1], result=result, loc=node.name))

    def matmul(self, called: Any, operands: list[Value], node: fx.Node) -> Value:
        (a, b), result = operands, self._result(node, self._type(node))
        return self._put(MatMul(a=a, b=b, result=result, loc=node.name))

    def concat(self, called: Any, operands: list[Value], node: fx.Node) -> Value:
        result = self._result(node, self._type(node))
        return self._put(Concat(parts=tuple(operands), result=result, loc=node.name))

    def gate(self, module: Gate, operands: list[Value], node: fx.Node) -> Value:
        self._check_shapes(operands, self._result(node, SPIKE), node)
        return self.net.merge(module.kind, *operands, name=value_of(node), loc=node.name)

    def same(self, called: Any, operands: list[Value], node: fx.Node) -> Value:
        return operands[0]

    def flatten(self, called: Any, operands: list[Value], node: fx.Node) -> Value:
        return self.net.reshape(
            operands[0], self.shapes[node.name], name=value_of(node), loc=node.name
        )

    def rearranged(self, module: Rearranged, operands: list[Value], node: fx.Node) -> Value:
        (x,), result = operands, self._result(node, self._type(node))
        return self._put(replace(module.written(x, result), loc=str(node.target)))

    def _put(self, op: Op) -> Value:
        self.net.ops.append(op)
        return op.results[0]

    def _check_shapes(self, operands: list[Value], result: Value, node: fx.Node) -> None:
        """Refuse what torch would repeat along an axis: each element has an adder of its own."""
        if all(x.shape == result.shape for x in operands):
            return
        shapes = " and ".join(str(list(x.shape)) for x in operands)
        problem = Diagnostic(code="input-shape", message=f"joins tensors of shapes {shapes}")
        raise TrainingError([_at(problem, node)])

    def pool(
        self, module: nn.MaxPool2d | nn.AvgPool2d, operands: list[Value], node: fx.Node
    ) -> Value:
        x, told = operands[0], {"name": value_of(node), "loc": str(node.target)}
        kernel, stride = pair(module.kernel_size), pair(module.stride or module.kernel_size)
        down, across = pair(module.padding)
        window = Window(kernel=kernel, stride=stride, padding=(down, across, down, across))
        if isinstance(module, nn.MaxPool2d):
            return self.net.max_pool2d(x, window, **told)
        if rules.sums_windows(module):
            return self.net.sum_pool2d(x, window, **told)
        return self.net.avg_pool2d(x, window, **told)

    def norm(
        self, module: nn.BatchNorm2d | nn.BatchNorm1d, operands: list[Value], node: fx.Node
    ) -> Value:
        (x,), mean, variance = operands, module.running_mean, module.running_var
        assert mean is not None
        assert variance is not None
        weight = module.weight if module.affine else torch.ones_like(mean)
        bias = module.bias if module.affine else torch.zeros_like(mean)
        factor = (weight.double() / (variance.double() + module.eps).sqrt()).detach()
        return self._scaled(x, factor, bias.detach().double() - mean.double() * factor, node)

    def _scaled(self, x: Value, factor: Tensor, offset: Tensor, node: fx.Node) -> Value:
        shape = (-1,) + (1,) * (len(x.shape) - 1)
        return self._put(
            Scale(
                x=x,
                factor=self._number(f"{node.name}.factor", factor.reshape(shape)),
                offset=self._number(f"{node.name}.offset", offset.reshape(shape)),
                result=self._result(node, FLOAT),
                loc=str(node.target),
            )
        )

    # --- neurons -------------------------------------------------------------------------------

    def neuron(self, module: LIF, operands: list[Value], node: fx.Node) -> Value:
        (x,) = operands
        numbers: dict[str, Any] = {
            name: self._number(f"{node.name}.{name}", number)
            for name, number in module.numbers().items()
        }
        membrane, after = self._state(node, "membrane", x)
        current = current_next = None
        if module.current_leak is not None:
            current, current_next = self._state(node, "current", x)
        spike = self._result(node, SPIKE) if module.spiking else None
        op = Neuron(
            x=x,
            membrane=membrane,
            current=current,
            spike=spike,
            membrane_next=after,
            current_next=current_next,
            strict=module.strict,
            spike_phase=module.spike_phase,
            reset=self._reset(module, node),
            loc=str(node.target),
            **numbers,
        )
        self.net.ops.append(op)
        return after if spike is None else spike

    def _state(self, node: fx.Node, what: str, x: Value) -> tuple[Value, Value]:
        """Return a state of neurons as a step finds it, and as it leaves it."""
        before = Value(f"{node.name}.{what}", FLOAT, x.shape)
        after = replace(before, name=f"{before.name}_next")
        self.net.states.append(State(read=before, next=after.name))
        return before, after

    def _reset(self, module: LIF, node: fx.Node) -> Reset:
        if module.reset == "none":
            return Reset()
        amount = self._number(f"{node.name}.reset", module.reset_amount())
        return Reset(kind=module.reset, amount=amount, phase=module.phase)

    # --- layers --------------------------------------------------------------------------------

    def plain(self, module: Weighted, operands: list[Value], node: fx.Node) -> Value:
        bias = None if module.bias is None else self._constant(f"{node.name}.bias", module.bias)
        weight = self._constant(f"{node.name}.weight", module.weight)
        result = self._result(node, FLOAT)
        geometry = Geometry.of(module)
        return self._put(synapse(geometry, operands[0], weight, bias, result, str(node.target)))

    def hardened(self, module: Hardened, operands: list[Value], node: fx.Node) -> Value:
        """Write the crossbars and the readout of the layer's awareness."""
        (x,) = operands
        offset = module.bias.detach().double()
        factor = module.real_scale().detach().double().expand_as(offset)
        shape = self.shapes[node.name]
        sums, constants = Value(f"{node.name}.sums", INT64, shape), self.net.constants
        if module.digital:
            self.net.ops.append(digital_layer(module, x, sums, constants, str(node.target)))
        else:
            self.net.ops.extend(read_layer(module, x, sums, constants, str(node.target)))
        return self._scaled(sums, factor, offset, node)

    # --- values --------------------------------------------------------------------------------

    def _type(self, node: fx.Node) -> Type:
        type = self.types[node.name]
        assert type is not None, "what is not known was refused"
        return type

    def _result(self, node: fx.Node, type: Type) -> Value:
        return Value(value_of(node), type, self.shapes[node.name])

    def _constant(self, name: str, tensor: Tensor) -> Const:
        self.net.constants[name] = np.ascontiguousarray(tensor.detach().cpu().numpy())
        self._check_finite(name, self.net.constants[name])
        return Const(name)

    def _check_finite(self, name: str, array: Array) -> None:
        if not np.isfinite(array).all():
            layer, _, what = name.removeprefix("_").rpartition(".")
            raise refused(
                "nan-weights",
                f"{what} of {layer!r} holds values that are no numbers: training diverged",
                help="lower the learning rate",
            )

    def _number(self, name: str, tensor: Tensor) -> Scalar:
        """Return one number where all are the same, else a constant in single precision."""
        array = tensor.detach().cpu().numpy().astype(np.float32)
        self._check_finite(name, array)
        if (array == array.flat[0]).all():
            return float(array.flat[0])
        self.net.constants[name] = array
        return Const(name)


_Write = Callable[[_Writer, Any, list[Value], fx.Node], Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """What of torch the hardware computes."""

    modules: tuple[type[nn.Module], ...] = ()
    functions: tuple[Any, ...] = ()
    """As they are called, methods by their name."""
    rule: rules.Rule
    """What it makes of spikes, codes and reals, or why it cannot."""
    write: _Write
    """Its ops."""


COUNTERPARTS: tuple[Counterpart, ...] = (
    Counterpart(modules=(Hardened,), rule=rules.crossbars, write=_Writer.hardened),
    Counterpart(
        modules=(nn.Conv2d, nn.ConvTranspose2d, nn.Linear),
        rule=rules.weights,
        write=_Writer.plain,
    ),
    Counterpart(modules=(LIF,), rule=rules.neurons, write=_Writer.neuron),
    Counterpart(modules=(nn.BatchNorm2d, nn.BatchNorm1d), rule=rules.norm, write=_Writer.norm),
    Counterpart(modules=(nn.MaxPool2d,), rule=rules.max_pool, write=_Writer.pool),
    Counterpart(modules=(nn.AvgPool2d,), rule=rules.avg_pool, write=_Writer.pool),
    Counterpart(
        modules=(nn.Identity, nn.Dropout, nn.Dropout2d), rule=rules.same, write=_Writer.same
    ),
    Counterpart(
        modules=(nn.Flatten,),
        functions=(torch.flatten, "flatten"),
        rule=rules.flatten,
        write=_Writer.flatten,
    ),
    Counterpart(modules=(Gate,), rule=rules.gate, write=_Writer.gate),
    Counterpart(modules=(Rearranged,), rule=rules.same, write=_Writer.rearranged),
    Counterpart(
        functions=(operator.add, operator.iadd, torch.add, "add"),
        rule=rules.add,
        write=_Writer.add,
    ),
    Counterpart(
        functions=(operator.mul, torch.mul, "mul"), rule=rules.multiply, write=_Writer.multiply
    ),
    Counterpart(
        functions=(operator.matmul, torch.matmul, "matmul"),
        rule=rules.matmul,
        write=_Writer.matmul,
    ),
    Counterpart(functions=(torch.cat, torch.concat), rule=rules.concat, write=_Writer.concat),
)
"""All that a model may call; anything else is refused, in training, evaluation and export."""
