"""What a study of dies says, before it is laid out."""

from dataclasses import dataclass
from typing import Any

from mapper.dies.covered import DeviceUsed
from mapper.dies.draw import Lot
from mapper.dies.found import Cost, Found, Measured
from mapper.ir.core import Graph
from mapper.ir.firing import Firing
from mapper.layout import Taken
from mapper.proportions import Score
from mapper.report.study.quantity import Quantity
from mapper.study.statistics import Distribution, Swept, Tolerance
from targets import Target

SCHEMA = "spikeloom/yield/1"

MEASURED: dict[Measured, tuple[str, str]] = {
    "accuracy": ("accuracy", "right"),
    "same class": ("samples with the class of the ideal chip", "of the class of the ideal chip"),
    "same outputs": ("samples with the outputs of the ideal chip", "with its outputs"),
}
"""What each share is called, and its samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiesReport:
    """Dies of one lot of a build on one recording."""

    network: str
    graph: Graph
    """Of the ideal chip."""
    chip: Target
    lot: Lot
    found: Found
    require: float | None
    """Share of samples, 0..1, from which on a die is good; None: nothing is asked."""
    run_seed: int
    recording: Taken
    devices: tuple[DeviceUsed, ...]
    firing: Firing | None = None
    """Of the ideal chip on the recording."""

    @property
    def target(self) -> str:
        """What the network was compiled for."""
        return self.chip.name

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
    def warnings(self) -> tuple[str, ...]:
        """What has to be known of the numbers: dead layers, what devices do not say."""
        silent = () if self.firing is None else self.firing.warnings("the ideal chip")
        return (*silent, *(text for device in self.devices for text in device.told))

    @property
    def chips(self) -> str:
        """Write what chips are of: ``rram-typical, cell.sigma=0.2, 86400 s old``."""
        names = ", ".join(device.name for device in self.devices)
        settings = [f"{name}={value:g}" for name, value in self.lot.settings.items()]
        age = [] if self.lot.age is None else [f"{self.lot.age:g} s old"]
        return ", ".join([names, *settings, *age])

    def told(self, tolerance: Tolerance) -> str:
        """Write how far a setting may go as a sentence."""
        return tolerance.told(f"at {self.quantity.text(tolerance.bound)} or more")

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom yield``."""
        found = self.found
        return {
            "schema": SCHEMA,
            "target": self.target,
            "devices": [device.as_dict() for device in self.devices],
            "settings": dict(self.lot.settings),
            "age_s": self.lot.age,
            "recording": self.recording.as_dict(),
            "first_seed": found.plan.first,
            "run_seed": self.run_seed,
            "measured": found.measured,
            "ideal": found.ideal.as_dict("share"),
            "dies": {**self.distribution.as_dict(), "values": list(found.values)},
            "require": self.require,
            "yield": self._yield(self.distribution),
            "spikes_differing": {name: held.as_dict() for name, held in found.spikes.items()},
            "sweeps": [self._swept(swept) for swept in found.sweeps],
            "tolerances": [{**one.as_dict(), "told": self.told(one)} for one in self.tolerances],
            "costs": self._costs(),
            "warnings": list(self.warnings),
        }

    def _yield(self, held: Distribution) -> dict[str, Any] | None:
        return None if self.require is None else held.reaching(self.require).as_dict("share")

    def _swept(self, swept: Swept) -> dict[str, Any]:
        points = (
            {"value": value, **held.as_dict(), "yield": self._yield(held)}
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


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "name": cost.name,
        "alone": cost.alone.as_dict(),
        "left_out": cost.left_out.as_dict(),
    }
