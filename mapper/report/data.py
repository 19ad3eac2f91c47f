"""What the report says, as plain data: templates only lay it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property

from mapper.cost import (
    DENSITY,
    Activity,
    Cost,
    Counts,
    Range,
    assumed,
    costs_along,
    price,
    priceable,
    skipped,
    steps_between,
    swings_of,
    waterfall,
)
from mapper.cost.counts_read import other_integers
from mapper.cost.sensitivity import Tornado
from mapper.cost.waterfall import Step, WaterfallStep
from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.firing import MAPPING, NETWORK, Firing
from mapper.ir.identity import digest
from mapper.proportions import Score
from mapper.report.grids import LayerGrid, chips_of, layer_grids, weighted, weights_in_words
from mapper.report.on_host import OnHost
from mapper.report.one_chip import OneChip
from mapper.report.warned import uncalibrated
from mapper.verify.result import Verification
from targets import DEFAULT_PRESET, Preset, Target, load_preset


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow(LayerGrid):
    """The same with what it costs."""

    energy_pj: Range
    step_ns: Range
    """One time step of this layer."""
    area_um2: Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The run that spikes were counted in: on what, and how right its outputs were."""

    file: str
    """The recording: file name and SHA-256, or that it was in memory."""
    right: int | None = None
    """Right answers; None where the recording has no labels."""
    labelled: int = 0
    """Samples with a label."""
    stored: bool = False
    """It is recorded in the folder of the build."""
    earlier: bool = False
    """It was not run by the command that lays the page out."""

    @property
    def score(self) -> Score | None:
        """Right answers with their 95 % interval; None without labels."""
        return None if self.right is None else Score(self.right, self.labelled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was recorded or proved of a mapping, beyond what its graph says."""

    activity: Activity | float = DENSITY
    """Counted in a run, or the share of input bits taken to be 1."""
    steps: int = 1
    """Time steps of an inference, where activity is a share."""
    trace: Mapping[str, Array] = field(default_factory=dict)
    """Of the same run: spikes by time step and sample ``[T, B]``, driven wordlines."""
    ran: Counted | None = None
    """That run; None where nothing was counted, or it is not known on what."""
    verification: Verification | None = None
    """What ``verify`` found; None where nothing is known."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """What it was verified on, where the answer is kept with the build: ``input``, ``model``, each
    a file name with SHA-256."""
    fresh: bool = False
    """The rings of an answer that is kept ran in the command that lays the page out; else nothing
    but the record is known."""
    unverified: str = ""
    """Why a stored verification is not of this build; empty where there is none."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Where these come from: what it is, and file name with SHA-256."""
    counted: Firing | None = None
    """How often layers fired in the run that ``activity`` was counted in; None for a share."""

    @property
    def firing(self) -> Firing | None:
        """How often layers fired: where the rings ran, in that run, which had the outputs, too."""
        found = self.verification
        known = None if found is None else found.firing
        same = self.ran is not None and self.ran.file == self.kept.get("input")
        elsewhere = bool(self.kept and self.counted) and not same
        return known if known is not None and not elsewhere else self.counted

    @property
    def source_firing(self) -> Firing | None:
        """The same of the trained network, which only the rings run."""
        return None if self.verification is None else self.verification.source_firing


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole page; what only the page says is worked out when it is laid out."""

    network: str
    counts: Counts
    """The mapping and its actions."""
    weight_bits: int
    passes: tuple[tuple[str, bool, tuple[str, ...]], ...]
    """Each pass, whether it is exact, and what it says of how the target computes otherwise."""
    layers: tuple[LayerRow, ...]
    cost: Cost
    preset: Preset
    """What ``cost`` assumes of the chip."""
    evidence: Evidence
    calibrated: bool
    """Recordings set input codes and readout."""
    told: tuple[str, ...]
    """What these recordings found: it counts until there is a run on others."""
    source: Mapping[str, str]
    die: OneChip | None = None
    """The die that it is of; None of the ideal chip."""
    host: OnHost | None = None
    """What a host computes of the outputs; None where these are the model's own."""

    @property
    def graph(self) -> Graph:
        """The hardware graph."""
        return self.counts.graph

    @property
    def target(self) -> Target:
        return self.counts.target

    @property
    def weights(self) -> str:
        """How wide weights are, in words."""
        return weights_in_words(self.graph, self.weight_bits)

    @cached_property
    def way(self) -> tuple[tuple[Step, Cost], ...]:
        """The same inference from the preset ``paper`` to ``physical``, an assumption at a time.

        Steps without a price are left out, as ``skipped`` says.
        """
        steps = priceable(_way_of_presets(), [self.target])
        found = costs_along(self.counts, self.evidence.activity, self.evidence.steps, steps)
        return tuple(zip(steps, found, strict=True))

    @property
    def skipped(self) -> str:
        """Which steps on the way have no price, and why; empty where all have one."""
        return skipped(_way_of_presets(), self.target)

    @property
    def presets(self) -> tuple[Cost, ...]:
        """The same inference under the preset ``paper``, where it has a price, and ``physical``."""
        (first, paper), (_, physical) = self.way[0], self.way[-1]
        return (physical,) if first.changed else (paper, physical)

    @property
    def waterfall(self) -> tuple[WaterfallStep, ...]:
        """Energy and interval on the way from one preset to the other."""
        steps, found = zip(*self.way, strict=True)
        return waterfall(steps, found)

    @cached_property
    def swings(self) -> tuple[Tornado, ...]:
        """What each constant in force does to the totals."""
        return swings_of(self.counts, self.evidence.activity, self.evidence.steps, self.preset)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What has to be known before a number is used.

        What passes compute otherwise, layers that never or always fire, readout that was set
        without recordings, counts whose integers depend on how they are read, and limits of
        silicon that the mapping is beyond.
        """
        pairs = ((NETWORK, self.evidence.source_firing), (MAPPING, self.evidence.firing))
        seen = [text for what, one in pairs if one is not None for text in one.warnings(what)]
        told = self.told if self.evidence.firing is None else seen
        readout = uncalibrated(self.graph, self.source, calibrated=self.calibrated)
        otherwise = other_integers(self.graph, self.target)
        of_passes = dict.fromkeys(text for *_, warned in self.passes for text in warned)
        return (*of_passes, *told, *readout, *otherwise, *self.cost.warnings)

    @property
    def measured(self) -> bool:
        return isinstance(self.evidence.activity, Activity)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the hardware graph."""
        return digest(self.graph)

    @property
    def crossbars(self) -> int:
        return sum(row.crossbars for row in self.layers)

    @property
    def chips(self) -> int:
        return chips_of(self.graph, self.target)


def _way_of_presets() -> tuple[Step, ...]:
    return steps_between(load_preset("paper"), load_preset("physical"))


def report_of(
    counts: Counts,
    *,
    weight_bits: int,
    passes: tuple[tuple[str, bool, tuple[str, ...]], ...],
    source: Mapping[str, str],
    evidence: Evidence | None = None,
    calibrated: bool = False,
    told: tuple[str, ...] = (),
    preset: str = DEFAULT_PRESET,
    every_ms: float | None = None,
    die: OneChip | None = None,
    host: OnHost | None = None,
) -> Report:
    """Gather the report of a mapping, its cost under a preset; see ``assumed``."""
    evidence = evidence or Evidence()
    chosen = assumed(preset, every_ms)
    cost = price(counts, evidence.activity, evidence.steps, chosen)
    return Report(
        network=counts.graph.name,
        counts=counts,
        weight_bits=weight_bits,
        passes=passes,
        layers=layer_rows(counts.graph, counts.target, cost),
        cost=cost,
        preset=chosen,
        evidence=evidence,
        calibrated=calibrated,
        told=told,
        source=source,
        die=die,
        host=host,
    )


def layer_rows(graph: Graph, target: Target, cost: Cost) -> tuple[LayerRow, ...]:
    """Return a row for every layer on crossbars, in execution order."""
    pairs = zip(weighted(graph), cost.layers, strict=False)  # without weights, one layer has a cost
    priced = [layer for op, layer in pairs if isinstance(op, CrossbarMvm)]
    return tuple(
        LayerRow(
            **{field.name: getattr(grid, field.name) for field in fields(grid)},
            energy_pj=layer.total_pj,
            step_ns=layer.step_ns,
            area_um2=layer.total_um2,
        )
        for grid, layer in zip(layer_grids(graph, target), priced, strict=True)
    )
