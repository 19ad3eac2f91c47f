"""The tables of a comparison, as cells in words: every place that shows them takes them here."""

from collections.abc import Mapping
from dataclasses import dataclass

from mapper.cost import Range
from mapper.diagnostics import many, printable
from mapper.ir.firing import Firing
from mapper.proportions import Score, Spread
from mapper.report.comparison.data import (
    MEASURES,
    Group,
    Measure,
    PairedSides,
    Side,
    SideBySide,
)
from mapper.report.numbers import number, range_text, scaled, spread_text, three_digits

RATIO = (
    "A ratio is of nominal values; its range is the smallest and largest of three ratios: with "
    "both targets at the low ends of the component facts, at nominal, and both at the high ends. "
    "Targets share component facts, so one target's low is not set against another's high; "
    "the range is not a bound where their facts vary independently."
)
"""How the interval of a ratio is formed."""


def ratio(value: Range, base: Range) -> Range | None:
    """Return a ratio as ``RATIO`` says; none over zero."""
    if not all(base):
        return None
    low, nominal, high = (mine / other for mine, other in zip(value, base, strict=True))
    return Range(min(low, nominal, high), nominal, max(low, nominal, high))


def ratio_of(side: Side, first: Side | None, measure: Measure) -> Range | None:
    """Return a ratio to the first comparable side; none of a side that is not comparable."""
    if first is None or side.incomparable:
        return None
    return ratio(measure.of(side), measure.of(first))


def units(compared: SideBySide) -> dict[str, tuple[float, str]]:
    """Return by measure the factor and the unit that suit the largest nominal value."""
    return {
        measure.name: scaled(max(measure.of(side).nominal for side in compared.sides), measure.unit)
        for measure in MEASURES
    }


def columns(compared: SideBySide) -> tuple[str, ...]:
    """Return the heads of the table for readers."""
    pairs = ((f"{name} ({unit})", "ratio") for name, (_, unit) in units(compared).items())
    return (compared.subject, "readout priced", *(head for pair in pairs for head in pair), *_LAST)


_LAST = ("spikes per neuron and step", "accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """One target's cells of the table on a page, where a cell may have several lines."""

    target: str
    priced: str
    """The readout that is priced, in words."""
    cells: tuple[tuple[str, tuple[str, ...]], ...]
    """The head of each cell and its lines: the value, its interval, its ratio."""


def cards(compared: SideBySide) -> tuple[Costs, ...]:
    """Return the same numbers as ``rows``, a value and its ratio in one cell.

    Spikes have a table of their own on a page.
    """
    shown = units(compared)
    heads = (*(f"{name} ({unit})" for name, (_, unit) in shown.items()), "accuracy")
    pairs = zip(compared.sides, rows(compared), strict=True)
    return tuple(
        Costs(
            target=cells[0],
            priced=cells[1],
            cells=tuple(zip(heads, [*lines_of(cells[2:-2]), _accuracy(side)], strict=True)),
        )
        for side, cells in pairs
    )


def _accuracy(side: Side) -> tuple[str, ...]:
    if side.score is None:
        return (accuracy_text(side.accuracy, None) or "not known",)
    low, high = (f"{100 * end:.1f}" for end in side.score.interval)
    count = f"{side.score.right:,} of {side.score.of:,}"
    return (f"{100 * side.score.share:.1f} %", count, f"{low} .. {high}")


def lines_of(cells: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Put pairs of a value and its ratio on the lines of one cell each."""
    made = []
    for value, times in zip(cells[::2], cells[1::2], strict=True):
        nominal, _, interval = value.partition(" (")
        head, *rest = times.split(" ", 1)
        told = (
            nominal,
            f"({interval}" * bool(interval),
            " ".join([f"{head}×" * bool(head), *rest]),
        )
        made.append(tuple(line for line in told if line))
    return made


def rows(compared: SideBySide) -> list[tuple[str, ...]]:
    """Return the cells of the table for readers, three digits each, names not escaped."""
    shown = units(compared)
    return [_cells(side, compared.first, shown) for side in compared.sides]


def _cells(
    side: Side, first: Side | None, shown: Mapping[str, tuple[float, str]]
) -> tuple[str, ...]:
    cells = [printable(side.name), printable(side.priced)]
    for measure in MEASURES:
        value, factor = measure.of(side), shown[measure.name][0]
        times = ratio_of(side, first, measure)
        cells.append(range_text(value, factor))
        cells.append("" if times is None else range_text(times))
    return (*cells, spikes_text(side.firing), accuracy_text(side.accuracy, side.score))


def spikes_text(found: Firing | None) -> str:
    """Write the spikes per neuron and step, and why nothing compares with them, if so."""
    if found is None:
        return ""
    rate = "none counted" if found.rate is None else three_digits(found.rate)
    return "; ".join(filter(None, (rate, f"not comparable: {found.reason}" * found.dead)))


def accuracy_text(share: float | None, counted: Score | None) -> str:
    """Write an accuracy, with counts and interval where they are known."""
    if counted is not None:
        return str(counted)
    return "" if share is None else f"{number(100 * share)} %"


def layer_spikes(compared: SideBySide) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return heads and rows of the spikes per neuron and step of every layer, and over all."""
    known = [side for side in compared.sides if side.firing is not None and side.firing.layers]
    found = [side.firing for side in known if side.firing is not None]
    rates = [{layer.layer: one.rate_of(layer) for layer in one.layers} for one in found]
    layers = dict.fromkeys(name for one in rates for name in one)
    made = [
        (printable(name), *(three_digits(one[name]) if name in one else "" for one in rates))
        for name in layers
    ]
    total = ("all layers", *(three_digits(one.rate or 0.0) for one in found))
    return ("layer", *(printable(side.name) for side in known)), [*made, total] if known else []


PAIRED = ("right or wrong on the same samples", "difference (95 %)", "only one", "only other", "p")
"""Heads of ``paired``."""


def paired(compared: SideBySide) -> list[tuple[str, ...]]:
    """Return rows of how the answers of every two sides differ."""
    return [_pair(pair) for pair in compared.pairs]


def below(compared: SideBySide) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Return heads and rows of what stands below the costs: dies, averages of groups, and pairs."""
    dies = compared.dies
    held = [] if dies is None else [(dies.heads, dies.rows())]
    found = [*held, averages(compared), (PAIRED, paired(compared))]
    return [(heads, made) for heads, made in found if made]


def averages(compared: SideBySide) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return heads and rows of groups: mean and sample standard deviation, ratios of means."""
    shown = units(compared)
    heads = [f"{name} ({shown[name][1]})" for name in ("energy", "latency")]
    first = next((group for group in compared.groups if not group.incomparable), None)
    return ("group", "builds", heads[0], "ratio", heads[1], "ratio", "accuracy (%)"), [
        _average(group, first, shown) for group in compared.groups
    ]


def _average(
    group: Group, first: Group | None, shown: Mapping[str, tuple[float, str]]
) -> tuple[str, ...]:
    cells = [printable(group.name), f"{len(group.builds)} on {printable(group.target)}"]
    for name, mine, base in (
        ("energy", group.energy_pj, None if first is None else first.energy_pj),
        ("latency", group.latency_ns, None if first is None else first.latency_ns),
    ):
        cells.append(_spread(mine, shown[name][0]))
        dead = group.incomparable or base is None or not base.mean
        cells.append("" if dead or base is None else number(mine.mean / base.mean))
    cells.append("" if group.accuracy is None else _of_builds(group.accuracy, group.samples))
    why = f"; not comparable: {printable(group.incomparable)}" if group.incomparable else ""
    return (*cells[:-1], cells[-1] + why)


def _of_builds(found: Spread, samples: tuple[int, ...]) -> str:
    """Write mean and deviation over builds, and how many samples each of them answered."""
    text = _spread(found, 100.0)
    if not samples:
        return text
    least, most = min(samples), max(samples)
    each = many(most, "sample") if least == most else f"{least:,} to {most:,} samples"
    return f"{text} of {each}"


def _spread(found: Spread, factor: float) -> str:
    return spread_text(found.mean * factor, found.deviation * factor)


def _pair(pair: PairedSides) -> tuple[str, ...]:
    counts, (low, high) = pair.counts, (100 * end for end in pair.counts.interval)
    points = f"{100 * counts.difference:+.1f} points ({low:+.1f} .. {high:+.1f})"
    names = f"{printable(pair.target)} less {printable(pair.over)}, {many(counts.of, 'sample')}"
    return (names, points, str(counts.first_only), str(counts.second_only), f"{counts.p:.2g}")
