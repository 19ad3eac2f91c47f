"""Wires against exact solves: the solver by other means, and what the document says."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import crosssim_core, nodal, wires

DOCS = Path(__file__).parents[2] / "docs" / "validation.md"
QUICK = [case for case in wires.CASES if case.size == 64 and case.supply == "gates"]


def by_matrix(cells, driven, r, supply):
    """Solve all nodes of one input as one matrix: wordline nodes first, then bitline nodes."""
    rows, bitlines = cells.shape
    count, at = rows * bitlines, np.arange(rows * bitlines).reshape(rows, bitlines)
    matrix, source = np.zeros((2 * count, 2 * count)), np.zeros(2 * count)

    def link(a, b, conductance):
        for i, j in ((a, b), (b, a)):
            matrix[i, i] += conductance
            matrix[i, j] -= conductance

    def hold(a, conductance, voltage):
        matrix[a, a] += conductance
        source[a] += conductance * voltage

    for i in range(rows):
        for j in range(bitlines):
            link(at[i, j], count + at[i, j], cells[i, j] * driven[i])
            if supply == "gates":
                hold(at[i, j], 1e9, 1.0)
            elif j == 0:
                hold(at[i, 0], 1 / r, 1.0)
            else:
                link(at[i, j - 1], at[i, j], 1 / r)
            if i == rows - 1:
                hold(count + at[i, j], 1 / r, 0.0)
            else:
                link(count + at[i, j], count + at[i + 1, j], 1 / r)
    voltages = np.linalg.solve(matrix, source)
    return voltages[count + at[-1]] / r


@pytest.mark.parametrize("supply", ["rows", "gates"])
@pytest.mark.parametrize("size", [(1, 1), (6, 4), (3, 7)])
def test_the_solver_equals_one_matrix_of_all_nodes(size, supply):
    rng = np.random.default_rng(0)
    cells, x = 0.05 + rng.random(size), np.vstack([np.ones(size[0]), rng.integers(0, 2, size[0])])
    found = nodal.currents(cells, x, 0.02, supply)
    expected = [by_matrix(cells, driven, 0.02, supply) for driven in x]
    assert found == pytest.approx(np.array(expected), abs=1e-8)


def test_one_cell_by_hand():
    """A cell of 1 count between two segments of 0.05: 1 / 1.1; on a gate 1 / 1.05."""
    one = np.ones((1, 1))
    assert nodal.currents(one, one, 0.05, "rows").item() == pytest.approx(1 / 1.1, rel=1e-12)
    assert nodal.currents(one, one, 0.05, "gates").item() == pytest.approx(1 / 1.05, rel=1e-12)


@pytest.mark.parametrize("case", QUICK, ids=str)
def test_the_document_has_what_crossbars_come_to(case):
    found = wires.solve(case)
    ours = [cell.strip() for cell in wires.case_row(case, found).split("|")]
    rows = [line.split("|") for line in DOCS.read_text("utf-8").splitlines()]
    held = next(row for row in rows if [cell.strip() for cell in row[1:4]] == ours[1:4])
    peer = 7
    assert [c.strip() for i, c in enumerate(held) if i != peer] == [
        c for i, c in enumerate(ours) if i != peer
    ]
    assert found.dies < 0.1 * found.ignored
    assert found.dies_decisions < found.ignored_decisions


def test_rows_that_supply_cells_lose_more_and_the_tangent_follows():
    found = wires.solve(wires.Case(32, "rows", 1e-3, 0.5, samples=20))
    assert found.loss == pytest.approx(0.25, abs=0.05)
    assert found.dies < 0.03 * found.ignored


def test_replica_columns_and_turns_are_behind_wires_too(monkeypatch):
    """At a tenth of the documented resistance errors are a hundredth, as of a second order."""
    monkeypatch.setattr(wires, "SHARE", 4e-5)
    monkeypatch.setattr(wires, "LAYER_SAMPLES", 20)
    halves, ideal = wires.replicas()
    assert halves.dies < 0.02 < 0.1 < halves.ignored < ideal
    taken = wires.turns()
    assert taken.dies < 0.01 < 0.1 < taken.ignored


def test_data_for_machines(monkeypatch, capsys):
    monkeypatch.setattr(wires, "CASES", (wires.Case(8, "gates", 1e-3, 0.5, samples=4),))
    monkeypatch.setattr(wires, "LAYER_SAMPLES", 4)
    monkeypatch.setattr(crosssim_core, "is_there", lambda: False)
    assert wires.main(["--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == "spikeloom/wires/1"
    assert data["crossbars"][0]["crosssim"] is None
    assert set(data["layers"]) == {"replicas", "turns"}
    assert wires.main([]) == 0
    assert "CrossSim is missing" in capsys.readouterr().out
