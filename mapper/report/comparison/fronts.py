"""The designs of each side that no other beats, as points: area across, time per step upwards."""

from collections.abc import Sequence

from mapper.diagnostics import many, printable
from mapper.report.charts.base import Chart, Spec, Table, axis_title
from mapper.report.charts.themes import shaded, shaped
from mapper.report.comparison.changed import columns_told, front_rows, front_told
from mapper.report.comparison.data import SideBySide
from mapper.report.comparison.designs import Design, FrontPoint, Iso
from mapper.report.comparison.scatter import Scale, scale_of
from mapper.report.names import labels
from mapper.report.numbers import number, scaled

_HEIGHT = 320
_LONGEST_NAME = 36


def front_charts(compared: SideBySide) -> tuple[Chart, ...]:
    """Return the fronts of a comparison in which something is held equal; none of others."""
    held = compared.iso
    if held is None:
        return ()
    heads, rows = front_rows(compared)
    return (
        Chart(
            name="fronts",
            title="Columns and copies that no others beat",
            description=f"{front_told(compared)} Large marks are the best of each "
            f"{compared.subject}, as the table above has them. Down and left is better.",
            spec=_spec(held),
            table=Table(columns=heads, rows=tuple(rows)),
        ),
    )


def _spec(held: Iso) -> Spec:
    sides = tuple(dict.fromkeys(point.side for point in held.front))
    names = dict(zip(sides, labels(sides, _LONGEST_NAME), strict=True))
    points: list[tuple[FrontPoint | Design, float, float]] = [
        (point, point.area_um2, point.step_ns) for point in held.front
    ]
    best = [(one, one.area_um2.nominal, one.step_ns.nominal) for one in held.best]
    area, um2 = scaled(max(um2 for _, um2, _ in points), "um2")
    time, ns = scaled(max(step for _, _, step in points), "ns")
    x = scale_of([one[1] * area for one in points], axis_title("area", um2), "x")
    y = scale_of([one[2] * time for one in points], axis_title("time per step", ns), "y")

    def data(found: Sequence[tuple[FrontPoint | Design, float, float]]) -> Spec:
        return {
            "values": [
                {
                    "x": um * area,
                    "y": step * time,
                    "group": names[one.side],
                    "told": _told(one, um * area, um2, step * time, ns),
                }
                for one, um, step in found
            ]
        }

    return {
        "height": _HEIGHT,
        "layer": [
            _marks(data(points), x, y, list(names.values()), size=30),
            _marks(data(best), x, y, list(names.values()), size=220),
        ],
    }


def _marks(data: Spec, x: Scale, y: Scale, names: list[str], *, size: int) -> Spec:
    legend = {"title": None, "orient": "top"}
    return {
        "data": data,
        "mark": {"type": "point", "filled": size < 100, "size": size, "opacity": 1},
        "encoding": {
            "x": x.encoded(),
            "y": y.encoded(),
            "color": {
                "field": "group",
                "type": "nominal",
                "sort": None,
                "scale": shaded(names),
                "legend": legend,
            },
            "shape": {
                "field": "group",
                "type": "nominal",
                "sort": None,
                "scale": shaped(names),
                "legend": legend,
            },
            "tooltip": [{"field": "told", "title": "design"}],
            "description": {"field": "told", "type": "nominal"},
        },
    }


def _told(one: FrontPoint | Design, area: float, um2: str, time: float, ns: str) -> str:
    return (
        f"{printable(one.side)}, {columns_told(one)}, {many(one.copies, 'copy', 'copies')}: "
        f"{number(area, 4)} {um2}, {number(time, 4)} {ns} a step"
    )
