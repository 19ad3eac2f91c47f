"""A die with all that it was drawn from, so that anyone can draw it again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mapper.ir.core import Array, Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.frozen import FrozenMap
from mapper.ir.neurons import IntegerNeuron
from mapper.pipeline import After, run_passes
from passes import Pass
from passes.dies.draws import MOST_LINES
from passes.dies.facts import NAMES, facts_of, has_wires
from passes.draw_die import DrawDie
from passes.move_biases import MoveBiases
from targets import Target
from targets.devices import Device

_MOST_CELLS = 1 << 28
"""Cells of all copies of a layer of a die that a file names: 2 GiB for each array of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a die was drawn from, but for the target: that of the ideal chip."""

    ideal: Graph
    """Compiled: the graph of the ideal chip."""
    devices: Mapping[str, Device]
    """By the name of the macro that is made of it; a macro that is left out has none."""
    step: DrawDie
    """The pass, with seed, age, temperature and activity, and where a calibration put things."""
    biases: Mapping[str, Array] = FrozenMap({})
    """``[C, N]``: what a calibration added to the biases of neurons; see ``MoveBiases``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "devices", FrozenMap(self.devices))
        object.__setattr__(self, "biases", FrozenMap(self.biases))

    def chip(self, target: Target) -> Target:
        """Return the target with these devices in its macros; prices stay."""
        macros = (replace(m, device=self.devices.get(m.name)) for m in target.macros)
        return replace(target, macros=tuple(macros))

    def draw(self, target: Target, after: After | None = None) -> Graph:
        """Return the die; ``after`` is called with each pass and its result.

        Raises:
            MappingError: what ``DrawDie`` and ``Device.on`` refuse.
        """
        return run_passes(self.ideal, self.chip(target), self._steps, after=after)[0]

    def draw_unchecked(self, target: Target) -> Graph:
        """Return the die as ``draw`` does, but look at none of its rules.

        What the passes make of a graph that has been checked keeps them: a property test draws dies
        of every imperfection both ways. Looking takes as long as drawing.
        """
        graph, chip = self.ideal, self.chip(target)
        for step in self._steps:
            graph = step.run(graph, chip)
        return graph

    @property
    def _steps(self) -> tuple[Pass, ...]:
        return (self.step, MoveBiases(biases=self.biases)) if self.biases else (self.step,)

    def problems(self, target: Target) -> Iterator[str]:
        """Yield why this is nothing that a die can be drawn from, before anything is allocated."""
        macros = {macro.name for macro in target.macros}
        if unknown := sorted(self.devices.keys() - macros):
            yield f"a device is of macro {unknown[0]!r}, which '{target.name}' has not"
        if other := next((name for name in self.step.without if name not in NAMES), ""):
            yield f"the chip is without {other!r}, which is no imperfection"
        layers = {op.partial_sum.name: op for op in self.ideal.ops if isinstance(op, CrossbarMvm)}
        for name, op in layers.items():
            wide = 1 if op.encoding is None else op.encoding.bitlines_per_weight
            cells = op.placement.copies * op.shared_rows[-1].stop * op.outputs * wide
            if cells > _MOST_CELLS:
                yield f"{name} has {cells} cells, at most {_MOST_CELLS} are drawn"
        if self.step.measured is not None:
            yield from self.step.measured.problems()
        yield from (unfit := list(self._array_problems(layers)))
        if not unfit:
            yield from self._placing_problems(layers, target)

    def _placing_problems(self, layers: Mapping[str, CrossbarMvm], target: Target) -> Iterator[str]:
        """Yield which rows and columns do not lie beside each other in a crossbar."""
        for name, table in self.step.places.items():
            op, macro = layers[name], target.macro(layers[name].placement.macro)
            assert op.encoding is not None
            room = macro.bitlines // op.encoding.bitlines_per_weight
            for columns in op.columns:
                own = table[:, :, columns.slice]  # [C, G, n]
                if not _apart(own, room):
                    yield f"places of {name} are not {own.shape[2]} different ones of 0..{room - 1}"
                shared = np.arange(len(op.rows)) // op.turns * op.turns
                if (own != own[:, shared]).any():
                    yield f"places of {name} differ between row blocks that share a crossbar"
        for name, table in self.step.lines.items():
            op, macro = layers[name], target.macro(layers[name].placement.macro)
            facts = facts_of(op, self.chip(target), self.step.conditions)
            rows = op.shared_rows
            for first in range(0, len(rows), op.turns):
                last = rows[min(first + op.turns, len(rows)) - 1]
                own = table[:, :, rows[first].start : last.stop]
                if not _apart(own, macro.wordlines):
                    yield f"rows of {name} are not different ones of 0..{macro.wordlines - 1}"
                within = last.stop - rows[first].start
                if has_wires(facts) and not _apart(own, within):
                    yield f"rows of {name} behind wires are not different ones of 0..{within - 1}"

    def _array_problems(self, layers: Mapping[str, CrossbarMvm]) -> Iterator[str]:
        """Yield which arrays are not of a layer, or not of its shape, type and range."""
        neurons = {
            op.membrane_next.name: op for op in self.ideal.ops if isinstance(op, IntegerNeuron)
        }
        for kind, form in FORMS.items():
            holders: Mapping[str, Op] = neurons if kind == "biases" else layers
            for name, array in self.arrays[kind].items():
                if name not in holders:
                    yield f"{kind} are of {name!r}, which is no layer that has them"
                elif problem := form.problem(array, form.shape(holders[name])):
                    yield f"{kind} of {name}: {problem}"

    @property
    def arrays(self) -> dict[str, Mapping[str, Array]]:
        """Everything that passes were given, by kind and by the name of a layer's value."""
        step = self.step
        return {
            "activity": step.activity,
            "places": step.places,
            "lines": step.lines,
            "trims": step.trims,
            "biases": self.biases,
        }

    @property
    def calibrated(self) -> bool:
        """Whether it is as a calibration left it."""
        return any(held for kind, held in self.arrays.items() if kind != "activity")

    @property
    def named(self) -> str:
        """Say which die it is, of what, in a few words: ``die 3 of rram-wan``."""
        devices = " and ".join(dict.fromkeys(device.name for device in self.devices.values()))
        parts = [f"die {self.step.seed} of {devices or 'no device'}"]
        if self.step.measured is not None:
            ideal = set(self.step.without) >= set(NAMES)
            rest = "the rest ideal" if ideal else f"the rest {parts[0]}"
            parts = [f"a measured chip, {rest}"]
        if self.step.age is not None:
            parts.append(f"{self.step.age:g} s after programming")
        if self.step.temperature is not None:
            parts.append(f"at {self.step.temperature:g} degC")
        if self.calibrated:
            parts.append("calibrated")
        return ", ".join(parts)


def _apart(table: Array, room: int) -> bool:
    """Say whether numbers along the last axis are below ``room``, and no two are the same."""
    ordered = np.sort(table, axis=-1)
    return bool((table < room).all() and (np.diff(ordered, axis=-1) > 0).all())


@dataclass(frozen=True, slots=True)
class _Form:
    """What arrays of a kind are."""

    numbers: str
    """Kind of NumPy's types: ``f`` or ``i``."""
    low: float
    high: float
    shape: Callable[[Any], tuple[int | None, ...]]
    """Of an array of a layer; None where any length will do."""

    def problem(self, array: Array, shape: tuple[int | None, ...]) -> str:
        """Say why an array is none of this kind, or nothing."""
        fits = len(shape) == array.ndim and all(
            size in (None, held) for size, held in zip(shape, array.shape, strict=True)
        )
        if array.dtype.kind != self.numbers or not fits or not array.size:
            words = {"f": "reals", "i": "integers"}[self.numbers]
            return f"{array.dtype} {array.shape}, not {words} {shape}"
        if not ((array >= self.low) & (array <= self.high)).all():  # NaN is neither
            return f"{array.min():g}..{array.max():g} is not within {self.low:g}..{self.high:g}"
        return ""


def _grid(op: CrossbarMvm) -> tuple[int | None, ...]:
    return (op.placement.copies, *op.partial_sum.shape[1:4])


FORMS: Mapping[str, _Form] = {
    "activity": _Form("f", 0, 255, lambda op: (op.groups, op.rows[-1].stop)),
    "places": _Form("i", 0, MOST_LINES, lambda op: (op.placement.copies, len(op.rows), op.outputs)),
    "lines": _Form(
        "i",
        0,
        MOST_LINES,
        lambda op: (op.placement.copies, len(op.columns), op.shared_rows[-1].stop),
    ),
    "trims": _Form("f", -(2.0**20), 2.0**20, _grid),
    "biases": _Form("i", -(2.0**40), 2.0**40, lambda op: (None, op.x.shape[0])),
}
"""Of all arrays that a die is made with. A wordline carries 255 at most; biases are ``[C, N]``."""
