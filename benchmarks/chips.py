"""Read the published facts of chips, as strictly as a target file.

What is known of a chip is a description as ``spikeloom targets new`` takes it (``facts``), and
what a person who knows more overrides in the file that it writes (``constants``).
"""

import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from mapper.cost.description import Description
from mapper.cost.description_to_target import described
from mapper.cost.resolved import resolved
from mapper.cost.sensitivity import intervals, with_constant
from mapper.diagnostics import Diagnostic, MappingError, nearest
from targets import ConverterLaw, Target
from targets.fields import Name, Positive, Text
from targets.reader import Reader

CHIPS = Path(__file__).with_name("silicon_chips.toml")
UNSEEN = Path(__file__).with_name("silicon_unseen.toml")
"""A second set, that was not in view when laws were written."""
THIRD = Path(__file__).with_name("silicon_third.toml")
"""A third, that was not in view when what the second had shown was mended."""
FOURTH = Path(__file__).with_name("silicon_fourth.toml")
"""A fourth, that was not in view when what these had shown was mended."""
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
class Known:
    """What one estimate knows of a chip: a description, and constants of its own."""

    description: Description
    inputs: int
    """Terms of one sum."""
    outputs: int
    """Sums of one macro."""
    macros: int = 1
    density: float = 0.5
    """Share of input bits that are 1; random bits unless published."""
    ones: float = 0.5
    """Share of weight bits that are 1."""
    converter_law: str | None = None
    """Law of the converters, where it is not that of their kind."""
    converter_node_nm: float | None = None
    """Node whose capacitors the converters have, where they do not shrink."""
    constants: tuple[tuple[str, float], ...] = ()
    """Of the component library, by their place in it."""

    @property
    def products(self) -> int:
        """Count the products of one evaluation of one macro."""
        return self.inputs * self.outputs

    def target(self) -> Target:
        """Return the target that the product writes, with the constants of the chip in it."""
        made = described(self.description)
        if self.converter_law or self.converter_node_nm:
            made = replace(made, components=replace(made.components, **self._laws(made)))
        made = resolved(made)
        for name, value in self.constants:
            made = with_constant(made, name, value)
        return made

    def _laws(self, made: Target) -> dict[str, Any]:
        kind, _ = self.description.converter
        node = self.converter_node_nm or self.description.node_nm
        return {
            f"{kind}_adc": tuple(
                replace(law, law=self.converter_law or law.law, node_nm=float(node))
                for law in made.components.converters(kind)
                if isinstance(law, ConverterLaw)
            )
        }


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
    blind: Known
    informed: Known
    independent: Known
    """Informed, without facts that were fitted with this chip; ``instead`` takes their place."""
    sources: tuple[str, ...]
    """Of the informed facts, one each."""


DESCRIBED = tuple(member.name for member in fields(Description) if member.name != "name")
OF_LAYER = ("inputs", "outputs", "macros", "density", "ones", "converter_law", "converter_node_nm")


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
    unfitted = [item for item in informed if not item.get("fitted", False)] + list(instead)
    ready: dict[str, Any] = {
        "blind": _known(reader, path, facts, []),
        "informed": _known(reader, path, facts, informed),
        "independent": _known(reader, path, facts, unfitted),
        "sources": tuple(note.source for note in notes if note is not None),
    }
    rest = {key: value for key, value in raw.items() if key not in ("facts", "informed", "instead")}
    return reader.table(Chip, rest, path, ready)


def _noted(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in ("set", "constants")}


def _known(
    reader: Reader, path: tuple[str, ...], facts: dict[str, Any], items: list[dict[str, Any]]
) -> Known | None:
    """Put facts and what overrides them together, and check that the library has the constants."""
    merged, constants = dict(facts), dict(facts.get("constants", {}))
    merged.pop("constants", None)
    for item in items:
        merged.update(item.get("set", {}))
        constants.update(item.get("constants", {}))
    place = f"[{'.'.join((*path, 'facts'))}]"
    wrong = [key for key in merged if key not in (*DESCRIBED, *OF_LAYER)]
    for key in wrong:
        known = (*DESCRIBED, *OF_LAYER)
        reader.note("target-key", f"{place} has no key {key!r}{nearest(key, known)}")
    if wrong:
        return None
    description = {key: value for key, value in merged.items() if key in DESCRIBED}
    layer = {key: value for key, value in merged.items() if key in OF_LAYER}
    try:
        made = Known(
            description=Description(name=path[-1], **description),
            constants=tuple(constants.items()),
            **layer,
        )
        there = dict(intervals(replace(made, constants=()).target().components))
    except (MappingError, TypeError) as error:
        reader.problems.append(
            Diagnostic(code="target-value", message=f"{place} {error}", loc=reader.loc)
        )
        return None
    for name in constants:
        if name not in there:
            reader.note("target-key", f"{place} has no constant {name!r}{nearest(name, there)}")
    return made


def facts_of(known: Known) -> dict[str, Any]:
    """Give what an estimate knows as plain data."""
    return {**asdict(known), "constants": dict(known.constants)}
