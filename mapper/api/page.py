"""What a report answers first, and where its page is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapper.build.folder import check_page
from mapper.build.model import Build
from mapper.cost import Cost
from mapper.diagnostics import printable, refuse
from mapper.layout import Taken
from mapper.report import Evidence, render_report
from mapper.report.headline import Headline, headline
from mapper.verify.result import Verification
from mapper.writing import whole_file

SCHEMA = "spikeloom/report/1"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReportAnswer:
    """The first screen of a report page: totals, verdict, what dominates, what limits."""

    page: str
    """Path of the page."""
    headline: Headline
    cost: Cost
    as_compiled: bool = False
    """It is the page that the folder has, and nothing was written."""
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
        return printable(f"ReportAnswer({self.page}; {facts})")

    def _repr_html_(self) -> str:
        return self.headline.html(f"page: {self.page}")


def page_of(
    build: Build, evidence: Evidence, path: Path, every_ms: float | None
) -> tuple[ReportAnswer, str]:
    """Return what the page of a build answers first, and the page; ``path`` is where it will be."""
    told = build.report(evidence, every_ms=every_ms)
    first = headline(told)
    answer = ReportAnswer(
        page=str(path),
        headline=first,
        cost=told.cost,
        verification=evidence.verification,
        recorded=bool(evidence.kept),
    )
    return answer, render_report(told, first)


def check_place(folder: Path | None, output: Path | None, *, asked: bool) -> None:
    """Refuse ``report-output``: a page that would change the build in a folder, or has no place."""
    if folder is not None:
        check_page(folder, output, asked=asked)
    elif output is None:
        raise refuse("report-output", "a build that is in no folder has no page yet: give a path")


def write_page(output: Path, page: str) -> None:
    """Write a page, whole or not at all."""
    with whole_file(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
