"""Batch norms of a twin: factors above zero, as thresholds in counts must be, and moments."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from mapper.training.nets.geometry import Weighted
from mapper.training.nets.gradients import held

Norm = nn.BatchNorm1d | nn.BatchNorm2d

LEAST_FACTOR = 0.01
"""Smallest factor of a channel: a smaller one makes thresholds wider than a membrane."""


@torch.no_grad()
def keep_factors_positive(network: fx.GraphModule) -> None:
    """Change a traced float model in place so that the factor of no batch norm passes zero.

    A channel that is scaled by a factor below zero gets the opposite weights and the opposite
    factor, which is the same function. From then on factors are at least ``LEAST_FACTOR``,
    and one below it learns the way back.

    Raises:
        ValueError: A factor is below zero after something else than one layer of weights.
    """
    for node in network.graph.nodes:
        norm = network.get_submodule(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, Norm) or not norm.affine or parametrize.is_parametrized(norm):
            continue
        if bool((norm.weight < 0).any()):
            _turn(norm, _layer_before(network, node))
        parametrize.register_parametrization(norm, "weight", _Held())


@contextmanager
def moments_of_the_batch(network: nn.Module) -> Iterator[None]:
    """Let batch norms take mean and variance from what they see, and remember none of it.

    A channel of one value has no variance: torch raises ``ValueError`` for it.
    """
    norms = [module for module in network.modules() if isinstance(module, Norm)]
    before = [(norm.training, norm.track_running_stats) for norm in norms]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm, (training, remembers) in zip(norms, before, strict=True):
            norm.training, norm.track_running_stats = training, remembers


class _Held(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return held(weight, LEAST_FACTOR)


def _layer_before(network: fx.GraphModule, node: fx.Node) -> Weighted:
    source = node.args[0]
    if isinstance(source, fx.Node) and source.op == "call_module" and len(source.users) == 1:
        layer = network.get_submodule(str(source.target))
        if isinstance(layer, Weighted):
            return layer
    raise ValueError(
        f"batch norm {str(node.target)!r} scales a channel by a factor below zero; only one that "
        "follows a layer of weights, alone, can have it turned: take the absolute value"
    )


def _turn(norm: Norm, layer: Weighted) -> None:
    """Give channels of negative factors the opposite weights, means and factors."""
    sign = torch.where(norm.weight < 0, -1.0, 1.0).to(norm.weight)
    for per_channel in (norm.weight, norm.running_mean, layer.bias):
        if per_channel is not None:
            per_channel.mul_(sign)
    weight = layer.weight
    if isinstance(layer, nn.ConvTranspose2d):  # [inputs, outputs of a group, ...]
        groups = layer.groups
        by_group = weight.view(groups, -1, *weight.shape[1:])
        by_group.mul_(sign.view(groups, 1, -1, 1, 1))
    else:
        weight.mul_(sign.view(-1, *[1] * (weight.dim() - 1)))
