"""What the report says, as plain data: templates only lay it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from mapper.cost import (
    DENSITY,
    Activity,
    Cost,
    Range,
    costs_along,
    estimate,
    steps_between,
    waterfall,
)
from mapper.ir.assignment import layer_name
from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.identity import digest
from mapper.ir.readout import BitlineRead
from mapper.ir.units import LayerOp
from targets import DEFAULT_PRESET, Preset, Target, load_preset


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One layer on crossbars."""

    name: str
    """The node of the model it comes from, or else its value."""
    value: str
    """What its result is called in the graph."""
    macro: str
    readout: str
    wordlines: int
    outputs: int
    positions: int
    """Output positions of one time step."""
    row_blocks: int
    column_blocks: int
    slices: int
    """Bit-slices of a weight."""
    encoding: str
    copies: int
    crossbars: int
    """All copies."""
    rows_used: float
    """Used wordlines over wordlines of its crossbars, 0..1."""
    columns_used: float
    """Used bitlines over bitlines of its crossbars, 0..1."""
    utilisation: float
    """Used cells over cells of its crossbars, 0..1."""
    chips: str
    stage: int
    energy_pj: Range
    step_ns: Range
    """One time step of this layer."""
    area_um2: Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was recorded or proved of a mapping, beyond what its graph says."""

    activity: Activity | float = DENSITY
    """Counted in a run, or the share of input bits taken to be 1."""
    steps: int = 1
    """Time steps of an inference, where activity is a share."""
    trace: Mapping[str, Array] = field(default_factory=dict)
    """Of the same run: spikes by time step and sample ``[T, B]``, driven wordlines."""
    verification: Mapping[str, Any] | None = None
    """What ``spikeloom verify DIR --json`` answers; None where it was not asked."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """What it was verified on earlier, where the answer was kept with the build and not found for
    this report: ``input``, ``model``, each a file name with SHA-256."""
    unverified: str = ""
    """Why what was kept with the build does not hold; empty where nothing was."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Where these come from: what it is, and file name with SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole page."""

    network: str
    graph: Graph
    """The hardware graph."""
    target: Target
    weight_bits: int
    passes: tuple[tuple[str, bool], ...]
    """Each pass and whether it is exact."""
    layers: tuple[LayerRow, ...]
    cost: Cost
    preset: Preset
    """What ``cost`` assumes of the chip."""
    evidence: Evidence
    calibrated: bool
    """Recordings set input codes and readout."""
    presets: tuple[Cost, ...]
    """The same inference under the preset ``paper`` and under ``physical``."""
    waterfall: list[dict[str, Any]]
    """From one to the other, an assumption at a time."""
    source: Mapping[str, str]

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
        per_chip = self.target.chip.crossbars
        return max(1, -(-self.crossbars // per_chip))


def report_of(
    graph: Graph,
    target: Target,
    *,
    weight_bits: int,
    passes: tuple[tuple[str, bool], ...],
    source: Mapping[str, str],
    evidence: Evidence | None = None,
    calibrated: bool = False,
    preset: str = DEFAULT_PRESET,
) -> Report:
    """Gather the report of a fully lowered graph, its cost under a preset."""
    evidence = evidence or Evidence()
    activity = evidence.activity
    assumed = load_preset(preset)
    cost = estimate(graph, target, activity, evidence.steps, assumed)
    way = steps_between(load_preset("paper"), load_preset("physical"))
    costs = costs_along(graph, target, activity, evidence.steps, way)
    return Report(
        presets=(costs[0], costs[-1]),
        waterfall=waterfall(way, costs),
        network=graph.name,
        graph=graph,
        target=target,
        weight_bits=weight_bits,
        passes=passes,
        layers=layer_rows(graph, target, cost),
        cost=cost,
        preset=assumed,
        evidence=evidence,
        calibrated=calibrated,
        source=source,
    )


def layer_rows(graph: Graph, target: Target, cost: Cost) -> tuple[LayerRow, ...]:
    """Return a row for every layer on crossbars, in execution order."""
    reads = readouts(graph)
    return tuple(
        _row(op, reads, graph, target, cost, index)
        for index, op in enumerate(weighted(graph))
        if isinstance(op, CrossbarMvm)
    )


def weighted(graph: Graph) -> list[LayerOp]:
    """Return the first op of every layer, in the order of ``Cost.layers``."""
    return [op for op in graph.ops if isinstance(op, LayerOp)]


def readouts(graph: Graph) -> dict[str, BitlineRead]:
    """Return what reads each partial sum, by the sum's name."""
    reads = [op for op in graph.ops if isinstance(op, BitlineRead)]
    return {op.partial_sum.name: op for op in reads}


def bitlines_per_weight(op: CrossbarMvm) -> int:
    return 1 if op.encoding is None else op.encoding.bitlines_per_weight


def _row(
    op: CrossbarMvm,
    reads: Mapping[str, BitlineRead],
    graph: Graph,
    target: Target,
    cost: Cost,
    index: int,
) -> LayerRow:
    macro, layer = target.macro(op.placement.macro), cost.layers[index]
    wordlines, outputs = graph.constants[op.weight.name].shape
    columns = outputs * bitlines_per_weight(op)
    value = op.partial_sum.name.removesuffix(".partial_sum")
    return LayerRow(
        name=layer_name(op.loc, value),
        value=value,
        macro=macro.name,
        readout=reads[op.partial_sum.name].words,
        wordlines=wordlines * op.groups,
        outputs=outputs,
        positions=prod(op.positions),
        row_blocks=len(op.rows),
        column_blocks=len(op.columns),
        slices=op.partial_sum.shape[2],
        encoding="" if op.encoding is None else op.encoding.kind,
        copies=op.placement.copies,
        crossbars=op.crossbars * op.placement.copies,
        rows_used=wordlines / (macro.wordlines * len(op.rows)),
        columns_used=columns / (macro.bitlines * len(op.columns)),
        utilisation=wordlines * columns / (macro.wordlines * macro.bitlines * op.crossbars),
        chips=_chips(op, target),
        stage=op.placement.stage,
        energy_pj=layer.total_pj,
        step_ns=layer.step_ns,
        area_um2=layer.total_um2,
    )


def _chips(op: CrossbarMvm, target: Target) -> str:
    slots, per_chip = op.placement.slots, target.chip.crossbars
    if not len(slots):
        return "not placed"
    first, last = slots.start // per_chip, (slots.stop - 1) // per_chip
    return str(first) if first == last else f"{first}-{last}"
