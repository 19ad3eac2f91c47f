"""The table of layers: what each cell shows, and the number behind it that sorting and CSV take."""

from dataclasses import dataclass

from mapper.cost import Range
from mapper.report.data import LayerRow, Report
from mapper.report.names import labels
from mapper.report.numbers import amount, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    label: str
    key: str
    """Its name in the CSV file, with its unit."""
    number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell; ``low`` and ``high`` where it is an interval."""

    shown: str
    value: str
    low: str = ""
    high: str = ""


COLUMNS = (
    Column(label="layer", key="layer", number=False),
    Column(label="crossbars", key="crossbars"),
    Column(label="energy", key="energy_pj"),
    Column(label="of all energy", key="energy_share"),
    Column(label="time step", key="step_ns"),
    Column(label="of the pace", key="step_share"),
    Column(label="area", key="area_um2"),
    Column(label="of all area", key="area_share"),
    Column(label="macro", key="macro", number=False),
    Column(label="readout", key="readout", number=False),
    Column(label="wordlines", key="wordlines"),
    Column(label="outputs", key="outputs"),
    Column(label="positions", key="positions"),
    Column(label="row blocks", key="row_blocks"),
    Column(label="column blocks", key="column_blocks"),
    Column(label="weight bits", key="weight_bits"),
    Column(label="groups on each", key="packed"),
    Column(label="slices", key="slices"),
    Column(label="copies", key="copies"),
    Column(label="rows used", key="rows_used"),
    Column(label="columns used", key="columns_used"),
    Column(label="cells used", key="cells_used"),
    Column(label="chip", key="chips", number=False),
    Column(label="stage", key="stage"),
)


def layer_table(report: Report) -> tuple[tuple[Cell, ...], ...]:
    """Return a row of cells for every layer on crossbars, by ``COLUMNS``."""
    names = labels(row.name for row in report.layers)
    pace = max((layer.step_ns.nominal for layer in report.cost.layers), default=0.0)
    return tuple(
        _row(row, name, report, pace) for row, name in zip(report.layers, names, strict=True)
    )


def _row(row: LayerRow, name: str, report: Report, pace: float) -> tuple[Cell, ...]:
    cost = report.cost
    return (
        _text(name),
        _count(row.crossbars),
        _interval(row.energy_pj, "pJ"),
        _share(_part(row.energy_pj, cost.total_pj.nominal)),
        _interval(row.step_ns, "ns"),
        _share(_part(row.step_ns, pace)),
        _interval(row.area_um2, "um2"),
        _share(_part(row.area_um2, cost.total_um2.nominal)),
        _text(row.macro),
        _text(row.readout),
        *map(_count, (row.wordlines, row.outputs, row.positions)),
        *map(_count, (row.row_blocks, row.column_blocks, row.weight_bits, row.packed)),
        *map(_count, (row.slices, row.copies)),
        *map(_share, (row.rows_used, row.columns_used, row.utilisation)),
        _text(row.chips),
        _count(row.stage),
    )


def _part(value: Range, whole: float) -> float:
    return value.nominal / whole if whole else 0.0


def _text(held: str) -> Cell:
    return Cell(shown=held, value=held)


def _count(number: int) -> Cell:
    return Cell(shown=f"{number:,}", value=str(number))


def _share(share: float) -> Cell:
    return Cell(shown=percent(share), value=f"{share:.6g}")


def _interval(value: Range, unit: str) -> Cell:
    low, nominal, high = (f"{end:.6g}" for end in value)
    return Cell(shown=amount(value, unit), value=nominal, low=low, high=high)
