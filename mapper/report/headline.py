"""The answer first: what a mapping costs, whether it is verified, and what people ask next.

The page and the terminal show these same lines.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mapper.cost import Activity
from mapper.diagnostics import many, printable
from mapper.notebook import html_table
from mapper.report.answers import Answer, answers
from mapper.report.data import Evidence, Report
from mapper.report.numbers import between, nominal, percent
from mapper.verify.result import Verification, finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line: a name, its value, its interval, and what goes with it."""

    name: str
    value: str
    interval: str = ""
    """From the low to the high end of the published facts; empty where there is none."""
    told: str = ""
    style: str = ""
    """``good``, ``warn`` or ``bad`` where the line is a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Verified or not, in two lines."""

    style: str
    short: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What to read of a report where there is time for one table."""

    title: str
    facts: tuple[Fact, ...]
    answers: tuple[Answer, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def html(self, *notes: str) -> str:
        """Return it as a notebook shows it."""
        verdicts = (f"{answer.question} {answer.text}" for answer in self.answers)
        return html_table(
            self.title,
            ("", "nominal", "low to high", ""),
            ((fact.name, fact.value, fact.interval, fact.told) for fact in self.facts),
            (*verdicts, *notes),
        )


def headline(report: Report) -> Headline:
    """Return the answer that a report gives first."""
    return Headline(title=_title(report), facts=facts(report), answers=answers(report))


def facts(report: Report) -> tuple[Fact, ...]:
    """Return energy, time, area, utilisation and verification, in the order they are read."""
    cost = report.cost
    step, first = cost.latency_ns["step_pipelined"], cost.latency_ns["inference_pipelined"]
    found = verdict(report.evidence)
    return (
        Fact(
            name="Energy of an inference",
            value=nominal(cost.total_pj.nominal, "pJ"),
            interval=between(cost.total_pj, "pJ"),
        ),
        Fact(
            name="A time step, pipelined",
            value=nominal(step.nominal, "ns"),
            interval=between(step, "ns"),
            told=f"an inference takes {nominal(first.nominal, 'ns')}",
        ),
        Fact(
            name="Area",
            value=nominal(cost.total_um2.nominal, "um2"),
            interval=between(cost.total_um2, "um2"),
        ),
        Fact(
            name="Utilisation",
            value=f"{percent(cost.utilisation)} of the cells",
            told=f"of the {many(report.crossbars, 'crossbar')} in use, on "
            f"{many(report.chips, 'chip')}",
        ),
        Fact(name="Verified", value=found.short, told=found.told, style=found.style),
    )


def _title(report: Report) -> str:
    """Say what the numbers are of: network, target, length, preset and activity."""
    network, target = printable(report.network), printable(report.target.name)
    steps, density = many(report.cost.steps, "time step"), report.evidence.activity
    counted = (
        f"spikes measured on {many(report.cost.samples, 'sample')}"
        if isinstance(density, Activity)
        else f"{100 * density:g} % of the inputs of every layer taken to spike"
    )
    if report.preset.activity == "random":
        counted = "random inputs"
    return (
        f"{network} on {target}: one inference of {steps}, preset {report.preset.name}, {counted}"
    )


# --- verified or not -----------------------------------------------------------------------


def verdict(evidence: Evidence) -> Verdict:
    """Say in two lines whether a mapping was verified, and whether that was just now."""
    if evidence.verification is None:
        reason = evidence.unverified or "no recording was given"
        return Verdict(style="warn", short="not verified", told=reason)
    return judged(evidence.verification, evidence.kept)


def judged(found: Verification, kept: Mapping[str, str]) -> Verdict:
    """Sum up an answer of ``verify`` in words; ``kept`` names the files of an earlier one."""
    ran = [ring for ring in found.rings if ring.status in ("equal", "mismatch")]
    origin = f"; verified earlier on {printable(_short(kept['input']))}" if kept else ""
    if not found.bit_exact:
        wrong = ", ".join(ring.name for ring in ran if ring.status == "mismatch")
        told = f"mismatch in {wrong}{first_mismatch(found)}{origin}"
        return Verdict(style="bad", short="not bit-exact", told=told)
    skipped = sum(ring.status == "skipped" for ring in found.rings)
    ties = sum(ring.ties for ring in ran)
    told = many(len(ran), "ring") + " equal" + (f" but for {many(ties, 'tie')}" if ties else "")
    told += f", {skipped} skipped" if skipped else ""
    told += f" ({found.coverage})" if found.coverage else ""
    if found.extent is not None and not found.extent.whole:
        told += f"; {found.extent}"
    if found.accuracy is not None:
        told += f"; accuracy {percent(found.accuracy)}"
    return Verdict(style="good", short="bit-exact", told=told + origin)


def _short(file: str) -> str:
    """Shorten the hash of a file: the page has all of it."""
    name, sign, digest = file.rpartition("SHA-256 ")
    return f"{name}{sign}{digest[:12]}" if sign else file


def first_mismatch(found: Verification) -> str:
    """Write where the first ring that does not agree differs first, or "" where none does."""
    places = (ring.first_mismatch for ring in found.rings if ring.status == "mismatch")
    place = next(filter(None, places), None)
    if place is None:
        return ""
    where = (
        f"{key.replace('_', ' ')} {at}"
        for key, at in place.as_dict().items()
        if key not in ("source", "found", "expected")
    )
    values = f"{finite(place.found)} for {finite(place.expected)}"
    return printable(f", first at {', '.join(where)}: {values}")
