"""Modules that a trained network may have, and how torch's tracer walks through them."""

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from mapper.diagnostics import Diagnostic, MappingError
from mapper.ir.network import MergeKind
from mapper.training.nets.geometry import Weighted, cannot_take, inputs_of
from mapper.training.nets.imported import FrozenNorm, Rearranged
from mapper.training.nets.layers import Hardened
from mapper.training.nets.neurons import LIF
from mapper.training.nets.refused import TrainingError, refused


class Gate(nn.Module):
    """Join spikes ``a`` and ``b``: ``and``, ``or``, ``xor``, or ``iand``, which is ``(1 - a) * b``.

    Each is a sum of products of the two, so that gradients pass.
    """

    def __init__(self, kind: MergeKind) -> None:
        super().__init__()
        self.kind: MergeKind = kind

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        if self.kind == "iand":
            joined: Tensor = _Join.apply(*torch.broadcast_tensors(a, b))  # type: ignore[no-untyped-call]
            return joined
        both = a * b
        return both if self.kind == "and" else a + b - (both if self.kind == "or" else 2 * both)

    def extra_repr(self) -> str:
        return self.kind


class Iand(Gate):
    """Join spikes: 1 where the second argument spikes and the first does not.

    ``(1 - a) * b``, the join of the residual blocks of DVSNet (Fang et al., arXiv 2102.04159).
    """

    def __init__(self) -> None:
        super().__init__("iand")


class _Join(torch.autograd.Function):
    """``(1 - a) * b`` in one pass over memory: ``b - a * b`` is the same of 0 and 1."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return torch.addcmul(b, a, b, value=-1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        (gradient,) = gradients
        return (gradient * b).neg_(), torch.addcmul(gradient, gradient, a, value=-1)


LEAVES = (FrozenNorm, Gate, Hardened, LIF, Rearranged)

TORCH_FAILS = (RuntimeError, ValueError, TypeError, IndexError, AttributeError)
"""What torch raises where a tensor is not one that a module can take."""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, LEAVES) or super().is_leaf_module(m, module_qualified_name)


def traced(model: nn.Module) -> fx.GraphModule:
    """Return a model as a graph of modules and sums, sharing its parameters.

    Raises:
        TrainingError: It is no module; its ``forward`` decides by data, takes more than one input
            or returns anything but one tensor; its numbers are of several types or devices.
    """
    if not isinstance(model, nn.Module):
        raise refused("unsupported-forward", f"a {type(model).__name__} is no torch.nn.Module")
    if isinstance(model, fx.GraphModule):
        return model
    name = type(model).__name__
    try:
        graph = _Tracer().trace(model)
    except (fx.proxy.TraceError, *TORCH_FAILS) as error:
        raise refused(
            "unsupported-forward",
            f"{name} cannot be followed: {_first_line(error)}",
            loc=name,
            help="its forward may only call modules, add, flatten and concatenate",
        ) from error
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise refused(
            "unsupported-forward",
            f"a network has one input, {name} takes {len(inputs)}",
            loc=name,
        )
    result = next(node for node in graph.nodes if node.op == "output").args[0]
    if not isinstance(result, fx.Node):
        kind = type(result).__name__.removeprefix("immutable_")  # torch's own lists and dicts
        raise refused(
            "unsupported-forward",
            f"a network returns one tensor, {name} returns a {kind}",
            loc=name,
        )
    _check_numbers(model)
    return fx.GraphModule(model, graph, class_name=name)


def _check_numbers(model: nn.Module) -> None:
    """Refuse numbers of several types or devices: the first batch would end in torch's words."""
    first: Tensor | None = None
    for name, number in model.named_parameters():
        if not number.is_floating_point():
            continue
        first = number if first is None else first
        for found, wanted in ((number.dtype, first.dtype), (number.device, first.device)):
            if found != wanted:
                raise refused(
                    "unsupported-forward",
                    f"{name} is {found}, the numbers before it are {wanted}",
                    loc=name.rpartition(".")[0],
                    help="bring the whole model to one with model.to(...)",
                )


def is_about_shapes(node: fx.Node) -> bool:
    """Whether a node asks for sizes; what uses them is refused itself."""
    if node.target is getattr and len(node.args) > 1:
        return node.args[1] in ("shape", "ndim")
    if node.target is operator.getitem and isinstance(node.args[0], fx.Node):
        return is_about_shapes(node.args[0])
    return node.op == "call_method" and node.target in ("size", "dim")


def place_of(node: fx.Node) -> str:
    """Return the path of the module that a node calls, or of the one whose forward calls it."""
    if node.op == "call_module":
        return str(node.target)
    around = list(node.meta.get("nn_module_stack", {}).values())
    return str(around[-1][0]) if around else ""


def used_directly(node: fx.Node) -> Diagnostic:
    """Return the refusal of a node that reads a parameter or buffer of the model."""
    message = f"a forward uses the parameter or buffer {str(node.target)!r} itself"
    help = "only modules have counterparts on the hardware"
    return Diagnostic(code="unsupported-op", message=message, loc=str(node.target), help=help)


def value_of(node: fx.Node) -> str:
    """Return what a node's result is called in a graph, whose ports are ``x`` and ``y``."""
    return f"{node.name}.value" if node.name in ("x", "y") else str(node.name)


def words_for(node: fx.Node) -> str:
    """Say which module or function a node calls: ``'0.norm'``, ``'relu' in the forward of '0'``."""
    if node.op == "call_module":
        return f"{place_of(node)!r}"
    place = place_of(node)
    called = str(getattr(node.target, "__name__", node.target))
    return f"{called!r} in the forward of {repr(place) if place else 'the model'}"


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Let modules run as in evaluation; afterwards each trains, or does not, as it did."""
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@torch.no_grad()
def shapes_of(network: fx.GraphModule, example: Tensor) -> dict[str, tuple[int, ...]]:
    """Return the shape of every node's result for ``example[B, ...]``, batch axis left out.

    Raises:
        TrainingError: ``input-shape``, with the module that cannot take what reaches it.
    """
    recorder = Walk(network)
    with evaluating(network):  # a batch norm in training needs more than one value a channel
        recorder.run(example)
    return recorder.shapes


class Walk(fx.Interpreter):
    """A run of a network that knows the shapes, and where it stopped if it did."""

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network)
        self.extra_traceback = False  # where it stopped is in the refusal
        self.shapes: dict[str, tuple[int, ...]] = {}

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Ask a layer for its shape where it can tell without computing."""
        module = self.fetch_attr(target)
        if hasattr(module, "result_like"):
            return module.result_like(*args, **kwargs)
        return super().call_module(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        try:
            result = super().run_node(n)
        except MappingError as error:
            raise _located(error, n) from error
        except torch.OutOfMemoryError:
            raise
        except TORCH_FAILS as error:
            raise self._cannot_take(n, error) from error
        if isinstance(result, Tensor):
            self.shapes[n.name] = tuple(result.shape[1:])
        return result

    def _cannot_take(self, node: fx.Node, error: Exception) -> TrainingError:
        given = [self.shapes[x.name] for x in node.all_input_nodes if x.name in self.shapes]
        taken = " and ".join(str(list(shape)) for shape in given) or "what it is given"
        said = f"{words_for(node)} cannot take {taken} of each sample: {_first_line(error)}"
        module = self.fetch_attr(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, Weighted):
            is_image, inputs = not isinstance(module, nn.Linear), inputs_of(module)
            if given[0][0 if is_image else -1] != inputs:
                said = f"{cannot_take(inputs, is_image, given[0])}, at {words_for(node)}"
        return refused("input-shape", said, loc=place_of(node), help=flatten_help(node.target))


def flatten_help(called: object) -> str:
    """Say what to write instead of a method that flattens by sizes."""
    if called in ("view", "reshape"):
        return "flatten with nn.Flatten() or torch.flatten(x, 1)"
    return ""


def _located(error: MappingError, node: fx.Node) -> TrainingError:
    place = place_of(node)
    return TrainingError(
        replace(d, message=f"{d.message}, at {words_for(node)}", loc=place)
        for d in error.diagnostics
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
