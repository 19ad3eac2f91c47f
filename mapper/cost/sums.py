"""What is added and multiplied behind the readouts of a layer. Standard library only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """How often a layer adds and scales codes, in one time step of one sample, and how wide."""

    shift_adds: int
    shift_add_bits: int
    accumulations: int
    accumulate_bits: int
    corrections: int
    """Of the accumulations: counting active wordlines and adding the offset of the encoding."""
    correction_bits: int
    scale_multiplies: int
    scale_multiply_bits: int
    hop_bits: int
    """Inputs and partial sums times the hops they take."""
    shift_add_width: int
    """Of the sum of bit-slices; 0 where wires put them together."""
    accumulate_width: int
    multiply_width: int
    """Of a product with a scale."""
