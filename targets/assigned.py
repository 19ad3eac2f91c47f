"""Assignments as files: which macro, widths and copies layers have, in TOML, read strictly.

Example:
    >>> print(assignment_toml(Assignment(layers={"/fc/Gemm": Choice(macro="sar5-64")})))
    [layer."/fc/Gemm"]
    macro = "sar5-64"
    <BLANKLINE>
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mapper.arguments import PATH, Takes, check_arguments
from mapper.diagnostics import MappingError
from mapper.ir.assignment import FOR_ALL, Assignment, Choice
from mapper.writing import whole_file
from targets.fields import Count, Name
from targets.files import parse
from targets.reader import Reader, show
from targets.schema import WeightBits
from targets.text import toml_text

_TAKES = {
    "assignment": Takes(words="a mapper.Assignment", types=(Assignment,)),
    "path": PATH,
}


_FLAGS = ("packing", "spread_steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A table ``[layer.NAME]``; what it leaves out is left to the compiler."""

    macro: Name | None = None
    weight_bits: WeightBits | None = None
    packing: bool | None = None
    copies: Count | None = None
    spread_steps: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The whole file."""

    weight_bits: WeightBits | None = None
    spread_steps: bool | None = None
    layer: Mapping[str, Choice]


def load_assignment(path: str | Path) -> Assignment:
    """Read an assignment from its file.

    Raises:
        MappingError: ``unknown-assignment`` where there is no such file, and everything that is
            wrong with it: ``target-syntax``, ``target-key``, ``target-value``.
    """
    check_arguments(_TAKES, {"path": path}, {})
    file = Path(path)
    return assignment_from_data(parse(file, str(file), unknown="unknown-assignment"), loc=str(file))


def assignment_from_data(data: object, *, loc: str) -> Assignment:
    """Check an assignment that is already parsed, say from JSON; ``loc`` says where it is from."""
    reader = Reader(file=Path(loc).name, loc=loc)
    layers = data.get("layer", {}) if isinstance(data, dict) else {}
    if isinstance(layers, dict):
        choices = {name: _choice(reader, name, held) for name, held in layers.items()}
    else:
        reader.note("target-value", f"[layer] must be a table, got {show(layers)}")
        choices = {}
    made = reader.table(_File, data, ready={"layer": choices})
    if made is None or reader.problems:
        raise MappingError(reader.problems)
    return Assignment(
        layers=made.layer, weight_bits=made.weight_bits, spread_steps=made.spread_steps
    )


def _choice(reader: Reader, name: str, data: object) -> Choice:
    held = reader.table(_Layer, data, ("layer", name)) or _Layer()
    return Choice(
        macro=held.macro or "",
        weight_bits=held.weight_bits,
        packing=held.packing,
        copies=held.copies,
        spread_steps=held.spread_steps,
    )


def assignment_to_data(assignment: Assignment) -> dict[str, Any]:
    """Give an assignment as plain data; ``assignment_from_data`` reads it back.

    Layers come in the order of their names.
    """
    every = {name: getattr(assignment, name) for name in FOR_ALL}
    of_all = {name: held for name, held in every.items() if held is not None}
    layers = {
        name: {
            key: bool(held) if key in _FLAGS else held  # which may be NumPy's
            for key, held in asdict(choice).items()
            if held not in (None, "")
        }
        for name, choice in sorted(assignment.layers.items())
    }
    return {**of_all, **({"layer": layers} if layers else {})}


def assignment_toml(assignment: Assignment) -> str:
    """Return the text of a file that has an assignment, the layers in the order of their names."""
    check_arguments(_TAKES, {"assignment": assignment}, {})
    return toml_text(assignment_to_data(assignment)).lstrip()


def save_assignment(assignment: Assignment, path: str | Path) -> None:
    """Write an assignment as a file, which is whole or not there; ``load_assignment`` reads it."""
    check_arguments(_TAKES, {"assignment": assignment, "path": path}, {})
    assignment.check()
    with whole_file(Path(path)) as file:
        file.write_text(assignment_toml(assignment), encoding="utf-8")


def given_assignment(given: Assignment | str | Path | None) -> Assignment | None:
    """Return an assignment as it is, or from its file, with every value of a type that it takes."""
    if given is None:
        return None
    found = load_assignment(given) if isinstance(given, str | os.PathLike) else given
    found.check()
    return found
