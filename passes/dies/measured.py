"""What was measured of one chip: it takes the place of what would be drawn."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np

from mapper.ir.core import Array

ON, OFF, GOOD = 1, 0, -1
"""What a cell was found to be: stuck at its highest or lowest level, or neither."""


_MOST = 2.0**20
"""Counts that an offset or a cell may have."""


def _nothing() -> Array:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Places in ascending order, as the bits of ``draws.site`` in ``int64``, and what is there."""

    offset_sites: Array = field(default_factory=_nothing)
    offsets: Array = field(default_factory=_nothing)
    """Of readouts, in counts."""
    stuck_sites: Array = field(default_factory=_nothing)
    stuck: Array = field(default_factory=_nothing)
    """``ON``, ``OFF`` or ``GOOD``."""
    conductance_sites: Array = field(default_factory=_nothing)
    conductances: Array = field(default_factory=_nothing)
    """Of cells, in counts; whatever they should be, and however they came to be so."""

    @property
    def arrays(self) -> dict[str, Array]:
        """All of it by name; what there is none of is left out."""
        held = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        return {name: array for name, array in held.items() if len(array)}

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with arrays that anyone may have written."""
        for sites, values in (
            ("offset_sites", self.offsets),
            ("stuck_sites", self.stuck),
            ("conductance_sites", self.conductances),
        ):
            at: Array = getattr(self, sites)
            if at.ndim != 1 or at.dtype.kind != "i" or values.shape != at.shape:
                yield f"{sites} are {at.dtype} {at.shape}, with values {values.shape}"
            elif (at[1:] <= at[:-1]).any():
                yield f"{sites} do not ascend"
            elif values.dtype.kind not in "if" or not np.isfinite(values).all():
                yield f"what was measured at {sites} is no finite number"
            elif np.abs(values).max(initial=0) > _MOST:
                yield f"{np.abs(values).max():g} counts at {sites}, at most {_MOST:g}"

    @property
    def has_cells(self) -> bool:
        """Whether anything is known of cells."""
        return bool(len(self.stuck_sites) or len(self.conductance_sites))

    def offset(self, at: Array, drawn: Array | float) -> Array:
        """Return offsets of readouts at their sites, those that were not measured as drawn."""
        return _there(self.offset_sites, self.offsets, at, drawn)

    def faults(self, at: Array, on: Array, off: Array) -> tuple[Array, Array]:
        """Return which cells are stuck on and off, those that were not measured as drawn."""
        return (
            _there(self.stuck_sites, self.stuck == ON, at, on),
            _there(self.stuck_sites, self.stuck == OFF, at, off),
        )

    def conductance(self, at: Array, drawn: Array) -> Array:
        """Return what cells conduct in counts, those that were not measured as drawn."""
        return _there(self.conductance_sites, self.conductances, at, drawn)


def _there(sites: Array, values: Array, at: Array, otherwise: Array | float) -> Array:
    if not len(sites):
        return np.asarray(otherwise)
    wanted = at.astype(np.uint64).view(np.int64)
    index = np.minimum(np.searchsorted(sites, wanted), len(sites) - 1)
    return np.where(sites[index] == wanted, values[index], otherwise)
