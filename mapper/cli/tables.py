"""Answers as short tables for a terminal."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mapper.api.calibrated import CalibratedDie
from mapper.api.dies import DieSummary
from mapper.api.figures import Figures
from mapper.api.page import ReportAnswer
from mapper.build.summary import COLUMNS, CompileSummary
from mapper.cli.told import of_die, recording, table
from mapper.cost import Cost, Range, macro_lines
from mapper.diagnostics import many, printable
from mapper.exchange.export import Export
from mapper.listing import (
    DeviceFacts,
    DeviceList,
    PartLists,
    Parts,
    PassList,
    TargetFacts,
    TargetList,
    yes,
)
from mapper.report.answer import Answer
from mapper.report.charts.die import BY, difference_table
from mapper.report.headline import Headline, worth_of
from mapper.report.numbers import firing_text, number, three_digits
from mapper.verify.result import Ring, Verification
from passes import Pass
from passes.options import options_of
from targets import Interval, Part, target_to_data
from targets.devices import Device, Imperfections, counts_of, said_of


def compiled(answer: CompileSummary) -> RenderableType:
    """The result of a compilation."""
    cost = answer.cost
    foot = (
        f"one time step: {amount(cost.total_pj, 1e-6, 'µJ')}, "
        f"{amount(cost.latency_ns['step_pipelined'], 1e-3, 'µs')} pipelined; "
        f"area {amount(cost.total_um2, 1e-6, 'mm²')}"
    )
    return Group(
        Text(printable(answer.head())),
        table("", COLUMNS, answer.cells()),
        Text(foot),
        *([] if answer.build.host is None else [Text(printable(answer.build.host.line))]),
        *_time(answer),
        Text(printable(f"report: {answer.folder}/report.html")),
    )


def _time(answer: CompileSummary) -> Iterator[Text]:
    """What the build knows of images, and what it was calibrated on."""
    steps, images = answer.build.presented[:2]
    if images:
        names = ", ".join(images)
        yield Text(printable(f"images: {names}, each shown {many(steps, 'time step')}"))
    if answer.recording is not None:
        yield Text(printable(f"calibrated on: {answer.recording}"))


def amount(value: Range | Interval, factor: float, unit: str) -> str:
    ends = (value.low, value.nominal, value.high)
    low, middle, high = (three_digits(end * factor) for end in ends)
    return f"{middle} {unit} ({low}..{high})"  # without spaces: no line ends inside


def headline(answer: Headline, notes: Iterable[str] = ()) -> RenderableType:
    """What a report answers first: each total with its interval, then the questions people ask."""
    made = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for style, wrap in (("bold", True), ("", True), ("dim", False)):
        made.add_column(style=style, no_wrap=wrap)
    verdicts = []
    for fact in answer.facts:
        told = printable("; ".join(filter(None, (fact.interval, fact.told))))
        if fact.style:  # a verdict is a sentence: wider than a column of numbers
            line = Text(f"{fact.name}: ", "bold").append(printable(fact.value), _STYLES[fact.style])
            verdicts.append(line.append(f" ({told})", "dim"))
        else:
            made.add_row(fact.name, Text(printable(fact.value), "bold"), Text(told))
    more = (Text(printable(f"note: {note}")) for note in notes)
    title, asked = Text(printable(answer.title)), map(_question, answer.answers)
    return Group(title, made, *verdicts, *asked, *more)


def details(cost: Cost) -> str:
    """Every part of every total; ``cost.py`` writes the same, in ASCII."""
    return _with_units(str(cost))


def macros(cost: Cost) -> str:
    """What macros take, by part, and which chips have tested it."""
    return _with_units("\n".join(macro_lines(cost)))


def _with_units(text: str) -> str:
    shown = {"uJ us": "µJ µs", "uJ": "µJ", "us": "µs", "mm2": "mm²"}
    return re.sub(r"(?<=\d )(uJ us|uJ|us|mm2)(?= \()", lambda unit: shown[unit[0]], text)


_STYLES = {"good": "green", "warn": "yellow", "bad": "bold red"}


def _question(answer: Answer) -> RenderableType:
    """The verdict, its first reason, and how to know more; the page has all reasons."""
    reasons = answer.reasons
    more = [*(reasons[1:][-1:] if answer.command else []), answer.command]
    lines = [answer.text, *reasons[:1], " ".join(filter(None, more))]
    text = Text("\n".join(printable(line) for line in lines if line))
    return Group(Text(answer.question, "bold"), Padding(text, (0, 0, 0, 2)))


def reported(answer: ReportAnswer) -> RenderableType:
    """What a report answers first, and where its page is."""
    where = f"page: {answer.page}"
    if answer.as_compiled:
        build = Path(answer.page).parent
        where += (
            f" (as compiled; 'spikeloom verify {build} --input recordings.npz' adds a recording)"
        )
    told = recording(answer.recording)
    return Group(headline(answer.headline), *told, Text(printable(where)))


def drawn(answer: DieSummary) -> RenderableType:
    """Which die it is, and what differs from the ideal chip in each layer."""
    made = difference_table(answer.layers)
    return Group(
        Text(printable(answer.die.named)),
        table("", made.columns, made.rows),
        Text(BY),
        *(Text(printable(f"note: {note}")) for note in answer.notes),
        *([Text(printable(f"written: {answer.folder}"))] if answer.folder else []),
    )


def calibrated(answer: CalibratedDie) -> RenderableType:
    """What was changed, and what that is worth."""
    rows = (
        (name, "" if one.right is None else str(one.right), str(one.agree))
        for name, one in answer.worth.items()
    )
    columns = ("chip", "right", "class as on the ideal chip")
    return Group(
        Text(printable(answer.found.die.named)),
        *(Text(printable(line)) for line in answer.lines),
        *([table("", columns, rows)] if answer.worth else []),
        Text(printable(f"written: {answer.build.folder}")),
    )


def verification(answer: Verification) -> RenderableType:
    """One line a ring, then what the answers are worth."""
    parts = [*recording(answer.taken), *of_die(answer.die), *map(_ring, answer.rings)]
    if answer.extent is not None and not answer.extent.whole:
        parts.append(Text(f"on {answer.extent}"))
    rows = ([i.name, f"{i.spike_agreement:.4%}", i.error_text] for i in answer.inexact)
    if answer.inexact:
        parts.append(table("", ["after inexact pass", "spikes equal", "output error"], rows))
    if answer.firing is not None:
        parts.append(Text(printable(firing_text(answer.firing))))
    bits = f"{answer.verdict}, {answer.coverage}" if answer.coverage else answer.verdict
    parts.append(Text(printable("; ".join(filter(None, (bits, worth_of(answer)))))))
    return Group(*parts)


def _ring(ring: Ring) -> RenderableType:
    """One line, and one more for each tie that is listed."""
    lines = [str(ring), *(f"  tie at {tie}" for tie in ring.tied)]
    if ring.ties > len(ring.tied):
        lines.append(f"  and {ring.ties - len(ring.tied):,} more")
    return Text("\n".join(map(printable, lines)))


def exported(answer: Export) -> RenderableType:
    """What an export wrote."""
    ops = ", ".join(f"{count} {name.removeprefix('net.')}" for name, count in answer.ops.items())
    return Group(
        Text(printable(f"written: {answer.output}")),
        Text(f"sha256:  {answer.sha256}"),
        Text(f"ops:     {ops}"),
        *(Text(printable(f"note:    {note}")) for note in answer.notes),
    )


def targets(answer: TargetList | TargetFacts) -> RenderableType:
    """The targets, or the facts of one."""
    if isinstance(answer, TargetFacts):
        return table("", ["fact", "value"], _flat("", target_to_data(answer.target)))
    rows = ([target.name, target.summary] for target in answer.targets)
    return table("", ["target", "what it is"], rows)


def devices(answer: DeviceList) -> RenderableType:
    """The devices: what each is, and what it does not speak of."""
    rows = (
        [d.name, d.kind, yes(d.verified), d.summary, "; ".join(d.not_covered) or "nothing"]
        for d in answer.devices
    )
    return table("", ["device", "kind", "verified", "what it is", "says nothing of"], rows)


def device(answer: DeviceFacts) -> RenderableType:
    """All facts of one device; what it does on a target, where that was asked for."""
    held = answer.device
    head = Text(printable(f"{held.name} ({held.kind}): {held.summary}"))
    where = Text(printable(" ".join(held.provenance.split())))
    rows = (
        [path, value, condition, yes(verified), " ".join(source.split())]
        for path, value, condition, verified, source in said_of(held)
    )
    facts = table("", ["fact", "value", "condition", "verified", "source"], rows)
    missing = Text(f"says nothing of: {'; '.join(held.not_covered) or 'nothing'}")
    return Group(head, where, facts, missing, *(_counts(held, found) for found in answer.counts))


def _counts(held: Device, found: Imperfections) -> RenderableType:
    """What a device does in one macro, and what it says too little of to know."""
    rows = ([name, _number_or_list(value)] for name, value in counts_of(found).items())
    counts = table(f"macro {found.macro}, in counts", ["what", "value"], rows)
    lacking = [text for text in found.not_covered if text not in held.not_covered]
    return Group(counts, *(Text(printable(f"not known in counts: {text}")) for text in lacking))


def _number_or_list(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_number_or_list, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def components(answer: PartLists | Parts) -> RenderableType:
    """The lists of published parts, or the parts of one with nominal (low..high)."""
    if isinstance(answer, PartLists):
        rows = ([row.name, len(row.parts), row.summary] for row in answer.lists)
        return table("", ["list", "parts", "what it is"], rows)
    columns = ["part", "energy", "latency", "area", "node", "supply", "verified"]
    parts = table("", columns, (_part(part) for part in answer.parts.parts))
    provenance = " ".join(answer.parts.provenance.split())
    return Group(Text(printable(provenance)), parts)


def _part(part: Part) -> list[object]:
    amounts = ((part.energy_pj, "pJ"), (part.latency_ns, "ns"), (part.area_um2, "µm²"))
    shown = (_published(value, unit) for value, unit in amounts)
    verified = yes(part.verified)
    return [part.name, *shown, f"{part.node_nm:g} nm", f"{part.voltage_v:g} V", verified]


def _published(value: Interval | None, unit: str) -> str:
    if value is None:
        return ""
    if value.low == value.high:
        return f"{number(value.nominal)} {unit}"
    return amount(value, 1, unit)


def _flat(prefix: str, data: object) -> Iterable[list[object]]:
    items: Iterable[tuple[object, object]] = ()
    if isinstance(data, Mapping):
        items = data.items()
    elif isinstance(data, list) and any(isinstance(item, Mapping | list) for item in data):
        items = enumerate(data)
    else:
        yield [prefix, data]
    for key, value in items:
        yield from _flat(f"{prefix}.{key}" if prefix else str(key), value)


def passes(answer: PassList) -> RenderableType:
    """The passes in order, or the text of one."""
    if answer.detailed:
        (kind,) = answer.passes
        exact = "exact" if kind.exact else "inexact"
        needs = [Text(f"needs: {fact.text} ({fact.by})") for fact in kind.needs]
        return Group(Text(f"{kind.name} ({exact})"), Text(kind.text()), *needs, *_options(kind))
    rows = ([k.name, yes(k.exact), k.summary()] for k in answer.passes)
    return table("", ["pass", "exact", "what it does"], rows)


def _options(kind: type[Pass]) -> Iterator[RenderableType]:
    """Yield what ``compile --pass`` takes for a pass."""
    known = options_of(kind)
    if known:
        rows = ((option.name, option.type, option.default) for option in known)
        yield table("", ("option", "value", "default"), rows)


def figures(answer: Figures) -> RenderableType:
    """Name every figure and say where they are."""
    rows = [(figure.name, ", ".join(figure.files)) for figure in answer.figures]
    where = f"captions: {answer.folder}/{answer.captions}"
    return Group(table("figures", ("figure", "files"), rows), Text(printable(where)))
