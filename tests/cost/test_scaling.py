"""Factors between nodes and supplies, computed by hand from the published tables."""

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.cost.scaling import (
    AREAS,
    ENERGY_FITS,
    ScalingError,
    analogue_energy_factor,
    digital_area_factor,
    digital_energy_factor,
    highest_voltage,
    lowest_voltage,
    supply_of,
)

NODES = st.sampled_from(sorted(ENERGY_FITS))
ANY_NODE = st.floats(7, 130)
SUPPLIES = st.floats(0.6, 1.0)  # above the minimum of every fit, and what every node bears


def test_the_factors_that_the_reference_library_uses():
    from_32 = (3.755 * 1.1**2 - 4.398 * 1.1 + 1.975) / (0.9559 * 0.9**2 - 0.7823 * 0.9 + 0.471)
    assert digital_energy_factor(32, 0.9, 65, 1.1) == pytest.approx(from_32, rel=1e-15)
    assert round(from_32, 2) == 3.11
    assert round(digital_energy_factor(45, 1.0, 65, 1.1), 2) == 1.65


def test_an_addition_at_7_nm_takes_what_was_published():
    """0.007 pJ of 8 bits and 0.03 of 32, at 45 nm 0.03 and 0.1: in geometric mean."""
    published = ((0.007 / 0.03) * (0.03 / 0.1)) ** 0.5
    assert digital_energy_factor(45, 0.9, 7, 0.7) == pytest.approx(published, rel=1e-4)


def test_capacitance_below_32_nm_is_a_power_of_the_node():
    at_32 = (0.9559 * 0.81 - 0.7823 * 0.9 + 0.471) / 0.81
    power = log(ENERGY_FITS[7.0][0] / at_32) / log(7 / 32)
    for node in (20.0, 16.0, 14.0, 10.0):
        found, *rest = ENERGY_FITS[node]
        assert found == pytest.approx(at_32 * (node / 32) ** power, rel=2e-4)
        assert rest == [0, 0]


@pytest.mark.parametrize(("node", "area"), AREAS.items())
def test_areas_are_those_of_the_table(node, area):
    assert digital_area_factor(65, node) == area


def test_between_two_nodes_energy_and_area_are_linear_in_the_node():
    at = {32: 0.9559 * 0.81 - 0.7823 * 0.9 + 0.471, 20: 0.5937 * 0.81}
    middle = (at[32] + at[20]) / 2  # 26 nm is half way
    assert digital_energy_factor(32, 0.9, 26, 0.9) == pytest.approx(middle / at[32], rel=1e-14)
    assert digital_area_factor(65, 26) == pytest.approx((0.31 + 0.14) / 2, rel=1e-15)


def test_switched_capacitors_follow_node_and_squared_supply():
    assert analogue_energy_factor(28, 0.5, 56, 1.0) == 8.0
    assert analogue_energy_factor(65, 1.1, 65, 1.1) == 1.0


@given(node=ANY_NODE, low=SUPPLIES, high=SUPPLIES)
def test_energy_grows_with_the_supply(node, low, high):
    low, high = sorted((low, high))
    assert digital_energy_factor(node, low, node, high) >= 1
    assert analogue_energy_factor(node, low, node, high) >= 1


@given(start=ANY_NODE, first=SUPPLIES, end=ANY_NODE, second=SUPPLIES)
def test_there_and_back_is_where_it_was(start, first, end, second):
    # Rounding: each factor is one division of two sums.
    there = digital_energy_factor(start, first, end, second)
    assert there * digital_energy_factor(end, second, start, first) == pytest.approx(1, rel=1e-14)
    areas = digital_area_factor(start, end) * digital_area_factor(end, start)
    assert areas == pytest.approx(1, rel=1e-14)


@given(small=ANY_NODE, large=ANY_NODE)
def test_area_grows_with_the_node(small, large):
    small, large = sorted((small, large))
    assert digital_area_factor(small, large) >= 1


@pytest.mark.parametrize("node", [6.9, 130.1, 0, -65, float("nan"), float("inf")])
def test_nodes_outside_the_table_are_refused(node):
    for factor in (
        lambda: digital_energy_factor(65, 1.1, node, 1.1),
        lambda: digital_energy_factor(node, 1.1, 65, 1.1),
        lambda: digital_area_factor(65, node),
        lambda: analogue_energy_factor(node, 1.1, 65, 1.1),
    ):
        with pytest.raises(ScalingError, match="nodes are scaled from 7 to 130 nm, got"):
            factor()


@pytest.mark.parametrize("voltage", [0, -1, float("nan"), float("inf")])
def test_a_supply_is_a_positive_number(voltage):
    for factor in (digital_energy_factor, analogue_energy_factor):
        with pytest.raises(ScalingError, match="a supply voltage is above 0 V"):
            factor(65, 1.1, 65, voltage)


@given(node=NODES)
def test_a_supply_below_the_minimum_of_the_fit_is_refused(node):
    lowest = lowest_voltage(node)
    assert digital_energy_factor(node, lowest, node, lowest) == 1
    with pytest.raises(ScalingError, match=f"the energy fit at {node:g} nm holds from"):
        digital_energy_factor(node, lowest, node, lowest * 0.99)


@given(node=NODES)
def test_a_supply_that_transistors_do_not_bear_is_refused(node):
    highest = highest_voltage(node)
    usual = supply_of(node)
    assert usual < highest <= 1.98
    for factor in (digital_energy_factor, analogue_energy_factor):
        factor(node, usual, node, highest)
        with pytest.raises(ScalingError, match=f"logic at {node:g} nm bears {highest:.3g} V"):
            factor(node, usual, node, highest * 1.01)
        assert factor(node, 3.0, node, 3.0) == 1  # what was published stays


def test_the_highest_supplies_by_hand():
    assert (highest_voltage(130), highest_voltage(28), highest_voltage(7)) == (1.98, 1.1, 1.0)
    assert highest_voltage(79) == pytest.approx((1.98 + 1.1) / 2)


def test_the_fit_at_65_nm_ends_at_its_minimum():
    assert lowest_voltage(65) == pytest.approx(4.398 / (2 * 3.755))
