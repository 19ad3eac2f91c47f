"""Tensors of a model whose numbers are known, and how large they may become."""

from dataclasses import dataclass

from mapper.frontend.algebra.forms import Shape
from mapper.ir.core import Array

MAX_ELEMENTS = 1 << 26
"""Of one tensor: a few bytes in a file must not fill the memory."""

MAX_COMPUTED = 1 << 25
"""Elements that all constants of a file may grow by, beside eight for each that it stores."""

SPREAD_ELEMENTS = 1 << 12
"""Of an array that is looked through for one number that fills it."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Quantised:
    """Where a constant comes from: ``codes * step``, zero point already taken away."""

    codes: Array
    step: Array
    """As many axes as ``codes``; 1 wide where one step serves all."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Constant:
    """A known tensor."""

    array: Array
    name: str = ""
    """Of the stored tensor that it comes from; empty where it is computed from several."""
    quantised: Quantised | None = None

    @property
    def shape(self) -> Shape:
        return self.array.shape
