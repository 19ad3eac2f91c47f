"""A target whose ADC a preset does not know compiles; that preset is left out, and says why."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

import mapper
from mapper.compare.compared import Compared
from mapper.compare.measure import side_by_side
from mapper.cost import priceable, skipped, steps_between
from mapper.diagnostics import MappingError
from targets import Target, load_preset, load_target
from tests.files import DEMO_MODEL

WAY = steps_between(load_preset("paper"), load_preset("physical"))
FITTED = "preset 'paper' takes its facts from library 'reference-fit-65nm', which has"
NO_SAR = f"{FITTED} sar ADCs of [4, 5, 6, 7, 8] bits, not of 3"
NO_FLASH = f"{FITTED} flash ADCs of [2, 3, 4, 5, 6] bits, not of 8"
GAP = "adc, clock, steps_as_bits, hierarchy, overlap, components"


def with_adc(kind: str, bits: int) -> Target:
    """Describe 64x64 crossbars and an ADC whose facts the target brings along."""
    target = load_target(f"hpadc-{kind}5-64")
    macro, library = target.macros[0], target.components
    held = {f"{kind}_adc": (replace(library.converter(kind, 5), bits=bits),)}
    return replace(
        target,
        name=f"{kind}{bits}-64",
        macros=(replace(macro, readout=replace(macro.readout, bits=bits)),),
        components=replace(library, name="mine", **held),
    )


def test_a_3_bit_sar_compiles_and_its_page_says_in_a_line_what_is_left_out(tmp_path):
    folder = tmp_path / "build"
    build = mapper.compile(DEMO_MODEL, with_adc("sar", 3)).save(folder)
    page = (folder / "report.html").read_text()
    assert page.count(NO_SAR.replace("'", "&#39;")) == 1
    report = build.mapped.report()
    assert report.skipped == f"no price after {GAP.removesuffix(', components')}: {NO_SAR}"
    # The preset itself prices a flash ADC, and its library has one of 3 bits.
    assert [step.changed for step, _ in report.way][:3] == ["", "activity", GAP]
    paper, physical = report.presets
    assert paper.total_pj == build.cost(preset="paper").cost.total_pj
    assert physical.total_pj == report.cost.total_pj


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpriced") / "build"
    mapper.compile(DEMO_MODEL, with_adc("flash", 8)).save(folder)
    return folder


def test_a_way_that_does_not_start_at_the_first_preset_has_the_last_alone(folder):
    report = mapper.load(folder).mapped.report()
    assert report.way[0][0].changed == "activity, adc"  # of a SAR its library has 8 bits
    assert report.waterfall[0].energy_factor == 1.0
    (physical,) = report.presets
    assert physical.total_pj == report.cost.total_pj


def test_its_cost_program_has_the_other_presets(folder):
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", str(folder / "cost.py"), "--json", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    for preset in ("physical", "as-built"):
        known = mapper.load(folder).cost(preset=preset).cost
        found = json.loads(run("--preset", preset).stdout)
        assert found["energy_pj"]["total"] == known.total_pj._asdict()
    refused = run("--preset", "paper")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.endswith(f"error: {NO_FLASH}\n")


def test_a_preset_that_is_asked_for_by_name_is_refused(folder):
    with pytest.raises(MappingError) as error:
        mapper.load(folder).cost(preset="paper")
    (found,) = error.value.diagnostics
    assert (found.code, found.message) == ("preset-adc", NO_FLASH)


def test_a_comparison_leaves_out_what_one_of_its_targets_has_no_price_for():
    targets = load_target("adcless-64"), with_adc("sar", 3)
    assert skipped(WAY, targets[0]) == ""
    assert priceable(WAY, targets[:1]) == WAY
    found = [Compared(build=mapper.compile(DEMO_MODEL, target).mapped) for target in targets]
    answer = side_by_side(found, load_preset("physical"))
    assert sum(NO_SAR in text for text in answer.warnings) == 1
    (way,) = answer.ways
    names = [step.assumption for step in way.steps]
    assert names == [step.changed for step in priceable(WAY, targets)]
    assert names[:3] == ["", "activity", GAP]
    less, high = (row.cost.total_pj.nominal for row in answer.builds)
    assert way.steps[-1].energy_ratio == high / less
