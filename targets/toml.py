"""Write a target as the text of a TOML file, which ``targets.load`` reads back to the same."""

from collections.abc import Mapping
from pathlib import Path

from targets.devices.load import is_shipped
from targets.files import is_plain_name
from targets.library import Library
from targets.load import (
    list_libraries,
    load_library,
    load_target,
    shipped_text,
    target_to_data,
)
from targets.schema import Target
from targets.text import Data, toml_text

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

    A component library, or a device, that comes with the compiler is named, any other is written
    out.

    Example:
        >>> print(to_toml(load_target("adcless-64")))
        name = "adcless-64"
        ...
    """
    data = target_to_data(target)
    if _is_shipped(target.components):
        data["components"] = target.components.name
    for macro, written in zip(target.macros, data["macro"], strict=True):
        if macro.device is not None and is_shipped(macro.device):
            written["device"] = macro.device.name
    return toml_text(data)


def commented(data: Data, comments: Comments) -> str:
    """Return the text of a file with these facts, and comments behind those that have one."""
    lines, table = [], ""
    for line in toml_text(data).strip().split("\n"):
        if line.startswith("["):
            table = line.strip("[]")
        key = line.partition(" = ")[0]
        said = comments.get((table, key), "")
        lines.append(f"{line}  # {said}" if said else line)
    return "\n".join(lines) + "\n"


def _is_shipped(library: Library) -> bool:
    return library.name in list_libraries() and load_library(library.name) == library
