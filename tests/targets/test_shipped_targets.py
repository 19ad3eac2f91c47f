"""Every target file that comes with the compiler."""

import pytest

from targets import Macro, Target, list_targets, load_target, target_from_data, target_to_data

SHIPPED = (
    "adcless-128",
    "adcless-32",
    "adcless-64",
    "adcless-64-m24",
    "adcless-diff-128",
    "adcless-diff-32",
    "adcless-diff-64",
    "binary-64",
    "digital-cim-64",
    "hpadc-flash5-128",
    "hpadc-flash5-32",
    "hpadc-flash5-64",
    "hpadc-sar2-64",
    "hpadc-sar3-64",
    "hpadc-sar5-128",
    "hpadc-sar5-64",
    "hpadc-sar5-64-m24",
    "ideal-128",
    "memristive-snn-180nm",
    "mixed-64",
    "multibit-input-64",
    "readouts-64",
    "ternary-diff-64",
    "ternary-weights-64",
)
WEIGHT_BITS = {"ideal-128": 8, "binary-64": 1, "ternary-weights-64": 2}
"""Of targets whose weights have other than four bits."""
OF_A_CHIP = {"memristive-snn-180nm": "memristive-180nm"}
"""Targets of one published chip, each with a component library of its own in its file."""
REFERENCE_CROSSBARS = 157_432  # 32x32 crossbars of the largest network of arXiv 2211.02167


def only_macro(name: str) -> Macro:
    (macro,) = load_target(name).macros
    return macro


def test_targets_are_listed_in_order():
    assert list_targets() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_target_loads_under_its_name(name):
    target = load_target(name)
    assert target.name == name
    digital = all(macro.readout.form.adds for macro in target.macros)
    shared = "digital-28nm" if digital else "reference-65nm"
    assert target.components.name == OF_A_CHIP.get(name, shared)
    assert target.chip.max_rounds == 1


@pytest.mark.parametrize("name", SHIPPED)
def test_a_target_survives_plain_data(name):
    target = load_target(name)
    assert target_from_data(target_to_data(target), loc="mapping.json") == target


@pytest.mark.parametrize(
    "name", [name for name in SHIPPED if name not in ("ideal-128", *OF_A_CHIP)]
)
def test_real_targets_have_1_bit_cells_and_inputs_of_8_bits(name):
    macros = load_target(name).macros
    assert {macro.weight_bits for macro in macros} == {WEIGHT_BITS.get(name, 4)}
    assert {macro.cell_bits for macro in macros} == {1}
    assert max(macro.max_input_bits for macro in macros) == 8


@pytest.mark.parametrize(
    ("name", "bitlines", "outputs"),
    [
        ("adcless-64", 4, 16),  # 64 / 4
        ("adcless-32", 4, 8),
        ("hpadc-flash5-128", 4, 32),
        ("adcless-diff-64", 6, 10),  # three pairs a weight; 4 bitlines are left over
        ("adcless-diff-32", 6, 5),
        ("adcless-diff-128", 6, 21),
        ("ideal-128", 8, 16),
        ("binary-64", 1, 64),
        ("ternary-weights-64", 2, 32),
        ("memristive-snn-180nm", 2, 12),  # a pair of 4-bit cells a weight, 12 neurons a crossbar
    ],
)
def test_outputs_per_crossbar(name, bitlines, outputs):
    macro = only_macro(name)
    assert macro.bitlines_per_weight(macro.weight_bits) == bitlines
    assert macro.outputs_per_crossbar(macro.weight_bits) == outputs


def test_thresholds_of_each_readout():
    assert only_macro("adcless-64").readout.thresholds == 1
    assert only_macro("ternary-diff-64").readout.thresholds == 2
    assert only_macro("hpadc-sar5-64").readout.thresholds == 31
    assert only_macro("hpadc-sar3-64").readout.thresholds == 7
    assert only_macro("hpadc-sar2-64").readout.thresholds == 3
    assert only_macro("ideal-128").readout.thresholds == 0


def test_the_largest_network_of_the_reference_fits_over_several_chips():
    chip = load_target("adcless-32").chip
    assert chip.crossbars == 16_384
    assert chip.crossbars < REFERENCE_CROSSBARS <= chip.crossbars * chip.max_chips


def test_mixed_macros_split_codes_from_spikes():
    codes, spikes = load_target("mixed-64").macros
    assert (codes.readout.kind, codes.accepts, codes.max_input_bits) == ("flash", ("codes",), 8)
    assert (spikes.readout.kind, spikes.accepts) == ("sense-amp", ("spikes",))


def test_any_layer_may_have_any_readout_of_the_target_that_holds_them_all():
    macros = load_target("readouts-64").macros
    readouts = [(macro.readout.kind, macro.readout.bits) for macro in macros]
    assert readouts == [
        *(("sar", bits) for bits in (6, 5, 4, 3, 2)),
        ("ternary", 2),
        ("sense-amp", 1),
    ]
    assert all(macro.takes(bits) for macro in macros for bits in range(1, 9))


def test_a_loaded_target_can_be_a_key():
    target: Target = load_target("adcless-64")
    assert {target: 1}[load_target("adcless-64")] == 1
