"""The laws of converters against their published values."""

from itertools import pairwise

import pytest

from mapper.cost.converters import (
    flash_pj,
    sar_fitted_ns,
    sar_fitted_pj,
    sar_fitted_um2,
    sar_simulated_pj,
    survey_pj,
)


@pytest.mark.parametrize(("bits", "published"), [(4, 0.324), (5, 0.406), (8, 0.701)])
def test_fitted_sar_at_28_nm(bits, published):
    assert round(sar_fitted_pj(bits, 28, 0.9), 3) == published


@pytest.mark.parametrize(("bits", "published"), [(4, 183), (5, 336), (8, 2085)])
def test_area_of_the_fitted_sar(bits, published):
    assert round(sar_fitted_um2(bits)) == published


def test_time_of_the_fitted_sar_grows_with_the_rows():
    assert round(sar_fitted_ns(5, 64), 2) == 5.29
    assert round(sar_fitted_ns(5, 128), 2) == 7.38


def test_fitted_sar_against_the_measured_converter_of_jia():
    assert round(sar_fitted_pj(8, 65, 0.85), 2) == 1.45  # measured: 1.79


@pytest.mark.parametrize(("bits", "published"), [(4, 0.204), (5, 0.268), (6, 0.338), (8, 0.503)])
def test_simulated_sar_at_65_nm(bits, published):
    assert round(sar_simulated_pj(bits, 65), 3) == published


@pytest.mark.parametrize(("sensing", "published"), [(1.0, 0.26), (10.0, 2.61)])
def test_flash_is_a_comparator_a_level(sensing, published):
    assert flash_pj(5, 65, sensing) == 31 * 8.41 * 1e-3 * sensing
    assert round(flash_pj(5, 65, sensing), 2) == published


@pytest.mark.parametrize(
    ("bits", "node", "published"),
    [(8, 32, 1.71), (5, 65, 3.54), (6, 65, 4.03), (8, 65, 6.49), (5, 28, 0.73), (8, 28, 1.33)],
)
def test_survey_law(bits, node, published):
    assert round(survey_pj(bits, node), 2) == published


@pytest.mark.parametrize("bits", [1, 3, 4, 4.4, 21])
def test_survey_law_is_refused_where_it_falls_with_more_bits(bits):
    with pytest.raises(ValueError, match=r"this law holds for 4.5..20 bits, got"):
        survey_pj(bits, 65)


@pytest.mark.parametrize(
    "law",
    [
        lambda bits: sar_fitted_pj(bits, 65, 1.1),
        lambda bits: sar_simulated_pj(bits, 65),
        lambda bits: flash_pj(bits, 65, 1.0),
        sar_fitted_um2,
        lambda bits: sar_fitted_ns(bits, 64),
    ],
)
def test_every_law_grows_with_the_bits(law):
    values = [law(bits) for bits in range(1, 9)]
    assert all(few < more for few, more in pairwise(values))
    with pytest.raises(ValueError, match="this law holds for 1 bit or more, got 0"):
        law(0)


def test_survey_law_grows_with_the_bits_where_it_is_used():
    values = [survey_pj(bits, 65) for bits in range(5, 13)]
    assert all(few < more for few, more in pairwise(values))


def test_transistor_tables_are_not_interpolated():
    with pytest.raises(ValueError, match=r"this law has nodes 130, 90, 65, .* nm, got 28 nm"):
        sar_simulated_pj(5, 28)
