"""Currents behind wires by the kernels: the bits of the NumPy definition, which computes alone."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.kernels import core
from passes.dies import wires
from passes.dies.wires import behind_wires
from tests.campaigns import examples

pytestmark = pytest.mark.skipif(bool(core.unavailable()), reason=core.unavailable())


def by_numpy(*arguments):
    with patch.object(wires.core, "unavailable", lambda: "left out"):
        return behind_wires(*arguments)


@settings(max_examples=examples(60), deadline=None)
@given(
    copies=st.integers(1, 3),
    rows=st.integers(1, 70),
    bitlines=st.integers(1, 70),
    segment=st.sampled_from([0.0, 1e-9, 1e-4, 1e-2, 1.0, 1e3]),
    supply=st.sampled_from(["rows", "gates"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_kernels_give_the_bits_of_numpy(copies, rows, bitlines, segment, supply, seed):
    """Also where a bitline loses more than it has, where cells are 0 and where rows are silent."""
    rng = np.random.default_rng(seed)
    cells = rng.random((copies, rows, bitlines)) * 20 * (rng.random((copies, rows, bitlines)) < 0.8)
    activity = rng.random(rows) * (rng.random(rows) < 0.8)
    found = behind_wires(cells, activity, segment, supply)
    expected = by_numpy(cells, activity, segment, supply)
    assert found.cells.tobytes() == expected.cells.tobytes()
    assert found.constant.tobytes() == expected.constant.tobytes()


def test_one_crossbar_without_an_axis_of_copies_is_taken_too():
    cells, activity = np.full((3, 2), 1.0), np.array([0.5, 0.0, 1.0])
    found = behind_wires(cells, activity, 0.01, "rows")
    assert found.cells.shape == (3, 2)
    assert found.cells.tobytes() == by_numpy(cells, activity, 0.01, "rows").cells.tobytes()
    assert (found.cells < 1.0).all()


def test_kernels_refuse_arrays_of_other_sizes():
    arrays = {
        name: np.zeros(4)
        for name in ("cells", "mean", "segment", "behind", "wordline", "bitline", "carried")
    }
    fields = {"C": 1, "R": 2, "B": 2, "rounds": 12, "supplied": 0}
    with pytest.raises(ValueError, match="mean"):
        core.behind_wires(fields, arrays)
    with pytest.raises(ValueError, match="rounds"):
        core.behind_wires({**fields, "rounds": 10**9}, arrays)
    with pytest.raises(ValueError, match="sizes"):
        core.behind_wires({**fields, "R": 1 << 62}, arrays)
