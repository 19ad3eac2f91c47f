"""The comparisons of a model: each is one atom that is 0 or 1."""

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Fires, Form, Input, Shape, of_array
from mapper.ir.core import SPIKE


class Comparisons:
    """Every comparison of the model that depends on more than spikes, each once."""

    def __init__(self) -> None:
        self.all: list[Fires] = []
        self._by_key: dict[object, Fires] = {}

    def above_zero(self, level: Form, strict: bool, *, name: str, shape: Shape, loc: str) -> Form:
        """Return the form of ``level > 0`` (``level >= 0`` where not ``strict``).

        Args:
            level: What is compared.
            strict: A level of exactly 0 is not above.
            name: The model's tensor that holds the outcome.
            shape: Of ``level``, without the batch axis.
            loc: The node that compares.
        """
        if forms.of_spikes(level):
            return forms.of_function(lambda v: v > 0 if strict else v >= 0, [level])
        if _falls(level):
            above = self.above_zero(
                forms.negate(level), not strict, name=name, shape=shape, loc=loc
            )
            return forms.subtract(of_array(np.ones(())), above)
        key = (forms.key_of(level), strict)
        fires = self._by_key.get(key)
        if fires is None:
            fires = Fires(
                name=name,
                shape=shape,
                type=SPIKE,
                loc=loc,
                level=level,
                strict=strict,
                tensor=name,
            )
            self._by_key[key] = fires
            self.all.append(fires)
        return forms.of_atom(fires, level.shape)


def _falls(level: Form) -> bool:
    """Say whether a level sinks as the state rises: then not firing is what it compares."""
    direct = [
        float(np.mean(coefficient))
        for monomial, coefficient in level.terms.items()
        if len(monomial) == 1 and isinstance(next(iter(monomial)), Input)
    ]
    return sum(direct) < 0
