"""A whole target from a few facts of a chip: sizes, node, supply, kinds of cell and of readout.

What is not given comes from laws and from the published parts of ``reference-65nm``, brought to the
node and the supply. ``Description`` says what may be given; ``describe`` writes the file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, get_args

from mapper.cost.description import (
    CELLS,
    CHARGINGS,
    CONVERTERS,
    CURRENT_CELLS,
    CURRENT_CHANNELS,
    FIXED_BITS,
    TREES,
    Description,
)
from mapper.cost.description_to_library import library_of
from mapper.cost.facts import corners_of
from mapper.cost.scaling import LARGEST_NM, SMALLEST_NM, ScalingError
from mapper.diagnostics import nearest, refuse
from targets import Target, target_from_data
from targets.cells import CellKind
from targets.library import ChannelLawName, InputForm
from targets.toml import Comments, commented


def describe(given: Description) -> str:
    """Return the text of a target file: all facts, each with what it is and its source.

    Raises:
        MappingError: with everything about the description that makes no sense.
    """
    corners_of(described(given))  # the laws hold at these sizes
    return commented(*_data(given))


def described(given: Description) -> Target:
    """Return the target that ``describe`` writes."""
    _check(given)
    return target_from_data(_data(given)[0], loc=given.name)


def _check(given: Description) -> None:
    """Refuse what the schema would not name in the words of a description."""
    problems = list(_nonsense(given))
    if problems:
        raise refuse("target-description", "; ".join(problems), help="see 'targets new --help'")


_LEAST: Mapping[str, float] = {
    **dict.fromkeys(("wordlines", "bitlines", "mux", "cell_bits", "cell_columns"), 1),
    **dict.fromkeys(("weight_bits", "input_bits", "input_bits_per_read", "rows_per_read"), 1),
    **dict.fromkeys(("unit_capacitors", "deep", "membrane_bits"), 1),
    **dict.fromkeys(("tiles", "crossbars_per_tile"), 1),
    **dict.fromkeys(("cell_gates", "settling_ns", "wordline_ns", "off_us"), 0),
}
"""The least that a description may have of what is counted or may be nothing."""

_ABOVE_0 = ("read_voltage_v", "on_us", "cell_ff", "cell_um2", "clock_ns", "voltage_v")
"""What is there, and more than nothing."""


def _too_little(given: Description) -> Iterator[str]:
    """Yield what there is too little of, where it is given."""
    least: dict[str, float | None] = {**_LEAST, **dict.fromkeys(_ABOVE_0)}
    for name, bound in least.items():
        value = getattr(given, name)
        if value is not None and not (value > 0 if bound is None else value >= bound):
            words = "above 0" if bound is None else f"{bound:g} or more"
            yield f"{name} is {words}, got {value:g}"


def _nonsense(given: Description) -> Iterator[str]:
    yield from (few := list(_too_little(given)))
    if few:
        return
    if not SMALLEST_NM <= given.node_nm <= LARGEST_NM:
        yield f"nodes are {SMALLEST_NM:g} to {LARGEST_NM:g} nm, got {given.node_nm:g}"
    if given.cell not in CELLS:
        near = nearest(given.cell, CELLS)
        yield (
            f"a cell is {', '.join(CELLS)}, got {given.cell!r}{near}; cells of SRAM are charge, "
            "discharge, static or digital, by what multiplies in them"
        )
        return
    if given.charging not in (None, *CHARGINGS):
        yield f"capacitors are charged by {' or '.join(CHARGINGS)}, got {given.charging!r}"
    for problems in (_of_readout, _of_inputs, _of_options, _of_channel):
        yield from problems(given)
    if given.read_voltage_v is not None and given.read_voltage_v > given.supply:
        yield f"the read voltage {given.read_voltage_v:g} V is above the supply {given.supply:g} V"
    if None not in (given.on_us, given.off_us) and (given.off_us or 0) >= (given.on_us or 0):
        yield f"a cell that is off has {given.off_us:g} uS, one that is on {given.on_us:g} uS"
    if given.deep > 1 and given.kind == "resistive":
        yield f"cells rram and pcm compute by themselves, got {given.deep} behind each"
    if not 1 <= given.cell_columns <= given.cell_bits:
        yield (
            f"a cell of {given.cell_bits} bits is 1 to {given.cell_bits} columns that are read "
            f"together, got {given.cell_columns}"
        )
    if given.mux > given.bitlines:
        yield f"{given.mux} columns share a readout, the crossbar has {given.bitlines}"


def _of_readout(given: Description) -> Iterator[str]:
    (kind, bits), named = given.converter, given.named_readout
    if named not in (*CONVERTERS, *TREES, *FIXED_BITS):
        known = ", ".join((*FIXED_BITS, *(f"{name}4" for name in CONVERTERS), *TREES))
        yield f"a readout is {known}, got {given.readout!r}"
    elif named in CONVERTERS and not 2 <= bits <= 8:
        yield f"a converter has 2..8 bits, as in {named}4, got {given.readout!r}"
    if (kind == "adder-tree") != (given.kind == "digital") and kind != "ideal":
        yield f"digital cells go with {', '.join(TREES)}, got {given.cell} with {given.readout!r}"
    if kind == "cco" and given.kind not in CURRENT_CELLS:
        yield f"an oscillator takes a current, cells {given.cell!r} give none"


def _of_inputs(given: Description) -> Iterator[str]:
    if given.form not in get_args(InputForm):
        yield f"inputs enter as bits, dac or pulses, got {given.input_form!r}"
    elif given.form == "bits" and given.input_bits_per_read > 1 and given.kind != "digital":
        yield f"{given.input_bits_per_read} bits of an input enter together as dac or pulses"
    if given.pulse_ns is not None and (given.form != "pulses" or given.pulse_ns <= 0):
        yield f"pulses last some ns where inputs are pulses, got {given.pulse_ns:g} of {given.form}"


OPTIONS: tuple[tuple[str, str, tuple[CellKind, ...]], ...] = (
    ("unit capacitors go", "unit_capacitors", ("charge",)),
    ("a way of charging goes", "charging", ("charge",)),
    ("columns that are read together go", "cell_columns", ("resistive",)),
    ("a read voltage goes", "read_voltage_v", ("resistive",)),
    ("a conductance of a cell that is on goes", "on_us", ("resistive",)),
    ("a conductance of a cell that is off goes", "off_us", ("resistive",)),
    ("a capacitance of a cell goes", "cell_ff", ("charge", "discharge")),
)
"""Fields of a description that some kinds of cells alone have, in words."""


def _of_options(given: Description) -> Iterator[str]:
    unless = {field.name: field.default for field in fields(Description)}
    for words, name, kinds in OPTIONS:
        if getattr(given, name) != unless[name] and given.kind not in kinds:
            cells = " or ".join(cell for cell, kind in CELLS.items() if kind in kinds)
            yield f"{words} with cells {cells}, got {given.cell!r}"


def _of_channel(given: Description) -> Iterator[str]:
    known = ", ".join(("none", *get_args(ChannelLawName)))
    if given.channel not in ("none", *get_args(ChannelLawName)):
        yield f"a read channel is {known}, got {given.read_channel!r}"
    elif given.channel in CURRENT_CHANNELS and given.kind not in CURRENT_CELLS:
        yield f"a read channel {given.channel!r} takes a current, cells {given.cell!r} give none"


def _data(given: Description) -> tuple[dict[str, Any], Comments]:
    try:
        library, notes = library_of(given)
    except ScalingError as error:
        raise refuse("scaling-range", str(error), loc="--voltage") from error
    data = {
        "name": given.name,
        "summary": summary_of(given),
        "provenance": "described by its sizes; costs by laws and published parts, none measured",
        "macro": [_macro(given)],
        "neuron": {
            "membrane_bits": given.membrane_bits,
            "leaks": ["none", "shift", "multiply"],
            "leak_bits": 12,
        },
        "chip": {
            "tiles": given.tiles,
            "crossbars_per_tile": given.crossbars_per_tile,
            "max_chips": 16,
            "max_rounds": 1,
        },
        "clock": {"policy": "decoupled", "logic_ns": given.clock_ns},
        "components": library,
    }
    return data, {**NOTES, **notes}


def summary_of(given: Description) -> str:
    """Say in a line what a description is of."""
    cells = f"{given.cell_bits}-bit {given.cell}"
    return (
        f"{given.wordlines}x{given.bitlines} crossbars of {cells} cells at {given.node_nm:g} nm, "
        f"{given.supply:g} V, readout {given.readout}"
    )


LEVELS = {"sense-amp": [-1, 1], "ternary": [-1, 0, 1]}
"""What readouts without bits decode to."""


def _macro(given: Description) -> dict[str, Any]:
    kind, bits = given.converter
    return {
        "name": "main",
        "wordlines": given.wordlines,
        "bitlines": given.bitlines,
        "cell_bits": given.cell_bits,
        "encoding": given.encoding or ("binary" if given.weight_bits == 1 else "offset-binary"),
        "weight_bits": given.weight_bits,
        "max_input_bits": given.input_bits,
        "accepts": ["spikes", "codes"] if given.input_bits > 1 else ["spikes"],
        **(
            {"input_bits_per_read": given.input_bits_per_read}
            if given.input_bits_per_read > 1
            else {}
        ),
        **({} if given.rows_per_read is None else {"rows_per_read": given.rows_per_read}),
        "readout": {
            "kind": kind,
            "bits": bits,
            "columns_per_readout": given.mux,
            "reference": "constant",
            **({"levels": LEVELS[kind]} if kind in LEVELS else {}),
        },
    }


NOTES: Comments = {
    ("", "name"): "Change what you know better; costs are under [components].",
    ("macro", "max_input_bits"): "wider inputs are not taken",
    ("macro", "weight_bits"): "unless the user asks for another width",
    ("macro.readout", "columns_per_readout"): "columns (pairs) that take turns",
    ("macro.readout", "reference"): "or half-active: half of what driven rows could give",
    ("neuron", "membrane_bits"): "two's complement, saturating",
    ("chip", "tiles"): "a smaller network leaves tiles empty",
    ("chip", "max_rounds"): "weights stay as they were written",
    ("clock", "policy"): "or sensing-set: one clock, as slow as the slowest readout",
    ("clock", "logic_ns"): "an assumption",
}
"""What a new file says of its keys."""
