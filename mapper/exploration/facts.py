"""Facts of a target by dotted name, ``neuron.membrane_bits``, and a target with other ones.

``macro.wordlines`` is of every macro, ``macro.NAME.wordlines`` of one. What ``WITHOUT`` names is no
single number or word, or belongs to another option.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import NoneType
from typing import Any, get_args, get_type_hints

from mapper.cost.description import Description
from mapper.diagnostics import refuse
from mapper.ir.readout_kinds import READOUTS
from targets import (
    Chip,
    Clock,
    EventGating,
    Macro,
    NeuronUnit,
    Readout,
    Target,
    target_from_data,
    target_to_data,
)
from targets.fields import Name

READOUT = "macro.readout"
"""The whole of a readout in a word, ``sar4``: its kind and bits, with what its codes stand for."""

TABLES: Mapping[str, type] = {
    "macro": Macro,
    READOUT: Readout,
    "neuron": NeuronUnit,
    "chip": Chip,
    "clock": Clock,
    "events": EventGating,
}
"""Tables of a target whose entries are facts."""

_IN_A_WORD = f"'{READOUT}' has kind, bits and levels in a word, as sar4"

WITHOUT: Mapping[str, str] = {
    "macro.name": "a name",
    "macro.accepts": "a list",
    "macro.device": "a device says what goes wrong on chips, not what is compiled",
    "macro.readout.kind": _IN_A_WORD,
    "macro.readout.bits": _IN_A_WORD,
    "macro.readout.levels": _IN_A_WORD,
    "macro.readout.trim_step": "of chips that are measured and trimmed",
    "neuron.leaks": "a list",
}
"""Entries that are no facts to vary, and why."""


def _hint(hint: Any) -> Any:
    """Return what a fact holds where it is not left out."""
    held = [kind for kind in get_args(hint) if kind is not NoneType]
    return held[0] if NoneType in get_args(hint) else hint


def _of_table(table: str, kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    named = {f"{table}.{member.name}": _hint(hints[member.name]) for member in fields(kind)}
    return {name: hint for name, hint in named.items() if name not in (*TABLES, *WITHOUT)}


FACTS: Mapping[str, Any] = {
    READOUT: Name,
    **{
        name: hint
        for table, kind in TABLES.items()
        for name, hint in _of_table(table, kind).items()
    },
}
"""What each fact holds, as ``targets.reader`` checks it."""


def plain_name(name: str, macros: tuple[str, ...] | None = None) -> tuple[str, str]:
    """Return the name of a fact and the macro it is of: ``("macro.wordlines", "sar5-64")``.

    The macro is empty where the fact is of all, or of none.

    Args:
        name: As a space names it.
        macros: Names of the target's; None takes any.
    """
    if name in FACTS or not name.startswith("macro."):
        return name, ""
    for end in ("readout." + name.rpartition(".")[2], name.rpartition(".")[2]):
        macro = name.removeprefix("macro.").removesuffix(f".{end}")
        found = f"macro.{end}" in FACTS and macro != name.removeprefix("macro.")
        if found and (macros is None or macro in macros):
            return f"macro.{end}", macro
    return name, ""


@dataclass(frozen=True, slots=True)
class ReadoutWord:
    """A readout in a word: ``sar4``."""

    named: str
    """As ``targets new`` calls it, without its bits: ``serial`` of ``serial4``."""
    kind: str
    bits: int

    @classmethod
    def of(cls, text: str) -> "ReadoutWord":
        """Read one; its kind and bits may be none that a target has."""
        given = Description(
            name="", node_nm=28.0, wordlines=1, bitlines=1, cell="rram", readout=text
        )
        return cls(given.named_readout, *given.converter)


def read_by(readout: Readout, text: str) -> Readout:
    """Return a readout of another kind and width, which decodes to the first levels of its kind.

    It keeps how many columns share it. The reference stays where the new kind has such, and is
    constant else.
    """
    word = ReadoutWord.of(text)
    form = next((form for kind, form in READOUTS.items() if kind == word.kind), None)
    if form is None:
        raise refuse("target-value", f"a readout is {', '.join(READOUTS)}, got {text!r:.40}")
    stays = form.senses and readout.is_sensed
    same = word.kind == readout.kind
    return replace(
        readout,
        kind=word.kind,  # type: ignore[arg-type]  # one of READOUTS
        bits=word.bits,
        levels=readout.levels if same else next(iter(form.alphabets), ()),
        reference=readout.reference if stays else "constant",
        shared_reference=readout.shared_reference if stays else None,
        trim_step=readout.trim_step if same else None,
    )


def with_facts(target: Target, facts: Mapping[str, Any]) -> Target:
    """Return a target with other facts, checked as its file would be.

    Raises:
        MappingError: ``target-value`` with everything that does not go together.
    """
    if not facts:
        return target
    tables = dict[str, Any]()
    changes: dict[str, dict[str, Any]] = {held.name: {} for held in target.macros}
    for name, value in facts.items():
        fact, macro = plain_name(name, tuple(changes))
        table, _, field = fact.rpartition(".")
        if fact.startswith("macro."):
            for held in target.macros:
                if macro in ("", held.name):
                    _change(changes[held.name], held, fact, value)
        else:
            change: dict[str, Any] = {field: value}
            tables[table] = replace(tables.get(table, getattr(target, table)), **change)
    macros = tuple(
        replace(held, **changes[held.name]) if changes[held.name] else held
        for held in target.macros
    )
    made = replace(target, macros=macros, **tables)
    if any(True for _ in _problems(made)):
        target_from_data(target_to_data(made), loc=target.name)  # says it as a file would
        raise AssertionError("a reader that finds what the schema does")
    return made


def _change(changes: dict[str, Any], macro: Macro, fact: str, value: Any) -> None:
    """Add a fact to what is another one in a macro."""
    table, _, field = fact.rpartition(".")
    if READOUT not in (fact, table):
        changes[field] = value
        return
    readout = changes.get("readout", macro.readout)
    change: dict[str, Any] = {field: value}
    changes["readout"] = read_by(readout, value) if fact == READOUT else replace(readout, **change)


def _problems(target: Target) -> Any:
    yield from target.neuron.problems()
    for macro in target.macros:
        yield from macro.readout.problems()
        yield from macro.problems()
    yield from target.problems()


def fact_of(target: Target, name: str) -> tuple[Any, ...]:
    """Return the values that a fact has in a target, one a macro where it is of macros."""
    fact, macro = plain_name(name, tuple(macro.name for macro in target.macros))
    table, _, field = fact.rpartition(".")
    if not fact.startswith("macro."):
        return (getattr(getattr(target, table), field),)
    held = [found for found in target.macros if macro in ("", found.name)]
    if fact == READOUT:
        return tuple(word_of(found.readout) for found in held)
    inside = [found.readout if table == READOUT else found for found in held]
    return tuple(getattr(found, field) for found in inside)


def word_of(readout: Readout) -> str:
    """Return a readout in a word: ``sar5``, ``sense-amp``."""
    return f"{readout.kind}{readout.bits}" if readout.is_adc else readout.kind
