"""Compare every layer of one time step from the values that a reference has there.

Each op computes from the reference's inputs, states and results, so what differs differs where it
is and nowhere after: neither in later layers nor in later steps. A sum may be off as far as the
rounding of its terms goes; a neuron must fire as the reference's does, given the same sum and the
same membrane, but for the rounding of those few numbers. A result that the reference has no tensor
for is handed on, with its terms, to the next one that it has.

With that, the network's own sums and membranes are as near to the reference's as rounding leaves
them. They are run beside it, firing as it does: a spike that they would decide otherwise is a tie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mapper.frontend import Located
from mapper.ir.core import Array, Const, Constants, Graph, IntType, Op, Value, dtype_of, param
from mapper.ir.network import FakeQuantize
from mapper.ir.neurons import Neuron, Reset
from mapper.verify.result import LISTED, Place, Tie
from mapper.verify.rounding import Given, Terms, terms_of

Arrays = Mapping[str, Array]
Results = tuple[Array, ...]
Theirs = Sequence[Array | None]


@dataclass(slots=True)
class Tally:
    """What was found in the steps so far."""

    ties: int = 0
    tied: list[Tie] = field(default_factory=list)
    """The first of them, ``LISTED`` at most."""
    worst: float = 0.0
    """The greatest difference of a number."""
    mismatch: Place | None = None
    """The first difference that rounding does not explain."""
    beyond: str = ""
    """How far that one is, and how far rounding would reach."""


@dataclass(frozen=True, slots=True)
class Held:
    """What states are between two steps, ``[1, *shape]`` by name."""

    reference: Arrays
    """The reference's; where it has no tensor for one, what follows from its values."""
    own: Arrays
    """The network's, which fired as the reference did; those that are numbers."""


def compare_step(
    graph: Graph,
    located: Mapping[str, Located],
    at: tuple[int, int],
    states: Held,
    theirs: Arrays,
    tally: Tally,
) -> Held:
    """Compare one time step of one sample; nothing after the first mismatch is compared.

    Args:
        graph: An imported network.
        located: Which of the reference's tensors hold which of its values.
        at: Time step and sample, for what is found.
        states: What states were before the step.
        theirs: The reference's tensors of this step, inputs included, by name.
        tally: Where findings go.

    Returns:
        What states are after the step.
    """
    step = _Step(graph.constants, located, at, states.own, theirs, tally)
    for value in graph.inputs:
        step.know(value, theirs[value.name].reshape(1, *value.shape))
    for state in graph.states:
        held = step.held(state.read)
        step.know(state.read, states.reference[state.read.name] if held is None else held)
    with np.errstate(all="ignore"):  # what overflows does so on both sides
        for op in graph.ops:
            step.run(op)
            if tally.mismatch is not None:
                return states
    return Held(
        reference={s.read.name: step.env[s.next] for s in graph.states},
        own={s.read.name: step.beside[s.next] for s in graph.states if s.next in step.beside},
    )


class _Step:
    def __init__(
        self,
        constants: Constants,
        located: Mapping[str, Located],
        at: tuple[int, int],
        own: Arrays,
        theirs: Arrays,
        tally: Tally,
    ) -> None:
        self.constants, self.located, self.theirs = constants, located, theirs
        self.at, self.tally = at, tally
        self.env: dict[str, Array] = {}
        self.terms: dict[str, Terms] = {}
        self.beside = dict(own)
        """The network's own numbers, where they are not the reference's."""

    def know(self, value: Value, array: Array) -> None:
        """Take a value that both sides have."""
        self.env[value.name] = array.astype(dtype_of(value.type))
        self.terms[value.name] = Terms.exact(array)

    def held(self, value: Value) -> Array | None:
        """Return a value as the reference has it, ``[1, *shape]``; None where it has not."""
        place = self.located.get(value.name)
        if place is None or place.tensor not in self.theirs:
            return None
        array = self.theirs[place.tensor].reshape(1, *value.shape).astype(dtype_of(value.type))
        return 1 - array if place.inverted else array

    def run(self, op: Op) -> None:
        """Compute an op and compare its results."""
        place = self.located.get(op.results[0].name)
        given = Given(
            constants=self.constants,
            operands=tuple(self.env[value.name] for value in op.operands),
            terms=tuple(self.terms[value.name] for value in op.operands),
            offset_terms=None if place is None else place.offset_terms,
        )
        results = op.evaluate(self.constants, *given.operands)
        theirs = [self.held(value) for value in op.results]
        own = self._own(op, given, results)
        tied = None
        if isinstance(op, Neuron) and op.spike is not None:
            results, tied = self._fired(op, given, results, theirs)
        terms = None if _all_same(results, theirs) else _terms(op, given, results, theirs)
        for k, (value, result, held) in enumerate(zip(op.results, results, theirs, strict=True)):
            if terms is None or held is None:
                self.know(value, result)
            else:
                self._compare(op, given, value, result, held, terms[k])
                self.know(value, held)
            if terms is not None and held is None:
                self.terms[value.name] = terms[k]
        self._go_on(op, given, own, tied)

    def _own(self, op: Op, given: Given, results: Results) -> Results:
        """Return what an op gives for the network's own numbers."""
        if not any(value.name in self.beside for value in op.operands):
            return results
        return op.evaluate(self.constants, *self._own_operands(op, given))

    def _go_on(self, op: Op, given: Given, own: Results, tied: Array | None) -> None:
        """Keep the network's own numbers; of a neuron that fires otherwise, the reference's."""
        flips = np.zeros((), dtype=bool)
        if isinstance(op, Neuron) and tied is not None:
            flips = own[0] != self.env[op.results[0].name]
            if flips.any():
                self._note(op, flips & ~tied, _drift(op, given, self._own_operands(op, given)))
        for value, array in zip(op.results, own, strict=True):
            known = self.env[value.name]
            is_number = not isinstance(op, FakeQuantize) and not isinstance(value.type, IntType)
            if is_number and not np.array_equal(array, known):
                self.beside[value.name] = np.where(flips, known, array)

    def _own_operands(self, op: Op, given: Given) -> Results:
        pairs = zip(op.operands, given.operands, strict=True)
        return tuple(self.beside.get(value.name, array) for value, array in pairs)

    def _compare(
        self, op: Op, given: Given, value: Value, found: Array, theirs: Array, terms: Terms
    ) -> None:
        """Note the first element that is off by more than rounding, and the greatest distance."""
        wide = np.abs(found.astype(np.float64) - theirs)
        is_number = not isinstance(value.type, IntType)
        if is_number:
            self.tally.worst = max(self.tally.worst, float(np.nanmax(wide, initial=0.0)))
        off = _off(found, theirs, terms)
        if self.tally.mismatch is not None or not off.any():
            return
        index = tuple(int(i) for i in np.argwhere(off)[0])
        step, sample = self.at
        self.tally.mismatch = Place(
            step=step,
            sample=sample,
            layer=value.name,
            source=op.loc,
            found=found[index].item(),
            expected=theirs[index].item(),
            position=index[1:],
        )
        if is_number:
            reach = np.broadcast_to(terms.bound, off.shape)[index]
            self.tally.beyond = f"off by {wide[index]:.1e}, rounding reaches {reach:.1e}"
        elif isinstance(op, Neuron):
            margin = _margin(op, given)
            self.tally.beyond = (
                f"its membrane is {margin.distance[index]:.1e} from its threshold, rounding "
                f"reaches {margin.reach[index]:.1e}"
            )

    # --- neurons -----------------------------------------------------------------------------

    def _fired(
        self, op: Neuron, given: Given, results: Results, theirs: Theirs
    ) -> tuple[Results, Array]:
        """Let neurons fire as the reference's do where rounding decides; say where, as ties.

        A spike is turned only where all results are then those of the reference.
        """
        tied = np.zeros(results[0].shape, dtype=bool)
        if _all_same(results, theirs):
            return results, tied
        margin = _margin(op, given)
        undecided = _any_off(op, given, results, theirs) & (margin.distance <= margin.reach)
        for way in (-2.0, 2.0) if undecided.any() else ():
            others = _fired_at(op, given, np.where(undecided, way * margin.reach, 0.0))
            now = undecided & ~_any_off(op, given, others, theirs)
            results = tuple(np.where(now, o, r) for o, r in zip(others, results, strict=True))
            tied, undecided = tied | now, undecided & ~now
        self._note(op, tied, margin)
        return results, tied

    def _note(self, op: Neuron, tied: Array, margin: "_Margin") -> None:
        assert op.spike is not None
        step, sample = self.at
        self.tally.ties += int(tied.sum())
        for place in np.argwhere(tied)[: LISTED - len(self.tally.tied)]:
            index = tuple(int(i) for i in place)
            self.tally.tied.append(
                Tie(
                    step=step,
                    sample=sample,
                    layer=op.spike.name,
                    position=index[1:],
                    distance=float(margin.distance[index]),
                    bound=float(margin.reach[index]),
                )
            )


# --- what rounding may do ---------------------------------------------------------------------


def _all_same(results: Results, theirs: Theirs) -> bool:
    pairs = zip(results, theirs, strict=True)
    return all(t is not None and np.array_equal(r, t) for r, t in pairs)


def _off(found: Array, theirs: Array | None, terms: Terms) -> Array:
    """Say where a result is further from the reference's than rounding takes it."""
    if theirs is None:
        return np.zeros(found.shape, dtype=bool)
    mine, other = found.astype(np.float64), theirs.astype(np.float64)
    alike = (mine == other) | (np.isnan(mine) & np.isnan(other))
    return np.asarray(~(alike | (np.abs(mine - other) <= terms.bound)))


def _any_off(op: Op, given: Given, results: Results, theirs: Theirs) -> Array:
    terms = _terms(op, given, results, theirs)
    off = [_off(*each) for each in zip(results, theirs, terms, strict=True)]
    return np.asarray(np.logical_or.reduce(off))


def _terms(op: Op, given: Given, results: Results, theirs: Theirs) -> list[Terms]:
    """Return the terms of every result; integers are exact, and off where they differ at all."""
    numbers = any(not isinstance(value.type, IntType) for value in op.results)
    rest = iter(terms_of(op, given) if numbers else ())
    found = [
        Terms.exact(result) if isinstance(value.type, IntType) else next(rest)
        for value, result in zip(op.results, results, strict=True)
    ]
    if isinstance(op, Neuron):
        after = 0 if op.spike is None else 1
        found[after] = _after_firing(op, given, found[after], results, theirs)
    return found


def _after_firing(
    op: Neuron, given: Given, terms: Terms, results: Results, theirs: Theirs
) -> Terms:
    """Return the terms of the next membrane: what a reset takes and a floor compares are added."""
    magnitude = terms.magnitude
    if op.spike is not None and op.reset.phase == "same":
        most = [np.abs(spikes) for spikes in (results[0], theirs[0]) if spikes is not None]
        fired = np.maximum.reduce(most)
        if op.reset.kind == "value":
            fired = np.minimum(fired, 1)
        magnitude = magnitude + fired * given.size(op.reset.amount)
    if op.floor is not None:  # it may be written as Relu(v - floor) + floor
        magnitude = magnitude + given.size(op.floor)
    return Terms(magnitude, terms.roundings)


@dataclass(frozen=True, slots=True)
class _Margin:
    """How near neurons are to firing or not, ``[1, *shape]``, in units of the membrane."""

    distance: Array
    reach: Array
    """How far rounding may take what is compared."""


def _margin(op: Neuron, given: Given) -> _Margin:
    """Return how far what each neuron compares is from its threshold, and how far rounding goes.

    A neuron that also asks the membrane it finds, for a delayed reset or a delayed spike, is as
    near as the nearer of the two.
    """
    driven = _driven(op, given.constants, given.operands)
    threshold = _threshold(op, given, driven)
    distance = np.abs(driven - threshold)
    reach = terms_of(op, given)[0].beside(threshold).bound
    if op.reset.phase != "same" or op.spike_phase != "same":
        place = _place_of_membrane(op)
        found = given.operands[place].astype(np.float64)
        threshold = _threshold(op, given, found)
        before = np.abs(found - threshold)
        other = given.terms[place].beside(threshold).bound
        late = (before <= other) & (distance > reach)
        distance, reach = np.where(late, before, distance), np.where(late, other, reach)
    return _Margin(distance, np.broadcast_to(reach, distance.shape))


def _drift(op: Neuron, given: Given, own: Results) -> _Margin:
    """Return the margin of the network's own neurons where they fire otherwise.

    Given the reference's numbers they fire as it does, so the threshold lies between what they
    compare of their own and of the reference's: the two differ by more than the distance to it.
    """
    if op.spike_phase == "next":
        place = _place_of_membrane(op)
        mine, theirs = own[place].astype(np.float64), given.operands[place].astype(np.float64)
    else:
        mine, theirs = (_driven(op, given.constants, each) for each in (own, given.operands))
    threshold = _threshold(op, given, mine)
    return _Margin(np.abs(mine - threshold), np.abs(mine - theirs) + _margin(op, given).reach)


def _threshold(op: Neuron, given: Given, membrane: Array) -> Array:
    """Return the threshold that a membrane is compared with; of several levels the nearest."""
    one = param(given.constants, op.threshold, op.membrane.type).astype(np.float64)
    return one if op.levels.is_spike else one * _nearest_start(op, membrane / one)


def _nearest_start(op: Neuron, q: Array) -> Array:
    """Return where the level begins that is nearest to a membrane, both in thresholds."""
    starts = np.array([start for start, _ in op.levels.starts(op.strict)])
    middles = (starts[1:] + starts[:-1]) / 2
    return np.asarray(starts[np.searchsorted(middles, q)])


def _place_of_membrane(op: Neuron) -> int:
    return [value.name for value in op.operands].index(op.membrane.name)


def _driven(op: Neuron, constants: Constants, operands: Results) -> Array:
    """Return the membrane that the neurons of this step compare with their threshold."""
    return _before_firing(op).evaluate(constants, *operands)[0].astype(np.float64)


def _before_firing(op: Neuron) -> Neuron:
    """Return the neuron whose next membrane is what ``op`` compares with its threshold."""
    reset = {
        "same": Reset(),
        "next": op.reset,
        "late": op.reset,
        "guarded": replace(op.reset, phase="next"),
    }[op.reset.phase]
    return replace(op, spike=None, spike_phase="same", reset=reset, floor=None)


def _fired_at(op: Neuron, given: Given, moves: Array) -> Results:
    """Return what neurons give whose thresholds are moved, each by its own ``moves``.

    Of several levels the nearest one is moved so far, and the others in proportion.
    """
    if not op.levels.is_spike:
        one = param(given.constants, op.threshold, op.membrane.type).astype(np.float64)
        moves = moves / _nearest_start(op, _driven(op, given.constants, given.operands) / one)
    name = max(given.constants, key=len, default="") + "'"  # of no constant that there is
    moved = param(given.constants, op.threshold, op.membrane.type) + moves
    there = {**given.constants, name: moved.astype(np.float32)}
    return replace(op, threshold=Const(name)).evaluate(there, *given.operands)
