"""Find, read and check device files."""

import os
from functools import cache
from pathlib import Path
from typing import Any

from mapper.arguments import Takes, check_arguments
from mapper.diagnostics import MappingError, nearest
from targets.devices.device import Device
from targets.files import is_plain_name, parse
from targets.reader import Reader, show, unknown_name
from targets.works import shipped_works

SHIPPED = Path(__file__).parent

_TAKES = {"name_or_path": Takes(words="a device's name, or its file", types=(str, os.PathLike))}


def device_names() -> tuple[str, ...]:
    """List the names of the devices that come with the compiler."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def load_device(name_or_path: str | Path) -> Device:
    """Load a device by its name, or from a TOML file.

    Raises:
        MappingError: ``unknown-device`` for a name that is none of ours, and everything that is
            wrong with the file.
    """
    check_arguments(_TAKES, {"name_or_path": name_or_path}, {})
    path = Path(name_or_path)
    if is_plain_name(name_or_path):
        return _load_shipped(path.name)
    return _load_file(path, loc=str(path))


def device_from_data(data: object, *, loc: str) -> Device:
    """Check a device that is already parsed, say from JSON; ``loc`` says where it came from."""
    reader = Reader(file=Path(loc).name, loc=loc)
    device = reader.table(Device, data)
    if device is not None:
        _check_cited(reader, device)
    if device is None or reader.problems:
        raise MappingError(reader.problems)
    return device


def is_shipped(device: Device) -> bool:
    """Say whether it is, to the last fact, one that comes with the compiler."""
    return device.name in device_names() and _load_shipped(device.name) == device


def shipped_device_text(name: str) -> str:
    """Return the file of a device that comes with the compiler, comments and all.

    Raises:
        MappingError: ``unknown-device``.
    """
    _load_shipped(name)
    return (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")


@cache
def _load_shipped(name: str) -> Device:
    if name in device_names():
        return _load_file(SHIPPED / f"{name}.toml", loc=f"devices/{name}.toml")
    raise unknown_name("unknown-device", "device", name, device_names())


def _load_file(path: Path, loc: str) -> Device:
    data: dict[str, Any] = parse(path, loc, unknown="unknown-device")
    return device_from_data(data, loc=loc)


def _check_cited(reader: Reader, device: Device) -> None:
    """Note every key of a work that is not among those that ship."""
    cited = [("", device.cites)]
    cited += [(f"[{path}] ", getattr(held, "cites", ())) for path, held in device.facts()]
    for place, keys in cited:
        for key in keys:
            if key not in shipped_works():
                near = nearest(key, shipped_works())
                reader.note(
                    "target-value", f"{place}cites no work that is there: {show(key)}{near}"
                )
