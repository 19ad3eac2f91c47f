"""A closer look at single points: what their macros take, and which facts move their totals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mapper.cost.estimate import price
from mapper.cost.result import macro_dict
from mapper.cost.sensitivity import Tornado, swings_of
from mapper.exploration.axes import Value
from mapper.exploration.work import Points
from targets import Target, weight_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Closer:
    """What is known of a point beside its record."""

    target: Target
    """With all that the point sets."""
    swings: tuple[Tornado, ...] = ()
    """What each component fact does to its totals, the widest swing first."""
    fj_per_bit: tuple[float, float, float] | None = None
    """What its macros take for a product of one weight bit and one input, in fJ: low, nominal,
    high. None where layers have different weight bits, or nothing is on crossbars."""


def closer_look(points: Points, point: Mapping[str, Value]) -> Closer:
    """Work a point out again, and return what its record does not say.

    Args:
        points: What evaluates points of its space.
        point: A value of each axis; one that the compiler takes.

    Raises:
        MappingError: What evaluating it raises.
    """
    design = points.work.base.design(point)
    how, preset = points.work.space.evaluation, points.preset
    mapped, shape = points.mapped.counted(design)
    activity = points.activity(points.ran(mapped, shape))
    counts = replace(mapped, target=design.priced)
    each = macro_dict(price(counts, activity, how.steps, preset))["fj_per_mac"]
    layers = points.mapped.network.layers
    widths = {weight_bits(design.target, design.assignment, layer) for layer in layers}
    return Closer(
        target=design.priced,
        swings=swings_of(counts, activity, how.steps, preset),
        fj_per_bit=_by_bit(each, widths),
    )


def _by_bit(each: object, widths: set[int]) -> tuple[float, float, float] | None:
    if not isinstance(each, Mapping) or len(widths) != 1:
        return None
    bits = widths.pop()
    return each["low"] / bits, each["nominal"] / bits, each["high"] / bits
