"""The answer first: what a mapping costs, whether it is verified, and what people ask next.

The page and the terminal show these same lines.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mapper.cost import Activity, Cost, filling, priced_readouts, skipped_reads
from mapper.diagnostics import many, printable
from mapper.ir.firing import MAPPING, NETWORK
from mapper.notebook import html_table
from mapper.report.answer import Answer
from mapper.report.answers import answers
from mapper.report.charts.breakdown import words
from mapper.report.data import Evidence, Report
from mapper.report.numbers import between, nominal, number, percent
from mapper.verify.result import NOTHING_COMPARED, Verification, finite


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
    """Verified or not: the bits, what the answers are worth, and how that is known."""

    style: str
    """``good`` only where bits agree and nothing speaks against the answers; ``warn``, ``bad``."""
    short: str
    """Of the bits: ``bit-exact``, ``not bit-exact``, ``not verified``, ``nothing was compared``, or
    that they are known from a record alone."""
    told: str
    worth: str = ""
    """Of the answers: how many are right, of the trained network too; whether all is dead."""

    @property
    def line(self) -> str:
        """Bits and answers in one line: neither is worth much without the other."""
        return "; ".join(filter(None, (self.short, self.worth)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What to read of a report where there is time for one table."""

    title: str
    facts: tuple[Fact, ...]
    answers: tuple[Answer, ...]
    warnings: tuple[str, ...] = ()
    """What has to be known before a number is used."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def html(self, *notes: str) -> str:
        """Return it as a notebook shows it."""
        verdicts = (f"{answer.question} {answer.text}" for answer in self.answers)
        return html_table(
            self.title,
            ("", "nominal", "low to high", ""),
            ((fact.name, fact.value, fact.interval, fact.told) for fact in self.facts),
            (*self.warnings, *verdicts, *notes),
        )


def headline(report: Report) -> Headline:
    """Return the answer that a report gives first."""
    return Headline(
        title=_title(report),
        facts=facts(report),
        answers=answers(report),
        warnings=report.warnings,
    )


def facts(report: Report) -> tuple[Fact, ...]:
    """Return energy, time, area, utilisation and verification, in the order they are read."""
    cost = report.cost
    step = cost.latency_ns["step_pipelined"]
    found = verdict(report.evidence)
    return (
        *_die(report),
        Fact(
            name="Energy of an inference",
            value=nominal(cost.total_pj.nominal, "pJ"),
            interval=between(cost.total_pj, "pJ"),
        ),
        Fact(
            name="With silicon behind it",
            value=f"{percent(cost.silicon.share)} of the energy",
            told=_tested(cost),
        ),
        Fact(
            name="A time step, pipelined",
            value=nominal(step.nominal, "ns"),
            interval=between(step, "ns"),
            told=_inference(cost),
        ),
        *_gating(cost),
        *_real_time(cost),
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
        *_writing(cost),
        *_host(report),
        Fact(name="Verified", value=found.line, told=found.told, style=found.style),
    )


def _host(report: Report) -> Iterator[Fact]:
    """Name what is computed of the outputs elsewhere, and counted nowhere."""
    if report.host is not None:
        yield Fact(name="On the host", value=report.host.value, told=report.host.told)


def _writing(cost: Cost) -> Iterator[Fact]:
    """Say what writing all weights takes, and how often an inference waits for it."""
    found = cost.programming
    if found is None:
        return
    worn = (
        ""
        if found.endurance is None
        else f"; a cell survives {number(found.endurance.nominal)} writes"
    )
    lasts = "" if found.inferences is None else f", {number(found.inferences.nominal)} inferences"
    yield Fact(
        name="Writing all weights",
        value=nominal(found.energy_pj.nominal, "pJ"),
        interval=between(found.energy_pj, "pJ"),
        told=f"at most {nominal(found.time_ns.nominal, 'ns')}; {found.told}{worn}{lasts}",
    )


def _die(report: Report) -> Iterator[Fact]:
    """Say that it is a die; its cost is that of every other."""
    if report.die is not None:
        yield Fact(
            name="One chip",
            value=report.die.named,
            told="its bits are those of this chip, not of the ideal one; cost is that of every "
            "chip of the design",
        )


def _gating(cost: Cost) -> Iterator[Fact]:
    """Say how many crossbar reads event gating skips."""
    if cost.gated:
        yield Fact(
            name="Event gating",
            value=f"{percent(skipped_reads(cost))} of the reads skipped",
            told="counted in the recorded spikes"
            if cost.density is None
            else "at least: a bound for random spikes",
        )
    if cost.updated is not None:
        share, exact = cost.updated
        yield Fact(
            name="Update on event",
            value=f"{percent(1 - share)} of the membranes left alone",
            told="counted in the recorded spikes" if exact else "at least",
        )


def _real_time(cost: Cost) -> Iterator[Fact]:
    """Say how often the chip infers, and what it draws on average."""
    found = cost.real_time
    if found is None:
        return
    leaks = cost.energy_pj["leakage"].nominal / cost.total_pj.nominal
    gated = found.idle_leakage < 1
    yield Fact(
        name="In real time",
        value=f"every {found.every_ms:g} ms",
        told=f"{nominal(cost.metrics['power_mw'].nominal, 'mW')} on average, "
        f"{percent(leaks)} of it leakage of {many(cost.chips, 'whole chip')} "
        f"({nominal(cost.chips_um2.nominal, 'um2')}, of which "
        f"{nominal(cost.total_um2.nominal, 'um2')} in use)"
        + (f", {percent(found.idle_leakage)} of it left while idle" if gated else "")
        + f"; computes {percent(found.duty.nominal)} of the time",
    )


def _tested(cost: Cost) -> str:
    """Say what the rest of the energy is: terms that no published chip has tested."""
    left = ", ".join(map(words, cost.silicon.untested[:3]))
    return f"rests on terms that published chips have tested; not tested: {left}" if left else ""


def _inference(cost: Cost) -> str:
    """Say how long an inference takes, and why that may be longer than without the pipeline."""
    first, alone = (cost.latency_ns[f"inference_{how}"] for how in ("pipelined", "sequential"))
    told = f"an inference takes {nominal(first.nominal, 'ns')}"
    if not filling(cost):
        return told
    return (
        f"{told}, one layer after the other {nominal(alone.nominal, 'ns')}: in so few time steps "
        "the pipeline hardly fills"
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
        f"{network} on {target}: one inference of {steps}, preset {report.preset.name}"
        f"{_other_adc(report)}, {counted}"
    )


def _other_adc(report: Report) -> str:
    """Name the ADC that is priced where the target has another."""
    words = dict.fromkeys(priced_readouts(report.target, report.preset).values())
    told = ", ".join(text for text in words if "built as" in text)
    return f" ({told})" if told else ""


# --- verified or not -----------------------------------------------------------------------


def verdict(evidence: Evidence) -> Verdict:
    """Say in two lines whether a mapping was verified, and whether that was just now."""
    if evidence.verification is None:
        counted, worth, ran = isinstance(evidence.activity, Activity), "", evidence.ran
        reason = "its bits were not compared" if counted else "no recording was given"
        if ran is not None:
            reason = f"its bits were not compared; run on {printable(short_file(ran.file))}"
            worth = "" if ran.score is None else f"right on {ran.score}"
        told = evidence.unverified or reason
        return Verdict(style="warn", short="not verified", told=told, worth=worth)
    return judged(evidence.verification, evidence.kept, fresh=evidence.fresh)


def judged(found: Verification, kept: Mapping[str, str], *, fresh: bool = False) -> Verdict:
    """Sum up an answer of ``verify`` in words.

    Args:
        found: The answer.
        kept: The files of one that is kept with its build.
        fresh: Its rings ran just now, and it is kept from now on.
    """
    ran = [ring for ring in found.rings if ring.status in ("equal", "mismatch")]
    file = printable(short_file(kept["input"])) if kept else ""
    origin = f"; {RECORDED}, of {file}" if kept else ""
    if fresh:
        origin = f", on {file}; they ran when this page was laid out"
    part = found.coverage and found.coverage + (", then stopped" if found.partial else "")
    if found.verdict == NOTHING_COMPARED:
        told = "no engine ran beside the definition" + (f" ({part})" if part else "") + origin
        return Verdict(style="warn", short=NOTHING_COMPARED, told=told, worth=worth_of(found))
    if not found.bit_exact:
        wrong = ", ".join(ring.name for ring in ran if ring.status == "mismatch")
        told = f"mismatch in {wrong}{first_mismatch(found)}{origin}"
        return Verdict(style="bad", short="not bit-exact", told=told, worth=worth_of(found))
    skipped = sum(ring.status == "skipped" for ring in found.rings)
    ties = sum(ring.ties for ring in ran)
    told = many(len(ran), "ring") + " equal" + (f" but for {many(ties, 'tie')}" if ties else "")
    told += f", {skipped} skipped" if skipped else ""
    if found.extent is not None and not found.extent.whole:
        told += f"; {found.extent}"
    if kept and not fresh:
        told += f" ({part})" if part else ""
        told = f"a record of {file}: {told}; verify runs them again"
        style = "warn" if _style(found) == "good" else _style(found)
        return Verdict(style=style, short=RECORDED, told=told, worth=worth_of(found))
    short = f"bit-exact in {part}" if part else "bit-exact"
    return Verdict(style=_style(found), short=short, told=told + origin, worth=worth_of(found))


RECORDED = "recorded, not run again"
"""In place of a verdict: whoever keeps a folder can write anything into its record."""

MUCH_LOST = 0.05
"""Of accuracy: a mapping that loses more than these five points is not shown as good."""


def _style(found: Verification) -> str:
    """Say how answers look that are computed to the bit."""
    ran = [firing for firing in (found.firing, found.source_firing) if firing is not None]
    if any(firing.dead or firing.one_class is not None for firing in ran):
        return "bad"
    if found.coverage:  # some rings were left out, or never ended
        return "warn"
    right, source = found.accuracy, found.source_accuracy
    lost = 0.0 if right is None or source is None else source - right
    return "warn" if lost > MUCH_LOST else "good"


def worth_of(found: Verification) -> str:
    """Say in words what the answers of a mapping are worth; empty where that is not known."""
    told = []
    for what, firing in ((NETWORK, found.source_firing), (MAPPING, found.firing)):
        if firing is not None and firing.dead:
            told.append(f"{what} is dead ({firing.reason})")
        elif firing is not None and firing.one_class is not None:
            told.append(f"{what} answers class {firing.one_class} for all samples")
    if found.accuracy is not None:
        told.append(f"right on {found.score or percent(found.accuracy)}")
        if found.source_accuracy is not None:
            source = found.source_score or percent(found.source_accuracy)
            told[-1] += f", {NETWORK} on {source}"
    return "; ".join(told)


def short_file(file: str) -> str:
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
