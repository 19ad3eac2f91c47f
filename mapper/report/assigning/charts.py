"""Charts of a search of readouts: what each step bought, and each layer alone."""

from collections.abc import Iterator

from mapper.assigning import Assigned, Tried
from mapper.cost.result import Range
from mapper.diagnostics import printable
from mapper.report.assigning.told import score_table, single_table, step_table
from mapper.report.charts.base import Bar, Chart, in_unit, interval_bars, marks_in_words
from mapper.study.statistics import Difference

_UNITS = {"energy": "pJ", "latency": "ns", "area": "um2"}


def assigning_charts(answer: Assigned) -> tuple[Chart, ...]:
    """Return every chart, in the order of the page."""
    return (_costs(answer), _accuracies(answer), *_alone(answer))


def _stops(answer: Assigned) -> list[tuple[str, Tried]]:
    """Return the way from the finest readout everywhere, a step after the other, by name."""
    found = [(f"all {printable(answer.finest.picks[0])}", answer.finest)]
    for number, step in enumerate(answer.steps, 1):
        layer, (_, macro) = printable(answer.layers[step.place]), step.change
        found.append((f"{number} {layer}: {printable(macro)}", step.after))
    return found


def _costs(answer: Assigned) -> Chart:
    unit = _UNITS[answer.by]
    bars = [_cost(name, tried.goal(answer.by)) for name, tried in _stops(answer)]
    shown, unit = in_unit(bars, unit)
    notes = {name: f"{100 * tried.accuracy:.1f} %" for name, tried in _stops(answer)}
    return Chart(
        name="steps",
        title=f"What each step bought: {answer.by}",
        description=f"From the finest readout for all layers on, one layer changes in each step; "
        f"right of it stands the accuracy then. {marks_in_words(shown)} "
        "Facts move all of them together.",
        spec=interval_bars(shown, unit=unit, what=answer.by, notes=notes),
        table=step_table(answer),
    )


def _cost(name: str, held: Range) -> Bar:
    return Bar(label=name, low=held.low, nominal=held.nominal, high=held.high)


def _accuracies(answer: Assigned) -> Chart:
    rows = [
        *_stops(answer)[1:],
        *((f"all {printable(name)}", tried) for name, tried in answer.uniform.items()),
    ]
    bars = [
        _lost(name, tried.lost_to(answer.best))
        for name, tried in dict(rows).items()
        if not tried.refused
    ]
    return Chart(
        name="accuracy",
        title="Accuracy to the best assignment",
        description="Percentage points below 0 are lost, recording by recording; a line goes over "
        "the 95 % interval. Steps come first, then every macro for all layers.",
        spec=interval_bars(bars, unit="points", what="accuracy", linear=True),
        table=score_table(answer),
    )


def _alone(answer: Assigned) -> Iterator[Chart]:
    bars = [
        _lost(printable(single.layer), single.lost, printable(single.macro))
        for single in answer.singles
        if single.lost is not None
    ]
    if bars:
        yield Chart(
            name="alone",
            title="Each layer alone",
            description="One layer has another macro, all others the finest readout: what that "
            "loses of accuracy where the search was made, with its 95 % interval.",
            spec=interval_bars(bars, unit="points", what="accuracy", linear=True),
            table=single_table(answer),
        )


def _lost(name: str, found: Difference, group: str = "") -> Bar:
    low, high = found.interval or (found.mean, found.mean)
    return Bar(label=name, low=100 * low, nominal=100 * found.mean, high=100 * high, group=group)
