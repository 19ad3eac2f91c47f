"""A target whose library has numbers where it named laws: those at the sizes of its macros."""

from dataclasses import replace
from typing import Any

from mapper.cost.laws import at_rows, converter_by_law
from mapper.cost.readouts import active_rows, channel_of, tree_of, write_of
from targets import AdderTree, Converter, ConverterLaw, Library, Macro, ReadChannel, Target, Write


def resolved(target: Target) -> Target:
    """Return a target whose constants can be read and changed one by one.

    A law that gives the macros of a target different numbers stays a law.
    """
    library = target.components
    found = [_numbers(library, macro) for macro in target.macros]
    same = {
        name: value
        for name, value in found[0].items()
        if all(other[name] == value for other in found)
    }
    return replace(target, components=replace(library, **same)) if same else target


def _numbers(library: Library, macro: Macro) -> dict[str, Any]:
    """Return the entries of a library that are laws, as one macro has them."""
    found: dict[str, Any] = {}
    for kind in ("flash_adc", "sar_adc", "cco_adc"):
        held: tuple[Converter | ConverterLaw, ...] = getattr(library, kind)
        rows = active_rows(macro)
        made = tuple(
            converter_by_law(adc, rows) if isinstance(adc, ConverterLaw) else at_rows(adc, rows)
            for adc in held
        )
        if made != held:
            found[kind] = made
    parts: tuple[tuple[str, ReadChannel | AdderTree | Write | None], ...] = (
        ("read_channel", channel_of(library, macro)),
        ("adder_tree", tree_of(library, macro)),
        ("write", write_of(library, macro)),
    )
    for name, part in parts:
        if part is not None and part != getattr(library, name):
            found[name] = part
    return found
