"""Find, read and check target files."""

import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from mapper.arguments import Takes, check_arguments
from mapper.diagnostics import MappingError, nearest, printable, refuse
from targets.devices.load import load_device
from targets.files import is_plain_name, parse
from targets.library import Library
from targets.parts import PartList
from targets.plain import to_plain
from targets.preset import AS_BUILT, Preset
from targets.reader import BAD, Reader, show, unknown_name
from targets.schema import Target
from targets.works import Work, Works, shipped_works

SHIPPED = Path(__file__).parent
LIBRARIES = SHIPPED / "components"
PRESETS = SHIPPED / "presets"
T = TypeVar("T")


def list_targets() -> tuple[str, ...]:
    """List the names of the targets that come with the compiler."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def targets_with_membranes(bits: int) -> tuple[str, ...]:
    """List the targets that come with the compiler and have membranes of ``bits`` or more."""
    shipped = map(_load_shipped, list_targets())
    return tuple(t.name for t in shipped if t.neuron.membrane_bits >= bits)


_TAKES = {"name_or_path": Takes(words="a target's name, or its file", types=(str, os.PathLike))}


def load_target(name_or_path: str | Path) -> Target:
    """Load a target by its name, or from a TOML file.

    Raises:
        MappingError: with everything that is wrong with the name or with the file.
    """
    check_arguments(_TAKES, {"name_or_path": name_or_path}, {})
    path = Path(name_or_path)
    if is_plain_name(name_or_path):
        return _load_shipped(path.name)
    return _load_file(path, loc=str(path))


def list_parts() -> tuple[str, ...]:
    """List the names of the part lists that come with the compiler."""
    return tuple(name for name, data in _shipped_components().items() if "part" in data)


def load_parts(name_or_path: str | Path) -> PartList:
    """Load a list of published parts by its name, or from a TOML file.

    Raises:
        MappingError: ``unknown-components`` for a name that is none of ours, and what is wrong
            with the file.
    """
    check_arguments(_TAKES, {"name_or_path": name_or_path}, {})
    path = Path(name_or_path)
    if is_plain_name(name_or_path):
        return _shipped_parts(path.name)
    data = parse(path, str(path), unknown="unknown-components")
    return _read_parts(data, path.name, str(path))


def list_libraries() -> tuple[str, ...]:
    """List the names of the whole libraries that a target may name."""
    return tuple(name for name, data in _shipped_components().items() if "part" not in data)


@cache
def load_library(name: str) -> Library:
    """Load a component library that comes with the compiler by its name.

    Raises:
        MappingError: ``target-value`` for a name that is none of ours.
    """
    return _load_library(name, None)


def shipped_text(name: str) -> str:
    """Return the file of a target that comes with the compiler, comments and all.

    Raises:
        MappingError: ``unknown-target``.
    """
    _load_shipped(name)
    return (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")


def list_presets() -> tuple[str, ...]:
    """List the names that ``load_preset`` knows."""
    return (*sorted(path.stem for path in PRESETS.glob("*.toml")), AS_BUILT.name)


@cache
def load_preset(name: str) -> Preset:
    """Load a preset by its name.

    Raises:
        MappingError: ``unknown-preset``.
    """
    if name == AS_BUILT.name:
        return AS_BUILT
    if name not in list_presets():
        raise refuse(
            "unknown-preset",
            f"no preset is named {show(name)}",
            loc="--preset",
            help=f"use {' or '.join(list_presets())}",
        )
    path = PRESETS / f"{name}.toml"
    loc = f"presets/{path.name}"
    reader = Reader(file=path.name, loc=loc)
    return _read(Preset, reader, parse(path, loc, unknown="unknown-preset"), folder=None)


def target_from_data(data: object, *, loc: str) -> Target:
    """Check a target that is already parsed, say from JSON; ``loc`` says where it came from."""
    reader = Reader(file=Path(loc).name, loc=loc)
    return _read(Target, reader, data, folder=None)


def target_to_data(target: Target) -> dict[str, Any]:
    """Give a target as plain dicts, lists and scalars; ``target_from_data`` reads it back."""
    data = to_plain(target)
    assert isinstance(data, dict)
    return data


@cache
def _shipped_components() -> dict[str, dict[str, Any]]:
    """Parse every shipped component file, libraries and part lists, by its name."""
    return {
        path.stem: parse(path, f"components/{path.name}", unknown="unknown-components")
        for path in sorted(LIBRARIES.glob("*.toml"))
    }


@cache
def _shipped_parts(name: str) -> PartList:
    known = list_parts()
    if name in known:
        return _read_parts(_shipped_components()[name], f"{name}.toml", f"components/{name}.toml")
    raise unknown_name("unknown-components", "list of parts", name, known)


def _read_parts(data: object, file: str, loc: str) -> PartList:
    reader = Reader(file=file, loc=loc)
    parts = reader.table(PartList, data)
    if parts is None:
        raise MappingError(reader.problems)
    return parts


@cache
def _load_shipped(name: str) -> Target:
    if name in list_targets():
        return _load_file(SHIPPED / f"{name}.toml", loc=f"{name}.toml")
    raise unknown_name("unknown-target", "target", name, list_targets())


def _load_file(path: Path, loc: str) -> Target:
    reader = Reader(file=path.name, loc=loc)
    return _read(Target, reader, parse(path, loc, unknown="unknown-target"), folder=path.parent)


def _read(cls: type[T], reader: Reader, data: object, folder: Path | None) -> T:
    ready: dict[str, object] = {}
    if isinstance(data, dict) and isinstance(data.get("components"), str):
        ready["components"] = _named_library(reader, data["components"], folder)
    if isinstance(data, dict) and isinstance(data.get("macro"), list):
        data = {**data, "macro": [_with_device(reader, m, folder) for m in data["macro"]]}
    made = reader.table(cls, data, ready=ready)
    if made is not None:
        _check_cited(reader, made)
    if made is None or reader.problems:
        raise MappingError(reader.problems)
    return made


def _check_cited(reader: Reader, made: object) -> None:
    """Note every key of a work that is neither among those that ship nor in the library."""
    library = made.components if isinstance(made, Target | Preset) else None
    cited = [("", made.cites)] if isinstance(made, Target | Preset) else []
    own: set[str] = set()
    if library is not None:
        cited += [(f"[{name}] ", keys) for name, keys in library.cited()]
        own = {work.key for work in library.works}
    for place, keys in cited:
        for key in keys:
            if key not in own and key not in shipped_works():
                near = nearest(key, [*own, *shipped_works()])
                help = "give it a [[reference]] table in the component library"
                reader.note(
                    "target-value", f"{place}cites no work that is there: {show(key)}{near}", help
                )


def read_works(data: Sequence[object], loc: str) -> tuple[Work, ...]:
    """Check works that are already parsed, say from JSON; ``loc`` says where they came from."""
    reader = Reader(file=Path(loc).name, loc=loc)
    held = reader.table(Works, {"reference": data})
    if held is None:
        raise MappingError(reader.problems)
    return held.works


def work_to_data(work: Work) -> dict[str, Any]:
    """Give a work as plain data; ``read_works`` reads it back."""
    data = to_plain(work)
    assert isinstance(data, dict)
    return data


def _with_device(reader: Reader, macro: object, folder: Path | None) -> object:
    """Give a macro that names a device the device: one of ours, or a file of the user's own."""
    if not isinstance(macro, dict) or not isinstance(macro.get("device"), str):
        return macro
    name = macro["device"]
    path = name if is_plain_name(name) or folder is None else folder / name
    kept = {key: value for key, value in macro.items() if key != "device"}
    try:
        if folder is None and not is_plain_name(name):
            raise refuse("unknown-device", f"no device is named {show(name)}", loc=reader.loc)
        return {**kept, "device": load_device(path).to_data()}
    except MappingError as error:
        reader.problems.extend(error.diagnostics)
        return kept


def _named_library(reader: Reader, name: str, folder: Path | None) -> object:
    """Read the library that a target names: one of ours, or a file, from the target's folder."""
    try:
        return _load_library(name, folder)
    except MappingError as error:
        reader.problems.extend(error.diagnostics)
        return BAD


def _load_library(name: str, folder: Path | None) -> Library:
    """Return a library by its name, or by a path from ``folder``; None is of one without files."""
    known = list_libraries()
    if name in known:
        path, loc = LIBRARIES / f"{name}.toml", f"components/{name}.toml"
    else:
        path = _library_file(name, folder, known)
        loc = str(path)
    reader = Reader(file=path.name, loc=loc)
    library = reader.table(Library, parse(path, loc, unknown="target-value"))
    if library is None:
        raise MappingError(reader.problems)
    return library


def _library_file(name: str, folder: Path | None, known: Iterable[str]) -> Path:
    """Return where the file of a library is; only the user's own target may name one."""
    path = None if folder is None or not name.endswith(".toml") else folder / name
    if path is not None and _is_there(path):
        return path
    looked = "" if path is None else f"there is no file '{printable(str(path))}'; "
    raise refuse(
        "target-value",
        f"no component library is named {show(name)}{nearest(name, known)}",
        help=f"{looked}use {', '.join(known)}, or the path of a .toml file, from the folder of "
        "the target",
    )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file system takes
        return False
