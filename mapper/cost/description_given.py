"""A description of a chip from what a person gives: by names, strictly checked."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

from mapper.arguments import TEXT, WHOLE, Takes, check_arguments
from mapper.cost.description import Description
from mapper.diagnostics import nearest, refuse

_NUMBER = Takes(words="a number", types=(Real,))

TAKES: Mapping[str, Takes] = {
    "array": TEXT,
    **dict.fromkeys(
        ("name", "cell", "readout", "encoding", "input_form", "read_channel", "charging"),
        TEXT,
    ),
    **dict.fromkeys(
        (
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
"""What may be given: every field of a description, wordlines and bitlines as an ``array``."""

NEEDED = ("node_nm", "array", "cell", "readout")
"""What has to be given."""


def description_of(name: str, given: Mapping[str, Any]) -> Description:
    """Return a description of what was given; whether it makes sense is asked where it is used.

    Args:
        name: Of the target, unless it is given.
        given: By the names of ``TAKES``.

    Raises:
        MappingError: ``bad-argument`` for what cannot be given, or is of another type,
            ``target-description`` for an array that is none.
    """
    for unknown in given.keys() - TAKES.keys():
        raise refuse(
            "bad-argument",
            f"a new target takes no {unknown!r}{nearest(unknown, TAKES)}",
            loc=unknown,
        )
    for missing in (key for key in NEEDED if key not in given):
        raise refuse("bad-argument", f"a new target needs {missing!r}", loc=missing)
    needed = {key: given[key] for key in NEEDED}
    others = {key: value for key, value in given.items() if key not in NEEDED}
    check_arguments(TAKES, needed, others)
    wordlines, bitlines = _sizes(needed.pop("array"))
    fields = {"name": name, **needed, **{k: v for k, v in others.items() if v is not None}}
    return Description(wordlines=wordlines, bitlines=bitlines, **fields)


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
