"""What the report says, as plain data: templates only lay it out."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from mapper.cost import DENSITY, Cost, Range, costs_along, estimate, steps_between, waterfall
from mapper.ir.core import Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.synapses import Synapse
from mapper.ir.text import print_op
from targets import DEFAULT_PRESET, Target, load_preset

STEPS = 10
"""Time steps of the inference that presets are compared on, where no recording says."""


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
    copies: int
    crossbars: int
    """All copies."""
    utilisation: float
    """Used cells over cells of its crossbars, 0..1."""
    chips: str
    stage: int
    energy_pj: Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole page."""

    network: str
    target: Target
    weight_bits: int
    passes: tuple[tuple[str, bool], ...]
    """Each pass and whether it is exact."""
    layers: tuple[LayerRow, ...]
    cost: Cost
    density: float
    steps: int
    """Time steps of the inference that presets are compared on."""
    presets: tuple[Cost, ...]
    """That inference under the preset ``paper`` and under ``physical``."""
    waterfall: list[dict[str, Any]]
    """From one to the other, an assumption at a time."""
    source: Mapping[str, str]
    text: tuple[str, ...]
    """The hardware graph, an op a line."""

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
    steps: int = STEPS,
) -> Report:
    """Gather the report of a fully lowered graph, its cost at the default density."""
    cost = estimate(graph, target, preset=load_preset(DEFAULT_PRESET))
    way = steps_between(load_preset("paper"), load_preset("physical"))
    costs = costs_along(graph, target, DENSITY, steps, way)
    return Report(
        steps=steps,
        presets=(costs[0], costs[-1]),
        waterfall=waterfall(way, costs),
        network=graph.name,
        target=target,
        weight_bits=weight_bits,
        passes=passes,
        layers=layer_rows(graph, target, cost),
        cost=cost,
        density=DENSITY,
        source=source,
        text=tuple(print_op(op) for op in graph.ops),
    )


def layer_rows(graph: Graph, target: Target, cost: Cost) -> tuple[LayerRow, ...]:
    """Return a row for every layer on crossbars, in execution order."""
    weighted = [op for op in graph.ops if isinstance(op, CrossbarMvm | Synapse)]
    energies = [layer.total_pj for layer in cost.layers]
    reads = {op.partial_sum.name: op for op in graph.ops if isinstance(op, SenseAmpRead | AdcRead)}
    return tuple(
        _row(op, reads, graph, target, energy)
        for op, energy in zip(weighted, energies, strict=True)
        if isinstance(op, CrossbarMvm)
    )


def _row(
    op: CrossbarMvm,
    reads: Mapping[str, Op],
    graph: Graph,
    target: Target,
    energy: Range,
) -> LayerRow:
    macro = next(m for m in target.macros if m.name == op.placement.macro)
    wordlines, outputs = graph.constants[op.weight.name].shape
    per_weight = 1 if op.encoding is None else op.encoding.bitlines_per_weight
    cells = macro.wordlines * macro.bitlines * op.crossbars
    value = op.partial_sum.name.removesuffix(".partial_sum")
    return LayerRow(
        name=op.loc.partition(":")[2] or value,
        value=value,
        macro=macro.name,
        readout=_readout(reads[op.partial_sum.name]),
        wordlines=wordlines * op.groups,
        outputs=outputs,
        positions=prod(op.positions),
        row_blocks=len(op.rows),
        column_blocks=len(op.columns),
        copies=op.placement.copies,
        crossbars=op.crossbars * op.placement.copies,
        utilisation=wordlines * outputs * per_weight / cells,
        chips=_chips(op, target),
        stage=op.placement.stage,
        energy_pj=energy,
    )


def _readout(op: Op) -> str:
    if isinstance(op, AdcRead):
        return "ideal" if op.kind == "ideal" else f"{op.bits}-bit {op.kind} ADC"
    assert isinstance(op, SenseAmpRead)
    kind = "sense amplifier" if len(op.levels) == 2 else "ternary"
    return kind if op.active is None else f"{kind}, half-active"


def _chips(op: CrossbarMvm, target: Target) -> str:
    slots, per_chip = op.placement.slots, target.chip.crossbars
    if not len(slots):
        return "not placed"
    first, last = slots.start // per_chip, (slots.stop - 1) // per_chip
    return str(first) if first == last else f"{first}-{last}"
