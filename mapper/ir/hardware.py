"""Hardware ops: what the chip does, in integers only.

A layer is ``CrossbarMvm -> SenseAmpRead | AdcRead -> ShiftAndAdd -> ... -> UpdateMembrane``;
``CountActive`` counts driven wordlines where a reference or a correction follows them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mapper.ir.core import INT64, Array, Const, Constants, IntType, Op, Value, greatest_of, param
from mapper.ir.crossbar import CountActive, CrossbarMvm, Placement
from mapper.ir.limits import MOST_SUM
from mapper.ir.network import broadcast_problems
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd

__all__ = [
    "AdcRead",
    "CountActive",
    "CrossbarMvm",
    "Placement",
    "ScaledAdd",
    "SenseAmpRead",
    "ShiftAndAdd",
    "UpdateMembrane",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledAdd(Op):
    """Add integers of different units: ``(sum scales[k] * terms[k] + offset) >> shift`` (floor)."""

    mnemonic: ClassVar[str] = "imc.scaled_add"

    terms: tuple[Value, ...]
    scales: tuple[int | Const, ...]
    """A multiplier per term: one number, or a constant that broadcasts to the term's shape."""
    offset: int | Const = 0
    """One number, or a constant that broadcasts to the result's shape."""
    shift: int = 0
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from broadcast_problems("offset", self.offset, self.result.shape, constants)
        if len(self.scales) != len(self.terms):
            yield f"{len(self.scales)} scales for {len(self.terms)} terms"
            return
        for term, scale in zip(self.terms, self.scales, strict=True):
            yield from broadcast_problems("scale", scale, term.shape, constants)
            if term.shape != self.result.shape or not isinstance(term.type, IntType):
                yield f"term is {term}, the result has shape {self.result.shape}"
                return
        if (reach := self._reach(constants)) > MOST_SUM:
            yield f"numbers before the shift may reach {reach}, past {MOST_SUM}"
        low, high = self.range(constants)
        if not isinstance(self.result.type, IntType) or not self.result.type.holds(low, high):
            yield f"sum spans {low}..{high}, too wide for {self.result.type}"

    def _reach(self, constants: Constants) -> int:
        """Return the greatest magnitude of any number on the way, before the shift."""
        return greatest_of(param(constants, self.offset, INT64)) + sum(
            greatest_of(param(constants, scale, INT64)) * max(map(abs, _ends(term.type)))
            for term, scale in zip(self.terms, self.scales, strict=True)
            if isinstance(term.type, IntType)
        )

    def range(self, constants: Constants) -> tuple[int, int]:
        """Return bounds of the result, from the types of the terms."""
        held = param(constants, self.offset, INT64)
        low, high = int(held.min()), int(held.max())
        for term, scale in zip(self.terms, self.scales, strict=True):
            values = param(constants, scale, INT64)
            assert isinstance(term.type, IntType)
            ends = [int(m) * e for m in (values.min(), values.max()) for e in _ends(term.type)]
            low, high = low + min(ends), high + max(ends)
        return low >> self.shift, high >> self.shift

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        total = sum(
            param(constants, scale, INT64) * term
            for scale, term in zip(self.scales, operands, strict=True)
        )
        return ((np.asarray(total) + param(constants, self.offset, INT64)) >> self.shift,)


def _ends(type: IntType) -> tuple[int, int]:
    return type.min, type.max


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateMembrane(IntegerNeuron):
    """An integer neuron on the target's digital unit: it fires at ``>=`` only."""

    mnemonic: ClassVar[str] = "imc.update_membrane"

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from IntegerNeuron.verify(self, constants)
        if self.strict:
            yield "hardware fires where the threshold is reached: raise it by one instead"
