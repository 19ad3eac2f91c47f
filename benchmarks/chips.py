"""Read the published facts of chips, as strictly as a target file."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.macro_model import Macro
from mapper.diagnostics import MappingError
from targets.fields import Name, Positive, Text
from targets.reader import Reader

CHIPS = Path(__file__).with_name("silicon_chips.toml")
Quantity = Literal["energy", "delay", "area"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One published number: fJ of a product, ns of a cycle, or um2 of the macros."""

    quantity: Quantity
    value: Positive
    text: Text
    """As it is published."""
    missing: Text | None = None
    """Which published fact a model of it would need, where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Informed:
    """Where facts about the circuits of a chip come from."""

    source: Text
    fitted: Literal[True, False] = False
    """Whether it is a law or a constant that its authors fitted with this chip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A chip: what the blind estimate knows, what the informed one adds, what was measured."""

    id: Name
    source: Text
    group: Literal["complete", "partial", "sense-amp"]
    unverified: tuple[Text, ...]
    seen: tuple[Quantity, ...]
    """Quantities whose generic constants were fitted with this chip by their authors."""
    measured: tuple[Measured, ...]
    blind: Macro = field(metadata={"key": "facts"})
    informed: Macro
    independent: Macro
    """Informed, without facts that were fitted with this chip; ``instead`` takes their place."""
    sources: tuple[str, ...]
    """Of the informed facts, one each."""


def read_chips(path: Path = CHIPS) -> tuple[Chip, ...]:
    """Read all chips of a file.

    Raises:
        MappingError: for an unknown or missing key, or a value out of its bounds.
    """
    data = tomllib.loads(path.read_text("utf-8"))
    reader = Reader(file=path.name, loc=str(path))
    found = [_chip(reader, raw) for raw in data["chip"]]
    if reader.problems:
        raise MappingError(reader.problems)
    return tuple(chip for chip in found if chip is not None)


def _chip(reader: Reader, raw: dict[str, Any]) -> Chip | None:
    path = ("chip", str(raw.get("id", "?")))
    facts, informed, instead = (raw.get(key, {}) for key in ("facts", "informed", "instead"))
    notes = [reader.table(Informed, _noted(item), (*path, "informed")) for item in informed]
    for item in instead:
        reader.table(Informed, _noted(item), (*path, "instead"))
    everything = [item["set"] for item in informed]
    unfitted = [item["set"] for item in informed if not item.get("fitted", False)]
    unfitted += [item["set"] for item in instead]
    ready = {
        "blind": reader.table(Macro, facts, (*path, "facts")),
        "informed": reader.table(Macro, _merged(facts, everything), (*path, "informed")),
        "independent": reader.table(Macro, _merged(facts, unfitted), (*path, "informed")),
        "sources": tuple(note.source for note in notes if note is not None),
    }
    rest = {key: value for key, value in raw.items() if key not in ("facts", "informed", "instead")}
    return reader.table(Chip, rest, path, ready)


def _noted(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "set"}


def _merged(facts: dict[str, Any], sets: list[dict[str, Any]]) -> dict[str, Any]:
    merged = dict(facts)
    for known in sets:
        merged.update(known)
    return merged
