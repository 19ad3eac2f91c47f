"""What counts of spikes cost, read in bit planes and in binary steps."""

from mapper.cost import Cost, count_actions, price
from mapper.cost.counts_read import CountsRead, counts_read, read_in
from mapper.cost.estimate import DENSITY
from mapper.diagnostics import many
from mapper.report.answer import Answer
from mapper.report.data import Report
from mapper.report.numbers import nominal, percent


def steps_answer(report: Report) -> tuple[Answer, ...]:
    """Say what both ways of reading counts take; nothing where no layer reads any."""
    found = counts_read(report.graph, report.target)
    if not found:
        return ()
    planes, steps = (way_cost(report, steps=way) for way in (False, True))
    now = "in binary steps" if all(one.in_steps for one in found) else "in bit planes"
    now = now if len({one.in_steps for one in found}) == 1 else "in bit planes or in steps"
    reads = (sum(one.planes for one in found), sum(one.steps for one in found))
    text = (
        f"{many(len(found), 'layer')} of this mapping {'reads' if len(found) == 1 else 'read'} "
        f"counts of spikes, {now}. In bit planes an output position of each takes "
        f"{many(reads[0], 'read')} in all, in binary steps {reads[1]}: {_priced(planes, steps)}"
    )
    return (
        Answer(
            question="Should counts of spikes be read in binary steps?",
            text=text,
            reasons=(*map(_layer, found), f"{_assumed(report)} Measured, with recordings:"),
            links=(("table of layers", "layers"),),
            command=f"spikeloom compare MODEL --targets {report.target.name} --spread-steps "
            "--input recordings.npz",
        ),
    )


def way_cost(report: Report, *, steps: bool) -> Cost:
    """Return the cost of the same mapping, all counts read one way, at a density of input bits."""
    graph = read_in(report.graph, report.target, steps=steps)
    counts = count_actions(graph, report.target, report.counts.levels)  # the crossbars stay
    return price(counts, _density(report), report.evidence.steps, report.preset)


def _density(report: Report) -> float:
    given = report.evidence.activity
    return given if isinstance(given, float) else DENSITY


def _assumed(report: Report) -> str:
    return f"Both are of {percent(_density(report))} of the input bits or steps being 1."


def _priced(planes: Cost, steps: Cost) -> str:
    energy = [nominal(cost.total_pj.nominal, "pJ") for cost in (planes, steps)]
    pace = [nominal(cost.latency_ns["step_pipelined"].nominal, "ns") for cost in (planes, steps)]
    return f"an inference takes {energy[0]} and {energy[1]}, a time step {pace[0]} and {pace[1]}."


def _layer(one: CountsRead) -> str:
    kept = (
        "the same integers both ways" if one.alike else "other integers, as its readout rounds sums"
    )
    return (
        f"{one.name} reads {one.levels.low}..{one.levels.high}: {many(one.planes, 'bit plane')} or "
        f"{many(one.steps, 'step')}, {kept}."
    )
