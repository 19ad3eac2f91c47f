"""Constants of a component library that a point sets, as ``cost.py --set`` does."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mapper.cost.points import CELLS, READOUTS
from mapper.cost.resolved import resolved
from mapper.diagnostics import refuse
from targets import Interval, Library, Target

_LISTS = {"flash_adc", "sar_adc", "cco_adc"}


def with_constants(target: Target, constants: Mapping[str, float]) -> Target:
    """Return a target whose library has constants at these values, all three ends of each.

    Raises:
        MappingError: ``not-credible`` where a law gives macros different numbers.
    """
    if not constants:
        return target
    made = resolved(target)
    library = made.components
    for key, value in constants.items():
        library = _with(library, key, value, made)
    return replace(made, components=library)


def _with(library: Library, key: str, value: float, target: Target) -> Library:
    part, _, field = key.partition(".")
    change: dict[str, Any]
    if part == "adc":
        change = {
            kind: tuple(_set(adc, field, value, key) for adc in getattr(library, kind))
            for kind in _LISTS
        }
        return replace(library, **change)
    change = {part: _set(getattr(library, part), field, value, key)}
    return replace(library, **change)


def _set(part: Any, field: str, value: float, key: str) -> Any:
    if part is None or not hasattr(part, field):
        raise refuse(
            "not-credible",
            f"constant '{key}' is not in the component library, or follows there from a law that "
            "gives macros different numbers",
            loc=key,
            help="leave the axis out, or give the part in the library as numbers",
        )
    held = getattr(part, field)
    change: dict[str, Any] = {field: Interval(low=value, nominal=value, high=value)}
    if not isinstance(held, Interval):
        change = {field: value}
    if field == "latency_ns" and getattr(part, "latency_law", "none") != "none":
        change["latency_law"] = "none"
    return replace(part, **change)


def unused(target: Target, key: str) -> bool:
    """Say whether a constant is of a readout, or of a kind of cell, that a target has none of."""
    cell = target.components.cell
    if key == "cell.supply_v" and cell.kind == "resistive":
        return cell.supply_v.high <= 0
    if key in CELLS:
        return cell.kind not in CELLS[key]
    part = key.partition(".")[0]
    forms = [macro.readout for macro in target.macros]
    there = {
        "adc": any(form.is_adc for form in forms),
        "sense_amp": any(form.is_sensed for form in forms),
        "adder_tree": any(form.form.adds for form in forms),
    }
    return part in READOUTS and not there[part]
