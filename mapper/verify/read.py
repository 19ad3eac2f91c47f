"""Read what ``verify`` answered from JSON that anyone may have written."""

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any, TypeGuard, get_args

from mapper.ir.firing import Firing, LayerFiring
from mapper.layout import Taken
from mapper.proportions import read_score
from mapper.verify.result import (
    LISTED,
    RINGS,
    Extent,
    InexactPass,
    Place,
    Ring,
    Status,
    Tie,
    Verification,
)

MOST_WHOLE = 1 << 64
"""Of whole numbers in a record: no count and no integer of a network is greater."""

_LONGEST = 1 << 10
"""Of the words that say which die it was."""

_STATUSES: tuple[Status, ...] = get_args(Status)
_SHARES = ("accuracy", "source_accuracy", "spike_agreement")


def read_verification(found: object) -> Verification:
    """Return the verification of a build whose ``as_dict`` this is.

    Raises:
        ValueError: It is not what ``verify`` writes, and why.
    """
    if not isinstance(found, dict) or not isinstance(found.get("rings"), list):
        raise ValueError("it has no rings")
    rings = found["rings"]
    if [ring.get("name") if isinstance(ring, dict) else ring for ring in rings] != list(RINGS):
        raise ValueError(f"its rings are not {', '.join(RINGS)}")
    read = tuple(map(_ring, rings))
    agree = Verification(rings=read).bit_exact
    if found.get("bit_exact") is not agree:
        raise ValueError(f"bit_exact is {found.get('bit_exact')!r}, its rings say {agree}")
    accuracy, source, spikes = (_share(found, name) for name in _SHARES)
    counted, source_counted = read_score(found), read_score(found, "source_accuracy")
    if counted and source_counted and counted.of != source_counted.of:
        raise ValueError(f"accuracy is of {counted.of} samples and of {source_counted.of}")
    by_layer = _object(found.get("spike_agreement_by_layer", {}), "spike_agreement_by_layer")
    inexact = found.get("inexact_passes", [])
    warnings = found.get("warnings", [])
    firing, source_firing = (read_firing(found, name) for name in ("firing", "source_firing"))
    if not isinstance(inexact, list) or not isinstance(warnings, list):
        raise ValueError("inexact_passes and warnings are no lists")
    return Verification(
        rings=read,
        accuracy=accuracy,
        source_accuracy=source,
        accuracy_of=None if counted is None else counted.of,
        spike_agreement=spikes,
        layer_agreement={str(name): _share(by_layer, name) or 0.0 for name in by_layer},
        inexact=tuple(map(_inexact, inexact)),
        firing=firing,
        source_firing=source_firing,
        warnings=tuple(map(str, warnings)),
        extent=_extent(found.get("recording")),
        partial=found.get("partial") is True,
        taken=read_taken(found.get("recording")),
        die=_die(found.get("die", "")),
    )


def _die(found: object) -> str:
    if not isinstance(found, str) or len(found) > _LONGEST:
        raise ValueError(f"die is {found!r:.80}")
    return found


def _ring(ring: Mapping[str, Any]) -> Ring:
    name, given, reason = ring["name"], ring.get("status"), ring.get("reason")
    status = next((known for known in _STATUSES if known == given), None)
    if status is None:
        raise ValueError(f"ring {name} has status {given!r:.80}")
    if not isinstance(reason, str):
        raise ValueError(f"ring {name} has no reason")
    worst = ring.get("max_abs_diff")
    if not (worst is None or _is_number(worst) or worst in ("inf", "nan")):
        raise ValueError(f"ring {name} differs by {worst!r:.80}")
    place = ring.get("first_mismatch")
    return Ring(
        name=name,
        status=status,
        reason=reason,
        max_abs_diff=None if worst is None else float(worst),
        first_mismatch=None if place is None else _place(name, place),
        **_ties(name, status, ring),
    )


_OF_TIE = ("step", "sample", "layer", "position", "distance", "bound")


def _ties(name: str, status: Status, ring: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many ties a ring has and the first of them; nothing of one without."""
    if "ties" not in ring:
        return {}
    count, tied = ring["ties"], ring.get("tied")
    if type(count) is not int or count < 1 or status != "equal" or not isinstance(tied, list):
        raise ValueError(f"ring {name} is {status} with {count!r:.80} ties")
    if len(tied) != min(count, LISTED):
        raise ValueError(f"ring {name} lists {len(tied)} of {count} ties")
    return {"ties": count, "tied": tuple(_tie(name, tie) for tie in tied)}


def _tie(ring: str, tie: object) -> Tie:
    problem = f"a tie of ring {ring} is {tie!r:.80}"
    if not isinstance(tie, dict) or tie.keys() != set(_OF_TIE):
        raise ValueError(problem)
    position = tie["position"]
    if not isinstance(position, list) or not isinstance(tie["layer"], str):
        raise ValueError(problem)
    if not all(type(number) is int for number in (tie["step"], tie["sample"], *position)):
        raise ValueError(problem)
    distance, bound = tie["distance"], tie["bound"]
    if not (_is_number(distance) and _is_number(bound) and 0 <= distance <= bound):
        raise ValueError(problem)
    return Tie(**tie | {"position": tuple(position)})


def _extent(found: object) -> Extent | None:
    """Return how much of a recording was verified; None where that is not said."""
    if not isinstance(found, dict) or "of_steps" not in found:
        return None
    names = [spec.name for spec in fields(Extent)]
    numbers = {name: found.get(name) for name in names}
    if not all(type(n) is int and n < MOST_WHOLE for n in numbers.values()):
        raise ValueError(f"recording is {found!r:.80}")
    extent = Extent(**{name: int(found[name]) for name in names})
    if not (1 <= extent.steps <= extent.of_steps and 1 <= extent.samples <= extent.of_samples):
        raise ValueError(f"recording is {found!r:.80}")
    return extent


_WHERE = ("step", "sample", "plane", "row_block", "slice", "column")
_NEEDED = {"step", "sample", "layer", "found", "expected"}
_POSSIBLE = {*_NEEDED, *_WHERE, "source", "position"}


def _place(ring: str, place: object) -> Place:
    problem = f"the first mismatch of ring {ring} is no place"
    if not isinstance(place, dict) or not _NEEDED <= place.keys() <= _POSSIBLE:
        raise ValueError(problem)
    numbers = {name: place[name] for name in _WHERE if name in place}
    position = place.get("position")
    whole = [*numbers.values(), *(position if isinstance(position, list) else ())]
    texts = [place["layer"], *([place["source"]] if "source" in place else [])]
    values = [place["found"], place["expected"]]
    if (
        not all(type(number) is int for number in whole)
        or not all(isinstance(text, str) for text in texts)
        or not all(_is_number(value) or isinstance(value, str) for value in values)
        or not (position is None or isinstance(position, list))
    ):
        raise ValueError(problem)
    return Place(**place | {"position": None if position is None else tuple(position)})


def _inexact(item: object) -> InexactPass:
    if not isinstance(item, dict) or not isinstance(item.get("pass"), str):
        raise ValueError(f"an inexact pass is {item!r:.80}")
    agreement, error = item.get("spike_agreement"), item.get("output_error", "nothing")
    if not _is_share(agreement):
        raise ValueError(f"an inexact pass is {item!r:.80}")
    if not (error is None or _is_number(error)):  # none where it overflowed
        raise ValueError(f"the output error of '{item['pass']}' is {error!r:.80}")
    return InexactPass(name=item["pass"], spike_agreement=agreement, output_error=error)


def read_firing(found: Mapping[str, Any], name: str) -> Firing | None:
    """Return the spikes of which ``found[name]`` is the JSON; None where nothing is there.

    Raises:
        ValueError: It is not what ``Firing.as_dict`` gives.
    """
    if found.get(name) is None:
        return None
    held = _object(found[name], name)
    layers = held.get("layers")
    no_input, alike, cut = (
        held.get(key) for key in ("no_input", "outputs_alike", "outputs_cut_off")
    )
    if not isinstance(layers, list) or not all(type(one) is bool for one in (no_input, alike, cut)):
        raise ValueError(f"{name} is no count of spikes")
    steps, samples = (_count(held, key, name) for key in ("steps", "samples"))
    one = _count(held, "one_class", name, least=0) if "one_class" in held else None
    return Firing(
        steps=steps,
        samples=samples,
        layers=tuple(_layer_firing(layer, steps * samples, name) for layer in layers),
        no_input=no_input is True,
        alike=alike is True,
        cut=cut is True,
        one_class=one,
    )


def _layer_firing(layer: object, runs: int, name: str) -> LayerFiring:
    held = _object(layer, name)
    shown, value = held.get("layer"), held.get("value")
    neurons, spikes = _count(held, "neurons", name), _count(held, "spikes", name, least=0)
    if not isinstance(shown, str) or not isinstance(value, str) or spikes > neurons * runs:
        raise ValueError(f"{name} has a layer {layer!r:.80}")
    return LayerFiring(layer=shown, value=value, neurons=neurons, spikes=spikes)


def _count(held: Mapping[str, Any], key: str, name: str, least: int = 1) -> int:
    count = held.get(key)
    if type(count) is not int or not least <= count < 1 << 62:
        raise ValueError(f"{key} of {name} is {count!r:.80}, no count")
    return count


def read_taken(found: object) -> Taken | None:
    """Return what arrays were taken for; None where that is not said.

    Raises:
        ValueError: It is not what ``Taken.as_dict`` gives.
    """
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"recording is {found!r:.80}")
    if found is None or "shown" not in found:
        return None
    counts: list[Any] = [found.get(f"of_{name}", found.get(name)) for name in ("samples", "steps")]
    names = [found["shown"], found.get("moving")]
    if not all(type(count) is int and count >= 1 for count in counts):
        raise ValueError(f"recording is {found!r:.80}")
    if not all(isinstance(n, list) and all(isinstance(x, str) for x in n) for n in names):
        raise ValueError(f"recording is {found!r:.80}")
    samples, steps = map(int, counts)
    shown, moving = map(tuple, names)
    return Taken(samples, steps, shown, moving, str(found.get("doubt", "")))


def _share(found: Mapping[str, Any], name: str) -> float | None:
    if name not in found:
        return None
    share = found[name]
    if not _is_share(share):
        raise ValueError(f"{name} is {share!r}, not a share")
    return share


def _object(found: object, name: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no object")
    return found


def _is_share(value: object) -> TypeGuard[float]:
    return _is_number(value) and 0 <= value <= 1


def _is_number(value: object) -> TypeGuard[float]:
    """Say whether JSON holds a finite number; a whole one may have any number of digits."""
    if type(value) is int:
        return abs(value) < MOST_WHOLE
    return isinstance(value, float) and isfinite(value)
