"""What assignments do on a recording: the work of a study, a record for each that is tried."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from mapper.assigning.compiler import Compiler
from mapper.build.make import CALIBRATION_SAMPLES, make_build
from mapper.cost import count_actions, measure, price
from mapper.decided import Deciding
from mapper.diagnostics import MappingError
from mapper.epilogue.model import Epilogue
from mapper.executor import engine
from mapper.frontend import Imported
from mapper.ir.assignment import Assignment
from mapper.ir.core import Array, Graph
from mapper.ir.identity import digest, digest_of_arrays
from mapper.ir.noise import recorded_inputs
from mapper.recordings import to_codes
from mapper.study import Case
from mapper.study.case import digest as data_digest
from mapper.verify.answers import classes
from passes.ran import NONE, PassOptions
from targets import Target, assignment_from_data, load_preset, target_to_data

ASSIGNMENT, PART = "assignment", "part"
"""What a case names."""

SEARCH, REPORT = "search", "report"
"""Parts of the recordings: assignments are chosen on one, and told of on the other."""


class Trains(Protocol):
    """What trains the network for an assignment, such as ``mapper.training.Hardening``."""

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the trained network beside its assignment."""
        ...

    def __call__(self, assignment: Assignment) -> Imported:
        """Return the trained network; its graph carries the assignment, by its own names."""
        ...


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Assignments of one network on one recording.

    A case is ``{"assignment": {...}, "part": "search"}``; a record has the class of each sample
    and the costs at low, nominal and high facts, or why the target does not take the assignment.
    """

    network: Graph
    target: Target
    inputs: Mapping[str, Array]
    """Reals ``[T, B, *shape]`` by input name; the first few calibrate."""
    where: str
    """The recording's file."""
    preset: str
    epilogue: Epilogue | None = None
    options: PassOptions = NONE
    seed: int = 0
    """Which samples are told of."""
    train: Trains | None = None
    """Trains the network for each assignment; None: it is compiled as it is."""

    def identity(self) -> Mapping[str, Any]:
        """Return what determines every record beside its case."""
        return {
            "what": "assignments",
            "network": digest(self.network),
            "target": data_digest(target_to_data(self.target)),
            "inputs": digest_of_arrays(self.inputs),
            "preset": self.preset,
            "passes": {name: dict(held) for name, held in self.options.items()},
            "seed": self.seed,
            **({} if self.train is None else {"train": dict(self.train.identity())}),
            **({} if self.epilogue is None else {"epilogue": self.epilogue.entry()}),
        }

    @cached_property
    def compiler(self) -> Compiler:
        """What compiles for every case."""
        return Compiler(self.network, self.target, self.inputs, self.options)

    @cached_property
    def parts(self) -> Mapping[str, Array]:
        """The numbers of the samples of each part, in order."""
        samples = next(iter(self.inputs.values())).shape[1]
        return halves(samples, self.seed)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was found: other processes find it for themselves."""
        return {held.name: getattr(self, held.name) for held in fields(self)}

    def prepare(self) -> "Trials":
        """Run the passes that all cases share, once in a process."""
        _ = self.compiler
        return self

    def __call__(self, case: Case) -> Mapping[str, Any]:
        """Compile with an assignment, and run a part of the recording."""
        assignment = assignment_from_data(case[ASSIGNMENT], loc="case")
        try:
            graph = self._hardware(assignment)
        except MappingError as error:
            first = error.diagnostics[0]
            return {"state": "refused", "code": first.code, "why": first.message}
        chosen = {name: array[:, self.parts[case[PART]]] for name, array in self.inputs.items()}
        if self.train is not None:  # it has one input, by a name of its own
            (entry,), (array,) = recorded_inputs(graph), chosen.values()
            chosen = {entry.name: array}
        codes = to_codes(graph, chosen, self.where)
        ran = engine.run(graph, codes, trace=True, threads=1)
        counts = count_actions(graph, self.target)
        activity = measure(graph, ran.counts, counts.levels)
        cost = price(counts, activity, preset=load_preset(self.preset))
        deciding = Deciding(graph=graph, epilogue=self.epilogue if self.train is None else None)
        return {
            "state": "done",
            "classes": classes(deciding.of(ran.outputs)).tolist(),
            "energy_pj": list(cost.total_pj),
            "latency_ns": list(cost.latency_ns["inference_pipelined"]),
            "area_um2": list(cost.total_um2),
        }

    def _hardware(self, assignment: Assignment) -> Graph:
        if self.train is None:
            return self.compiler.hardware(assignment)
        made = make_build(
            self.train(assignment), self.target, None, None, source={}, options=self.options
        )
        assert made is not None  # nothing stopped the passes
        return made.hardware


def halves(samples: int, seed: int) -> dict[str, Array]:
    """Cut samples into those to choose on and those to tell of, half of each, by chance.

    Those that calibrate are among the first.

    >>> {part: len(numbers) for part, numbers in halves(100, 0).items()}
    {'search': 54, 'report': 46}
    """
    first = min(CALIBRATION_SAMPLES, samples)
    others = first + np.random.default_rng(seed).permutation(samples - first)
    half = len(others) // 2
    search = np.concatenate([np.arange(first), np.sort(others[half:])])
    return {SEARCH: search, REPORT: np.sort(others[:half])}
