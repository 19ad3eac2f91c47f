"""Rules that readouts and shift-and-adds share: shapes of grids, tables and counts."""

from collections.abc import Iterator

from mapper.ir.core import Array, IntType, Value

_SUM_BITS = 54
"""Of partial sums that are read: less a threshold they stay within 64 bits."""
_COUNT_BITS = 32
"""Of counts of active wordlines."""


def readout_problems(partial_sum: Value, result: Value) -> Iterator[str]:
    """Yield why a readout cannot give these codes of these sums."""
    if partial_sum.shape != result.shape:
        yield f"partial sums are {partial_sum.shape}, but the readout gives {result.shape}"
    if len(result.shape) < 4:
        yield f"partial sums are [planes, blocks, slices, outputs, ...], got {partial_sum.shape}"
    if not isinstance(result.type, IntType) or not isinstance(partial_sum.type, IntType):
        yield f"a readout is an integer, got {partial_sum.type} and {result.type}"
    elif partial_sum.type.bits > _SUM_BITS:
        yield f"partial sums of {partial_sum.type}, at most {_SUM_BITS} bits are read"


def grid_problems(name: str, table: Array, grid: tuple[int, ...]) -> Iterator[str]:
    """Yield why a table has not one entry, or one for all, along every axis of a grid.

    Where copies of the grid differ it has an axis of them in front, two or more.
    """
    own = table.shape[table.ndim - len(grid) :]
    fits = table.ndim in (len(grid), len(grid) + 1) and all(
        side in (1, full) for side, full in zip(own, grid, strict=True)
    )
    if not fits:
        yield f"{name} of shape {table.shape} do not broadcast to {grid}"
    elif table.ndim > len(grid) and len(table) < 2:
        yield f"{name} of shape {table.shape} have an axis of one copy, which is left out"


def active_problems(active: Value, grid: Value) -> Iterator[str]:
    """Yield why counts ``[planes, G, groups, *P]`` are not of sums ``[planes, G, S, N, *P]``."""
    planes, blocks, _, outputs, *positions = grid.shape
    groups = active.shape[2] if len(active.shape) > 2 else 0
    if active.shape != (planes, blocks, groups, *positions) or not groups or outputs % groups:
        yield f"active wordlines are {active.shape}, the columns {grid.shape}"
    if not isinstance(active.type, IntType) or active.type.bits > _COUNT_BITS:
        yield f"active wordlines are integers of at most {_COUNT_BITS} bits, got {active.type}"
