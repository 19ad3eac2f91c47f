"""Read every bitline the way the target does: sense amplifier, ternary, ADC or ideal."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from mapper.ir.core import INT64, Array, Const, Constants, Graph, IntType, Op, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.infer import infer_types
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd, exact_read
from passes.base import Pass
from passes.facts import FITS_WORDLINES, SLICED, Fact
from passes.readout.activity import (
    Activity,
    Evaluates,
    drawn_bits,
    layer_as_defined,
    made_up_bits,
)
from passes.readout.calibrate import Calibration, calibrate, first_threshold
from passes.readout.offsets import Offsets, absorb, carry, corrected_codings
from passes.readout.precision import finer_sums, refined
from passes.shared.grid import count_active
from passes.shared.rewrite import pruned, use_counts
from targets import Macro, Readout, Target
from targets.fields import Bounds, Share

Settings = Callable[[CrossbarMvm, Constants, Readout, Array], Calibration]
"""As ``calibrate``: a layer, the constants of its graph, its readout, what its wordlines carry."""


@dataclass(frozen=True, kw_only=True)
class LowerReadout(Pass):
    """Read every bitline the way its macro does, with references, steps and scales set from data.

    A sense amplifier keeps one bit of each partial sum and an ADC rounds and clips it, so this is
    inexact unless the readout is ideal or digital. Layers are set one after the other, each from
    what the layers before it, already lowered, send on the recordings in ``samples``. Without
    recordings its wordlines are taken to be active at random with probability ``density``. What is
    left of a constant error goes into the bias of the neuron behind. Layers that come with their
    readout, because they were trained with it, are left as they are.
    """

    name: ClassVar[str] = "lower-readout"
    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[Fact, ...]] = (FITS_WORDLINES, SLICED)

    samples: Mapping[str, Array] = field(default_factory=dict, compare=False)
    """Input codes ``[T, B, *shape]`` by input name."""
    settings: Settings = field(default=calibrate, compare=False, repr=False)
    """Sets the readout of a layer; who maps many designs keeps what was found."""
    layer: Evaluates = field(default=layer_as_defined, compare=False, repr=False)
    """Evaluates a layer with its readout on recordings; who maps many designs has a faster way."""
    density: Share = 0.1
    seed: Annotated[int, Bounds(0, 2**32 - 1)] = 0

    def run(self, graph: Graph, target: Target) -> Graph:
        return _Lowering(self, graph, target).run()


@dataclass
class _Lowering:
    """The walk over one graph, layer after layer."""

    options: LowerReadout
    graph: Graph
    target: Target
    constants: dict[str, Array] = field(default_factory=dict)
    offsets: Offsets = field(default_factory=dict)
    finer: dict[str, int] = field(default_factory=dict)
    activity: Activity | None = None

    def run(self) -> Graph:
        graph = self.graph
        self.constants = dict(graph.constants)
        if self.options.samples:
            self.activity = Activity.start(graph, self.options.samples, self.options.layer)
        self.finer = finer_sums(graph, self._rescaled())
        unread = _unread(graph)
        along = {v.name for sums in unread.values() for v in (sums.result, sums.active) if v}
        last = {v.name: place for place, op in enumerate(graph.ops) for v in op.operands}
        ops: list[Op] = []
        for place, op in enumerate(graph.ops):
            if op.results[0].name in along:
                continue  # comes with its crossbars
            new = [op]
            if isinstance(op, CrossbarMvm) and op.partial_sum.name in unread:
                new = self._layer(op, unread[op.partial_sum.name])
            elif isinstance(op, IntegerNeuron):
                bits = op.fraction_bits - self.finer.get(op.membrane.name, 0)
                coarser = replace(op, fraction_bits=bits)
                new = [absorb(coarser, self.offsets, self.constants)]
            else:
                carry(op, self.offsets, self.constants)
            self._observe(new)
            if self.activity is not None:
                self.activity.forget(v.name for v in op.operands if last[v.name] == place)
            ops.extend(new)
        lowered = replace(
            graph,
            ops=tuple(ops),
            codings=corrected_codings(graph, self.offsets, self.constants),
            constants=self.constants,
        )
        return infer_types(pruned(lowered))

    def _rescaled(self) -> set[str]:
        """Name the sums that get a scale: those of sense amplifiers."""
        layers = [op for op in self.graph.ops if isinstance(op, CrossbarMvm)]
        coarse = {op.partial_sum.name for op in layers if self._is_coarse(op)}
        return {op.result.name for name, op in _unread(self.graph).items() if name in coarse}

    def _is_coarse(self, op: CrossbarMvm) -> bool:
        return self.target.macro(op.placement.macro).readout.is_sensed

    def _observe(self, ops: list[Op]) -> None:
        if self.activity is None:
            return
        used = use_counts(self.graph)
        keep = {v.name for op in ops for v in op.results if used[v.name]}
        inner = {v.name for op in ops[:-1] for v in op.results}
        self.activity.run(ops, keep - inner, self.constants)

    def _layer(self, op: CrossbarMvm, sums: ShiftAndAdd) -> list[Op]:
        macro = self.target.macro(op.placement.macro)
        if macro.readout.is_exact:
            return list(_exact(op, sums, macro))
        bits = self._bits(op)
        settings = self.options.settings(op, self.constants, macro.readout, bits)
        if settings.offset.any():
            shape = (-1,) + (1,) * len(op.positions)
            total = settings.offset * sum(sums.plane_weights)
            finer = 1 << self.finer.get(sums.result.name, 0)
            self.offsets[sums.result.name] = finer * total.reshape(shape)
        if macro.readout.is_adc:
            return list(_adc(op, sums, macro, settings))
        name = f"{sums.result.name}.thresholds"
        self.constants[name] = settings.thresholds
        *read, scaled = _sense_amp(op, sums, macro, settings, Const(name))
        assert isinstance(scaled, ShiftAndAdd)
        return [*read, refined(scaled, self.finer.get(sums.result.name, 0))]

    def _bits(self, op: CrossbarMvm) -> Array:
        wordlines = self.constants[op.weight.name].shape[0]
        if self.activity is None:
            return made_up_bits(op, wordlines, self.options.density, self.options.seed)
        return drawn_bits(op, self.activity.flat(op.x.name), self.options.seed)


def _unread(graph: Graph) -> dict[str, ShiftAndAdd]:
    """Return the shift-and-add of each layer that has no readout yet, by its partial sum."""
    sums = {op.partial_sum.name for op in graph.ops if isinstance(op, CrossbarMvm)}
    adders = [op for op in graph.ops if isinstance(op, ShiftAndAdd)]
    return {op.codes.name: op for op in adders if op.codes.name in sums}


def _read_value(op: CrossbarMvm) -> Value:
    name = op.partial_sum.name.removesuffix(".partial_sum")
    return Value(f"{name}.codes", INT64, op.partial_sum.shape)


def _counted(op: CrossbarMvm, sums: ShiftAndAdd) -> Iterator[Op]:
    """Yield the counter again where the shift-and-add corrects an offset."""
    if sums.active is not None:
        yield count_active(op)


def _exact(op: CrossbarMvm, sums: ShiftAndAdd, macro: Macro) -> Iterator[Op]:
    """A converter of step 1 over the whole range of the sum loses nothing."""
    type = op.partial_sum.type
    assert isinstance(type, IntType)
    read = _read_value(op)
    yield op
    kind = macro.readout.kind
    assert kind == "ideal" or kind == "adder-tree"
    yield exact_read(kind, op.partial_sum, type.min, type.max, read, loc=op.loc)
    yield from _counted(op, sums)
    yield replace(sums, codes=read)


def _adc(op: CrossbarMvm, sums: ShiftAndAdd, macro: Macro, settings: Calibration) -> Iterator[Op]:
    read = _read_value(op)
    kind = macro.readout.kind
    assert kind == "flash" or kind == "sar" or kind == "cco"
    yield op
    yield AdcRead(
        kind=kind,
        bits=macro.readout.bits,
        partial_sum=op.partial_sum,
        first=first_threshold(settings.base, settings.step),
        step=settings.step,
        base=settings.base,
        result=read,
        loc=op.loc,
    )
    yield from _counted(op, sums)
    yield replace(sums, codes=read)


def _sense_amp(
    op: CrossbarMvm, sums: ShiftAndAdd, macro: Macro, settings: Calibration, thresholds: Const
) -> Iterator[Op]:
    read = _read_value(op)
    counter = count_active(op) if macro.readout.reference == "half-active" else None
    yield op
    if counter is not None:
        yield counter
    yield SenseAmpRead(
        partial_sum=op.partial_sum,
        active=None if counter is None else counter.active,
        thresholds=thresholds,
        levels=macro.readout.levels,
        cell_bits=macro.cell_bits,
        cell_levels=macro.cell_levels or 0,
        result=read,
        loc=op.loc,
    )
    yield replace(
        sums,
        codes=read,
        active=None,
        offset=0,  # with one bit a column the reference carries the offset
        scale=settings.multiplier,
        shift=settings.shift,
    )
