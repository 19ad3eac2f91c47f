"""How often layers fire on recordings, and whether what a network says depends on them at all.

A mapping may be computed to the bit and still be of no use: a threshold that nothing reaches, or
that everything passes, and all layers behind it say the same of every recording.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

import numpy as np

from mapper.diagnostics import many, printable
from mapper.ir.assignment import layer_name
from mapper.ir.core import Array, Graph, Op, Value
from mapper.ir.evaluate import initial_states, run_step
from mapper.ir.noise import recorded_inputs
from mapper.ir.units import LayerOp

NETWORK = "the trained network"
MAPPING = "the mapping"
"""What findings are of, in words."""

_NAMED = 3
"""Layers that a finding names; of more it gives the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFiring:
    """How often the neurons of one layer fired."""

    layer: str
    """The node of its weights, or where these are several the node of its neurons."""
    value: str
    """Name of its spikes in the graph."""
    neurons: int
    spikes: int
    """Of all neurons, steps and samples; one of any level counts once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that makes a network say less than it seems to, or nothing."""

    kind: Literal["no-input", "silent", "always", "alike", "one-class"]
    layers: tuple[str, ...] = ()
    """Those that never fire, or always do; none where it is about inputs or outputs."""
    onward: bool = False
    """They are the last of the network: nothing behind the first of them does otherwise."""
    of: int = 0
    """Layers that fire or may fire; of ``alike`` and ``one-class``, samples."""
    answer: int = 0
    """The one class, of ``one-class``."""

    @property
    def short(self) -> str:
        """Say it in a few words: ``silent from /conv2/Conv on``."""
        if self.kind == "no-input":
            return "the recordings are empty"
        if self.kind == "alike":
            alike = f"all {self.of} samples answered alike"
            return "all outputs are one number" if self.of == 1 else alike
        if self.kind == "one-class":
            return f"all {self.of} samples are class {self.answer} to it"
        first = printable(self.layers[0])
        silent = self.kind == "silent"
        if self.onward:
            return f"silent from {first} on" if silent else f"fires always from {first} on"
        shown = ", ".join(map(printable, self.layers[:_NAMED]))
        more = len(self.layers) - _NAMED
        named = f"{shown} and {more} more" if more > 0 else shown
        return f"{named} silent" if silent else f"{named} always firing"

    def text(self, what: str) -> str:
        """Say it in a sentence of ``NETWORK`` or ``MAPPING``."""
        if self.kind == "no-input":
            return "the recordings are empty: every input is 0 in every step"
        if self.kind == "alike":
            told = "one number everywhere" if self.of == 1 else f"alike for all {self.of} samples"
            return f"{what}: its outputs are {told}"
        if self.kind == "one-class":
            return (
                f"{what}: it answers class {self.answer} for all {self.of} samples, whose labels "
                "differ"
            )
        count, one = f"{len(self.layers)} of {many(self.of, 'layer')}", len(self.layers) == 1
        never, always = ("never fires", "fires") if one else ("never fire", "fire")
        does = never if self.kind == "silent" else f"{always} in every neuron and step"
        return f"{what}: {self.short} ({count} {does} on the recordings)"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"kind": self.kind, "layers": list(self.layers), "text": self.short}


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What a run on recordings says of a network's layers and outputs."""

    steps: int
    samples: int
    layers: tuple[LayerFiring, ...]
    """Layers whose spikes are used, in execution order."""
    no_input: bool = False
    """Every input is 0 in every step of every sample."""
    alike: bool = False
    """Samples differ and no output does; of one sample, all outputs are one number."""
    cut: bool = False
    """Every way from an input to an output leads through a layer that never or always fires."""
    one_class: int | None = None
    """The class that every sample was given, where their labels differ; None where answers differ,
    or nobody knows labels. Outputs do depend on the inputs then, and yet say nothing."""

    @property
    def rate(self) -> float | None:
        """Spikes per neuron and time step over all layers, 0..1; None without layers.

        Where a neuron may give several in a step, this is how often it gives any.
        """
        neurons = sum(layer.neurons for layer in self.layers)
        return self._share(sum(layer.spikes for layer in self.layers), neurons)

    def rate_of(self, layer: LayerFiring) -> float:
        """Return the spikes per neuron and time step of one layer, 0..1."""
        return self._share(layer.spikes, layer.neurons) or 0.0

    def _share(self, spikes: int, neurons: int) -> float | None:
        return spikes / (neurons * self.steps * self.samples) if neurons else None

    @property
    def dead(self) -> bool:
        """The outputs do not depend on the inputs, on these recordings."""
        return self.no_input or self.alike or self.cut

    @property
    def reason(self) -> str:
        """Why it is dead, in a few words; empty where it is not."""
        return next((found.short for found in self.findings), "") if self.dead else ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what is wrong, the cause first; nothing where nothing is."""
        return tuple(self._findings())

    def _findings(self) -> Iterator[Finding]:
        if self.no_input:
            yield Finding(kind="no-input")
            return
        yield from self._about("silent", [self._never(layer) for layer in self.layers])
        yield from self._about("always", [self._ever(layer) for layer in self.layers])
        if self.alike and not self.cut:  # where it is cut off, that is the cause
            yield Finding(kind="alike", of=self.samples)
        if self.one_class is not None and not self.dead:  # of a dead one that is no wonder
            yield Finding(kind="one-class", of=self.samples, answer=self.one_class)

    def _chances(self, layer: LayerFiring) -> int:
        """Return how often a layer may fire; of one chance nobody can say never or always."""
        return layer.neurons * self.steps * self.samples

    def _never(self, layer: LayerFiring) -> bool:
        return self._chances(layer) > 1 and not layer.spikes

    def _ever(self, layer: LayerFiring) -> bool:
        return self._chances(layer) > 1 and layer.spikes == self._chances(layer)

    @property
    def constant(self) -> frozenset[str]:
        """Name the spikes that were the same in every neuron, step and sample."""
        marked = (one for one in self.layers if self._never(one) or self._ever(one))
        return frozenset(one.value for one in marked)

    def _about(self, kind: Literal["silent", "always"], marks: Sequence[bool]) -> Iterator[Finding]:
        names = tuple(one.layer for one, mark in zip(self.layers, marks, strict=True) if mark)
        if names:
            onward = len(names) > 1 and all(marks[-len(names) :])
            yield Finding(kind=kind, layers=names, onward=onward, of=len(marks))

    def warnings(self, what: str) -> tuple[str, ...]:
        """Return a sentence for each finding; ``what`` is ``NETWORK`` or ``MAPPING``."""
        told = [finding.text(what) for finding in self.findings]
        if self.cut and not self.no_input and told:
            told[-1] += ", so its outputs do not depend on the inputs"
        return tuple(told)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form: rates are spikes per neuron and time step, 0..1."""
        return {
            "steps": self.steps,
            "samples": self.samples,
            "spike_rate": self.rate,
            "layers": [
                {
                    "layer": one.layer,
                    "value": one.value,
                    "neurons": one.neurons,
                    "spikes": one.spikes,
                    "spike_rate": self.rate_of(one),
                }
                for one in self.layers
            ],
            "dead": self.dead,
            "reason": self.reason,
            "findings": [finding.as_dict() for finding in self.findings],
            "no_input": self.no_input,
            "outputs_alike": self.alike,
            "outputs_cut_off": self.cut,
            **({} if self.one_class is None else {"one_class": self.one_class}),
        }


# --- from a run ------------------------------------------------------------------------------


def firing_of(
    graph: Graph,
    counts: Mapping[str, Array],
    inputs: Mapping[str, Array] | None = None,
    outputs: Mapping[str, Array] | None = None,
) -> Firing:
    """Look at what a run counted and gave.

    Args:
        graph: What ran, at any stage of lowering.
        counts: ``[T, B]`` by name: elements that are not 0 in each input and in the spikes of each
            layer, as ``mapper.ir.activity`` counts them.
        inputs: ``[T, B, *shape]`` by name; whether samples differ is seen in counts where None.
        outputs: ``[T, B, *shape]`` by name; they are not looked at where None.
    """
    layers = tuple(
        LayerFiring(
            layer=layer_of(op, graph),
            value=spike.name,
            neurons=prod(spike.shape),
            spikes=int(counts[spike.name].sum()),
        )
        for op, spike in used_spikes(graph)
    )
    taken = recorded_inputs(graph)
    steps, samples = counts[taken[0].name].shape
    empty = not any(counts[value.name].any() for value in taken)
    found = Firing(steps=steps, samples=samples, layers=layers, no_input=empty)
    given = {v.name: (counts if inputs is None else inputs)[v.name] for v in taken}
    return replace(
        found,
        alike=outputs is not None and _alike(graph, given, outputs),
        cut=_cut(graph, found.constant),
    )


def firing_along(graph: Graph, inputs: Mapping[str, Array]) -> Firing:
    """Run the definition on inputs ``[T, B, *shape]``, and look at it.

    Spikes are counted step by step: however many there are, those of one step are in memory.
    """
    steps, batch = next(iter(inputs.values())).shape[:2]
    states = initial_states(graph, batch, {})
    counted = [v.name for v in graph.inputs] + [spike.name for _, spike in used_spikes(graph)]
    counts: dict[str, list[Array]] = {name: [] for name in counted}
    outputs: dict[str, list[Array]] = {value.name: [] for value in graph.outputs}
    for t in range(steps):
        env = run_step(graph, {v.name: inputs[v.name][t] for v in graph.inputs}, states)
        states = {state.read.name: env[state.next] for state in graph.states}
        for name, found in counts.items():
            found.append(np.count_nonzero(env[name].reshape(batch, -1), axis=1))
        for name, arrays in outputs.items():
            arrays.append(env[name])
    return firing_of(
        graph,
        {name: np.stack(found) for name, found in counts.items()},
        inputs,
        {name: np.stack(arrays) for name, arrays in outputs.items()},
    )


def used_spikes(graph: Graph) -> Iterator[tuple[Op, Value]]:
    """Yield neurons with the spikes that something reads: a membrane may be all that is used."""
    used = {v.name for op in graph.ops for v in op.operands}
    used |= {v.name for v in graph.outputs} | {state.next for state in graph.states}
    for op in graph.ops:
        spike = getattr(op, "spike", None) if _fires(op) else None
        if spike is not None and spike.name in used:
            yield op, spike


def _fires(op: Op) -> bool:
    return "spike" in op.RESULTS


def layer_of(op: Op, graph: Graph) -> str:
    """Return the node of the weights in front of neurons, or else their own."""
    makers = {v.name: maker for maker in graph.ops for v in maker.results}
    found: dict[str, None] = {}
    ways = [op.operands[0].name]
    seen = set(ways)
    while ways:
        maker = makers.get(ways.pop())
        if maker is None or _fires(maker):
            continue
        if isinstance(maker, LayerOp):
            found[layer_name(maker.loc, maker.results[0].name)] = None
            continue
        ways += [v.name for v in maker.operands if v.name not in seen]
        seen |= {v.name for v in maker.operands}
    own = layer_name(op.loc, op.results[0].name)
    return next(iter(found)) if len(found) == 1 else own


def _cut(graph: Graph, constant: frozenset[str]) -> bool:
    """Say whether no output can be reached from an input but through what is constant."""
    live = {v.name for v in recorded_inputs(graph)}
    follows = {state.read.name: state.next for state in graph.states}
    before = -1
    while len(live) != before:
        before = len(live)
        live |= {read for read, written in follows.items() if written in live}
        for op in graph.ops:
            if any(v.name in live for v in op.operands):
                live |= {v.name for v in op.results if v.name not in constant}
    return not any(v.name in live for v in graph.outputs)


def _alike(graph: Graph, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> bool:
    """Say whether samples differ and outputs do not; of one sample, whether it gives one number."""
    arrays = [np.asarray(outputs[v.name]) for v in graph.outputs]
    if arrays[0].shape[1] == 1:
        wide = all(prod(v.shape) > 1 for v in graph.outputs)
        return wide and all(bool((array == array.flat[0]).all()) for array in arrays)
    same = all(_same_samples(array) for array in arrays)
    return same and not all(_same_samples(np.asarray(array)) for array in inputs.values())


def _same_samples(array: Array) -> bool:
    return bool((array == array[:, :1]).all())
