"""A die in a build folder: what it was drawn from, and that it is what that gives."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mapper.build.files import changed
from mapper.diagnostics import refuse
from mapper.ir.core import Array, Graph
from mapper.ir.frozen import exactly
from mapper.ir.identity import digest
from mapper.ir.serialize import from_json, load, to_json
from mapper.ir.weights import narrow

if TYPE_CHECKING:  # what draws dies is imported where there is one
    from mapper.build.model import Build
    from mapper.dies.drawn import Drawn
    from targets import Target
    from targets.devices import Device

PREFIX = "die/"
"""Of the arrays of ``source.npz`` that a die was drawn from."""
_IDEAL, _MEASURED = "ideal", "measured"
_MOST_SEED = (1 << 63) - 1


def die_entry(die: "Drawn | None", hardware: Graph) -> dict[str, Any]:
    """Return the entry ``die`` of ``mapping.json``; none of the ideal chip."""
    if die is None:
        return {}
    return {
        "die": {
            "seed": die.step.seed,
            "age_s": die.step.age,
            "temperature_c": die.step.temperature,
            "without": list(die.step.without),
            "devices": {name: device.to_data() for name, device in die.devices.items()},
            "ideal": to_json(die.ideal),
            "shared": sorted(die.ideal.constants.keys() - _own(die.ideal, hardware).keys()),
        }
    }


def die_arrays(die: "Drawn | None", hardware: Graph) -> dict[str, Array]:
    """Return the arrays beside it: constants that the die has not, and what its pass was given."""
    if die is None:
        return {}
    measured = die.step.measured
    known = {} if measured is None else measured.arrays
    kinds = {_IDEAL: _own(die.ideal, hardware), _MEASURED: known, **die.arrays}
    return {
        f"{PREFIX}{kind}/{name}": np.asarray(array)
        for kind, held in kinds.items()
        for name, array in held.items()
    }


def _own(ideal: Graph, hardware: Graph) -> dict[str, Array]:
    """Return the constants of the ideal chip that are not those of the die."""
    held = hardware.constants
    return {
        name: array
        for name, array in ideal.constants.items()
        if name not in held or not exactly(narrow(array), narrow(held[name]))
    }


def read_die(
    data: Mapping[str, Any], arrays: Mapping[str, Array], hardware: Graph, where: str
) -> "Drawn":
    """Read what ``die_entry`` and ``die_arrays`` wrote; whoever trusts it calls ``check_die``.

    Raises:
        MappingError: ``bad-mapping``; what is wrong with a device.
        KeyError, TypeError, ValueError: Of an entry that is none of ours.
    """
    known = {"seed", "age_s", "temperature_c", "without", "devices", "ideal", "shared"}
    if not isinstance(data, dict) or data.keys() != known:
        raise ValueError(f"'die' is not what a die was drawn from: it has not just {sorted(known)}")
    held = _by_kind(arrays)
    shared = {name: hardware.constants[name] for name in load(tuple[str, ...], data["shared"])}
    seed = load(int, data["seed"])
    if not 0 <= seed <= _MOST_SEED:
        raise ValueError(f"the seed of the die is {seed}, it is 0..{_MOST_SEED}")
    from mapper.dies.drawn import Drawn
    from passes.dies.measured import Measured
    from passes.draw_die import DrawDie

    return Drawn(
        ideal=from_json(data["ideal"], {**shared, **held[_IDEAL]}, where),
        devices={name: _device(each, where) for name, each in data["devices"].items()},
        step=DrawDie(
            seed=seed,
            age=load(float | None, data["age_s"]),
            temperature=load(float | None, data["temperature_c"]),
            without=load(tuple[str, ...], data["without"]),
            activity=held["activity"],
            places=held["places"],
            lines=held["lines"],
            trims=held["trims"],
            measured=Measured(**held[_MEASURED]) if held[_MEASURED] else None,
        ),
        biases=held["biases"],
    )


def _device(data: object, where: str) -> "Device":
    from targets.devices import device_from_data

    return device_from_data(data, loc=where)


def _by_kind(arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    from mapper.dies.drawn import FORMS

    found: dict[str, dict[str, Array]] = {kind: {} for kind in (_IDEAL, _MEASURED, *FORMS)}
    for name, array in arrays.items():
        kind, _, rest = name.partition("/")
        if kind not in found:
            raise ValueError(f"an array {PREFIX}{name!r} is nothing that a die is drawn from")
        wide = kind != _IDEAL and array.dtype.kind == "i"  # stored as narrow as they fit
        found[kind][rest] = array.astype(np.int64) if wide else array
    return found


def check_die(die: "Drawn", hardware: Graph, target: "Target", folder: Path) -> None:
    """Refuse a graph that is not the die that it says: it is drawn again and compared.

    Raises:
        MappingError: ``build-changed``, or what the pass refuses.
    """
    if digest(die.draw(target)) != digest(hardware):
        raise changed(
            folder, ["mapping.json"], f"does not hold {die.named}: drawn again, it differs"
        )


def ideal_chip(build: "Build") -> "Build":
    """Return a build that dies can be drawn of.

    Raises:
        MappingError: ``of-a-die``.
    """
    if build.die is None:
        return build
    raise refuse(
        "of-a-die",
        f"this is {build.die.named}, and a die is drawn of the ideal chip",
        help="name the build that it was drawn of",
    )
