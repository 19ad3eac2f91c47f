"""Which dies a study runs: those of a lot, those of sweeps, those that say what costs what."""

from collections.abc import Mapping
from dataclasses import dataclass

from mapper.diagnostics import refuse
from mapper.dies.trials import AGE, LAYERS, SEED, WITHOUT
from mapper.study import Case
from mapper.study.sweep import Sweep
from targets.devices import check_settings
from targets.devices.conditions import check_conditions

MOST_DIES = 100_000
"""Of one study, at every point of it."""

USUAL_DIES = 200
"""Unless a number is asked for."""

FEW_DIES = 20
"""Of them, on which it is told what costs what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked of dies with the seeds ``first``, ``first + 1`` and so on."""

    first: int = 0
    dies: int = USUAL_DIES
    sweeps: tuple[Sweep, ...] = ()
    few: int = 0
    """Dies, the first of them, on which it is told what costs what; 0: it is not."""
    imperfections: tuple[str, ...] = ()
    """What goes wrong on them, in order."""
    layers: tuple[str, ...] = ()
    """Names of the partial sums of layers on crossbars."""

    @property
    def seeds(self) -> range:
        return range(self.first, self.first + self.dies)

    @property
    def few_seeds(self) -> range:
        """Those on which it is told what costs what."""
        return self.seeds[: self.few]

    def cases(self) -> tuple[Case, ...]:
        """Return every case, each once."""
        found: dict[str, Case] = {}
        for change, seeds in self._changes():
            for case in (with_seed(seed, change) for seed in seeds):
                found.setdefault(repr(case), case)
        return tuple(found.values())

    def _changes(self) -> list[tuple[Mapping[str, object], range]]:
        swept = [({s.name: value}, self.seeds) for s in self.sweeps for value in s.values]
        costs = [change for name in self.imperfections for change in self.of_imperfection(name)]
        costs += [change for name in self.layers for change in self.of_layer(name)]
        few = [(change, self.few_seeds) for change in costs] if self.few else []
        return [({}, self.seeds), *swept, *few]

    def of_imperfection(self, name: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """Return the changes to a chip with this alone, and with all but this."""
        others = [other for other in self.imperfections if other != name]
        return {WITHOUT: others}, {WITHOUT: [name]}

    def of_layer(self, name: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """Return the changes to a chip of which this layer alone is real, and all but this."""
        others = [other for other in self.layers if other != name]
        return {LAYERS: [name]}, {LAYERS: others}


def with_seed(seed: int, change: Mapping[str, object]) -> Case:
    """Return the case of a die."""
    return {SEED: seed, **change}


def check_plan(plan: Plan) -> None:
    """Refuse sweeps of what cannot be set, and more dies than a study takes.

    Raises:
        MappingError: ``bad-dies``, ``device-setting``, ``device-age``.
    """
    if not 1 <= plan.dies <= MOST_DIES or not 0 <= plan.first <= 2**62:
        raise refuse(
            "bad-dies",
            f"{plan.dies} dies from seed {plan.first} on: 1 to {MOST_DIES:,} are drawn, from a "
            f"seed of 0 to 2**62",
            loc="--dies",
        )
    for sweep in plan.sweeps:
        for value in sweep.values:
            if sweep.name == AGE:
                check_conditions(value, None, loc="--sweep")
            else:
                check_settings({sweep.name: value}, loc="--sweep")
