"""What dies of one build do on a recording: the work of a study, a record a die.

Each die is drawn, prepared and run by itself; what it does is counted against the ideal chip, the
graph as it was compiled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from mapper.decided import Deciding
from mapper.dies.draw import Lot, activity_of
from mapper.epilogue.model import Epilogue
from mapper.executor.base import Prepared, Traced
from mapper.executor.engine import engine_for
from mapper.executor.native import NativeExecutor
from mapper.executor.native.held import Held
from mapper.ir.activity import WORDLINES, counted_shapes
from mapper.ir.core import SPIKE, Array, Graph, Span
from mapper.ir.counter import read_keys
from mapper.ir.evaluate import defined_values
from mapper.ir.firing import Firing, firing_of, layer_of
from mapper.ir.identity import digest, digest_of_arrays
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.noise import key_inputs
from mapper.recordings import Recording, to_codes
from mapper.study import Case
from mapper.study.case import digest as data_digest
from mapper.verify.answers import classes, judged
from targets import Target, target_to_data

SEED, AGE, WITHOUT, LAYERS = "seed", "age", "without", "layers"
"""What a case names beside settings of the device."""

_CHUNK_BYTES = 1 << 26
"""Of the spikes of so many samples as are run at once, were they numbers."""


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Dies of one build, run on one recording.

    A case is ``{"seed": 3}`` and what differs from the lot: settings of the device and an ``age``
    by name, imperfections that are left out (``without``), layers that are drawn alone
    (``layers``). Noise of reads of die ``n`` follows from ``run_seed + n``.
    """

    graph: Graph
    """Of the ideal chip, as it was compiled."""
    target: Target
    lot: Lot
    codes: Mapping[str, Array]
    """Input codes ``[T, B, *shape]`` by name."""
    labels: Array | None = None
    """The class of each sample, ``[B]``; None where nobody knows them."""
    run_seed: int = 0
    epilogue: Epilogue | None = None
    """What the host computes of the outputs."""

    @property
    def deciding(self) -> Deciding:
        """The output that says a class of each sample."""
        return Deciding(graph=self.graph, epilogue=self.epilogue)

    def identity(self) -> Mapping[str, Any]:
        """Return what determines every record beside its case."""
        return {
            "what": "dies",
            "build": digest(self.graph),
            "target": data_digest(target_to_data(self.target)),
            **self.lot.identity(self.target),
            "inputs": digest_of_arrays(self.codes),
            "labels": None
            if self.labels is None
            else digest_of_arrays({"labels": self.labels.astype(np.int64)}),
            "run_seed": self.run_seed,
            **({} if self.epilogue is None else {"epilogue": self.epilogue.entry()}),
        }

    def prepare(self) -> "Ideal":
        """Run the ideal chip, once in a process."""
        return self._ideal

    @cached_property
    def _ideal(self) -> "Ideal":
        return Ideal(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was found: other processes find it for themselves."""
        return {held.name: getattr(self, held.name) for held in fields(self)}

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Time steps and samples."""
        steps, samples = next(iter(self.codes.values())).shape[:2]
        return steps, samples


class Ideal:
    """The ideal chip on a recording: dies are counted against it."""

    def __init__(self, trials: Trials) -> None:
        self.trials = trials
        self.target = trials.lot.of(trials.target)
        self.spikes = spike_layers(trials.graph)
        types = {value.name: value.type for value in defined_values(trials.graph)}
        self._layers = {name: types[name] == SPIKE for name in self.spikes}
        self._planned: dict[tuple[str, ...], Prepared] = {}
        self._packed: dict[Span, Mapping[str, Held]] = {}
        ideal = engine_for(None).prepare(trials.graph, watch=tuple(self.spikes), threads=1)
        self.parts, counted = list[Part](), list[Mapping[str, Array]]()
        for samples in self._chunks():
            inputs = self._inputs(trials.graph, samples, 0)
            found = ideal.trace(inputs)
            if isinstance(ideal, NativeExecutor) and not key_inputs(trials.graph):
                self._packed[samples] = ideal.packed(inputs)
            self.parts.append(_part(found, self._outputs, self._layers))
            counted.append(found.counts)
        self.activity = activity_of(trials.graph, _added(counted), *trials.shape)
        each = [name for name, shape in counted_shapes(trials.graph) if shape is None]
        self._counts = {name: np.concatenate([c[name] for c in counted], axis=1) for name in each}

    @cached_property
    def _outputs(self) -> tuple[str, ...]:
        return tuple(value.name for value in self.trials.graph.outputs)

    def __call__(self, case: Case) -> Mapping[str, Any]:
        """Draw a die, run it, and count what it does."""
        watch = tuple(self.spikes) if case.keys() == {SEED} else ()
        die = self.die(case, checked=watch not in self._planned)
        prepared = self._prepared(die, watch)
        differing = dict.fromkeys(watch, 0)
        answers = list[Mapping[str, Array]]()
        for samples, ideal in zip(self._chunks(), self.parts, strict=True):
            seed = self.trials.run_seed + case[SEED]
            ran = self._ran(prepared, die, samples, seed)
            part = _part(ran, self._outputs, {name: self._layers[name] for name in watch})
            answers.append(part.outputs)
            for name in watch:
                differing[name] += _that_differ(part.spikes[name], ideal.spikes[name])
        counted = self._compared(answers)
        return {**counted, "spikes": differing} if watch else counted

    def _prepared(self, die: Graph, watch: tuple[str, ...]) -> Prepared:
        """Make a die ready, by the plan of the first one where the engine has such."""
        first = self._planned.get(watch)
        if isinstance(first, NativeExecutor):
            return first.again(die)
        prepared = engine_for(None).prepare(die, watch=watch, threads=1)
        self._planned.setdefault(watch, prepared)
        return prepared

    def die(self, case: Case, *, checked: bool = True) -> Graph:
        """Draw the die of a case; unless it is ``checked`` its graph is known to be valid."""
        known = (SEED, AGE, WITHOUT, LAYERS)
        lot = Lot(
            settings={name: value for name, value in case.items() if name not in known},
            age=case.get(AGE, self.trials.lot.age),
            temperature=self.trials.lot.temperature,
            without=(*self.trials.lot.without, *case.get(WITHOUT, ())),
        )
        layers = case.get(LAYERS)
        drawn = lot.drawn(
            self.trials.graph,
            self.target,
            case[SEED],
            self.activity,
            None if layers is None else tuple(layers),
        )
        return drawn.draw(self.target) if checked else drawn.draw_unchecked(self.target)

    @cached_property
    def firing(self) -> Firing:
        """Whether it works on the recording at all."""
        outputs = {
            name: np.concatenate([part.outputs[name] for part in self.parts], axis=1)
            for name in self._outputs
        }
        found = firing_of(self.trials.graph, self._counts, self.trials.codes, outputs)
        return judged(found, self.classes, self.trials.labels)

    def counted(self) -> Mapping[str, Any]:
        """Return what a die of an ideal device would count."""
        return self._compared([part.outputs for part in self.parts])

    @cached_property
    def classes(self) -> Array:
        """The class of each sample, ``[B]``."""
        return np.concatenate([self._classes(part.outputs) for part in self.parts])

    def _classes(self, outputs: Mapping[str, Array]) -> Array:
        return classes(self.trials.deciding.of(outputs))

    def _compared(self, answers: list[Mapping[str, Array]]) -> dict[str, int]:
        found = np.concatenate([self._classes(answer) for answer in answers])
        pairs = zip(self.parts, answers, strict=True)
        counts = {
            "same_outputs": sum(_same(part.outputs, answer) for part, answer in pairs),
            "same_class": int((found == self.classes).sum()),
        }
        if self.trials.labels is not None:
            counts["right"] = int((found == self.trials.labels).sum())
        return counts

    # --- samples -------------------------------------------------------------------------------

    def _chunks(self) -> tuple[Span, ...]:
        """Cut the samples up, so that spikes of all layers fit in memory."""
        steps, samples = self.trials.shape
        each = max(1, 8 * steps * sum(self.spikes.values()))
        return Span(0, samples).split(max(1, _CHUNK_BYTES // each))

    def _inputs(self, graph: Graph, samples: Span, seed: int) -> dict[str, Array]:
        return _cut(self.trials.codes, samples) | self._keys(graph, samples, seed)

    def _keys(self, graph: Graph, samples: Span, seed: int) -> dict[str, Array]:
        shape = self.trials.shape
        return _cut({v.name: read_keys(seed, *shape) for v in key_inputs(graph)}, samples)

    def _ran(self, prepared: Prepared, die: Graph, samples: Span, seed: int) -> Traced:
        """Run a die on some samples, whose codes are packed once for all dies."""
        if not isinstance(prepared, NativeExecutor):
            return Traced(outputs=prepared.run(self._inputs(die, samples, seed)))
        codes = self._packed.get(samples) or _cut(self.trials.codes, samples)
        return prepared.run_packed({**codes, **self._keys(die, samples, seed)})


@dataclass(frozen=True, slots=True)
class Part:
    """What some samples gave."""

    outputs: Mapping[str, Array]
    """``[T, B, *shape]`` by name."""
    spikes: Mapping[str, Array]
    """Of each layer as bits, in an order of the engine's own, with zeros behind them; numbers
    ``[T, B, *shape]`` of one that gives several levels."""


def _part(found: Traced, outputs: tuple[str, ...], layers: Mapping[str, bool]) -> Part:
    """Take what is counted of a run; spikes are packed here where the engine holds none so."""
    return Part(
        {name: found.outputs[name] for name in outputs},
        {name: _spikes(found, name, is_spike) for name, is_spike in layers.items()},
    )


def _spikes(found: Traced, name: str, is_spike: bool) -> Array:
    if name in found.spikes:
        return found.spikes[name]
    given = found.outputs[name]
    return np.packbits(given != 0) if is_spike else given.astype(np.int16)


def _cut(codes: Mapping[str, Array], samples: Span) -> dict[str, Array]:
    return {name: np.ascontiguousarray(array[:, samples.slice]) for name, array in codes.items()}


def _that_differ(one: Array, other: Array) -> int:
    """Count bits of packed spikes, or numbers, that are not the same."""
    if one.dtype != np.uint8:
        return int(np.count_nonzero(one != other))
    return int(np.bitwise_count(one ^ other).sum(dtype=np.int64))


def _same(one: Mapping[str, Array], other: Mapping[str, Array]) -> int:
    """Count the samples of ``[T, B, *shape]`` of which every number is the same."""
    equal = [(one[name] == other[name]).swapaxes(0, 1) for name in one]
    whole = [found.reshape(len(found), -1).all(axis=1) for found in equal]
    return int(np.logical_and.reduce(whole).sum())


def spike_layers(graph: Graph) -> dict[str, int]:
    """Return how many neurons each layer has, by the name of its spikes."""
    neurons = (op for op in graph.ops if isinstance(op, IntegerNeuron))
    return {op.spike.name: prod(op.spike.shape) for op in neurons if op.spike is not None}


def spike_labels(graph: Graph) -> dict[str, str]:
    """Return what each of these layers is called: by the node of its weights."""
    neurons = (op for op in graph.ops if isinstance(op, IntegerNeuron))
    return {op.spike.name: layer_of(op, graph) for op in neurons if op.spike is not None}


def _added(parts: list[Mapping[str, Array]]) -> dict[str, Array]:
    """Add up how often wordlines were driven in parts of a run."""
    names = (name for name in parts[0] if name.endswith(WORDLINES))
    return {name: np.sum([part[name] for part in parts], axis=0) for name in names}


def trials_on(
    graph: Graph,
    target: Target,
    recording: Recording,
    lot: Lot,
    run_seed: int = 0,
    epilogue: Epilogue | None = None,
) -> Trials:
    """Return the dies of a hardware graph on a recording, as the work of a study.

    Raises:
        MappingError: ``input-range`` for what is no code, ``input-shape`` for labels of other
            samples.
    """
    deciding = Deciding(graph=graph, epilogue=epilogue)
    return Trials(
        graph=graph,
        target=target,
        lot=lot,
        codes=to_codes(graph, recording.inputs, recording.where),
        labels=deciding.wanted(recording.arrays, recording),
        run_seed=run_seed,
        epilogue=epilogue,
    )
