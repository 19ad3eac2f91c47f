"""What ``compare`` puts beside the builds: a page, data and tables, names of others kept text."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from mapper.api.paths import CompareOptions, compare_model
from mapper.compare.folder import read_comparison
from mapper.compare.read import read_sides
from mapper.cost import Range
from mapper.diagnostics import MappingError
from mapper.report.comparison.data import Differences, SideBySide, difference_table
from mapper.report.comparison.tables import ratio
from mapper.report.comparison.written import as_csv, as_latex, as_markdown
from mapper.report.warned import UNCALIBRATED
from mapper.writing import json_text
from tests.files import DEMO
from tests.report.pages import COMPARED, HOSTILE, comparison_page, hostile_comparison

TARGETS = Path(__file__).resolve().parents[2] / "targets"
NAME = f"=1+1|&%$#_{{}}~^\\input{{x}}\n{HOSTILE}"
FILES = ("compare.html", *(f"comparison.{kind}" for kind in ("csv", "json", "md", "tex")))


@pytest.fixture(scope="module")
def sides() -> SideBySide:
    return read_sides(hostile_comparison(NAME))


def test_builds_of_an_earlier_comparison_stay_and_are_told(tmp_path: Path) -> None:
    model = DEMO / "model.onnx"
    both = compare_model(model, CompareOptions(targets=COMPARED, output=tmp_path))
    assert both.warnings == (f"{COMPARED[1]}: {UNCALIBRATED}",)
    (tmp_path / "notes").mkdir()
    fewer = compare_model(model, CompareOptions(targets=COMPARED[:1], output=tmp_path))
    assert fewer.warnings == (
        f"{tmp_path} also has files that are not of this comparison: {COMPARED[1]}",
    )
    assert (tmp_path / COMPARED[1] / "manifest.json").exists()
    assert COMPARED[1] not in (tmp_path / "compare.html").read_text(encoding="utf-8")


def test_files_of_the_users_in_a_build_of_a_comparison_stay_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    model = DEMO / "model.onnx"
    compare_model(model, CompareOptions(targets=COMPARED[1:], output=tmp_path))
    (tmp_path / COMPARED[1] / "notes.txt").write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MappingError, match=r"did not write 'notes.txt'"):
        compare_model(model, CompareOptions(targets=COMPARED, output=tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


def test_the_folder_has_every_form_and_the_same_bytes_again(tmp_path: Path) -> None:
    model = DEMO / "model.onnx"
    asked = [CompareOptions(targets=COMPARED, output=tmp_path / name) for name in "ab"]
    answers = [compare_model(model, options) for options in asked]
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    kept = (tmp_path / "a" / "comparison.json").read_text(encoding="utf-8")
    assert kept == json_text(answers[0].as_dict()) + "\n"
    assert read_comparison(tmp_path / "a") == answers[0].side_by_side()


@pytest.mark.parametrize(
    "name",
    ["../escaped", "a/b", "..", "adcless-64", "ADCless-64", "compare.html", "Comparison.csv"],
)
def test_builds_keep_to_folders_of_their_own(tmp_path: Path, name: str) -> None:
    text = (TARGETS / "adcless-64.toml").read_text(encoding="utf-8")
    other = tmp_path / "other.toml"
    other.write_text(text.replace('name = "adcless-64"', f'name = "{name}"', 1), encoding="utf-8")
    with pytest.raises(MappingError) as refused:
        compare_model(
            DEMO / "model.onnx",
            CompareOptions(targets=("adcless-64", str(other)), output=tmp_path / "c"),
        )
    assert [found.code for found in refused.value.diagnostics] == ["target-value"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.toml"]


def test_a_comparison_that_fails_leaves_nothing(tmp_path: Path) -> None:
    text = (TARGETS / "adcless-64.toml").read_text(encoding="utf-8")
    tiny = tmp_path / "tiny.toml"
    small = text.replace('name = "adcless-64"', 'name = "tiny"', 1).replace(
        "tiles = 1024", "tiles = 1"
    )
    small = small.replace("max_chips = 16", "max_chips = 1")
    tiny.write_text(small, encoding="utf-8")
    with pytest.raises(MappingError) as refused:
        compare_model(
            DEMO / "model.onnx",
            CompareOptions(targets=("adcless-64", str(tiny)), output=tmp_path / "c"),
        )
    assert [found.code for found in refused.value.diagnostics] == ["too-many-crossbars"]
    assert not (tmp_path / "c").exists()


def test_a_ratio_is_of_equal_ends_and_none_over_zero() -> None:
    value, base = Range(1.0, 6.0, 8.0), Range(2.0, 3.0, 8.0)
    assert ratio(value, base) == Range(low=0.5, nominal=2.0, high=2.0)
    assert ratio(value, base._replace(low=0.0)) is None


def test_csv_has_the_numbers_in_full_and_no_formula(sides: SideBySide) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(sides))))
    assert rows[1]["target"].startswith("'=1+1")
    for row, side in zip(rows, sides.sides, strict=True):
        assert float(row["energy_pJ_high"]) == side.energy_pj.high
    assert [rows[0][f"latency_ratio{end}"] for end in ("", "_low", "_high")] == ["1.0"] * 3


@pytest.mark.parametrize("name", ["=1+1", " -1", "\uff1d1+1", "\uff0b1", "\uff20x"])
def test_csv_takes_wide_signs_for_what_they_are(sides: SideBySide, name: str) -> None:
    named = replace(sides, sides=(replace(sides.first, name=name),))
    (row,) = csv.DictReader(io.StringIO(as_csv(named)))
    assert row["target"].startswith("'")


def test_markdown_keeps_its_columns_and_no_markup(sides: SideBySide) -> None:
    lines = as_markdown(sides).splitlines()
    bars = [line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines[:4]]
    assert len(set(bars)) == 1
    assert lines[4] == ""
    assert "<script" not in "".join(lines)


def test_latex_keeps_its_cells_and_no_command(sides: SideBySide) -> None:
    text = as_latex(sides)
    assert "\\input" not in text
    costs, equal, _ = text.split("\\bottomrule")
    for table, cells in ((costs, 10), (equal, 8)):
        row = table.splitlines()[-1]  # of the name of others
        assert row.replace("\\&", "").count("&") == cells - 1
    assert text.splitlines()[1] == "% Needs \\usepackage{booktabs}."


def test_a_hostile_name_is_text_on_the_page() -> None:
    page = comparison_page(NAME)
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_only_what_differs_is_listed() -> None:
    one, other = {"a": [1, 2], "b": {"c": 3}}, {"a": [1, 4], "b": {"c": 3}, "d": 5}
    same = difference_table(["x", "y"], [one, one])
    assert same == Differences(columns=("entry", "x", "y"), rows=())
    found = difference_table(["x", "y"], [{"summary": "A", **one}, {"summary": "B", **other}])
    # Sentences come last.
    assert found.rows == (("a[1]", "2", "4"), ("d", "not there", "5"), ("summary", "A", "B"))
