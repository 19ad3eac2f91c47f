"""A second cost model, from docs/cost.md and the TOML files alone: nothing of ``mapper.cost``.

What a mapped network is comes from its graph: weights, blocks, copies, slots, scales and widths of
states. What it did comes from the definition. All else is the arithmetic of the documentation, for
spikes on 1-bit cells, layers of one copy group in one round, under ``physical``, nominal.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, fsum, log2, prod

import numpy as np

from mapper.ir.core import Array, Const, Graph, Op
from mapper.ir.evaluate import evaluate
from mapper.ir.hardware import ScaledAdd, UpdateMembrane
from mapper.ir.readout import SenseAmpRead
from tests.cost.seen import (
    Chip,
    Layer,
    driven_of,
    layers_of,
    levels_of,
    numbers_of,
    origin_of,
    width,
)


def recompute(graph: Graph, name: str, x: Array) -> tuple[list[Layer], dict[str, float]]:
    """Return the layers of a graph that was shown ``x[T, B, ...]``, and the totals."""
    chip, steps, samples = Chip(name), *x.shape[:2]
    homes, layers = layers_of(graph)
    values = evaluate(graph, {graph.inputs[0].name: x}, watch=[one.mvm.x.name for one in layers])
    for index, layer in enumerate(layers):
        ops = [op for op in graph.ops if homes[op.results[0].name] == index]
        sums = _sums(layer, ops, graph)
        _travel(layer, ops, layers, homes, graph, chip, sums, steps * samples)
        _count(layer, ops, graph, values[layer.mvm.x.name], sums, steps * samples)
        _spend(layer, ops, chip, sums, steps, samples)
        _wait(layer, chip, sums)
        _occupy(layer, layers, homes, chip, sums)
    return layers, _totals(layers, chip, steps)


@dataclass
class Sums:
    """What is added and multiplied behind the readouts in a time step, and how wide."""

    slices: int
    total: int
    conversions: int
    shift_adds: int
    added: int
    added_bits: int
    scales: int
    scale_bits: int
    neurons: int


def _sums(layer: Layer, ops: list[Op], graph: Graph) -> Sums:
    add, constants = layer.add, graph.constants
    assert add is not None
    p, g, n = layer.p, layer.g, layer.n
    low, high = levels_of(ops, constants)
    scale = numbers_of(add.scale, constants)
    assert scale.ndim < 2 or len(scale) == 1, "row blocks share their scale here"
    slices, least = width(15 * low, 15 * high), 15 * low
    if add.active is not None:  # the offset of the encoding times the driven rows, at most a block
        least += add.offset * ((1 << add.active.type.bits) - 1)
    total = width(g * least, g * 15 * high)
    found = Sums(
        slices=slices,
        total=total,
        conversions=p * g * 4 * n,
        shift_adds=0 if add.merged else p * g * 4 * n,
        added=p * n * (g - 1),
        added_bits=p * n * (g - 1) * total,
        scales=p * n * bool((scale != 1).any()),
        scale_bits=p * n * total * _width_of(scale) * bool((scale != 1).any()),
        neurons=sum(prod(op.membrane.shape) for op in ops if isinstance(op, UpdateMembrane)),
    )
    if add.active is not None:
        found.added += p * g * n + p * (layer.k - g)
        found.added_bits += p * g * n * slices + p * (layer.k - g) * add.active.type.bits
    for op in (op for op in ops if isinstance(op, ScaledAdd)):
        results = prod(op.result.shape)
        found.added += results * (len(op.terms) - 1)
        found.added_bits += results * (len(op.terms) - 1) * (op.result.type.bits + op.shift)
        for term, factor in zip(op.terms, op.scales, strict=True):
            if isinstance(factor, Const) or factor != 1:
                found.scales += results
                number = numbers_of(factor, constants)
                found.scale_bits += results * term.type.bits * _width_of(number)
    return found


def _width_of(numbers: Array) -> int:
    return width(int(min(numbers.min(), 0)), int(numbers.max()))


def _travel(
    layer: Layer,
    ops: list[Op],
    layers: list[Layer],
    homes: dict[str, int],
    graph: Graph,
    chip: Chip,
    sums: Sums,
    runs: int,
) -> None:
    """Count hops, of the input, of partial sums and of residual operands."""
    mvm, place = layer.mvm, layer.mvm.placement
    here = chip.at((place.slots.start + place.slots.stop) // 2)

    def far(source: int) -> int:
        if source < 0:
            return 1 + sum(here)
        held = layers[source].mvm.placement.slots
        return apart(chip.at((held.start + held.stop) // 2), here)

    layer.hops = far(homes.get(mvm.x.name, -1))
    layer.operands = {
        origin_of(term, graph): prod(term.shape) * term.type.bits
        for op in ops
        if isinstance(op, ScaledAdd)
        for term in op.terms
        if homes.get(term.name, -1) != layers.index(layer)
    }
    own = origin_of(mvm.x, graph)
    layer.moved = {name: size for name, size in layer.operands.items() if name != own}
    slots = place.slots.start + np.arange(layer.g * layer.c).reshape(layer.c, layer.g)
    partial = sum(
        apart(chip.at(one), chip.at(other)) * len(columns)
        for columns, row in zip(mvm.columns, slots, strict=True)
        for one, other in pairwise(row)
    )
    layer.counts = {
        "hops": (layer.input_bits * layer.hops + partial * layer.p * sums.total) * runs,
        "skip_bits": (sum(layer.moved.values()) + sum(layer.operands.values())) * runs,
        "skip_hops": sum(far(homes.get(n, -1)) * size for n, size in layer.moved.items()) * runs,
    }


def apart(one: tuple[int, int], other: tuple[int, int]) -> int:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _count(layer: Layer, ops: list[Op], graph: Graph, x: Array, sums: Sums, runs: int) -> None:
    p, g, c, k, n = layer.p, layer.g, layer.c, layer.k, layer.n
    weight = graph.constants[layer.mvm.weight.name]  # [K, N]
    on = ((weight[:, :, None] + 8) & (1 << np.arange(4)) != 0).sum(axis=(1, 2))  # cells, by row
    lines = driven_of(layer.mvm, x).sum(axis=(0, 1))
    layer.counts |= {
        "crossbar_reads": p * g * c * runs,
        "wordline_events": int(lines.sum()) * c,
        "on_cells": int((lines * on).sum()),
        "synaptic_operations": int(lines.sum()) * n,
        "dense_operations": int(driven_of(layer.mvm, np.ones_like(x)).sum()) * n,
        "macs": p * k * n * runs,
        "conversions": sums.conversions * runs,
        "shift_adds": sums.shift_adds * runs,
        "accumulations": sums.added * runs,
        "scale_multiplies": sums.scales * runs,
        "membrane_updates": sums.neurons * runs,
        "membrane_bits": 2 * 16 * sums.neurons * runs,
        "buffer_bits": (layer.input_bits + p * k) * runs,
    }


def _cells(layer: Layer, ops: list[Op], chip: Chip) -> float:
    """Return V^2 G t of all cells, pJ: on, off, and half of one a wordline in replica columns."""
    on = layer.counts["on_cells"]
    off = layer.counts["synaptic_operations"] * 4 - on
    if any(isinstance(op, SenseAmpRead) and op.active is not None for op in ops):
        on += layer.counts["wordline_events"] / 2
    siemens = on * chip.of("cell", "on_conductance_us")
    siemens += off * chip.of("cell", "off_conductance_us")
    settled = chip.of("wordline_drive", "latency_ns") + chip.readout["latency_ns"]["nominal"]
    return chip.of("cell", "read_voltage_v") ** 2 * siemens * settled * 1e-3


def _spend(layer: Layer, ops: list[Op], chip: Chip, sums: Sums, steps: int, samples: int) -> None:
    p, counts, word = layer.p, layer.counts, chip.word
    moved, residual = sum(layer.moved.values()), sum(layer.operands.values())
    read = p * ceil(layer.k / word) + p * ceil(ceil(residual / p) / word)
    written = ceil(layer.input_bits / word) + ceil(moved / word)
    spots = ceil(sums.neurons / layer.n)
    states = spots * ceil(ceil(16 * sums.neurons / spots) / word)
    get, put = chip.of("buffer_read", "energy_pj"), chip.of("buffer_write", "energy_pj")
    line = 64 * chip.of("wordline_drive", "energy_pj")
    hops = (counts["hops"] + counts["skip_hops"]) / samples
    layer.energy = {
        "cells": _cells(layer, ops, chip) / samples,
        "wordline_drive": counts["wordline_events"] * line / samples,
        "readout": sums.conversions * steps * chip.readout["energy_pj"]["nominal"],
        "inputs": p * layer.k * layer.c * steps * chip.of("inputs", "energy_pj"),
        "shift_add": sums.shift_adds * sums.slices * steps * chip.of("shift_add", "energy_pj"),
    }
    control = chip.facts["control"]["share"]["nominal"] * fsum(layer.energy.values())
    layer.energy |= {
        "control": control,
        "accumulate": sums.added_bits * steps * chip.of("accumulate", "energy_pj"),
        "scale_multiply": sums.scale_bits * steps * chip.of("scale_multiply", "energy_pj"),
        "membrane_update": sums.neurons * steps * chip.of("membrane_update", "energy_pj"),
        "membrane_memory": states * word * steps * (get + put),
        "buffer_read": read * word * steps * get,
        "buffer_write": written * word * steps * put,
        "hop": hops * chip.of("hop", "energy_pj"),
    }


def _wait(layer: Layer, chip: Chip, sums: Sums) -> None:
    p, g, n, a, share, mvm = layer.p, layer.g, layer.n, layer.a, layer.share, layer.mvm
    each = ceil(n / ceil(n / chip.mux))
    turns = min(chip.mux, max(len(span) for span in mvm.columns) * 4)
    rows = max(len(span) for span in mvm.rows) * min(g, chip.tile)
    words = ceil(min(layer.k, rows) / chip.word)
    words += ceil(ceil(sum(layer.operands.values()) / p) / chip.word)
    copies = min(a, ceil(chip.tile / (g * layer.c)))
    adders = ceil(sums.added / (p * n))
    bits = layer.input_bits + sum(layer.moved.values())
    read = turns * chip.readout["latency_ns"]["nominal"]
    layer.stages = {
        "arrival": ceil(bits / chip.facts["hop"]["word_bits"]) * chip.ns("hop"),
        "load": share * copies * words * chip.ns("buffer_read"),
        "read": share * (read + chip.of("wordline_drive", "latency_ns")),
        "shift_add": share * turns * chip.ns("shift_add") * (sums.shift_adds > 0),
        "scale": share * each * chip.ns("scale_multiply") * (sums.scales > 0),
        "accumulate": share * each * chip.ns("accumulate") * (adders > 0),
        "adder_tree": share * max(ceil(log2(adders + 1)) - 1, 0) * chip.ns("accumulate"),
        "membrane": ceil(ceil(sums.neurons / n) / a) * each * chip.ns("membrane_update"),
    }


def _occupy(
    layer: Layer, layers: list[Layer], homes: dict[str, int], chip: Chip, sums: Sums
) -> None:
    crossbars = layer.g * layer.c * layer.a
    readouts = crossbars * ceil(64 / chip.mux)
    lanes, results = layer.a * ceil(layer.n / chip.mux), layer.p * layer.n
    adders, multipliers = lanes * ceil(sums.added / results), lanes * ceil(sums.scales / results)
    stored = 16 * sums.neurons + 2 * layer.input_bits
    for name, size in layer.moved.items():
        ahead = layer.depth - (layers[homes[name]].depth if name in homes else -1)
        stored += size * (ahead + 1)
    slices = sums.slices * (sums.shift_adds > 0)
    layer.area = {
        "cells": crossbars * 64 * 64 * chip.of("cell", "area_um2"),
        "wordline_drivers": crossbars * 64 * chip.of("wordline_drive", "area_um2"),
        "inputs": crossbars * 64 * chip.of("inputs", "area_um2"),
        "readouts": readouts * chip.readout["area_um2"]["nominal"],
        "shift_adders": readouts * slices * chip.of("shift_add", "area_um2"),
        "adders": adders * _mean(sums.added_bits, sums.added) * chip.of("accumulate", "area_um2"),
        "multipliers": multipliers
        * _mean(sums.scale_bits, sums.scales)
        * chip.of("scale_multiply", "area_um2"),
        "neurons": lanes * chip.of("membrane_update", "area_um2"),
        "memory": stored * chip.of("buffer_read", "area_um2"),
    }


def _mean(bits: int, count: int) -> int:
    return ceil(bits / count) if count else 0


def _totals(layers: list[Layer], chip: Chip, steps: int) -> dict[str, float]:
    hop = chip.ns("hop")
    paced = [{n: ns for n, ns in one.stages.items() if n != "adder_tree"} for one in layers]
    paces = [max(stages.values()) for stages in paced]
    wholes = [fsum(one.stages.values()) for one in layers]
    data = [
        one.hops * hop + pace + (whole - pace) / one.share
        for one, pace, whole in zip(layers, paces, wholes, strict=True)
    ]
    step = max(paces)
    depths = range(1 + max(one.depth for one in layers))
    slots = [
        max(step, *(ns for one, ns in zip(layers, data, strict=True) if one.depth == at))
        for at in depths
    ]
    sequential = fsum(one.hops * hop + w for one, w in zip(layers, wholes, strict=True))
    crossbars = sum(
        len(one.mvm.rows) * len(one.mvm.columns) * one.mvm.placement.copies for one in layers
    )
    routers = ceil(crossbars / chip.tile) * chip.of("hop", "area_um2")
    area = fsum([routers, *(um2 for one in layers for um2 in one.area.values())])
    neurons = fsum(one.area["neurons"] for one in layers)
    units = neurons / chip.of("membrane_update", "area_um2")
    density = chip.facts["leakage"]["power_uw_per_mm2"]["nominal"]
    leak = chip.facts["membrane_update"]["leak_uw"]["nominal"]
    microwatts = density * (area - neurons) * 1e-6 + units * leak
    leakage = microwatts * steps * step * 1e-3
    return {
        "area": area,
        "leakage": leakage,
        "energy": leakage + fsum(pj for one in layers for pj in one.energy.values()),
        "interval": steps * step,
        "pipelined": fsum(slots) + (steps - 1) * step,
        "sequential": steps * sequential,
        "routers": routers,
    }
