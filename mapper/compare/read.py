"""Read what ``compare -o`` wrote as ``comparison.json``, which may come from anyone."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from mapper.compare.result import SCHEMA
from mapper.cost import Range
from mapper.cost.frames import Line
from mapper.cost.waterfall import RatioStep, WaterfallStep
from mapper.dies.found import COUNTED
from mapper.dies.plan import MOST_DIES
from mapper.json_values import number, one_of, share, shares, text, texts, whole
from mapper.proportions import Paired, Spread, read_score
from mapper.report.comparison.data import (
    Built,
    Differences,
    Group,
    PairedSides,
    RatioWay,
    Side,
    SideBySide,
    verdict_of,
)
from mapper.report.comparison.designs import UNITS, Design, EqualColumns, FrontPoint, Iso
from mapper.report.comparison.dies import ComparedDies, SideDies
from mapper.report.comparison.rates import ENDS, FrameRates, Rated, rate_pair
from mapper.report.references import works_of
from mapper.verify.read import read_firing, read_verification
from mapper.verify.result import Verification

Json = Mapping[str, Any]


def read_sides(answer: Json) -> SideBySide:
    """Return the comparison whose JSON this is, as far as page, charts and tables show it.

    Raises:
        ValueError, TypeError, LookupError, ArithmeticError: It is not what ``compare`` writes.
    """
    if answer["schema"] != SCHEMA:
        raise ValueError(f"schema {answer['schema']!r}, expected {SCHEMA!r}")
    sides = tuple(map(_side, answer["targets"]))
    if not sides:
        raise ValueError("no targets")
    different = answer["differences"]
    return SideBySide(
        network=text(answer["network"]),
        activity=text(answer["activity"]),
        preset=text(answer["preset"]),
        sides=sides,
        differences=Differences(
            columns=texts(different["columns"]), rows=tuple(map(texts, different["rows"]))
        ),
        warnings=texts(answer["warnings"]),
        ways=tuple(map(_way, answer["waterfalls"])),
        equal_columns=tuple(map(_equal_columns, answer.get("equal_columns", ()))),
        frame_rates=_frame_rates(answer.get("frame_rates")),
        iso=_iso(answer["iso"]) if "iso" in answer else None,
        pairs=tuple(map(_pair, answer.get("paired", ()))),
        dies=_dies(answer["dies"], sides) if "dies" in answer else None,
        groups=tuple(map(_group, answer.get("groups", ()))),
        works=works_of(answer.get("references", []), "comparison.json"),
    )


def _side(row: Json) -> Side:
    cost, target = row["cost"], text(row["target"])
    found = _verification(row)
    accuracy = None if found is None else found.accuracy
    return Side(
        name=text(row.get("build", target)),
        target=target,
        energy_pj=_range(cost["energy_pj"]["total"]),
        latency_ns=_range(cost["latency_ns"]["inference_pipelined"]),
        area_um2=_range(cost["area_um2"]["total"]),
        way=tuple(map(_step, row["waterfall"])),
        accuracy=number(row["accuracy"]) if "accuracy" in row else accuracy,
        score=read_score(row),
        firing=read_firing(row, "firing"),
        incomparable=text(row.get("incomparable_because", "")),
        priced="; ".join(dict.fromkeys(map(text, row.get("priced_readouts", {}).values()))),
        silicon=number(cost["silicon"]["share"]) if "silicon" in cost else None,
        spike_agreement=None if found is None else found.spike_agreement,
        built=_built(row, found) if "build" in row else None,
    )


def _verification(row: Json) -> Verification | None:
    found = row.get("verification")
    return None if found is None else read_verification(found)


def _built(row: Json, found: Verification | None) -> Built:
    files = {text(what): text(file) for what, file in row["verified_on"].items()}
    return Built(
        model=text(row["source"].get("file", "")),
        weight_bits=int(row["weight_bits"]),
        verdict=verdict_of(found, files, text(row["unverified"])),
    )


def _range(ends: Json) -> Range:
    return Range(number(ends["low"]), number(ends["nominal"]), number(ends["high"]))


def _step(step: Json) -> WaterfallStep:
    return WaterfallStep(
        assumption=text(step["assumption"]),
        before=text(step["from"]),
        after=text(step["to"]),
        energy_pj=number(step["energy_pj"]),
        interval_ns=number(step["interval_ns"]),
        energy_factor=number(step["energy_factor"]),
        latency_factor=number(step["latency_factor"]),
    )


def _pair(pair: Json) -> PairedSides:
    names = ("both_right", "only_first_right", "only_second_right", "neither_right")
    counts = [int(pair[name]) for name in names]
    if min(counts) < 0 or not 0 < sum(counts) < 1 << 53:
        raise ValueError(f"a pair of {pair['target']!r:.80} has counts {counts}")
    both, first, second, neither = counts
    return PairedSides(
        target=text(pair["target"]),
        over=text(pair["over"]),
        counts=Paired(both=both, first_only=first, second_only=second, neither=neither),
    )


def _equal_columns(held: Json) -> EqualColumns:
    return EqualColumns(
        columns=int(held["columns_per_readout"]), designs=tuple(map(_design, held["targets"]))
    )


def _design(held: Json) -> Design:
    positions = held["positions"]
    return Design(
        side=text(held["target"]),
        columns=tuple(map(int, held["columns_per_readout"])),
        copies=int(held["copies"]),
        positions=None if positions is None else int(positions),
        compiled=bool(held["as_compiled"]),
        energy_pj=_range(held["energy_pj"]),
        latency_ns=_range(held["latency_ns"]),
        step_ns=_range(held["step_ns"]),
        area_um2=_range(held["area_um2"]),
    )


def _frame_rates(held: Json | None) -> FrameRates | None:
    if held is None:
        return None
    sides = {text(side["target"]): _rated(side) for side in held["sides"]}
    pairs = ((sides[pair["target"]], sides[pair["over"]]) for pair in held["pairs"])
    return FrameRates(
        sides=tuple(sides.values()), pairs=tuple(rate_pair(one, over) for one, over in pairs)
    )


def _rated(held: Json) -> Rated:
    low, nominal, high = (
        Line(
            dynamic_pj=number(held["dynamic_pj"][end]),
            leakage_uw=number(held["leakage_uw"][end]),
            idle_leakage=number(held["idle_leakage"]),
            interval_ns=_positive(held["interval_ns"][end]),
            latency_ns=_positive(held["latency_ns"][end]),
        )
        for end in ENDS
    )
    return Rated(side=text(held["target"]), lines=(low, nominal, high))


def _positive(value: object) -> float:
    if not 0 < (found := number(value)) < inf:
        raise ValueError(f"{found!r} is no time between inferences")
    return found


def _iso(held: Json) -> Iso:
    return Iso(
        kind=one_of(held["kind"], UNITS),
        over=text(held["over"]),
        wanted=number(held["wanted"]),
        equal=tuple(map(_design, held["equal"])),
        best=tuple(map(_design, held["best"])),
        front=tuple(map(_front_point, held["front"])),
        swept=tuple(map(int, held["swept"])),
        told=texts(held["told"]),
    )


def _front_point(held: Json) -> FrontPoint:
    positions = held["positions"]
    return FrontPoint(
        side=text(held["target"]),
        columns=tuple(map(int, held["columns_per_readout"])),
        copies=int(held["copies"]),
        positions=None if positions is None else int(positions),
        energy_pj=number(held["energy_pj"]),
        step_ns=number(held["step_ns"]),
        area_um2=number(held["area_um2"]),
    )


def _dies(held: Json, beside: Sequence[Side]) -> ComparedDies:
    require, sides = held["require"], tuple(map(_side_dies, held["sides"]))
    names = [side.name for side in sides]
    if names != [side.name for side in beside]:
        raise ValueError(f"dies are of {names!r:.80}, which are not the targets")
    if len(counts := {len(side.values) for side in sides}) > 1:
        raise ValueError(f"sides have {' and '.join(map(str, sorted(counts)))} dies")
    return ComparedDies(
        require=None if require is None else share(require),
        share=share(held["share"]),
        first_seed=whole(held["first_seed"], "seed", least=0),
        sides=sides,
        warnings=texts(held["warnings"]),
    )


def _side_dies(held: Json) -> SideDies:
    low, nominal, high = map(number, held["energy_pj"])
    adcs, ideal = held["adcs"], read_score(held["ideal"], "share")
    if ideal is None or not (adcs is None or isinstance(adcs, bool)):
        raise ValueError(f"dies have ADCs {adcs!r:.80}, and of the ideal chip {ideal}")
    return SideDies(
        name=text(held["name"]),
        energy_pj=Range(low, nominal, high),
        adcs=adcs,
        device=text(held["device"]),
        measured=one_of(held["measured"], COUNTED),
        ideal=ideal,
        values=shares(held["values"], MOST_DIES),
    )


def _group(group: Json) -> Group:
    right, builds = group["accuracy"], texts(group["builds"])
    samples = tuple(whole(n, "count of samples") for n in group.get("accuracy_of", ()))
    if samples and len(samples) != len(builds):
        raise ValueError(f"{len(builds)} builds of a group have {len(samples)} counts of samples")
    return Group(
        name=text(group["name"]),
        target=text(group["target"]),
        builds=builds,
        accuracy=None if right is None else _spread(right),
        samples=samples,
        energy_pj=_spread(group["energy_pj"]),
        latency_ns=_spread(group["latency_ns"]),
        incomparable=text(group["incomparable_because"]),
    )


def _spread(held: Json) -> Spread:
    return Spread(
        mean=number(held["mean"]), deviation=number(held["deviation"]), of=int(held["of"])
    )


def _way(way: Json) -> RatioWay:
    return RatioWay(
        target=text(way["target"]),
        over=text(way["over"]),
        steps=tuple(map(_ratio_step, way["steps"])),
    )


def _ratio_step(step: Json) -> RatioStep:
    return RatioStep(
        assumption=text(step["assumption"]),
        before=text(step["from"]),
        after=text(step["to"]),
        energy_ratio=number(step["energy_ratio"]),
        latency_ratio=number(step["latency_ratio"]),
        energy_factor=number(step["energy_factor"]),
        latency_factor=number(step["latency_factor"]),
    )
