"""Files that are whole or not there, and the JSON that goes into them."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path


def json_text(data: object) -> str:
    """Write data as JSON, which has no word for a number that overflowed: ``null``."""
    return json.dumps(_finite(data), indent=1, allow_nan=False)


def _finite(data: object) -> object:
    if isinstance(data, float):
        return data if isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(held) for key, held in data.items()}
    return [_finite(held) for held in data] if isinstance(data, list | tuple) else data


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name[:100]}.", dir=path.parent) as aside:
        temporary = Path(aside) / f"file{path.suffix}"
        yield temporary
        temporary.replace(path)
