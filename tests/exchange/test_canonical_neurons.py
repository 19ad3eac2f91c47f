"""Neurons of canonical ONNX: functions whose names say what they are."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from mapper.exchange.canonical import from_model, plain, to_model
from mapper.exchange.canonical.functions import function_named, named_neuron, neuron_name
from mapper.ir.core import Const, Graph
from mapper.ir.evaluate import evaluate
from mapper.ir.neurons import Neuron, Reset
from tests.exchange.canonical import assert_same_graph, stepped
from tests.networks import NetworkBuilder

RNG = np.random.default_rng(0)


def neuron_names():
    """Return the name of every neuron function there is."""
    resets = [("none", "same"), ("none", "next")]
    resets += [("subtract", phase) for phase in ("same", "next", "guarded")]
    resets += [("value", phase) for phase in ("same", "next", "late")]
    ends = [
        "_".join(("", *reset, *flags))
        for reset in resets
        for flags in itertools.chain.from_iterable(
            itertools.combinations(("strict", "delayed", "floor"), n) for n in range(4)
        )
    ]
    ends = [f"Neuron{middle}{end}" for middle in ("", "_current") for end in ends]
    leaks = [f"{part}{word}" for part in ("kept", "taken") for word in ("down", "cut", "near")]
    ends += [
        f"Neuron_value_same_strict{floor}_{leak}" for floor in ("", "_floor") for leak in leaks
    ]
    ends += [
        *("Neuron_subtract_same_0to4even", "Neuron_value_next_m1to1down_delayed"),
        *("Neuron_subtract_guarded_strict_m2to3down_floor", "Neuron_none_same_strict_0to255down"),
    ]
    ends += [
        "Neuron_subtract_same_0to3lower",
        "Neuron_current_value_same_strict_keptcut_currentkeptcut",
        "Neuron_current_subtract_next_currenttakendown",
        "Integrator_current_currentkeptnear",
    ]
    return [*ends, "Integrator", "Integrator_floor", "Integrator_current", "Integrator_keptcut"]


@pytest.mark.parametrize("per_neuron", [False, True])
def test_every_neuron_computes_what_its_definition_says_to_the_last_bit(per_neuron):
    for name in neuron_names():
        graph = one_neuron(named_neuron(name), per_neuron)
        model = to_model(graph)
        assert [f.name for f in model.functions] == [name]
        assert_same_graph(from_model(model)[0], plain(graph))
        inputs = {"x0": RNG.choice([0.0, 0.5, 0.7, -0.3], (12, 2, 6)).astype(np.float32)}
        expected, found = evaluate(graph, inputs), stepped(model, graph, inputs)
        for output, array in expected.items():
            assert (found[output] == array).all(), (name, output)


def one_neuron(kind: Neuron, per_neuron: bool) -> Graph:
    net = NetworkBuilder()
    fields = {
        "leak": 0.75,
        "gain": 0.9,
        "bias": 0.05,
        "threshold": 0.5,
        "current_leak": 0.6,
        "current_input": 1.1,
        "current_gain": 0.7,
        "floor": -0.1,
    }
    if kind.current_rounding.unit:  # the membrane takes the current as it is after its update
        fields["current_gain"] = 0.6 * 0.9 / 1.1
    if per_neuron:
        drawn = {n: RNG.uniform(0.9, 1.1, 6).astype(np.float32) * x for n, x in fields.items()}
        if kind.current_rounding.unit:
            drawn["current_gain"] = drawn["current_leak"] * drawn["gain"] / drawn["current_input"]
        net.constants.update({n: a.astype(np.float32) for n, a in drawn.items()})
        fields = {name: Const(name) for name in fields}
    if kind.floor is None:
        del fields["floor"]
    if kind.current is None:
        fields = {n: held for n, held in fields.items() if not n.startswith("current")}
    y = net.neuron(
        net.entry(6),
        current=kind.current is not None,
        fires=kind.spike is not None,
        strict=kind.strict,
        levels=kind.levels,
        spike_phase=kind.spike_phase,
        reset=Reset(kind=kind.reset.kind, amount=0.4, phase=kind.reset.phase),
        leak_rounding=replace(kind.leak_rounding, unit=0.125 * kind.leak_rounding.unit),
        current_rounding=replace(kind.current_rounding, unit=0.125 * kind.current_rounding.unit),
        **fields,
    )
    return net.graph(y)


@pytest.mark.parametrize(
    "name",
    ["Neuron_none_same_0to999even", "Neuron", "Neuron_late_same", "Integrator_strict", "Gemm", ""],
)
def test_no_function_has_another_name(name):
    with pytest.raises(ValueError, match="no neuron is named"):
        function_named(name)


def test_names_of_neurons_are_undone():
    assert [neuron_name(named_neuron(name)) for name in neuron_names()] == neuron_names()
