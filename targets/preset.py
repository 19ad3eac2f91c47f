"""Presets: what an estimate assumes of a chip beyond the facts of its target file.

A preset is a TOML file of assumptions. It changes no mapping and no count, only what is charged,
and how fast the parts are taken to run.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from targets.fields import Bounds, Name, Positive, Text
from targets.library import Library

Wire = Annotated[float, Bounds(0.0, 1e6)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """A chip whose layers all fetch from one buffer, through one tree of wires.

    A table without intervals: these numbers describe one simulated chip, not what is published of
    many.
    """

    buffer_bits: Positive
    """That the chip's buffer gives or takes in a cycle."""
    bus_bits_per_wordline: Positive
    """Width of the tree, for each wordline of a crossbar."""
    local_bits: Positive
    """That a tile's own buffer gives its crossbars in a cycle."""
    collect_cycles: Positive
    """In which the chip's accumulator takes one word of results of one tile."""
    wire_pj_per_bit_mm: Wire
    """Of the tree, times the side of the chip."""
    collect_pj_per_bit: Wire
    """Of a result on its way to the chip's accumulator, for each copy that its layer has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """The assumptions of one estimate. ``mapper.cost`` gives each its formula."""

    name: Name
    summary: Text
    provenance: Text
    activity: Literal["random", "given"]
    """Random input bits of density ``0.5 (T - 1) / T``, or what is given: a trace or a density."""
    adc: Literal["flash", "sar", "as-built"]
    """The circuit of ADCs; ``as-built`` leaves it to the target."""
    clock: Literal["sensing-set", "decoupled", "as-built"]
    steps_as_bits: bool
    overlap: bool
    neurons: bool
    corrections: bool
    merged_sums: bool
    """Bit-slices that make a code are wires, and a scale that row blocks share is multiplied once;
    else, as the reference has it, every slice is added and every row block scaled."""
    shared_units: bool
    """Whoever waits for a circuit, a port or a word waits in the estimate, too."""
    every_ms: Positive | None = None
    """Milliseconds from one inference to the next; None: back to back."""
    components: Library | None = None
    """Component facts that replace the target's."""
    hierarchy: Hierarchy | None = None
    """None: a buffer in every tile, and a mesh between tiles."""
    cites: tuple[Name, ...] = ()
    """Keys of the works that it comes from."""


DEFAULT_PRESET = "physical"

AS_BUILT = Preset(
    name="as-built",
    summary="what the target file says, everything charged",
    provenance="the target",
    activity="given",
    adc="as-built",
    clock="as-built",
    steps_as_bits=False,
    overlap=True,
    neurons=True,
    corrections=True,
    merged_sums=True,
    shared_units=True,
)
