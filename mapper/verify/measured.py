"""What a mapping's answers are worth: its spikes and outputs beside those of the source network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite

import numpy as np

from mapper.build.model import Build
from mapper.decided import Deciding
from mapper.ir.core import Array, Graph
from mapper.ir.firing import MAPPING, NETWORK, firing_of
from mapper.progress import Progress, Ticks
from mapper.recordings import to_reals
from mapper.verify.answers import classes, judged, score
from mapper.verify.result import INEXACT, InexactPass, Verification
from mapper.verify.rings import few, inputs_of, spike_values
from mapper.verify.stepped import Agreement, Record, counted, of_samples

Arrays = Mapping[str, Array]


class Measured:
    """The source network, run beside what the definition of a mapping gives."""

    def __init__(self, build: Build, codes: Arrays, reals: Arrays) -> None:
        self._build, self._codes, self._reals = build, codes, reals
        self._spikes = spike_values(build.network)
        self._mapping, self._source = Record(build.hardware), Record(build.network)
        self._agreement = Agreement(self._spikes)
        self._steps: Iterator[dict[str, Array]] = iter(())

    def note(self, samples: slice, start: int, values: Arrays) -> None:
        """Take values of the mapping, ``[T, B, *shape]``; see ``engine_rings``."""
        if start == 0:
            self._mapping.begin()
            inputs = of_samples(self._reals, samples)
            self._steps = self._source.steps(inputs, watch=self._spikes)
        for t in range(len(next(iter(values.values())))):
            mine = {name: array[t] for name, array in values.items()}
            self._mapping.add(mine)
            self._agreement.add(mine, next(self._steps))

    def told(self, found: Verification, labels: Array | None) -> Verification:
        """Return a verification that also says what the answers are worth."""
        mapping, source = self._mapping, self._source
        firing, source_firing = (
            firing_of(each.graph, {**counted(inputs), **each.counts}, inputs, each.outputs)
            for each, inputs in ((mapping, self._codes), (source, self._reals))
        )
        epilogue = self._build.epilogue
        answers, theirs = (
            Deciding(graph=each.graph, epilogue=epilogue).of(each.outputs)
            for each in (mapping, source)
        )
        firing = judged(firing, classes(answers), labels)
        source_firing = judged(source_firing, classes(theirs), labels)
        return replace(
            found,
            accuracy=None if labels is None else score(answers, labels).share,
            source_accuracy=None if labels is None else score(theirs, labels).share,
            accuracy_of=None if labels is None else labels.size,
            spike_agreement=self._agreement.share,
            layer_agreement=self._agreement.by_name,
            firing=firing,
            source_firing=source_firing,
            warnings=(
                *self._build.of_passes,
                *source_firing.warnings(NETWORK),
                *firing.warnings(MAPPING),
                *self._build.uncalibrated,
            ),
        )


def inexact_passes(
    build: Build,
    stages: Sequence[tuple[str, bool, Graph]],
    codes: Arrays,
    reals: Arrays,
    progress: Progress,
) -> tuple[InexactPass, ...]:
    """Run the network after every inexact pass beside the source network, step by step."""
    spikes = spike_values(build.network)
    changes = [_Change(name, graph, spikes) for name, exact, graph in stages if not exact]
    groups = list(few(codes, build.network, *(change.graph for change in changes)))
    steps = len(next(iter(codes.values())))
    ticks = Ticks(progress, INEXACT, len(groups) * steps * (len(changes) + 1))
    for samples in groups:
        some = {True: of_samples(codes, samples), False: of_samples(reals, samples)}
        runs = [
            Record(change.graph).steps(
                inputs_of(change.graph, some[change.graph.inputs != build.network.inputs]),
                watch=spikes,
            )
            for change in changes
        ]
        for source in Record(build.network).steps(some[False], watch=spikes):
            ticks.tick()
            outputs = {v.name: source[v.name] for v in build.network.outputs}
            expected = {**source, **to_reals(build.network, outputs)}
            for change, run in zip(changes, runs, strict=True):
                change.add(next(run), expected)
                ticks.tick()
    return tuple(change.found for change in changes)


class _Change:
    """What one inexact pass did to spikes and outputs, in the steps so far."""

    def __init__(self, name: str, graph: Graph, spikes: Sequence[str]) -> None:
        self.name, self.graph = name, graph
        self._agreement, self._error = Agreement(spikes), 0.0

    def add(self, ran: Arrays, source: Arrays) -> None:
        """Compare one step, ``[B, *shape]`` by name; outputs of the source are reals."""
        self._agreement.add(ran, source)
        outputs = to_reals(self.graph, {v.name: ran[v.name] for v in self.graph.outputs})
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            errors = (
                np.abs(array - source[name]).max(initial=0) for name, array in outputs.items()
            )
            self._error = float(np.max([self._error, *errors]))  # what is no number stays

    @property
    def found(self) -> InexactPass:
        return InexactPass(
            name=self.name,
            spike_agreement=self._agreement.share,
            output_error=self._error if isfinite(self._error) else None,
        )
