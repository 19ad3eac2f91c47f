"""What an exploration found: its points, the best of them, and what each axis is worth."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.diagnostics import nearest, refuse
from mapper.exploration.batch import Told
from mapper.exploration.front import (
    MOST_BY_CHANCE,
    non_dominated,
    share_explained,
    spread_by_chance,
)
from mapper.exploration.grid import Point
from mapper.exploration.measures import MEASURES, Measure, entry
from mapper.exploration.sampling import Sampling
from mapper.exploration.space import LIMITED, Limit, Space
from mapper.json_values import one_of, text
from mapper.study.case import Case, Record, canonical
from mapper.writing import json_text

EXPLORATION_SCHEMA = "spikeloom/exploration/1"

STATES = ("done", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A point that was looked at."""

    number: int
    """From 0 on, in the order in which points were asked."""
    batch: int
    point: Point
    record: Record
    """What was found: ``state``, and with ``done`` what was measured."""

    @classmethod
    def of(cls, case: Case, record: Record, space: Space) -> "Evaluated":
        """Read a case of a space and its record, which may come from a file of someone else.

        Raises:
            TypeError, ValueError: It is no record of an exploration.
        """
        if one_of(record.get("state"), STATES) == "refused":
            text(record.get("code")), text(record.get("why"))
        for key in LIMITED:
            entry(record, key)
        point = {name: case["point"][name] for name in space.axes}
        return cls(number=case["number"], batch=case["batch"], point=point, record=record)

    @property
    def refused(self) -> str:
        """The code with which the compiler refused the point; empty where it did not."""
        return str(self.record["code"]) if self.record["state"] == "refused" else ""

    def value(self, key: str) -> float | None:
        """Return the nominal value of an entry of the record; None where it was not measured.

        Raises:
            MappingError: ``bad-argument`` for an entry that no record has.
        """
        if key not in LIMITED:
            raise refuse(
                "bad-argument",
                f"a point has no {key!r}{nearest(key, LIMITED)}",
                loc="key",
                help=f"entries are {', '.join(LIMITED)}",
            )
        return entry(self.record, key)

    def misses(self, space: Space) -> tuple[float, ...]:
        """Say how far each constraint is missed, 0..1, 0 where it holds; 1 where nobody knows."""
        return tuple(_missed(self.value(key), limit) for key, limit in space.constraints.items())

    def measured(self, space: Space) -> bool:
        """Say whether every objective has a value."""
        return all(self.value(measure.key) is not None for measure in wanted(space))

    def feasible(self, space: Space) -> bool:
        """Say whether every objective was measured and every constraint holds."""
        return self.measured(space) and not any(self.misses(space))

    def told(self, space: Space) -> Told:
        """Return the point as samplers are told of it."""
        values = [self.value(measure.key) for measure in wanted(space)]
        known = [value for value in values if value is not None]
        misses = self.misses(space)
        if len(known) == len(values):
            return Told(point=self.point, values=tuple(known), violations=(*misses, 0.0))
        worst = (float("inf") if m.best == "min" else float("-inf") for m in wanted(space))
        # More than all constraints together can be missed by.
        return Told(point=self.point, values=tuple(worst), violations=(*misses, len(misses) + 1.0))


def wanted(space: Space) -> tuple[Measure, ...]:
    """Return the measures of the objectives of a space, in their order."""
    return tuple(MEASURES[name] for name in space.objectives)


def _missed(value: float | None, limit: Limit) -> float:
    if value is None:
        return 1.0
    over = [0.0]
    over += [] if limit.at_most is None else [_over(value - limit.at_most, limit.at_most)]
    over += [] if limit.at_least is None else [_over(limit.at_least - value, limit.at_least)]
    return max(over)


def _over(by: float, bound: float) -> float:
    """Bring what a bound is missed by, in shares of it, below 1."""
    share = max(0.0, by) / (abs(bound) or 1.0)
    return share / (1 + share)


@dataclass(frozen=True, kw_only=True)
class Explored:
    """What an exploration found.

    Example:
        >>> found = mapper.explore("net.onnx", "space.toml", folder="explored").found
        >>> found.front[0].point, found.front[0].value("energy_uj")
        ({'array': 64, 'weight_bits': 2}, 0.41)
    """

    space: Space
    sampling: Sampling
    """How points were chosen: what the space says, and the options over it."""
    asked: int
    """Points that the exploration has when it is done."""
    points: tuple[Evaluated, ...]
    """In the order of their numbers."""
    identity: Mapping[str, Any]
    """What determines every record: digests of model, target and inputs, the version."""
    network: str = ""
    """Its name, for people; empty where it has none, as ``target``."""
    target: str = ""
    """What points are made from, for people."""
    samples: int = 0
    """Of the recording that points are run on; 0 where there is none."""
    commands: Mapping[int, str] = field(default_factory=dict)
    """What builds points, by their number, run in the folder of the exploration: of the front, and
    of those that someone asked for."""

    @cached_property
    def feasible(self) -> tuple[Evaluated, ...]:
        """Points of which every objective was measured and every constraint holds."""
        return tuple(point for point in self.points if point.feasible(self.space))

    @cached_property
    def front(self) -> tuple[Evaluated, ...]:
        """The Pareto front: feasible points that no other beats, by nominal values.

        From the best of the first objective on, points of equal values by their number.
        """
        measures = wanted(self.space)
        losses = np.array(
            [[_loss(point, measure) for measure in measures] for point in self.feasible], float
        ).reshape(len(self.feasible), len(measures))
        on_it = np.flatnonzero(non_dominated(losses))
        return tuple(
            self.feasible[place]
            for place in sorted(on_it, key=lambda place: (*losses[place], place))
        )

    def best(self, objective: str) -> Evaluated | None:
        """Return the feasible point that is best by one objective; None where none is feasible.

        Raises:
            MappingError: ``bad-argument`` where the space has no such objective.
        """
        if objective not in self.space.objectives:
            raise refuse(
                "bad-argument",
                f"objective is {objective!r:.80}: it takes one of the space's",
                loc="objective",
                help=f"objectives: {', '.join(self.space.objectives)}",
            )
        measure = MEASURES[objective]
        return min(self.front, key=lambda point: _loss(point, measure), default=None)

    @cached_property
    def importance(self) -> Mapping[str, Mapping[str, float | None]]:
        """By objective and axis: the share of the variance that is between the axis' values, 0..1.

        Of all points that were measured, feasible or not; costs by their logarithm, as axes
        multiply them. See ``share_explained`` for the formula; None where points are too few: an
        axis that does nothing would explain a quarter, more or less, by chance.
        """
        return {
            name: {axis: self._share(axis, MEASURES[name]) for axis in self.space.axes}
            for name in self.space.objectives
        }

    def _share(self, axis: str, measure: Measure) -> float | None:
        found = [(p.point[axis], p.value(measure.key)) for p in self.points]
        known = [(group, value) for group, value in found if value is not None]
        groups = len({canonical(group) for group, _ in known})
        if groups < 2 and len(self.space.axes[axis]) > 1:
            return None  # no other value was looked at
        if len(known) <= groups or spread_by_chance(len(known), groups) > MOST_BY_CHANCE:
            return None
        values = np.array([value for _, value in known])
        if measure.ranged and len(values) and values.min() > 0:
            values = np.log(values)
        return share_explained([canonical(group) for group, _ in known], values)

    @property
    def refusals(self) -> Mapping[str, int]:
        """How many points the compiler refused, by code, the most frequent first."""
        return dict(Counter(point.refused for point in self.points if point.refused).most_common())

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Measures that no point has: what was not evaluated."""
        return tuple(
            name
            for name, measure in MEASURES.items()
            if all(point.value(measure.key) is None for point in self.points)
        )

    # --- as a table ----------------------------------------------------------------------------

    @cached_property
    def table(self) -> Mapping[str, NDArray[Any]]:
        """Columns by name, a row a point: the point, what was measured, whether it may be chosen.

        Numbers that were not measured are NaN. Of costs there are three columns: ``energy_uj`` and
        its bounds ``energy_uj_low`` and ``energy_uj_high``.
        """
        chosen = {id(point) for point in self.front}
        allowed = {id(point) for point in self.feasible}
        axes = {
            name: _column([point.point[name] for point in self.points]) for name in self.space.axes
        }
        measured = {
            key: column
            for measure in MEASURES.values()
            if measure.name not in self.unmeasured
            for key, column in self._measured(measure).items()
        }
        return {
            "number": np.array([point.number for point in self.points], np.int64),
            "batch": np.array([point.batch for point in self.points], np.int64),
            **axes,
            **measured,
            "refused": _column([point.refused for point in self.points]),
            "feasible": np.array([id(point) in allowed for point in self.points], bool),
            "front": np.array([id(point) in chosen for point in self.points], bool),
        }

    def _measured(self, measure: Measure) -> dict[str, NDArray[Any]]:
        held = [point.record.get(measure.key) for point in self.points]
        if not measure.ranged:
            return {measure.key: np.array([np.nan if v is None else v for v in held], float)}
        rows = np.array([[np.nan] * 3 if v is None else v for v in held], float).reshape(-1, 3)
        names = (f"{measure.key}_low", measure.key, f"{measure.key}_high")
        return dict(zip(names, rows.T, strict=True))

    def to_pandas(self) -> Any:
        """Return the table as a ``pandas.DataFrame``.

        Raises:
            MappingError: ``missing-extra`` where pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise refuse(
                "missing-extra",
                "a table of pandas needs pandas, which is not installed",
                help="pip install pandas, or take the columns of 'table'",
            ) from error
        return pandas.DataFrame(dict(self.table))

    # --- as JSON -------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom explore``."""
        return {
            "schema": EXPLORATION_SCHEMA,
            "network": self.network,
            "target": self.target,
            "samples": self.samples,
            "study": {
                name: held
                for name, held in self.identity.items()
                if name not in ("space", "sampler")
            },
            "space": {
                **self.space.as_dict(),
                "sampler": {**asdict(self.sampling), "points": self.asked},
            },
            "points": [self._row(point) for point in self.points],
            "front": [point.number for point in self.front],
            "commands": {str(number): text for number, text in self.commands.items()},
            "importance": {name: dict(held) for name, held in self.importance.items()},
            "refusals": dict(self.refusals),
            "unmeasured": list(self.unmeasured),
        }

    def _row(self, point: Evaluated) -> dict[str, Any]:
        return {
            "number": point.number,
            "batch": point.batch,
            "point": dict(point.point),
            "feasible": point.feasible(self.space),
            **point.record,
        }

    def to_json(self) -> str:
        """Return ``as_dict`` as text."""
        return json_text(self.as_dict())

    def __repr__(self) -> str:
        told = f"{len(self.points):,} of {self.asked:,} points, {len(self.front):,} on the front"
        return f"Explored({told})"


def _loss(point: Evaluated, measure: Measure) -> float:
    value = point.value(measure.key)
    assert value is not None
    return value if measure.best == "min" else -value


def _column(values: list[Any]) -> NDArray[Any]:
    """Return values of one kind as numbers or text, others as objects."""
    kinds = {type(value) for value in values}
    if kinds <= {int, float} or kinds == {str}:
        return np.array(values)
    return np.array(values, object)
