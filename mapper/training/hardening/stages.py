"""Schedules: which parts of the hardware training feels, for how long."""

import re
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from torch import nn

from mapper.training.backends.noise import Noise
from mapper.training.hardening.devices import Chips
from mapper.training.nets.layers import Awareness
from targets.devices import Device

START = "start"
"""Names the network that a run was given, as it was, where a stage says who teaches it."""

Kind = Literal["float", "quantised", "converter", "target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stretch of training at one awareness. Each stage starts from the weights before it.

    Its readout is set from data where the stage before had another; else it goes on with the
    references, scales and windows that it is given.
    """

    name: str
    kind: Kind
    """``float`` weights, ``quantised`` weights and exact sums, sums read by a ``converter`` of
    ``bits``, or the ``target``'s own readout."""
    epochs: int
    rate: float
    """Learning rate of weights; cosine to zero over the stage after a short warm-up."""
    bits: int = 5
    noise: Noise | None = None
    """What chips do to columns, in training alone; nothing where sums are exact."""
    device: Device | str | None = None
    """A device, its name or its file as text: training meets chips of it in place of ``noise``."""
    age: float | None = None
    """Of these chips, in seconds after programming; None: as programmed."""
    teacher: nn.Module | str | None = None
    """A network, float or hardened, whose answers the stage is drawn to; a name is that of an
    earlier stage, the network as that one ended, or ``start``: as the run was given it."""
    teaching: float = 1.0
    """Weight of the distance to the teacher's answers in the loss, above 0."""
    averaged: int = 0
    """Epochs at the end whose weights are averaged: the stage ends with the mean of what they were
    after each; 0 or 1 leaves them as the last epoch does."""

    def __post_init__(self) -> None:
        if not _is_file_name(self.name) or self.name in _TAKEN:
            raise ValueError(
                f"stage {self.name!r:.80} has no name for its file: letters, digits and '_. -' "
                f"alone, from a letter or digit on, and none of {', '.join(sorted(_TAKEN))}"
            )
        if not isinstance(self.teacher, nn.Module | str | None):
            raise ValueError(
                f"stage {self.name!r} has teacher {self.teacher!r:.80}: a torch.nn.Module or the "
                "name of an earlier stage"
            )
        if type(self.teaching) not in (int, float) or not 0 < self.teaching < inf:
            raise ValueError(
                f"stage {self.name!r} has teaching {self.teaching!r:.80}: a weight above 0"
            )
        if type(self.averaged) is not int or self.averaged < 0:
            raise ValueError(
                f"stage {self.name!r} has averaged {self.averaged!r:.80}: a number of epochs"
            )
        if not isinstance(self.device, Device | str | None):
            raise ValueError(
                f"stage {self.name!r} has device {self.device!r:.80}: a device, its name or its "
                "file as text"
            )
        if self.noise is not None and self.device is not None:
            raise ValueError(f"stage {self.name!r} has a device and noise: it takes one of them")

    @property
    def chips(self) -> Chips | None:
        """What training meets; None for the model's own chips, which are ideal if it has none."""
        return self.noise if self.device is None else self.device

    @property
    def awareness(self) -> Awareness:
        """What the layers of a hardened model feel."""
        if self.kind == "converter":
            return Awareness(reading="converter", bits=self.bits)
        return Awareness(reading="target" if self.kind == "target" else "exact")


_TAKEN = frozenset({"last", START})
"""``last.pt`` is that of the run itself."""


def _is_file_name(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[^\W_][\w. -]{0,99}", name) is not None


Schedule = tuple[Stage, ...]


def staged(
    float_epochs: int | None = None,
    quantised: int = 0,
    converter: int = 0,
    target: int = 20,
    dies: int = 0,
    noise: Noise | None = None,
    device: Device | str | None = None,
    age: float | None = None,
    *,
    teacher: nn.Module | str | None = None,
    teaching: float = 1.0,
) -> Schedule:
    """Return a schedule that feels more and more: float for long, then the target's readout.

    Args:
        float_epochs: Of single precision; None for as many as all other stages have together. With
            0 there is no such stage: the run starts from a network that is trained already.
        quantised: Epochs of quantised weights with exact sums.
        converter: Epochs that ADCs of 5, 3 and 2 bits share; a third each, rounded down.
        target: Epochs at the target's readout.
        dies: Epochs at the end on chips as they come from the fab: ``noise``, or the ``device``,
            comes in with them, or with the target's readout where there are none.
        noise: What these chips do, in counts.
        device: A device in its place, its name or its file as text.
        age: Of its chips, in seconds after programming.
        teacher: Of every stage after float: a network, or the name of a stage. ``"float"`` is the
            float network as it ended or, where there is no such stage, as the run was given it.
        teaching: Weight of the distance to the teacher's answers, above 0.
    """
    each = converter // 3
    falling = tuple(
        Stage(name=f"adc{bits}", kind="converter", bits=bits, epochs=each, rate=1e-3)
        for bits in (5, 3, 2)
        if each
    )
    last = Stage(name="target", kind="target", epochs=target, rate=4e-3)
    named = replace(last, name="dies", epochs=dies) if dies else last
    fab = replace(named, noise=noise, device=device, age=age)
    exact = Stage(name="quantised", kind="quantised", epochs=quantised, rate=1e-3)
    rest = (*((exact,) if quantised else ()), *falling, *((last, fab) if dies else (fab,)))
    if float_epochs is None:
        float_epochs = sum(stage.epochs for stage in rest)
    if float_epochs == 0 and teacher == "float":
        teacher = START
    taught = tuple(replace(stage, teacher=teacher, teaching=teaching) for stage in rest)
    if float_epochs == 0:
        return taught
    return (Stage(name="float", kind="float", epochs=float_epochs, rate=3e-3), *taught)


def one_jump(epochs: int = 42) -> Schedule:
    """Return the ablation: the target's readout from the first epoch on."""
    # From random weights 4e-3 settles later, to a higher loss (docs/accuracy.md, at the end).
    return (Stage(name="target", kind="target", epochs=epochs, rate=2e-3),)
