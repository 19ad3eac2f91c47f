"""Which adders and multipliers a chip has for a layer. Standard library only."""

from dataclasses import asdict, replace

from mapper.cost.model import Chip, Layer


def as_added(layers: tuple[Layer, ...], chip: Chip) -> tuple[Layer, ...]:
    """Return layers as a chip adds their sums.

    With ``merged_sums`` as the graph states it: what is wired is no work, and a scale that row
    blocks share is multiplied once. Without, every bit-slice is added and every row block is
    scaled on its own, as the reference has it.
    """
    if chip.merged_sums:
        return layers
    return tuple(
        replace(layer, work=replace(layer.work, **asdict(layer.separate))) for layer in layers
    )
