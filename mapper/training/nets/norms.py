"""Batch norms of a twin: factors above zero, as thresholds in counts must be, and moments."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from mapper.diagnostics import Diagnostic
from mapper.training.nets.geometry import Weighted
from mapper.training.nets.gradients import held
from mapper.training.nets.imported import FrozenNorm
from mapper.training.nets.refused import TrainingError

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
        TrainingError: A factor is below zero after something else than one layer of weights, or
            one of a file is too near to zero.
    """
    if problems := list(factor_problems(network)):
        raise TrainingError(problems)
    for node, norm in _free_norms(network):
        layer = _layer_before(network, node)
        if bool((norm.weight < 0).any()) and layer is not None:
            _turn(norm, layer)
        parametrize.register_parametrization(norm, "weight", _Held())


def factor_problems(network: fx.GraphModule) -> Iterator[Diagnostic]:
    """Yield the batch norms of a traced model whose factors training would have to change.

    Those below zero cannot be turned; those of a file (``FrozenNorm``) are too near to zero.
    """
    for node, norm in _free_norms(network):
        path, least = str(node.target), float(norm.weight.detach().abs().min())
        if isinstance(norm, FrozenNorm) and not least >= LEAST_FACTOR:  # it was trained with it
            yield Diagnostic(
                code="small-scale",
                message=f"the factors of {path!r} have sizes from {least:g}, training keeps them "
                f"at {LEAST_FACTOR:g} or more",
                loc=path,
                help="multiply the weights before it and divide the factors; for one of 0 take "
                "weights of 0",
            )
        if bool((norm.weight < 0).any()) and _layer_before(network, node) is None:
            yield Diagnostic(
                code="negative-scale",
                message=f"batch norm {path!r} scales a channel by a factor below zero",
                loc=path,
                help="only one that follows a layer of weights, alone, can have it turned: take "
                "the absolute value",
            )


def _free_norms(network: fx.GraphModule) -> Iterator[tuple[fx.Node, Norm]]:
    """Yield the norms whose factors are still free to pass zero, with where they are called."""
    for node in network.graph.nodes:
        norm = network.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(norm, Norm) and norm.affine and not parametrize.is_parametrized(norm):
            yield node, norm


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


def _layer_before(network: fx.GraphModule, node: fx.Node) -> Weighted | None:
    """Return the layer of weights that a norm alone follows, if there is one."""
    if sum(other.target == node.target for other in network.graph.nodes) > 1:
        return None  # what is turned for one call would be turned for the others
    source = node.args[0]
    if isinstance(source, fx.Node) and source.op == "call_module" and len(source.users) == 1:
        layer = network.get_submodule(str(source.target))
        if isinstance(layer, Weighted):
            return layer
    return None


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
