"""The closed table of axes: every fact has its stage, and what follows it or does not."""

from dataclasses import replace

import pytest

from mapper.cost.points import SETTING_KEYS
from mapper.diagnostics import MappingError
from mapper.exploration.axes import AXES, FACT_STAGES, STAGES, axis_of
from mapper.exploration.base import Base
from mapper.exploration.credible import FOLLOWS, UNRELATED, not_credible
from mapper.exploration.facts import FACTS, TABLES, WITHOUT, fact_of, plain_name, with_facts
from mapper.exploration.stages import WORK, Network
from targets import load_target, target_from_data, target_to_data
from tests.networks import NetworkBuilder

BASE = load_target("hpadc-sar5-64")


def test_every_entry_of_a_target_is_a_fact_or_says_why_it_is_none():
    entries = {f"{table}.{name}" for table, kind in TABLES.items() for name in kind.__annotations__}
    assert entries - {"macro.readout"} == {*FACTS, *WITHOUT} - {"macro.readout"}
    assert not set(FACTS) & set(WITHOUT)


def test_every_fact_has_a_stage_and_is_followed_or_unrelated():
    assert set(FACT_STAGES) == set(FACTS)
    assert set(FOLLOWS) | set(UNRELATED) == set(FACTS)
    assert not set(FOLLOWS) & set(UNRELATED)


CHANGED = {
    "macro.wordlines": 32,
    "macro.bitlines": 32,
    "macro.rows_per_read": 16,
    "macro.cell_bits": 2,
    "macro.cell_levels": 2,
    "macro.encoding": "differential",
    "macro.weight_bits": 3,
    "macro.max_input_bits": 4,
    "macro.input_bits_per_read": 2,
    "macro.readout": "sense-amp",
    "macro.readout.columns_per_readout": 4,
    "macro.readout.reference": "half-active",
    "macro.readout.shared_reference": True,
    "neuron.membrane_bits": 20,
    "neuron.leak_bits": 8,
    "neuron.leak_rounding": "nearest",
    "neuron.fraction_bits": 2,
    "chip.tiles": 64,
    "chip.crossbars_per_tile": 4,
    "chip.max_chips": 2,
    "chip.max_rounds": 2,
    "chip.idle_leakage": 0.5,
    "chip.buffer_ports": 2,
    "clock.policy": "decoupled",
    "clock.logic_ns": 2.0,
    "clock.step_ns": 100.0,
    "events.skip_silent_reads": True,
    "events.update_on_event": True,
}


def a_network():
    net = NetworkBuilder()
    x = net.entry(4, 6, 6)
    s = net.neuron(net.conv(x, 4, groups=4))
    graph = net.graph(net.neuron(net.dense(net.flatten(s), 5)))
    return Network(graph=graph, codes={}, samples={})


@pytest.mark.parametrize("name", FACTS)
def test_the_stage_of_a_fact_is_the_first_that_reads_it(name):
    network, base = a_network(), Base(start=load_target("adcless-64"))
    before = base.design({})
    after = replace(before, target=_with(before.target, name, CHANGED[name]))
    read = [
        stage
        for stage, work in WORK.items()
        if work.reads(before, network) != work.reads(after, network)
    ]
    assert (*read, "prices")[0] == FACT_STAGES[name]


def _with(target, name, value):
    """Return a target with a fact, whether or not it goes with the others."""
    (own,) = fact_of(target, name)
    assert own != value or name in ("macro.readout", "macro.readout.reference")
    if name == "macro.readout":
        return with_facts(target, {name: "sar4"})
    if name == "macro.readout.reference":
        value = "constant"
    table, _, field = name.rpartition(".")
    if not name.startswith("macro."):
        return replace(target, **{table: replace(getattr(target, table), **{field: value})})
    (macro,) = target.macros
    if table == "macro.readout":
        return replace(
            target, macros=(replace(macro, readout=replace(macro.readout, **{field: value})),)
        )
    return replace(target, macros=(replace(macro, **{field: value}),))


def test_axes_have_a_stage_and_names_that_are_no_others():
    assert all(axis.stage in STAGES and axis.words for axis in AXES.values())
    assert not set(AXES) & {*FACTS, *SETTING_KEYS}
    for key in SETTING_KEYS:
        found = axis_of(f"component.{key}")
        assert found is not None
        assert found.stage == "prices"


def test_a_fact_may_be_of_one_macro():
    assert plain_name("macro.flash5-64.readout.columns_per_readout", ("flash5-64",)) == (
        "macro.readout.columns_per_readout",
        "flash5-64",
    )
    mixed = load_target("mixed-64")
    made = with_facts(mixed, {"macro.flash5-64.readout": "flash4", "macro.wordlines": 32})
    assert [macro.readout.bits for macro in made.macros] == [4, 1]
    assert [macro.wordlines for macro in made.macros] == [32, 32]
    assert made == target_from_data(target_to_data(made), loc="made")


def test_facts_that_do_not_go_together_are_refused_as_a_file_is():
    with pytest.raises(MappingError, match="4-bit weight takes 4 bitlines, the crossbar has 2"):
        with_facts(BASE, {"macro.bitlines": 2, "macro.readout.columns_per_readout": 1})


@pytest.mark.parametrize(
    ("target", "axes", "words"),
    [
        ("hpadc-sar5-64", {"node": (28.0,)}, "cell.area_um2 at 65 nm"),
        ("hpadc-sar5-64", {"readout": ("sar4", "cco4")}, "no cco ADC of 4 bits"),
        ("hpadc-sar5-64", {"readout": ("serial4",)}, "'serial4' is written by 'targets new' alone"),
        ("hpadc-sar5-64", {"readout": ("adder-tree",)}, "'cell.kind' of its library"),
        ("hpadc-sar5-64", {"component.cell.current_ua": (1.0,)}, "nothing that 'cell.current_ua'"),
        ("hpadc-sar5-64", {"macro.other.wordlines": (32,)}, "no macro 'other', only sar5-64"),
        ("digital-cim-64", {"weight_bits": (2,)}, "weights of 4 bits; vary 'macro.weight_bits'"),
        ("digital-cim-64", {"cell_bits": (2,)}, "'cell.area_um2' of its library is a number"),
        ("digital-cim-64", {"rows_per_read": (16,)}, "'cell.area_um2' of its library is a number"),
        ("memristive-snn-180nm", {"array": (64,)}, "'read_channel.latency_ns' of its library"),
    ],
)
def test_axes_that_numbers_would_not_follow_are_refused(target, axes, words):
    (problem,) = not_credible(Base(start=load_target(target)), axes)
    assert problem.code == "not-credible"
    assert words in problem.message
    assert "[describe]" in problem.help


def test_axes_that_laws_follow_are_credible():
    axes = {
        "array": (32, 128),
        "readout": ("sense-amp", "ternary", "sar4", "flash3"),
        "columns_per_readout": (1, 4),
        "encoding": ("differential",),
        "cell_bits": (1, 2),
        "membrane_bits": (20,),
        "weight_bits": (2,),
        "copies": (1,),
        "component.adc.energy_pj": (1.0,),
        "chip.tiles": (4,),
    }
    assert not_credible(Base(start=BASE), axes) == ()
