"""Search and tell: measure assignments of a network as a study, and say what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from mapper.assigning.result import Assigned, Single, Step
from mapper.assigning.search import Ask, Found, Layer, Search, changed
from mapper.assigning.trials import ASSIGNMENT, PART, REPORT, SEARCH, Trials
from mapper.assigning.tried import Picks, Tried
from mapper.diagnostics import many, refuse
from mapper.ir.assignment import Assignment, Choice
from mapper.ir.core import Array
from mapper.progress import Progress, Ticks
from mapper.study import Case, Record, Running, open_study
from targets import Macro, Target, assignment_to_data

FEWEST = 16
"""Recordings: of fewer, half say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for beside network, target and recordings."""

    keep: float
    """Share of samples, 0..1, that may be lost to the best assignment."""
    by: str
    decided: Assignment
    """What stays as it is: layers with a macro are not searched."""
    labels: Array | None
    """Classes ``[B]``; without them those of the best readout are wanted."""
    folder: Path | None
    scheduler: str
    workers: int | None
    progress: Progress


def assign_network(trials: Trials, wanted: Wanted) -> Assigned:
    """Find the cheapest readout for each layer that keeps the accuracy.

    Raises:
        MappingError: ``nothing-to-assign`` where no layer has a choice, ``few-recordings``, and
            what compiling with the best readout refuses.
    """
    samples = next(iter(trials.inputs.values())).shape[1]
    if samples < FEWEST:
        raise refuse(
            "few-recordings",
            f"{many(samples, 'recording')}, and half of them is for choosing: "
            f"{FEWEST} are the fewest",
            loc=trials.where,
        )
    layers = layers_of(trials, wanted.decided)
    with open_study(
        trials,
        folder=wanted.folder,
        scheduler=wanted.scheduler,
        workers=wanted.workers,
        what="assignments",
        progress=wanted.progress,
    ) as running:
        asking = _Asking(running, trials, wanted, layers)
        search = Search(
            layers=layers,
            ask=asking.on(SEARCH),
            by=wanted.by,
            keep=wanted.keep,
        )
        found = search.run()
        if refused := found.tried[found.finest].refused:
            code, _, why = refused.partition(": ")
            raise refuse(code, why, loc="the best readout of every layer")
        return _told(found, layers, asking, trials, wanted)


def layers_of(trials: Trials, decided: Assignment) -> tuple[Layer, ...]:
    """Return the layers whose readout is searched, with the macros that take their inputs.

    Raises:
        MappingError: ``nothing-to-assign``; what the target refuses of the network.
    """
    bits = trials.compiler.input_bits(decided)
    free = {name: held for name, held in bits.items() if not decided.of(name).macro}
    layers = tuple(
        Layer(name=name, macros=macros)
        for name, held in free.items()
        if len(macros := _ranked(trials.target, held)) > 1
    )
    if not layers:
        raise refuse(
            "nothing-to-assign",
            f"no layer of '{trials.network.name}' has a choice of macros on "
            f"'{trials.target.name}', which has {many(len(trials.target.macros), 'macro kind')}",
            loc=trials.target.name,
            help="choose a target with several macro kinds, such as readouts-64",
        )
    return layers


def _ranked(target: Target, input_bits: int) -> Picks:
    """Return the macros that take such inputs, what keeps most of a sum first."""
    taking = [macro for macro in target.macros if macro.takes(input_bits)]
    return tuple(macro.name for macro in sorted(taking, key=_fineness, reverse=True))


def _fineness(macro: Macro) -> tuple[bool, int]:
    return macro.readout.is_exact, macro.readout.thresholds


@dataclass
class _Asking:
    """What measures assignments, in a study that is open."""

    running: Running
    trials: Trials
    wanted: Wanted
    layers: Sequence[Layer]

    def assignment(self, picks: Picks) -> Assignment:
        """Return what was decided, with these macros for the layers that are searched."""
        decided = self.wanted.decided
        chosen: dict[str, Choice] = {
            layer.name: replace(decided.of(layer.name), macro=name)
            for layer, name in zip(self.layers, picks, strict=True)
        }
        return replace(decided, layers={**decided.layers, **chosen})

    def on(self, part: str) -> Ask:
        """Return what measures assignments on a part of the recordings."""

        def ask(what: str, picks: Sequence[Picks]) -> Sequence[Tried]:
            records = self._records(f"{what}, {part} recordings", picks, part)
            wanted = self._wanted(part)
            return [
                Tried.of_record(one, record, wanted)
                for one, record in zip(picks, records, strict=True)
            ]

        return ask

    def _wanted(self, part: str) -> Array | None:
        """Return the class of each sample of a part; None where nothing says any."""
        if self.wanted.labels is not None:
            return self.wanted.labels[self.trials.parts[part]]
        finest = tuple(layer.macros[0] for layer in self.layers)
        (record,) = self._records(f"the best readout, {part} recordings", [finest], part)
        return np.asarray(record["classes"]) if record["state"] == "done" else None

    def _records(self, what: str, picks: Sequence[Picks], part: str) -> list[Record]:
        cases = {self.running.study.key(case): case for case in self._cases(picks, part)}
        missing = [case for key, case in cases.items() if key not in self.running.records]
        if missing:
            title = f"{what}: {many(len(missing), 'assignment')}"
            ticks = Ticks(self.wanted.progress, title, len(missing))
            self.running.run(missing, lambda case, record: ticks.tick())
        return [self.running.records[key] for key in cases]

    def _cases(self, picks: Sequence[Picks], part: str) -> list[Case]:
        return [self._case(one, part) for one in picks]

    def _case(self, picks: Picks, part: str) -> Case:
        return {ASSIGNMENT: assignment_to_data(self.assignment(picks)), PART: part}


def _told(
    found: Found, layers: Sequence[Layer], asking: _Asking, trials: Trials, wanted: Wanted
) -> Assigned:
    """Measure what matters on the recordings that nothing was chosen on."""
    way = _way(found, layers)
    uniform = _uniform(found, layers)
    needed = list(dict.fromkeys((*way, found.best, found.coarsest, *uniform.values())))
    told = dict(zip(needed, asking.on(REPORT)("the result", needed), strict=True))
    finest = found.tried[found.finest]
    return Assigned(
        network=trials.network.name,
        target=trials.target.name,
        preset=trials.preset,
        keep=wanted.keep,
        by=wanted.by,
        labelled=wanted.labels is not None,
        layers=tuple(layer.name for layer in layers),
        assignment=asking.assignment(found.chosen),
        searched=len(finest.right),
        tried=len(found.tried),
        singles=tuple(
            Single(layer=layer.name, macro=name, tried=found.tried[one], finest=finest)
            for place, layer in enumerate(layers)
            for name in layer.macros[1:]
            if (one := changed(found.finest, place, name)) in found.tried
        ),
        steps=tuple(Step(before=told[one], after=told[other]) for one, other in pairwise(way)),
        chosen=told[found.chosen],
        finest=told[found.finest],
        coarsest=told[found.coarsest],
        best=told[found.best],
        uniform={name: told[one] for name, one in uniform.items() if not told[one].refused},
    )


def _uniform(found: Found, layers: Sequence[Layer]) -> dict[str, Picks]:
    """Return the assignments of one macro to all layers, by its name."""
    common = [name for name in layers[0].macros if all(name in one.macros for one in layers)]
    every = {name: (name,) * len(layers) for name in common}
    return {name: picks for name, picks in every.items() if picks in found.tried}


def _way(found: Found, layers: Sequence[Layer]) -> list[Picks]:
    """Return the way from the finest readout to the chosen one, a layer at a time.

    The layer that saves most for what it loses alone comes first.
    """
    left = [place for place, name in enumerate(found.chosen) if name != found.finest[place]]
    finest = found.tried[found.finest]

    def worth(place: int) -> float:
        alone = found.tried[changed(found.finest, place, found.chosen[place])]
        lost = sum(finest.right) - sum(alone.right)
        return (finest.energy_pj.nominal - alone.energy_pj.nominal) / max(lost, 0.5)

    way = [found.finest]
    for place in sorted(left, key=worth, reverse=True):
        way.append(changed(way[-1], place, found.chosen[place]))
    return way
