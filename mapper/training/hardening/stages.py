"""Schedules: which parts of the hardware training feels, for how long."""

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from torch import nn

from mapper.training.backends.noise import Noise
from mapper.training.hardening.devices import Chips
from mapper.training.nets.layers import Awareness
from targets.devices import Device

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
    earlier stage: the network as that one ended."""
    teaching: float = 1.0
    """Weight of the distance to the teacher's answers in the loss, above 0."""

    def __post_init__(self) -> None:
        if not isinstance(self.teacher, nn.Module | str | None):
            raise ValueError(
                f"stage {self.name!r} has teacher {self.teacher!r:.80}: a torch.nn.Module or the "
                "name of an earlier stage"
            )
        if type(self.teaching) not in (int, float) or not 0 < self.teaching < inf:
            raise ValueError(
                f"stage {self.name!r} has teaching {self.teaching!r:.80}: a weight above 0"
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


Schedule = tuple[Stage, ...]


def staged(
    float_epochs: int = 20,
    quantised: int = 6,
    converter: int = 0,
    target: int = 16,
    dies: int = 0,
    noise: Noise | None = None,
    device: Device | str | None = None,
    age: float | None = None,
) -> Schedule:
    """Return the schedule of the reference: float, quantised, fewer and fewer bits, one bit.

    ``converter`` epochs are shared by 5, 3 and 2 bits; a third each, rounded down. ``dies`` epochs
    at the end are on chips as they come from the fab: ``noise``, or the ``device``, comes in with
    them, or with the target's readout where there are none.
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
    return (
        Stage(name="float", kind="float", epochs=float_epochs, rate=3e-3),
        Stage(name="quantised", kind="quantised", epochs=quantised, rate=1e-3),
        *falling,
        *((last, fab) if dies else (fab,)),
    )


def one_jump(epochs: int = 42) -> Schedule:
    """Return the ablation: the target's readout from the first epoch on."""
    # From random weights 4e-3 settles later, to a higher loss (docs/accuracy.md, at the end).
    return (Stage(name="target", kind="target", epochs=epochs, rate=2e-3),)
