"""More of what costs something never costs less."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.cost import count_layers, estimate
from mapper.cost.actions import activity_of_density
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.points import SETTING_KEYS, changed, totals
from mapper.cost.summary import cost_of
from mapper.ir.core import SPIKE, Graph, IntType, Span, Value
from mapper.ir.crossbar import Placement
from mapper.ir.encoding import Encoding
from mapper.ir.windows import Window
from targets import list_presets, load_preset, load_target
from tests.campaigns import examples
from tests.cost.networks import crossbar, graph_for, layer, network

NAMES = ("adcless-64", "hpadc-flash5-64", "hpadc-sar5-64", "adcless-diff-64", "ternary-diff-64")
MEASURES = ("energy_pj", "latency_ns", "interval_ns", "area_um2")


def found(graph: Graph, name: str, preset: str, density: float = 0.3, steps: int = 3):
    target, assumed = load_target(name), load_preset(preset)
    layers = count_layers(graph, target)
    activity = activity_of_density(layers, density, steps)
    return totals(
        layers, chip_of(target, assumed, layers), corners_of(target, assumed)[1], activity
    )


@settings(max_examples=examples(60), deadline=None)
@given(
    name=st.sampled_from(NAMES),
    preset=st.sampled_from(list_presets()),
    key=st.sampled_from(SETTING_KEYS),
    factor=st.floats(1.0, 100.0),
)
def test_no_total_falls_when_a_fact_rises(name, preset, key, factor):
    target, assumed = load_target(name), load_preset(preset)
    graph = graph_for(target)
    layers = count_layers(graph, target)
    chip, facts = chip_of(target, assumed, layers), corners_of(target, assumed)[1]
    activity = activity_of_density(layers, 0.3, 3)
    before = totals(layers, chip, changed(facts, chip, key, 1.0), activity)
    after = totals(layers, chip, changed(facts, chip, key, factor), activity)
    for measure in MEASURES:
        if key == "adc.latency_ns" and preset == "paper":
            continue  # its power is spread over its latency: longer conversions draw less power
        assert after[measure] >= before[measure] * (1 - 1e-12), measure  # a rounding apart


@settings(max_examples=examples(40), deadline=None)
@given(
    name=st.sampled_from(NAMES),
    preset=st.sampled_from(list_presets()),
    densities=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
)
def test_more_spikes_never_cost_less(name, preset, densities):
    graph = graph_for(load_target(name))
    less, more = (found(graph, name, preset, density) for density in densities)
    for measure in MEASURES:
        assert less[measure] <= more[measure]
    for gated in (False, True):
        target = load_target(name)
        layers = count_layers(graph, target)
        chip = replace(chip_of(target), gated=gated)
        energies = [
            totals(layers, chip, corners_of(target)[1], activity_of_density(layers, density, 3))[
                "energy_pj"
            ]
            for density in densities
        ]
        assert energies == sorted(energies)


def lowered(rows=100, outputs=20, bits=4, side=0, planes=1, macro="sense-amp-64") -> Graph:
    """Map a layer of ones by hand, linear or a 1x1 convolution of ``side`` x ``side`` pixels."""
    encoding = Encoding(kind="offset-binary", weight_bits=bits, cell_bits=1)
    kind = SPIKE if planes == 1 else IntType(planes, signed=False)
    x = Value("x", kind, (rows, side, side) if side else (rows,))
    window = Window(kernel=(1, 1)) if side else None
    weight = np.ones((rows, outputs), np.int64)
    blocks, columns = Span(0, rows).split(64), Span(0, outputs).split(64 // bits)
    placement = Placement(macro=macro, slots=Span(0, len(blocks) * len(columns)))
    mvm = crossbar(x, weight, encoding, blocks, columns, window, placement=placement)
    return network(layer(mvm)[0], {"fc.weight": weight}, x)


SERIES = {
    "rows": (30, 64, 65, 128, 200, 1000),
    "outputs": (5, 16, 17, 60, 500),
    "bits": (2, 3, 4, 6, 8),
    "side": (1, 2, 5, 9),
    "planes": (1, 2, 4, 6),
}


@pytest.mark.parametrize("preset", list_presets())
@pytest.mark.parametrize(("what", "sizes"), SERIES.items())
def test_more_rows_outputs_bits_positions_and_planes_never_cost_less(what, sizes, preset):
    cases = [found(lowered(**{what: size}), "adcless-64", preset) for size in sizes]
    for measure in MEASURES:
        values = [case[measure] for case in cases]
        assert values == sorted(values), measure


@pytest.mark.parametrize("preset", list_presets())
def test_more_time_steps_never_cost_less(preset):
    cases = [found(lowered(), "adcless-64", preset, steps=steps) for steps in (1, 2, 5, 20)]
    for measure in MEASURES:
        values = [case[measure] for case in cases]
        assert values == sorted(values), measure


def test_more_bits_of_an_adc_never_cost_less():
    target = load_target("hpadc-sar5-64")
    graph = graph_for(target)
    macro = target.macros[0]
    costs = []
    for bits in (4, 5, 6, 7, 8):
        readout = replace(macro.readout, bits=bits)
        wider = replace(target, macros=(replace(macro, readout=readout),))
        # Under a clock that the readout sets, a slower one may save a neuron unit a cycle.
        costs.append(estimate(graph, wider, 0.3, 3, load_preset("physical")))
    for values in (
        [cost.total_pj.nominal for cost in costs],
        [cost.latency_ns["inference_pipelined"].nominal for cost in costs],
        [cost.total_um2.nominal for cost in costs],
    ):
        assert values == sorted(values)


def moved(before: dict, after: dict) -> set[str]:
    """Name the parts that differ."""
    return {name for name, value in before.items() if value != after[name]}


WAIT = {
    "inference_interval", "inference_pipelined", "inference_sequential", "step_pipelined",
    "step_sequential",
}  # fmt: skip
LATER = {f"latency_ns.{name}" for name in WAIT} | {"energy_pj.leakage"}
"""A slower part lets the chip leak longer."""


def inside(part: str) -> set[str]:
    """What moves a part of a macro moves the share of control in it."""
    return {f"energy_pj.{part}", "energy_pj.control"}


def larger(block: str) -> set[str]:
    return {f"area_um2.{block}", "energy_pj.leakage"}


PHYSICAL_KEYS = {
    "cell.read_voltage_v": inside("cells"),
    "cell.on_conductance_us": inside("cells"),
    "cell.off_conductance_us": inside("cells"),
    "cell.area_um2": larger("cells"),
    "leakage.power_uw_per_mm2": {"energy_pj.leakage"},
    "wordline_drive.energy_pj": inside("wordline_drive"),
    "wordline_drive.latency_ns": LATER | inside("cells"),  # cells conduct while lines settle
    "wordline_drive.area_um2": larger("wordline_drivers"),
    "adc.energy_pj": inside("readout"),
    "adc.latency_ns": LATER | inside("cells"),  # and while they are read
    "adc.area_um2": larger("readouts"),
    "shift_add.code_bit_pj": inside("shift_add"),
    "shift_add.energy_pj": inside("shift_add"),
    "shift_add.latency_ns": LATER,
    "shift_add.area_um2": larger("shift_adders"),
    "accumulate.energy_pj": {"energy_pj.accumulate"},
    "accumulate.latency_ns": LATER,
    "accumulate.area_um2": larger("adders"),
    "membrane_update.energy_pj": {"energy_pj.membrane_update"},
    "membrane_update.latency_ns": LATER,
    "membrane_update.area_um2": {"area_um2.neurons"},  # units leak by themselves
    "membrane_update.leak_uw": {"energy_pj.leakage"},
    "buffer_read.energy_pj": {"energy_pj.buffer_read", "energy_pj.membrane_memory"},
    "buffer_read.latency_ns": LATER,
    "buffer_read.area_um2": larger("memory"),
    "buffer_write.energy_pj": {"energy_pj.buffer_write", "energy_pj.membrane_memory"},
    "hop.energy_pj": {"energy_pj.hop"},
    "hop.latency_ns": LATER,
    "hop.area_um2": larger("routers"),
    "inputs.energy_pj": inside("inputs"),
    "inputs.area_um2": larger("inputs"),
    "control.share": {"energy_pj.control"},
}
"""What each constant moves on an ADC target whose layer has no scales; the others move nothing: a
readout that is not there, and multipliers."""

UNCONTROLLED_KEYS = {
    key: moves if key == "control.share" else moves - {"energy_pj.control"}
    for key, moves in PHYSICAL_KEYS.items()
}
"""In a library that charges none."""

PAPER_KEYS = {
    **{
        # A larger chip has a longer tree.
        key: moves | {"energy_pj.hop"} if key.endswith("area_um2") else moves
        for key, moves in UNCONTROLLED_KEYS.items()
        if not key.startswith("membrane")
        # Parts of the logic work within its cycle.
        and key not in ("shift_add.latency_ns", "accumulate.latency_ns")
    },
    "wordline_drive.latency_ns": {"energy_pj.cells"},  # within the cycle that reads
    # The clock follows the readout; its power is spread over its latency.
    "adc.latency_ns": LATER | {"energy_pj.cells", "energy_pj.readout", "latency_ns.cycle"},
    "buffer_read.energy_pj": {"energy_pj.buffer_read"},
    "buffer_read.latency_ns": set(),  # a word a cycle
    "buffer_write.energy_pj": {"energy_pj.buffer_write"},
    "hop.energy_pj": set(),  # wires of the tree have a constant of their own
    "hop.latency_ns": {"latency_ns.inference_sequential", "latency_ns.step_sequential"},
}


@pytest.mark.parametrize("key", SETTING_KEYS)
@pytest.mark.parametrize(
    ("preset", "expected"), [("physical", PHYSICAL_KEYS), ("paper", PAPER_KEYS)]
)
def test_one_constant_changes_exactly_what_it_should(key, preset, expected):
    target, assumed = load_target("hpadc-flash5-64"), load_preset(preset)
    layers = count_layers(graph_for(target), target)
    chip, facts = chip_of(target, assumed, layers), corners_of(target, assumed)[1]
    activity = activity_of_density(layers, 0.3, 3)

    def outputs(of_facts):
        data = cost_of(layers, chip, (of_facts,) * 3, activity).as_dict()
        assert data["counts"] == counts
        groups = ("energy_pj", "area_um2", "latency_ns")
        return {f"{group}.{name}": value for group in groups for name, value in data[group].items()}

    counts = cost_of(layers, chip, (facts,) * 3, activity).as_dict()["counts"]
    moves = moved(outputs(facts), outputs(changed(facts, chip, key, 123.0)))
    assert {name for name in moves if not name.endswith(".total")} == expected.get(key, set())
    totals_moved = {f"{name.split('.')[0]}.total" for name in moves if "latency" not in name}
    assert {name for name in moves if name.endswith(".total")} == totals_moved


@pytest.mark.parametrize(("part", "silent"), [("sense_amp", "adc"), ("adc", "sense_amp")])
def test_a_readout_has_its_own_constants(part, silent):
    target = load_target("adcless-64" if part == "sense_amp" else "hpadc-sar5-64")
    chip, facts = chip_of(target), corners_of(target)[1]
    assert changed(facts, chip, f"{part}.energy_pj", 9.0) != facts
    assert changed(facts, chip, f"{silent}.energy_pj", 9.0) == facts
