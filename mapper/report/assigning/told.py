"""What a search of readouts found, in words and as tables: for a terminal, a page and papers."""

from collections.abc import Iterator

from mapper.assigning import Assigned, Tried
from mapper.assigning.result import Step
from mapper.diagnostics import many
from mapper.report.charts.base import Table
from mapper.report.numbers import nominal as with_unit
from mapper.study.statistics import Difference


def answer_lines(answer: Assigned) -> Iterator[str]:
    """Say what was measured, on what, and which macro each layer gets."""
    held = len(answer.chosen.right)
    yield (
        f"{answer.network} on {answer.target}: {answer.tried} assignments were measured on "
        f"{many(answer.searched, 'recording')}, what follows is of {held} others"
    )
    picks = zip(answer.layers, answer.chosen.picks, strict=True)
    yield "assigned: " + ", ".join(f"{layer} {macro}" for layer, macro in picks)


def tables(answer: Assigned) -> Iterator[tuple[str, Table]]:
    """Yield the tables of an answer, with their titles."""
    yield "accuracy and cost", score_table(answer)
    yield "what each step bought", step_table(answer)
    yield (
        f"each layer alone, all others on the finest, on the {answer.searched} recordings",
        single_table(answer),
    )


def score_table(answer: Assigned) -> Table:
    """Write a row for the chosen, the best, and every macro for all layers."""
    uniform = ((f"all {name}", tried) for name, tried in answer.uniform.items())
    rows = (("chosen", answer.chosen), ("best", answer.best), *uniform)
    heads = ("assignment", "accuracy", "points to the best", "95 %", "energy", "latency", "area")
    return Table(columns=heads, rows=tuple(_row(name, tried, answer) for name, tried in rows))


def _row(name: str, tried: Tried, answer: Assigned) -> tuple[str, ...]:
    return (
        name,
        f"{100 * tried.accuracy:.1f} %",
        *points(tried.lost_to(answer.best)),
        with_unit(tried.energy_pj.nominal, "pJ"),
        with_unit(tried.latency_ns.nominal, "ns"),
        with_unit(tried.area_um2.nominal, "um2"),
    )


def step_table(answer: Assigned) -> Table:
    """Write a row a step: what it saved of what the finest takes, and what it lost."""
    heads = ("layer", "from", "to", "energy saved", "latency saved", "points", "95 %")
    return Table(columns=heads, rows=tuple(_step(step, answer) for step in answer.steps))


def _step(step: Step, answer: Assigned) -> tuple[str, ...]:
    one, other, whole = step.before, step.after, answer.finest
    return (
        answer.layers[step.place],
        *step.change,
        _share(one.energy_pj.nominal, other.energy_pj.nominal, whole.energy_pj.nominal),
        _share(one.latency_ns.nominal, other.latency_ns.nominal, whole.latency_ns.nominal),
        *points(step.lost),
    )


def single_table(answer: Assigned) -> Table:
    """Write a row for each layer and macro, all other layers on the finest."""
    heads = ("layer", "macro", "energy saved", "points", "95 %")
    return Table(columns=heads, rows=tuple(_singles(answer)))


def _singles(answer: Assigned) -> Iterator[tuple[str, ...]]:
    for single in answer.singles:
        if single.lost is None:
            yield single.layer, single.macro, single.tried.refused, "", ""
            continue
        best = single.finest.energy_pj.nominal
        yield (
            single.layer,
            single.macro,
            _share(best, single.tried.energy_pj.nominal, best),
            *points(single.lost),
        )


def _share(before: float, after: float, whole: float) -> str:
    """Say what is saved as a share of what the best readout takes."""
    return f"{100 * (before - after) / whole:.1f} %"


def points(found: Difference) -> tuple[str, str]:
    """Write a difference in points, and its 95 % interval; none where it has none."""
    ends = found.interval
    shown = "" if ends is None else f"{100 * ends[0]:+.1f} .. {100 * ends[1]:+.1f}"
    return f"{100 * found.mean:+.2f}", shown
