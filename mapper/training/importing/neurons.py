"""Neurons of a file as modules: plain ``LIF`` where that is all they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from mapper.ir.core import FLOAT, Array, Constants, Scalar, param
from mapper.ir.neurons import Neuron
from mapper.training.nets.imported import ImportedLIF
from mapper.training.nets.neurons import LEAST_THRESHOLD, LIF, Number
from mapper.training.nets.refused import TrainingError, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What training wants of neurons and files do not say."""

    learn: tuple[str, ...] = ()
    sharpness: float = 1.0


def untrainable(message: str, help: str = "") -> TrainingError:
    """Make the error for an op that no module computes; where it is, the caller knows."""
    return refused("not-trainable", message, help=help)


def neurons(op: Neuron, constants: Constants, wishes: Wishes) -> nn.Module:
    """Return neurons that compute what ``Neuron`` does, from zero.

    Raises:
        TrainingError: ``not-trainable``: numbers that training keeps out.
    """
    held = {name: numbers_of(getattr(op, name), constants) for name in _numbers(op)}
    problems = [problem for name, array in held.items() for problem in _problems(name, array)]
    if op.leak_rounding.unit or op.current_rounding.unit:
        problems.append("its leak is rounded, which training has no gradient for")
    if not op.levels.is_spike:
        problems += [f"a step gives {op.levels.low}..{op.levels.high}, training knows one spike"]
    if problems:
        raise untrainable("; ".join(problems))
    if op.reset.kind != "none":
        amount = numbers_of(op.reset.amount, constants)
        if not _alike(amount, held["threshold"] if op.reset.kind == "subtract" else 0.0):
            held["amount"] = amount
    form: dict[str, Any] = {
        "strict": op.strict,
        "phase": op.reset.phase,
        "spike_phase": op.spike_phase,
    }
    common: dict[str, Any] = {
        "reset": op.reset.kind,
        "spiking": op.spike is not None,
        "learn": tuple(name for name in wishes.learn if name in held),
        "sharpness": wishes.sharpness,
    }
    beside = {name for name, array in held.items() if not _is_usual(name, array, held)}
    numbers: dict[str, Any] = {name: _number(array) for name, array in held.items()}
    if beside or form != {"strict": False, "phase": "same", "spike_phase": "same"}:
        return ImportedLIF(**numbers, **form, **common)
    return LIF(**{name: numbers[name] for name in _PLAIN if name in numbers}, **common)


_PLAIN = ("leak", "threshold", "current_leak")
_USUAL = {"gain": 1.0, "bias": 0.0, "current_input": 1.0}
"""What is the same for every ``LIF``; the gain of its current is its leak."""


def _numbers(op: Neuron) -> tuple[str, ...]:
    """Return the fields of a neuron that mean something."""
    currents = ("current_leak", "current_input", "current_gain")
    return (
        *("leak", "gain", "bias"),
        *(currents if op.current is not None else ()),
        *(("threshold",) if op.spike is not None else ()),
        *(("floor",) if op.floor is not None else ()),
    )


def _problems(name: str, array: Array) -> list[str]:
    least, greatest = float(array.min()), float(array.max())
    if name in ("leak", "current_leak") and not 0 <= least <= greatest <= 1:
        return [f"{name} is {_ends(least, greatest)}, training keeps it in 0..1"]
    if name == "threshold" and not least >= LEAST_THRESHOLD:  # nor NaN
        said = f"{name} is {_ends(least, greatest)}"
        return [f"{said}, training keeps it at {LEAST_THRESHOLD:g} or more"]
    return []


def _ends(least: float, greatest: float) -> str:
    return f"{least:g}" if least == greatest else f"{least:g}..{greatest:g}"


def _is_usual(name: str, array: Array, held: Mapping[str, Array]) -> bool:
    if name == "current_gain":
        return _alike(array, held["current_leak"])
    return name in _PLAIN or (name in _USUAL and _alike(array, _USUAL[name]))


def numbers_of(scalar: Scalar, constants: Constants) -> Array:
    """Return a parameter in single precision, as the definition takes it."""
    return param(constants, scalar, FLOAT)


def _alike(one: Array, other: Array | float) -> bool:
    return bool(np.all(one == np.asarray(other, np.float32)))


def _number(array: Array) -> Number:
    """Return one number where all are the same, else those of a layer."""
    if (array == array.flat[0]).all():
        return float(array.flat[0])
    return torch.from_numpy(array.copy())
