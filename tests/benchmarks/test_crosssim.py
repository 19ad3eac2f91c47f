"""The comparison with CrossSim: our side of it, and what is said where the peer is missing."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import crosssim, crosssim_core

DOCS = Path(__file__).parents[2] / "docs" / "validation.md"
MODELS = {model.name: model for model in crosssim.models()}


@pytest.mark.parametrize("name", MODELS)
def test_columns_of_dies_have_the_mean_and_sigma_of_the_formula(name):
    """Within 4 standard errors, over 50 dies: seeds are fixed, so it passes always or never."""
    found = crosssim.moments(crosssim.die_errors(MODELS[name], 50))
    mean, sigma = crosssim.formula(MODELS[name])
    assert found.mean == pytest.approx(mean, abs=4 * found.mean_error)
    assert found.sigma == pytest.approx(sigma, abs=4 * found.sigma_error)
    assert found.sigma_error < 0.01 * sigma  # so a fault of 4 % would show


def test_the_formula_by_hand():
    """A cell of 0 counts and sigma 1, cut at 0: mean 1 / sqrt(2 pi), mean square 1 / 2."""
    mean, variance = crosssim._cut(0.0, 1.0)
    assert mean == pytest.approx(1 / np.sqrt(2 * np.pi))
    assert variance == pytest.approx(0.5 - 1 / (2 * np.pi))
    assert crosssim._cut(5.0, 0.0) == (5.0, 0.0)


def test_the_document_has_what_dies_come_to():
    row = next(
        line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| rram-wan |")
    )
    found = crosssim.moments(crosssim.die_errors(MODELS["rram-wan"], crosssim.DRAWS))
    mean, sigma = crosssim.formula(MODELS["rram-wan"])
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[2] == f"{found.mean:.4f} ± {found.mean_error:.4f}"
    assert cells[4] == f"{mean:.4f}"
    assert cells[5] == f"{found.sigma:.4f} ± {found.sigma_error:.4f}"
    assert cells[7] == f"{sigma:.4f}"


def test_both_sides_are_compared_with_their_standard_errors():
    """A peer whose columns are twice as wide and half a count higher."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0, 1, (100, 4, 3)), rng.normal(0.5, 2, (100, 4, 3))
    alone = crosssim.compare(MODELS["rram-wan"], 2, peer=False)
    found = crosssim._beside(replace(alone, dies=crosssim.moments(ours)), ours, theirs)
    assert found.ratio == pytest.approx(0.5, abs=4 * found.ratio_error)
    assert found.ratio_error == pytest.approx(0.5 / np.sqrt(1200), rel=0.2)
    assert found.worst_mean > 3
    assert found.worst_sigma > 3
    assert f"| {found.ratio:.3f} ± {found.ratio_error:.3f} |" in list(crosssim.table([found]))[2]


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_without_crosssim_it_says_so_and_what_to_do(arguments, monkeypatch, capsys):
    monkeypatch.setattr(crosssim_core, "is_there", lambda: False)
    assert crosssim.main(arguments) == 0
    printed = capsys.readouterr().out
    said = json.loads(printed)["skipped"] if arguments else printed
    assert "CrossSim is missing" in said
    assert "https://github.com/sandialabs/cross-sim" in said


def test_another_package_of_that_name_is_not_imported(tmp_path, monkeypatch):
    package = tmp_path / "simulator"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "simulator", raising=False)
    assert not crosssim_core.is_there()


def test_one_draw_has_no_spread():
    with pytest.raises(SystemExit):
        crosssim.main(["--draws", "1"])
