"""What waits for what in a stage of a layer, in words."""

from math import ceil

from mapper.cost.model import Layer
from mapper.diagnostics import many
from targets import Target


def waits(stage: str, layer: Layer, target: Target, *, shared: bool = True) -> str:
    """Say what is done one after the other in a stage; ``shared`` is the preset's."""
    grid = layer.grid
    turns, each = _turns(layer), _waiting(layer, target) if shared else ""
    told = {
        "read": f"it reads {turns}"
        + (f", in {grid.planes} bit planes or steps each" if grid.planes > 1 else "")
        + (f", in {grid.turns} turns of rows" if grid.turns > 1 else "")
        + _sharing(layer, target),
        "shift_add": f"it shifts and adds the codes of {turns}" + _sharing(layer, target),
        "scale": f"it multiplies the sums of {turns} with their scales" + each,
        "accumulate": f"it adds {many(grid.row_blocks, 'row block')} for {turns}" + each,
        "digital": f"the digital unit computes {layer.digital_rows:,} products for {turns}" + each,
        "membrane": f"it updates the membranes of {turns}" + each,
        "arrival": f"its {layer.input_bits:,} input bits arrive through one link",
        "load": f"it loads the wordlines of {turns}, through the port of a tile's buffer"
        + (_port_sharing(layer, target) if shared else ""),
        "buffer": "all its bits pass one buffer",
        "collect": "all its results pass one accumulator",
    }
    return told.get(stage, f"of its {stage}")


def _turns(layer: Layer) -> str:
    """Say which output positions wait for each other."""
    copies = max(layer.grid.copies, 1)
    share = ceil(layer.positions / copies)
    if share == 1:
        return "its one output position" if copies == 1 else "one output position in each copy"
    if copies == 1:
        return f"{share:,} output positions one after the other"
    return f"{share:,} output positions in each of its {copies:,} copies, one after the other"


def _sharing(layer: Layer, target: Target) -> str:
    """Say how many columns wait for the same readout."""
    found = (m.readout.columns_per_readout for m in target.macros if m.name == layer.macro)
    turns = min(next(found, 1), layer.grid.block_conversions)
    return f", in {turns} turns of the columns that share a readout" if turns > 1 else ""


def _port_sharing(layer: Layer, target: Target) -> str:
    """Say how many copies wait for the same port."""
    crossbars = layer.grid.row_blocks * layer.grid.column_blocks
    held = ceil(target.chip.crossbars_per_tile / crossbars) if crossbars else 1
    copies = min(layer.grid.copies, held)
    return f", which {copies} copies share" if copies > 1 else ""


def _waiting(layer: Layer, target: Target) -> str:
    """Say in how many turns the outputs of a position pass the circuits that they share."""
    columns = target.macro(layer.macro).readout.columns_per_readout
    each = ceil(layer.outputs / max(ceil(layer.outputs / columns), 1))
    return f", in {each} turns of the outputs that share a circuit" if each > 1 else ""
