"""What a space may vary: a closed table of axes, with what each takes, changes and leaves as it is.

An axis is a row of ``AXES``, a fact of a target by its dotted name (``mapper.exploration.facts``),
or ``component.`` and a constant of a component library, as ``cost.py --set`` names it. Its values
become *edits*: facts of the target, fields of the description that the target is written from,
widths and places of layers, options of passes, constants.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from mapper.cost.description import CELLS, CHARGINGS
from mapper.cost.points import SETTING_KEYS
from mapper.cost.scaling import LARGEST_NM, SMALLEST_NM
from mapper.diagnostics import nearest
from mapper.exploration.facts import FACTS, READOUT, WITHOUT, plain_name
from targets.fields import Amount, Bounds, Count, Lines, Longest, Positive
from targets.library import ChannelLawName, InputForm

Stage = Literal[
    "weights", "neurons", "macros", "rows", "readouts", "columns", "chips", "counts", "prices"
]
"""What is done for a point, in order; ``mapper.exploration.stages`` does it."""

STAGES: tuple[Stage, ...] = get_args(Stage)

Value = str | int | float | bool
"""What an axis takes at a point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What a value of an axis changes."""

    facts: Mapping[str, Value] = field(default_factory=dict)
    """Of the target, by dotted name."""
    described: Mapping[str, Value] = field(default_factory=dict)
    """Fields of the description that the target is written from; facts follow from them."""
    weight_bits: int | None = None
    """Of every layer that has no width of its own."""
    assignment: str = ""
    """The file of what is decided for layers."""
    copies: int | None = None
    """Option ``max-copies`` of the pass ``replicate``."""
    constants: Mapping[str, float] = field(default_factory=dict)
    """Of the component library, as ``cost.py --set`` names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What may be varied."""

    takes: Any
    """Its values, as annotations of ``targets.fields`` say it."""
    words: str
    """What it changes."""
    stage: Stage
    """The first that is done again where its value is another one."""
    edits: Callable[[Any], Edits]
    described: bool = False
    """Only of a target that is written from a description: laws follow, numbers would not."""


def _fact(*names: str) -> Callable[[Any], Edits]:
    return lambda value: Edits(facts=dict.fromkeys(names, value))


def _field(name: str) -> Callable[[Any], Edits]:
    return lambda value: Edits(described={name: value})


def _array(value: str | int) -> Edits:
    """Read ``256x64``; one number is both."""
    wordlines, bitlines = Array.sides(value)
    return Edits(facts={"macro.wordlines": wordlines, "macro.bitlines": bitlines})


@dataclass(frozen=True, slots=True)
class Array:
    """Takes wordlines x bitlines: 64, or ``256x64``."""

    low: int = 1
    high: int = 65_536

    @staticmethod
    def sides(value: str | int) -> tuple[int, int]:
        """Return its wordlines and bitlines; one number is both."""
        first, _, second = str(value).partition("x")
        return int(first), int(second or first)


@dataclass(frozen=True, slots=True)
class ReadoutKindAndBits:
    """Takes a readout in a word: ``sense-amp``, ``sar4``."""


def _described(hint: Any, name: str, words: str) -> Axis:
    return Axis(takes=hint, words=words, stage="prices", edits=_field(name), described=True)


AXES: Mapping[str, Axis] = {
    "array": Axis(
        takes=Array(), words="wordlines and bitlines of every macro", stage="rows", edits=_array
    ),
    "rows_per_read": Axis(
        takes=Lines,
        words="wordlines that one read drives at most",
        stage="rows",
        edits=_fact("macro.rows_per_read"),
    ),
    "cell_bits": Axis(
        takes=FACTS["macro.cell_bits"],
        words="bits of a cell",
        stage="rows",
        edits=_fact("macro.cell_bits"),
    ),
    "encoding": Axis(
        takes=FACTS["macro.encoding"],
        words="how weights are written on cells",
        stage="rows",
        edits=_fact("macro.encoding"),
    ),
    "readout": Axis(
        takes=ReadoutKindAndBits(),
        words="kind and bits of the readout: sense-amp, ternary, sar4",
        stage="readouts",
        edits=_fact("macro.readout"),
    ),
    "reference": Axis(
        takes=FACTS["macro.readout.reference"],
        words="what a sense amplifier compares with",
        stage="readouts",
        edits=_fact("macro.readout.reference"),
    ),
    "columns_per_readout": Axis(
        takes=FACTS["macro.readout.columns_per_readout"],
        words="columns (pairs) that share a readout",
        stage="columns",
        edits=_fact("macro.readout.columns_per_readout"),
    ),
    "input_bits_per_read": Axis(
        takes=FACTS["macro.input_bits_per_read"],
        words="bits of an input that enter in one read",
        stage="macros",
        edits=_fact("macro.input_bits_per_read"),
    ),
    "membrane_bits": Axis(
        takes=FACTS["neuron.membrane_bits"],
        words="bits of a membrane",
        stage="neurons",
        edits=_fact("neuron.membrane_bits"),
    ),
    "weight_bits": Axis(
        takes=FACTS["macro.weight_bits"],
        words="bits of a weight, as --weight-bits",
        stage="weights",
        edits=lambda value: Edits(weight_bits=value),
    ),
    "assignment": Axis(
        takes=Annotated[str, Longest(1000)],
        words="what is decided for layers, a file, as --assign; from the folder of the space",
        stage="weights",
        edits=lambda value: Edits(assignment=value),
    ),
    "copies": Axis(
        takes=Count,
        words="copies of a layer at most, as --pass 'replicate{max-copies=N}'",
        stage="chips",
        edits=lambda value: Edits(copies=value),
    ),
    "node": _described(
        Annotated[float, Bounds(SMALLEST_NM, LARGEST_NM)],
        "node_nm",
        "technology node in nm; the supply that is usual there, unless it is given",
    ),
    "voltage": _described(Positive, "voltage_v", "supply in V"),
    "cell": _described(Literal[tuple(CELLS)], "cell", "kind of cell, as --cell"),
    "cell_columns": _described(Count, "cell_columns", "columns that one readout takes together"),
    "deep": _described(Count, "deep", "memory cells behind every cell that computes"),
    "unit_capacitors": _described(Positive, "unit_capacitors", "capacitors of a charge cell"),
    "charging": _described(Literal[CHARGINGS], "charging", "when a capacitor is charged"),
    "read_channel": _described(
        Literal[("none", *get_args(ChannelLawName))], "read_channel", "what is before a readout"
    ),
    "input_form": _described(
        Literal[get_args(InputForm)], "input_form", "how bits of an input enter in one read"
    ),
    "settling_ns": _described(Positive, "settling_ns", "settling of a bitline or read channel"),
    "wordline_ns": _described(Positive, "wordline_ns", "settling of a wordline"),
    "pulse_ns": _described(Positive, "pulse_ns", "one pulse of an input"),
    "read_voltage": _described(Positive, "read_voltage_v", "V across a resistive cell"),
    "on_us": _described(Positive, "on_us", "conductance of a cell that is on"),
    "off_us": _described(Amount, "off_us", "conductance of a cell that is off"),
    "cell_ff": _described(Positive, "cell_ff", "what a charge or discharge cell switches"),
    "cell_um2": _described(Positive, "cell_um2", "area of a memory cell"),
    "cell_gates": _described(Amount, "cell_gates", "NAND2 beside every cell that computes"),
}
"""Axes that have a name of their own."""

FACT_STAGES: Mapping[str, Stage] = {
    "macro.wordlines": "rows",
    "macro.bitlines": "columns",
    "macro.rows_per_read": "rows",
    "macro.cell_bits": "rows",
    "macro.cell_levels": "rows",
    "macro.encoding": "rows",
    "macro.weight_bits": "weights",
    "macro.max_input_bits": "macros",
    "macro.input_bits_per_read": "macros",
    "macro.readout": "readouts",
    "macro.readout.columns_per_readout": "columns",
    "macro.readout.reference": "readouts",
    "macro.readout.shared_reference": "columns",
    "neuron.membrane_bits": "neurons",
    "neuron.leak_bits": "neurons",
    "neuron.leak_rounding": "neurons",
    "neuron.fraction_bits": "neurons",
    "chip.tiles": "chips",
    "chip.crossbars_per_tile": "chips",
    "chip.max_chips": "chips",
    "chip.max_rounds": "chips",
    "chip.idle_leakage": "prices",
    "chip.buffer_ports": "prices",
    "clock.policy": "prices",
    "clock.logic_ns": "prices",
    "clock.step_ns": "prices",
    "events.skip_silent_reads": "prices",
    "events.update_on_event": "counts",
}
"""The first stage that is done again where a fact of the target is another one."""

CONSTANT = "component."
"""What the name of an axis begins with that is a constant of the component library."""

_ABOVE_ZERO = Annotated[float, Bounds(1e-9, 1e12)]
_CONSTANTS = {"latency_ns": _ABOVE_ZERO, "leak_uw": _ABOVE_ZERO}
"""Those that are not left out by a 0."""


def axis_of(name: str) -> Axis | None:
    """Return an axis by its name; None where there is no such."""
    if name in AXES:
        return AXES[name]
    key = name.removeprefix(CONSTANT)
    if name.startswith(CONSTANT) and key in SETTING_KEYS:
        return Axis(
            takes=_CONSTANTS.get(key.rpartition(".")[2], Amount),
            words=f"constant {key} of the component library",
            stage="prices",
            edits=lambda value: Edits(constants={key: value}),
        )
    fact, _ = plain_name(name)
    if fact not in FACTS:
        return None
    return Axis(
        takes=ReadoutKindAndBits() if fact == READOUT else FACTS[fact],
        words=f"fact {name} of the target",
        stage=FACT_STAGES[fact],
        edits=_fact(name),
    )


def no_axis(name: str) -> tuple[str, str]:
    """Say that nothing is varied by a name, and what to do."""
    fact, _ = plain_name(name)
    if name in WITHOUT or fact in WITHOUT:
        return f"{name!r} is no axis: {WITHOUT[fact]}", ""
    known = (*AXES, *FACTS, *(f"{CONSTANT}{key}" for key in SETTING_KEYS))
    help = (
        f"axes are {', '.join(AXES)}; facts of a target as 'chip.tiles'; 'component.adc.energy_pj'"
    )
    return f"there is no axis {name!r:.60}{nearest(name, known)}", help


def flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield axes by their dotted names: ``chip.tiles = [..]`` without quotes is a table in TOML."""
    for key, value in data.items():
        name = f"{prefix}{key}"
        is_range = isinstance(value, dict) and ("from" in value or "steps" in value)
        if isinstance(value, dict) and value and not is_range and axis_of(name) is None:
            yield from flat(value, f"{name}.")
        else:
            yield name, value
