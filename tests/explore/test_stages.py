"""Points do again what they change, and give what compiling and pricing them whole gives."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.cost.estimate import estimate, price
from mapper.cost.layer_counts import count_actions
from mapper.diagnostics import MappingError
from mapper.exploration.base import Base
from mapper.exploration.priced import price_of
from mapper.exploration.stages import WORK, Mapped, Network
from mapper.ir.assignment import Assignment, Choice, layer_name
from mapper.pipeline import make_passes, run_passes
from passes import PIPELINE
from targets import load_preset, load_target
from tests.campaigns import examples
from tests.networks import float_networks, small_conv_net

PHYSICAL = load_preset("physical")

AXES = {
    "array": (16, 64, "64x32", "16x128"),
    "readout": ("sense-amp", "sar2", "sar5", "ternary", "ideal"),
    "weight_bits": (1, 2, 4),
    "columns_per_readout": (1, 4, 16),
    "encoding": ("offset-binary", "differential", "binary"),
    "cell_bits": (1, 2),
    "membrane_bits": (6, 16),
    "copies": (1, 4, 64),
    "chip.tiles": (1, 2, 1024),
    "chip.max_rounds": (1, 3),
    "events.update_on_event": (False, True),
    "component.adc.energy_pj": (0.5, 2.0),
}

POINTS = st.lists(
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in AXES.items()}),
    min_size=2,
    max_size=4,
)


def whole(graph, design):
    """Compile and price a design as commands do."""
    network = replace(graph, assignment=design.assignment)
    made, _ = run_passes(network, design.target, make_passes(options=design.options))
    return made, estimate(made, design.priced, 0.2, 3, PHYSICAL)


def told(call, *arguments):
    try:
        return call(*arguments), ""
    except MappingError as error:
        return None, str(error)


@settings(max_examples=examples(24), deadline=None)
@given(graph=float_networks(), points=POINTS)
def test_a_point_is_what_compiling_and_pricing_it_whole_gives(graph, points):
    base, mapped = (
        Base(start=load_target("hpadc-sar5-64")),
        Mapped(Network(graph=graph, codes={}, samples={})),
    )
    for point in [*points, *points]:  # the second time all is found
        design, refused = told(base.design, point)
        if design is None:
            continue
        expected, wrong = told(whole, graph, design)
        counts, refused = told(mapped.counts, design)
        assert refused == wrong
        if expected is None:
            continue
        hardware, cost = expected
        assert mapped.hardware(design) == hardware
        found = price_of(counts, design.priced, 0.2, 3, PHYSICAL)
        assert found.energy_pj == cost.total_pj
        assert found.latency_ns == cost.latency_ns["inference_pipelined"]
        assert found.area_um2 == cost.total_um2
        assert found.chips == cost.chips
        assert price(replace(counts, target=design.priced), 0.2, 3, PHYSICAL) == cost


@settings(max_examples=examples(9), deadline=None)
@given(graph=float_networks(), data=st.data())
def test_points_of_assigned_layers_are_what_compiling_them_whole_gives(graph, data):
    target = load_target(data.draw(st.sampled_from(["mixed-64", "readouts-64"])))
    network = Network(graph=graph, codes={}, samples={})
    macros = ["", "digital", *(macro.name for macro in target.macros)]
    choices = st.builds(
        Choice,
        macro=st.sampled_from(macros),
        weight_bits=st.sampled_from([None, 2, 3]),
        packing=st.sampled_from([None, True, False]),
        copies=st.sampled_from([None, 2]),
    )
    layers = st.dictionaries(st.sampled_from([layer_name(loc) for loc in network.layers]), choices)
    decided = st.builds(Assignment, layers=layers, weight_bits=st.sampled_from([None, 4]))
    mapped = Mapped(network)
    for assignment in data.draw(st.lists(decided, min_size=2, max_size=3)):
        point = {"columns_per_readout": data.draw(st.sampled_from([1, 4]))}
        design = Base(start=target, assignment=assignment).design(point)
        expected, wrong = told(whole, graph, design)
        counts, refused = told(mapped.counts, design)
        assert refused == wrong
        if expected is not None:
            assert mapped.hardware(design) == expected[0]
            assert price(counts, 0.2, 3, PHYSICAL) == expected[1]


def test_every_pass_belongs_to_a_stage():
    named = [kind for work in WORK.values() for kind in work.passes]
    assert sorted(kind.name for kind in named) == sorted(kind.name for kind in PIPELINE)


def test_a_point_does_again_what_its_axis_reaches():
    base, graph = Base(start=load_target("hpadc-sar5-64")), small_conv_net()
    mapped = Mapped(Network(graph=graph, codes={}, samples={}))
    mapped.counts(base.design({}))
    for point, first in (
        ({"columns_per_readout": 2}, ""),
        ({"copies": 2}, "chips"),
        ({"macro.bitlines": 32}, "columns"),
        ({"readout": "sar3"}, "readouts"),
        ({"macro.wordlines": 32}, "rows"),
        ({"membrane_bits": 20}, "neurons"),
        ({"weight_bits": 3}, "weights"),
    ):
        before = mapped.done()
        mapped.counts(base.design(point))
        again = [stage for stage, (_, done) in mapped.done().items() if done > before[stage][1]]
        stages = [*WORK]
        assert again == (stages[stages.index(first) :] if first else []), point


def test_a_point_that_is_refused_says_what_compiling_it_says():
    base, graph = Base(start=load_target("hpadc-sar5-64")), small_conv_net()
    mapped = Mapped(Network(graph=graph, codes={}, samples={}))
    design = base.design(
        {"membrane_bits": 2, "chip.tiles": 1, "chip.crossbars_per_tile": 1, "chip.max_chips": 1}
    )
    with pytest.raises(MappingError) as expected:
        whole(graph, design)
    for _ in range(2):
        with pytest.raises(MappingError) as found:
            mapped.counts(design)
        assert str(found.value) == str(expected.value)
    assert found.value.diagnostics[-1].code == "too-many-crossbars"


def test_counts_of_one_mapping_are_of_the_target_that_was_asked_for():
    base, graph = Base(start=load_target("hpadc-sar5-64")), small_conv_net()
    mapped = Mapped(Network(graph=graph, codes={}, samples={}))
    first = mapped.counts(base.design({}))
    design = base.design({"columns_per_readout": 2})
    second = mapped.counts(design)
    assert (second.layers, second.target) == (first.layers, design.target)
    assert second.layers == count_actions(second.graph, design.target).layers
