"""What a point does on recordings: its activity, its right answers, its spikes beside the source's.

A point runs on the fastest engine there is, one thread, as points run side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mapper.cost import measure
from mapper.cost.actions import Activity
from mapper.cost.layer_counts import Counts
from mapper.cost.measure import most_spikes
from mapper.decided import Deciding
from mapper.diagnostics import refuse
from mapper.dies.draw import Lot
from mapper.dies.found import study_dies
from mapper.dies.plan import Plan, check_plan
from mapper.dies.trials import trials_on
from mapper.executor.engine import engine_for
from mapper.exploration.space import Evaluation
from mapper.frontend import Imported
from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.recordings import Recording, to_codes
from mapper.study.statistics import Distribution
from mapper.verify.answers import agreement, score
from mapper.verify.rings import spike_values
from mapper.verify.stepped import Record
from targets import Target
from targets.devices import load_device


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a point did."""

    activity: Activity
    accuracy: float | None
    """Share of samples with the right class, 0..1; None without labels."""
    agreement: float | None
    """Share of spike positions that are as the network's before it was mapped; None where nobody
    asked."""
    spikes: float
    """Of all layers and inputs, of one inference."""


class Trial:
    """Runs points on one recording; what all of them are compared with is worked out once."""

    def __init__(self, imported: Imported, recording: Recording) -> None:
        self.imported, self.recording = imported, recording
        self._spikes = spike_values(imported.graph)

    @cached_property
    def labels(self) -> Array | None:
        """The class of each sample, ``[B]``, where the recording says them.

        Raises:
            MappingError: ``input-shape`` and ``input-range`` for labels that cannot be.
        """
        network = Deciding(graph=self.imported.graph, epilogue=self.imported.epilogue)
        return network.wanted(self.recording.arrays, self.recording)

    @cached_property
    def _source(self) -> Mapping[str, Array]:
        """Spikes of the network before it was mapped, ``[T, B, *shape]`` by name."""
        record = Record(self.imported.graph, kept=self._spikes)
        for _ in record.steps(self.recording.inputs, watch=self._spikes):
            pass
        found = record.outputs
        return {name: _compact(found[name]) for name in self._spikes}

    def run(self, graph: Graph, counts: Counts, *, agrees: bool) -> Found:
        """Run a hardware graph.

        Args:
            graph: Of the point.
            counts: Of its actions.
            agrees: Compare spikes with those of the source, too.

        Raises:
            MappingError: ``input-range`` for what is no code.
        """
        codes = to_codes(graph, self.recording.inputs, self.recording.where)
        watch = self._spikes if agrees else []
        ran = engine_for(None).prepare(graph, watch=watch, threads=1).trace(codes)
        labels, share = self.labels, None
        if labels is not None:
            answers = Deciding(graph=graph, epilogue=self.imported.epilogue).of(ran.outputs)
            share = score(answers, labels).share
        equal = None
        if agrees:
            equal = agreement(ran.outputs, self._source, watch)
        spikes = sum(int(ran.counts[name].sum()) for name in most_spikes(graph))
        return Found(
            activity=measure(graph, ran.counts, counts.levels),
            accuracy=share,
            agreement=equal,
            spikes=spikes / self.recording.samples,
        )

    def share_of_good_dies(self, graph: Graph, target: Target, how: Evaluation) -> float:
        """Return the yield: the share of imperfect chips that are good, 0..1.

        Dies have the seeds from 0 on, the same for every point. A good one answers ``how.require``
        of the samples right; without labels, as the ideal chip does.

        Args:
            graph: Of the point.
            target: Of the point.
            how: Which chips, how many, and what is required.

        Raises:
            MappingError: ``no-device``, ``device-levels`` and what drawing a die raises.
        """
        assert how.require is not None, "a space that asks for a yield says what is required"
        lot = Lot(device=None if how.device is None else load_device(how.device), age=how.age_s)
        epilogue = self.imported.epilogue
        trials = trials_on(graph, target, self.recording, lot, epilogue=epilogue)
        plan = Plan(
            first=0,
            dies=how.dies,
            sweeps=(),
            few=0,
            imperfections=lot.imperfections(graph, target),
            layers=tuple(op.partial_sum.name for op in graph.ops if isinstance(op, CrossbarMvm)),
        )
        check_plan(plan)
        values = Distribution.of(study_dies(trials, plan).values)
        return values.reaching(how.require).share

    def check(self, asked: frozenset[str]) -> None:
        """Refuse what the recording says nothing of.

        Raises:
            MappingError: ``bad-space`` for an accuracy without labels.
        """
        if "accuracy" in asked and self.labels is None:
            raise refuse(
                "bad-space",
                "accuracy is asked for, and the recording has no labels",
                loc=self.recording.where,
                help="add an array 'labels' with the class of each sample, or ask for 'agreement'",
            )


def _compact(spikes: Array) -> Array:
    """Return spikes in a byte each, where they are 0 and 1 or a few levels."""
    small = spikes.astype(np.int8)
    return small if np.array_equal(small, spikes) else spikes
