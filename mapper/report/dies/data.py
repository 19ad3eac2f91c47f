"""What a study of dies says, before it is laid out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapper.dies.covered import DeviceUsed
from mapper.dies.draw import Lot
from mapper.dies.found import Cost, Found, Measured
from mapper.ir.core import Graph
from mapper.layout import Taken
from mapper.proportions import Score
from mapper.report.study.quantity import Quantity
from mapper.study.statistics import Distribution, Swept, Tolerance
from targets import Target, Work, work_to_data

SCHEMA = "spikeloom/yield/1"
DATA = "yield.json"
"""File of it in a folder of ``yield -o``."""

MEASURED: dict[Measured, tuple[str, str]] = {
    "accuracy": ("accuracy", "right"),
    "same class": ("samples with the class of the ideal chip", "of the class of the ideal chip"),
    "same outputs": ("samples with the outputs of the ideal chip", "with its outputs"),
}
"""What each share is called, and its samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDie:
    """What the first die is drawn from, whose faults a page shows on its floorplan."""

    graph: Graph
    """Of the ideal chip."""
    chip: Target
    lot: Lot
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiesReport:
    """Dies of one lot of a build on one recording: what ``yield.json`` says, and no more.

    ``mapper.report.dies.read`` makes it of that again.
    """

    network: str
    target: str
    """What the network was compiled for."""
    settings: Mapping[str, float]
    """Facts of the devices that were replaced, by name."""
    age: float | None
    """Of the chips, in seconds; None: just programmed."""
    found: Found
    require: float | None
    """Share of samples, 0..1, from which on a die is good; None: nothing is asked."""
    run_seed: int
    recording: Taken
    devices: tuple[DeviceUsed, ...]
    warnings: tuple[str, ...]
    """What has to be known of the numbers: dead layers, what devices do not say."""
    works: tuple[Work, ...]
    """What devices come from."""

    @property
    def distribution(self) -> Distribution:
        """What is measured, over all dies."""
        return self.found.distribution

    @property
    def score(self) -> Score | None:
        """The yield: how many dies are good; None where nothing is required."""
        return None if self.require is None else self.distribution.reaching(self.require)

    @property
    def quantity(self) -> Quantity:
        """What is measured, as it is written."""
        name, _ = MEASURED[self.found.measured]
        return Quantity(name=name, unit="%", factor=100.0, grain=1 / self.recording.samples)

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        """How far each setting may go; none where nothing is required."""
        if self.require is None:
            return ()
        return tuple(swept.tolerance(self.require) for swept in self.found.sweeps)

    @property
    def chips(self) -> str:
        """Write what chips are of: ``rram-typical, cell.sigma=0.2, 86400 s old``."""
        names = ", ".join(device.name for device in self.devices)
        settings = [f"{name}={value:g}" for name, value in self.settings.items()]
        age = [] if self.age is None else [f"{self.age:g} s old"]
        return ", ".join([names, *settings, *age])

    def told(self, tolerance: Tolerance) -> str:
        """Write how far a setting may go as a sentence."""
        return tolerance.told(f"at {self.quantity.text(tolerance.bound)} or more")

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom yield``."""
        found = self.found
        return {
            "schema": SCHEMA,
            "network": self.network,
            "target": self.target,
            "devices": [device.as_dict() for device in self.devices],
            "settings": dict(self.settings),
            "age_s": self.age,
            "recording": self.recording.as_dict(),
            "first_seed": found.plan.first,
            "run_seed": self.run_seed,
            "measured": found.measured,
            "ideal": found.ideal.as_dict("share"),
            "dies": {**self.distribution.as_dict(), "values": list(found.values)},
            "require": self.require,
            "yield": self._yield(self.distribution),
            "spikes_differing": {
                name: {"label": held.label, **_all(held.differing)}
                for name, held in found.spikes.items()
            },
            "sweeps": [self._swept(swept) for swept in found.sweeps],
            "tolerances": [{**one.as_dict(), "told": self.told(one)} for one in self.tolerances],
            "costs": self._costs(),
            "warnings": list(self.warnings),
            "references": [work_to_data(work) for work in self.works],
        }

    def _yield(self, held: Distribution) -> dict[str, Any] | None:
        return None if self.require is None else held.reaching(self.require).as_dict("share")

    def _swept(self, swept: Swept) -> dict[str, Any]:
        points = (
            {"value": value, **_all(held), "yield": self._yield(held)}
            for value, held in swept.points
        )
        return {"setting": swept.name, "points": list(points)}

    def _costs(self) -> dict[str, Any] | None:
        costs = self.found.costs
        if costs is None:
            return None
        return {
            "dies": costs.dies,
            "together": costs.together.as_dict(),
            "imperfections": [_cost(one) for one in costs.imperfections],
            "layers": [_cost(one) for one in costs.layers],
        }


def _all(held: Distribution) -> dict[str, Any]:
    """Return a distribution with its values, in ascending order."""
    return {**held.as_dict(), "values": list(held.values)}


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "name": cost.name,
        "label": cost.label,
        "alone": cost.alone.as_dict(),
        "left_out": cost.left_out.as_dict(),
    }
