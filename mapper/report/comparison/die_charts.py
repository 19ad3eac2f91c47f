"""Charts of dies side by side: how right those of each side are."""

from mapper.diagnostics import many, printable
from mapper.report.charts.base import Bar, Chart, bar_table, interval_bars
from mapper.report.comparison.data import SideBySide
from mapper.report.comparison.dies import SideDies
from mapper.report.names import labels
from mapper.report.numbers import number
from mapper.study.statistics import HIGH, LOW


def die_charts(compared: SideBySide) -> tuple[Chart, ...]:
    """Return what is measured of the dies of each side, beside its ideal chip; none without dies.

    A bar is the mean over dies, or what the ideal chip has. Its line goes from the 5th to the 95th
    percentile of dies, and of the ideal chip over the 95 % interval of its samples.
    """
    held = compared.dies
    if held is None:
        return ()
    names = labels(side.name for side in held.sides)
    bars = [bar for name, side in zip(names, held.sides, strict=True) for bar in _bars(name, side)]
    measured, dies = held.sides[0].measured, many(len(held.sides[0].values), "die")
    devices = "; ".join(dict.fromkeys(printable(side.device) for side in held.sides))
    asked = "" if held.require is None else f" Required of a die: {number(100 * held.require)} %."
    return (
        Chart(
            name="dies",
            title=f"{measured.capitalize()} of dies of each {compared.subject}",
            description=f"Of {dies} ({devices}) the mean, with a line from their 5th to their 95th "
            f"percentile; of the ideal chip its share of samples, with the 95 % interval (Wilson)."
            f"{asked}",
            spec=interval_bars(bars, unit="%", what=measured, end=100),
            table=bar_table(bars, unit="%", label=compared.subject, group="of"),
        ),
    )


def _bars(name: str, side: SideDies) -> tuple[Bar, Bar]:
    found, (low, high) = side.found, side.ideal.interval
    return (
        Bar(
            label=name,
            low=100 * found.quantile(LOW),
            nominal=100 * found.mean,
            high=100 * found.quantile(HIGH),
            group="dies",
        ),
        Bar(
            label=name,
            low=100 * low,
            nominal=100 * side.ideal.share,
            high=100 * high,
            group="ideal chip",
        ),
    )
