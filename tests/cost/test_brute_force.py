"""Every action of random hardware graphs, counted one by one in what the definition computes."""

from collections import Counter
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mapper.cost import Events, count_layers, measure
from mapper.cost.actions import action_counts
from mapper.cost.flow import partial_sum_hops
from mapper.cost.op_counts import op_work, separate_op_work
from mapper.executor import engine
from mapper.ir.core import SPIKE, Array, Const, Graph, IntType, Op, Span
from mapper.ir.crossbar import CountActive, CrossbarMvm, Placement, driven_wordlines
from mapper.ir.evaluate import evaluate
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.products import MatMul
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from passes import MergeSums
from tests.campaigns import examples
from tests.cost.networks import small_target, two_by_two_grid
from tests.strategies import Case, cases


def crossbar_events(op: CrossbarMvm, x: Array, graph: Graph) -> Counter:
    """Walk over every sample, bit plane, position, crossbar, wordline and output."""
    assert op.encoding is not None
    digits = op.encoding.digits(graph.constants[op.weight.name])  # [S, K, N]
    width = op.outputs // op.groups
    driven = driven_wordlines(x, op)  # [B, planes, groups, K, P]
    found: Counter = Counter()
    for b, plane, place in product(*(range(driven.shape[axis]) for axis in (0, 1, 4))):
        bits = op.bit_planes[plane].bits if op.steps is None else op.x.type.bits * (plane == 0)
        found["buffer_read_bits"] += driven[b, plane, :, :, place].size * bits  # codes, once
        for rows, columns in product(op.rows, op.columns):
            groups = range(columns.start // width, -(-columns.stop // width))  # packed: several
            bits = driven[b, plane, groups.start : groups.stop, :, place]
            found["crossbar_reads"] += 1
            conversions = len(columns) * len(digits)
            found["conversions"] += conversions
            if any(own[row] for own in bits for row in range(rows.start, rows.stop)):
                found["gated_crossbar_reads"] += 1
                found["gated_conversions"] += conversions
            for group, row in product(groups, range(rows.start, rows.stop)):
                first = max(columns.start, group * width)
                outputs = slice(first, min(columns.stop, (group + 1) * width))
                if plane == 0:
                    found["macs"] += outputs.stop - first
                if bits[group - groups.start, row]:
                    here = digits[:, row, outputs]
                    found["wordline_events"] += 1
                    found["crossed"] += len(groups) - 1
                    found["synaptic_operations"] += outputs.stop - first
                    found["cells"] += here.size * op.encoding.bitlines_per_slice
                    found["on_cells"] += int(np.abs(here).sum())
    assert isinstance(op.x.type, IntType)
    found["input_bits"] += driven.shape[0] * op.x.type.bits * prod(op.x.shape)
    return found


@settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much],
)
@given(case=cases(steps=2))
def test_formulas_count_what_happens(case: Case):
    graph = case.graph
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm | Synapse)]
    # Layers on the digital unit have no crossbar: tests/cost/test_counts.py counts them.
    assume(layers)
    assume(all(isinstance(op, CrossbarMvm) and op.encoding is not None for op in layers))
    ran = engine.run(graph, case.inputs, "numpy", initial=case.initial, trace=True)
    activity = measure(graph, ran.counts)
    watch = {op.x.name for op in layers} | {v.name for op in graph.ops for v in op.results}
    values = evaluate(graph, case.inputs, case.initial, watch=sorted(watch))
    counted = count_layers(graph, small_target())
    digital = {
        op.partial_sum.name
        for op in graph.ops
        if isinstance(op, AdcRead) and op.kind == "adder-tree"
    }
    pairs = list(zip(layers, counted, activity.events, strict=True))
    moved: Counter = Counter()
    for op, layer, events in pairs:
        assert isinstance(op, CrossbarMvm)
        found = Counter()
        for step in values[op.x.name]:
            found += crossbar_events(op, step, graph)
        counts = action_counts(layer, events, activity)
        spiking = replace(op, x=replace(op.x, type=SPIKE), plane_bits=1, steps=None)
        dense = crossbar_events(spiking, np.ones_like(step[:1]), graph)["synaptic_operations"]
        assert counts["dense_operations"] == dense * activity.steps * activity.samples
        if op.partial_sum.name in digital:  # adder trees sum what others convert
            sums, trees = found["conversions"], len(op.rows)
            assert layer.work.tree_sums * activity.steps * activity.samples == sums
            additions = sum(op.packed * len(rows) - 1 for rows in op.rows)
            assert counts["tree_additions"] * trees == sums * additions
            assert (counts["conversions"], counts["gated_conversions"]) == (0, 0)
            counts |= {name: found[name] for name in ("conversions", "gated_conversions")}
        for name in (
            "crossbar_reads",
            "gated_crossbar_reads",
            "conversions",
            "gated_conversions",
            "wordline_events",
            "synaptic_operations",
            "on_cells",
            "macs",
        ):
            assert counts[name] == found[name], name
        assert events._replace(updates=0) == Events(
            found["wordline_events"],
            found["cells"],
            found["on_cells"],
            found["gated_crossbar_reads"],
            found["gated_conversions"],
            crossed=found["crossed"],
        )
        moved += found
    runs = activity.steps * activity.samples
    products = [op for op in graph.ops if isinstance(op, MatMul)]
    read, written = (sum(bits) * runs for bits in zip((0, 0), *map(traffic, products), strict=True))
    work = [layer.work for layer in counted]
    assert sum(w.buffer_read_bits for w in work) * runs == moved["buffer_read_bits"] + read
    assert sum(w.fresh_bits for w in work) * runs == moved["input_bits"] + read
    assert sum(w.buffer_write_bits for w in work) * runs == moved["input_bits"] + written
    _check_neurons(graph, counted, values, runs)


def traffic(op: MatMul) -> tuple[int, int]:
    """Return bits of the right factor that are read, once a row of the left one, and written."""
    assert isinstance(op.b.type, IntType)
    matrix, rows = prod(op.b.shape[-2:]) * op.b.type.bits, op.a.shape[-2]
    matrices = prod(op.b.shape[:-2])
    return matrices * rows * matrix, matrices * matrix


def _check_neurons(graph: Graph, counted, values: dict[str, Array], runs: int) -> None:
    """Count codes, updates and state bits over the whole graph."""
    codes = updates = bits = 0
    for op in graph.ops:
        if isinstance(op, SenseAmpRead | AdcRead):
            codes += values[op.result.name].size
        if isinstance(op, IntegerNeuron):
            updates += values[op.membrane_next.name].size
            for state in (op.membrane, op.current):
                if state is not None:
                    assert isinstance(state.type, IntType)
                    bits += 2 * state.type.bits * values[op.membrane_next.name].size
    assert sum(layer.work.columns_read for layer in counted) * runs == codes
    assert sum(layer.work.membrane_updates for layer in counted) * runs == updates
    assert sum(layer.work.membrane_bits for layer in counted) * runs == bits


def add_up(
    op: ShiftAndAdd,
    graph: Graph,
    makers: dict[str, Op],
    values: dict[str, Array],
    separately: bool,
) -> Counter:
    """Compute the sums of the first sample of a step as hardware would, counting as it goes.

    ``separately`` as the reference does, with an adder for each slice and a scale for each row
    block; else as the graph states it.
    """
    codes = values[op.codes.name][0][0]  # [planes, G, S, N, ...]
    table = graph.constants[op.scale.name] if isinstance(op.scale, Const) else op.scale
    scales = np.broadcast_to(table, (codes.shape[1], codes.shape[3]))
    at_end = not separately and (scales == scales[0]).all() and len(np.atleast_2d(table)) == 1
    multiplied = isinstance(op.scale, Const) or op.scale != 1
    if at_end and (scales == 1).all():
        multiplied = False
    found, sums = Counter(), np.zeros(codes.shape[3:], np.int64)
    active = None if op.active is None else values[op.active.name][0][0]  # [planes, G, groups, ...]
    first = abs(op.significances[0])
    alone = len(op.significances) == 1 and first.bit_count() == 1  # shifted by wires
    for where in np.ndindex(*codes.shape[3:]):
        total = None
        for plane, weight in enumerate(op.plane_weights):
            of_plane = None
            for g in range(codes.shape[1]):
                block = 0
                for s, significance in enumerate(op.significances):
                    code, sign = int(codes[(plane, g, s, *where)]), np.sign(significance)
                    for shift in range(abs(significance).bit_length()):  # as an adder shifts
                        if abs(significance) >> shift & 1:
                            block += sign * (code << shift)
                            found["shift_adds"] += separately or not (op.merged or alone)
                if active is not None:
                    group = where[0] * active.shape[2] // codes.shape[3]
                    block += op.offset * int(active[(plane, g, group, *where[1:])])
                    found["accumulations"] += 1
                    found["corrections"] += 1
                if multiplied and not at_end:
                    block *= int(scales[g, where[0]])
                    found["scale_multiplies"] += 1
                found["accumulations"] += of_plane is not None
                of_plane = block if of_plane is None else of_plane + block
            found["shift_adds"] += total is not None
            total = weight * of_plane if total is None else total + weight * of_plane
        if multiplied and at_end:
            total *= int(scales[0, where[0]])
            found["scale_multiplies"] += 1
        sums[where] = total >> op.shift
    if op.active is not None:
        counter = makers[op.active.name]
        assert isinstance(counter, CountActive)
        for _ in np.ndindex(*active.shape[:1], *active.shape[2:]):
            for rows in counter.rows:
                found["accumulations"] += len(rows) - 1
                found["corrections"] += len(rows) - 1
    assert (sums == values[op.result.name][0][0]).all()
    return found


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much],
)
@given(case=cases(steps=1), merged=st.booleans())
def test_sums_added_one_by_one_take_as_many_additions(case: Case, merged: bool):
    graph = MergeSums().run(case.graph, small_target()) if merged else case.graph
    sums = [op for op in graph.ops if isinstance(op, ShiftAndAdd)]
    assume(sums)
    names = sorted({value.name for op in graph.ops for value in op.results})
    values = evaluate(graph, case.inputs, case.initial, watch=names)
    makers = {value.name: op for op in graph.ops for value in op.results}
    for op in sums:
        for separately, count in ((False, op_work), (True, separate_op_work)):
            found = add_up(op, graph, makers, values, separately)
            counted = count(op, makers, graph.constants)
            for name in ("shift_adds", "accumulations", "corrections", "scale_multiplies"):
                assert counted[name] == found[name], name


@given(start=st.integers(0, 40), tiles=st.integers(1, 10), per_tile=st.integers(1, 5))
def test_partial_sums_that_walk_from_tile_to_tile_take_as_many_hops(start, tiles, per_tile):
    (mvm, *_) = two_by_two_grid(Placement(slots=Span(start, start + 4))).ops
    assert isinstance(mvm, CrossbarMvm)
    side = next(side for side in range(1, 11) if side * side >= tiles)
    hops = 0
    for column, outputs in enumerate(mvm.columns):
        for _ in range(outputs.start, outputs.stop):  # the sum of one output, block after block
            places = []
            for row in range(len(mvm.rows)):
                slot = start + column * len(mvm.rows) + row
                chip, tile = divmod(slot // per_tile, tiles)
                places.append((chip * side + tile % side, tile // side))
            (x, y), *others = places
            for to_x, to_y in others:
                while (x, y) != (to_x, to_y):  # one step along the mesh
                    if x != to_x:
                        x += 1 if to_x > x else -1
                    else:
                        y += 1 if to_y > y else -1
                    hops += 1
    chip = replace(small_target().chip, tiles=tiles, crossbars_per_tile=per_tile)
    assert partial_sum_hops(mvm, chip) == hops
