"""A die with all that it was drawn from, so that anyone can draw it again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.frozen import FrozenMap
from mapper.pipeline import run_passes
from passes.dies.facts import NAMES
from passes.draw_die import DrawDie
from targets import Target
from targets.devices import Device

_MOST_CELLS = 1 << 28
"""Cells of all copies of a layer of a die that a file names: 2 GiB for each array of them."""
_MOST_DRIVEN = 255.0
"""The greatest digit that a wordline carries in a read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a die was drawn from, but for the target: that of the ideal chip."""

    ideal: Graph
    """Compiled: the graph of the ideal chip."""
    devices: Mapping[str, Device]
    """By the name of the macro that is made of it; a macro that is left out has none."""
    step: DrawDie
    """The pass, with seed, age, temperature and activity."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "devices", FrozenMap(self.devices))

    def chip(self, target: Target) -> Target:
        """Return the target with these devices in its macros; prices stay."""
        macros = (replace(m, device=self.devices.get(m.name)) for m in target.macros)
        return replace(target, macros=tuple(macros))

    def draw(self, target: Target) -> Graph:
        """Return the die.

        Raises:
            MappingError: what ``DrawDie`` and ``Device.on`` refuse.
        """
        return run_passes(self.ideal, self.chip(target), [self.step])[0]

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
            cells = op.placement.copies * op.rows[-1].stop * op.outputs * wide
            if cells > _MOST_CELLS:
                yield f"{name} has {cells} cells, at most {_MOST_CELLS} are drawn"
        for name, array in self.step.activity.items():
            if name not in layers:
                yield f"activity is of {name!r}, which is no layer on crossbars"
                continue
            op = layers[name]
            wanted = (op.groups, op.rows[-1].stop)
            if array.shape != wanted or array.dtype.kind != "f":
                yield f"activity of {name} is {array.dtype} {array.shape}, not reals {wanted}"
            elif not (np.isfinite(array).all() and 0 <= array.min(initial=0) <= _MOST_DRIVEN):
                yield f"activity of {name} is not within 0..{_MOST_DRIVEN:g}"

    @property
    def named(self) -> str:
        """Say which die it is, of what, in a few words: ``die 3 of rram-wan``."""
        devices = " and ".join(dict.fromkeys(device.name for device in self.devices.values()))
        parts = [f"die {self.step.seed} of {devices or 'no device'}"]
        if self.step.age is not None:
            parts.append(f"{self.step.age:g} s after programming")
        if self.step.temperature is not None:
            parts.append(f"at {self.step.temperature:g} degC")
        return ", ".join(parts)


def activity_arrays(step: DrawDie) -> dict[str, Array]:
    """Return the arrays that a pass was given, as files name them."""
    return {f"activity/{name}": np.asarray(array) for name, array in step.activity.items()}
