"""What a report answers first, and where its page is."""

from dataclasses import dataclass
from typing import Any

from mapper.cost import Cost
from mapper.layout import Taken
from mapper.report.headline import Headline
from mapper.verify.result import Verification

SCHEMA = "spikeloom/report/1"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReportAnswer:
    """The first screen of a report page: totals, verdict, what dominates, what limits."""

    page: str
    """Path of the page."""
    as_compiled: bool
    """It is the page that the folder has, and nothing was written."""
    headline: Headline
    cost: Cost
    verification: Verification | None = None
    """What is known of the rings; None where nothing is."""
    recording: Taken | None = None
    """What the recording that it was made with was taken for; None without one."""

    recorded: bool = False
    """The rings did not run for this answer: they are from a record that the build keeps."""

    @property
    def bit_exact(self) -> bool | None:
        """What rings found that ran; None where nothing is known but a record that they agreed."""
        found = self.verification
        if found is None or (self.recorded and found.bit_exact):
            return None
        return found.bit_exact

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom report``."""
        found = self.verification
        return {
            "schema": SCHEMA,
            "report": self.page,
            "as_compiled": self.as_compiled,
            **self.headline.as_dict(),
            "cost": self.cost.as_dict(),
            **({} if self.recording is None else {"recording": self.recording.as_dict()}),
            **({} if found is None else {"bit_exact": self.bit_exact, "recorded": self.recorded}),
            **({} if found is None else {"verification": found.as_dict()}),
        }

    def __repr__(self) -> str:
        facts = ", ".join(f"{fact.name}: {fact.value}" for fact in self.headline.facts)
        return f"ReportAnswer({self.page}; {facts})"

    def _repr_html_(self) -> str:
        return self.headline.html(f"page: {self.page}")
