"""The answer: which readout each layer gets, what each step bought, what it is beside others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapper.assigning.tried import Tried
from mapper.ir.assignment import Assignment
from mapper.study.statistics import Difference
from targets import assignment_to_data, assignment_toml

SCHEMA = "spikeloom/assign/1"

WRITTEN = "# Written by spikeloom assign."
"""First line of an assignment that a search may replace, as it wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One layer with another readout, all others on the finest, where it was searched on."""

    layer: str
    macro: str
    tried: Tried
    finest: Tried

    @property
    def lost(self) -> Difference | None:
        """Accuracy less that of the finest readout everywhere; None where it is refused."""
        return None if self.tried.refused else self.tried.lost_to(self.finest)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        told = {"layer": self.layer, "macro": self.macro}
        if self.lost is None:
            return {**told, "refused": self.tried.refused}
        return {**told, "accuracy": self.lost.as_dict(), **costs(self.tried)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One layer that gets its readout, those before it have theirs already."""

    before: Tried
    after: Tried

    @property
    def place(self) -> int:
        """Which layer."""
        pairs = zip(self.before.picks, self.after.picks, strict=True)
        return next(place for place, (one, other) in enumerate(pairs) if one != other)

    @property
    def change(self) -> tuple[str, str]:
        """From which macro to which."""
        return self.before.picks[self.place], self.after.picks[self.place]

    @property
    def lost(self) -> Difference:
        """Accuracy after it less that before."""
        return self.after.lost_to(self.before)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Assigned:
    """The cheapest assignment that keeps the accuracy.

    It was chosen on one part of the recordings. All but ``singles`` is of the other part.

    Example:
        >>> found = mapper.assign("model.onnx", "readouts-64", inputs="recording.npz", keep=0.01)
        >>> mapper.compile("model.onnx", "readouts-64", assignment=found.assignment)
    """

    network: str
    target: str
    preset: str
    keep: float
    by: str
    """What was made least: ``energy``, ``latency`` or ``area``."""
    labelled: bool
    """Accuracy is of labels; else of the classes that the finest readout gives."""
    layers: tuple[str, ...]
    """Those that were searched, in the order of macros in ``Tried.picks``."""
    assignment: Assignment
    searched: int
    """Recordings that it was chosen on."""
    tried: int
    """Assignments that were measured."""
    singles: tuple[Single, ...]
    """What each layer's cheaper readouts cost alone."""
    steps: tuple[Step, ...]
    """What each step bought, from the finest readout everywhere on."""
    chosen: Tried
    finest: Tried
    """Every layer on what keeps most of a sum."""
    coarsest: Tried
    """Every layer on what keeps least: one bit, where the target has sense amplifiers."""
    best: Tried
    """What ``keep`` is counted from: the finest, or one that was more accurate beyond chance."""
    uniform: Mapping[str, Tried]
    """One macro for all layers, by its name."""

    @property
    def lost(self) -> Difference:
        """Accuracy of the chosen less that of the best."""
        return self.chosen.lost_to(self.best)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What has to be known before it is used."""
        held = len(self.chosen.right)
        found = []
        if -self.lost.mean > self.keep + 1e-9:
            found.append(
                f"on recordings that nothing was chosen on {-100 * self.lost.mean:.2f} points are "
                f"lost, {100 * self.keep:g} were asked for: choose on more recordings"
            )
        if 1 / held > self.keep > 0:
            found.append(
                f"{held} recordings resolve {100 / held:.1f} points, {100 * self.keep:g} were "
                "asked for"
            )
        if not self.labelled:
            found.append("no labels: accuracy is how often the class is that of the finest readout")
        return tuple(found)

    @property
    def toml(self) -> str:
        """The file that ``compile --assign`` takes."""
        return f"{WRITTEN}\n{assignment_toml(self.assignment)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom assign``."""
        rows = {
            "chosen": self.chosen,
            "best": self.best,
            "finest": self.finest,
            "coarsest": self.coarsest,
        }
        return {
            "schema": SCHEMA,
            "network": self.network,
            "target": self.target,
            "preset": self.preset,
            "by": self.by,
            "keep": self.keep,
            "labels": self.labelled,
            "assignment": assignment_to_data(self.assignment),
            "recordings": {"search": self.searched, "report": len(self.chosen.right)},
            "tried": self.tried,
            "sensitivity": [single.as_dict() for single in self.singles],
            "steps": [self._step(step) for step in self.steps],
            **{name: self._row(tried) for name, tried in rows.items()},
            "uniform": {name: self._row(tried) for name, tried in self.uniform.items()},
            "warnings": list(self.warnings),
        }

    def _row(self, tried: Tried) -> dict[str, Any]:
        macros = dict(zip(self.layers, tried.picks, strict=True))
        if tried.refused:
            return {"macros": macros, "refused": tried.refused}
        return {
            "macros": macros,
            **tried.score.as_dict(),
            "to_best": tried.lost_to(self.best).as_dict(),
            **costs(tried),
        }

    def _step(self, step: Step) -> dict[str, Any]:
        before, after = step.change
        return {
            "layer": self.layers[step.place],
            "from": before,
            "to": after,
            "accuracy": step.lost.as_dict(),
            **{
                f"saved_{unit}": getattr(step.before, unit).nominal
                - getattr(step.after, unit).nominal
                for unit in _COSTS
            },
        }

    def __repr__(self) -> str:
        energy = self.chosen.energy_pj.nominal / self.finest.energy_pj.nominal
        return (
            f"Assigned({self.network} on {self.target}: {100 * energy:.0f} % of the energy of "
            f"{self.finest.picks[0]}, {100 * self.lost.mean:+.2f} points)"
        )


_COSTS = ("energy_pj", "latency_ns", "area_um2")


def costs(tried: Tried) -> dict[str, Any]:
    """Return what an assignment costs, each at low, nominal and high facts."""
    return {unit: list(getattr(tried, unit)) for unit in _COSTS}
