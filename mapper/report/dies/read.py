"""Read what ``yield -o`` wrote as ``yield.json``, which may come from anyone."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from mapper.dies.covered import DeviceUsed
from mapper.dies.found import COUNTED, Cost, Costs, Found, LayerSpikes
from mapper.dies.plan import MOST_DIES, Plan
from mapper.dies.trials import AGE
from mapper.json_values import finite, one_of, share, shares, text, texts, whole
from mapper.proportions import read_score
from mapper.report.dies.data import DATA, SCHEMA, DiesReport
from mapper.report.references import works_of
from mapper.study.statistics import Difference, Distribution, Swept
from mapper.verify.read import read_taken
from targets.devices import SETTINGS

Json = Mapping[str, Any]


def read_dies(answer: Json) -> DiesReport:
    """Return the study of dies whose JSON this is; what it says twice is read once.

    Raises:
        ValueError, TypeError, LookupError, ArithmeticError: It is not what ``yield`` writes.
    """
    if answer["schema"] != SCHEMA:
        raise ValueError(f"schema {answer['schema']!r:.80}, expected {SCHEMA!r}")
    age, require, taken = answer["age_s"], answer["require"], read_taken(answer["recording"])
    if taken is None:
        raise ValueError("nothing is said of the recording")
    return DiesReport(
        network=text(answer["network"]),
        target=text(answer["target"]),
        settings={_setting(name): finite(value) for name, value in answer["settings"].items()},
        age=None if age is None else finite(age),
        found=_found(answer),
        require=None if require is None else share(require),
        run_seed=whole(answer["run_seed"], "seed", least=0, most=_MOST_SEED),
        recording=taken,
        devices=tuple(map(_device, answer["devices"])),
        warnings=texts(answer["warnings"]),
        works=works_of(answer["references"], DATA),
    )


_MOST_SEED = (1 << 63) - 1


def _found(answer: Json) -> Found:
    values = shares(answer["dies"]["values"], MOST_DIES)
    few = answer["costs"]
    costs = None if few is None else _costs(few, len(values))
    ideal = read_score(answer["ideal"], "share")
    if ideal is None:
        raise ValueError("nothing is said of the ideal chip")
    first = whole(answer["first_seed"], "seed", least=0, most=_MOST_SEED)
    return Found(
        plan=Plan(first=first, dies=len(values), few=0 if costs is None else costs.dies),
        measured=one_of(answer["measured"], COUNTED),
        ideal=ideal,
        values=values,
        spikes={
            text(name): LayerSpikes(label=text(held["label"]), differing=_distribution(held))
            for name, held in answer["spikes_differing"].items()
        },
        sweeps=tuple(map(_swept, answer["sweeps"])),
        costs=costs,
    )


def _distribution(held: Json) -> Distribution:
    return Distribution.of(shares(held["values"], MOST_DIES))


def _swept(held: Json) -> Swept:
    points = {finite(point["value"]): _distribution(point) for point in held["points"]}
    if not points:
        raise ValueError(f"a sweep of {held['setting']!r:.80} has no points")
    name = held["setting"]
    return Swept.of(AGE if name == AGE else _setting(name), points.items())


def _setting(name: object) -> str:
    if text(name) not in SETTINGS:
        raise ValueError(f"{name!r:.80} is no setting of a device")
    return text(name)


def _costs(held: Json, dies: int) -> Costs:
    few = whole(held["dies"], f"number of 1 to {dies} dies", most=dies)
    return Costs(
        dies=few,
        together=_difference(held["together"], few),
        imperfections=tuple(_cost(one, few) for one in held["imperfections"]),
        layers=tuple(_cost(one, few) for one in held["layers"]),
    )


def _cost(held: Json, dies: int) -> Cost:
    return Cost(
        name=text(held["name"]),
        label=text(held["label"]),
        alone=_difference(held["alone"], dies),
        left_out=_difference(held["left_out"], dies),
    )


def _difference(held: Json, dies: int) -> Difference:
    mean, deviation = finite(held["difference"]), held["deviation"]
    if not -1 <= mean <= 1 or held["of"] != dies or (deviation is None) != (dies == 1):
        raise ValueError(f"a difference on {dies} dies is {held!r:.80}")
    if deviation is not None and not 0 <= finite(deviation) <= _MOST_DEVIATION:
        raise ValueError(f"differences of shares deviate by {deviation!r:.80}")
    return Difference(mean=mean, deviation=deviation, of=dies)


_MOST_DEVIATION = sqrt(2) + 1e-9
"""Of two differences, 1 and -1: squares are over one less than there are."""


def _device(held: Json) -> DeviceUsed:
    return DeviceUsed(
        name=text(held["device"]),
        summary=text(held["summary"]),
        digest=text(held["digest"]),
        macros=texts(held["macros"]),
        not_covered=texts(held["not_covered"]),
        unverified=texts(held["unverified"]),
        provenance=text(held["provenance"]),
        cites=texts(held["cites"]),
    )
