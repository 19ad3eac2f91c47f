"""What a calibration of a known die changed, and what that is worth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mapper.decided import Deciding
from mapper.diagnostics import many, printable, refuse
from mapper.dies.calibrate import Calibrated, Calibration
from mapper.dies.trims import Trim, check_trim
from mapper.epilogue.model import Epilogue
from mapper.executor import engine
from mapper.ir.core import Array, Graph
from mapper.proportions import Score
from mapper.recordings import Recording, to_codes
from mapper.verify.answers import classes, score
from targets import Target

SCHEMA = "spikeloom/calibrate/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a chip is worth on recordings that took no part in its calibration."""

    right: Score | None
    """Right answers; None without labels."""
    agree: Score
    """Samples whose class is the ideal chip's."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        right = {} if self.right is None else self.right.as_dict("accuracy")
        return {**right, **self.agree.as_dict("agreement")}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CalibratedDie:
    """A die after its calibration.

    Example:
        >>> done = die.calibrate(samples, inputs=others)
        >>> str(done.worth["before"].right), str(done.worth["after"].right)
        >>> done.build.save("calibrated")
    """

    build: Any
    """The die as it is now, a ``Build``."""
    what: Calibration
    """What was switched on."""
    found: Calibrated
    """What was known and what was changed."""
    worth: Mapping[str, Worth]
    """Of the ``ideal`` chip, of the die ``before`` and ``after``; empty without recordings."""
    overlap: int | None
    """Samples of these recordings that took part all the same; None without recordings."""

    def saved(self, folder: str | Path) -> "CalibratedDie":
        """Write the die as a build folder; return the same with its ``build`` in there."""
        return replace(self, build=self.build.save(folder))

    @property
    def lines(self) -> tuple[str, ...]:
        """What was done, a line each."""
        found = self.found
        biases = f"{found.moved} of {many(found.channels, 'bias', 'biases')} moved"
        placed = (
            f"{found.columns_placed} of {many(found.columns, 'column')} and {found.rows_placed} "
            f"of {many(found.rows, 'row')} placed elsewhere"
        )
        return (
            f"known: {many(found.offsets, 'offset')}, {many(found.stuck, 'stuck cell')}",
            *self._trimmed,
            biases if self.what.biases else "biases as they were",
            placed if self.what.place else "rows and columns as they were",
        )

    @property
    def _trimmed(self) -> Iterator[str]:
        found, trim = self.found, self.what.trim
        if trim is None:
            yield "references as they were"
            return
        yield (
            f"{found.trimmed} of {many(found.references, 'reference')} trimmed in steps of "
            f"{trim.step:g} counts"
        )
        if found.reaches:
            ranges = " and ".join(f"{reach:g}" for reach in found.reaches)
            ended = many(found.ranged, "readout")
            are = "is" if found.beyond == 1 else "are"
            yield f"{found.beyond} of {ended} {are} beyond the trim's range of {ranges} counts"
        if found.endless:
            yield (
                f"the trim's range is not known of {many(found.endless, 'readout')}: references "
                "were moved as far as it takes"
            )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say so where recordings that judge the calibration took part in it."""
        if not self.overlap:
            return ()
        return (f"{many(self.overlap, 'sample')} of --input took part in the calibration",)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom calibrate``."""
        found, what = self.found, self.what
        return {
            "schema": SCHEMA,
            "die": found.die.named,
            "known": {"offsets": found.offsets, "stuck_cells": found.stuck},
            "trim_step": None if what.trim is None else what.trim.step,
            "trim_ranges": list(found.reaches),
            "references": {
                "all": found.references,
                "trimmed": found.trimmed,
                "beyond_range": found.beyond,
                "range_not_known": found.endless,
            },
            "biases": {"all": found.channels, "moved": found.moved},
            "columns": {"all": found.columns, "placed": found.columns_placed},
            "rows": {"all": found.rows, "placed": found.rows_placed},
            "worth": {name: one.as_dict() for name, one in self.worth.items()},
            "overlap": self.overlap,
            "warnings": list(self.warnings),
            **({} if self.build.folder is None else {"folder": str(self.build.folder)}),
        }

    def __repr__(self) -> str:
        return printable(f"CalibratedDie({'; '.join(self.lines)})")


def chosen(
    target: Target,
    trim: bool | None,
    trim_step: float | None,
    trim_range: float | None,
    biases: bool | None,
    place: bool | None,
) -> Calibration:
    """Return what is to be calibrated: what was asked for, or all that the target can.

    A step to trim in, or a range, asks for trimming, too, unless ``trim`` is False.

    Raises:
        MappingError: ``trim-step``, ``trim-range``.
    """
    check_trim(trim_step, trim_range)  # also where nothing is trimmed
    step = trim_step if trim_step is not None else target_step(target)
    said = trim is None and not (trim_step is None and trim_range is None)
    if (trim or said) and step is None:
        raise refuse(
            "trim-step",
            f"target '{target.name}' does not say in which steps its references can be trimmed",
            loc=target.name,
            help="say it in counts, as --trim-step 0.5 (in Python trim_step=), or leave --trim out",
        )
    whole = not (trim or biases or place)
    trims = trim or said or (whole and trim is None)
    return Calibration(
        trim=Trim(step=step, reach=trim_range) if trims and step is not None else None,
        biases=biases is None if whole else bool(biases),
        place=place is None if whole else bool(place),
    )


def target_step(target: Target) -> float | None:
    """Return the coarsest step that macros trim references in; None where one has none."""
    steps = [m.readout.trim_step for m in target.macros if not m.readout.is_exact]
    known = [step for step in steps if step is not None]
    return max(known) if known and len(known) == len(steps) else None


def worth_of(
    graph: Graph, ideal: Graph, recorded: Recording, epilogue: Epilogue | None = None
) -> Worth:
    """Return what a chip is worth on recordings; noise of reads is that of the run seed 0."""
    found, meant = (_answers(each, recorded, epilogue) for each in (graph, ideal))
    wanted = Deciding(graph=ideal, epilogue=epilogue).wanted(recorded.arrays, recorded)
    same = int((classes(found) == classes(meant)).sum())
    return Worth(
        right=None if wanted is None else score(found, wanted),
        agree=Score(same, recorded.samples),
    )


def _answers(graph: Graph, recorded: Recording, epilogue: Epilogue | None) -> Array:
    codes = to_codes(graph, recorded.inputs, recorded.where)
    return Deciding(graph=graph, epilogue=epilogue).of(engine.run(graph, codes).outputs)


def overlap(one: Recording, other: Recording) -> int:
    """Count the samples of another recording that are in one, to the last number."""
    seen = {_content(one, b) for b in range(one.samples)}
    return sum(_content(other, b) in seen for b in range(other.samples))


def _content(recorded: Recording, b: int) -> tuple[bytes, ...]:
    parts = (recorded.inputs[name][:, b] for name in sorted(recorded.inputs))
    return tuple(np.ascontiguousarray(part, np.float64).tobytes() for part in parts)
