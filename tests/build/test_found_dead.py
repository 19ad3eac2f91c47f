"""What calibration recordings found of a mapping stays with its build."""

from pathlib import Path

import pytest

import mapper
from tests.files import DEMO_MODEL, DEMO_RECORDING

SILENT = "the mapping: silent from /conv2/Conv on (2 of 3 layers never fire on the recordings)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("found") / "dead"
    mapper.compile(DEMO_MODEL, "adcless-64", calibrate=DEMO_RECORDING).save(place)
    return place


def test_a_build_that_is_read_back_says_what_calibration_found(folder):
    build = mapper.load(folder)
    for told in (build.warnings, build.summary.warnings, build.cost().page.warnings):
        assert [text.startswith(SILENT) for text in told] == [True]
    assert SILENT in (folder / "report.html").read_text(encoding="utf-8")


def test_it_stands_beside_no_other_before_anything_was_run(folder, tmp_path):
    other = tmp_path / "other"
    mapper.compile(DEMO_MODEL, "hpadc-sar5-64", calibrate=DEMO_RECORDING).save(other)
    compared = mapper.compare_mappings([folder, other])
    assert [row.incomparable for row in compared.builds] == ["silent from /conv2/Conv on", ""]
    assert any("not comparable" in text for text in compared.warnings)


def test_a_build_without_findings_has_no_entry_for_them(tmp_path):
    place = tmp_path / "good"
    mapper.compile(DEMO_MODEL, "hpadc-sar5-64", calibrate=DEMO_RECORDING).save(place)
    assert '"calibration"' not in (place / "mapping.json").read_text(encoding="utf-8")
    assert mapper.load(place).warnings == ()
