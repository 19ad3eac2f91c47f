"""Compare each neuron of a graph with the model's own nodes, on random numbers and on ties.

The fit is algebra on forms; this runs the nodes themselves with the ONNX reference
implementation and the neuron op by its definition, so a mistake in the algebra is caught here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Atom, Counts, Fires, Form
from mapper.frontend.neurons.fit import Fitted
from mapper.frontend.neurons.leaks import edges_of
from mapper.frontend.neurons.resets import Firing
from mapper.frontend.neurons.states import NEURON_HELP, Dynamics
from mapper.frontend.onnx.constants import Constant
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.trace import Trace
from mapper.ir.core import FLOAT, Array, Const, Constants, Graph, param
from mapper.ir.leaks import LeakRounding
from mapper.ir.neurons import Neuron

if TYPE_CHECKING:
    from onnx.reference import ReferenceEvaluator

ROUNDS = 3
_LEVELS = 8
"""Levels above 0 that random membranes reach."""
_FAR = 4.0
"""How far beyond the last level: farther than a reset by the step before takes back."""
_UNITS = 64
"""Units of a rounded leak that they reach at least."""
POINTS = 1000
"""At least as many as this, over all rounds."""
TOLERANCE = 2e-5
"""Relative; the model and the neuron op round in different places."""

Values = dict[Atom, Array]


def check_neurons(trace: Trace, dynamics: Dynamics, graph: Graph) -> None:
    """Refuse ``unsupported-neuron`` where a neuron op and the model's nodes disagree."""
    ops = {op.membrane.name: op for op in graph.ops if isinstance(op, Neuron)}
    for neuron in dynamics.neurons:
        region = _region_of(neuron, trace)
        phase = "same" if neuron.firing is None else neuron.firing.phase
        op = replace(ops[neuron.membrane.read.name], spike_phase=phase)
        for point in _points(neuron, region.atoms):
            _check(neuron, op, graph.constants, region, point, trace)


def _check(
    neuron: Fitted,
    op: Neuron,
    constants: Constants,
    region: "_Region",
    point: "_Point",
    trace: Trace,
) -> None:
    actual = _results(neuron, op, constants, point.values)
    expected = region.run(point.values, trace)
    if neuron.firing is not None:  # a comparison the other way round says "does not fire"
        outcomes = neuron.outcomes(actual.pop(neuron.firing.event.tensor))
        for tensor in _telling(neuron, trace):
            told = forms.evaluate(trace.form(tensor), {**point.values, **outcomes})
            actual[tensor] = told.reshape(neuron.shape)
    far = np.zeros(neuron.shape, bool)
    for name, value in actual.items():
        reference = expected.pop(name).astype(np.float64).reshape(neuron.shape)
        far |= ~(np.abs(reference - value) <= TOLERANCE * (1.0 + np.abs(value)))
    if not far.any():  # nearly always: where rounding decides takes as long and as much to find
        return
    unsure = point.unsure
    if unsure is None:
        unsure = _unsure(neuron, op, constants, point)
    if np.any(far & ~unsure):
        raise _disagreement(neuron)


def _telling(neuron: Fitted, trace: Trace) -> list[str]:
    """Return tensors of the model that depend on comparisons alone: one for each, if there are."""
    assert neuron.firing is not None
    event = neuron.firing.event
    left = {event, *neuron.row}
    known, found = set(left), []
    for name in (event.tensor, *trace.interior):
        if not left:
            break
        atoms = set(trace.form(name).atoms()) if name in trace.tensors else set()
        if left & atoms and atoms <= known:
            found.append(name)
            left -= atoms
    return found


def _disagreement(neuron: Fitted) -> MappingError:
    return refuse(
        "unsupported-neuron",
        f"the neuron with state {neuron.membrane.read.name!r} cannot be mapped: "
        "its update is none of the known kinds",
        loc=neuron.loc,
        help=NEURON_HELP,
    )


def _results(neuron: Fitted, op: Neuron, constants: Constants, values: Values) -> dict[str, Array]:
    """Return next states by output name and the comparison's outcome by tensor name."""
    x = forms.evaluate(neuron.drive, values)
    states = [values[pair.read] for pair in neuron.pairs] or [np.zeros(x.shape)]
    operands = [a.astype(np.float32).reshape(1, *op.x.shape) for a in (x, *states)]
    results = [r.reshape(neuron.shape) for r in op.evaluate(constants, *operands)]
    names = [pair.output for pair in neuron.pairs]
    if neuron.firing is None:
        return dict(zip(names, results, strict=True))
    event = neuron.firing.event
    kept = results[1:] if names else []
    return {event.tensor: results[0], **dict(zip(names, kept, strict=True))}


def _unsure(neuron: Fitted, op: Neuron, constants: Constants, point: "_Point") -> Array:
    """Say where a threshold, or the edge of a leak's unit, is so near that rounding decides."""
    unsure = np.zeros(neuron.shape, dtype=bool)
    for read, how, leak in _leaks(neuron, op, constants):
        state = point.values[read].reshape(op.x.shape)
        unsure |= edges_of(how, leak, state, neuron.shape)
    if neuron.firing is None:
        return unsure
    threshold = param(constants, op.threshold, FLOAT)
    margin = np.asarray(1e-5 * (1.0 + np.abs(threshold)), np.float64)
    margin = margin / max(1, op.levels.high)  # it moves the highest level as often
    results = []
    for near in (threshold - margin, threshold + margin):
        moved = replace(op, threshold=Const("near"))
        held = {**constants, "near": near.astype(np.float32)}
        results.append(_results(neuron, moved, held, point.values))
    for name in results[0]:
        unsure |= results[0][name] != results[1][name]
    return unsure


def _leaks(
    neuron: Fitted, op: Neuron, constants: Constants
) -> Iterator[tuple[Atom, LeakRounding, Array]]:
    """Yield the states that leak, how that is rounded, and their leaks."""
    yield neuron.membrane.read, op.leak_rounding, param(constants, op.leak, FLOAT)
    if neuron.current is not None:
        leak = param(constants, op.current_leak, FLOAT)
        yield neuron.current.read, op.current_rounding, leak


# --- points --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Point:
    values: Values
    unsure: Array | None = None
    """Where rounding decides, ``[*shape]``; to be found out where None. Of ties it is known."""


def _points(neuron: Fitted, atoms: tuple[Atom, ...]) -> Iterator[_Point]:
    rng = np.random.default_rng(0)
    threshold = np.ones(()) if neuron.firing is None else neuron.firing.threshold
    size = int(np.prod(neuron.shape))
    reach = 2.0 * max(float(np.abs(threshold).max()), float(np.abs(neuron.amount).max()), 0.1)
    if neuron.firing is not None:
        reach *= (1 + min(neuron.firing.levels.high, _LEVELS)) / 2
    units = {neuron.membrane.read: neuron.rounding.unit}
    if neuron.current is not None:
        units[neuron.current.read] = neuron.current_rounding.unit
    reach = max(reach, *(_UNITS * unit for unit in units.values()))
    for turn in range(max(ROUNDS, -(-POINTS // size))):
        values = {atom: _random(atom, size, reach, rng) for atom in atoms}
        for read, unit in units.items():
            if unit and (read in neuron.cut or turn % 2 == 0):
                values[read] = np.rint(values[read] / unit) * unit
        yield _Point(values=_possible(values, neuron))
    if neuron.firing is None:
        return
    for start in _starts(neuron.firing):
        yield from _ties(neuron, threshold, start, {atom: np.zeros(size) for atom in atoms})
    yield from _beyond(neuron, threshold, {atom: np.zeros(size) for atom in atoms})


def _beyond(neuron: Fitted, threshold: Array, values: Values) -> Iterator[_Point]:
    """Yield what lies beyond the highest level, and below the lowest, where the model has such.

    A model without a limit goes on there; that is said when it is read.
    """
    assert neuron.firing is not None
    event, levels = neuron.firing.event, neuron.firing.levels
    if not isinstance(event, Counts):
        return
    atom, share = _moved_by(neuron)
    for end, wanted in ((levels.low - 1, event.wanted[0]), (levels.high + 1, event.wanted[1])):
        if atom is not None and np.isfinite(wanted) and (end > 0 or not atom.is_at_least_zero):
            far = np.broadcast_to(_FAR * end * threshold / share, neuron.shape)
            moved = {**values, atom: far.astype(np.float32).astype(np.float64).reshape(-1)}
            yield _Point(values=_possible(moved, neuron))


def _moved_by(neuron: Fitted) -> tuple[Atom | None, Array]:
    """Return what moves the membrane without a limit, and how far a unit of it does; or None."""
    if np.all(neuron.leak != 0):
        return neuron.membrane.read, neuron.leak
    for monomial, factor in neuron.drive.terms.items():
        (atom, *more) = monomial or [None]
        share = neuron.gains.gain * factor
        if atom is not None and not more and not atom.is_spike and np.all(share != 0):
            return atom, share
    return None, np.ones(())


def _starts(firing: Firing) -> list[float]:
    """Return where levels begin, in thresholds; of many the lowest and the highest."""
    starts = [start for start, _ in firing.levels.starts(firing.strict)]
    return starts if len(starts) <= 2 * _LEVELS else [*starts[:_LEVELS], *starts[-_LEVELS:]]


def _ties(neuron: Fitted, threshold: Array, start: float, values: Values) -> Iterator[_Point]:
    """Yield membranes exactly where a level begins, where single precision has such a number."""
    wanted = np.broadcast_to(threshold.astype(np.float32), neuron.shape).astype(np.float64) * start
    at = wanted.astype(np.float32)
    unsure = at.astype(np.float64) != wanted
    at = at.reshape(-1)
    if neuron.reset_phase != "same" or neuron.spike_phase == "next":
        tied = _possible({**values, neuron.membrane.read: at}, neuron)
        yield _Point(values=tied, unsure=unsure)
    only, gains = neuron.drive.alias, neuron.gains
    plain = np.all(gains.gain == 1) and np.all(gains.bias == 0) and neuron.current is None
    if only is not None and plain and neuron.spike_phase == "same":
        yield _Point(values=_possible({**values, only: at}, neuron), unsure=unsure)


def _possible(values: Values, neuron: Fitted) -> Values:
    """Make random values agree with what the fit takes for granted."""
    membrane = neuron.membrane.read
    if neuron.starts_below and neuron.firing is not None:
        threshold = np.broadcast_to(neuron.firing.threshold, neuron.shape).reshape(-1)
        below = threshold - 1e-3 * (1.0 + np.abs(threshold))
        values = {**values, membrane: np.minimum(values[membrane], below)}
    for echo, firing in neuron.echoes.items():
        threshold = np.broadcast_to(firing.threshold, neuron.shape).reshape(-1)
        v = values[membrane].astype(np.float32)
        held = replace(firing, threshold=threshold.astype(np.float32))
        values = {**values, echo: held.fired_at(v).astype(np.float64)}
    return values


def _random(atom: Atom, size: int, reach: float, rng: np.random.Generator) -> Array:
    if atom.is_spike:
        return rng.integers(0, 2, size).astype(np.float64)
    least = 0.0 if atom.is_at_least_zero else -reach
    return rng.uniform(least, reach, size).astype(np.float32).astype(np.float64)


# --- the model's own nodes -----------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Region:
    """The elementwise nodes between a neuron's inputs, its next states and its spike."""

    evaluator: "ReferenceEvaluator"
    leaves: tuple[str, ...]
    outputs: tuple[str, ...]
    atoms: tuple[Atom, ...]

    def run(self, values: Values, trace: Trace) -> dict[str, Array]:
        arrays = {
            name: forms.evaluate(trace.form(name), values).astype(np.float32)
            for name in self.leaves
        }
        try:
            with np.errstate(all="ignore"):
                results = self.evaluator.run(list(self.outputs), arrays)
        except Exception as error:  # the reference raises whatever its NumPy code meets
            raise refuse(
                "invalid-model", f"the neuron's nodes cannot be run: {error}", loc=trace.path.name
            ) from error
        return dict(zip(self.outputs, (np.asarray(r) for r in results), strict=True))


def _region_of(neuron: Fitted, trace: Trace) -> _Region:
    # The reference takes a while to load, and a file in canonical form does without it.
    from onnx.reference import ReferenceEvaluator

    from mapper.frontend.onnx.rounding import ROUNDING

    outputs = [pair.output for pair in neuron.pairs]
    if neuron.firing is not None:
        outputs.extend(_telling(neuron, trace))
    nodes, leaves, constants = _cut(outputs, neuron, trace)
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in leaves]
    results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    known = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "region", ports, results, known)
    versions = [
        helper.make_opsetid("", trace.folder.opset),
        helper.make_opsetid("com.microsoft", 1),
    ]
    model = helper.make_model(graph, opset_imports=versions)
    atoms = {atom: None for name in leaves for atom in trace.form(name).atoms()}
    atoms.update((atom, None) for atom in neuron.drive.atoms())
    atoms.update((pair.read, None) for pair in (neuron.membrane, *neuron.pairs))
    return _Region(
        evaluator=ReferenceEvaluator(model, new_ops=ROUNDING),
        leaves=tuple(leaves),
        outputs=tuple(outputs),
        atoms=tuple(atoms),
    )


def _cut(
    outputs: list[str], neuron: Fitted, trace: Trace
) -> tuple[list[NodeProto], list[str], Mapping[str, Array]]:
    """Return the nodes that compute ``outputs``, the tensors they start from, and constants."""
    nodes: dict[str, NodeProto] = {}
    leaves: dict[str, None] = {}
    constants: dict[str, Array] = {}
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if not name or name in nodes or name in leaves or name in constants:
            continue
        tensor = trace.tensors[name]
        if isinstance(tensor, Constant):
            constants[name] = _single(tensor.array)
        elif name in trace.interior and not _is_leaf(tensor, neuron, trace.interior[name]):
            nodes[name] = _single_cast(trace.interior[name])
            waiting.extend(trace.interior[name].input)
        else:
            leaves[name] = None
    ordered = [name for name in trace.interior if name in nodes]
    return [nodes[name] for name in ordered], list(leaves), constants


def _asks(atom: Atom, reads: set[Atom]) -> bool:
    """Say whether an atom compares a state, in a way that the fit had no need of."""
    return isinstance(atom, Fires) and any(a in reads for a in forms.depends_on(atom.level))


def _single(array: Array) -> Array:
    """Return a constant in the precision the network computes in."""
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _single_cast(node: NodeProto) -> NodeProto:
    """Return a node that casts to double precision as one that casts to single precision."""
    targets = [a.i for a in node.attribute if a.name == "to"]
    if node.op_type != "Cast" or targets != [TensorProto.DOUBLE]:
        return node
    return helper.make_node("Cast", node.input, node.output, node.name, to=TensorProto.FLOAT)


def _is_leaf(form: Form, neuron: Fitted, node: NodeProto) -> bool:
    """Say whether a tensor comes from outside a neuron: layers, data, spikes of others."""
    reads: set[Atom] = {pair.read for pair in neuron.pairs}
    if neuron.keeps_nothing:  # all that it reads comes from outside
        reads = set(neuron.drive.atoms())
    atoms = list(forms.depends_on(form))
    if any(atom in reads | neuron.events or _asks(atom, reads) for atom in atoms):
        return form.alias in reads
    rounds = operator_of(node).kind == "quantiser"
    return rounds or form.alias is not None or any(isinstance(atom, Fires) for atom in atoms)
