"""Samplers: which points of a space to look at next, from what was found so far.

Points are chosen by the batch. A batch follows from the space, the seed, its number and what the
batches before it gave, and from nothing else: who ran the points, in which order they finished and
how often a run was killed change nothing.
"""

from collections.abc import Callable, Iterator, Mapping

from mapper.exploration.batch import Batch
from mapper.exploration.by_optuna import proposals
from mapper.exploration.grid import Point, Value, drawn, in_drawn_order, point_at, size_of
from mapper.exploration.sampling import GRID, NSGA2, RANDOM, TPE
from mapper.study.case import canonical


def ask(batch: Batch) -> tuple[Point, ...]:
    """Return the points of a batch, all different, and different from those of batches before.

    Raises:
        MappingError: ``missing-extra`` where the sampler needs Optuna.
    """
    return tuple(_SAMPLERS[batch.sampling.kind](batch))


def _grid(batch: Batch) -> Iterator[Point]:
    for number in range(batch.first, batch.first + batch.count):
        yield point_at(batch.axes, number)


def _random(batch: Batch) -> Iterator[Point]:
    size, seed = size_of(batch.axes), batch.sampling.seed
    for place in range(batch.first, batch.first + batch.count):
        yield point_at(batch.axes, drawn(size, place, seed))


_TRIES = 8
"""Times that a sampler is asked again for one point, before another is taken in its place."""


def _adaptive(batch: Batch) -> Iterator[Point]:
    """Yield what Optuna proposes, or points in the drawn order where it repeats itself."""
    known = {canonical(told.point) for told in batch.told}
    others = in_drawn_order(batch.axes, batch.sampling.seed)
    proposed = proposals(batch)
    for _ in range(batch.count):
        point = _new((next(proposed) for _ in range(_TRIES)), known) or _new(others, known)
        assert point is not None  # there are as many as ``batch.count``
        yield point


def _new(points: Iterator[dict[str, Value]], known: set[str]) -> Point | None:
    """Return the first point that is not known, and note it."""
    for point in points:
        text = canonical(point)
        if text not in known:
            known.add(text)
            return point
    return None


_SAMPLERS: Mapping[str, Callable[[Batch], Iterator[Point]]] = {
    GRID: _grid,
    RANDOM: _random,
    TPE: _adaptive,
    NSGA2: _adaptive,
}
