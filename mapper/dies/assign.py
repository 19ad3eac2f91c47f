"""The assignment problem: who goes where so that the sum of costs is least."""

import numpy as np

from mapper.ir.core import Array


def cheapest(cost: Array) -> Array:
    """Return the place of each row, all different, with the least sum of costs.

    Shortest augmenting paths, one row after the other (Jonker and Volgenant, "A shortest augmenting
    path algorithm for dense and sparse linear assignment problems", Computing 38, 1987).

    Args:
        cost: ``[rows, places]``, finite; no more rows than places.

    Returns:
        ``[rows]``. Of equal sums it is always the same one.

    >>> cheapest(np.array([[4.0, 1.0, 3.0], [2.0, 0.0, 5.0]])).tolist()
    [1, 0]
    """
    rows, places = cost.shape
    holder = np.full(places, -1)  # the row at each place
    row_price, price = np.zeros(rows), np.zeros(places)
    for start in range(rows):
        least, before = np.full(places, np.inf), np.full(places, -1)
        done = np.zeros(places, bool)
        row, at, reached = start, -1, 0.0
        while at < 0 or holder[at] >= 0:
            if at >= 0:
                done[at], row = True, holder[at]
            found = np.where(done, np.inf, reached + cost[row] - row_price[row] - price)
            shorter = found < least
            least[shorter], before[shorter] = found[shorter], row
            at = int(np.argmin(np.where(done, np.inf, least)))
            reached = float(least[at])
        moved = np.flatnonzero(done)
        row_price[holder[moved]] += reached - least[moved]
        row_price[start] += reached
        price[moved] += least[moved] - reached
        _flip(holder, before, at, start)
    found_at = np.empty(rows, np.int64)
    taken = np.flatnonzero(holder >= 0)
    found_at[holder[taken]] = taken
    return found_at


def _flip(holder: Array, before: Array, at: int, start: int) -> None:
    """Hand places on along the path that ends at a free one; ``start`` gets the first."""
    at_of = {int(row): place for place, row in enumerate(holder) if row >= 0}
    while True:
        row = int(before[at])
        holder[at] = row
        if row == start:
            return
        at = at_of[row]
