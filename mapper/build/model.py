"""A build: one compiled network with its target, and what its files are made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mapper.ir.core import Array, Graph
from mapper.ir.frozen import FrozenMap
from mapper.pipeline import PassRun
from targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One compiled network: everything the folder's files are made from."""

    hardware: Graph
    network: Graph
    target: Target
    weight_bits: int
    passes: tuple[PassRun, ...]
    samples: Mapping[str, Array] = field(default_factory=dict)
    """Calibration recordings as input codes ``[T, B, *shape]``; empty without ``--calibrate``."""
    source: Mapping[str, str] = field(default_factory=dict)
    """File name and SHA-256 of the model."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", FrozenMap(self.samples))
