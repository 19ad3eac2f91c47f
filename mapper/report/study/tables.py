"""Tables of studies: cells in words for pages and papers, and lines of numbers for programs."""

from collections.abc import Iterable, Mapping, Sequence

from mapper.proportions import Score
from mapper.report.charts.base import Table
from mapper.report.markup import (
    csv_name,
    csv_table,
    latex,
    latex_table,
    markdown,
    markdown_table,
)
from mapper.report.numbers import interval_text, number, percent
from mapper.report.study.effects import Effect
from mapper.report.study.quantity import Quantity
from mapper.study.statistics import LOW, Distribution, Reach, Swept, Tolerance


def distribution_table(
    found: Mapping[str, Distribution],
    quantity: Quantity,
    *,
    label: str,
    bound: float | None = None,
) -> Table:
    """Write a row for each distribution, by its name; yields where a bound is given."""
    unit = f" ({quantity.unit})" * bool(quantity.unit)
    heads = (label, quantity.runs, f"{quantity.name}{unit}", "5th percentile", "median", "least")
    good = () if bound is None else (f"at {quantity.text(bound)} or more",)
    return Table(
        columns=(*heads, *good),
        rows=tuple(
            (
                name,
                f"{len(one.values):,}",
                quantity.spread(one),
                *map(quantity.digits, (one.quantile(LOW), one.quantile(0.5), one.values[0])),
                *(() if bound is None else (_yield(one.reaching(bound)),)),
            )
            for name, one in found.items()
        ),
    )


def sweep_table(swept: Swept, quantity: Quantity, bound: float | None = None) -> Table:
    """Write a row for each value of a sweep."""
    by_value = {number(value, 4): found for value, found in swept.points}
    return distribution_table(by_value, quantity, label=swept.name, bound=bound)


def _yield(found: Score) -> str:
    low, high = found.interval
    return f"{percent(found.share)} ({100 * low:.1f} .. {100 * high:.1f})"


def tolerance_table(found: Sequence[Tolerance], quantity: Quantity) -> Table:
    """Write what each setting may reach: from the shares themselves, and from their low ends."""
    return Table(
        columns=("setting", f"{quantity.runs} at or above", "share asked for", "reach", "sure"),
        rows=tuple(
            (
                one.name,
                quantity.text(one.bound),
                percent(one.share),
                str(one.reach),
                str(one.sure),
            )
            for one in found
        ),
    )


SURE = (
    "The reach is where the share of good runs falls below what is asked for, along a line between "
    "swept values; sure is where the low end of its 95 % interval (Wilson) does."
)
"""What the columns of ``tolerance_table`` are."""


def effect_table(effects: Sequence[Effect], quantity: Quantity, *, label: str, what: str) -> Table:
    """Write a row for each change: its mean and 95 % interval."""
    grouped = any(effect.group for effect in effects)
    rows = []
    for effect in effects:
        low, mean, high = effect.shown(quantity)
        told = interval_text(low, mean, high, "")
        cells = (effect.group,) if grouped else ()
        rows.append((effect.label, *cells, told, f"{effect.difference.of:,}"))
    heads = (
        label,
        *(("how",) if grouped else ()),
        f"{what} ({quantity.step_unit}, 95 %)",
        quantity.runs,
    )
    return Table(columns=heads, rows=tuple(rows))


# --- for programs ------------------------------------------------------------------------------


def distributions_as_csv(
    found: Mapping[tuple[str, ...], Distribution],
    labels: tuple[str, ...],
    *,
    bound: float | None = None,
) -> str:
    """Write a line for each distribution, values as they are kept, in full.

    Args:
        found: Distributions by what they are of, a text for each of ``labels``.
        labels: Heads of those.
        bound: From which value on a run is good; None leaves the columns of the yield empty.
    """
    known = ("of", "mean", "deviation", "least", "p5", "median", "p95", "greatest")
    heads = (*labels, *known, "required", "yield", "yield_low", "yield_high")
    lines = []
    for names, one in found.items():
        held = one.as_dict()
        cells: list[object] = [*map(csv_name, names)]
        cells += ["" if held[key] is None else held[key] for key in known]
        score = None if bound is None else one.reaching(bound)
        cells += [""] * 4 if score is None else [bound, score.share, *score.interval]
        lines.append(cells)
    return csv_table(heads, lines)


def effects_as_csv(effects: Sequence[Effect], label: str) -> str:
    """Write a line for each change: mean, 95 % interval, sample standard deviation and pairs."""
    heads = (label, "how", "difference", "low", "high", "deviation", "of")
    lines = []
    for effect in effects:
        found = effect.difference
        ends: Sequence[object] = found.interval or ("", "")
        spread = "" if found.deviation is None else found.deviation
        name = csv_name(effect.label)
        lines.append([name, effect.group, found.mean, *ends, spread, found.of])
    return csv_table(heads, lines)


def tolerances_as_csv(found: Sequence[Tolerance]) -> str:
    """Write a line for each tolerance."""
    heads = ("setting", "required", "share", "reach", "value", "sure_reach", "sure_value")
    lines = []
    for one in found:
        cells = [one.bound, one.share, one.reach.kind, _cell(one.reach)]
        lines.append([csv_name(one.name), *cells, one.sure.kind, _cell(one.sure)])
    return csv_table(heads, lines)


def _cell(reach: Reach) -> object:
    return "" if reach.value is None else reach.value


def as_markdown(tables: Iterable[Table], note: str) -> str:
    """Write tables below each other, and what has to be known of them."""
    made = (markdown_table(held.columns, held.rows) for held in tables)
    return "\n\n".join((*made, markdown(note))) + "\n"


def as_latex(tables: Iterable[Table], note: str) -> str:
    """Write tables as tabulars, behind a comment that says what has to be known of them."""
    tabulars = "\n".join(latex_table(held.columns, held.rows) for held in tables)
    return f"% {latex(note)}\n% Needs \\usepackage{{booktabs}}.\n{tabulars}"
