"""From a float model to its hardware-aware twin."""

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from torch import Tensor, fx, nn

from mapper.diagnostics import Diagnostic, MappingError
from mapper.ir.assignment import DIGITAL, UNASSIGNED, Assignment, Choice
from mapper.ir.core import IntType
from mapper.training.hardening.network import judged
from mapper.training.hardening.twin import HardwareModel
from mapper.training.nets.arguments import check_given
from mapper.training.nets.geometry import Weighted
from mapper.training.nets.layers import Awareness, Granularity, Hardened
from mapper.training.nets.modules import traced
from mapper.training.nets.neurons import LIF
from mapper.training.nets.norms import factor_problems, keep_factors_positive
from mapper.training.nets.refused import TrainingError, refused
from targets import (
    Macro,
    Target,
    assignment_problems,
    choose_macro,
    given_assignment,
    load_target,
)
from targets.devices import Device

__all__ = ["HardwareModel", "harden", "target_of"]


def harden(
    model: nn.Module,
    target: str | Path | Target = "adcless-64",
    *,
    weight_bits: int | None = None,
    scale: Granularity = "layer",
    input_bits: int = 1,
    digital: Iterable[str] | None = None,
    example: Tensor | None = None,
    assignment: Assignment | str | Path = UNASSIGNED,
    device: Device | str | Path | None = None,
    age: float | None = None,
) -> "HardwareModel":
    """Return the hardware-aware twin of a float model; the model itself is left as it is.

    Layers of weights become crossbars of the target: the first layer on the macro that takes
    codes of ``input_bits``, the others on the one that takes spikes, unless they are assigned to
    another or to the digital unit. References, steps and scales
    are set from data: from ``example``, else from the first batch that the model sees, unless
    ``HardwareModel.raise_awareness`` is called before.

    Args:
        model: ``nn.Conv2d``, ``nn.ConvTranspose2d``, ``nn.Linear``, batch norm, pooling, ``LIF``,
            their sums and concatenations.
        target: Name of a target, a path to its file, or the target.
        weight_bits: 1..8; the macro's own where None.
        scale: Granularity of the layers' scales.
        input_bits: Width of the unsigned codes of the model's input, 1..8; 1 for spikes.
        digital: Names of layers that the digital unit computes, with exact sums; where None, what
            the model's own ``digital`` names: the predictions of the flow networks.
        example: Input codes ``[T, B, ...]`` to set references and scales from; a few dozen samples.
        assignment: What is decided for layers, by their names in the model, or a file of it: a
            macro, the digital unit, a width of weights in place of ``weight_bits``.
        device: Its name, a path to its file, or the device whose chips the model meets in training;
            ideal ones where None. A ``Run`` keeps them in stages that name no chips of their own.
        age: Of these chips, in seconds after programming; as programmed where None.

    Raises:
        MappingError: The target or the device cannot be read; everything in the model that the
            target's hardware cannot compute, by the path of its module; options out of range.

    Example:
        >>> from torch import nn
        >>> from mapper.training import LIF, harden
        >>> model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), LIF())
        >>> harden(model, "adcless-64")
        Traceback (most recent call last):
            ...
        mapper.training.nets.refused.TrainingError: error[unsupported-op]: GroupNorm has no ...
    """
    check_given({"assignment": assignment}, digital=digital)
    decided = given_assignment(assignment) or UNASSIGNED
    network = traced(copy.deepcopy(model))
    called = [str(node.target) for node in network.graph.nodes if node.op == "call_module"]
    layers = [name for name in called if isinstance(network.get_submodule(name), Weighted)]
    problems = list(_option_problems(weight_bits, scale, input_bits))
    if problems:  # the model is judged in any case
        weight_bits, scale, input_bits = None, "layer", 1
    plan = _Plan(
        target=target_of(target),
        assignment=replace(decided, weight_bits=weight_bits or decided.weight_bits),
        digital=None if digital is None else frozenset(digital),
        own=frozenset(getattr(model, "digital", ())),
        layers=tuple(dict.fromkeys(layers)),
        input_bits=input_bits,
        scale=scale,
    )
    problems += [*_call_problems(network, called), *plan.problems(), *factor_problems(network)]
    if not problems:
        keep_factors_positive(network)
    for name in plan.layers:
        problems += plan.put_on_crossbars(network, name)
    for module in network.modules():
        if isinstance(module, LIF):
            module.unit = plan.target.neuron
    problems += judged(network, IntType(input_bits, signed=False))[1]
    if problems:
        raise TrainingError(dict.fromkeys(problems))
    twin = HardwareModel(network, plan.target, input_bits, plan.copying)
    twin.disturb(device, age=age)
    if example is not None:
        twin.raise_awareness(Awareness(), example)
    return twin


def target_of(target: str | Path | Target) -> Target:
    """Return a target by its name, from its file, or as it is.

    Raises:
        MappingError: There is none of that name, or the file is wrong.
    """
    return target if isinstance(target, Target) else load_target(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Where each layer of weights goes, and how."""

    target: Target
    assignment: Assignment
    digital: frozenset[str] | None
    """What the caller names for the digital unit; None where the model says it."""
    own: frozenset[str]
    layers: tuple[str, ...]
    input_bits: int
    scale: Granularity

    @property
    def assigned(self) -> dict[str, str]:
        """The macro of each layer that is assigned to one, or to the digital unit."""
        choices = {name: self.assignment.of(name).macro for name in self.layers}
        return {name: macro for name, macro in choices.items() if macro}

    @property
    def copying(self) -> Assignment:
        """The copies that are decided, and nothing else: they change no sum of an ideal chip."""
        copies = {name: self.assignment.of(name).copies for name in self.layers}
        return Assignment(
            layers={name: Choice(copies=held) for name, held in copies.items() if held is not None}
        )

    @property
    def beside(self) -> frozenset[str]:
        """The layers on the digital unit; an assignment outweighs what the model says itself."""
        named = self.own - set(self.assigned) if self.digital is None else self.digital
        return named | {name for name, macro in self.assigned.items() if macro == DIGITAL}

    def problems(self) -> Iterator[Diagnostic]:
        """Yield what is wrong with the choices, whatever the layers are."""
        if not self.layers:
            yield _problem("unsupported-forward", "the model has no layer of weights")
            return
        yield from assignment_problems(self.target, self.assignment, self.layers)
        for name in sorted(self.digital or ()):
            if (macro := self.assigned.get(name, DIGITAL)) != DIGITAL:
                message = f"digital names {name!r}, which is assigned to {macro!r}"
                yield _problem("bad-option", message, name)
        if unknown := sorted(self.beside - set(self.layers)):
            message = f"digital names {unknown}, the layers of weights are {list(self.layers)}"
            yield _problem("unknown-layer", message)
        if self.beside >= set(self.layers):
            message = "every layer is digital: nothing is left for the crossbars"
            yield _problem("bad-option", message)

    def put_on_crossbars(self, network: fx.GraphModule, name: str) -> Iterator[Diagnostic]:
        """Put a hardened layer in the place of a float one, or yield why no macro takes it."""
        bits = self.input_bits if name == self.layers[0] else 1
        try:
            macro = self._macro(name, bits)
        except MappingError as error:
            yield from error.diagnostics
            return
        with suppress(
            TrainingError
        ):  # a layer that no crossbar computes stays: it is refused as it is
            twin = Hardened(
                network.get_submodule(name),
                macro,
                weight_bits=self.assignment.bits_of(name),
                scale=self.scale,
                input_bits=bits,
                digital=name in self.beside,
                packing=self.assignment.of(name).packing,
            )
            network.set_submodule(name, twin)

    def _macro(self, name: str, bits: int) -> Macro:
        """Return what a layer runs on; one that stays digital has its weights as for it."""
        macro = choose_macro(self.target, self.assignment, name, bits)
        if macro is None:
            macro = choose_macro(self.target, UNASSIGNED, name, bits)
        if macro is None:
            message = f"no macro of {self.target.name} takes inputs of {bits} bits"
            raise refused("macro-inputs", message, loc=name)
        return macro


def _option_problems(weight_bits: int | None, scale: str, input_bits: int) -> Iterator[Diagnostic]:
    if weight_bits is not None and (type(weight_bits) is not int or not 1 <= weight_bits <= 8):
        yield _problem("weight-bits", f"weights have 1 to 8 bits, got {weight_bits!r}")
    if scale not in get_args(Granularity):
        yield _problem("bad-option", f"scale is one of {get_args(Granularity)}, got {scale!r}")
    if type(input_bits) is not int or not 1 <= input_bits <= 8:
        yield _problem("bad-option", f"input codes have 1 to 8 bits, got {input_bits!r}")


def _call_problems(network: fx.GraphModule, called: list[str]) -> Iterator[Diagnostic]:
    memory = [name for name in called if isinstance(network.get_submodule(name), Weighted | LIF)]
    for name, times in Counter(memory).items():
        if times > 1:
            message = f"{name!r} is called more than once; use a layer for each call"
            yield _problem("unsupported-forward", message, name)


def _problem(code: str, message: str, loc: str = "") -> Diagnostic:
    return Diagnostic(code=code, message=message, loc=loc)
