"""What a build costs: the totals first, then every part, and what they hang on."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mapper.build.folder import ACTIVITY
from mapper.build.model import Build
from mapper.cost import Cost, Range
from mapper.cost.sensitivity import Tornado
from mapper.diagnostics import many
from mapper.report.data import Report
from mapper.report.headline import Headline, headline
from mapper.report.numbers import amount


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimate:
    """What one inference of a build costs, nominal and as an interval over published facts.

    Example:
        >>> estimate = build.cost(build.run(events, trace=True))
        >>> [round(end) for end in estimate.energy_pj]  # low, nominal, high
        [222752, 931534, 2980517]
        >>> round(estimate.cost.layers[0].energy_pj["readout"].nominal)
        10248
    """

    page: Report
    """All that is known of the build and of the activity that its cost is of."""
    sensitivity: tuple[Tornado, ...] | None = None
    """What each constant does to the totals, widest first; None where it was not asked for."""
    notes: tuple[str, ...] = ()
    """For people: what else could be priced."""

    @property
    def cost(self) -> Cost:
        """Every part of every total, by layer and by action."""
        return self.page.cost

    @cached_property
    def headline(self) -> Headline:
        """The answer for people: totals, what dominates, what limits."""
        return headline(self.page)

    @property
    def energy_pj(self) -> Range:
        """Energy of one inference in pJ: ``low``, ``nominal``, ``high``."""
        return self.cost.total_pj

    @property
    def latency_ns(self) -> Range:
        """Time of one inference in ns, layers pipelined."""
        return self.cost.latency_ns["inference_pipelined"]

    @property
    def area_um2(self) -> Range:
        """Area of the chips in um2."""
        return self.cost.total_um2

    @property
    def warnings(self) -> tuple[str, ...]:
        """What has to be known before a number is used: layers that never or always fire."""
        return self.page.warnings

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom cost``."""
        firing = self.page.evidence.firing
        moved = [tornado.as_dict() for tornado in self.sensitivity or ()]
        return {
            **self.cost.as_dict(),
            **({} if firing is None else {"firing": firing.as_dict()}),
            "warnings": list(self.warnings),
            **({} if self.page.host is None else {"on_host": self.page.host.as_dict()}),
            **({} if self.sensitivity is None else {"sensitivity": moved}),
        }

    def __repr__(self) -> str:
        energy, latency = amount(self.energy_pj, "pJ"), amount(self.latency_ns, "ns")
        return f"Estimate(energy {energy}, latency {latency}, area {amount(self.area_um2, 'um2')})"

    def _repr_html_(self) -> str:
        return self.headline.html(*self.notes)


def notes_of(page: Report, build: Build, folder: Path | None) -> tuple[str, ...]:
    """Say what else could be priced: what was recorded in ``folder``, all steps of an image."""
    steps, images = build.presented[:2]
    told = []
    if folder is not None and (stored := folder / ACTIVITY).is_file():
        told.append(
            f"a recorded run is stored with the build: --activity {stored} prices its spikes"
        )
    if images and not page.measured and page.cost.steps != steps:
        told.append(
            f"the model shows an image for {many(steps, 'time step')}: --steps {steps} prices them"
        )
    return tuple(told)
