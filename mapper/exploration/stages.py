"""The way of a point from a network to counts, in stages that are done again where facts differ.

A stage is some passes, and the facts of a design that these read. Its result follows from them and
from the result of the stage before, and is kept with them: a point does again what its own facts
reach, and finds everything else. Passes run in an order that lets the slow ones come first: those
that cut columns and fill rounds look at nothing that readouts are set from, and touch nothing of
it. ``tests/explore/test_stages.py`` holds what each stage reads, and that the graph is the one that
``mapper.pipeline`` makes.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count
from typing import Any

import numpy as np

from mapper.cost.layer_counts import (
    Counts,
    Levels,
    Unplaced,
    count_actions,
    count_unplaced,
    levels_of,
)
from mapper.diagnostics import MappingError
from mapper.exploration.axes import STAGES, Stage
from mapper.exploration.base import Design
from mapper.exploration.held import Held
from mapper.exploration.natively import layer_on_kernels
from mapper.ir.assignment import layer_name
from mapper.ir.core import Array, Constants, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.synapses import Synapse
from mapper.ir.units import LayerOp
from mapper.pipeline import make_passes, run_passes
from passes import (
    EncodeInputs,
    FoldBatchNorm,
    FoldLayers,
    FoldPooling,
    InputCode,
    LowerNeurons,
    LowerReadout,
    MergeSums,
    Partition,
    Pass,
    Place,
    QuantizeNeurons,
    QuantizeWeights,
    Replicate,
    Schedule,
    SliceWeights,
    TileColumns,
    TileRows,
)
from passes.options import with_options
from passes.readout.calibrate import Calibration, calibrate
from passes.readout.trained import fitted
from targets import Macro, Readout, Target, assignment_problems, weight_bits

Step = Callable[[Graph, Target], Graph]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What all points are made from: a network, and what was measured on recordings."""

    graph: Graph
    trained: bool = False
    """It comes with its crossbars, as it was trained."""
    codes: Mapping[str, InputCode]
    samples: Mapping[str, Array]

    @property
    def layers(self) -> tuple[str, ...]:
        """Where its layers of weights come from."""
        return tuple(op.loc for op in self.graph.ops if isinstance(op, LayerOp))

    @property
    def grouped(self) -> bool:
        """Whether groups of inputs may share crossbars."""
        return any(
            (op.group_count if isinstance(op, Synapse) else getattr(op, "groups", 1)) > 1
            for op in self.graph.ops
            if isinstance(op, LayerOp)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A stage: its passes, and all that they read of a design."""

    passes: tuple[type[Pass], ...]
    """In the order in which they run."""
    reads: Callable[[Design, Network], Hashable]


def _reads_weights(design: Design, network: Network) -> Hashable:
    target, decided = design.target, design.assignment
    wrong = any(True for _ in assignment_problems(target, decided, network.layers))
    widths = tuple(weight_bits(target, decided, layer) for layer in network.layers)
    named = tuple(layer_name(layer) in decided.layers for layer in network.layers)
    usual = decided.weight_bits, tuple(macro.weight_bits for macro in target.macros)
    trained = (target.macros, target.neuron) if network.trained else None
    return wrong, widths, named, usual, trained


def _reads_neurons(design: Design, network: Network) -> Hashable:
    return design.target.neuron


def _reads_macros(design: Design, network: Network) -> Hashable:
    return design.assignment, tuple(
        (macro.name, macro.accepts, macro.max_input_bits, macro.input_bits_per_read)
        for macro in design.target.macros
    )


def _reads_rows(design: Design, network: Network) -> Hashable:
    return tuple(
        (macro.name, macro.wordlines, macro.rows_per_read, *_cells(macro))
        for macro in design.target.macros
    )


def _cells(macro: Macro) -> tuple[Hashable, ...]:
    return macro.encoding, macro.cell_bits, macro.cell_levels, macro.weight_bits


def _reads_readouts(design: Design, network: Network) -> Hashable:
    return tuple(
        (
            macro.name,
            macro.readout.kind,
            macro.readout.bits,
            macro.readout.reference,
            macro.readout.levels,
        )
        for macro in design.target.macros
    )


def _reads_columns(design: Design, network: Network) -> Hashable:
    packed = tuple(design.assignment.of(layer).packing for layer in network.layers)
    return packed, tuple(
        (macro.name, macro.bitlines, *((macro.readout,) if network.grouped else ()))
        for macro in design.target.macros
    )


def _reads_chips(design: Design, network: Network) -> Hashable:
    chip = design.target.chip
    decided = tuple(design.assignment.of(layer) for layer in network.layers)
    return decided, chip.tiles, chip.crossbars_per_tile, chip.max_chips, chip.max_rounds


def _reads_counts(design: Design, network: Network) -> Hashable:
    return design.target.events.update_on_event


WORK: Mapping[Stage, Work] = {
    "weights": Work(
        passes=(EncodeInputs, FoldLayers, FoldBatchNorm, FoldPooling, QuantizeWeights),
        reads=_reads_weights,
    ),
    "neurons": Work(passes=(QuantizeNeurons,), reads=_reads_neurons),
    "macros": Work(passes=(Partition,), reads=_reads_macros),
    "rows": Work(passes=(TileRows, SliceWeights), reads=_reads_rows),
    "readouts": Work(passes=(LowerReadout, MergeSums, LowerNeurons), reads=_reads_readouts),
    "columns": Work(passes=(TileColumns,), reads=_reads_columns),
    "chips": Work(passes=(Replicate, Place, Schedule), reads=_reads_chips),
    "counts": Work(passes=(), reads=_reads_counts),
}
"""The stages before prices are put to counts; ``chips`` begins with what fills rounds."""

MOST_BYTES = 1 << 28
"""That a stage keeps."""

_GRAPH_BYTES = 1 << 16
"""Of a graph without its constants, about."""


@dataclass(frozen=True, slots=True)
class _Result:
    number: int
    """Of this result among all, so that later stages are kept with it."""
    graph: Graph
    levels: Levels | None = None
    """What counting needs of weights on cells, once they are."""
    unplaced: Unplaced | None = None
    """What counting finds once columns are cut."""
    shape: int = 0
    """Number of the result that all of what it computes follows from, once columns are cut: where
    copies stand changes no number."""


class Settings:
    """Sets readouts of layers as ``calibrate`` does, and keeps what it found.

    That follows from a layer's weights, how they are cut and written, and what its wordlines carry,
    and so may be the same for designs that differ elsewhere.
    """

    def __init__(self) -> None:
        self._held: Held[Calibration] = Held(MOST_BYTES)

    def __call__(
        self, op: CrossbarMvm, constants: Constants, readout: Readout, bits: Array
    ) -> Calibration:
        """Return the settings of a layer; see ``calibrate``."""
        weight = constants[op.weight.name]
        key = (
            *(op.groups, op.rows, op.encoding, op.most_driven, readout.kind, readout.bits),
            *(readout.reference, readout.levels, weight.shape, bits.shape),
            *(_digest(array) for array in (weight, bits)),
        )
        found = self._held.get(key)
        if found is None:
            found = calibrate(op, constants, readout, bits)
            self._held.put(key, found, found.thresholds.nbytes + found.offset.nbytes + 1024)
        return found


def _digest(array: Array) -> bytes:
    return (
        blake2b(np.ascontiguousarray(array).data, digest_size=16).digest()
        + array.dtype.char.encode()
    )


class Mapped:
    """Maps points of one network, and keeps what stages gave. Threads may share it."""

    def __init__(self, network: Network) -> None:
        self.network = network
        steps = make_passes(codes=network.codes, samples=network.samples)
        self._steps: dict[type[Pass], Pass] = {type(step): step for step in steps}
        self._steps[LowerReadout] = replace(
            self._steps[LowerReadout],
            settings=Settings(),  # type: ignore[call-arg]  # of this pass
            layer=layer_on_kernels,
        )
        self._numbers = count(1)
        self._held: dict[Stage, Held[_Result]] = {
            stage: Held(MOST_BYTES) for stage in STAGES if stage in WORK
        }
        self._counts: Held[Counts] = Held(MOST_BYTES)
        self._refused: Held[MappingError] = Held(MOST_BYTES)

    def hardware(self, design: Design) -> Graph:
        """Return the hardware graph of a design: ``==`` to that of a build.

        Raises:
            MappingError: What compiling it raises.
        """
        return self._result(design).graph

    def integers(self, design: Design) -> Graph:
        """Return the network in integers, before it is known what runs where.

        Raises:
            MappingError: What compiling it raises.
        """
        return self._result(design, last="neurons").graph

    def counts(self, design: Design) -> Counts:
        """Return the counts of its actions.

        Raises:
            MappingError: What compiling and counting raise.
        """
        return self.counted(design)[0]

    def counted(self, design: Design) -> tuple[Counts, int]:
        """Return the same, and a number that designs share which compute and drive the same.

        Raises:
            MappingError: What compiling and counting raise.
        """
        result = self._result(design)
        key = result.number, WORK["counts"].reads(design, self.network)
        found = self._counts.get(key)
        if found is None:
            found = count_actions(result.graph, design.target, unplaced=result.unplaced)
            self._counts.put(key, found, _GRAPH_BYTES)
        return replace(found, graph=result.graph, target=design.target), result.shape

    def done(self) -> Mapping[str, tuple[int, int]]:
        """Return how often each stage was found, and was worked out."""
        held: dict[Stage, Held[Any]] = {}
        held.update(self._held)
        held["counts"] = self._counts
        return {stage: (kept.found, kept.missed) for stage, kept in held.items()}

    def _result(self, design: Design, last: Stage | None = None) -> _Result:
        """Return what all stages give, or those up to ``last``."""
        keys = [(work.reads(design, self.network), _own(work, design)) for work in WORK.values()]
        whole = (tuple(keys), design.target.name)
        if (refused := self._refused.get(whole)) is not None:
            raise refused
        result = _Result(0, self.network.graph)
        try:
            for stage, key in zip(self._held, keys, strict=True):
                result = self._stage(stage, (result.number, key), result, design)
                if stage == last:
                    break
        except MappingError:
            found = self._refusal(design)
            self._refused.put(whole, found, 1 << 12)
            raise found from None
        return replace(result, graph=_assigned(result.graph, design))

    def _stage(self, stage: Stage, key: Hashable, before: _Result, design: Design) -> _Result:
        found = self._held[stage].get(key)
        if found is None:
            graph = self._ran(stage, _assigned(before.graph, design), design)
            found = replace(before, number=next(self._numbers), graph=graph)
            if stage == "rows":
                layers = [op for op in graph.ops if isinstance(op, LayerOp)]
                found = replace(found, levels=levels_of(layers, graph))
            elif stage == "columns":
                counted = count_unplaced(graph, before.levels)
                found = replace(found, unplaced=counted, shape=found.number)
            self._held[stage].put(key, found, _new_bytes(graph, before.graph))
        return found

    def _ran(self, stage: Stage, graph: Graph, design: Design) -> Graph:
        target = design.target
        if stage == "weights" and self.network.trained:
            graph = fitted(graph, target)
        partition = self._steps[Partition]
        assert isinstance(partition, Partition)
        if stage == "chips":
            graph = partition.in_rounds(graph, target, cut=True)
        for kind in WORK[stage].passes:
            if kind is Partition:
                graph = partition.on_macros(graph, target)
            else:
                graph = with_options(self._steps[kind], design.options).run(graph, target)
        return graph

    def _refusal(self, design: Design) -> MappingError:
        """Return what compiling a design raises, with every reason that passes find."""
        network, target = self.network, design.target
        graph = replace(network.graph, assignment=design.assignment)
        steps = make_passes(codes=network.codes, samples=network.samples, options=design.options)
        try:
            run_passes(fitted(graph, target) if network.trained else graph, target, steps)
        except MappingError as error:
            return error
        raise AssertionError("a stage refused what the passes take")


def _assigned(graph: Graph, design: Design) -> Graph:
    if graph.assignment is design.assignment:
        return graph
    return replace(graph, assignment=design.assignment)


def _own(work: Work, design: Design) -> Hashable:
    """Return the options of the passes of a stage."""
    return tuple(
        (kind.name, tuple(sorted(held.items())))
        for kind in work.passes
        if (held := design.options.get(kind.name))
    )


def _new_bytes(graph: Graph, before: Graph) -> int:
    """Return the bytes of constants that are not those of the graph before."""
    if graph.constants is before.constants:
        return _GRAPH_BYTES
    known = {id(_owner(array)) for array in before.constants.values()}
    new = (array for array in graph.constants.values() if id(_owner(array)) not in known)
    return _GRAPH_BYTES + sum(array.nbytes for array in new)


def _owner(array: Array) -> object:
    return array if array.base is None else array.base
