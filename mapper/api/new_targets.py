"""Write a target from a few facts of a chip."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapper.arguments import PATH, check_arguments
from mapper.cost.description_given import description_of
from mapper.cost.description_to_target import describe
from mapper.diagnostics import refuse
from mapper.writing import whole_file
from targets import load_target

SCHEMA = "spikeloom/new-target/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTarget:
    """A target file that was written."""

    file: str
    name: str
    summary: str

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom targets new``."""
        return {
            "schema": SCHEMA,
            "file": self.file,
            "name": self.name,
            "summary": self.summary,
        }


def new_target(
    path: str | Path,
    *,
    node_nm: float,
    array: str,
    cell: str,
    readout: str,
    name: str | None = None,
    **given: Any,
) -> NewTarget:
    """Write a target file from a few facts; the rest by laws and published parts.

    Args:
        path: The TOML file to write; one that is there is refused.
        node_nm: 7..130.
        array: Wordlines x bitlines of a crossbar: ``256x64``.
        cell: ``rram``, ``pcm``, ``charge``, ``discharge``, ``static`` or ``digital``.
        readout: ``sense-amp``, ``ternary``, ``ideal``; ``sar``, ``serial``, ``flash`` or ``cco``
            with its bits, as ``sar4``; ``adder-tree``, ``word-tree`` or ``adder-chain``.
        name: Of the target; that of the file unless given.
        given: Further fields of ``mapper.cost.description.Description``, but for ``wordlines`` and
            ``bitlines``.

    Raises:
        MappingError: ``bad-argument``, ``target-description`` with everything that makes no sense,
            ``target-value`` for what a target file cannot hold, ``output-exists``.

    Example:
        >>> new_target("my.toml", node_nm=28, array="256x64", cell="charge", readout="sar4").name
        'my'
    """
    check_arguments({"path": PATH}, {"path": path}, {})
    file = Path(path)
    known = {"node_nm": node_nm, "array": array, "cell": cell, "readout": readout}
    description = description_of(file.stem, {**known, "name": name, **given})
    text = describe(description)
    if file.exists():
        raise refuse(
            "output-exists", f"{file} is there", loc=str(file), help="name another file, or move it"
        )
    with whole_file(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    made = load_target(file.absolute())
    return NewTarget(file=str(file), name=made.name, summary=made.summary)
