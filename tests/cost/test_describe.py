"""A target from a few facts: written with its sources, read back, priced, compiled to."""

import json
import tomllib
from dataclasses import fields, replace

import pytest
from typer.testing import CliRunner

import mapper
from mapper import api
from mapper.cli import app
from mapper.cost import count_actions, price
from mapper.cost.description import CELLS, Description
from mapper.cost.description_given import TAKES
from mapper.cost.description_to_target import describe, described
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.priced import priced_readouts
from mapper.diagnostics import MappingError
from mapper.report.answers import _cells
from targets import AS_BUILT, load_target, target_from_data, to_toml
from tests.cost.networks import graph_for
from tests.files import DEMO_MODEL


def said(**more) -> Description:
    facts = {
        "name": "mine", "node_nm": 28.0, "wordlines": 256, "bitlines": 64, "cell": "charge",
        "readout": "sar4",
    }  # fmt: skip
    return Description(**{**facts, **more})


ANALOGUE = [
    (cell, readout)
    for cell in CELLS
    for readout in ("sense-amp", "ternary", "sar5", "serial5", "flash3")
    if cell != "digital"
]


@pytest.mark.parametrize(
    ("cell", "readout"), [*ANALOGUE, ("digital", "ideal"), ("rram", "cco6"), ("static", "cco2")]
)
def test_every_kind_of_cell_and_readout_is_written_and_read_back(cell, readout):
    given = said(cell=cell, readout=readout, weight_bits=2)
    data = tomllib.loads(describe(given))
    target = target_from_data(data, loc="mine.toml")
    assert target == described(given)
    assert target_from_data(tomllib.loads(to_toml(target)), loc="again.toml") == target
    supply = corners_of(target)[1].cell_supply_v
    assert supply == (0 if cell == "digital" else 0.9)


@pytest.mark.parametrize(
    ("readout", "channel", "volts"),
    [
        ("sense-amp", None, 0.9),  # compares the current that it feeds
        ("flash3", "none", 0.9),
        ("serial3", None, 0.9),  # through a clamp
        ("sar3", None, 0.9),  # through an amplifier
        ("sar3", "none", 0),  # from what drives the wordlines, at the read voltage
        ("sar3", "buffer", 0),
        ("ideal", None, 0),
    ],
)
def test_the_current_of_resistive_cells_comes_from_what_feeds_it(readout, channel, volts):
    target = described(said(cell="rram", readout=readout, read_channel=channel))
    assert corners_of(target)[1].cell_supply_v == volts


def test_a_serial_readout_searches_as_a_sar_does_and_has_another_law():
    made = described(said(cell="rram", readout="serial4"))
    assert (made.macros[0].readout.kind, made.macros[0].readout.bits) == ("sar", 4)
    assert [law.law for law in made.components.sar_adc] == ["sar-serial"]
    assert chip_of(made).macros["main"].circuit == "sar-serial"  # which no chip has tested
    assert priced_readouts(made, AS_BUILT) == {"main": "4-bit serial ADC"}
    assert chip_of(described(said(readout="sar4"))).macros["main"].circuit == "sar"


def test_all_cells_of_a_bitline_load_it_however_many_are_read():
    few, all_ = (
        corners_of(described(said(cell="rram", rows_per_read=rows)))[1] for rows in (16, None)
    )
    assert few.channels["main"] == all_.channels["main"]
    assert few.readouts["main"].ns < all_.readouts["main"].ns


def test_costs_are_at_the_sizes_that_were_given():
    small, large = (
        corners_of(described(said(wordlines=rows, cell="rram")))[1] for rows in (64, 256)
    )
    assert small.readouts["main"].ns == pytest.approx(4 * (0.00653 * 64 + 0.640))
    assert large.readouts["main"].ns == pytest.approx(4 * (0.00653 * 256 + 0.640))
    assert large.channels["main"].static_uw > small.channels["main"].static_uw
    wire = 0.35e-3 * 0.9**2  # pJ of 0.35 fF
    assert large.wordline_drive.pj == pytest.approx(wire, rel=1e-3)  # written with four digits


def test_what_is_given_is_taken():
    target = described(said(cell="rram", on_us=40.0, off_us=1.0, read_voltage_v=0.2, cell_um2=0.1))
    cell = target.components.cell
    held = (cell.on_conductance_us, cell.off_conductance_us, cell.read_voltage_v, cell.area_um2)
    assert [(fact.low, fact.nominal, fact.high) for fact in held] == [
        (value,) * 3 for value in (40.0, 1.0, 0.2, 0.1)
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"node_nm": 180.0}, "nodes are 7 to 130 nm, got 180"),
        ({"bitlines": 0}, "bitlines is 1 or more, got 0"),
        ({"cell_gates": -1.0}, "cell_gates is 0 or more, got -1"),
        ({"unit_capacitors": 0.0}, "unit_capacitors is 1 or more, got 0"),
        ({"cell_ff": 0.0}, "cell_ff is above 0, got 0"),
        ({"deep": 0}, "deep is 1 or more, got 0"),
        ({"cell": "magnetic"}, "a cell is rram, pcm, .* got 'magnetic'; cells of SRAM are charge"),
        ({"cell": "reram"}, "got 'reram'; did you mean 'rram'"),
        ({"readout": "sar9"}, "a converter has 2..8 bits, as in sar4, got 'sar9'"),
        ({"readout": "sar"}, "2..8 bits"),
        ({"readout": "serial9"}, "a converter has 2..8 bits, as in serial4, got 'serial9'"),
        ({"readout": "tdc4"}, "a readout is .* got 'tdc4'"),
        ({"on_us": 4.0}, "goes with cells rram or pcm, got 'charge'"),
        ({"cell": "rram", "cell_ff": 4.0}, "goes with cells charge or discharge, got 'rram'"),
        ({"read_channel": "tia"}, "'tia' takes a current, cells 'charge' give none"),
        ({"read_channel": "lens"}, "a read channel is none, .* got 'lens'"),
        ({"cell": "rram", "read_voltage_v": 2.0}, "2 V is above the supply 0.9 V"),
        ({"cell": "rram", "on_us": 1.0, "off_us": 2.0}, "off has 2 uS, one that is on 1 uS"),
        ({"cell": "digital"}, "digital cells go with adder-tree, .* got digital with 'sar4'"),
        ({"readout": "word-tree"}, "digital cells go with .* got charge with 'word-tree'"),
        ({"readout": "cco4"}, "an oscillator takes a current, cells 'charge' give none"),
        ({"charging": "product", "cell": "static"}, "a way of charging goes with cells charge"),
        ({"charging": "twice"}, "charged by product or every, got 'twice'"),
        (
            {"cell_columns": 2, "cell_bits": 2},
            "columns that are read together go with cells rram or pcm, got 'charge'",
        ),
        (
            {"cell": "rram", "cell_columns": 3, "cell_bits": 2},
            "a cell of 2 bits is 1 to 2 columns that are read together, got 3",
        ),
        ({"unit_capacitors": 3.0, "cell": "static"}, "unit capacitors go with cells charge"),
        ({"mux": 65}, "65 columns share a readout, the crossbar has 64"),
        ({"pulse_ns": 0.5}, "where inputs are pulses, got 0.5 of bits"),
        ({"pulse_ns": 0.0, "input_form": "pulses"}, "some ns where .* pulses, got 0 of pulses"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_at_once(wrong, words):
    with pytest.raises(MappingError, match=words) as error:
        described(said(**wrong))
    assert error.value.diagnostics[0].code == "target-description"


def test_what_no_law_reaches_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "mine.toml"
    given = {"node_nm": 28, "array": "4096x64", "cell": "charge", "readout": "sar4"}
    with pytest.raises(MappingError, match=r"holds for 1\.\.2304 wordlines, got 4096"):
        api.new_target(path, **given)
    with pytest.raises(MappingError, match="WORDLINESxBITLINES, as 256x64, got '256'"):
        api.new_target(path, **{**given, "array": "256"})
    with pytest.raises(MappingError, match=r"holds from .* V, got 0\.1 V"):
        api.new_target(path, **{**given, "array": "64x64", "voltage_v": 0.1})
    assert not path.exists()


def test_a_supply_that_is_not_given_has_four_digits(tmp_path):
    told = api.new_target(
        tmp_path / "mine.toml", node_nm=40, array="64x64", cell="charge", readout="sar4"
    )
    assert "40 nm, 0.9615 V" in told.summary
    assert load_target(tmp_path / "mine.toml").components.sar_adc[0].voltage_v == 0.9615


def test_the_next_command_can_be_typed_as_it_is_printed(tmp_path):
    path = tmp_path / "my chip.toml"
    args = ["targets", "new", "--node", "28", "--array", "64x32", "--cell", "charge"]
    done = CliRunner().invoke(app, [*args, "--readout", "sar4", "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert f"--target '{path}' -o build" in done.output


def test_the_command_writes_a_target_that_loads(tmp_path):
    path = tmp_path / "mine.toml"
    args = ["targets", "new", "--node", "28", "--array", "64x32", "--cell", "rram"]
    args += ["--readout", "sar4", "--cell-bits", "2", "-o", str(path), "--json"]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["name"] == "mine"
    target = load_target(path)
    macro = target.macro("main")
    assert (macro.wordlines, macro.bitlines, macro.cell_bits) == (64, 32, 2)
    assert "# settles to half a level" in path.read_text()
    again = CliRunner().invoke(app, args)
    assert again.exit_code == 1
    assert "output-exists" in again.output
    assert CliRunner().invoke(app, ["targets", "adcless-64"]).exit_code == 0


def test_a_page_says_what_cells_of_a_kind_do(tmp_path):
    said = {}
    for cell, readout in (("charge", "sar4"), ("digital", "adder-tree"), ("rram", "sar4")):
        path = tmp_path / f"{cell}.toml"
        api.new_target(path, node_nm=28, array="64x64", cell=cell, readout=readout)
        target = load_target(path)
        graph = graph_for(target)
        counts = count_actions(graph, target)
        (layer,) = price(counts).layers
        said[cell] = _cells(layer, counts.layers[0], 1, target.components.cell.kind)
    assert said["charge"].startswith("the capacitors of all cells are charged in")
    assert "cells with a product that is not 0" in said["digital"]
    assert said["rram"].startswith("current through")


def test_wrong_arguments_are_refused_by_their_name(tmp_path):
    good = {"node_nm": 28, "array": "64x64", "cell": "charge", "readout": "sar4"}
    for name, value in {
        "node_nm": "28",
        "array": 64,
        "mux": 2.5,
        "cell_ff": [1],
        "muxx": 2,
        "bitlines": 8,
    }.items():
        with pytest.raises(MappingError) as refused:
            api.new_target(tmp_path / "t.toml", **{**good, name: value})
        found = refused.value.diagnostics[0]
        assert (found.code, found.loc) == ("bad-argument", name)
    assert list(tmp_path.iterdir()) == []


def test_every_field_of_a_description_is_looked_at():
    names = {field.name for field in fields(Description)}
    assert TAKES.keys() == names - {"wordlines", "bitlines"} | {"array"}


def test_numbers_and_how_they_are_known_are_on_one_line(tmp_path):
    api.new_target(tmp_path / "t.toml", node_nm=28, array="64x64", cell="charge", readout="sar4")
    text = (tmp_path / "t.toml").read_text()
    assert "\nenergy_pj = { low = " in text
    assert ".energy_pj]" not in text


@pytest.mark.parametrize("cell", CELLS)
def test_described_chips_know_what_writing_takes(cell):
    readout = "adder-tree" if cell == "digital" else "sense-amp"
    target = described(said(cell=cell, readout=readout, wordlines=64, voltage_v=1.0))
    write, endurance = corners_of(target)[1].write, corners_of(target)[1].endurance
    if cell == "pcm":  # nobody gives what it takes
        assert target.components.write is None
    elif cell == "rram":
        assert (write.pj, write.ns, endurance) == (33.33, 50, 1e6)
    else:
        assert write.pj == pytest.approx(65 * 0.7e-3)  # 64 cells on the bitline, and the wordline
        assert (write.ns, endurance) == (2, None)


def test_a_chip_of_sram_in_rounds_pays_for_loading_weights():
    target = described(said(readout="sense-amp", wordlines=64, voltage_v=1.0, tiles=2))
    target = replace(target, chip=replace(target.chip, max_chips=1, max_rounds=4))
    cost = mapper.compile(DEMO_MODEL, target).cost(0.1, steps=3).cost
    assert cost.programming is not None
    assert (cost.programming.rounds, cost.programming.loads) == (2, 1)
    assert cost.energy_pj["weight_loading"] == cost.programming.energy_pj
    each = cost.programming.energy_pj.nominal / cost.programming.cells
    assert each == pytest.approx(65 * 0.7e-3)
    assert not any("which is not charged" in text for text in cost.warnings)


def test_capacitors_of_a_cell_are_charged_where_products_are_one_or_in_every_read():
    """At 28 nm a switch has 0.7 fF, a metal capacitor 2 fF; a ladder moves with every input."""
    given = {"node_nm": 28.0, "wordlines": 64, "bitlines": 64, "cell": "charge", "readout": "sar4"}
    for more, every, product in (
        ({}, 1.4, 2.0),
        ({"charging": "every"}, 2.7, 0.0),
        ({"unit_capacitors": 3.0}, 6.7, 0.0),
        ({"unit_capacitors": 3.0, "charging": "product"}, 1.4, 6.0),
        ({"cell_ff": 1.0}, 1.4, 1.0),
        ({"cell_ff": 1.0, "charging": "every"}, 1.0, 0.0),
    ):
        cell = described(Description(name="mine", **given, **more)).components.cell
        assert (cell.switched_ff.nominal, cell.product_ff.nominal) == (every, product), more


def test_columns_that_are_read_together_are_cells_of_their_own_and_one_conversion():
    given = {"cell": "rram", "cell_bits": 4, "on_us": 40.0, "off_us": 1.0}
    one, four = (described(said(**given, cell_columns=columns)) for columns in (1, 4))
    assert four.components.cell.on_conductance_us.nominal == 160
    assert four.components.cell.off_conductance_us.high == 4
    for part, fact in (("cell", "area_um2"), ("wordline_drive", "energy_pj")):
        alone, together = (
            getattr(getattr(made.components, part), fact).nominal for made in (one, four)
        )
        assert together == pytest.approx(4 * alone, rel=1e-3), part
    assert four.macros == one.macros
