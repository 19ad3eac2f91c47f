"""A build: one compiled network with its target, and what its files are made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mapper import __version__
from mapper.cost import generate_cost
from mapper.executor.numpy.generate import generate_executor
from mapper.executor.onnx.lowered import to_lowered_onnx
from mapper.ir.core import Array, Graph
from mapper.ir.frozen import FrozenMap
from mapper.pipeline import PassRun
from targets import Target


@dataclass(frozen=True, kw_only=True)
class Build:
    """One compiled network: everything the folder's files are made from.

    Programs are generated when they are first asked for, and once: whoever checks, runs or writes
    a build after that takes what is there.
    """

    hardware: Graph
    network: Graph
    target: Target
    weight_bits: int
    """Width of the widest weights on crossbars."""
    passes: tuple[PassRun, ...]
    samples: Mapping[str, Array] = field(default_factory=dict)
    """Calibration recordings as input codes ``[T, B, *shape]``; empty without ``--calibrate``."""
    source: Mapping[str, str] = field(default_factory=dict)
    """File name and SHA-256 of the model."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", FrozenMap(self.samples))

    @cached_property
    def executor(self) -> str:
        """The text of ``executor.py``."""
        return generate_executor(self.hardware, target=self.target.name, version=__version__)

    @cached_property
    def lowered(self) -> bytes:
        """The content of ``lowered.onnx``."""
        content: bytes = to_lowered_onnx(self.hardware).SerializeToString(deterministic=True)
        return content

    @cached_property
    def cost(self) -> str:
        """The text of ``cost.py``."""
        return generate_cost(self.hardware, self.target)
