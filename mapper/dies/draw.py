"""Which die of a build is meant: a device, what a user set of it, an age, a seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from mapper.dies.drawn import Drawn
from mapper.ir.activity import WORDLINES
from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.frozen import FrozenMap
from passes.dies.facts import Conditions, imperfections_of
from passes.dies.measured import Measured
from passes.draw_die import DrawDie
from targets import Target
from targets.devices import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Chips that come from one fab: all of a device, of one age. A seed says which of them.

    Example:
        >>> from targets.devices import load_device
        >>> lot = Lot(device=load_device("rram-wan"), settings={"amplifier.offset": 0.5})
    """

    device: Device | None = None
    """In every macro; None: what the target names."""
    settings: Mapping[str, float] = field(default_factory=dict)
    """Facts that a user replaced, by name: ``cell.sigma``."""
    age: float | None = None
    """Seconds since programming; None: as programmed."""
    temperature: float | None = None
    """In degrees Celsius; None: that at which the facts of a device hold."""
    without: tuple[str, ...] = ()
    """Imperfections that they do not have, of ``passes.dies.facts.NAMES``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", FrozenMap(self.settings))

    @property
    def conditions(self) -> Conditions:
        """Return what its dies are drawn under."""
        return Conditions(age=self.age, temperature=self.temperature, without=self.without)

    def of(self, target: Target) -> Target:
        """Return the target with the devices of this lot in its macros.

        Raises:
            MappingError: ``device-setting``, ``device-levels``.
        """
        chip = target if self.device is None else target.with_device(self.device)
        if not self.settings:
            return chip
        macros = tuple(
            macro
            if macro.device is None
            else replace(macro, device=macro.device.with_set(self.settings))
            for macro in chip.macros
        )
        return replace(chip, macros=macros)

    def identity(self, target: Target) -> dict[str, Any]:
        """Return what determines a die beside its seed and the build, as JSON holds it."""
        devices = ((macro.name, macro.device) for macro in self.of(target).macros)
        return {
            "devices": {name: None if held is None else held.digest for name, held in devices},
            "age_s": self.age,
            "temperature_c": self.temperature,
            **({"without": list(self.without)} if self.without else {}),
        }

    def imperfections(self, graph: Graph, target: Target) -> tuple[str, ...]:
        """Name what goes wrong on its chips, of ``passes.dies.facts.NAMES``.

        Raises:
            MappingError: ``no-device``, ``device-levels``, ``device-age``, and as ``of``.
        """
        return imperfections_of(graph, self.of(target), self.conditions)

    def die(
        self,
        graph: Graph,
        target: Target,
        seed: int,
        activity: Mapping[str, Array] | None = None,
        layers: tuple[str, ...] | None = None,
    ) -> Graph:
        """Draw one die of a hardware graph; see ``drawn``."""
        return self.drawn(graph, target, seed, activity, layers).draw(target)

    def drawn(
        self,
        graph: Graph,
        target: Target,
        seed: int,
        activity: Mapping[str, Array] | None = None,
        layers: tuple[str, ...] | None = None,
        measured: Measured | None = None,
    ) -> Drawn:
        """Say what one die of a hardware graph is drawn from.

        Args:
            graph: Compiled for the target, of the ideal chip.
            target: Whose macros have devices, unless the lot has one.
            seed: Which die.
            activity: What wordlines carry, as ``activity_of`` returns it.
            layers: Names of the partial sums that are drawn, while the other layers stay as on the
                ideal chip; None: all of them.
            measured: What is known of the chip, in place of what would be drawn there.

        Raises:
            MappingError: ``no-device``, ``die-activity``, ``die-too-large``, and as ``of``.
        """
        macros = self.of(target).macros
        return Drawn(
            ideal=graph,
            devices={macro.name: macro.device for macro in macros if macro.device is not None},
            step=DrawDie(
                seed=seed,
                age=None if self.age is None else float(self.age),
                temperature=None if self.temperature is None else float(self.temperature),
                activity=activity or {},
                without=self.without,
                layers=layers,
                measured=measured,
            ),
        )


def activity_of(
    graph: Graph, counts: Mapping[str, Array], steps: int, samples: int
) -> dict[str, Array]:
    """Return how often each wordline is driven, from the counts of a traced run.

    Where a read takes several bits of an input, a wordline that is driven is taken to carry the
    mean of its digits.

    Args:
        graph: That was run.
        counts: By the names of ``mapper.ir.activity``.
        steps: Time steps of the run.
        samples: Its samples.

    Returns:
        ``[groups, K]``, from 0 on, by the name of a layer's partial sum.
    """
    found = {}
    for op in graph.ops:
        if isinstance(op, CrossbarMvm):
            name = op.partial_sum.name
            reads = steps * samples * op.planes * prod(op.positions)
            each = (op.most_driven + 1) / 2  # the mean of 1 .. most_driven
            found[name] = np.asarray(counts[f"{name}{WORDLINES}"] / reads * each)
    return found
