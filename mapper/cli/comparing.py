"""Comparisons and the demo as short tables for a terminal."""

from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mapper.cli.tables import amount
from mapper.cli.told import recording, table
from mapper.compare.result import ComparedBuild, Comparison
from mapper.cost import Cost, Range
from mapper.demo import Demo
from mapper.diagnostics import printable
from mapper.proportions import Score
from mapper.report.comparison.changed import (
    SHOWN,
    front_rows,
    front_told,
    gap_text,
    iso_title,
    name_of,
    settings_of,
)
from mapper.report.comparison.data import RatioWay, SideBySide
from mapper.report.comparison.designs import BEST, COLUMNS_TOLD, Design
from mapper.report.comparison.energy import EnergyTable
from mapper.report.comparison.rates import RATES_TOLD, pair_told
from mapper.report.comparison.tables import PAIRED, averages, layer_spikes, paired


def comparison(answer: Comparison) -> RenderableType:
    """Targets or builds side by side; ratios are to the first."""
    sides = answer.side_by_side()
    head = f"{answer.network}, activity: {answer.activity}, preset: {answer.preset}"
    parts: list[RenderableType] = [_costs(head, sides.subject, answer.builds)]
    if sides.silicon_told:
        parts.append(Text(printable(sides.silicon_told), "dim"))
    if sides.equal_columns:
        parts.append(_equal_columns(sides))
        parts.append(Text(COLUMNS_TOLD, "dim"))
    parts += _iso(sides)
    if sides.frame_rates is not None:
        parts.append(Text(RATES_TOLD, "bold"))
        parts += [Text(f"{pair_told(pair)}.") for pair in sides.frame_rates.pairs]
    if answer.dies is not None:
        parts.append(table(answer.dies.note, answer.dies.heads, answer.dies.rows()))
        parts += [Text(printable(f"{text}.")) for text in answer.dies.told()]
    parts += recording(*(build.recording for build in answer.builds))
    parts += _dead(answer.builds)
    if sides.groups:
        title = "mean ± sample standard deviation over builds, ratios of means"
        parts.append(table(title, *averages(sides)))
    heads, rates = layer_spikes(sides)
    if rates:
        parts.append(table("spikes per neuron and step", heads, rates))
    if sides.pairs and not sides.groups:
        parts.append(table("", PAIRED, paired(sides)))
    if sides.subject == "build":
        parts.append(_verified(sides))
    ways = () if sides.groups else answer.ways  # of many builds they would bury the averages
    return Group(*parts, *map(_ratio_waterfall, ways))


def _costs(head: str, subject: str, builds: Sequence[ComparedBuild]) -> RenderableType:
    """What each build costs, with ratios to the first that can be compared."""
    first = next((build.cost for build in builds if not build.incomparable), None)
    return table(
        head,
        [subject, *_COSTS],
        (_compared(build, first) for build in builds),
    )


_COSTS = (
    *("readout priced", "crossbars", "energy", "ratio", "latency", "ratio", "area"),
    *("accuracy", "right"),
)


def _accuracy(build: ComparedBuild) -> tuple[str, str]:
    """Write an accuracy with its 95 % interval, and the samples that it is of."""
    if build.score is None:
        return "" if build.accuracy is None else f"{build.accuracy:.1%}", ""
    low, high = (f"{100 * end:.1f}" for end in build.score.interval)
    return f"{build.score.share:.1%} ({low}..{high})", f"{build.score.right} of {build.score.of}"


def _compared(build: ComparedBuild, first: Cost | None) -> list[object]:
    cost = build.cost
    latency = cost.latency_ns["inference_pipelined"]
    times = ("", "")
    if first is not None and not build.incomparable:
        base = first.latency_ns["inference_pipelined"]
        energy = cost.total_pj.nominal / first.total_pj.nominal
        times = (f"{energy:.2f}", f"{latency.nominal / base.nominal:.2f}")
    return [
        f"{build.title} (dead)" if build.incomparable else build.title,
        build.readout,
        build.summary.crossbars,
        amount(cost.total_pj, 1e-6, "µJ"),
        times[0],
        amount(latency, 1e-3, "µs"),
        times[1],
        amount(cost.total_um2, 1e-6, "mm²"),
        *_accuracy(build),
    ]


def _equal_columns(sides: SideBySide) -> RenderableType:
    """Sides with as many columns a readout as each other; ratios are to the first of each."""
    return table(
        "with as many columns a readout as each other",
        ["columns", sides.subject, "energy", "ratio", "latency", "ratio", "area", "ratio"],
        (
            [
                equal.columns,
                name_of(design),
                *_changed(design, equal.designs[0], _latency),
            ]
            for equal in sides.equal_columns
            for design in equal.designs
        ),
    )


def _latency(design: Design) -> Range:
    return design.latency_ns


def _step(design: Design) -> Range:
    return design.step_ns


def _changed(design: Design, first: Design, time: Callable[[Design], Range]) -> list[str]:
    """Write energy, a time and area, each with its nominal ratio to that of another design."""
    pairs = (
        (design.energy_pj, first.energy_pj, 1e-6, "µJ"),
        (time(design), time(first), 1e-3, "µs"),
        (design.area_um2, first.area_um2, 1e-6, "mm²"),
    )
    cells: list[str] = []
    for mine, base, factor, unit in pairs:
        times = f"{mine.nominal / base.nominal:.2f}" if base.nominal else ""
        cells += [amount(mine, factor, unit), times]
    return cells


def _iso(sides: SideBySide) -> list[RenderableType]:
    """What is held equal, the best settings under it, and some of the Pareto front."""
    held = sides.iso
    if held is None:
        return []
    heads = [sides.subject, "columns", "copies", "off"]
    heads += ["energy", "ratio", "time per step", "ratio", "area", "ratio"]
    parts: list[RenderableType] = []
    for title, designs in ((iso_title(held), held.equal), (BEST[held.kind], held.best)):
        rows = [
            [
                name_of(design),
                *settings_of(design)[:2],
                gap_text(held, design),
                *_changed(design, designs[0], _step),
            ]
            for design in designs
        ]
        parts.append(table(title, heads, rows))
    parts += [Text(printable(text)) for text in held.told]
    parts.append(table(front_told(sides), *front_rows(sides, SHOWN)))
    return parts


def _verified(sides: SideBySide) -> RenderableType:
    """Builds, and the stored verification of each."""
    built = [(side, side.built) for side in sides.sides if side.built is not None]
    return table(
        "",
        ["build", "model", "target", "weight bits", "verified", "details"],
        (
            [
                side.name,
                one.model,
                side.target,
                one.weight_bits,
                one.verdict.short,
                one.verdict.told,
            ]
            for side, one in built
        ),
    )


def _ratio_waterfall(way: RatioWay) -> RenderableType:
    """Ratios of two targets from the preset paper to physical, one assumption at a time."""
    return table(
        f"{way.target} over {way.over}, from preset paper to physical",
        ["assumption", "from", "to", "energy ratio", "factor", "interval ratio", "factor"],
        (
            [
                step.assumption or "(paper)",
                step.before,
                step.after,
                f"{step.energy_ratio:.2f}",
                f"{step.energy_factor:.2f}",
                f"{step.latency_ratio:.2f}",
                f"{step.latency_factor:.2f}",
            ]
            for step in way.steps
        ),
    )


def _counted(score: Score | None) -> str:
    return "" if score is None else f"{score.share:.1%} ({score.right} of {score.of})"


def _dead(builds: Sequence[ComparedBuild]) -> list[RenderableType]:
    """Say why some stand in no ratio."""
    return [
        Text(printable(f"{build.title} is not comparable: {build.incomparable}"), "bold red")
        for build in builds
        if build.incomparable
    ]


def energy(answer: EnergyTable) -> RenderableType:
    """Totals of each target as a list, its layers as a table, and what the numbers are."""
    parts: list[RenderableType] = []
    heads, totals = answer.summary_rows()
    for one, cells in zip(answer.targets, totals, strict=True):
        made = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        for head, cell in zip(heads[1:], cells[1:], strict=True):
            made.add_row(Text(head), Text(printable(cell), "bold"))
        title = f"{one.target}: {one.readout}; ANN: {one.ann_readout}"
        parts += [Text(printable(title), "bold"), made]
        parts += [Text(printable(f"dead: {one.incomparable}"), "bold red")] * bool(one.incomparable)
        parts.append(table("", *answer.layer_rows(one)))
    return Group(*recording(answer.recording), *parts, Text(answer.note, "dim"))


def demo(answer: Demo) -> RenderableType:
    """The demo's targets: verified or not, how right, and at what cost."""
    lines = table(
        "verified against the definition, bit for bit, and against the trained network",
        ["target", "bit-exact", "accuracy: network", "mapping", "spikes equal"],
        (
            [
                target.compared.title,
                "yes" if target.verification.bit_exact else "NO",
                _counted(target.verification.source_score),
                _counted(target.verification.score),
                f"{target.verification.spike_agreement:.2%}",
            ]
            for target in answer.targets
        ),
    )
    builds = [target.compared for target in answer.targets]
    head = f"cost, activity: measured spikes, preset: {builds[0].cost.preset}"
    costs = _costs(head, "target", builds)
    hint = f"builds and reports: {answer.folder}/<target>/report.html"
    note = (
        "This network was trained without knowing the hardware: what 1-bit readout costs it in "
        "accuracy is what hardware-aware training has to win back."
    )
    told = [*_dead(builds), *recording(*(build.recording for build in builds))]
    return Group(lines, Text(""), costs, *told, Text(""), Text(note), Text(printable(hint)))
