"""A build: one compiled network with its target, and what its files are made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from mapper import __version__
from mapper.ir.core import Array, Graph
from mapper.ir.frozen import FrozenMap
from mapper.layout import IN_STEPS, Presentation
from mapper.report.on_host import OnHost
from targets import DEFAULT_PRESET, Target

if TYPE_CHECKING:  # what a run does not need is imported where it is asked for
    from mapper.cost import Counts
    from mapper.decided import Deciding
    from mapper.dies.differences import DieFacts
    from mapper.dies.drawn import Drawn
    from mapper.epilogue.model import Epilogue
    from mapper.report import Evidence, Report
    from mapper.report.grids import LayerGrid
    from passes.ran import PassOptions, PassRun


@dataclass(frozen=True, kw_only=True)
class Build:
    """One compiled network: everything the folder's files are made from.

    Programs are generated when they are first asked for, and once: whoever checks, runs or writes
    a build after that takes what is there.
    """

    hardware: Graph
    """What the chip computes: the ideal one, or that of ``die``."""
    network: Graph
    target: Target
    weight_bits: int
    """Width of the widest weights on crossbars."""
    passes: "tuple[PassRun, ...]"
    samples: Mapping[str, Array] = field(default_factory=dict)
    """Calibration recordings as input codes ``[T, B, *shape]``; empty without ``--calibrate``."""
    source: Mapping[str, str] = field(default_factory=dict)
    """File name and SHA-256 of the model."""
    presented: Presentation = IN_STEPS
    """How the model takes its inputs: what the arrays of a recording mean."""
    told: tuple[str, ...] = ()
    """Warnings of what calibration recordings found: layers that never or always fire."""
    dead: str = ""
    """Why the mapping says nothing of these recordings, in a few words; empty where it does."""
    epilogue: "Epilogue | None" = None
    """What the host computes of the outputs; None where these are the model's own."""
    die: "Drawn | None" = None
    """What ``hardware`` was drawn from where it is one die; None of the ideal chip."""

    def telling(self, told: tuple[str, ...], dead: str) -> "Build":
        """Return the same build with what was found of it; what was generated is not anew."""
        made = replace(self, told=told, dead=dead)
        for name, held in vars(self).items():
            vars(made).setdefault(name, held)
        return made

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", FrozenMap(self.samples))

    @property
    def ideal(self) -> Graph:
        """The graph of the ideal chip: what is counted and priced, as a die has the same parts."""
        return self.hardware if self.die is None else self.die.ideal

    @property
    def options(self) -> "PassOptions":
        """Options of passes that were not left at their defaults."""
        return {run.name: run.options for run in self.passes if run.options}

    @property
    def of_passes(self) -> tuple[str, ...]:
        """Warnings of passes: what the target rounds, or cannot hold, otherwise than the model."""
        return tuple(dict.fromkeys(text for run in self.passes for text in run.warnings))

    @property
    def uncalibrated(self) -> tuple[str, ...]:
        """A warning where sense amplifiers were set without recordings; nothing elsewhere."""
        from mapper.report.warned import uncalibrated

        return uncalibrated(self.ideal, self.source, calibrated=bool(self.samples))

    @cached_property
    def read_otherwise(self) -> tuple[str, ...]:
        """A warning where counts are read in steps and their integers depend on it."""
        from mapper.cost.counts_read import other_integers

        return other_integers(self.ideal, self.target)

    @property
    def deciding(self) -> "Deciding":
        """The output that says a class of each sample."""
        from mapper.decided import Deciding

        return Deciding(graph=self.hardware, epilogue=self.epilogue)

    @property
    def host(self) -> OnHost | None:
        """What is said of the epilogue; None where there is none."""
        if self.epilogue is None:
            return None
        from mapper.epilogue.model import host_of

        return host_of(self.epilogue)

    @cached_property
    def counts(self) -> "Counts":
        """The actions of every layer: what each estimate starts from."""
        from mapper.cost import count_actions

        return count_actions(self.ideal, self.target)

    @cached_property
    def grids(self) -> "tuple[LayerGrid, ...]":
        """The crossbars of each layer that is on crossbars."""
        from mapper.report.grids import layer_grids

        return layer_grids(self.ideal, self.target)

    @cached_property
    def die_facts(self) -> "DieFacts | None":
        """What is said of the die; None of the ideal chip."""
        if self.die is None:
            return None
        from mapper.dies.differences import DieFacts

        return DieFacts(die=self.die, hardware=self.hardware, target=self.target)

    @cached_property
    def page(self) -> "Report":
        """The report as compiled, before anything was recorded."""
        return self.report()

    def report(
        self,
        evidence: "Evidence | None" = None,
        preset: str = DEFAULT_PRESET,
        every_ms: float | None = None,
    ) -> "Report":
        """Gather what a page says of the build; ``evidence`` is what was recorded of it."""
        from mapper.report import report_of

        return report_of(
            self.counts,
            weight_bits=self.weight_bits,
            passes=tuple((str(run), run.exact, run.warnings) for run in self.passes),
            source=self.source,
            evidence=evidence,
            calibrated=bool(self.samples),
            told=self.told,
            preset=preset,
            every_ms=every_ms,
            die=self.die_facts,
            host=self.host,
        )

    @cached_property
    def executor(self) -> str:
        """The text of ``executor.py``."""
        from mapper.executor.numpy.generate import generate_executor

        return generate_executor(
            self.hardware,
            target=self.target.name,
            version=__version__,
            presented=self.presented,
        )

    @cached_property
    def lowered(self) -> bytes:
        """The content of ``lowered.onnx``."""
        from mapper.executor.onnx.lowered import lowered_bytes

        return lowered_bytes(self.hardware)

    @cached_property
    def cost(self) -> str:
        """The text of ``cost.py``."""
        from mapper.cost import generate_cost

        return generate_cost(self.counts)
