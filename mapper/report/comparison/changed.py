"""Sides with other columns a readout or other copies, as rows of cells."""

from collections.abc import Callable, Sequence

from mapper.cost import Range
from mapper.diagnostics import many, printable
from mapper.report.comparison.data import MEASURES, SideBySide
from mapper.report.comparison.designs import BEST, SAME, UNITS, Design, FrontPoint, Iso
from mapper.report.comparison.tables import Costs, lines_of, ratio
from mapper.report.numbers import nominal, number, range_text, scaled

Measured = tuple[str, str, Callable[[Design], Range]]
"""A cost of a design: its name, the unit it is in, and its value."""

COSTS: tuple[Measured, ...] = tuple((one.name, one.unit, one.of) for one in MEASURES)
"""Those of the usual rows: energy, latency, area."""

PACED: tuple[Measured, ...] = (
    ("energy", "pJ", lambda design: design.energy_pj),
    ("time per step", "ns", lambda design: design.step_ns),
    ("area", "um2", lambda design: design.area_um2),
)
"""Those of designs that are made equal: one of them is what is held."""

Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Heads of a table, and its rows."""


def equal_rows(compared: SideBySide) -> Rows:
    """Return heads and rows of the sides with equal columns a readout.

    Ratios are to the first of each number of columns.
    """
    designs = [design for equal in compared.equal_columns for design in equal.designs]
    heads, units = cost_heads(COSTS, designs)
    rows = [
        (
            str(equal.columns),
            printable(name_of(design)),
            *cost_cells(design, equal.designs[0], COSTS, units),
        )
        for equal in compared.equal_columns
        for design in equal.designs
    ]
    return ("columns a readout", compared.subject, *heads), rows


def equal_cards(compared: SideBySide) -> tuple[Costs, ...]:
    """Return the same rows as a page has them: a value and its ratio in one cell."""
    heads, rows = equal_rows(compared)
    designs = [design for equal in compared.equal_columns for design in equal.designs]
    return tuple(
        Costs(
            target=design.side,
            priced=f"{many(int(row[0]), 'column')} a readout{' (as compiled)' * design.compiled}",
            cells=tuple(zip(heads[2::2], lines_of(row[2:]), strict=True)),
        )
        for row, design in zip(rows, designs, strict=True)
    )


def iso_tables(compared: SideBySide) -> list[tuple[str, Rows]]:
    """Return the tables of what is held equal, with their titles; none where nothing is.

    Ratios are to the first side.
    """
    held = compared.iso
    if held is None:
        return []
    return [
        (iso_title(held), _iso_rows(compared, held.equal)),
        (BEST[held.kind], _iso_rows(compared, held.best)),
    ]


def iso_title(held: Iso) -> str:
    """Name what is held equal, and how much of it: ``The same area, by copies: 1.23 mm²``."""
    if held.kind == "mux":
        return f"{SAME[held.kind]}: {number(held.wanted)}, as {held.over} has"
    return f"{SAME[held.kind]}: {nominal(held.wanted, UNITS[held.kind])}, as {held.over} has"


def iso_told(compared: SideBySide) -> str:
    """Say in a note what the tables of ``iso_tables`` are, and where equality is not reached."""
    if compared.iso is None:
        return ""
    titles = "; then ".join(printable(title) for title, _ in iso_tables(compared))
    return f" Then {titles}. {' '.join(f'{printable(text)}.' for text in compared.iso.told)}"


def _iso_rows(compared: SideBySide, designs: Sequence[Design]) -> Rows:
    held = compared.iso
    assert held is not None
    heads, factors = cost_heads(PACED, designs)
    rows = [
        (
            printable(name_of(design)),
            *settings_of(design),
            gap_text(held, design),
            *cost_cells(design, designs[0], PACED, factors),
        )
        for design in designs
    ]
    return (compared.subject, *SETTINGS, "off", *heads), rows


SETTINGS = ("columns a readout", "copies", "positions a copy")
"""Heads of ``settings_of``."""


def settings_of(design: Design | FrontPoint) -> tuple[str, str, str]:
    """Write columns a readout, copies of the layer with most, and positions of one copy."""
    columns = " and ".join(map(str, design.columns)) or "none"
    positions = "as compiled" if design.positions is None else str(design.positions)
    return columns, str(design.copies), positions


def columns_told(design: Design | FrontPoint) -> str:
    """Write ``1 column a readout``, ``1 and 8 columns a readout``."""
    if len(design.columns) == 1:
        return f"{many(design.columns[0], 'column')} a readout"
    return f"{' and '.join(map(str, design.columns)) or 'no'} columns a readout"


def gap_text(held: Iso, design: Design) -> str:
    """Write by how much a design misses what is held equal: ``-0.65 %``, or ``equal``."""
    gap = held.reached(design) / held.wanted - 1
    return f"{100 * gap:+.2g} %" if gap else "equal"


def held_cards(compared: SideBySide) -> list[tuple[str, tuple[Costs, ...]]]:
    """Return what is held equal as a page has it: titles, and rows with a ratio in each cell."""
    held = compared.iso
    if held is None:
        return []
    tables = zip(iso_tables(compared), (held.equal, held.best), strict=True)
    return [(title, _held_cards(held, rows, designs)) for (title, rows), designs in tables]


def _held_cards(held: Iso, table: Rows, designs: Sequence[Design]) -> tuple[Costs, ...]:
    heads, rows = table
    first = 2 + len(SETTINGS)
    return tuple(
        Costs(
            target=design.side,
            priced=f"{columns_told(design)}, {many(design.copies, 'copy', 'copies')}"
            f"{' (as compiled)' * design.compiled}; {gap_text(held, design)}",
            cells=tuple(zip(heads[first::2], lines_of(row[first:]), strict=True)),
        )
        for design, row in zip(designs, rows, strict=True)
    )


SHOWN = 8
"""Points of a front that a text shows, of each side."""


def front_rows(compared: SideBySide, most: int | None = None) -> Rows:
    """Return the designs of each side that no other beats, smallest first; at most so many."""
    assert compared.iso is not None
    points = compared.iso.front
    sides = dict.fromkeys(point.side for point in points)
    shown = [p for side in sides for p in _spread([p for p in points if p.side == side], most)]
    largest = [max(values) for values in zip(*(point.costs for point in points), strict=True)]
    scales = [scaled(one, unit) for one, unit in zip(largest, ("pJ", "ns", "um2"), strict=True)]
    factors = [factor for factor, _ in scales]
    rows = [
        (
            printable(point.side),
            *settings_of(point),
            *(
                number(value * factor, 4)
                for value, factor in zip(point.costs, factors, strict=True)
            ),
        )
        for point in shown
    ]
    names = ("energy", "time per step", "area")
    heads = (f"{name} ({unit})" for name, (_, unit) in zip(names, scales, strict=True))
    return (compared.subject, *SETTINGS, *heads), rows


def _spread(points: Sequence[FrontPoint], most: int | None) -> list[FrontPoint]:
    """Return at most so many points, at equal distances in their order, with both ends."""
    if most is None or len(points) <= most:
        return list(points)
    return [points[round(place * (len(points) - 1) / (most - 1))] for place in range(most)]


def front_told(compared: SideBySide) -> str:
    """Say of how many designs the front is."""
    held = compared.iso
    if held is None:
        return ""
    sides = list(dict.fromkeys(point.side for point in held.front))
    counts = [sum(point.side == side for point in held.front) for side in sides]
    told = "; ".join(
        f"{printable(side)}: {count} of {swept:,}"
        for side, count, swept in zip(sides, counts, held.swept, strict=True)
    )
    return (
        "Pareto front of energy, time per step and area, of all pairs of columns a readout and "
        f"copies; nominal facts. {told}."
    )


def name_of(design: Design) -> str:
    """Name a side, and say whether it is as compiled, or has no readouts that columns share."""
    told = " (no columns share a readout)" if not design.columns else " (as compiled)"
    return f"{design.side}{told * (design.compiled or not design.columns)}"


def cost_heads(
    costs: Sequence[Measured], designs: Sequence[Design]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return a head for each cost and its ratio, and the factors to the units in the heads."""
    heads, factors = [], []
    for name, unit, of in costs:
        most = max((of(design).nominal for design in designs), default=0.0)
        factor, shown = scaled(most, unit)
        heads += [f"{name} ({shown})", "ratio"]
        factors.append(factor)
    return tuple(heads), tuple(factors)


def cost_cells(
    design: Design, first: Design, costs: Sequence[Measured], factors: Sequence[float]
) -> tuple[str, ...]:
    """Return the costs of a design and their ratios to those of another."""
    cells: list[str] = []
    for (_, _, of), factor in zip(costs, factors, strict=True):
        times = ratio(of(design), of(first))
        cells.append(range_text(of(design), factor))
        cells.append("" if times is None else range_text(times))
    return tuple(cells)
