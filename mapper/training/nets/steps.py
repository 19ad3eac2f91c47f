"""Run a model of one time step over many, and say what is wrong with inputs in our words."""

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, fx, nn

from mapper.diagnostics import MappingError
from mapper.training.nets.arguments import check_given
from mapper.training.nets.geometry import Weighted, cannot_take, inputs_of
from mapper.training.nets.layers import Hardened
from mapper.training.nets.modules import TORCH_FAILS, Walk, shapes_of, traced
from mapper.training.nets.neurons import merged_steps
from mapper.training.nets.refused import TrainingError, refused


def over_time(model: nn.Module, x: Tensor) -> Tensor:
    """Run a model of layers and neurons on ``x[T, B, ...]``; return ``[T, B, ...]``.

    Layers without memory see all time steps at once, merged with the batch, so that
    ``nn.Conv2d`` and ``nn.Flatten`` work as they are. Neurons start from zero. ``x`` has the
    numbers of the model (``torch.float32``), or spikes and counts as booleans and integers.

    Raises:
        TrainingError: ``input-type``, ``input-shape``: the inputs are none of the model's.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from mapper.training import LIF, over_time
        >>> model = nn.Sequential(nn.Conv2d(2, 4, 3), LIF(), nn.Flatten(), nn.Linear(144, 10))
        >>> over_time(model, torch.zeros(5, 3, 2, 8, 8)).shape
        torch.Size([5, 3, 10])
    """
    check_given({"model": model})
    x = as_numbers(x, model)
    check_fits(model, x)
    steps, batch = x.shape[:2]
    try:
        with merged_steps(steps):
            result: Tensor = model(x.flatten(0, 1))
        return result.reshape(steps, batch, *result.shape[1:])
    except (MappingError, torch.OutOfMemoryError):
        raise
    except TORCH_FAILS:
        _explain(model, x)
        raise


def as_numbers(x: object, model: nn.Module) -> Tensor:
    """Return inputs ``[T, B, ...]`` as numbers of the model's type; spikes may be true and false.

    Raises:
        TrainingError: They are no tensor, of another type, on another device, or axes are missing
            or empty.
    """
    if not isinstance(x, Tensor):
        array = isinstance(x, np.ndarray)
        raise refused(
            "input-type",
            f"inputs are tensors of torch, got a {type(x).__name__}",
            help="torch.from_numpy(x).float()" if array else "",
        )
    if x.is_nested or x.is_quantized:
        raise refused("input-type", "inputs are plain tensors, got a nested or quantized one")
    if x.layout != torch.strided:
        raise refused(
            "input-type", f"inputs are dense tensors, got {x.layout}", help="x.to_dense()"
        )
    if x.dim() < 3 or 0 in x.shape:
        raise refused(
            "input-shape",
            f"inputs are [T, B, ...], got a tensor of shape {tuple(x.shape)}",
            help="T time steps of B samples: x[None] is one step, x[:, None] one sample",
        )
    number = next((p for p in model.parameters() if p.is_floating_point()), None)
    if number is None:
        return x
    if x.device != number.device:
        raise refused(
            "input-type",
            f"inputs are on {x.device}, the network is on {number.device}",
            help=f"x.to({str(number.device)!r})",
        )
    if not x.is_floating_point() and not x.is_complex():
        return x.to(number.dtype)
    if x.dtype != number.dtype:
        raise refused(
            "input-type",
            f"inputs are {x.dtype}, the numbers of the network are {number.dtype}",
            help=f"x.to({number.dtype})",
        )
    return x


_KNOWN: "WeakKeyDictionary[nn.Module, set[tuple[int, ...]]]" = WeakKeyDictionary()
"""Shapes of one sample that models can take: each is looked at once."""


def check_fits(model: nn.Module, x: Tensor) -> None:
    """Refuse inputs ``[T, B, ...]`` of a shape that a model cannot take, before torch does.

    One sample is walked through the model the first time that a shape is seen. Nothing is said of
    a model that cannot be followed.

    Raises:
        TrainingError: ``input-shape``, with the module that cannot take what reaches it.
    """
    known, shape = _KNOWN.setdefault(model, set()), tuple(x.shape[2:])
    if shape in known:
        return
    try:
        network = traced(model)
    except TrainingError:
        return
    first = _first_layer(network)
    if first is not None and x.dim() != len(_axes(first)):
        raise _of_another_rank(first, x)
    try:
        shapes_of(
            network, x[0, :1].expand(2, *shape)
        )  # two: a batch norm may ask for more than one
    except TrainingError as error:
        help = _layout(first, tuple(x.shape))
        raise TrainingError(replace(d, help=d.help or help) for d in error.diagnostics) from error
    known.add(shape)


def _of_another_rank(first: Weighted | Hardened, x: Tensor) -> TrainingError:
    axes = _axes(first)
    return refused(
        "input-shape",
        f"{cannot_take(int(axes[2]), len(axes) == 5, tuple(x.shape[2:]))}: inputs are "
        f"[{', '.join(map(str, axes))}], got a tensor of shape {tuple(x.shape)}",
        help=_MISSING if x.dim() < len(axes) else "",
    )


_MISSING = "an axis is missing: x[None] is one time step, x[:, None] is one sample"


def _first_layer(network: fx.GraphModule) -> Weighted | Hardened | None:
    """Return the layer that sees the axes of the inputs as they are, if the first one does."""
    for node in network.graph.nodes:
        if node.op not in ("placeholder", "call_module"):
            return None
        module = network.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, Weighted | Hardened):
            return module
        if isinstance(module, nn.Flatten):
            return None
    return None


def _axes(layer: Weighted | Hardened) -> tuple[str | int, ...]:
    """Return the axes of inputs of a network that begins with a layer."""
    if isinstance(layer, Hardened):
        inputs, is_image = layer.inputs, layer.geometry.kind != "linear"
    else:
        inputs, is_image = inputs_of(layer), not isinstance(layer, nn.Linear)
    return ("T", "B", inputs, "H", "W") if is_image else ("T", "B", inputs)


def _layout(first: Weighted | Hardened | None, shape: tuple[int, ...]) -> str:
    """Say how one sample was understood, and where the channels seem to be."""
    said = f"inputs are [T, B, ...]: of shape {shape}, each sample of a step is {list(shape[2:])}"
    axes = () if first is None else _axes(first)
    if len(axes) == 5 and shape[2] != axes[2]:
        for axis in (4, 3, 1, 0):
            if shape[axis] == axes[2]:
                return f"{said}; if channels are axis {axis}, x.movedim({axis}, 2)"
    return said


def _explain(model: nn.Module, x: Tensor) -> None:
    """Raise what is wrong where torch has refused to run, if the model can be walked through."""
    try:
        network = traced(model)
    except TrainingError:
        return
    with torch.no_grad(), merged_steps(x.shape[0]):
        Walk(network).run(x.flatten(0, 1))
