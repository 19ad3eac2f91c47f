"""What is looked at before a run trains anything, and what its folder knows a twin by."""

from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from mapper.training.backends.noise import Noise
from mapper.training.hardening.harden import HardwareModel
from mapper.training.hardening.stages import Schedule
from mapper.training.nets.steps import as_numbers, check_fits
from targets import target_to_data

OwnChips = tuple[Noise | None, ...] | None
"""What chips did to each layer of a model before a run; None where it was not hardened yet."""


def check_model(model: nn.Module, schedule: Schedule, x: Tensor) -> None:
    """Refuse at once what a later stage, evaluation or export would refuse of a model.

    Args:
        model: A twin, or a float model that no stage hardens.
        schedule: Its stages.
        x: The first batch, ``[T, B, ...]``.

    Raises:
        MappingError: The hardware does not compute the model or the batch, or a stage's chips are
            none of its target.
    """
    if not isinstance(model, HardwareModel):
        check_fits(model, as_numbers(x, model))
        return
    model.check(x)
    for stage in schedule:
        model.disturb(stage.chips, age=stage.age)


def twin_data(model: nn.Module, own: OwnChips) -> dict[str, Any]:
    """Return what a run on a model that is hardened already depends on, too: how it is made.

    No checkpoint has it, and a run that goes on with another twin gives other bits.
    """
    if not isinstance(model, HardwareModel) or own is None:
        return {}
    layers = [
        {
            "macro": layer.macro.name,
            "encoding": asdict(layer.encoding),
            "input_bits": layer.input_bits,
            "digital": layer.digital,
            "scale": layer.granularity,
            "chips": None if chips is None else asdict(chips),
        }
        for layer, chips in zip(model.layers(), own, strict=True)
    ]
    target = target_to_data(model.target)
    return {"twin": {"target": target, "input_bits": model.input_bits, "layers": layers}}
