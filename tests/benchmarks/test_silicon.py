"""The macro model: parts by hand, reactions to one fact, and what the benchmark prints."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import silicon, spikesim
from benchmarks.chips import read_chips
from benchmarks.macro_area import area_parts, area_um2, logic_list
from benchmarks.macro_model import (
    Macro,
    Tree,
    accumulator_bits,
    delay_ns,
    energy_fj_per_mac,
    energy_parts,
    tree_bits,
    trees,
)
from mapper.cost.scaling import digital_area_factor, digital_energy_factor
from mapper.diagnostics import MappingError

ROOT = Path(__file__).parents[2]
CHIPS = {chip.id: chip for chip in read_chips()}
JIA = CHIPS["JIA"].blind
DIGITAL = Macro(
    node_nm=28, voltage_v=0.9, cell="digital", rows=32, columns=48, inputs=32, outputs=6,
    weight_bits=8, input_bits=8, bits_per_cycle=2, adders="words",
)  # fmt: skip


def test_a_charge_domain_column_by_hand():
    parts = energy_parts(JIA)
    wire = 0.35 * 65 / 28  # fF of one cell
    volts = 0.85**2
    cells = 2304 * 256
    assert parts["wordlines"] == pytest.approx(cells * wire * volts * 1e-3)
    assert parts["cells"] == pytest.approx(cells * (2 * wire + 2.0) * volts * 1e-3)
    converter = (100 * 8 + 0.001 * 4**8) * 1e-3 * 65 / 28 * volts
    assert parts["converters"] == pytest.approx(256 * converter)
    register = 0.009 * digital_energy_factor(40, 1.0, 65, 0.85)
    assert parts["inputs"] == pytest.approx(2304 * register)
    others = sum(value for name, value in parts.items() if name != "control")
    assert parts["control"] == pytest.approx(0.05 * others)
    assert energy_fj_per_mac(JIA) == pytest.approx(sum(parts.values()) / cells * 1e3)


def test_an_adder_tree_by_hand():
    assert tree_bits(2, 9) == 9
    assert tree_bits(4, 9) == 2 * 9 + 10
    assert tree_bits(32, 9) == 16 * 9 + 8 * 10 + 4 * 11 + 2 * 12 + 13
    assert trees(DIGITAL) == (Tree(terms=32, bits=10, count=6),)
    assert accumulator_bits(DIGITAL) == 8 + 8 + 5
    adder = 0.21 / 32 * digital_energy_factor(40, 1.0, 28, 0.9)
    register = 0.009 * digital_energy_factor(40, 1.0, 28, 0.9)
    cycle = 6 * (tree_bits(32, 10) * adder / 4 + 21 * (adder + register))
    assert energy_parts(DIGITAL)["adders"] == pytest.approx(4 * cycle)


def test_delay_of_an_adder_tree_by_hand():
    gate, exclusive = 0.0478, 0.0478 * 2.4
    tree = 4 * 2 * exclusive + (exclusive + 2 * gate) + (10 + 5 - 1) * 2 * gate
    accumulator = exclusive + 2 * gate + (21 - 15) * 2 * gate
    assert delay_ns(DIGITAL) == pytest.approx(gate + tree + accumulator)


def test_a_pipeline_stage_splits_the_path():
    whole = replace(DIGITAL, adders="bits")
    split = replace(whole, trees_before_pipeline=1)
    assert delay_ns(split) < delay_ns(whole)
    assert delay_ns(replace(split, turns=2)) == 2 * delay_ns(split)


def test_delay_is_of_nodes_near_28_nm_alone():
    assert delay_ns(replace(DIGITAL, node_nm=65)) is None
    assert delay_ns(JIA) is None


@pytest.mark.parametrize(
    ("fact", "part"),
    [
        ({"converter_pj": 9.0}, "converters"),
        ({"cell_ff": 9.0}, "cells"),
        ({"wordline_ff": 999.0}, "wordlines"),
        ({"units_per_cell": 3.0}, "cells"),
        ({"conversions": 512}, "converters"),
    ],
)
def test_one_fact_changes_its_part_and_the_share_of_control(fact, part):
    before, after = energy_parts(JIA), energy_parts(replace(JIA, **fact))
    assert {name for name in before if before[name] != after[name]} == {part, "control"}


@pytest.mark.parametrize(
    "more",
    [
        {"voltage_v": 1.0},
        {"node_nm": 90.0},
        {"rows": 4608},
        {"converter_bits": 9},
        {"conversions": 512},
        {"units_per_cell": 2.0},
    ],
)
def test_energy_of_an_evaluation_grows_with_every_fact(more):
    before, after = (sum(energy_parts(m).values()) for m in (JIA, replace(JIA, **more)))
    assert before < after


def test_area_of_a_charge_domain_macro_by_hand():
    parts = area_parts(JIA)
    cells = 2304 * 256
    assert logic_list(65) == "nangate-45nm"  # 65 / 45 is less than 65 / 28
    assert parts["cells"] == pytest.approx(cells * 0.32 * digital_area_factor(28, 65))
    assert parts["multipliers"] == pytest.approx(cells * 0.57 * 1.4 / 0.66)
    assert parts["capacitors"] == pytest.approx(cells * 2.0 / 1.7)  # one of 2 fF a cell
    converter = 10 ** (1.206 - 0.0369 * 8) * 2**8 * 65 / 28
    assert parts["converters"] == pytest.approx(256 * converter)
    assert area_um2(JIA) == pytest.approx(sum(parts.values()))


def test_area_of_adders_in_cells_by_hand():
    colonnade = CHIPS["COLONNADE"].informed
    parts = area_parts(colonnade)
    cell = 0.5493 + (3.04 + 2 * 1.33 + 1.14) * 1.4 / 0.66  # adder, two multiplexers, an XNOR
    assert parts["cells"] == pytest.approx(128 * 128 * cell)
    assert parts["multipliers"] == 0  # the XNOR is one
    summed = 16 * (1 + 1 + 7)  # accumulators of 1 + 1 + log2(128) bits
    assert parts["adders"] == pytest.approx(summed * 3.04 * 1.4 / 0.66)
    assert parts["registers"] == pytest.approx((2048 + summed) * 3.23 * 1.4 / 0.66)
    assert area_um2(colonnade) == pytest.approx(sum(parts.values()) / 0.964)


def test_area_of_a_flash_converter_by_hand():
    parts = area_parts(CHIPS["SINANGIL"].informed)
    assert parts["converters"] == pytest.approx(16 * 15 * 40 * 7 / 65)
    assert parts["counters"] == pytest.approx(64 * 4 * 496 / 32 * digital_area_factor(40, 7))
    assert parts["capacitors"] == pytest.approx(16 * 16 / 1.7)
    assert parts["cells"] == 800


def test_area_grows_with_cells_and_converters():
    assert area_um2(JIA) < area_um2(replace(JIA, rows=4608))
    assert area_um2(JIA) < area_um2(replace(JIA, converter_bits=9))


def test_what_was_measured_at_zero_holds_all_that_data_does_not_move():
    parts = energy_parts(CHIPS["SINANGIL"].informed)
    assert set(parts) == {"wordlines", "cells", "base"}
    assert parts["base"] == 3.35660091


def test_a_static_cell_draws_current_while_it_is_read():
    parts = energy_parts(CHIPS["KHWA65"].blind)
    assert parts["cells"] == pytest.approx(64 * 64 * 20.0 * 1.0 * 2.3 * 0.5 * 1e-3)


def test_a_resistive_cell_draws_v_squared_g_t():
    parts = energy_parts(CHIPS["NEURRAM"].blind)
    assert parts["cells"] == pytest.approx(256 * 256 * 0.25 * 2.5 * 10 * 0.5 * 1e-3)


@pytest.fixture(scope="module")
def scores():
    return silicon.summary(read_chips())


def test_the_scores_of_the_issue(scores):
    assert scores["blind_geomean_factor"] <= 2.0
    assert scores["informed_max_error"] <= 0.25
    assert scores["sa_geomean_factor"] <= 3.0
    assert scores["informed_max_error_delay"] <= 0.25
    met = dict.fromkeys(silicon.LIMITS, True)
    assert scores["met"] == {**met, "informed_max_error_area": False}
    # Two areas that no published fact here explains: docs/validation.md.
    missed = {(row["id"], row["quantity"]) for row in scores["missed"]}
    assert missed == {("AIMC1", "area"), ("DIMC4", "area")}


def test_a_score_says_over_what_it_is_taken(scores):
    over = scores["taken_over"]
    assert set(over) == set(silicon.LIMITS)
    assert over["informed_max_error"].startswith("10 of 10 energy rows")
    assert over["informed_max_error_delay"].startswith("8 of 11 delay rows")
    assert over["informed_max_error_area"].startswith("11 of 11 area rows")
    silent = {(row["id"], row["quantity"]) for row in scores["not_modelled"]}
    assert silent == {("JIA", "delay"), ("SINANGIL", "delay"), ("COLONNADE", "delay")}
    assert scores["informed_max_error_all_quantities"] == max(
        scores[name] for name in over if name.startswith("informed")
    )


def test_scores_come_from_the_rows(scores):
    rows = scores["chips"]
    energy = [r for r in rows if r["group"] == "complete" and r["quantity"] == "energy"]
    product = 1.0
    for row in energy:
        factor = max(row["blind"] / row["measured"], row["measured"] / row["blind"])
        assert row["blind_factor"] == factor
        assert row["informed_error"] == abs(row["informed"] / row["measured"] - 1)
        product *= factor
    assert scores["blind_geomean_factor"] == pytest.approx(product ** (1 / len(energy)))
    assert scores["informed_max_error"] == max(row["informed_error"] for row in energy)


def test_every_chip_with_complete_parameters_is_modelled(scores):
    energy = {
        row["id"]
        for row in scores["chips"]
        if row["group"] == "complete" and row["quantity"] == "energy"
    }
    assert energy == {
        "AIMC1", "AIMC3", "DIMC1", "DIMC3", "JIA", "JIA12", "SINANGIL", "WANG", "COLONNADE",
        "NEURRAM",
    }  # fmt: skip
    delays = {row["id"] for row in scores["chips"] if row["quantity"] == "delay"}
    assert delays == {
        "AIMC1", "AIMC2", "AIMC3", "DIMC1", "DIMC2", "DIMC3", "DIMC4", "WANG", "SINANGIL", "JIA",
        "COLONNADE",
    }  # fmt: skip


def test_no_informed_fact_is_the_measured_total(scores):
    for row in scores["chips"]:
        if row["quantity"] != "energy":
            continue
        total = row["measured"] * CHIPS[row["id"]].blind.macs / 1e3
        for chip in (CHIPS[row["id"]],):
            given = {chip.informed.base_pj, chip.informed.converter_pj or 0.0}
            assert not any(value == pytest.approx(total, rel=0.05) for value in given)


def test_no_informed_area_is_the_measured_one(scores):
    """Published parts of an area may be given; what is left over has to come from the model."""
    for row in scores["chips"]:
        if row["quantity"] == "area":
            macro = CHIPS[row["id"]].informed
            rows = macro.cell_rows or macro.rows
            given = macro.macros * rows * macro.columns * (macro.cell_area_um2 or 0.0)
            assert given < 0.4 * row["measured"], row["id"]


def test_a_chip_that_a_law_was_fitted_with_is_not_judged_by_it():
    for name in ("AIMC1", "AIMC3"):
        assert CHIPS[name].blind.converter == "sar-simulated"
        assert CHIPS[name].informed.converter == "sar"
        assert CHIPS[name].independent.converter == "sar-simulated"
    for chip in CHIPS.values():
        assert chip.blind.gates == "aladdin-40nm"


def test_every_informed_fact_has_its_source():
    for chip in CHIPS.values():
        assert all(len(source) > 10 for source in chip.sources), chip.id
        if chip.informed != chip.blind:
            assert chip.sources, chip.id


def test_a_wrong_key_is_refused_with_the_nearest(tmp_path):
    path = tmp_path / "chips.toml"
    text = (ROOT / "benchmarks" / "silicon_chips.toml").read_text()
    path.write_text(text.replace("voltage_v = 0.8\n", "voltage = 0.8\n", 1))
    with pytest.raises(MappingError) as error:
        read_chips(path)
    assert "has no key 'voltage'; did you mean 'voltage_v'?" in str(error.value)


def test_the_script_prints_data_alone():
    script = ROOT / "benchmarks" / "silicon.py"
    done = subprocess.run(
        [sys.executable, script, "--json"], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["schema"] == "spikeloom/silicon/1"
    first = answer["chips"][0]
    assert {"id", "quantity", "measured", "blind", "informed", "unverified"} <= set(first)


def test_tables_for_people(capsys):
    assert silicon.main([]) == 0
    assert spikesim.main([]) == 0
    text = capsys.readouterr().out
    assert "blind_geomean_factor" in text
    assert "informed_max_error_area 0.4, limit 0.25: MISSED; over 11 of 11 area rows" in text
    assert "15906934.026240" in text


def test_spikesim_beside_what_it_prints(capsys):
    assert spikesim.main(["--json"]) == 0
    totals = json.loads(capsys.readouterr().out)["totals"]
    for name in ("energy_pj", "latency_ns"):
        assert totals[name]["ours"] == totals[name]["printed"]
    area = totals["area_um2"]
    assert area["ours"] == pytest.approx(area["printed"], rel=0.01)  # the bound that is asked for
