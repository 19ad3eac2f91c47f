"""Small targets, models and spikes for the tests of training."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mapper.ir.core import INT64, Array, Graph, IntType, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.infer import infer_types
from mapper.training import LIF, Awareness, Hardened
from mapper.training.hardening.crossbars import read_layer
from mapper.training.hardening.settle import set_window, settle
from targets import Macro, Readout, Target, load_target

ENCODINGS = ("twos-complement", "offset-binary", "differential")
READOUTS = ("sense-amp", "half-active", "ternary", "half-active ternary", "flash", "sar")


def a_readout(name: str, levels: tuple[int, ...] = (-1, 1)) -> Readout:
    """Return a readout by a short name; ``half-active`` is a sense amplifier's reference."""
    own = load_target("adcless-64").macros[0].readout
    if name in ("flash", "sar"):
        return replace(own, kind=name, bits=3, reference="constant", levels=())
    reference = "half-active" if name.startswith("half-active") else "constant"
    if name.endswith("ternary"):
        return replace(own, kind="ternary", bits=2, reference=reference, levels=(-1, 0, 1))
    if name == "adder-tree":
        return load_target("digital-cim-64").macros[0].readout
    if name == "ideal":
        return load_target("ideal-128").macros[0].readout
    return replace(own, kind="sense-amp", bits=1, reference=reference, levels=levels)


def a_macro(readout: str = "sense-amp", wordlines: int = 16, **changes: Any) -> Macro:
    macro = load_target("adcless-diff-64").macros[0]
    fields = {"wordlines": wordlines, "bitlines": 64, "readout": a_readout(readout), **changes}
    return replace(macro, **fields)


def a_target(readout: str = "sense-amp", **changes: Any) -> Target:
    return replace(load_target("adcless-diff-64"), macros=(a_macro(readout, **changes),))


def spikes(*shape: int, density: float = 0.3) -> Tensor:
    return (torch.rand(shape) < density).float()


def settled(layer: nn.Module, macro: Macro, x: Tensor, **options: Any) -> Hardened:
    """Return a layer on crossbars whose references are set, and a little disordered."""
    hardened = Hardened(layer, macro, **options)
    settle(hardened, Awareness(), x)
    set_window(hardened, x)
    with torch.no_grad():
        hardened.thresholds += torch.randint(-1, 2, hardened.thresholds.shape)
    return hardened


def defined_sums(layer: Hardened, x: Tensor) -> Array:
    """Return a layer's integers as the definition has them."""
    value = Value("x", IntType(layer.input_bits, signed=False), tuple(x.shape[1:]))
    shape = tuple(layer(x).shape[1:])
    constants: dict[str, Array] = {}
    sums = Value("layer.sums", INT64, shape)
    ops = tuple(read_layer(layer, value, sums, constants, ""))
    graph = Graph(name="layer", inputs=(value,), outputs=(sums,), ops=ops, constants=constants)
    graph = infer_types(graph)
    return evaluate(graph, {"x": x.numpy().astype(np.int64)[None]})["layer.sums"][0]


def a_network(classes: int = 3) -> nn.Sequential:
    """Return two convolutions, a pool and a linear layer, over ``[T, B, 2, 6, 6]``."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        LIF(leak=0.75, threshold=0.5),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1),
        LIF(leak=0.9, threshold=0.4, reset="value"),
        nn.Flatten(),
        nn.Linear(36, classes),
    )
