"""The page of ``compare``: targets side by side, what differs between them, and why."""

from collections.abc import Callable
from dataclasses import dataclass

from mapper.cost import Range
from mapper.cost.waterfall import RatioStep, WaterfallStep
from mapper.diagnostics import printable
from mapper.report.charts.base import (
    Bar,
    Chart,
    Table,
    bar_table,
    in_unit,
    interval_bars,
    marks_in_words,
)
from mapper.report.charts.breakdown import words
from mapper.report.comparison.changed import equal_cards, held_cards
from mapper.report.comparison.data import MEASURES, Measure, RatioWay, SideBySide
from mapper.report.comparison.designs import COLUMNS_TOLD
from mapper.report.comparison.die_charts import die_charts
from mapper.report.comparison.fronts import front_charts
from mapper.report.comparison.pareto import accuracy_told, pareto_charts
from mapper.report.comparison.rates import rate_charts
from mapper.report.comparison.tables import (
    PAIRED,
    RATIO,
    averages,
    cards,
    layer_spikes,
    paired,
    ratio,
)
from mapper.report.page.frame import render_page
from mapper.report.references import entry_in_words, sources_in_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """The charts of a comparison, by the sections of its page."""

    dies: tuple[Chart, ...]
    """None where no dies were run."""
    costs: tuple[Chart, ...]
    ratios: tuple[Chart, ...]
    """None where nothing can be compared."""
    pareto: tuple[Chart, ...]
    rates: tuple[Chart, ...]
    """None of a single side."""
    fronts: tuple[Chart, ...]
    """None where nothing is held equal."""
    ways: tuple[Chart, ...]

    def all(self) -> tuple[Chart, ...]:
        first = (*self.dies, *self.costs, *self.ratios, *self.pareto)
        return (*first, *self.rates, *self.fronts, *self.ways)


def comparison_charts(compared: SideBySide) -> tuple[Chart, ...]:
    """Return every chart of a comparison, in the order of its page."""
    return _charts(compared).all()


def _charts(compared: SideBySide) -> Charts:
    energy = _own_way(compared, "energy", "pJ", lambda step: step.energy_pj)
    interval = _own_way(compared, "initiation interval", "ns", lambda step: step.interval_ns)
    between = (_way_of(index, way) for index, way in enumerate(compared.ways))
    return Charts(
        dies=die_charts(compared),
        costs=tuple(_cost(compared, measure) for measure in MEASURES),
        ratios=_ratios(compared),
        pareto=pareto_charts(compared),
        rates=rate_charts(compared.frame_rates),
        fronts=front_charts(compared),
        ways=(*energy, *interval, *between),
    )


def render_comparison(compared: SideBySide) -> str:
    """Lay a comparison out as one self-contained page."""
    charts = _charts(compared)
    return render_page(
        "comparison.html.j2",
        charts=charts.all(),
        compared=compared,
        table=cards(compared),
        ratio_told=RATIO,
        dies=None if compared.dies is None else _table(compared.dies.heads, compared.dies.rows()),
        groups=_table(*averages(compared)) if compared.groups else None,
        references=Table(
            columns=("key", "work"),
            rows=tuple((work.key, entry_in_words(work)) for work in compared.works),
        ),
        spikes=_table(*layer_spikes(compared)),
        equal=equal_cards(compared),
        columns_told=COLUMNS_TOLD,
        held=held_cards(compared),
        pairs=_table(PAIRED, paired(compared)),
        ways=[chart.name for chart in charts.ways],
        pareto=[chart.name for chart in charts.pareto],
        accuracy_told=accuracy_told(compared),
        differences=Table(
            columns=tuple(map(printable, compared.differences.columns)),
            rows=compared.differences.rows,
        ),
    )


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table | None:
    return Table(columns=heads, rows=tuple(rows)) if rows else None


def caption_of(compared: SideBySide) -> str:
    """Say in a caption what is compared, and under which assumptions."""
    names = ", ".join(printable(side.name) for side in compared.sides)
    return (
        f"Network {printable(compared.network)}; {compared.subject}s {names}. Preset "
        f"{printable(compared.preset)}; activity {printable(compared.activity)}. Intervals are "
        f"low .. high of published facts; no chip was measured. {sources_in_words(compared.works)}"
    )


def _bar(label: str, value: Range, group: str = "") -> Bar:
    return Bar(label=label, low=value.low, nominal=value.nominal, high=value.high, group=group)


def _cost(compared: SideBySide, measure: Measure) -> Chart:
    found = [
        _bar(f"{side.name} (dead)" if side.incomparable else side.name, measure.of(side))
        for side in compared.sides
    ]
    bars, unit = in_unit(found, measure.unit)
    return Chart(
        name=measure.name,
        title=f"{measure.name.capitalize()} of each {compared.subject}",
        description=marks_in_words(bars),
        spec=interval_bars(bars, unit=unit, what=measure.name),
        table=bar_table(bars, unit=unit, label=compared.subject),
    )


def _ratios(compared: SideBySide) -> tuple[Chart, ...]:
    first = compared.first
    if first is None:
        return ()
    bars = [
        _bar(side.name, times, measure.name)
        for side in compared.comparable
        for measure in MEASURES
        if (times := ratio(measure.of(side), measure.of(first))) is not None
    ]
    chart = Chart(
        name="ratios",
        title=f"Ratios to {first.name}",
        description=RATIO,
        spec=interval_bars(bars, unit="times", what="ratio"),
        table=bar_table(bars, unit="times", label=compared.subject, group="cost"),
    )
    return (chart,)


def _own_way(
    compared: SideBySide, name: str, unit: str, value: Callable[[WaterfallStep], float]
) -> tuple[Chart, ...]:
    """Chart one cost of every comparable side from ``paper`` to ``physical``."""
    found = [
        _exactly(_step(step), value(step), side.name)
        for side in compared.comparable
        for step in side.way
    ]
    if not found:
        return ()
    bars, shown = in_unit(found, unit)
    chart = Chart(
        name=f"waterfall-{name.replace(' ', '-')}",
        title=f"{name.capitalize()} from the preset paper to physical",
        description="After each assumption changed, one at a time; nominal values.",
        spec=interval_bars(bars, unit=shown, what=name),
        table=bar_table(bars, unit=shown, label="after", group=compared.subject),
    )
    return (chart,)


def _exactly(label: str, value: float, group: str = "") -> Bar:
    return Bar(label=label, low=value, nominal=value, high=value, group=group)


def _step(step: WaterfallStep | RatioStep) -> str:
    if not step.assumption:
        return "preset paper"
    return f"{words(step.assumption)}: {step.before} to {step.after}"


def _way_of(index: int, way: RatioWay) -> Chart:
    """Chart the ratios of two sides from ``paper`` to ``physical``."""
    bars = [
        _exactly(_step(step), value, name)
        for step in way.steps
        for name, value in (("energy", step.energy_ratio), ("interval", step.latency_ratio))
    ]
    return Chart(
        name=f"waterfall-{index + 1}",
        title=f"{way.target} over {way.over}",
        description="Ratios of energy and of the interval between inferences, as the table has "
        "them: the later over the earlier. After each assumption changed, one at a time, "
        "from the preset paper to physical; nominal values.",
        spec=interval_bars(bars, unit="times", what="ratio"),
        table=bar_table(bars, unit="times", label="after", group="cost"),
    )
