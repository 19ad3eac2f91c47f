"""The devices that targets name, and what they price."""

import re
from dataclasses import replace

import pytest

from mapper.api.inputs import read_target
from mapper.cost.facts import corners_of
from mapper.diagnostics import MappingError
from targets import (
    chosen_device,
    list_targets,
    load_target,
    target_from_data,
    target_to_data,
    to_toml,
)
from targets.devices import (
    device_names,
    load_device,
)
from tests.targets.small_devices import SMALL, problems, with_cell_bits

# --- targets ---------------------------------------------------------------------------------


def a_target(tmp_path, device, **changes):
    text = SMALL.read_text(encoding="utf-8")
    text = text.replace("accepts =", f'device = "{device}"\naccepts =')
    for key, value in changes.items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
    file = tmp_path / "chip.toml"
    file.write_text(text, encoding="utf-8")
    return load_target(file)


def test_every_shipped_target_names_a_device_that_does_something_on_it():
    for name in list_targets():
        for macro in load_target(name).macros:
            assert macro.device in map(load_device, device_names())
            macro.device.on(macro)


def test_a_target_names_a_device_by_name_or_by_a_file_beside_it(tmp_path):
    named = a_target(tmp_path, "rram-wan")
    assert named.macros[0].device == load_device("rram-wan")
    own = load_device("rram-wan").with_set({"cell.stuck_on": 0.01})
    (tmp_path / "own.toml").write_text(own.text, encoding="utf-8")
    target = a_target(tmp_path, "own.toml")
    assert target.macros[0].device == own
    assert target_from_data(target_to_data(target), loc="mapping.json") == target
    for held, device in ((target, None), (named, "rram-wan")):
        written = to_toml(held)
        (tmp_path / "again.toml").write_text(written, encoding="utf-8")
        assert load_target(tmp_path / "again.toml") == held
        assert (f'device = "{device}"' in written) == (device is not None)


@pytest.mark.parametrize(
    ("device", "changes", "code", "message"),
    [
        ("rram-wam", {}, "unknown-device", "no device is named 'rram-wam'; did you mean"),
        ("none.toml", {}, "unknown-device", "none.toml is not a file"),
        (
            "sram-charge",
            {},
            "target-value",
            "chip.toml: macro 'sense-amp-8' has resistive cells by its library, "
            "device 'sram-charge' is sram",
        ),
        (
            "pcm",
            {},
            "target-value",
            "chip.toml: macro 'sense-amp-8' has cells of off_conductance_us 0.25 by device 'pcm', "
            "0.3333..50 by its library",
        ),
        (
            "mram",
            {},
            "target-value",
            "chip.toml: macro 'sense-amp-8' has cells of off_conductance_us 66.68 by device "
            "'mram', 0.3333..50 by its library",
        ),
        (
            "mram",
            {"cell_bits": 2},
            "target-value",
            "chip.toml: macro 'sense-amp-8' has cells of 4 levels, device 'mram' holds 2",
        ),
    ],
)
def test_what_a_target_and_its_device_may_not_disagree_on(tmp_path, device, changes, code, message):
    with pytest.raises(MappingError) as error:
        a_target(tmp_path, device, **changes)
    found = problems(error)
    assert {kind for kind, _ in found} == {code}
    assert any(message in text for _, text in found)


def test_a_device_that_is_chosen_prices_the_cells():
    target = load_target("adcless-64")
    chosen = target.with_device(load_device("pcm"))
    cell = chosen.components.cell
    on, off = cell.on_conductance_us, cell.off_conductance_us
    assert (on.low, on.nominal, on.high) == (25, 25, 25)
    assert (off.low, off.nominal, off.high) == (0.25, 0.25, 0.25)
    assert cell.read_voltage_v == target.components.cell.read_voltage_v
    assert chosen.macros[0].device == load_device("pcm")
    assert cell.source.startswith("on_conductance_us and off_conductance_us: device pcm. Else: ")
    known_on = target.with_device(load_device("rram-wan")).components.cell
    assert known_on.on_conductance_us.nominal == 39
    assert known_on.off_conductance_us == target.components.cell.off_conductance_us
    ratio = target.with_device(load_device("mram")).components.cell  # on/off 2.5
    assert ratio.on_conductance_us == target.components.cell.on_conductance_us
    assert ratio.off_conductance_us.nominal == pytest.approx(166.7 / 2.5)
    without = target.with_device(load_device("sram-charge"))
    assert without.components == target.components
    digital = load_target("digital-cim-64")
    assert digital.with_device(load_device("pcm")).components == digital.components


def test_cells_that_conduct_less_cost_less(tmp_path):
    facts = corners_of(load_target("adcless-64"))
    (low, nominal, high) = corners_of(load_target("adcless-64").with_device(load_device("pcm")))
    assert nominal.on_conductance_us == low.on_conductance_us == high.on_conductance_us == 25
    assert nominal.on_conductance_us < facts[1].on_conductance_us
    assert nominal.off_conductance_us == 0.25


def test_a_device_that_is_chosen_must_hold_the_levels():
    target = load_target("adcless-64")
    wide = replace(target, macros=(with_cell_bits(2),))
    with pytest.raises(MappingError) as error:
        wide.with_device(load_device("mram"))
    assert problems(error)[0][0] == "device-levels"


def test_the_device_of_dies_is_the_users_or_the_targets():
    target = load_target("adcless-64")
    own, pcm = load_device("rram-wan"), load_device("pcm")
    assert chosen_device(target) == own
    assert chosen_device(target, "pcm") == chosen_device(target, pcm) == pcm
    settings = {"cell.sigma": 0.1}
    assert chosen_device(target, settings=settings) == own.with_set(settings)
    assert chosen_device(load_target("mixed-64")) == own


def test_a_target_that_names_no_device_or_several_needs_one():
    mixed = load_target("mixed-64")
    first, second = mixed.macros
    for macros, said in (
        ((replace(first, device=None), replace(second, device=None)), "none of its macros does"),
        ((first, replace(second, device=None)), "its macros name rram-wan, and not all the same"),
        (
            (first, replace(second, device=load_device("ideal"))),
            "its macros name rram-wan, ideal, and not all the same",
        ),
    ):
        with pytest.raises(MappingError) as error:
            chosen_device(replace(mixed, macros=macros))
        ((code, text),) = problems(error)
        assert code == "no-device"
        assert text.endswith(said)
        assert chosen_device(replace(mixed, macros=macros), "pcm").name == "pcm"
    with pytest.raises(MappingError) as error:
        chosen_device(replace(mixed, macros=(with_cell_bits(2),)), "mram")
    assert problems(error)[0][0] == "device-levels"


@pytest.mark.parametrize(
    ("target", "device", "said"),
    [
        (
            "adcless-64",
            "sram-charge",
            "has resistive cells by its library, device 'sram-charge' is",
        ),
        (
            "digital-cim-64",
            "rram-wan",
            "has digital cells by its library, device 'rram-wan' is rram",
        ),
    ],
)
def test_a_target_is_not_made_of_a_device_of_another_kind(target, device, said):
    """A build of it could not be read back."""
    with pytest.raises(MappingError, match="device-kind") as error:
        read_target(target, device)
    assert said in str(error.value)
