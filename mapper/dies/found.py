"""What dies of a build are like: how many are good, what a setting may reach, what costs what."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from mapper.diagnostics import refuse
from mapper.dies.layers import crossbar_layers
from mapper.dies.plan import Plan, with_seed
from mapper.dies.trials import SEED, Trials, spike_labels, spike_layers
from mapper.json_values import whole
from mapper.progress import Progress, silent
from mapper.proportions import Score
from mapper.study import RECORDS, Case, Record, Studied, run_study
from mapper.study.statistics import Difference, Distribution, Swept, difference

Measured = Literal["accuracy", "same class", "same outputs"]
"""What is found of each die, as a share of samples: whose class is their label or, without labels,
whose class is that of the ideal chip or, of outputs that say no class, whose outputs all are."""

COUNTED: dict[Measured, str] = {
    "accuracy": "right",
    "same class": "same_class",
    "same outputs": "same_outputs",
}
"""Which count of a record has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an imperfection, or a real layer, costs on the same dies."""

    name: str
    """Of the imperfection, or of the layer's partial sum."""
    label: str
    """What it is called."""
    alone: Difference
    """Ideal chip less a chip that has nothing else."""
    left_out: Difference
    """A chip that has all but this, less one that has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What costs what."""

    dies: int
    together: Difference
    """Ideal chip less one that has it all."""
    imperfections: tuple[Cost, ...]
    layers: tuple[Cost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpikes:
    """The spikes of a layer on dies, beside those of the ideal chip."""

    label: str
    """What the layer is called: by the node of its weights."""
    differing: Distribution
    """Share of spike positions, 0..1, over all time steps and samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Dies of one lot of a build on one recording."""

    plan: Plan
    measured: Measured
    ideal: Score
    """Of the ideal chip."""
    values: tuple[float, ...]
    """What is measured of each die, 0..1, by seed."""
    spikes: Mapping[str, LayerSpikes]
    """How far those of each layer of neurons are the ideal chip's, by the name of its spikes."""
    sweeps: tuple[Swept, ...]
    costs: Costs | None

    @property
    def distribution(self) -> Distribution:
        return Distribution.of(self.values)


def study_dies(
    trials: Trials,
    plan: Plan,
    run: Callable[..., Studied] = run_study,
    progress: Progress = silent,
) -> Found:
    """Run every die that a plan asks for.

    Args:
        trials: The build, the lot and the recording.
        plan: Which dies.
        run: ``run_study``, perhaps with a folder and a scheduler.
        progress: Called with what is done.

    Raises:
        MappingError: As ``run_study`` and ``Lot.die``; ``bad-study`` for records, which may come
            from anyone, of more samples or spikes than there are.
    """
    progress("the ideal chip on the recording")
    counted = trials.prepare().counted()
    cases = plan.cases()
    studied = run(trials, cases, what="dies", progress=progress)
    read = _Read(trials, plan, counted, studied)
    return Found(
        plan=plan,
        measured=read.measured,
        ideal=Score(counted[COUNTED[read.measured]], trials.shape[1]),
        values=read.values({}, plan.seeds),
        spikes=read.spikes(),
        sweeps=tuple(
            Swept.of(
                s.name,
                ((v, Distribution.of(read.values({s.name: v}, plan.seeds))) for v in s.values),
            )
            for s in plan.sweeps
        ),
        costs=read.costs() if plan.few else None,
    )


class _Read:
    """Records of a study, by what was changed."""

    def __init__(
        self, trials: Trials, plan: Plan, ideal: Mapping[str, int], studied: Studied
    ) -> None:
        self.trials, self.plan = trials, plan
        self.measured = measured(trials)
        self._records = {
            repr(case): record for case, record in zip(studied.cases, studied.records, strict=True)
        }
        self.ideal = self._share(ideal)
        for case, record in zip(studied.cases, studied.records, strict=True):
            self._check(case, record)

    def _check(self, case: Case, record: Record) -> None:
        """Refuse counts that no die can have: the file of records may come from anyone."""
        runs = prod(self.trials.shape)
        try:
            name = COUNTED[self.measured]
            whole(record[name], f"count {name!r}", least=0, most=self.trials.shape[1])
            if case.keys() == {SEED}:
                for layer, neurons in spike_layers(self.trials.graph).items():
                    count = record["spikes"][layer]
                    whole(count, f"count of spikes of {layer!r}", least=0, most=runs * neurons)
        except (LookupError, TypeError, ValueError) as error:
            said = f"has no {error}" if isinstance(error, LookupError) else f"says: {error}"
            raise refuse(
                "bad-study",
                f"no usable records: that of case {case} {said}",
                loc=RECORDS,
                help="remove the file, or give another folder, and run again",
            ) from error

    def record(self, case: Case) -> Record:
        return self._records[repr(case)]

    def values(self, change: Mapping[str, object], seeds: Iterable[int]) -> tuple[float, ...]:
        return tuple(self._share(self.record(with_seed(seed, change))) for seed in seeds)

    def _share(self, record: Record) -> float:
        return float(record[COUNTED[self.measured]] / self.trials.shape[1])

    def spikes(self) -> dict[str, LayerSpikes]:
        runs, labels = prod(self.trials.shape), spike_labels(self.trials.graph)
        records = [self.record(with_seed(seed, {})) for seed in self.plan.seeds]
        return {
            name: LayerSpikes(
                label=labels[name],
                differing=Distribution.of(r["spikes"][name] / (runs * neurons) for r in records),
            )
            for name, neurons in spike_layers(self.trials.graph).items()
        }

    def costs(self) -> Costs:
        plan, layers = self.plan, crossbar_layers(self.trials.graph)
        seeds = plan.few_seeds
        ideal, real = (self.ideal,) * len(seeds), self.values({}, seeds)

        def cost(name: str, changes: tuple[Mapping[str, object], Mapping[str, object]]) -> Cost:
            alone, left_out = (self.values(change, seeds) for change in changes)
            return Cost(
                name=name,
                label=layers.get(name, name),
                alone=difference(ideal, alone),
                left_out=difference(left_out, real),
            )

        return Costs(
            dies=len(seeds),
            together=difference(ideal, real),
            imperfections=tuple(cost(n, plan.of_imperfection(n)) for n in plan.imperfections),
            layers=tuple(cost(n, plan.of_layer(n)) for n in plan.layers),
        )


def measured(trials: Trials) -> Measured:
    """Say what is found of each die."""
    if trials.labels is not None:
        return "accuracy"
    return "same class" if trials.deciding.names_classes else "same outputs"
