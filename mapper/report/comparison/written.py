"""A comparison of targets as text: CSV for programs, Markdown and LaTeX for papers.

Names may come from files of others: each language escapes them in its own way.
"""

from collections.abc import Iterator
from itertools import chain

from mapper.cost import Range
from mapper.diagnostics import printable
from mapper.report.comparison.changed import Measured, equal_rows, iso_tables, iso_told
from mapper.report.comparison.data import MEASURES, Group, PairedSides, Side, SideBySide
from mapper.report.comparison.designs import COLUMNS_TOLD, Design, FrontPoint
from mapper.report.comparison.rates import RATES_TOLD, pair_told
from mapper.report.comparison.tables import RATIO, below, columns, ratio, ratio_of, rows
from mapper.report.markup import (
    csv_name,
    csv_table,
    latex,
    latex_table,
    markdown,
    markdown_table,
)


def as_csv(compared: SideBySide) -> str:
    """Write one line a target, numbers in full; a name like a formula is made text."""
    heads: list[str] = [compared.subject]
    for measure in MEASURES:
        unit = f"{measure.name}_{measure.unit}"
        heads += [unit, f"{unit}_low", f"{unit}_high"]
        heads += [f"{measure.name}_ratio{end}" for end in ("", "_low", "_high")]
    builds = compared.subject == "build"
    heads += ["accuracy", *(("target", "model", "verified") if builds else ())]
    heads += [*_COUNTED, "comparable", "incomparable_because", "readout_priced"]
    return csv_table(heads, (_side(side, compared.first) for side in compared.sides))


def _side(side: Side, first: Side | None) -> list[object]:
    cells: list[object] = [csv_name(side.name)]
    for measure in MEASURES:
        cells += _ends(measure.of(side)) + _ends(ratio_of(side, first, measure))
    cells.append("" if side.accuracy is None else side.accuracy)
    if side.built is not None:
        cells += [csv_name(side.target), csv_name(side.built.model), side.built.verdict.short]
    right, why = side.score, side.incomparable
    counts = [""] * 4 if right is None else [right.right, right.of, *right.interval]
    rate = None if side.firing is None else side.firing.rate
    cells += [*counts, "" if rate is None else rate]
    return [*cells, "no" if why else "yes", csv_name(why), csv_name(side.priced)]


_COUNTED = ("accuracy_right", "accuracy_of", "accuracy_low", "accuracy_high", "spike_rate")
"""Heads of what is counted in runs: right answers, all, their 95 % interval, and spikes."""


def groups_as_csv(compared: SideBySide) -> str:
    """Write one line a group: means, sample standard deviations, of how many builds and samples.

    Accuracies are 0..1. ``accuracy_of`` has the samples that each build answered, with spaces
    between; there are no lines but the heads where no groups were asked for.
    """
    heads = ["group", "target", "builds", "build_names"]
    for name in ("accuracy", "energy_pJ", "latency_ns"):
        heads += [f"{name}_mean", f"{name}_deviation"]
    heads += ["accuracy_of", "comparable", "incomparable_because"]
    return csv_table(heads, map(_group, compared.groups))


def _group(group: Group) -> list[object]:
    cells: list[object] = [csv_name(group.name), csv_name(group.target), len(group.builds)]
    cells.append(csv_name("; ".join(group.builds)))
    for found in (group.accuracy, group.energy_pj, group.latency_ns):
        cells += ["", ""] if found is None else [found.mean, found.deviation]
    why = group.incomparable
    return [*cells, " ".join(map(str, group.samples)), "no" if why else "yes", csv_name(why)]


def pairs_as_csv(compared: SideBySide) -> str:
    """Write one line for every two sides that answered the same samples.

    The difference is the accuracy of the first column's less that of the second's, -1..1; there
    are no lines but the heads where nothing was recorded with labels.
    """
    heads = [compared.subject, "over", "of", "both_right", "only_first_right"]
    heads += ["only_second_right", "neither_right", "difference"]
    heads += ["difference_low", "difference_high", "p"]
    return csv_table(heads, map(_pair, compared.pairs))


def _pair(pair: PairedSides) -> list[object]:
    found = pair.counts
    answers = [found.of, found.both, found.first_only, found.second_only, found.neither]
    share = [found.difference, *found.interval, found.p]
    return [csv_name(pair.target), csv_name(pair.over), *answers, *share]


_DESIGN_COSTS: tuple[Measured, ...] = (
    ("energy", "pJ", lambda design: design.energy_pj),
    ("latency", "ns", lambda design: design.latency_ns),
    ("step", "ns", lambda design: design.step_ns),
    ("area", "um2", lambda design: design.area_um2),
)
"""Costs of a design, as the heads of a CSV name them."""


def designs_as_csv(compared: SideBySide) -> str:
    """Write one line a design of other columns or copies: equal columns, what is held equal, front.

    ``set`` says which it is of: ``equal-columns``; ``equal`` or ``best`` under what ``held`` names
    and ``wanted`` has; ``front``. Ratios are to the first of its set, of equal columns to the first
    of their number; a front has nominal costs alone.
    """
    heads = ["set", "held", "wanted", "reached", compared.subject, "columns_per_readout"]
    heads += ["copies", "positions", "as_compiled"]
    for name, unit, _ in _DESIGN_COSTS:
        ends = ("", "_low", "_high")
        heads += [f"{name}_{unit}{end}" for end in ends] + [f"{name}_ratio{end}" for end in ends]
    return csv_table(heads, _designs(compared))


def _designs(compared: SideBySide) -> Iterator[list[object]]:
    for equal in compared.equal_columns:
        for design in equal.designs:
            held = ["equal-columns", "mux", equal.columns, equal.columns]
            yield [*held, *_design(design, equal.designs[0])]
    held_equal = compared.iso
    if held_equal is None:
        return
    kind, wanted = held_equal.kind, held_equal.wanted
    for name, designs in (("equal", held_equal.equal), ("best", held_equal.best)):
        for design in designs:
            yield [name, kind, wanted, held_equal.reached(design), *_design(design, designs[0])]
    for point in held_equal.front:
        costs = dict(zip(("energy", "step", "area"), point.costs, strict=True))
        cells = [[costs.get(name, ""), *[""] * 5] for name, _, _ in _DESIGN_COSTS]
        yield ["front", "", "", "", *_settings(point), "", *chain.from_iterable(cells)]


def _design(design: Design, first: Design) -> list[object]:
    cells: list[object] = [*_settings(design), "yes" if design.compiled else "no"]
    for _, _, of in _DESIGN_COSTS:
        cells += _ends(of(design)) + _ends(ratio(of(design), of(first)))
    return cells


def _settings(design: Design | FrontPoint) -> list[object]:
    columns = " ".join(map(str, design.columns))
    positions = "" if design.positions is None else design.positions
    return [csv_name(design.side), columns, design.copies, positions]


def _ends(value: Range | None) -> list[object]:
    return [""] * 3 if value is None else [value.nominal, value.low, value.high]


_Cells = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Heads of a table, and its rows."""


def as_markdown(compared: SideBySide) -> str:
    """Write a pipe table with what its numbers are below it."""
    tables = (markdown_table(*table) for table in _tables(compared))
    return "\n\n".join((*tables, markdown(_note(compared)))) + "\n"


def _tables(compared: SideBySide) -> list[_Cells]:
    """Return heads and cells of every table for papers, the costs first."""
    equal = [equal_rows(compared)] if compared.equal_columns else []
    held = [table for _, table in iso_tables(compared)]
    return [_with_verdicts(compared), *equal, *held, *below(compared)]


def _with_verdicts(compared: SideBySide) -> _Cells:
    """Return heads and cells of a table for papers; of builds, verified or not as well."""
    heads, cells = columns(compared), rows(compared)
    verdicts = [side.built.verdict.short for side in compared.sides if side.built is not None]
    if not verdicts:
        return heads, cells
    return (*heads, "verified"), [(*c, v) for c, v in zip(cells, verdicts, strict=True)]


def as_latex(compared: SideBySide) -> str:
    """Write ``tabular``s for the package booktabs, a note as a comment above them.

    Below that of the costs, equal columns a readout, averages of groups and paired differences
    have one each.
    """
    tabulars = "\n".join(latex_table(*table) for table in _tables(compared))
    return f"% {latex(_note(compared))}\n% Needs \\usepackage{{booktabs}}.\n{tabulars}"


def _note(compared: SideBySide) -> str:
    return (
        f"{printable(compared.network)}; activity: {compared.activity}; "
        f"preset: {printable(compared.preset)}. Ranges from the low to the high end of component "
        f"facts. {compared.base} {RATIO}{_dead(compared)} Intervals of accuracy: 95 %, Wilson."
        f"{_EQUAL if compared.equal_columns else ''}"
        f"{iso_told(compared)}{_rates(compared)}"
        f"{_dies(compared)}"
        f"{_GROUPED if compared.groups else ''}{_PAIRED if compared.pairs else ''}"
    )


_EQUAL = f" With equal columns a readout, ratios are to the first row of each. {COLUMNS_TOLD}"
_GROUPED = " Of groups: mean ± sample standard deviation over builds, ratios of means."
_PAIRED = (
    " Answers to the same samples: the difference of accuracies with its 95 % interval (Newcombe "
    "1998, paired, method 10), and p of McNemar's exact test."
)


def _dies(compared: SideBySide) -> str:
    held = compared.dies
    if held is None:
        return ""
    told = (held.note, *held.told(), *held.warnings)
    return "".join(f" {printable(text)}." for text in told)


def _rates(compared: SideBySide) -> str:
    found = compared.frame_rates
    told = [] if found is None else [f"{pair_told(pair)}." for pair in found.pairs]
    return f" {RATES_TOLD} {' '.join(told)}" if told else ""


def _dead(compared: SideBySide) -> str:
    dead = [side for side in compared.sides if side.incomparable]
    told = "; ".join(f"{printable(side.name)} ({side.incomparable})" for side in dead)
    return f" Not comparable: {told}." if told else ""
