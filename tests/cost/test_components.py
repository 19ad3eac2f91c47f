"""Published parts at the node of a target."""

from dataclasses import replace

import pytest

from mapper.cost.components import at_node
from mapper.diagnostics import MappingError
from targets import Interval, load_parts, load_target

ADDER = load_parts("aladdin-40nm").part("adder-32b")
SAR = load_parts("zigzag-28nm").part("sar-5b")


def test_a_part_at_its_own_node_is_as_published():
    assert at_node(ADDER, 40, 1.0) is ADDER


def test_logic_scales_by_the_tables():
    moved = at_node(replace(ADDER, node_nm=45.0), 65, 1.1)
    factor = (3.755 * 1.21 - 4.398 * 1.1 + 1.975) / (1.103 - 0.362 + 0.2767)
    assert moved.energy_pj.nominal == pytest.approx(0.21 * factor, rel=1e-15)
    assert moved.area_um2.nominal == pytest.approx(278 / 0.66, rel=1e-15)
    assert (moved.node_nm, moved.voltage_v) == (65, 1.1)
    assert moved.source.endswith("scaled from 45 nm and 1 V")


def test_an_analogue_part_scales_as_capacitors_and_its_area_is_uncertain():
    moved = at_node(SAR, 65, 1.1)
    assert moved.energy_pj.nominal == pytest.approx(1.407, rel=1e-3)  # as in reference-65nm
    reference = load_target("hpadc-sar5-64").components.converter("sar", 5)
    assert moved.energy_pj.nominal == pytest.approx(reference.energy_pj.nominal, rel=6e-4)
    area = moved.area_um2
    assert area.low == SAR.area_um2.low  # capacitors that stay
    assert area.nominal == pytest.approx(SAR.area_um2.nominal * 65 / 28)
    assert area.low < area.nominal < area.high
    assert moved.latency_ns == SAR.latency_ns


def test_to_a_smaller_node_the_interval_of_an_area_widens_downwards():
    area = at_node(load_parts("jia-65nm").part("adc-8b-0.85v"), 32, 0.9).area_um2
    assert (area.low, area.high) == (pytest.approx(1941 * 0.31), 1941)


@pytest.mark.parametrize("name", ["aladdin-40nm", "zigzag-28nm", "isaac-32nm"])
def test_every_part_that_scales_keeps_its_interval_in_order(name):
    for part in load_parts(name).parts:
        if part.scaling == "none":
            continue
        for value in at_node(part, 65, 1.1).facts().values():
            assert isinstance(value, Interval)
            assert list(value.problems()) == []


def refusal(part, node, voltage):
    with pytest.raises(MappingError) as error:
        at_node(part, node, voltage)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "scaling-range"
    return diagnostic.message


def test_what_the_tables_do_not_cover_is_refused():
    assert refusal(ADDER, 180, 1.8) == (
        "'adder-32b': nodes are scaled from 7 to 130 nm, got 180 nm"
    )
    assert refusal(ADDER, 65, 0.5) == (
        "'adder-32b': the energy fit at 65 nm holds from 0.586 V, got 0.5 V"
    )


def test_a_resistive_array_does_not_scale():
    crossbar = load_parts("isaac-32nm").part("crossbar-read")
    assert refusal(crossbar, 65, 1.1) == (
        "'crossbar-read' does not scale: it is of 32 nm and 0.9 V, asked for 65 nm and 1.1 V"
    )
