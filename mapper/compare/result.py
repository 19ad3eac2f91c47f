"""What a comparison found: a row for each build, and what leads from one to the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapper.build.summary import CompileSummary
from mapper.cost import Cost
from mapper.cost.waterfall import WaterfallStep
from mapper.diagnostics import many, printable
from mapper.ir.firing import Firing
from mapper.ir.frozen import FrozenMap
from mapper.layout import Taken
from mapper.notebook import html_table
from mapper.proportions import Score
from mapper.report.comparison.data import (
    Built,
    Differences,
    Group,
    PairedSides,
    RatioWay,
    Side,
    SideBySide,
    verdict_of,
)
from mapper.report.comparison.designs import EqualColumns, Iso
from mapper.report.comparison.dies import ComparedDies
from mapper.report.comparison.rates import FrameRates
from mapper.report.comparison.tables import columns, rows
from mapper.verify.record import Verified
from mapper.verify.result import Verification
from targets import Work, work_to_data

SCHEMA = "spikeloom/compare/1"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ComparedBuild:
    """One build of a comparison: what it is, what it costs, how right it is."""

    summary: CompileSummary
    """As it was compiled: crossbars, chips, layers."""
    cost: Cost
    """Under the preset and the activity of the comparison."""
    activity: str
    """Which spikes the cost is of, in words."""
    way: tuple[WaterfallStep, ...] = ()
    """From the preset ``paper`` to ``physical``, one assumption at a time."""
    accuracy: float | None = None
    """Share of right answers, 0..1: measured here, or when it was verified; None if not known."""
    recording: Taken | None = None
    """What the recordings of this comparison were taken for; None where there are none."""
    score: Score | None = None
    """The same as counts, with a 95 % interval; None where the counts are not known."""
    firing: Firing | None = None
    """How often layers fired on recordings; None where no run is known."""
    incomparable: str = ""
    """Why its costs stand beside no others: it is dead. Empty where they do."""
    warnings: tuple[str, ...] = ()
    """What has to be known of it before a number is used."""
    priced: Mapping[str, str] = FrozenMap({})
    """By macro kind which readout the cost is of, in words: a preset may price another ADC."""
    name: str = ""
    """Of a build that was there, or where its target stands twice; else it has that one's name."""
    verified: Verified | None = None
    """What is stored with a build that was there; None for one that was made here."""

    @property
    def title(self) -> str:
        """What it is called: its folder, or else its target."""
        return self.name or self.summary.target

    @property
    def readout(self) -> str:
        """The readouts that are priced, in words: ``5-bit SAR ADC, built as flash``."""
        return "; ".join(dict.fromkeys(self.priced.values()))

    @property
    def verification(self) -> Verification | None:
        """What ``verify`` found of it earlier; None where nothing is known."""
        return None if self.verified is None else self.verified.found

    def as_dict(self) -> dict[str, Any]:
        """Return its part of the JSON of ``spikeloom compare``."""
        row = {**self.summary.as_dict(), "cost": self.cost.as_dict()}
        if self.name:
            row["build"] = self.name
        if self.verified is not None:
            found = self.verified.found
            row["source"] = dict(self.summary.build.source)
            row["activity"] = self.activity
            row["verification"] = None if found is None else found.as_dict()
            row["verified_on"] = dict(self.verified.files)
            row["recorded"] = found is not None  # and not run again
            row["unverified"] = self.verified.reason
        if self.recording is not None:
            row["recording"] = self.recording.as_dict()
        if self.accuracy is not None:
            counted = self.score
            row |= {"accuracy": self.accuracy} if counted is None else counted.as_dict()
        if self.firing is not None:
            row["firing"] = self.firing.as_dict()
        row["comparable"] = not self.incomparable
        row["incomparable_because"] = self.incomparable
        row["warnings"] = list(self.warnings)
        row["priced_readouts"] = dict(self.priced)
        if self.way:
            row["waterfall"] = [step.as_dict() for step in self.way]
        return row

    def side(self) -> Side:
        """Return what page, charts and tables say of it."""
        found = self.verification
        return Side(
            name=self.title,
            target=self.summary.target,
            energy_pj=self.cost.total_pj,
            latency_ns=self.cost.latency_ns["inference_pipelined"],
            area_um2=self.cost.total_um2,
            way=self.way,
            accuracy=self.accuracy,
            score=self.score,
            firing=self.firing,
            incomparable=self.incomparable,
            priced=self.readout,
            silicon=self.cost.silicon.share,
            spike_agreement=None if found is None else found.spike_agreement,
            built=self._built(),
        )

    def _built(self) -> Built | None:
        if self.verified is None:
            return None
        return Built(
            model=self.summary.build.source.get("file", ""),
            weight_bits=self.summary.weight_bits,
            verdict=verdict_of(self.verified.found, self.verified.files, self.verified.reason),
        )

    def __repr__(self) -> str:
        return printable(f"ComparedBuild({self.title}: {self.cost.total_pj.nominal:.4g} pJ)")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Comparison:
    """Builds side by side: what they cost, how right they are, why they differ.

    Example:
        >>> compared = mapper.compare_targets("model.onnx", ["adcless-64", "hpadc-flash5-64"])
        >>> [round(build.cost.total_pj.nominal) for build in compared.builds]
        [48686, 128184]
    """

    network: str
    activity: str
    """Which spikes the costs are of, in words."""
    preset: str
    builds: tuple[ComparedBuild, ...]
    """In the order they were given; ratios are to the first."""
    differences: Differences
    """Every fact, of models, options and targets, that is not the same for all."""
    ways: tuple[RatioWay, ...]
    """Targets with ADCs over those without, from ``paper`` to ``physical``."""
    equal_columns: tuple[EqualColumns, ...] = ()
    """The builds with as many columns a readout as each other; none where they have that anyway."""
    frame_rates: FrameRates | None = None
    """Which build takes less energy at how many inferences a second; None of a single one."""
    iso: Iso | None = None
    """The builds with one thing made equal, where that was asked for."""
    pairs: tuple[PairedSides, ...] = ()
    """How the answers of every two builds to the same samples differ; none without labels."""
    dies: ComparedDies | None = None
    """Chips as they come from the fab, where these were asked for."""
    works: tuple[Work, ...] = ()
    """What the component facts and, of dies, devices come from."""
    groups: tuple[Group, ...] = ()
    """Averages over builds of one network, where some were asked for."""
    warnings: tuple[str, ...] = ()
    """What a reader of the ratios has to know."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom compare``."""
        return {
            "schema": SCHEMA,
            "network": self.network,
            "activity": self.activity,
            "preset": self.preset,
            "targets": [build.as_dict() for build in self.builds],
            "differences": self.differences.as_dict(),
            "warnings": list(self.warnings),
            "waterfalls": [way.as_dict() for way in self.ways],
            "equal_columns": [equal.as_dict() for equal in self.equal_columns],
            "frame_rates": None if self.frame_rates is None else self.frame_rates.as_dict(),
            **({} if self.iso is None else {"iso": self.iso.as_dict()}),
            "paired": [pair.as_dict() for pair in self.pairs],
            **({} if self.dies is None else {"dies": self.dies.as_dict()}),
            **({"groups": [group.as_dict() for group in self.groups]} if self.groups else {}),
            "references": [work_to_data(work) for work in self.works],
        }

    def side_by_side(self) -> SideBySide:
        """Return what page, charts and tables are made of."""
        return SideBySide(
            network=self.network,
            activity=self.activity,
            preset=self.preset,
            sides=tuple(build.side() for build in self.builds),
            differences=self.differences,
            warnings=self.warnings,
            ways=self.ways,
            equal_columns=self.equal_columns,
            frame_rates=self.frame_rates,
            iso=self.iso,
            pairs=self.pairs,
            dies=self.dies,
            groups=self.groups,
            works=self.works,
        )

    def __repr__(self) -> str:
        titles = ", ".join(build.title for build in self.builds)
        return printable(
            f"Comparison({many(len(self.builds), 'build')}: {titles}; preset {self.preset})"
        )

    def _repr_html_(self) -> str:
        sides = self.side_by_side()
        title = f"{self.network}, activity: {self.activity}, preset: {self.preset}"
        return html_table(title, columns(sides), rows(sides), self.warnings)
