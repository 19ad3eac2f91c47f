"""Modules that a trained network may have, and how torch's tracer walks through them."""

from typing import Any

import torch
from torch import Tensor, fx, nn

from mapper.training.nets.layers import Hardened
from mapper.training.nets.neurons import LIF


class Iand(nn.Module):
    """Join spikes: 1 where the second argument spikes and the first does not.

    ``(1 - a) * b``, the join of the residual blocks of DVSNet (Fang et al., arXiv 2102.04159).
    """

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (1 - a) * b


LEAVES = (Hardened, Iand, LIF)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, LEAVES) or super().is_leaf_module(m, module_qualified_name)


def traced(model: nn.Module) -> fx.GraphModule:
    """Return a model as a graph of modules and sums, sharing its parameters.

    Raises:
        ValueError: Its ``forward`` decides by data, or takes more than one input.
    """
    if isinstance(model, fx.GraphModule):
        return model
    try:
        graph = _Tracer().trace(model)
    except (fx.proxy.TraceError, TypeError) as error:
        raise ValueError(
            f"{type(model).__name__} cannot be followed: {error}; its forward may only call "
            "modules, add, and concatenate"
        ) from error
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise ValueError(f"a network has one input, {type(model).__name__} takes {len(inputs)}")
    return fx.GraphModule(model, graph, class_name=type(model).__name__)


def shapes_of(network: fx.GraphModule, example: Tensor) -> dict[str, tuple[int, ...]]:
    """Return the shape of every node's result for ``example[1, ...]``, batch axis left out."""
    recorder = _Shapes(network)
    was_training = network.training
    network.eval()  # a batch norm in training needs more than one value a channel
    with torch.no_grad():
        recorder.run(example)
    network.train(was_training)
    return recorder.shapes


class _Shapes(fx.Interpreter):
    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network)
        self.shapes: dict[str, tuple[int, ...]] = {}

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Ask a layer for its shape where it can tell without computing."""
        module = self.fetch_attr(target)
        if hasattr(module, "result_like"):
            return module.result_like(*args, **kwargs)
        return super().call_module(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.shapes[n.name] = tuple(result.shape[1:])
        return result
