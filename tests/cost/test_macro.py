"""What is in a macro, by hand: cells of every kind, inputs, read channels, control."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.chips import Known, read_chips
from benchmarks.one_layer import delay_ns, energy_parts
from mapper.cost import Cost, estimate, macro_lines
from mapper.cost.description import Description
from mapper.cost.description_to_target import described
from mapper.cost.facts import chip_of, corners_of, origins_of
from mapper.cost.points import CELLS as POINT_CELLS
from mapper.cost.points import at_node, idle
from mapper.cost.scaling import digital_area_factor, digital_energy_factor
from mapper.cost.tested import TESTED_CELLS, TESTED_PARTS, TESTED_READOUTS
from mapper.diagnostics import MappingError
from mapper.ir.core import SPIKE, IntType, Span, Value
from mapper.ir.crossbar import Placement
from mapper.ir.readout import exact_read
from targets import (
    Cell,
    Control,
    Inputs,
    Interval,
    ReadChannel,
    load_target,
    target_from_data,
    target_to_data,
)
from targets.cells import CELL_FACTS, NEEDED, TAKEN
from tests.cost.networks import OFFSET_4, activity_of, crossbar, layer, network

SHIPPED = load_target("adcless-64")
TARGET = replace(SHIPPED, macros=tuple(replace(macro, device=None) for macro in SHIPPED.macros))
"""Without a device, whose conductances a library of other cells would have to share."""
WEIGHT = np.array([[1, -8], [0, 7], [-1, 3]])
"""Offset by 8: 1001 0000, 1000 1111, 0111 1011: of 8 cells a row, 2, 5 and 6 are on."""
SPIKES = np.array([[[1, 0, 1]], [[0, 1, 0]]])
"""Two reads: 3 driven lines, 13 cells with a product of 1."""
READ_NS = 1 + 1  # the line settles, the sense amplifier decides


def number(value: float) -> Interval:
    return Interval(low=value, nominal=value, high=value)


def energy(**parts) -> dict[str, float]:
    return {name: found.nominal for name, found in whole(**parts).energy_pj.items()}


def whole(**parts) -> Cost:
    target = replace(TARGET, components=replace(TARGET.components, **parts))
    target = target_from_data(target_to_data(target), loc="kept.json")  # as a build keeps it
    x = Value("x", SPIKE, (3,))
    placement = Placement(macro="sense-amp-64", slots=Span(0, 1))
    mvm = crossbar(x, WEIGHT, OFFSET_4, [Span(0, 3)], [Span(0, 2)], placement=placement)
    graph = network(layer(mvm)[0], {"fc.weight": WEIGHT}, x)
    return estimate(graph, target, activity_of(graph, SPIKES))


def cell(kind: str, **facts: float) -> Cell:
    given = {name: number(value) for name, value in facts.items()}
    return Cell(kind=kind, area_um2=number(1.0), node_nm=65.0, source="by hand", **given)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        # Every read charges all cells of the crossbar: 2 reads x 64 x 64 x 2 fF x 1 V^2.
        (cell("charge", switched_ff=2.0, supply_v=1.0), 2 * 64 * 64 * 2e-3),
        # A capacitor of 3 fF beside where the product is 1: 13 of them.
        (
            cell("charge", switched_ff=2.0, product_ff=3.0, supply_v=1.0),
            2 * 64 * 64 * 2e-3 + 13 * 3e-3,
        ),
        (cell("discharge", switched_ff=2.0, supply_v=1.0), 13 * 2e-3),
        (cell("static", current_ua=20.0, supply_v=1.0), 13 * 20 * 1.0 * READ_NS * 1e-3),
        (cell("digital", product_pj=0.5), 13 * 0.5),
        # From a supply of 1 V through a regulator that holds 0.1 V across the cell.
        (
            cell("resistive", read_voltage_v=0.1, on_conductance_us=100.0, supply_v=1.0),
            13 * 1.0 * 0.1 * 100e-6 * READ_NS * 1e3,
        ),
        (
            cell("resistive", read_voltage_v=0.1, on_conductance_us=100.0),
            13 * 0.1 * 0.1 * 100e-6 * READ_NS * 1e3,
        ),
    ],
    ids=["charge", "charge-product", "discharge", "static", "digital", "regulated", "resistive"],
)
def test_cells_of_every_kind(made, expected):
    assert energy(cell=made)["cells"] == pytest.approx(expected)


def test_inputs_are_latched_and_converted():
    made = Inputs(
        per="bit", energy_pj=number(0.1), latency_ns=number(0.0), area_um2=number(1.0),
        node_nm=65.0, voltage_v=1.1, source="by hand",
        form="dac", converter_pj=number(0.3), converter_um2=number(2.0),
    )  # fmt: skip
    assert energy(inputs=made)["inputs"] == pytest.approx(2 * 3 * (0.1 + 0.3))  # 2 steps, 3 bits


def test_a_read_channel_draws_static_power_and_copies_the_current():
    made = ReadChannel(
        per="conversion", energy_pj=number(0.0), latency_ns=number(3.0), area_um2=number(1.0),
        node_nm=65.0, voltage_v=1.1, source="by hand", static_uw=number(10.0), copies=1.0,
    )  # fmt: skip
    found, before = energy(read_channel=made), energy()
    lasting = READ_NS + 3
    assert found["cells"] == pytest.approx(before["cells"] * lasting / READ_NS)
    conversions = 2 * 8
    static = conversions * 10 * lasting * 1e-3
    assert found["read_channel"] == pytest.approx(static + found["cells"])


def pulsed(readout: str, settling_ns: float, pulse_ns: float | None = None) -> Known:
    """Two inputs of 3 bits as pulses, 50 uS in all cells at 0.2 V from 0.9 V."""
    given = Description(
        name="mine", node_nm=28.0, voltage_v=0.9, wordlines=2, bitlines=4, cell="rram",
        weight_bits=1, input_bits=3, input_bits_per_read=3, input_form="pulses",
        readout=readout, settling_ns=settling_ns, on_us=50.0, read_voltage_v=0.2,
        pulse_ns=pulse_ns,
    )  # fmt: skip
    return Known(description=given, inputs=2, outputs=4, density=1.0, ones=1.0)


@pytest.mark.parametrize("readout", ["cco3", "flash3"])
def test_no_current_flows_behind_the_last_pulse(readout):
    lasting = 1 + 7  # ns: the line settles, 7 pulses of 1 ns
    expected = 8 * 0.9 * 0.2 * 50e-6 * lasting * 1e3  # pJ of 8 cells
    for settling_ns in (10.0, 20.0):
        assert energy_parts(pulsed(readout, settling_ns))["cells"] == pytest.approx(expected)


def test_an_oscillator_counts_while_pulses_last():
    assert delay_ns(pulsed("cco3", 10.0)) == pytest.approx(1 + 10 + 8)  # 8 counts, 7 with pulses
    assert delay_ns(pulsed("cco3", 10.0, 2.0)) == pytest.approx(1 + 10 + 14)
    assert delay_ns(pulsed("flash3", 10.0)) == pytest.approx(1 + 10 + 7 + 1)  # then compared


def test_control_is_a_share_of_the_macro():
    found = energy(control=Control(share=number(0.05), source="by hand"))
    macro = ("cells", "wordline_drive", "inputs", "read_channel", "readout", "shift_add")
    assert found["control"] == pytest.approx(0.05 * sum(found[name] for name in macro))
    assert energy(control=None)["control"] == 0


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("kind", "charge", "switched_ff must be above 0 where kind is 'charge', got 0"),
        ("switched_ff", {"low": 1, "nominal": 2, "high": 3}, "says nothing where kind is"),
        ("kind", "magnetic", "kind must be 'resistive' or 'charge'"),
    ],
)
def test_facts_of_another_kind_of_cell_are_refused(key, value, words):
    data = target_to_data(TARGET)
    data["components"]["cell"][key] = value
    with pytest.raises(MappingError, match=words):
        target_from_data(data, loc="mine.toml")


def test_levels_of_a_cell_have_one_source():
    data = target_to_data(TARGET)
    data["components"]["cell"]["levels"] = 2
    assert target_from_data(data, loc="mine.toml").components.cell.levels == 2
    data["components"]["cell"]["levels"] = 4
    with pytest.raises(MappingError, match=r"has cells of 2 levels, library .* says 4"):
        target_from_data(data, loc="mine.toml")


def test_inputs_and_control_are_checked():
    data = target_to_data(TARGET)
    part = dict(data["components"]["wordline_drive"])
    data["components"]["inputs"] = {**part, "form": "pulses"}
    share = {"low": 0.1, "nominal": 0.5, "high": 1.5}
    data["components"]["control"] = {"share": share, "source": "by hand"}
    with pytest.raises(MappingError) as error:
        target_from_data(data, loc="mine.toml")
    assert "pulse_ns goes with form 'pulses'" in str(error.value)
    assert "share is 0..1, got 1.5" in str(error.value)


def test_a_law_is_kept_as_it_is_written():
    data = target_to_data(TARGET)
    data["components"]["sar_adc"] = [{"law": "sar", "bits": 4, "node_nm": 28.0, "voltage_v": 0.9}]
    made = target_from_data(data, loc="mine.toml")
    assert target_to_data(made) == data
    data["components"]["sar_adc"][0]["law"] = "none"
    with pytest.raises(MappingError, match="law must be 'sar' or"):
        target_from_data(data, loc="mine.toml")


def test_a_share_of_the_energy_has_silicon_behind_it():
    cost = whole()
    tested = ("cells", "wordline_drive", "inputs", "readout", "shift_add", "control")
    known = sum(cost.energy_pj[name].nominal for name in tested)
    assert cost.silicon.share == pytest.approx(known / cost.total_pj.nominal)
    assert cost.silicon.tested["cells"] == ("NEURRAM",)
    assert cost.silicon.tested["readout"] == ("KHWA65", "ZHANG6T")
    assert cost.silicon.untested[0] == "membrane_memory"
    assert {"membrane_memory", "hop", "leakage"} <= set(cost.silicon.untested)
    assert cost.as_dict()["silicon"]["share"] == cost.silicon.share


def test_a_macro_is_what_chips_are_measured_as():
    cost = whole()
    macro = cost.as_dict()["macro"]
    inside = ("cells", "wordline_drive", "inputs", "read_channel", "readout", "shift_add")
    expected = sum(cost.energy_pj[name].nominal for name in (*inside, "control"))
    assert macro["energy_pj"]["total"]["nominal"] == pytest.approx(expected)
    assert macro["fj_per_mac"]["nominal"] == pytest.approx(expected / 12 * 1e3)  # 2 x 3 x 2 MACs
    text = "\n".join(macro_lines(cost))
    assert "tested by KHWA65, ZHANG6T" in text
    assert f"{2 * 12 / expected:.4g} TOPS/W" in text


def test_every_chip_that_tested_a_term_is_compared_and_has_it():
    known = {
        chip.id: (chip.blind.target(), energy_parts(chip.blind))
        for chip in read_chips()
        if any(measured.quantity == "energy" for measured in chip.measured)
    }
    for kind, chips in TESTED_CELLS.items():
        for name in chips:
            target, parts = known[name]
            assert (target.components.cell.kind, parts["cells"] > 0) == (kind, True), name
    for kind, chips in TESTED_READOUTS.items():
        circuit = "sense-amp" if kind == "ternary" else kind
        for name in chips:
            target, parts = known[name]
            assert (target.macros[0].readout.kind, parts["readout"] > 0) == (circuit, True), name
    for action, chips in TESTED_PARTS.items():
        for name in chips:
            assert known[name][1][action] > 0, (action, name)


def test_adder_trees_convert_nothing_and_add_one_less_than_their_rows():
    """Three rows: two additions a column of the 8, two reads. No library entry: bits of adders."""
    readout = replace(TARGET.macros[0].readout, kind="adder-tree", bits=0, levels=())
    macro = replace(TARGET.macros[0], readout=replace(readout, reference="constant"))
    target = replace(TARGET, macros=(macro,))
    x = Value("x", SPIKE, (3,))
    placement = Placement(macro="sense-amp-64", slots=Span(0, 1))
    mvm = crossbar(x, WEIGHT, OFFSET_4, [Span(0, 3)], [Span(0, 2)], placement=placement)
    ops, *_ = layer(mvm)
    codes = replace(ops[1].results[0], type=IntType(2, signed=False))
    sums = exact_read("adder-tree", mvm.partial_sum, 0, 3, codes)
    graph = network(
        [ops[0], sums, replace(ops[2], codes=codes), *ops[3:]], {"fc.weight": WEIGHT}, x
    )
    found = estimate(graph, target, activity_of(graph, SPIKES))
    (counted,) = found.layers
    assert (counted.counts["conversions"], counted.counts["gated_conversions"]) == (0, 0)
    assert counted.counts["tree_additions"] == 2 * 8 * 2
    # A tree of 64 rows has tree_bits(64, 1) = 32 + 16 * 2 + 8 * 3 + 4 * 4 + 2 * 5 + 6 = 120 bits.
    # Of the 3 x 8 cells of two reads 13 products are 1, so 8 columns x 2 reads work at 13 / 48.
    bit = TARGET.components.accumulate.energy_pj.nominal
    expected = 16 * 13 / 48 * 120 * bit
    assert found.energy_pj["readout"].nominal == pytest.approx(expected, rel=1e-12)
    assert found.energy_pj["readout"].nominal > 0


def test_what_is_around_cells_goes_to_another_node():
    target = described(
        Description(
            name="mine", node_nm=65.0, voltage_v=1.0, wordlines=64, bitlines=64, cell="rram",
            readout="sar4",
        )
    )  # fmt: skip
    facts, origins = corners_of(target)[1], origins_of(target)
    smaller = at_node(facts, chip_of(target), origins, 32.5, 0.5)
    switched = 1 / 2 * (1 / 2) ** 2  # C V^2
    for name, channel in facts.channels.items():
        assert smaller.channels[name].static_uw == pytest.approx(channel.static_uw * switched)
    assert 0 < smaller.inputs.pj < facts.inputs.pj
    assert smaller.control_share == facts.control_share


def test_a_constant_of_another_kind_of_cell_changes_nothing():
    chip = chip_of(TARGET)
    assert idle(chip, "cell.switched_ff")
    assert not idle(chip, "cell.read_voltage_v")
    assert idle(replace(chip, cell="charge"), "cell.read_voltage_v")


def test_constants_of_a_cell_are_told_from_those_of_other_kinds():
    """The table that ``cost.py`` carries is what a component library says of each kind."""
    for fact in CELL_FACTS:
        kinds = {kind for kind in NEEDED if fact in (*NEEDED[kind], *TAKEN.get(kind, ()))}
        assert set(POINT_CELLS[f"cell.{fact}"]) == kinds, fact


def test_a_supply_says_nothing_where_cells_draw_from_their_read_voltage():
    chip = chip_of(TARGET)
    assert chip.cell == "resistive"
    assert idle(replace(chip, regulated=False), "cell.supply_v")
    assert not idle(replace(chip, regulated=True), "cell.supply_v")
    assert idle(replace(chip, cell="digital"), "cell.supply_v")


def test_an_adder_tree_goes_to_another_node_as_logic_does():
    target = load_target("digital-cim-64")
    facts, origins = corners_of(target)[1], origins_of(target)
    ((name, tree),) = facts.readouts.items()
    assert origins[name] == (28.0, 0.9)
    there = at_node(facts, chip_of(target), origins, 45.0, 1.0).readouts[name]
    assert there.pj == pytest.approx(tree.pj * digital_energy_factor(28.0, 0.9, 45.0, 1.0))
    assert there.um2 == pytest.approx(tree.um2 * digital_area_factor(28.0, 45.0))
    assert there.ns == tree.ns
