"""What an exploration does for each point: the work of a study, a record a point."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mapper.build.make import measured
from mapper.cost.actions import Activity
from mapper.cost.description import Description
from mapper.cost.estimate import assumed
from mapper.cost.layer_counts import Counts
from mapper.diagnostics import MappingError, refuse
from mapper.exploration.axes import Value
from mapper.exploration.base import Base, Design
from mapper.exploration.credible import not_credible
from mapper.exploration.digests import target_digest
from mapper.exploration.held import Held
from mapper.exploration.priced import price_of
from mapper.exploration.ran import Found, Trial
from mapper.exploration.space import RUN, Space
from mapper.exploration.stages import Mapped, Network
from mapper.frontend import Imported
from mapper.ir.assignment import UNASSIGNED, Assignment
from mapper.ir.identity import digest, digest_of_arrays
from mapper.recordings import Recording
from mapper.study import Case
from mapper.study.case import digest as data_digest
from targets import (
    Preset,
    Target,
    assignment_to_data,
    assignment_toml,
    chosen_device,
    load_assignment,
    to_toml,
)

POINT = "point"
"""What a case has its point under; what is beside it is not looked at."""


@dataclass(frozen=True, kw_only=True)
class ExploreWork:
    """Points of a space, evaluated for one network; as the work of a study it makes records.

    A case is ``{"point": {"array": 64, ...}}``; anything else in it is for others. A record says
    ``{"state": "done", "energy_uj": [low, nominal, high], ...}``, or ``{"state": "refused",
    "code": ..., "why": ...}`` of a point that the compiler refuses.
    """

    imported: Imported
    """The network, with the assignment that it came with."""
    base: Base
    space: Space
    recording: Recording | None = None
    """Inputs that set codes and readouts, and that points are run on."""

    def check(self) -> "ExploreWork":
        """Return it where its axes are credible, and what is asked for can be measured.

        Raises:
            MappingError: ``not-credible`` for every axis whose facts would not follow,
                ``bad-space`` for what needs recordings, or labels,
                ``no-device`` for a yield of chips that nothing is said of.
        """
        if problems := not_credible(self.base, self.space.axes):
            raise MappingError(problems)
        asked = ", ".join(sorted(self.space.asked & set(RUN)))
        if asked and self.recording is None:
            raise refuse(
                "bad-space",
                f"{asked} is asked for, and there are no recordings",
                help="give some with --input, or ask for energy, latency and area alone",
            )
        if self.recording is not None:
            Trial(self.imported, self.recording).check(self.space.asked)
        if "yield" in self.space.asked:
            chosen_device(self.base.target, self.space.evaluation.device)
        return self

    def identity(self) -> Mapping[str, Any]:
        """Return what determines every record beside its case."""
        given = self.recording
        return {
            "what": "explore",
            "model": digest(self.imported.graph),
            "target": target_digest(self.base.target),
            "assignment": data_digest(assignment_to_data(self.base.assignment)),
            "assignments": {
                name: data_digest(assignment_to_data(held))
                for name, held in self.base.files.items()
            },
            "inputs": None if given is None else digest_of_arrays(given.inputs),
            "labels": None
            if given is None or "labels" not in given.arrays
            else digest_of_arrays({"labels": given.arrays["labels"]}),
            "space": {
                name: held for name, held in self.space.as_dict().items() if name != "sampler"
            },
        }

    def prepare(self) -> "Points":
        """Import nothing again: plan what points share, once in a process."""
        return self._points

    @cached_property
    def _points(self) -> "Points":
        return Points(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was worked out: other processes do it for themselves."""
        return {held.name: getattr(self, held.name) for held in fields(self)}

    def design(self, point: Mapping[str, Value]) -> dict[str, str]:
        """Return the files that a point is compiled from, by name.

        They are ``target.toml`` and, where more than a width is decided, ``assignment.toml``.

        Raises:
            MappingError: Its values do not go together.
        """
        design = self.base.design(point)
        files = {"target.toml": to_toml(design.priced)}
        if replace(design.assignment, weight_bits=None) != UNASSIGNED:
            files["assignment.toml"] = assignment_toml(design.assignment)
        return files

    def compile_options(self, point: Mapping[str, Value]) -> tuple[str, ...]:
        """Return the options of ``spikeloom compile`` beside ``--target`` that make a point."""
        design = self.base.design(point)
        bits = design.assignment.weight_bits
        widths = () if bits is None else ("--weight-bits", str(bits))
        settings = (
            ("--pass", f"{name}{{{','.join(f'{key}={value}' for key, value in own.items())}}}")
            for name, own in design.options.items()
        )
        return (*widths, *(word for pair in settings for word in pair))


_FOUND_BYTES = 1 << 13
"""Of what a run found, about."""


class Points:
    """Evaluates points of a space; keeps what they share."""

    def __init__(self, work: ExploreWork) -> None:
        self.work = work
        self._found: Held[Found] = Held(1 << 23)
        recording = work.recording
        codes, samples = measured(None if recording is None else recording.inputs)
        self.mapped = Mapped(
            Network(
                graph=work.imported.graph,
                trained=bool(work.imported.trained_for),
                codes=codes,
                samples=samples,
            )
        )

    @cached_property
    def preset(self) -> Preset:
        """What is assumed of chips beyond their targets."""
        how = self.work.space.evaluation
        return assumed(how.preset, how.every_ms)

    def __call__(self, case: Case) -> Mapping[str, Any]:
        """Return the record of a case."""
        return self.record(case[POINT])

    def record(self, point: Mapping[str, Value]) -> dict[str, Any]:
        """Return the record of a point."""
        try:
            return self._record(self.work.base.design(point))
        except MappingError as error:
            first = error.diagnostics[0]
            why = "; ".join(problem.message for problem in error.diagnostics)
            return {"state": "refused", "code": first.code, "why": why}

    @cached_property
    def trial(self) -> Trial | None:
        """What runs points on the recording; None where they are not run."""
        space, recording = self.work.space, self.work.recording
        if recording is None or not (space.runs or space.evaluation.activity == "recorded"):
            return None
        return Trial(self.work.imported, recording)

    def ran(self, counts: Counts, shape: int = 0) -> Found | None:
        """Run a mapping on the recording; None where points are not run.

        ``shape`` is shared by mappings that compute and drive the same: one of them is run.
        """
        if self.trial is None:
            return None
        found = self._found.get(shape) if shape else None
        if found is None:
            agrees = "agreement" in self.work.space.asked
            found = self.trial.run(counts.graph, counts, agrees=agrees)
            if shape:
                self._found.put(shape, found, _FOUND_BYTES)
        return found

    def activity(self, found: Found | None) -> Activity | float:
        """Return what a point is priced at: the spikes of its run, else random ones."""
        return self.work.space.evaluation.density if found is None else found.activity

    def _record(self, design: Design) -> dict[str, Any]:
        counts, shape = self.mapped.counted(design)
        found, how = self.ran(counts, shape), self.work.space.evaluation
        price = price_of(counts, design.priced, self.activity(found), how.steps, self.preset)
        record = {"state": "done", **price.as_record(), "target": target_digest(design.priced)}
        if found is not None:
            record |= {"accuracy": found.accuracy, "spikes": found.spikes}
            record |= {} if found.agreement is None else {"agreement": found.agreement}
        if self.trial is not None and "yield" in self.work.space.asked:
            record["yield"] = self.trial.share_of_good_dies(counts.graph, design.target, how)
        return record


def explore_work(
    imported: Imported,
    start: Target | Description,
    space: Space,
    *,
    recording: Recording | None = None,
    assignment: Assignment | None = None,
    weight_bits: int | None = None,
) -> ExploreWork:
    """Return the work of exploring a space.

    Args:
        imported: The network.
        start: What points are made from.
        space: What varies, and what is wanted.
        recording: Inputs, as a user brings them.
        assignment: What is decided for layers, in place of what the network came with.
        weight_bits: Of layers that have no width of their own.

    Raises:
        MappingError: What ``ExploreWork.check`` and ``targets.load_assignment`` raise.
    """
    decided = assignment or imported.graph.assignment
    if weight_bits is not None:
        decided = replace(decided, weight_bits=weight_bits)
    folder = Path(space.folder)
    files = {str(name): load_assignment(folder / str(name)) for name in space.files}
    base = Base(start=start, assignment=decided, files=files)
    return ExploreWork(imported=imported, base=base, space=space, recording=recording).check()
