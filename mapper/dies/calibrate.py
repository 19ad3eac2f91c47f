"""Calibrate a known die: trim its references, move its biases, place its columns and rows.

A known die is one whose offsets and faults were measured: everything that ``Drawn`` draws again. It
is calibrated in this order. Columns and rows are placed before weights are programmed, round what
stays as it is: stuck cells, offsets and gains. References are trimmed by what was measured of them.
Biases are digital and come last, as they take back what is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from mapper.diagnostics import refuse
from mapper.dies.drawn import Drawn
from mapper.dies.place import placed
from mapper.dies.trims import Trim, Trimmed, measured_offsets, readout_sites, trimmed
from mapper.executor import engine
from mapper.ir.copies import copy_of_positions
from mapper.ir.core import Array, Graph
from mapper.ir.counter import read_keys
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.noise import key_inputs
from passes.dies.conductance import stuck_cells
from passes.dies.facts import facts_of
from passes.dies.sites import sites_of
from passes.draw_die import DrawDie
from targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What to calibrate."""

    trim: Trim | None = None
    """How references are trimmed; None leaves them."""
    biases: bool = True
    place: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A die after its calibration, and what was known and changed."""

    die: Drawn
    offsets: int
    """Readouts whose offset is known."""
    stuck: int
    """Cells in use that are known to be stuck."""
    references: int
    """Readouts that there are."""
    trimmed: int
    """Readouts whose references were moved."""
    beyond: int
    """Readouts whose offset is beyond the range of the trim."""
    reaches: tuple[float, ...]
    """Ranges of the trims of macros, in counts, as far as they are known."""
    ranged: int
    """Readouts whose range is known."""
    endless: int
    """Readouts whose range is not known: their references were moved as far as it takes."""
    channels: int
    """Biases that there are, by channel and copy."""
    moved: int
    """Biases that were moved."""
    columns: int
    """Outputs of crossbars, of all copies and row blocks."""
    columns_placed: int
    """Those that are at another place than in the order of outputs."""
    rows: int
    """Wordlines of crossbars in use, of all copies and column blocks."""
    rows_placed: int


def calibrate(
    die: Drawn, target: Target, codes: Mapping[str, Array], what: Calibration
) -> Calibrated:
    """Return a die that is as near to the ideal chip as what is switched on takes it.

    Args:
        die: As it was drawn, or as an earlier calibration left it.
        target: Of the ideal chip.
        codes: Recordings, input codes ``[T, B, *shape]`` of the ideal chip by name.
        what: Which parts of a calibration to do.

    Raises:
        MappingError: ``calibrate-again`` where columns would be placed anew under references or
            biases that an earlier calibration moved, and what drawing the die and running it raise.
    """
    if what.place:
        _check_undone(die, what)
        die = placed(die, target, codes, what.trim)
    trims = trimmed(die, target, what.trim) if what.trim is not None else []
    if what.trim is not None:
        moved = {layer.name: layer.moved for layer in trims}
        die = replace(die, step=replace(die.step, trims=moved))
    if what.biases:
        die = replace(die, biases=biases_of(replace(die, biases={}), target, codes))
    return _told(die, target, trims)


def _check_undone(die: Drawn, what: Calibration) -> None:
    """Refuse to move columns away from what was set for them where they were."""
    held = {
        "references": what.trim is None and bool(die.step.trims),
        "biases": not what.biases and bool(die.biases),
    }
    if stale := [name for name, lost in held.items() if lost]:
        raise refuse(
            "calibrate-again",
            f"{' and '.join(stale)} of {die.named} were moved for the columns as they lie",
            help="ask for --trim and --biases along with --place, or calibrate the die as drawn",
        )


# --- biases -----------------------------------------------------------------------------------


def biases_of(die: Drawn, target: Target, codes: Mapping[str, Array]) -> dict[str, Array]:
    """Return what makes the mean sum of each neuron the ideal chip's, ``[C, N]`` by layer.

    By channel and by copy of the layer in front; layer after layer, each behind those that are
    corrected already.
    """
    neurons = [op for op in die.ideal.ops if isinstance(op, IntegerNeuron)]
    wanted = _means(die.ideal, codes, [op.x.name for op in neurons])
    found: dict[str, Array] = {}
    for op in neurons:
        graph = replace(die, biases=found).draw(target)
        got = _means(graph, _with_keys(graph, codes), [op.x.name])[op.x.name]
        gone = (wanted[op.x.name] - got).reshape(op.x.shape[0], -1)  # [N, P]
        copy = copy_of_positions(_copies_before(op, die.ideal), gone.shape[1])
        bands = [gone[:, copy == c].mean(axis=1) for c in range(int(copy.max()) + 1)]
        table = np.rint(np.stack(bands) * (1 << op.fraction_bits)).astype(np.int64)
        if table.any():
            found[op.membrane_next.name] = table
    return found


def _means(graph: Graph, codes: Mapping[str, Array], names: list[str]) -> dict[str, Array]:
    """Return values on average over time steps and samples, ``[*shape]``, a sample at a time."""
    known = {value.name for value in graph.inputs}
    samples = next(iter(codes.values())).shape[1]
    sums: dict[str, Array] = {}
    prepared = engine.engine_for(None).prepare(graph, watch=[n for n in names if n not in known])
    for b in range(samples):
        one = {name: array[:, b : b + 1] for name, array in codes.items()}
        ran = {**one, **prepared.run(one)}
        for name in names:
            sums[name] = sums.get(name, 0) + ran[name].astype(np.int64).mean(axis=(0, 1))
    return {name: total / samples for name, total in sums.items()}


def _with_keys(graph: Graph, codes: Mapping[str, Array]) -> dict[str, Array]:
    """Return codes with keys of noise, where a die asks for them: those of the run seed 0."""
    steps, samples = next(iter(codes.values())).shape[:2]
    return {**codes, **{key.name: read_keys(0, steps, samples) for key in key_inputs(graph)}}


def _copies_before(op: IntegerNeuron, graph: Graph) -> int:
    """Return how many copies has the layer on crossbars whose sums neurons take, 1 for none.

    At most one for each of their positions.
    """
    makers = {value.name: maker for maker in graph.ops for value in maker.results}
    left, most = [value.name for value in op.operands[:1]], 1
    seen = set(left)
    while left:
        maker = makers.get(left.pop())
        if maker is None or isinstance(maker, IntegerNeuron):
            continue
        if isinstance(maker, CrossbarMvm):
            own = (maker.placement.copies, prod(maker.positions), prod(op.x.shape[1:]))
            most = max(most, min(own))  # a pool may leave fewer positions than there are copies
            continue
        new = [value.name for value in maker.operands if value.name not in seen]
        seen |= set(new)
        left += new
    return most


# --- what was done ----------------------------------------------------------------------------


def _told(die: Drawn, target: Target, trims: Sequence[Trimmed]) -> Calibrated:
    chip = die.chip(target)
    layers = [op for op in die.ideal.ops if isinstance(op, CrossbarMvm)]
    read = [op for op in layers if not chip.macro(op.placement.macro).readout.is_exact]
    neurons = [op for op in die.ideal.ops if isinstance(op, IntegerNeuron)]
    return Calibrated(
        die=die,
        offsets=sum(one.known(die.step.measured) for one in measured_offsets(die, target)),
        stuck=sum(_stuck(op, die, chip) for op in layers),
        references=sum(len(np.unique(readout_sites(op, die.step, chip))) for op in read),
        trimmed=sum(_trimmed(op, die.step, chip) for op in read),
        beyond=sum(layer.beyond for layer in trims),
        reaches=tuple(sorted({layer.reach for layer in trims if layer.reach is not None})),
        ranged=sum(layer.readouts for layer in trims if layer.reach is not None),
        endless=sum(layer.readouts for layer in trims if layer.reach is None),
        channels=sum(op.x.shape[0] * _copies_before(op, die.ideal) for op in neurons),
        moved=_changed(die.biases),
        columns=sum(op.placement.copies * len(op.rows) * op.outputs for op in layers),
        columns_placed=_moved_in(layers, die.step.places, rows=False),
        rows=sum(op.placement.copies * len(op.columns) * op.shared_rows[-1].stop for op in layers),
        rows_placed=_moved_in(layers, die.step.lines, rows=True),
    )


def _stuck(op: CrossbarMvm, die: Drawn, chip: Target) -> int:
    """Count the cells of a layer that are stuck, of all copies."""
    step = die.step
    cell = facts_of(op, chip, step.conditions).cell
    if op.encoding is None or not (cell.stuck_on or cell.stuck_off or step.measured):
        return 0
    name = op.partial_sum.name
    sites = sites_of(op, step.places.get(name), step.lines.get(name))
    members = (sites.cells(second=bool(second)) for second in range(1 + op.encoding.pairs))
    stuck = (np.logical_or(*stuck_cells(cell, at, step.seed, step.measured)) for at in members)
    return sum(int((here & op.there).sum()) for here in stuck)


def _trimmed(op: CrossbarMvm, step: DrawDie, chip: Target) -> int:
    """Count the readouts of a layer whose references were moved."""
    trims = step.trims.get(op.partial_sum.name)
    return 0 if trims is None else len(np.unique(readout_sites(op, step, chip)[trims != 0]))


def _changed(tables: Mapping[str, Array]) -> int:
    return sum(int(np.count_nonzero(table)) for table in tables.values())


def _moved_in(layers: list[CrossbarMvm], tables: Mapping[str, Array], *, rows: bool) -> int:
    """Count what is not where it would be in order."""
    moved = 0
    for op in layers:
        if op.partial_sum.name in tables:
            plain = sites_of(op)
            order = plain.wordline if rows else plain.bitline[0, 0, 0]
            wide = 1 if rows or op.encoding is None else op.encoding.bitlines_per_weight
            moved += int(np.count_nonzero(tables[op.partial_sum.name] * wide != order))
    return moved
