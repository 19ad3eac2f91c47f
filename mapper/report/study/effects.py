"""What each of several changes does to a quantity, on the same runs with it and without: bars."""

from collections.abc import Sequence
from dataclasses import dataclass

from mapper.report.charts.base import Bar, Chart, bar_table, interval_bars
from mapper.report.study.quantity import Quantity
from mapper.study.statistics import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One change, such as an imperfection that is switched on, or a layer that is left ideal."""

    label: str
    """Of the imperfection or the layer."""
    difference: Difference
    group: str = ""
    """How it was changed, such as ``alone`` or ``all but this``; labels may have one of each."""

    def shown(self, quantity: Quantity) -> tuple[float, float, float]:
        """Return low end, mean and high end in the unit of a quantity; of one pair its mean."""
        mean = self.difference.mean
        low, high = self.difference.interval or (mean, mean)
        return quantity.shown(low), quantity.shown(mean), quantity.shown(high)


def effect_chart(
    effects: Sequence[Effect],
    quantity: Quantity,
    *,
    name: str,
    title: str,
    told: str,
    what: str,
    label: str,
) -> Chart:
    """Draw a bar for each change with the 95 % interval of its mean, in the order given.

    Args:
        effects: The changes; at least one.
        quantity: What they change. Differences of percent are points.
        name: Of the chart.
        title: Of the chart.
        told: What a bar is, as a sentence.
        what: What the axis shows, such as ``accuracy lost``.
        label: What labels are, such as ``imperfection`` or ``layer``.
    """
    unit = quantity.step_unit
    bars = [_bar(effect, quantity) for effect in effects]
    counts = sorted({effect.difference.of for effect in effects})
    runs = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
    grouped = any(bar.group for bar in bars)
    return Chart(
        name=name,
        title=title,
        description=f"{told} Means over {runs} {quantity.runs}, each compared with itself; a line "
        "is the 95 % interval of the mean (Student's t).",
        spec=interval_bars(bars, unit=unit, what=what, linear=True),
        table=bar_table(bars, unit=unit, label=label, group="how" if grouped else ""),
    )


def _bar(effect: Effect, quantity: Quantity) -> Bar:
    low, mean, high = effect.shown(quantity)
    return Bar(label=effect.label, low=low, nominal=mean, high=high, group=effect.group)
