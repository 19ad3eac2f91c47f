"""Points that differ in constants of the component library alone: all at once.

Nothing is mapped, counted or asked of a sampler again. Sums of many arrays are added one after the
other where a point alone has the correctly rounded sum, so that numbers agree with records to the
last bits (1e-14), not to the very last one: rounding such a sum once takes several operations for
each that an addition takes, and points at once are for their speed. A record is what
``mapper.exploration.work`` makes of a point.
"""

from collections.abc import Mapping

from mapper.cost.adders import as_added
from mapper.cost.estimate import activity_under
from mapper.cost.facts import chip_of, facts_of
from mapper.cost.points import AtRest, at_rest, changed, totals
from mapper.exploration.axes import Value
from mapper.exploration.work import Points
from mapper.ir.core import Array


class Constants:
    """A design, of which constants of the component library are varied at the nominal facts."""

    def __init__(self, points: Points, point: Mapping[str, Value]) -> None:
        """Map and count it once.

        Args:
            points: Of the exploration.
            point: Its axes that are not varied.

        Raises:
            MappingError: What compiling, running and pricing it raise.
        """
        how = points.work.space.evaluation
        design = points.work.base.design(point)
        counts = points.mapped.counts(design)
        activity = points.activity(points.ran(counts))
        target, preset = design.priced, points.preset
        self.activity = activity_under(preset, counts.layers, activity, how.steps)
        self.chip = chip_of(target, preset, counts.layers)
        self.layers = as_added(counts.layers, self.chip)
        self.facts = facts_of(target, preset, "nominal")
        self._resting: dict[tuple[str, ...], AtRest] = {}

    def at(self, constants: Mapping[str, Array]) -> dict[str, Array]:
        """Return the totals of many points: ``energy_pj``, ``latency_ns``, ``area_um2`` and others.

        Args:
            constants: An array with an element a point, by the keys of ``cost.py --set``.

        Returns:
            ``[points]`` by total; a number where no constant moves it.
        """
        facts = self.facts
        for key, values in constants.items():
            facts = changed(facts, self.chip, key, values)  # type: ignore[arg-type]  # or an array
        keys = tuple(constants)
        if keys not in self._resting:
            steps = self.activity.steps
            self._resting[keys] = at_rest(self.layers, self.chip, self.facts, steps, keys)
        found = totals(self.layers, self.chip, facts, self.activity, self._resting[keys])
        return found  # type: ignore[return-value]  # numbers where nothing moves them
