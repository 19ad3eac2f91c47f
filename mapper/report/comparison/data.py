"""Targets or builds side by side, as the page, the charts and the tables of a comparison take them.

``mapper.compare`` fills these from what it measured, or from the ``comparison.json`` that it wrote.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mapper.cost import Range
from mapper.cost.waterfall import RatioStep, WaterfallStep
from mapper.diagnostics import printable
from mapper.ir.firing import Firing
from mapper.proportions import Paired, Score, Spread
from mapper.report.comparison.designs import EqualColumns, Iso
from mapper.report.comparison.dies import ComparedDies
from mapper.report.comparison.rates import FrameRates
from mapper.report.headline import Verdict, judged
from mapper.report.numbers import percent
from mapper.verify.result import Verification
from targets import Work

Subject = Literal["target", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What is said of a build that was there before it was compared."""

    model: str
    """File name; empty where it is not known."""
    weight_bits: int
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One target, or one build, of a comparison."""

    name: str
    """Of the build's folder, or else of the target."""
    target: str
    energy_pj: Range
    """Of one inference."""
    latency_ns: Range
    """Of one inference, layers pipelined."""
    area_um2: Range
    way: tuple[WaterfallStep, ...]
    """From the preset ``paper`` to ``physical``, one assumption at a time."""
    accuracy: float | None = None
    """Share of right answers, 0..1; None where it is not known."""
    score: Score | None = None
    """The same as counts; None where these are not known."""
    firing: Firing | None = None
    """How often layers fired on recordings; None where no run is known."""
    incomparable: str = ""
    """Why it is in no ratio, front or waterfall: it is dead. Empty where it is."""
    priced: str = ""
    """The readouts that its cost is of, in words; empty where that is not known."""
    silicon: float | None = None
    """Share of its energy, 0..1, that rests on terms that silicon has tested; None where that is
    not known."""
    spike_agreement: float | None = None
    """Share of spikes that are equal to those of the network, 0..1; None where not known."""
    built: Built | None = None
    """None for a target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioWay:
    """One side over another, from the preset ``paper`` to ``physical``."""

    target: str
    over: str
    steps: tuple[RatioStep, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        steps = [step.as_dict() for step in self.steps]
        return {"target": self.target, "over": self.over, "steps": steps}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedSides:
    """The answers of two sides to the same samples."""

    target: str
    over: str
    counts: Paired
    """``target`` first, then ``over``."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form; the difference is that of ``target`` less that of ``over``."""
        return {"target": self.target, "over": self.over, **self.counts.as_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Builds of one network on one target, averaged; costs are nominal."""

    name: str
    target: str
    builds: tuple[str, ...]
    accuracy: Spread | None
    """0..1; None where it is not known of all."""
    samples: tuple[int, ...]
    """How many each build answered, in their order; none where that is not known of all."""
    energy_pj: Spread
    latency_ns: Spread
    incomparable: str = ""
    """Which of them is dead, and why; empty where none is."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "target": self.target,
            "builds": list(self.builds),
            "accuracy": None if self.accuracy is None else self.accuracy.as_dict(),
            "accuracy_of": list(self.samples),
            "energy_pj": self.energy_pj.as_dict(),
            "latency_ns": self.latency_ns.as_dict(),
            "comparable": not self.incomparable,
            "incomparable_because": self.incomparable,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """A table of every entry that is not the same on all sides."""

    columns: tuple[str, ...]
    """``entry``, then a name for each side."""
    rows: tuple[tuple[str, ...], ...]

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"columns": list(self.columns), "rows": [list(row) for row in self.rows]}


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """A comparison: ratios are to the first side that can be compared."""

    network: str
    activity: str
    """Which spikes the costs are of, in words."""
    preset: str
    sides: tuple[Side, ...]
    """One at least."""
    differences: Differences
    warnings: tuple[str, ...] = ()
    equal_columns: tuple[EqualColumns, ...] = ()
    """The sides with as many columns a readout as each other; none where they have that anyway."""
    frame_rates: FrameRates | None = None
    """Which side takes less energy at how many inferences a second; None of a single one."""
    iso: Iso | None = None
    """The sides with one thing made equal, where that was asked for."""
    ways: tuple[RatioWay, ...] = ()
    pairs: tuple[PairedSides, ...] = ()
    dies: ComparedDies | None = None
    """Chips as they come from the fab, where these were asked for."""
    groups: tuple[Group, ...] = ()
    works: tuple[Work, ...] = ()
    """What the component facts come from."""

    @property
    def subject(self) -> Subject:
        """What the sides are."""
        return "target" if self.sides[0].built is None else "build"

    @property
    def silicon_told(self) -> str:
        """Say of each side which share of its energy has silicon behind it; empty where unknown."""
        told = ", ".join(
            f"{side.name} {percent(side.silicon)}"
            for side in self.sides
            if side.silicon is not None
        )
        if not told:
            return ""
        return f"Of the energy, this rests on terms that published chips have tested: {told}."

    @property
    def comparable(self) -> tuple[Side, ...]:
        """Sides that ratios, fronts and waterfalls are of: those that are not dead."""
        return tuple(side for side in self.sides if not side.incomparable)

    @property
    def first(self) -> Side | None:
        """The side that ratios are to; None where nothing can be compared."""
        return next(iter(self.comparable), None)

    @property
    def base(self) -> str:
        """Say what ratios are to."""
        if self.first is None:
            return f"No {self.subject} is comparable, so there are no ratios."
        if self.first is self.sides[0]:
            return f"Ratios are to the first {self.subject}."
        name = printable(self.first.name)
        return f"Ratios are to {name}, the first {self.subject} that is comparable."


class Costed(Protocol):
    """What has the costs that are compared: a side, or a side changed in one setting."""

    @property
    def energy_pj(self) -> Range: ...
    @property
    def latency_ns(self) -> Range: ...
    @property
    def area_um2(self) -> Range: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One cost that sides are compared by."""

    name: str
    unit: str
    of: Callable[[Costed], Range]


MEASURES = (
    Measure(name="energy", unit="pJ", of=lambda side: side.energy_pj),
    Measure(name="latency", unit="ns", of=lambda side: side.latency_ns),
    Measure(name="area", unit="um2", of=lambda side: side.area_um2),
)

NOT_RUN = "'spikeloom verify' was not run on it"


def verdict_of(found: Verification | None, files: Mapping[str, str], reason: str) -> Verdict:
    """Say what is known of a build's verification.

    Args:
        found: What ``verify`` stored with it.
        files: What it was verified on.
        reason: Why what is stored is not of this build.
    """
    if found is None:
        return Verdict(style="warn", short="not verified", told=reason or NOT_RUN)
    return judged(found, files)


def difference_table(names: Sequence[str], facts: Sequence[Mapping[str, object]]) -> Differences:
    """List every entry that is not the same in all ``facts``.

    ``names`` are what the facts are of, in their order.
    """
    flat = [dict(_flat(entries)) for entries in facts]
    keys = dict.fromkeys(key for entries in flat for key in entries)
    found = [(key, *(entries.get(key, "not there") for entries in flat)) for key in keys]
    differing = [row for row in found if len(set(row[1:])) > 1]
    differing.sort(key=lambda row: row[0].rpartition(".")[2] in _PROSE)
    return Differences(columns=("entry", *names), rows=tuple(differing))


_PROSE = ("summary", "provenance")
"""Entries of a target file that are sentences: after the facts."""


def _flat(value: object, path: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{place}]")
    else:
        yield path, str(value)
