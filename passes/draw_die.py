"""Draw one chip as it comes from the fab."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from mapper.diagnostics import refuse
from mapper.ir.core import Array, Const, Graph, Op, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.infer import infer_types
from mapper.ir.merging import makes_code
from mapper.ir.noise import KEY_TYPE
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd
from passes.base import Pass
from passes.dies.bounds import check_readout
from passes.dies.facts import Conditions, facts_of, has_wires
from passes.dies.measured import Measured
from passes.dies.net import Drawing, fraction_bits, keeps_digits
from passes.dies.portions import whole_cells
from passes.dies.references import (
    DieRead,
    converted_on_die,
    exact_on_die,
    noise_sigma,
    sensed_on_die,
    smallest,
    with_noise,
)
from passes.dies.sites import sites_of
from passes.facts import PLACED, READ, SLICED, Fact
from passes.shared.rewrite import pruned, use_counts
from targets import Target
from targets.devices import Imperfections
from targets.fields import Bounds

READ_KEY = "read_key"
"""Name of the input that noise of reads follows from."""


@dataclass(frozen=True, kw_only=True)
class DrawDie(Pass):
    """Turn the graph of the ideal chip into that of one die, of the devices of its macros.

    What is stuck, programmed with an error, aged or lost in wires becomes integers: cells with a
    fraction of a count, references that lie between two counts and have the offset of their
    readout, each copy of a layer with its own. Noise of reads follows from a key, which becomes an
    input. The die of an ideal device gives the same bits as the ideal chip.
    """

    name: ClassVar[str] = "draw-die"
    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[Fact, ...]] = (SLICED, READ, PLACED)

    seed: Annotated[int, Bounds(0, 2**63 - 1)] = 0
    age: float | None = None
    """Of the chip, in seconds since it was programmed; None: just programmed."""
    temperature: float | None = None
    """In degrees Celsius; None: that at which the facts of the device hold."""
    activity: Mapping[str, Array] = field(default_factory=dict, compare=False)
    """``[groups, K]`` by the name of a layer's partial sum: what wordlines carry on average."""
    places: Mapping[str, Array] = field(default_factory=dict, compare=False)
    """``[C, G, N]`` by the name of a layer's partial sum: where outputs lie in their crossbar."""
    lines: Mapping[str, Array] = field(default_factory=dict, compare=False)
    """``[C, column blocks, K]`` by the name of a layer's partial sum: on which wordline of its
    crossbar each input lies."""
    trims: Mapping[str, Array] = field(default_factory=dict, compare=False)
    """``[C, G, S, N]`` by the name of a layer's partial sum: by how many counts its references were
    moved after they were measured."""
    measured: Measured | None = field(default=None, compare=False)
    """What was measured of the chip, in place of what would be drawn there."""
    without: tuple[str, ...] = ()
    """Imperfections that the chip does not have, by ``passes.dies.facts.NAMES``."""
    layers: tuple[str, ...] | None = None
    """Names of the partial sums that are drawn, while the other layers stay as on the ideal chip;
    None: all of them."""

    @property
    def conditions(self) -> Conditions:
        """Return what a die is drawn under."""
        return Conditions(age=self.age, temperature=self.temperature, without=self.without)

    def run(self, graph: Graph, target: Target) -> Graph:
        return _Die(self, graph, target).run()


def layer_on_die(
    step: DrawDie, graph: Graph, target: Target, op: CrossbarMvm
) -> tuple[CrossbarMvm, BitlineRead, Mapping[str, Array]]:
    """Return one layer as a die has it: its crossbars, its readout and their constants."""
    reads = (o for o in graph.ops if isinstance(o, BitlineRead))
    read = next(o for o in reads if o.partial_sum.name == op.partial_sum.name)
    die = _Die(step, graph, target)
    die.begin()
    crossbars, drawn = die.layer(op, read, 0)
    assert isinstance(crossbars, CrossbarMvm)
    assert isinstance(drawn, BitlineRead)
    return crossbars, drawn, die.constants


@dataclass
class _Die:
    """The walk over one graph, layer after layer."""

    options: DrawDie
    graph: Graph
    target: Target
    constants: dict[str, Array] = field(default_factory=dict)
    noisy: bool = False
    """Whether a read has noise, and so the graph a key."""

    def begin(self) -> None:
        self.constants = dict(self.graph.constants)
        self.key = Value(_free_name(self.graph), KEY_TYPE, ())

    def run(self) -> Graph:
        self.begin()
        reads = {op.partial_sum.name: op for op in self.graph.ops if isinstance(op, BitlineRead)}
        changed: dict[str, Op] = {}
        layers = (op for op in self.graph.ops if isinstance(op, CrossbarMvm))
        for number, op in enumerate(layers):
            if not self._is_drawn(op):
                continue
            read = reads[op.partial_sum.name]
            changed[op.partial_sum.name], changed[read.result.name] = self.layer(op, read, number)
        reads = {op.result.name: op for op in changed.values() if isinstance(op, BitlineRead)}
        ops = tuple(
            _merged_still(changed.get(op.results[0].name, op), reads) for op in self.graph.ops
        )
        inputs = (*self.graph.inputs, self.key) if self.noisy else self.graph.inputs
        die = replace(self.graph, ops=ops, inputs=inputs, constants=self.constants)
        return infer_types(pruned(_without_idle_counters(die)))

    def layer(self, op: CrossbarMvm, read: BitlineRead, number: int) -> tuple[Op, Op]:
        facts = facts_of(op, self.target, self.options.conditions)
        name = op.partial_sum.name
        drawing = Drawing(
            op=op,
            read=read,
            facts=facts,
            sites=sites_of(op, self.options.places.get(name), self.options.lines.get(name)),
            seed=self.options.seed,
            activity=self._activity(op, facts),
            measured=self.options.measured,
            trim=self.options.trims.get(name),
        )
        weight = self.graph.constants[op.weight.name]
        sigma = noise_sigma(drawing, weight)
        f = self._fraction(op, read, facts, sigma)
        check_readout(op, facts, sigma, f)
        cells, constant = whole_cells(drawing, weight, f)
        cells = smallest(cells[:1] if len(cells) > 1 and (cells == cells[:1]).all() else cells)
        die = self._read(read, drawing, constant, cells, sigma, f)
        if sigma:
            die, self.noisy = with_noise(die, sigma, self.key, number, f), True
        self.constants.update(die.constants)
        known = self.options.measured is not None and self.options.measured.has_cells
        if not (f or facts.cell.stuck_on or facts.cell.stuck_off or known):
            return op, die.op
        self.constants[f"{name}.cells"] = cells
        return replace(op, cells=Const(f"{name}.cells"), fraction=f), die.op

    def _is_drawn(self, op: CrossbarMvm) -> bool:
        return self.options.layers is None or op.partial_sum.name in self.options.layers

    def _fraction(
        self, op: CrossbarMvm, read: BitlineRead, facts: Imperfections, sigma: float
    ) -> int:
        """Whole counts, or halves of them, do where nothing is in between."""
        uneven = isinstance(read, AdcRead) and facts.readout.gain
        held = self.options.measured
        analogue = held is not None and len(held.conductance_sites)
        if sigma or uneven or analogue or not keeps_digits(facts):
            return fraction_bits(op)
        return 1 if read.follows_activity else 0

    def _read(
        self,
        read: BitlineRead,
        drawing: Drawing,
        constant: Array,
        cells: Array,
        sigma: float,
        f: int,
    ) -> DieRead:
        readout = self.target.macro(drawing.op.placement.macro).readout
        shared = readout.columns_per_readout
        if isinstance(read, SenseAmpRead):
            return sensed_on_die(read, drawing, constant, shared, self.graph.constants, f)
        if readout.is_exact:
            return exact_on_die(read, drawing, constant, cells, sigma, f)
        return converted_on_die(read, drawing, constant, shared, self.graph.constants, f)

    def _activity(self, op: CrossbarMvm, facts: Imperfections) -> Array | None:
        found = self.options.activity.get(op.partial_sum.name)
        wires = has_wires(facts)
        if found is None and (wires or any(facts.cell.read_noise or ())):
            what, name = (
                ("resistance of wires", "wire.share")
                if wires
                else ("noise of cells", "cell.read_noise")
            )
            raise refuse(
                "die-activity",
                f"device '{facts.device}' has {what}, which depends on how often wordlines are "
                "driven, and no recordings say so",
                loc=op.loc,
                help=f"give recordings (--input), or leave it out: --set {name}=0",
            )
        return found


def _merged_still(op: Op, reads: Mapping[str, BitlineRead]) -> Op:
    """Return a sum whose slices wires put together only where their codes still make one."""
    read = reads.get(op.codes.name) if isinstance(op, ShiftAndAdd) and op.merged else None
    if read is None:
        return op
    assert isinstance(op, ShiftAndAdd)
    return replace(op, merged=makes_code(read, op.significances))


def _free_name(graph: Graph) -> str:
    """Return a name for the key of noise that no value of the graph has."""
    taken = {v.name for v in graph.inputs} | {v.name for op in graph.ops for v in op.results}
    name = READ_KEY
    while name in taken:
        name += "_"
    return name


def _without_idle_counters(graph: Graph) -> Graph:
    """Drop counts of driven wordlines that only references followed."""
    used = use_counts(graph)
    ops = (op for op in graph.ops if not isinstance(op, CountActive) or used[op.active.name])
    return replace(graph, ops=tuple(ops))
