"""What a preset prices is named; targets of which it makes one design are found by their facts."""

from dataclasses import replace

import pytest

import mapper
from mapper.compare.compared import Compared
from mapper.compare.measure import side_by_side
from mapper.cost import priced_readouts
from targets import load_preset, load_target
from tests.files import DEMO_MODEL

PHYSICAL, AS_BUILT, PAPER = map(load_preset, ("physical", "as-built", "paper"))


@pytest.mark.parametrize(
    ("target", "preset", "words"),
    [
        ("hpadc-flash5-64", PHYSICAL, "5-bit SAR ADC, built as flash"),
        ("hpadc-flash5-64", AS_BUILT, "5-bit flash ADC"),
        ("hpadc-sar5-64", PHYSICAL, "5-bit SAR ADC"),
        ("hpadc-sar5-64", PAPER, "5-bit flash ADC, built as SAR"),
        ("adcless-64", PHYSICAL, "sense amplifier"),
    ],
)
def test_the_readout_that_is_priced_is_in_words(target, preset, words):
    assert list(priced_readouts(load_target(target), preset).values()) == [words]


def compared(target):
    return Compared(build=mapper.compile(DEMO_MODEL, target).mapped)


def one_design(answer):
    return [text for text in answer.warnings if "are one design" in text]


def test_flash_and_sar_are_one_design_where_the_preset_prices_sar():
    found = [compared("hpadc-flash5-64"), compared("hpadc-sar5-64")]
    (told,) = one_design(side_by_side(found, PHYSICAL))
    assert told == (
        "hpadc-flash5-64 and hpadc-sar5-64 are one design to preset physical (5-bit SAR ADC, built "
        "as flash), so their costs are the same: macro[0].readout.kind is not priced; --preset "
        "as-built prices each as it is"
    )
    built = side_by_side(found, AS_BUILT)
    assert one_design(built) == []
    assert [row.readout for row in built.builds] == ["5-bit flash ADC", "5-bit SAR ADC"]


def test_the_same_target_twice_and_equal_totals_of_other_facts_are_no_collapse():
    one = compared("hpadc-sar5-64")
    assert one_design(side_by_side([one, replace(one, name="again")], PHYSICAL)) == []
    other = compared("adcless-64")
    assert one_design(side_by_side([one, other], PHYSICAL)) == []


def test_a_waterfall_ends_where_the_table_stands():
    found = [compared("hpadc-sar5-64"), compared("adcless-64"), compared("adcless-diff-64")]
    answer = side_by_side(found, PHYSICAL)
    energy = {row.title: row.cost.total_pj.nominal for row in answer.builds}
    assert [(way.target, way.over) for way in answer.ways] == [
        ("adcless-64", "hpadc-sar5-64"),
        ("adcless-diff-64", "hpadc-sar5-64"),
    ]
    for way in answer.ways:
        assert way.steps[-1].energy_ratio == energy[way.target] / energy[way.over]
