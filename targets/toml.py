"""Write a target as the text of a TOML file, which ``targets.load`` reads back to the same."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from targets.library import Library
from targets.load import (
    is_plain_name,
    list_libraries,
    load_library,
    load_target,
    shipped_text,
    target_to_data,
)
from targets.schema import Target

_MANY_DOTS = 32
"""In a line of text: more are escaped, as a file may only have so many."""

Data = Mapping[str, Any]
Comments = Mapping[tuple[str, str], str]
"""What to say of a key: by the name of its table and its own."""


def toml_of(name_or_path: str | Path) -> str:
    """Return a file to start another target from: one of ours with its comments, or all facts.

    Raises:
        MappingError: with everything that is wrong with the name or with the file.
    """
    if is_plain_name(name_or_path):
        return shipped_text(str(name_or_path))
    return to_toml(load_target(name_or_path))


def to_toml(target: Target) -> str:
    """Return the text of a file that has every fact of a target.

    A component library that comes with the compiler is named, any other is written out.

    Example:
        >>> print(to_toml(load_target("adcless-64")))
        name = "adcless-64"
        ...
    """
    data = target_to_data(target)
    if _is_shipped(target.components):
        data["components"] = target.components.name
    return "\n".join(_table((), data)).strip() + "\n"


def commented(data: Data, comments: Comments) -> str:
    """Return the text of a file with these facts, and comments behind those that have one."""
    lines, table = [], ""
    for line in "\n".join(_table((), data)).strip().split("\n"):
        if line.startswith("["):
            table = line.strip("[]")
        key = line.partition(" = ")[0]
        said = comments.get((table, key), "")
        lines.append(f"{line}  # {said}" if said else line)
    return "\n".join(lines) + "\n"


def _is_shipped(library: Library) -> bool:
    return library.name in list_libraries() and load_library(library.name) == library


def _table(path: tuple[str, ...], data: Data) -> Iterator[str]:
    """Yield the lines of a table: what is no table first, as TOML has it."""
    for key, value in data.items():
        if not _is_table(value) and not _are_tables(value):
            yield f"{key} = {_value(value)}"
    for key, value in data.items():
        inner = (*path, key)
        if _is_table(value):
            yield from ("", f"[{'.'.join(inner)}]")
            yield from _table(inner, value)
        for item in value if _are_tables(value) else ():
            yield from ("", f"[[{'.'.join(inner)}]]")
            yield from _table(inner, item)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and not _is_interval(value)


def _are_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_table, value))


def _is_interval(value: Data) -> bool:
    """Say whether a table goes on the line of its key: three numbers, and how they are known."""
    ends = {"low", "nominal", "high"}
    return ends <= value.keys() <= {*ends, "kind"}


def _value(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_value(held)}' for key, held in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)  # numbers and booleans are the same in both


def _text(text: str) -> str:
    lines = text.split("\n")
    if len(lines) == 1:
        return f'"{_escaped(text)}"'
    return '"""\n' + "\n".join(map(_escaped, lines)) + '"""'


def _escaped(line: str) -> str:
    """Escape what TOML does; JSON agrees, but for DEL."""
    quoted = json.dumps(line, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")
    return quoted.replace(".", "\\u002e") if line.count(".") > _MANY_DOTS else quoted
