"""Every action of random hardware graphs, counted one by one in what the definition computes."""

from collections import Counter
from itertools import product
from math import prod

import numpy as np
from hypothesis import HealthCheck, assume, given, settings

from mapper.cost import Events, count_layers, measure
from mapper.cost.model import action_counts
from mapper.executor import generate_executor, load_executor
from mapper.ir.core import Array, Graph, IntType
from mapper.ir.crossbar import CrossbarMvm, driven_wordlines
from mapper.ir.evaluate import evaluate
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.synapses import Synapse
from tests.cost.networks import small_target
from tests.strategies import Case, cases


def crossbar_events(op: CrossbarMvm, x: Array, graph: Graph) -> Counter:
    """Walk over every sample, bit plane, position, crossbar, wordline and output."""
    assert op.encoding is not None
    digits = op.encoding.digits(graph.constants[op.weight.name])  # [S, K, N]
    width = op.outputs // op.groups
    driven = driven_wordlines(x, op)  # [B, planes, groups, K, P]
    found: Counter = Counter()
    for b, plane, place in product(*(range(driven.shape[axis]) for axis in (0, 1, 4))):
        found["buffer_read_bits"] += driven[b, plane, :, :, place].size
        for rows, columns in product(op.rows, op.columns):
            bits = driven[b, plane, columns.start // width, :, place]
            found["crossbar_reads"] += 1
            conversions = len(columns) * len(digits)
            found["conversions"] += conversions
            if any(bits[row] for row in range(rows.start, rows.stop)):
                found["gated_crossbar_reads"] += 1
                found["gated_conversions"] += conversions
            for row in range(rows.start, rows.stop):
                if plane == 0:
                    found["macs"] += len(columns)
                if bits[row]:
                    here = digits[:, row, columns.slice]
                    found["wordline_events"] += 1
                    found["synaptic_operations"] += len(columns)
                    found["cells"] += here.size * op.encoding.bitlines_per_slice
                    found["on_cells"] += int(np.abs(here).sum())
    found["input_bits"] += driven.shape[0] * driven.shape[1] * prod(op.x.shape)
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(case=cases(steps=2))
def test_formulas_count_what_happens(case: Case):
    graph = case.graph
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm | Synapse)]
    # Layers on the digital unit have no crossbar: tests/cost/test_counts.py counts them.
    assume(layers)
    assume(all(isinstance(op, CrossbarMvm) and op.encoding is not None for op in layers))
    executor = load_executor(generate_executor(graph), graph.constants)
    _, trace = executor.run(case.inputs, case.initial, trace=True)
    activity = measure(graph, trace)
    watch = {op.x.name for op in layers} | {v.name for op in graph.ops for v in op.results}
    values = evaluate(graph, case.inputs, case.initial, watch=sorted(watch))
    counted = count_layers(graph, small_target())
    pairs = list(zip(layers, counted, activity.events, strict=True))
    for op, layer, events in pairs:
        assert isinstance(op, CrossbarMvm)
        found = Counter()
        for step in values[op.x.name]:
            found += crossbar_events(op, step, graph)
        counts = action_counts(layer, events, activity)
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
        assert events == Events(
            found["wordline_events"],
            found["cells"],
            found["on_cells"],
            found["gated_crossbar_reads"],
            found["gated_conversions"],
        )
        runs = activity.steps * activity.samples
        assert layer.work.buffer_read_bits * runs == found["buffer_read_bits"]
        assert layer.work.fresh_bits * runs == found["input_bits"]
        assert layer.work.buffer_write_bits * runs == found["input_bits"]
    _check_neurons(graph, counted, values, activity.steps * activity.samples)


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
    assert sum(layer.work.conversions for layer in counted) * runs == codes
    assert sum(layer.work.membrane_updates for layer in counted) * runs == updates
    assert sum(layer.work.membrane_bits for layer in counted) * runs == bits
