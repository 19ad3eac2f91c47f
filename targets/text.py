"""Write plain data as the text of a TOML file."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_MANY_DOTS = 32
"""In a line of text: more are escaped, as a file may only have so many."""

Data = Mapping[str, Any]


def toml_text(data: Data) -> str:
    """Return the text of a file that holds this."""
    return "\n".join(_table((), data)).strip() + "\n"


def _table(path: tuple[str, ...], data: Data) -> Iterator[str]:
    """Yield the lines of a table: what is no table first, as TOML has it."""
    for key, value in data.items():
        if not _is_table(value) and not _are_tables(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in data.items():
        inner = (*path, _key(key))
        if _is_table(value):
            if not value or not all(map(_is_table, value.values())):  # else its tables name it
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


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{_escaped(key)}"'


def _value(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_value(held)}' for key, held in value.items())} }}"
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
