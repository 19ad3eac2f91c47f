"""Write a target from a few facts of a chip."""

from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from mapper.arguments import PATH, TEXT, WHOLE, Takes, check_arguments
from mapper.cost.description import Description
from mapper.cost.description_to_target import describe
from mapper.diagnostics import nearest, refuse
from mapper.writing import whole_file
from targets import load_target

SCHEMA = "spikeloom/new-target/1"

_NUMBER = Takes(words="a number", types=(Real,))
TAKES = {
    "path": PATH,
    "array": TEXT,
    **dict.fromkeys(
        ("name", "cell", "readout", "encoding", "input_form", "read_channel", "charging"),
        TEXT,
    ),
    **dict.fromkeys(
        (
            "wordlines",
            "bitlines",
            "mux",
            "cell_bits",
            "cell_columns",
            "weight_bits",
            "input_bits",
            "input_bits_per_read",
            "rows_per_read",
            "deep",
            "membrane_bits",
            "tiles",
            "crossbars_per_tile",
        ),
        WHOLE,
    ),
    **dict.fromkeys(
        (
            "node_nm",
            "voltage_v",
            "unit_capacitors",
            "pulse_ns",
            "settling_ns",
            "wordline_ns",
            "read_voltage_v",
            "on_us",
            "off_us",
            "cell_ff",
            "cell_um2",
            "cell_gates",
            "clock_ns",
        ),
        _NUMBER,
    ),
}
"""What the arguments of ``new_target`` are: its own, and every field of a description."""


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
    for unknown in given.keys() - (TAKES.keys() - {"wordlines", "bitlines"}):
        raise refuse(
            "bad-argument",
            f"new_target takes no {unknown!r}{nearest(unknown, TAKES)}",
            loc=unknown,
        )
    needed = {"path": path, "node_nm": node_nm, "array": array, "cell": cell, "readout": readout}
    check_arguments(TAKES, needed, {"name": name, **given})
    file = Path(path)
    wordlines, bitlines = _sizes(array)
    description = Description(
        name=file.stem if name is None else name,
        node_nm=node_nm,
        wordlines=wordlines,
        bitlines=bitlines,
        cell=cell,
        readout=readout,
        **given,
    )
    text = describe(description)
    if file.exists():
        raise refuse(
            "output-exists", f"{file} is there", loc=str(file), help="name another file, or move it"
        )
    with whole_file(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    made = load_target(file.absolute())
    return NewTarget(file=str(file), name=made.name, summary=made.summary)


def _sizes(array: str) -> tuple[int, int]:
    """Read ``256x64``."""
    first, _, second = array.partition("x")
    if not (first.isdecimal() and second.isdecimal() and len(array) < 16):
        raise refuse(
            "target-description",
            f"an array is WORDLINESxBITLINES, as 256x64, got {array!r}",
            loc="--array",
        )
    return int(first), int(second)
