"""A space of designs: what varies, what is wanted, what is not allowed; read strictly from TOML."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from math import exp, inf, log
from pathlib import Path
from sys import float_info
from typing import Annotated, Any, Literal, get_args

from mapper.cost.description import CONVERTERS, FIXED_BITS, TREES, Description
from mapper.cost.description_given import description_of
from mapper.cost.description_to_target import described
from mapper.diagnostics import MappingError, nearest
from mapper.exploration.axes import (
    Array,
    ReadoutKindAndBits,
    Value,
    axis_of,
    flat,
    no_axis,
)
from mapper.exploration.facts import ReadoutWord
from mapper.exploration.grid import size_of
from mapper.exploration.measures import BY_KEY, MEASURES
from mapper.exploration.sampling import Sampling
from mapper.ir.readout_kinds import READOUTS
from targets import DEFAULT_PRESET, list_presets
from targets.devices import device_names
from targets.fields import Bounds, Count, Name, Share
from targets.files import parse
from targets.reader import BAD, Reader, show

LIMITED: tuple[str, ...] = (*BY_KEY, "crossbars", "chips")
"""Entries of a record that a constraint may limit."""

RUN: tuple[str, ...] = ("accuracy", "agreement", "yield")
"""Entries of a record that a point has to be run for."""

MOST_VALUES = 1000
"""Of one axis."""

_MOST = float_info.max


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What an entry of a record may be, both ends allowed."""

    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a point is evaluated."""

    preset: Name = DEFAULT_PRESET
    """What is assumed of the chip beyond the target."""
    density: Share = 0.1
    """Share of input bits that are 1, where a point is not run."""
    steps: Count = 1
    """Time steps of an inference, where a point is not run."""
    activity: Literal["assumed", "recorded"] = "recorded"
    """Whether a point is run on the recording, where there is one, or takes ``density``, which is
    all there is without; a point whose accuracy, agreement or yield is asked for is always run."""
    every_ms: Annotated[float, Bounds(1e-6, 1e12)] | None = None
    """From one inference to the next; back to back where None."""
    dies: Annotated[int, Bounds(1, 10_000)] = 20
    """Imperfect chips of each point, where its yield is asked for."""
    require: Share | None = None
    """Share of samples that a good die answers right; without labels, as the ideal chip does."""
    device: Name | None = None
    """What chips are made of: one that comes with the compiler; what the target names where
    None."""
    age_s: Annotated[float, Bounds(0.0, 1e12)] | None = None
    """Of the chips, in seconds since they were programmed; just programmed where None."""

    def problems(self) -> Iterator[str]:
        if self.preset not in list_presets():
            yield f"preset is {', '.join(list_presets())}, got {self.preset!r:.40}"
        if self.device is not None and self.device not in device_names():
            yield f"device is {', '.join(device_names())}, got {self.device!r:.40}"


@dataclass(frozen=True, kw_only=True)
class Space:
    """A space of designs.

    Example:
        >>> space = Space.of_data({"axes": {"array": [64, 128]}, "objectives": {"energy": "min"}})
        >>> space.size
        2
    """

    axes: Mapping[str, tuple[Value, ...]]
    """The values of each axis, in the order written; none twice."""
    objectives: Mapping[str, str]
    """What is wanted, by the names of ``MEASURES``."""
    constraints: Mapping[str, Limit] = field(default_factory=dict)
    """By entries of a record, ``LIMITED``."""
    sampling: Sampling = field(default_factory=Sampling)
    evaluation: Evaluation = Evaluation()
    described: Description | None = None
    """What points start from, as ``targets new`` is told; None where a target is named."""
    folder: str = ""
    """From where files that it names are looked for: that of the file."""

    @cached_property
    def size(self) -> int:
        """Count the points."""
        return size_of(self.axes)

    @property
    def files(self) -> tuple[Value, ...]:
        """Assignments that it names."""
        return self.axes.get("assignment", ())

    @property
    def asked(self) -> frozenset[str]:
        """Entries of a record that an objective or a constraint asks for."""
        return frozenset({MEASURES[name].key for name in self.objectives} | set(self.constraints))

    @property
    def runs(self) -> bool:
        """Whether points have to be run: an objective or a constraint asks for it."""
        return bool(self.asked & set(RUN))

    def as_dict(self) -> dict[str, Any]:
        """Return it as data that ``of_data`` reads again."""
        limits = {
            name: {
                end: value
                for end, value in (("at_most", limit.at_most), ("at_least", limit.at_least))
                if value is not None
            }
            for name, limit in self.constraints.items()
        }
        return {
            "axes": {name: list(values) for name, values in self.axes.items()},
            "objectives": dict(self.objectives),
            "constraints": limits,
            "sampler": asdict(self.sampling),
            "evaluation": self.evaluated,
            **({} if self.described is None else {"describe": _given(self.described)}),
        }

    @property
    def evaluated(self) -> dict[str, Any]:
        """Return how points are evaluated, as data; what is left out has its default."""
        return {name: held for name, held in asdict(self.evaluation).items() if held is not None}

    @classmethod
    def of_data(cls, data: object, *, loc: str = "space", folder: str = "") -> "Space":
        """Check a space that is already parsed, say from JSON.

        Args:
            data: Its tables.
            loc: Where it came from.
            folder: From where files that it names are looked for.

        Raises:
            MappingError: ``bad-space`` with everything that is wrong.
        """
        return _Reading(Path(loc).name, loc).space(data, folder)


def load_space(path: str | Path) -> Space:
    """Load a space from its TOML file.

    Raises:
        MappingError: ``no-such-file``, ``target-syntax`` or ``bad-space`` with everything that is
            wrong with it.
    """
    file = Path(path)
    data = parse(file, str(path), unknown="no-such-file")
    return Space.of_data(data, loc=str(path), folder=str(file.parent))


# --- reading -------------------------------------------------------------------------------------

_TABLES = ("axes", "objectives", "constraints", "sampler", "evaluation", "describe")


class _Reading:
    """Collects what is wrong with one space while it is read."""

    def __init__(self, file: str, loc: str) -> None:
        self.reader = Reader(file=file, loc=loc, code="bad-space")

    def space(self, data: object, folder: str) -> Space:
        tables = self._tables(data)
        axes = self._axes(tables.get("axes"))
        objectives = self._objectives(tables.get("objectives"))
        constraints = self._constraints(tables.get("constraints", {}))
        evaluation = self.reader.table(Evaluation, tables.get("evaluation", {}), ("evaluation",))
        sampling = self._sampling(tables.get("sampler", {}))
        described = self._described(tables.get("describe", {}))
        if "yield" in {*objectives, *constraints} and evaluation and evaluation.require is None:
            self._note("a yield needs require in [evaluation]: what a good die answers right, 0..1")
        if self.reader.problems or evaluation is None or sampling is None:
            raise MappingError(self.reader.problems)
        return Space(
            axes=axes,
            objectives=objectives,
            constraints=constraints,
            evaluation=evaluation,
            sampling=sampling,
            described=described,
            folder=folder,
        )

    def _note(self, text: str, help: str = "") -> None:
        self.reader.note("bad-space", text, help)

    def _tables(self, data: object) -> Mapping[str, Any]:
        if not isinstance(data, dict):
            self._note(f"the top level must be a table, got {show(data)}")
            return {}
        for key in [key for key in data if key not in _TABLES][:20]:
            self._note(
                f"the top level has no key {show(key)}{nearest(str(key), _TABLES)}",
                f"its keys are {', '.join(_TABLES)}",
            )
        return data

    def _table(self, name: str, data: object) -> Mapping[str, Any]:
        if isinstance(data, dict):
            return data
        self._note(f"[{name}] must be a table, got {show(data)}")
        return {}

    def _axes(self, data: object) -> dict[str, tuple[Value, ...]]:
        if data is None or data == {}:
            self._note("a space needs [axes], and one axis or more")
            return {}
        found = {}
        for name, values in flat(self._table("axes", data)):
            axis = axis_of(name)
            if axis is None:
                self._note(*no_axis(name))
                continue
            found[name] = self._values(name, axis.takes, values)
        return found

    def _values(self, name: str, hint: Any, raw: object) -> tuple[Value, ...]:
        given = self._spread(name, raw) if isinstance(raw, dict) else raw
        if given is BAD:
            return ()
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_VALUES:
            many = f"{len(given)} values" if isinstance(given, list) else show(given)
            self._note(f"axis {name!r} takes a list of 1..{MOST_VALUES} values, got {many}")
            return ()
        read = [self._one(name, hint, value) for value in given]
        held: list[Any] = [value for value in read if value is not BAD]
        keys = [hint.sides(v) if isinstance(hint, Array) else (type(v), v) for v in held]
        for place, value in enumerate(held):
            if keys[place] in keys[:place]:  # 64 and "64x64" are one array
                self._note(f"axis {name!r} takes {show(value)} twice")
        return tuple(held)

    def _one(self, name: str, hint: Any, raw: object) -> Any:
        if isinstance(hint, Array):
            return self._array(name, hint, raw)
        if isinstance(hint, ReadoutKindAndBits):
            return self._readout(name, raw)
        return self.reader.value(hint, raw, ("axes", name))

    def _array(self, name: str, hint: Array, raw: object) -> object:
        sides = str(raw).split("x") if isinstance(raw, str) else [str(raw)]
        numbers = isinstance(raw, str) or type(raw) is int
        whole = numbers and len(sides) <= 2 and all(s.isdecimal() and len(s) < 6 for s in sides)
        if whole and all(hint.low <= int(side) <= hint.high for side in sides):
            return raw
        self._note(f"axis {name!r} takes wordlines x bitlines, 64 or '256x64', got {show(raw)}")
        return BAD

    def _readout(self, name: str, raw: object) -> object:
        word = ReadoutWord.of(raw) if isinstance(raw, str) and len(raw) < 20 else None
        if word is not None and word.kind in READOUTS and word.bits >= 0:
            return raw
        known = ", ".join((*FIXED_BITS, *(f"{kind}4" for kind in CONVERTERS), *TREES))
        self._note(f"axis {name!r} takes {known} and other bits, got {show(raw)}")
        return BAD

    def _spread(self, name: str, raw: Mapping[str, Any]) -> object:
        """Return the values of a range, ``{ from = 1, to = 16, steps = 5, log = true }``."""
        known = {"from": 0, "to": 0, "steps": 0, "log": False}
        if any(key not in known for key in raw) or len({*raw, "log"}) < len(known):
            self._note(f"axis {name!r}: a range has from, to, steps and maybe log, got {show(raw)}")
            return BAD
        low, high, steps, by_factors = ({**known, **raw}[key] for key in known)
        numbers = all(_is_number(end) and abs(end) < 1e15 for end in (low, high))
        if not numbers or type(steps) is not int or not 2 <= steps <= MOST_VALUES:
            self._note(f"axis {name!r}: a range is of numbers, in 2..{MOST_VALUES} steps")
            return BAD
        if type(by_factors) is not bool or low >= high or (by_factors and low <= 0):
            self._note(
                f"axis {name!r}: a range goes up, from above 0 where log = true, "
                f"got {show(low)} to {show(high)}"
            )
            return BAD
        return spread(low, high, steps, by_factors)

    def _objectives(self, data: object) -> dict[str, Any]:
        if data is None or data == {}:
            self._note("a space needs [objectives], and one objective or more")
            return {}
        found = self._table("objectives", data)
        for name, direction in found.items():
            if name not in MEASURES:
                self._note(
                    f"there is no objective {show(name)}{nearest(str(name), MEASURES)}",
                    f"objectives are {', '.join(MEASURES)}",
                )
            elif direction != MEASURES[name].best:
                self._note(f"[objectives] {name} is {MEASURES[name].best!r}, got {show(direction)}")
        return dict(found)

    def _constraints(self, data: object) -> dict[str, Limit]:
        found = {}
        for name, limit in self._table("constraints", data).items():
            ends = get_args(Literal["at_most", "at_least"])
            fits = isinstance(limit, dict) and limit and all(end in ends for end in limit)
            if name not in LIMITED:
                self._note(
                    f"nothing called {show(name)} is limited{nearest(str(name), LIMITED)}",
                    f"constraints are of {', '.join(LIMITED)}",
                )
            elif not fits or not all(_is_number(end) for end in limit.values()):
                self._note(f"[constraints] {name} has at_most, at_least or both, got {show(limit)}")
            elif name in RUN and not all(0 <= end <= 1 for end in limit.values()):
                self._note(f"[constraints] {name} is a share, 0..1, got {show(limit)}")
            elif limit.get("at_least", -inf) > limit.get("at_most", inf):
                self._note(f"[constraints] {name}: at_least is above at_most, got {show(limit)}")
            else:
                found[name] = Limit(**{end: float(value) for end, value in limit.items()})
        return found

    def _sampling(self, data: object) -> Sampling | None:
        try:
            return Sampling.of_data(self._table("sampler", data))
        except MappingError as error:
            for problem in error.diagnostics:
                self._note(f"[sampler] {problem.message}", problem.help)
            return None

    def _described(self, data: object) -> Description | None:
        found = self._table("describe", data)
        if not found:
            return None
        try:
            given = {_FIELDS.get(name, name): value for name, value in found.items()}
            made = description_of("described", given)
            described(made)
        except MappingError as error:
            for problem in error.diagnostics:
                self._note(f"[describe] {problem.message}", problem.help)
            return None
        return made


_FIELDS = {"node": "node_nm", "voltage": "voltage_v", "read_voltage": "read_voltage_v"}
"""Fields of a description that the command line, and a space, call otherwise."""


def spread(low: float, high: float, steps: int, by_factors: bool) -> list[int | float]:
    """Return evenly spaced values with both ends, by factors where asked.

    Whole numbers stay whole: values that round to the same are taken once.

    Example:
        >>> spread(1, 16, 5, True)
        [1, 2, 4, 8, 16]
    """
    whole = type(low) is int and type(high) is int
    shares = [place / (steps - 1) for place in range(steps)]
    if by_factors:
        values = [exp(log(low) + (log(high) - log(low)) * share) for share in shares]
    else:
        values = [low + (high - low) * share for share in shares]
    values = [float(low), *values[1:-1], float(high)]
    return list(dict.fromkeys(map(round, values))) if whole else values


def _given(described: Description) -> dict[str, Value]:
    """Return what a description was given, as ``[describe]`` has it."""
    names = {field: name for name, field in _FIELDS.items()}
    held = {member.name: getattr(described, member.name) for member in fields(Description)}
    unless = {member.name: member.default for member in fields(Description)}
    array = f"{held.pop('wordlines')}x{held.pop('bitlines')}"
    changed = {name: value for name, value in held.items() if value != unless[name]}
    return {"array": array, **{names.get(name, name): value for name, value in changed.items()}}


def _is_number(value: object) -> bool:
    """Say whether it is a number that a float holds; comparisons take integers of any length."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST
