"""Counts of spikes in binary steps: the same integers where the readout keeps sums."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.cost.counts_read import counts_read, other_integers, read_in
from mapper.ir.assignment import Assignment, Choice
from mapper.ir.core import IntType
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.identity import digest
from mapper.ir.levels import Levels, RoundedLevels
from mapper.ir.neurons import Reset
from mapper.ir.readout import ShiftAndAdd
from mapper.ir.spike_counts import spike_counts
from mapper.ir.windows import Window
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.builders import Builder
from tests.engines import run_everywhere
from tests.networks import NetworkBuilder, spikes
from tests.passes.test_levels import network

STEPS = Assignment(spread_steps=True)


def compiled(name, graph=None, assignment=STEPS, target=None):
    graph = replace(network() if graph is None else graph, assignment=assignment)
    target = load_target(name) if target is None else target
    return *run_passes(graph, target, make_passes()), target


def layers_of(graph):
    return [op for op in graph.ops if isinstance(op, CrossbarMvm)]


@pytest.mark.parametrize("name", ["ideal-128", "digital-cim-64", "adcless-64"])
def test_counts_are_read_in_steps_on_every_engine(name):
    steps, _, target = compiled(name)
    planes, _, _ = compiled(name, assignment=Assignment())
    assert [op.steps for op in layers_of(steps)] == [None, Levels(high=4), Levels(low=-1)]
    assert [op.planes for op in layers_of(planes)] == [1, 3, 2]
    inputs = spikes(steps, steps=6)
    run_everywhere(steps, inputs)
    sums = [op.result.name for op in steps.ops if isinstance(op, ShiftAndAdd)]
    found, before = (evaluate(graph, inputs, watch=sums) for graph in (steps, planes))
    kept = name != "adcless-64"
    assert found[sums[1]].any()
    assert all((found[key] == before[key]).all() for key in found) == kept
    told = other_integers(steps, target)
    assert bool(told) != kept
    if told:
        assert (
            "conv2 (4 reads of steps, 3 of planes), fc5 (2 reads of steps, 2 of planes)" in told[0]
        )
    assert not other_integers(planes, target)


def test_both_ways_are_told_of_a_mapping_compiled_either_way():
    steps, _, target = compiled("adcless-64")
    planes, _, _ = compiled("adcless-64", assignment=Assignment())
    told = [
        [(one.name, one.planes, one.steps, one.alike) for one in counts_read(graph, target)]
        for graph in (steps, planes)
    ]
    assert told[0] == told[1] == [("conv2", 3, 4, False), ("fc5", 2, 2, False)]
    assert [op.planes for op in layers_of(read_in(steps, target, steps=False))] == [1, 3, 2]
    assert [op.planes for op in layers_of(read_in(planes, target, steps=True))] == [1, 4, 2]
    assert digest(read_in(planes, target, steps=False)) == digest(planes)
    assert digest(read_in(steps, target, steps=True)) == digest(steps)


def test_a_layer_of_its_own_is_decided():
    one = Assignment(layers={"conv2": Choice(spread_steps=True)})
    graph, _, _ = compiled("ideal-128", assignment=one)
    assert [op.steps for op in layers_of(graph)] == [None, Levels(high=4), None]
    others = Assignment(layers={"conv2": Choice(spread_steps=False)}, spread_steps=True)
    graph, _, _ = compiled("ideal-128", assignment=others)
    assert [op.steps for op in layers_of(graph)] == [None, None, Levels(low=-1)]


def test_a_macro_that_takes_spikes_alone_takes_steps():
    target = load_target("ideal-128")
    (macro,) = target.macros
    target = replace(target, macros=(replace(macro, accepts=("spikes",), max_input_bits=1),))
    assert len(layers_of(compiled("", assignment=Assignment(), target=target)[0])) == 1
    assert len(layers_of(compiled("", target=target)[0])) == 3


def test_a_read_of_several_bits_becomes_reads_of_a_step():
    target = load_target("multibit-input-64")
    planes, _, _ = compiled("multibit-input-64", assignment=Assignment())
    steps, _, _ = compiled("multibit-input-64")
    assert max(op.plane_bits for op in layers_of(planes)) > 1
    assert {op.plane_bits for op in layers_of(steps) if op.steps} == {1}
    assert [one.planes for one in counts_read(steps, target)] == [
        op.planes for op in layers_of(planes)[1:]
    ]


def test_what_stays_in_bit_planes_is_said():
    net = NetworkBuilder()
    y = net.linear(net.entry(3), np.eye(3, dtype=np.float32))
    many = net.neurons(
        y, levels=RoundedLevels(high=200), reset=Reset(kind="subtract", amount=1.0), name="many"
    )
    y = net.linear(many, np.eye(3, dtype=np.float32))
    trained = net.graph(net.neurons(y, name="last"))
    (layer,) = (op.loc for op in trained.ops[2:3])
    _, runs, _ = compiled("ideal-128", graph=trained)
    told = [text for run in runs for text in run.warnings if "steps" in text]
    assert len(told) == 1
    assert f"{layer}: its inputs count 200 steps, at most 63 are read" in told[0]


def test_where_nothing_counts_that_is_said():
    net = NetworkBuilder()
    y = net.linear(net.entry(3), np.eye(3, dtype=np.float32))
    _, runs, _ = compiled("ideal-128", graph=net.graph(net.neurons(y, name="last")))
    told = [text for run in runs for text in run.warnings]
    assert told == ["no layer reads counts of spikes, so none is read in binary steps"]


# --- what counts ---------------------------------------------------------------------------


def counting(net):
    """Return levels 0..4 of neurons on an input of eight bits, and the input."""
    x = net.input("x", (2, 2, 2), IntType(8, signed=True))
    rising = np.arange(1, 5).reshape(4, 1, 1, 1)
    return x, net.integer_neurons(x, levels=Levels(high=4), threshold=rising, name="counts")


def test_counts_are_added_pooled_multiplied_and_moved():
    """0..4 and 0..1 add up to 0..5; two by two of 0..4 are 16; -1..1 times 0..4 is -4..4."""
    net = Builder()
    x, counts = counting(net)
    both = np.array([-1, 1]).reshape(2, 1, 1, 1)
    signs = net.integer_neurons(x, levels=Levels(low=-1), threshold=both, name="signs")
    made = {
        net.sum(counts, net.integer_neurons(x)).name: Levels(high=5),
        net.sum_pool2d(counts, Window(kernel=(2, 2))).name: Levels(high=16),
        net.multiply(signs, counts).name: Levels(low=-4, high=4),
        net.reshape(counts, (8,)).name: Levels(high=4),
        net.concat(signs, counts).name: Levels(low=-1, high=4),
    }
    net.output(net.sum(x, x))
    found = spike_counts(net.graph())
    assert {name: found.get(name) for name in made} == made
    assert "x" not in found


def test_a_count_that_waits_is_one_and_a_running_sum_is_none():
    """0..4 that starts as 6 waits for two steps; a sum with what it was before never ends."""
    net = Builder()
    _, counts = counting(net)
    once = net.state("once", counts.shape, counts.type, 6)
    twice = net.state("twice", counts.shape, counts.type)
    total = net.state("total", counts.shape, IntType(9, signed=False))
    net.follow(once, counts)
    net.follow(twice, once)
    net.follow(total, net.sum(total, counts))
    net.output(twice, total)
    found = spike_counts(net.graph(checked=False))
    assert (found["once"], found["twice"]) == (Levels(high=6), Levels(high=6))
    assert "total" not in found
