"""What passes and recordings told of a build, in ``mapping.json``: read from a folder of anyone."""

from typing import Any

from mapper.build.model import Build
from mapper.ir.serialize import load
from passes.ran import PassOptions, PassRun

_MOST_OPS = 1 << 31
_MOST_WARNINGS = 1 << 12
"""Of a recording or a pass, which may say one of every layer."""
_LONGEST_WARNING = 1 << 14


def calibration_entry(build: Build) -> dict[str, Any]:
    """Return the entry for what calibration recordings found; none where they found nothing."""
    return {"calibration": {"warnings": list(build.told), "dead": build.dead}} if build.told else {}


def read_calibration(held: Any) -> tuple[tuple[str, ...], str]:
    """Return the warnings of an entry, and why the mapping says nothing of its recordings.

    Raises:
        ValueError: It is none, or one of many words.
    """
    found = {"warnings": [], "dead": ""} if held is None else held
    return _warnings(found["warnings"]), _warnings([found["dead"]])[0]


def _warnings(held: Any) -> tuple[str, ...]:
    told: tuple[str, ...] = load(tuple[str, ...], held)
    if len(told) > _MOST_WARNINGS or max(map(len, told), default=0) > _LONGEST_WARNING:
        raise ValueError(f"{len(told)} warnings, or one of many words")
    return told


def pass_entry(run: PassRun) -> list[Any]:
    """Return the entry of a pass: name, whether it is exact, ops, and its warnings."""
    return [run.name, run.exact, run.ops, *([list(run.warnings)] if run.warnings else [])]


def read_pass(run: Any, options: PassOptions) -> PassRun:
    """Return the pass of an entry, with its options of all that are not defaults.

    Raises:
        ValueError: It is none, or one of many words.
    """
    name, exact, ops, warned = run if len(run) == 4 else (*run, [])
    return PassRun(
        name=load(str, name),
        exact=load(bool, exact),
        ops=whole("ops of a pass", ops, _MOST_OPS),
        options=options.get(name, {}),
        warnings=_warnings(warned),
    )


def whole(what: str, held: Any, most: int) -> int:
    """Return a whole number from 0.

    Raises:
        ValueError: It is none, or a greater one.
    """
    number: int = load(int, held)
    if not 0 <= number <= most:
        raise ValueError(f"{what} is {number}, it is 0..{most}")
    return number
