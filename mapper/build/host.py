"""The epilogue of a build folder: its file, and what ``mapping.json`` says of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapper.diagnostics import refuse
from mapper.epilogue.limits import FILE
from mapper.ir.core import Graph
from mapper.ir.serialize import load

if TYPE_CHECKING:  # most builds have none, and ONNX takes long to import
    from mapper.epilogue.model import Epilogue


def write_host(epilogue: "Epilogue | None", folder: Path) -> None:
    """Write what the host computes, where there is something."""
    if epilogue is not None:
        (folder / FILE).write_bytes(epilogue.content)


def host_entry(epilogue: "Epilogue | None") -> dict[str, Any]:
    """Return the entry of ``mapping.json``; none where a host computes nothing."""
    return {} if epilogue is None else {"epilogue": epilogue.entry()}


def read_host(data: Mapping[str, Any], folder: Path, hardware: Graph) -> "Epilogue | None":
    """Read what the host computes, where ``mapping.json`` says that there is something.

    Raises:
        MappingError: ``bad-epilogue``.
        KeyError, TypeError, ValueError: The entry is none.
    """
    entry, path = data.get("epilogue"), folder / FILE
    if (entry is None) == path.exists():
        held = "has" if entry is None else "lacks"
        message = f"the folder {held} it, and mapping.json does not say so"
        raise refuse("bad-epilogue", message, loc=str(path))
    if entry is None:
        return None
    from mapper.epilogue.file import EpilogueError
    from mapper.epilogue.read import read_epilogue

    try:
        return read_epilogue(path.read_bytes(), load(dict, entry), hardware.outputs)
    except EpilogueError as error:
        raise refuse("bad-epilogue", str(error), loc=str(path)) from error
