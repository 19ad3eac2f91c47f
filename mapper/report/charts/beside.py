"""Places of names beside the marks of a drawing, worked out in pixels.

No name lies on another or on a mark at any width that a page or a paper gives the drawing: points
move apart as it becomes wider, names do not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

HEIGHT = 300
"""Of the plot, in pixels."""

WIDTHS = (250, 300, 430, 700, 1130)
"""Widths of the plot that names are placed for: a phone to a wide page."""

NEAR, FAR = 11, 26
"""Pixels from a mark to its name: at its height, and at the end of a line to it."""

_LETTER, _LINE, _MARK = 6.9, 14, 8  # width of a letter, height of a line, half a mark, in pixels
_SLACK = 0.5  # of a pixel: places are rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a name stands: pixels from the middle of its mark, and which of its ends is there."""

    dx: int
    dy: float
    align: str


def place_names(points: Sequence[tuple[float, float]], names: Sequence[str]) -> tuple[Place, ...]:
    """Return a place for each name, beside its mark and, in a crowd, above or below it.

    ``points`` are 0..1 across and up. Names of one side keep the order of their marks, so lines to
    them do not cross. A name that still has a fault at one of ``WIDTHS`` is moved some lines, or to
    the other side, where that leaves fewer.
    """
    wide = [_LETTER * len(name) for name in names]
    sides = [
        "left" if x * WIDTHS[0] + FAR + w <= WIDTHS[0] else "right"
        for (x, _), w in zip(points, wide, strict=True)
    ]
    places = _stacked(points, sides)
    best, before = _faults(points, wide, places), None
    while best and best != before:  # a name that moved may make room for one before it
        before = best
        for index, start in enumerate(places):
            for moved in _moves(start):
                other = (*places[:index], moved, *places[index + 1 :])
                found = _faults(points, wide, other)
                if found < best:
                    places, best = other, found
    return places


def _moves(place: Place) -> Iterator[Place]:
    for lines, side in product((0, -1, 1, -2, 2, -3, 3), ("left", "right")):
        dx = FAR if side == "left" else -FAR
        yield Place(dx=dx, dy=round(place.dy + lines * _LINE, 1), align=side)


def _stacked(points: Sequence[tuple[float, float]], sides: Sequence[str]) -> tuple[Place, ...]:
    """Keep names of one side a line apart, each as near to its mark as that allows."""
    found: dict[int, Place] = {}
    for side in ("left", "right"):
        order = sorted(
            (i for i, held in enumerate(sides) if held == side), key=lambda i: -points[i][1]
        )
        wanted = [(1 - points[i][1]) * HEIGHT for i in order]
        for index, at, mark in zip(order, _apart(wanted), wanted, strict=True):
            dy = round(at - mark, 1)
            dx = NEAR if abs(dy) < 1 else FAR
            found[index] = Place(dx=dx if side == "left" else -dx, dy=dy, align=side)
    return tuple(found[index] for index in range(len(points)))


def _apart(wanted: Sequence[float]) -> list[float]:
    """Return rising places at least a line apart, with the least squared distance to the wanted.

    Pool adjacent violators of ``wanted - line * index``; then all are kept on the drawing.
    """
    blocks: list[list[float]] = []
    for index, at in enumerate(wanted):
        blocks.append([at - _LINE * index])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    level = [_mean(block) for block in blocks for _ in block]
    lowest, highest = _LINE / 2, HEIGHT - _LINE / 2 - _LINE * (len(wanted) - 1)
    return [min(max(at, lowest), max(highest, lowest)) + _LINE * i for i, at in enumerate(level)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


_Box = tuple[float, float, float, float]  # left, right, top, bottom


def _faults(
    points: Sequence[tuple[float, float]], wide: Sequence[float], places: Sequence[Place]
) -> int:
    """Count over all widths what names lie on, and how often one sticks out."""
    return sum(_faults_at(width, points, wide, places) for width in WIDTHS)


def _faults_at(
    width: int,
    points: Sequence[tuple[float, float]],
    wide: Sequence[float],
    places: Sequence[Place],
) -> int:
    marks = [(x * width, (1 - y) * HEIGHT) for x, y in points]
    boxes = [_box(mark, place, w) for mark, place, w in zip(marks, places, wide, strict=True)]
    outside = sum(
        left < 0 or right > width or top < -_SLACK or bottom > HEIGHT + _SLACK
        for left, right, top, bottom in boxes
    )
    names = sum(_overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    on_marks = sum(
        _overlap(box, (x - _MARK, x + _MARK, y - _MARK, y + _MARK))
        for i, box in enumerate(boxes)
        for j, (x, y) in enumerate(marks)
        if i != j
    )
    return 3 * outside + 2 * names + on_marks


def _box(mark: tuple[float, float], place: Place, wide: float) -> _Box:
    left = mark[0] + place.dx - (wide if place.align == "right" else 0)
    middle = mark[1] + place.dy
    return (left, left + wide, middle - _LINE / 2, middle + _LINE / 2)


def _overlap(a: _Box, b: _Box) -> bool:
    across = a[0] < b[1] and b[0] < a[1]
    return across and a[2] < b[3] - _SLACK and b[2] < a[3] - _SLACK
