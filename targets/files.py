"""Read a file of facts as plain data: hostile files are refused before they cost anything."""

import re
import tomllib
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

from mapper.diagnostics import refuse

MAX_FILE_BYTES = 1 << 20
MAX_DOTS_IN_LINE = 64  # keys here have three parts; reading a key of thousands takes minutes
_LONG_NUMBER = re.compile(rb"[0-9_]{1000,}")


def is_plain_name(name_or_path: str | Path) -> bool:
    """Say whether this names one of ours: a plain word, as ``./word`` and ``x.toml`` are paths."""
    path = Path(name_or_path)
    return name_or_path == path.name and path.suffix != ".toml"


def parse(path: Path, loc: str, unknown: str) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        MappingError: the code ``unknown`` where there is no such file, ``target-syntax`` where it
            is no TOML, or too large.
    """
    try:
        if not path.is_file():  # also keeps us from waiting on a pipe or reading a device
            raise refuse(unknown, f"{path.name or path} is not a file", loc=loc)
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise refuse(unknown, f"{path.name} cannot be read: {error.strerror}", loc=loc) from error
    if len(content) > MAX_FILE_BYTES:
        text = f"{path.name} is larger than {MAX_FILE_BYTES} bytes"
        raise refuse("target-syntax", text, loc=loc)
    return _parse_text(content, path.name, loc)


def _parse_text(content: bytes, file: str, loc: str) -> dict[str, Any]:
    content = content.removeprefix(BOM_UTF8)  # as some editors begin a file
    for number, line in enumerate(content.split(b"\n"), start=1):
        if (dots := line.count(b".")) > MAX_DOTS_IN_LINE:
            text = f"{file}: line {number} has {dots} dots, at most {MAX_DOTS_IN_LINE} are read"
            raise refuse("target-syntax", text, loc=loc, help="write a long array on several lines")
        digits = max(map(len, _LONG_NUMBER.findall(line)), default=0)
        if digits:
            text = f"{file}: line {number} has {digits} digits in a row, fewer than 1000 are read"
            raise refuse("target-syntax", text, loc=loc)
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line_number = content.count(b"\n", 0, error.start) + 1
        text = f"{file}: line {line_number} is not UTF-8: byte 0x{content[error.start]:02x}"
        raise refuse("target-syntax", text, loc=loc) from error
    except RecursionError as error:
        raise refuse("target-syntax", f"{file}: nested too deep", loc=loc) from error
    except ValueError as error:  # a TOMLDecodeError
        raise refuse("target-syntax", f"{file}: {error}", loc=loc) from error
