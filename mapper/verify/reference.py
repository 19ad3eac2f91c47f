"""Ring 3: the imported network against an independent engine on the model's own file.

Both are run freely first. Where they differ, one flip of a spike may have caused all of it, so they
are then compared layer by layer, each step from the reference's own states
(``mapper.verify.forced``): what is left is either within rounding, or an error of the import.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

import numpy as np

from mapper.diagnostics import MappingError, many
from mapper.frontend import Imported, Located, read_step
from mapper.frontend.onnx.load import read_model
from mapper.ir.core import Array, Graph, Type
from mapper.ir.evaluate import initial_states
from mapper.progress import Progress, Ticks, silent
from mapper.verify import sequence
from mapper.verify.forced import Held, Tally, compare_step
from mapper.verify.original import Original, read_original, watching
from mapper.verify.outputs import Outputs, compare, overflowing
from mapper.verify.result import REFERENCE, Ring
from mapper.verify.rings import is_integer
from mapper.verify.stepped import Record

Arrays = Mapping[str, Array]

_NOT_STEPS = "the file as a whole is not its own steps one by one"
_NOT_CUT = "what the host computes of the file's own tensors is not what the file returns"

LOOKED_AT = 1 << 24
"""Values of a network, over steps and samples, that are compared layer by layer where free runs
agree: a few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An imported model, and what to run it on."""

    path: Path
    imported: Imported
    inputs: Arrays
    """``[T, B, *shape]`` by name."""
    initial: Arrays
    """States ``[B, *shape]`` to start from, where they are not the graph's own."""

    @property
    def graph(self) -> Graph:
        return self.imported.graph

    @property
    def steps(self) -> int:
        return len(next(iter(self.inputs.values())))

    @property
    def samples(self) -> int:
        return int(next(iter(self.inputs.values())).shape[1])

    def starts(self) -> dict[str, Array]:
        """Return what every state holds before the first step, ``[B, *shape]``."""
        return initial_states(self.graph, self.samples, self.initial)


def reference_ring(
    given: Given, keep: Collection[str] = (), progress: Progress = silent
) -> tuple[Ring, Record]:
    """Run ring 3.

    Args:
        given: What to run on what.
        keep: States of a model of one step whose values are returned besides the outputs.
        progress: Called with a line about what runs, and how long it may take.

    Returns:
        The ring, and what the network gives without the reference.
    """
    whole: Arrays | None = None
    if given.imported.readouts:
        ring, ran, whole = _whole_file(given, progress)
    else:
        ring, ran = _one_step(given, keep, progress)
    plain = is_integer(given.graph) or given.imported.at_once > 1  # no layers to look at alone
    if ring.status == "skipped" or not ring.max_abs_diff or plain:
        return ring, ran
    if ring.status == "equal":
        return _looked_closer(given, ring, progress), ran
    return _layer_by_layer(given, ring, whole, progress), ran


def output_types(imported: Imported) -> dict[str, Type]:
    """Map each output of a model to its type."""
    if imported.readouts:
        return sequence.output_types(imported)
    graph, epilogue = imported.graph, imported.epilogue
    returned = {v.name: v.type for v in graph.outputs}
    types = returned if epilogue is None else epilogue.types()
    return types | {s.output: s.read.type for s in graph.states if s.output}


# --- run freely ------------------------------------------------------------------------------


def _whole_file(given: Given, progress: Progress) -> tuple[Ring, Record, Arrays]:
    """Run a file of many time steps as it is; all steps of its outputs are in memory.

    Returns:
        The ring, what the network gives, and what the file returns.
    """
    imported, inputs = given.imported, given.inputs
    ran = Record(given.graph, _sources(imported))
    ticks = Ticks(progress, f"{REFERENCE}, the imported network", given.steps)
    for _ in ran.steps(inputs, given.initial):
        ticks.tick()
    if reason := sequence.runs(imported, inputs):
        return _skipped(reason), ran, {}
    ticks = Ticks(progress, f"{REFERENCE}, the file as a whole", given.samples)
    try:
        original = read_original(given.path, given.imported)
        theirs = sequence.by_runtime(original, imported, inputs, _fed(given), ticks.tick)
    except MappingError as error:
        return _skipped(_told(error)), ran, {}
    found = sequence.read_out(imported, ran.outputs)
    return compare(REFERENCE, output_types(imported), found, theirs), ran, theirs


def _fed(given: Given) -> dict[str, Array]:
    states = given.imported.fed_back
    return {name: array for name, array in given.starts().items() if name in states}


def _one_step(given: Given, keep: Collection[str], progress: Progress) -> tuple[Ring, Record]:
    """Run a file of one step and the network side by side; one step of each is in memory."""
    types = output_types(given.imported)
    states = {state.output for state in given.graph.states}
    record = Record(given.graph, [name for name in types if name in keep and name in states])
    other, outputs = _Other(given, types), Outputs(types)
    finite, ticks = 0, Ticks(progress, f"{REFERENCE}, side by side", given.steps)
    for t, mine in enumerate(record.steps(given.inputs, given.initial)):
        expected = other.step()
        if finite == t and expected and all(np.isfinite(a).all() for a in expected.values()):
            outputs.add(t, _ended(given.imported, mine), expected)
            finite += 1
        ticks.tick()
    if other.reason:
        return _skipped(other.reason), record
    return overflowing(finite, given.steps, outputs.ring(REFERENCE)), record


def _ended(imported: Imported, step: Arrays) -> Arrays:
    """Return what one step of the network gave, ``[B, *shape]``, with the model's outputs."""
    if imported.epilogue is None:
        return step
    reals = {name: step[name][None] for name in imported.epilogue.reads}
    return {**step, **{name: array[0] for name, array in imported.epilogue.of(reals).items()}}


class _Other:
    """The file of one step in an engine that is not ours, sample by sample."""

    def __init__(self, given: Given, types: Mapping[str, Type]) -> None:
        self.reason = ""
        """Why there is nothing to compare with."""
        self._imported, self._names = given.imported, list(types)
        self._runs: list[Iterator[dict[str, Array]]] = []
        try:
            original = read_original(given.path, given.imported)
        except MappingError as error:
            self.reason = _told(error)
            return
        self._runs = [
            original.steps(*_one_sample(given, b), given.imported.fed_back)
            for b in range(given.samples)
        ]

    def step(self) -> dict[str, Array]:
        """Return the next step's outputs, ``[B, *shape]``; nothing from where it cannot run."""
        if self.reason:
            return {}
        try:
            samples = [next(run) for run in self._runs]
        except MappingError as error:
            self.reason = _told(error)
            return {}
        ports = {name: self._imported.port(name) for name in self._names}
        return {
            name: np.concatenate([port.to_graph(s[name][None])[0] for s in samples])
            for name, port in ports.items()
        }


def _one_sample(given: Given, index: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return one sample's inputs ``[T, *model shape]`` and initial states ``[*model shape]``."""
    port = given.imported.port
    chosen = {n: port(n).to_model(a[:, index : index + 1]) for n, a in given.inputs.items()}
    starts = {n: port(n).to_model(a[None, index : index + 1])[0] for n, a in _fed(given).items()}
    return chosen, starts


def _skipped(reason: str) -> Ring:
    return Ring(name=REFERENCE, status="skipped", reason=reason)


def _told(error: MappingError) -> str:
    return "; ".join(diagnostic.message for diagnostic in error.diagnostics)


# --- layer by layer --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inside:
    """One time step of the file that also returns what is inside it."""

    original: Original
    shapes: Mapping[str, tuple[int, ...]]
    """Of its inputs, states included."""
    states: Mapping[str, str]
    """Which output is fed back to which input, by input name."""
    located: Mapping[str, Located]
    """Which of its tensors hold which values of the graph."""

    def steps(self, given: Given, index: int) -> Iterator[dict[str, Array]]:
        """Yield every tensor of each step of one sample, by name."""
        fed = {n: a[:, index].reshape(-1, *self.shapes[n]) for n, a in given.inputs.items()}
        starts = {
            name: array[index].reshape(self.shapes[name])
            for name, array in given.starts().items()
            if name in self.states
        }
        return self.original.steps(fed, starts, self.states)


def _inside(given: Given) -> _Inside:
    """Return one step of the file; of a file with many, the one that was recognised in it.

    Raises:
        MappingError: ``no-reference``: no engine here can run it.
    """
    imported = given.imported
    ports = [*given.graph.inputs, *(s.read for s in given.graph.states)]
    if imported.readouts:
        step = read_step(given.path)
        model, shapes, states = step.whole(), step.opened, step.states
    else:
        model, states = read_model(given.path), imported.fed_back
        shapes = {v.name: imported.port(v.name).model_shape for v in ports if v.name in states}
        shapes |= {v.name: imported.port(v.name).model_shape for v in given.graph.inputs}
    located = {v.name: Located(tensor=v.name) for v in ports if v.name in shapes}
    located |= imported.located
    wanted = {place.tensor for place in located.values()}
    original = watching(model, wanted, given.path)
    return _Inside(original=original, shapes=shapes, states=states, located=located)


def _layer_by_layer(given: Given, plain: Ring, whole: Arrays | None, progress: Progress) -> Ring:
    """Compare every step and layer from the reference's values.

    Args:
        given: What is compared on what.
        plain: What free runs gave: a mismatch.
        whole: What a file of many steps returned as it is; None of a file of one step.
        progress: Called with how far it is.
    """
    try:
        inside = _inside(given)
        walk = _walked(given, inside, progress)
    except MappingError as error:
        return replace(plain, reason=f"layers cannot be compared: {_told(error)}")
    tally = walk.tally
    if tally.mismatch is not None:
        found = replace(plain, max_abs_diff=tally.worst, first_mismatch=tally.mismatch)
        return replace(found, reason=tally.beyond)
    if whole is not None or given.imported.epilogue is not None:
        theirs = sequence.read_out(given.imported, walk.returned)
        types = {n: t for n, t in output_types(given.imported).items() if n in theirs}
        steps = compare(REFERENCE, types, theirs, walk.answers if whole is None else whole)
        if steps.status != "equal":
            return replace(steps, reason=_NOT_STEPS if whole is not None else _NOT_CUT)
    return Ring(
        name=REFERENCE,
        status="equal",
        reason=f"{_what(given.graph, inside.located)}, {_how_far(given, plain, walk)}",
        max_abs_diff=tally.worst,
        ties=tally.ties,
        tied=tuple(tally.tied),
    )


def _looked_closer(given: Given, plain: Ring, progress: Progress) -> Ring:
    """Look for an error that hides in the tolerance of outputs: sums have narrower bounds each.

    Args:
        given: What is compared on what; as much of it as ``LOOKED_AT`` allows, at least one step.
        plain: What free runs gave: equal, but not to the last bit.
        progress: Called with how far it is.
    """
    sizes = (prod(value.shape) for op in given.graph.ops for value in op.results)
    steps = max(1, LOOKED_AT // max(1, sum(sizes)))
    samples = max(1, steps // given.steps)
    part = (slice(min(steps, given.steps)), slice(samples))
    inputs = {name: array[part] for name, array in given.inputs.items()}
    initial = {name: array[:samples] for name, array in given.initial.items()}
    few = replace(given, inputs=inputs, initial=initial)
    try:
        tally = _walked(few, _inside(few), progress).tally
    except MappingError:  # of a file whose steps no engine runs one by one
        return plain
    if tally.mismatch is None:
        return plain
    return replace(
        plain,
        status="mismatch",
        reason=tally.beyond,
        max_abs_diff=tally.worst,
        first_mismatch=tally.mismatch,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """All steps of all samples, compared one by one."""

    tally: Tally
    steps: int
    """In which the reference's numbers are finite."""
    returned: Arrays
    """What the steps of a file of many returned, ``[T, B, *shape]``, by their own names; of one
    step what its epilogue reads."""
    answers: Arrays = field(default_factory=dict)
    """What a file of one step returned that its epilogue computes, ``[T, B, *shape]``."""


def _walked(given: Given, inside: _Inside, progress: Progress) -> _Walk:
    tally, starts = Tally(), given.starts()
    shapes = {s.output: s.read.shape for s in given.graph.states if s.output}
    shapes |= {v.name: v.shape for v in given.graph.outputs}
    imported = given.imported
    record: dict[str, list[Array]] = {name: [] for name in _sources(imported)}
    answers = () if imported.readouts or not imported.epilogue else imported.epilogue.answers
    answered: dict[str, list[Array]] = {answer.name: [] for answer in answers}
    runs = [inside.steps(given, b) for b in range(given.samples)]
    first = [{n: a[b : b + 1] for n, a in starts.items()} for b in range(given.samples)]
    held = [Held(reference=states, own={}) for states in first]
    total = given.steps * given.samples
    finite, ticks = 0, Ticks(progress, f"{REFERENCE}, layer by layer", total)
    for t in range(given.steps):
        samples = [next(run) for run in runs]
        if not all(np.isfinite(s[name]).all() for s in samples for name in shapes if name in s):
            break
        for b, theirs in enumerate(samples):
            held[b] = compare_step(given.graph, inside.located, (t, b), held[b], theirs, tally)
            if tally.mismatch is not None:
                return _Walk(tally=tally, steps=t, returned={})
            ticks.tick()
        for name, arrays in record.items():
            tensor = inside.located.get(name, Located(tensor=name)).tensor
            arrays.append(np.concatenate([s[tensor].reshape(1, *shapes[name]) for s in samples]))
        for answer in answers:
            rows = [answer.arranged(s[answer.name]) for s in samples]
            answered[answer.name].append(np.concatenate(rows))
        finite = t + 1
    return _Walk(tally=tally, steps=finite, returned=_stacked(record), answers=_stacked(answered))


def _stacked(record: Mapping[str, list[Array]]) -> dict[str, Array]:
    return {name: np.stack(arrays) for name, arrays in record.items()}


def _sources(imported: Imported) -> tuple[str, ...]:
    """Return what of the graph the outputs of a model are made of, that are not the graph's own."""
    epilogue = imported.epilogue
    reads = () if epilogue is None else epilogue.reads
    answers = () if epilogue is None else {answer.name for answer in epilogue.answers}
    sources = (readout.source for readout in imported.readouts.values())
    return tuple(dict.fromkeys((*reads, *(name for name in sources if name not in answers))))


def _what(graph: Graph, located: Mapping[str, Located]) -> str:
    """Say how many results were compared, and how many are in no tensor of the file."""
    results = [value.name for op in graph.ops for value in op.results]
    inner = [name for name in results if name not in located]
    text = f"{many(len(results) - len(inner), 'layer result')} from the reference's own"
    if inner:
        text += f", {len(inner)} that the file has no tensor for in what reads them"
    return text


def _how_far(given: Given, plain: Ring, walk: _Walk) -> str:
    place = plain.first_mismatch
    text = f"{many(walk.steps, 'time step')} from its own states"
    if walk.steps < given.steps:
        text += f" of {given.steps}, then the model itself overflows"
    if place is not None:
        text += f"; run freely they part at step {place.step}"
    return text
