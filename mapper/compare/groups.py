"""Builds of one network that differ in what was trained, averaged: seeds of one design."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mapper.build.model import Build
from mapper.compare.compared import Compared
from mapper.compare.result import Comparison
from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import Graph
from mapper.ir.identity import digest
from mapper.proportions import Spread
from mapper.report.comparison.data import Group
from targets import target_to_data

FEWEST = 2
"""Builds of which a spread can be given."""

_HELP = "a group averages builds of one network on one target that differ in what was trained"


def parse_group(text: str) -> tuple[str, tuple[Path, ...]]:
    """Read ``NAME=B1,B2,B3``.

    Raises:
        MappingError: ``compare-group``.
    """
    name, sign, rest = text.partition("=")
    folders = tuple(Path(part) for part in rest.split(",") if part)
    if not sign or not name or not folders:
        raise refuse(
            "compare-group",
            f"{text!r:.80} names no group and its builds",
            loc="--group",
            help="write NAME=BUILD,BUILD,...",
        )
    return name, folders


def averaged(
    answer: Comparison, found: Sequence[Compared], groups: Mapping[str, Sequence[int]]
) -> Comparison:
    """Add the averages of groups to a comparison.

    Args:
        answer: What ``side_by_side`` made of ``found``.
        found: The builds of the comparison, in its order.
        groups: By name, the places of its builds in ``found``.

    Raises:
        MappingError: ``compare-group`` where the builds of a group are fewer than two, the same
            one twice, or not of one network structure, target and width of weights.
    """
    for name, places in groups.items():
        _check(name, [found[place] for place in places])
    made = (_group(answer, name, places) for name, places in groups.items())
    return replace(answer, groups=tuple(made))


def _group(answer: Comparison, name: str, places: Sequence[int]) -> Group:
    rows = [answer.builds[place] for place in places]
    shares = [row.accuracy for row in rows]
    known = [share for share in shares if share is not None]
    scores = [row.score.of for row in rows if row.score is not None]
    dead = [f"{row.title}: {row.incomparable}" for row in rows if row.incomparable]
    return Group(
        name=name,
        target=rows[0].summary.target,
        builds=tuple(row.title for row in rows),
        accuracy=Spread.of_values(known) if len(known) == len(rows) else None,
        samples=tuple(scores) if len(scores) == len(rows) else (),
        energy_pj=Spread.of_values([row.cost.total_pj.nominal for row in rows]),
        latency_ns=Spread.of_values(
            [row.cost.latency_ns["inference_pipelined"].nominal for row in rows]
        ),
        incomparable="; ".join(dead),
    )


# --- what may be averaged --------------------------------------------------------------------


def _check(name: str, members: Sequence[Compared]) -> None:
    problem = next(_problems(members), "")
    if problem:
        raise _refused(name, problem)


def _refused(name: str, problem: str) -> MappingError:
    return refuse("compare-group", f"group {name!r:.80}: {problem}", loc="--group", help=_HELP)


def _problems(members: Sequence[Compared]) -> Iterator[str]:
    if len(members) < FEWEST:
        yield f"it has {len(members)} build, a spread takes {FEWEST} or more"
        return
    first, *others = members
    for other in others:
        yield from _differences(first.title, first.build, other.title, other.build)
    mappings: dict[str, str] = {}
    for member in members:
        same = mappings.setdefault(digest(member.build.hardware), member.title)
        if same != member.title:
            yield f"'{same}' and '{member.title}' are the same mapping, which would count twice"


def _differences(name: str, build: Build, other: str, another: Build) -> Iterator[str]:
    if target_to_data(build.target) != target_to_data(another.target):
        yield (
            f"'{name}' is on target {build.target.name!r}, '{other}' on {another.target.name!r}"
            if build.target.name != another.target.name
            else f"'{name}' and '{other}' are on targets {build.target.name!r} of other facts"
        )
    if build.weight_bits != another.weight_bits:
        yield (
            f"'{name}' has weights of {build.weight_bits} bits, '{other}' of {another.weight_bits}"
        )
    one, two = list(_structure(build.network)), list(_structure(another.network))
    if len(one) != len(two):
        yield f"'{name}' has {len(one)} parts of a network, '{other}' has {len(two)}"
    apart = ((a, b) for a, b in zip(one, two, strict=False) if a != b)
    yield from (f"'{name}' has {a}, where '{other}' has {b}" for a, b in apart)


def _structure(graph: Graph) -> Iterator[str]:
    """Yield what every op is, does and reads, without its weights and without names."""
    places = {value.name: f"input {place}" for place, value in enumerate(graph.inputs)}
    places |= {state.read.name: f"state {place}" for place, state in enumerate(graph.states)}
    for value in graph.inputs:
        yield f"an input {value.type}{list(value.shape)}"
    for place, op in enumerate(graph.ops):
        reads = ", ".join(places[value.name] for value in op.operands)
        window = getattr(op, "window", None)
        shapes = ", ".join(f"{value.type}{list(value.shape)}" for value in op.results)
        places |= {value.name: f"op {place}" for value in op.results}
        how = "" if window is None else f" of {window}"
        yield f"{op.mnemonic}{how} from {reads} to {shapes}"
    for value in graph.outputs:
        yield f"an output of {places[value.name]}"
