"""Which adders and multipliers a chip has for a layer. Standard library only."""

from dataclasses import replace

from mapper.cost.model import Chip, Layer


def as_added(layers: tuple[Layer, ...], chip: Chip) -> tuple[Layer, ...]:
    """Return layers as a chip adds their sums.

    With ``merged_sums`` as the graph states it: what is wired is no work, and a scale that row
    blocks share is multiplied once. Without, every bit-slice is added and every row block is
    scaled on its own, as the reference has it.
    """
    if chip.merged_sums:
        return layers
    return tuple(_separately(layer) for layer in layers)


def _separately(layer: Layer) -> Layer:
    sums = layer.separate
    work = replace(
        layer.work,
        shift_adds=sums.shift_adds,
        shift_add_bits=sums.shift_add_bits,
        accumulations=sums.accumulations,
        accumulate_bits=sums.accumulate_bits,
        corrections=sums.corrections,
        correction_bits=sums.correction_bits,
        scale_multiplies=sums.scale_multiplies,
        scale_multiply_bits=sums.scale_multiply_bits,
        hop_bits=sums.hop_bits,
    )
    return replace(
        layer,
        work=work,
        shift_add_width=sums.shift_add_width,
        accumulate_width=sums.accumulate_width,
        multiply_width=sums.multiply_width,
    )
