"""Energy of an inference against how often one comes, and where two designs take the same.

Between two inferences whole chips leak (``mapper.cost.realtime``), so the energy of one inference
is piecewise linear in the time from one to the next: with the whole leakage while the chip
computes, and with the share that idle gating leaves after that. Where two such lines meet is
solved in closed form, piece by piece.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from mapper.cost.adders import as_added
from mapper.cost.area import areas
from mapper.cost.arith import total
from mapper.cost.energy import leakage_uw
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.layer_counts import Counts
from mapper.cost.realtime import whole_area
from mapper.cost.result import Cost
from targets import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A design at one end of its facts: what an inference takes, and what leaks between two."""

    dynamic_pj: float
    """All of an inference but leakage."""
    leakage_uw: float
    """Of all its chips, empty crossbars too."""
    idle_leakage: float
    """Share of it that stays while the chip waits, 0..1."""
    interval_ns: float
    """Inferences do not come faster."""
    latency_ns: float
    """For which the chip computes."""

    def energy_pj(self, period_ns: float) -> float:
        """Return the energy of an inference, one every ``period_ns``; ``interval_ns`` or more."""
        busy = min(self.latency_ns, period_ns)
        leaks_ns = busy + self.idle_leakage * (period_ns - busy)
        return self.dynamic_pj + self.leakage_uw * leaks_ns * 1e-3  # uW ns = 0.001 pJ

    def slope(self, period_ns: float) -> float:
        """Return pJ that an inference takes more for each ns later than ``period_ns``."""
        share = 1.0 if period_ns < self.latency_ns else self.idle_leakage
        return self.leakage_uw * share * 1e-3


Lines = tuple[Line, Line, Line]
"""At the low, the nominal and the high end of the facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Which of two lines is lower, at every time between inferences that both keep."""

    from_ns: float
    """The shortest such time."""
    crossings_ns: tuple[float, ...]
    """Where the lower line changes, rising."""
    lower: tuple[int, ...]
    """Which is lower before, between and after the crossings, one more than these: 0 or 1, or
    ``EQUAL``."""


def lines_of(counts: Counts, cost: Cost, preset: Preset) -> Lines:
    """Return the lines of a mapping whose ``cost`` was priced under ``preset``."""
    chip = chip_of(counts.target, preset, counts.layers)
    layers = as_added(counts.layers, chip)
    dynamic = [parts for action, parts in cost.energy_pj.items() if action != "leakage"]

    def line(end: int) -> Line:
        facts = corners[end]
        occupied = areas(layers, chip, facts, cost.steps)
        return Line(
            dynamic_pj=total(part[end] for part in dynamic),
            leakage_uw=leakage_uw(whole_area(layers, chip, facts, occupied), facts),
            idle_leakage=chip.idle_leakage,
            interval_ns=cost.latency_ns["inference_interval"][end],
            latency_ns=cost.latency_ns["inference_pipelined"][end],
        )

    corners = corners_of(counts.target, preset)
    return line(0), line(1), line(2)


def meet(one: Line, other: Line) -> Meeting:
    """Find where the lower of two lines changes.

    >>> low = Line(dynamic_pj=10, leakage_uw=3e3, idle_leakage=1, interval_ns=2, latency_ns=4)
    >>> high = Line(dynamic_pj=30, leakage_uw=1e3, idle_leakage=1, interval_ns=3, latency_ns=4)
    >>> meet(low, high)  # 10 + 3 t = 30 + t where t = 10
    Meeting(from_ns=3, crossings_ns=(10.0,), lower=(0, 1))
    """
    first = max(one.interval_ns, other.interval_ns)
    later = {ns for ns in (one.latency_ns, other.latency_ns) if ns > first}
    crossings: list[float] = []
    lower = [_lower(one, other, first)]
    for start, stop in pairwise([first, *sorted(later), inf]):
        then = _lower(one, other, stop) if stop < inf else _in_the_end(one, other, start)
        if then in (EQUAL, lower[-1]):
            continue  # lines that touch at the end of a piece cross, if at all, in the next
        if lower[-1] == EQUAL and start == first:
            lower[-1] = then
            continue
        crossings.append(_crossing(one, other, start))
        lower.append(then)
    return Meeting(from_ns=first, crossings_ns=tuple(crossings), lower=tuple(lower))


EQUAL = -1


def _lower(one: Line, other: Line, period_ns: float) -> int:
    mine, theirs = one.energy_pj(period_ns), other.energy_pj(period_ns)
    return EQUAL if mine == theirs else int(mine > theirs)


def _in_the_end(one: Line, other: Line, start: float) -> int:
    """Say which line is lower at the far end of the last piece, which starts at ``start``."""
    mine, theirs = one.slope(start), other.slope(start)
    return _lower(one, other, start) if mine == theirs else int(mine > theirs)


def _crossing(one: Line, other: Line, start: float) -> float:
    """Return where two lines cross that are straight from ``start`` on."""
    apart = other.energy_pj(start) - one.energy_pj(start)
    return start + apart / (one.slope(start) - other.slope(start))


def rates(meeting: Meeting) -> Iterator[tuple[int, float, float]]:
    """Yield which line is lower and the times between inferences from and to which it is."""
    ends = (meeting.from_ns, *meeting.crossings_ns, inf)
    for lower, (start, stop) in zip(meeting.lower, pairwise(ends), strict=True):
        yield lower, start, stop
