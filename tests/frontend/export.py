"""Export the networks of ``nets`` with torch, in one step and with state in and out."""

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

from tests.frontend.nets import Case, neurons_of
from tests.frontend.zoo import nn, torch

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


def exported(case: Case, exporter: str, folder: Path, **options: object) -> Path:
    """Write a network as ``legacy`` or ``dynamo`` ONNX, with weights that make it fire."""
    torch.manual_seed(1)
    net = case.net()
    liven(net)
    x = torch.zeros(case.shape)
    states = [torch.zeros(shape) for shape in neurons_of(net, x)]
    names = [f"s{k}" for k in range(len(states))] if case.names is None else list(case.names)
    path = folder / "model.onnx"
    settings: dict[str, Any] = {
        "input_names": ["x", *names],
        "output_names": ["y", *(f"{name}_out" for name in names)],
        "dynamo": exporter == "dynamo",
        **options,
    }
    if exporter == "legacy":
        settings |= {"opset_version": 17, "training": torch.onnx.TrainingMode.PRESERVE}
    else:
        settings |= {"opset_version": 18, "external_data": False}
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # exporters warn about themselves
        torch.onnx.export(net, (x, *states), str(path), **settings)
    return path


def liven(net: Any) -> None:
    """Put a network into evaluation, with weights and statistics that matter."""
    net.eval()
    for part in net.modules():
        if isinstance(part, WEIGHTED):
            with torch.no_grad():
                part.weight.mul_(3)
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_()
