"""From points to designs: what a space starts from, and what each point makes of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

from mapper.cost.description import TREES, Description
from mapper.cost.description_to_target import described, summary_of
from mapper.exploration.axes import Edits, Value, axis_of
from mapper.exploration.constants import with_constants
from mapper.exploration.facts import plain_name, with_facts
from mapper.ir.assignment import UNASSIGNED, Assignment
from passes.ran import NONE, PassOptions
from targets import Target

DESCRIBED: Mapping[str, str] = {
    "macro.wordlines": "wordlines",
    "macro.bitlines": "bitlines",
    "macro.rows_per_read": "rows_per_read",
    "macro.cell_bits": "cell_bits",
    "macro.encoding": "encoding",
    "macro.weight_bits": "weight_bits",
    "macro.max_input_bits": "input_bits",
    "macro.input_bits_per_read": "input_bits_per_read",
    "macro.readout": "readout",
    "macro.readout.columns_per_readout": "mux",
    "neuron.membrane_bits": "membrane_bits",
    "chip.tiles": "tiles",
    "chip.crossbars_per_tile": "crossbars_per_tile",
    "clock.logic_ns": "clock_ns",
}
"""Facts that a description has, too, by its fields."""

BESIDE_LIBRARY: Mapping[str, str] = {
    "bitlines": "macro.bitlines",
    "mux": "macro.readout.columns_per_readout",
    "membrane_bits": "neuron.membrane_bits",
    "tiles": "chip.tiles",
    "crossbars_per_tile": "chip.crossbars_per_tile",
    "clock_ns": "clock.logic_ns",
}
"""Fields of a description that its component library does not depend on, by their facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What a point is, whole: all that compiling and pricing it take."""

    target: Target
    """Constants that a point sets are not in it: ``priced`` has them."""
    assignment: Assignment = UNASSIGNED
    options: PassOptions = NONE
    constants: Mapping[str, float] = field(default_factory=dict)
    """Of the component library, as ``cost.py --set`` names them."""

    @property
    def priced(self) -> Target:
        """The target with the constants that the point sets.

        Raises:
            MappingError: ``not-credible`` where macros take the constant from a law that gives
                each of them another number.
        """
        return with_constants(self.target, self.constants)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What points are made from: a target, or a description that one is written from."""

    start: Target | Description
    assignment: Assignment = UNASSIGNED
    """What the network came with, or a user decided."""
    files: Mapping[str, Assignment] = field(default_factory=dict)
    """Assignments by the names that a space has for their files."""

    @property
    def target(self) -> Target:
        """The target before anything is varied."""
        return self.start if isinstance(self.start, Target) else described(self.start)

    def design(self, point: Mapping[str, Value]) -> Design:
        """Return what a point is.

        Args:
            point: A value of each axis; later axes go over earlier ones.

        Raises:
            MappingError: ``target-value``, ``target-description``, ``law-range`` and
                ``scaling-range`` where its values do not go together.
        """
        edits = edits_of(point)
        decided = self.files[edits.assignment] if edits.assignment else self.assignment
        if edits.weight_bits is not None:
            decided = replace(decided, weight_bits=edits.weight_bits)
        return Design(
            target=self._target(edits),
            assignment=decided,
            options={} if edits.copies is None else {"replicate": {"max-copies": edits.copies}},
            constants=edits.constants,
        )

    def _target(self, edits: Edits) -> Target:
        if isinstance(self.start, Target):
            facts = dict(edits.facts)
            if edits.weight_bits is not None and any(name.endswith(".encoding") for name in facts):
                # Some encodings have weights of one width: the target's own may be another.
                facts.setdefault("macro.weight_bits", edits.weight_bits)
            made = with_facts(self.start, facts)
            return replace(made, summary=_varied(made.name, facts)) if facts else made
        facts = {plain_name(name)[0]: value for name, value in edits.facts.items()}  # of one macro
        inside = {DESCRIBED[name]: value for name, value in facts.items() if name in DESCRIBED}
        beside = {name: value for name, value in facts.items() if name not in DESCRIBED}
        if edits.weight_bits is not None:
            inside.setdefault("weight_bits", edits.weight_bits)
        changes: dict[str, Any] = {**inside, **edits.described}
        return with_facts(target_of(replace(self.start, **changes)), beside)


def _varied(name: str, facts: Mapping[str, Value]) -> str:
    """Say in a line what a target is that was made from another: the words of that are untrue."""
    told = ", ".join(f"{fact.removeprefix('macro.')} {value}" for fact, value in facts.items())
    return f"{name} with {told}"[:_LONGEST]


_LONGEST = 2000
"""Characters of a summary, as ``targets.fields.Text`` bounds them."""


def edits_of(point: Mapping[str, Value]) -> Edits:
    """Return what all values of a point change together."""
    found: list[Edits] = []
    for name, value in point.items():
        axis = axis_of(name)
        assert axis is not None, f"a space without {name}"
        found.append(axis.edits(value))
    return Edits(
        facts=_merged(edits.facts for edits in found),
        described=_merged(edits.described for edits in found),
        weight_bits=_last(edits.weight_bits for edits in found),
        assignment=_last(edits.assignment or None for edits in found) or "",
        copies=_last(edits.copies for edits in found),
        constants=_merged(edits.constants for edits in found),
    )


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def _last(values: Iterable[Any]) -> Any:
    held = [value for value in values if value is not None]
    return held[-1] if held else None


def target_of(given: Description) -> Target:
    """Return the target that ``described`` makes, its library from one that was made before.

    Raises:
        MappingError: as ``described``.
    """
    plain = dict(BESIDE_LIBRARY)
    if given.rows_per_read is None and TREES.get(given.readout) != "chain":
        plain["wordlines"] = "macro.wordlines"  # else cells have a share of it
    usual = {member.name: member.default for member in fields(Description)}
    usual |= {"wordlines": USUAL_LINES, "bitlines": USUAL_LINES}
    changes: dict[str, Any] = {name: usual[name] for name in plain}
    if given.mux > given.bitlines:  # what is wrong is said of the sizes that were given
        changes = {}
    made = _made(replace(given, **changes))
    if not changes:
        return made
    facts = {fact: getattr(given, name) for name, fact in plain.items()}
    return with_facts(replace(made, summary=summary_of(given)), facts)


USUAL_LINES = 256
"""Of a crossbar whose library is made once for crossbars of all sizes; room for any weight."""


@lru_cache(maxsize=512)
def _made(given: Description) -> Target:
    return described(given)
