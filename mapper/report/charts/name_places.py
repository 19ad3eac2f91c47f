"""Where the name of a layer stands on a floorplan: on crossbars of its own, and on no others'.

A layer fills slots one after the other, so the first and the last of its tiles may hold crossbars
of other layers too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

GAP = 0.6
"""Between tiles, in crossbars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """How the crossbars of a chip are drawn: tile beside tile, in each row after row."""

    tiles: int
    """Of a chip."""
    across: int
    """Tiles beside each other."""
    per_tile: int
    """Crossbars."""
    inner: int
    """Crossbars of a tile beside each other."""

    @property
    def down(self) -> int:
        """Return how many rows of crossbars a tile has; the last may be shorter."""
        return -(-self.per_tile // self.inner)

    def tile(self, inside: int) -> tuple[float, float]:
        """Return the left upper corner of a tile, from that of its chip, in crossbars."""
        row, column = divmod(inside, self.across)
        return column * (self.inner + GAP), row * (self.down + GAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePlace:
    """A line of a layer's own crossbars, from the left upper corner of a chip, in crossbars."""

    chip: int
    middle: float
    line: float
    """How far down."""
    length: float


def name_place(first: int, last: int, tiling: Tiling) -> NamePlace:
    """Return the longest line on crossbars of a layer that fills the slots first..last.

    Where several rows of crossbars are as long, one below the other, it runs through their middle.
    """
    rows: dict[tuple[int, float, float, float], list[int]] = {}
    for chip, begin, end in _rows_of_tiles(
        first // tiling.per_tile, last // tiling.per_tile, tiling
    ):
        base = chip * tiling.tiles
        for row in range(tiling.down):
            own = partial(_own, row=row, first=first, last=last, tiling=tiling)
            left = begin if own(base + begin) else begin + 1  # tiles between are the layer's alone
            right = end if own(base + end) else end - 1
            if left > right:
                continue
            start = tiling.tile(left)[0] + own(base + left).start
            stop = tiling.tile(right)[0] + own(base + right).stop
            rows.setdefault((chip, tiling.tile(begin)[1], start, stop), []).append(row)
    (chip, top, start, stop), held = max(
        rows.items(), key=lambda pair: (round(pair[0][3] - pair[0][2], 6), len(pair[1]))
    )
    return NamePlace(
        chip=chip,
        middle=(start + stop) / 2,
        line=top + (held[0] + held[-1] + 1) / 2,
        length=stop - start,
    )


def _own(tile: int, *, row: int, first: int, last: int, tiling: Tiling) -> range:
    """Return the columns of a row of a tile that are the layer's."""
    start = tile * tiling.per_tile + row * tiling.inner
    end = min(start + tiling.inner, (tile + 1) * tiling.per_tile)
    return range(max(first, start) - start, min(last + 1, end) - start)


def _rows_of_tiles(first: int, last: int, tiling: Tiling) -> Iterator[tuple[int, int, int]]:
    """Yield the chip, and its first and last tile, of each row of tiles that a layer is in."""
    tile = first
    while tile <= last:
        chip, inside = divmod(tile, tiling.tiles)
        end = min((inside // tiling.across + 1) * tiling.across, tiling.tiles) - 1
        end = min(end, last - chip * tiling.tiles)
        yield chip, inside, end
        tile = chip * tiling.tiles + end + 1
