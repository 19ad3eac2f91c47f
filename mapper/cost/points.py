"""Change component facts, and evaluate many design points at once. Standard library only.

A value may be a number, or an array with one element a design point: the formulas take both.
"""

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NamedTuple

from mapper.cost.actions import Activity
from mapper.cost.area import areas
from mapper.cost.arith import total
from mapper.cost.energy import layer_energy
from mapper.cost.model import Channel, Chip, Facts, Layer, Part
from mapper.cost.realtime import standing_energy
from mapper.cost.scaling import (
    DIGITAL_PARTS,
    analogue_energy_factor,
    digital_area_factor,
    digital_energy_factor,
)
from mapper.cost.timing import latencies
from mapper.cost.writing import loading_energy

FIELDS = {"energy_pj": "pj", "latency_ns": "ns", "area_um2": "um2"}
"""What a component library calls the fields of ``Part``."""

PLAIN = {
    "cell.read_voltage_v": "read_voltage_v",
    "cell.on_conductance_us": "on_conductance_us",
    "cell.off_conductance_us": "off_conductance_us",
    "cell.switched_ff": "cell_ff",
    "cell.product_ff": "cell_product_ff",
    "cell.current_ua": "cell_ua",
    "cell.product_pj": "cell_product_pj",
    "cell.supply_v": "cell_supply_v",
    "cell.area_um2": "cell_um2",
    "control.share": "control_share",
    "shift_add.code_bit_pj": "code_bit_pj",
    "leakage.power_uw_per_mm2": "leakage_uw_per_mm2",
    "membrane_update.leak_uw": "neuron_leak_uw",
}
"""Keys whose facts are one number."""

READOUTS = ("adc", "sense_amp", "adder_tree")
DIGITAL = (*DIGITAL_PARTS, "inputs")

CELLS = {
    "cell.read_voltage_v": ("resistive",),
    "cell.on_conductance_us": ("resistive",),
    "cell.off_conductance_us": ("resistive",),
    "cell.switched_ff": ("charge", "discharge"),
    "cell.product_ff": ("charge",),
    "cell.current_ua": ("static",),
    "cell.product_pj": ("digital",),
    "cell.supply_v": ("resistive", "charge", "discharge", "static"),
}
"""Kinds of cells that a constant is of."""

Origins = dict[str, tuple[float, float]]
"""Node in nm and supply in V of each part; readouts by macro kind."""


SETTING_KEYS = (
    *PLAIN,
    *(f"{part}.{name}" for part in ("wordline_drive", *READOUTS, *DIGITAL) for name in FIELDS),
)
"""What ``changed`` takes, in the words of a component library."""


def changed(facts: Facts, chip: Chip, key: str, value: float) -> Facts:
    """Return facts with one constant changed; ``adc`` and ``sense_amp`` mean all macros with one.

    Raises:
        ValueError: for a key that ``SETTING_KEYS`` does not list.
    """
    if key not in SETTING_KEYS:
        near = get_close_matches(key, SETTING_KEYS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"they are {', '.join(SETTING_KEYS)}"
        raise ValueError(f"no constant is named {key!r}; {hint}")
    if key in PLAIN:
        plain: dict[str, Any] = {PLAIN[key]: value}
        return replace(facts, **plain)
    part, _, name = key.partition(".")
    change: dict[str, Any] = {FIELDS[name]: value}
    if part not in READOUTS:
        held: dict[str, Any] = {part: getattr(facts, part)._replace(**change)}
        return replace(facts, **held)
    readouts = {
        macro: found._replace(**change) if chip.macros[macro].readout == part else found
        for macro, found in facts.readouts.items()
    }
    return replace(facts, readouts=readouts)


def idle(chip: Chip, key: str) -> bool:
    """Say whether a constant is of a readout, or of a kind of cell, that the chip has none of."""
    if key == "cell.supply_v" and chip.cell == "resistive":
        return not chip.regulated  # it draws from its read voltage
    if key in CELLS:
        return chip.cell not in CELLS[key]
    part = key.partition(".")[0]
    return part in READOUTS and all(macro.readout != part for macro in chip.macros.values())


def at_node(facts: Facts, chip: Chip, origins: Origins, node_nm: float, voltage_v: float) -> Facts:
    """Bring facts to another node and supply.

    Digital parts, adder trees among them, scale in energy and area, other readouts, read channels
    and wordline drivers in energy alone. Cells of every kind, latencies and leakage stay: a
    resistive cell draws ``V^2 G t`` whatever the node.

    Raises:
        ScalingError: where the node or the supply is outside of what is known.
    """

    def digital(part: Part, name: str) -> Part:
        if name not in origins:  # a library need not have it
            return part
        node, supply = origins[name]
        factor = digital_energy_factor(node, supply, node_nm, voltage_v)
        area = digital_area_factor(node, node_nm)
        return Part(part.pj * factor, part.ns, part.um2 * area, part.wordline_ns)

    def analogue(part: Part, name: str) -> Part:
        node, supply = origins[name]
        return part._replace(pj=part.pj * analogue_energy_factor(node, supply, node_nm, voltage_v))

    def channel(part: Channel) -> Channel:
        factor = analogue_energy_factor(*origins["read_channel"], node_nm, voltage_v)
        return part._replace(pj=part.pj * factor, static_uw=part.static_uw * factor)

    node, supply = origins["shift_add"]
    factor = digital_energy_factor(node, supply, node_nm, voltage_v)
    scaled: dict[str, Any] = {name: digital(getattr(facts, name), name) for name in DIGITAL}

    def readout(part: Part, name: str) -> Part:
        return (digital if chip.macros[name].readout == "adder_tree" else analogue)(part, name)

    return replace(
        facts,
        **scaled,
        code_bit_pj=facts.code_bit_pj * factor,
        wordline_drive=analogue(facts.wordline_drive, "wordline_drive"),
        readouts={name: readout(part, name) for name, part in facts.readouts.items()},
        channels={name: channel(part) for name, part in facts.channels.items()},
    )


class AtRest(NamedTuple):
    """What design points share with the facts that are not changed; None where they do not."""

    areas: dict[str, float] | None = None
    """um2 by block."""
    latencies: dict[str, float] | None = None


ALL_MOVED = AtRest()


def at_rest(
    layers: tuple[Layer, ...], chip: Chip, facts: Facts, steps: int, keys: Iterable[str]
) -> AtRest:
    """Return the areas and the times that no change of these constants moves.

    Areas follow from areas of parts and times from latencies, so an energy moves neither.
    """
    moved = {key.rpartition(".")[2] for key in keys}
    return AtRest(
        areas=None if "area_um2" in moved else areas(layers, chip, facts, steps),
        latencies=None if "latency_ns" in moved else latencies(layers, chip, facts, steps),
    )


def totals(
    layers: tuple[Layer, ...],
    chip: Chip,
    facts: Facts,
    activity: Activity,
    known: AtRest = ALL_MOVED,
) -> dict[str, float]:
    """Return the totals of one inference, at one set of facts or at many at once.

    At one set of facts they are those of ``cost_of`` to the last bit. What is ``known`` of areas
    and times is not worked out again.
    """
    steps = activity.steps
    blocks = areas(layers, chip, facts, steps) if known.areas is None else known.areas
    area = total(blocks.values())
    times = known.latencies
    if times is None:
        times = latencies(layers, chip, facts, steps)
    side = area**0.5 * 1e-3
    energies = [
        layer_energy(layer, events, activity, chip, facts, side).values()
        for layer, events in zip(layers, activity.events, strict=True)
    ]
    by_action = [total(parts) for parts in zip(*energies, strict=True)]
    duration = times["inference_pipelined"]
    loading = loading_energy(layers, facts, steps)
    energy = total([*by_action, loading, standing_energy(layers, chip, facts, blocks, times)])
    return {
        "energy_pj": energy,
        "latency_ns": duration,
        "interval_ns": times["inference_interval"],
        "area_um2": area,
        "edp_pj_ns": energy * duration,
    }
