"""The kernels refuse a layer that does not fit together, whatever the caller says."""

import numpy as np
import pytest

from mapper.executor.native import NativeExecutor, unavailable
from mapper.executor.native.core import run_layer
from mapper.executor.native.steps import LayerStep
from mapper.ir.windows import Window
from tests.builders import Builder, adc, random_weights, sense_amp

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())


def described(read=None, **grid):
    """Return the fields and arrays of one small layer with room for its result."""
    net = Builder()
    x = net.input("x", (4, 5, 5))
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    net.outputs(
        net.crossbars(x, random_weights(36, 6), read or sense_amp(1), window=window, **grid)
    )
    step = next(iter(NativeExecutor(net.graph(), level=0).plan.steps))
    assert isinstance(step, LayerStep)
    (phase,) = step.layer.phases
    fields = phase.fields | {"T": 1, "B": 1, "has_neurons": 0}
    arrays = phase.arrays | {
        "x": np.zeros((1, 1, 1, 5, 5, 1), np.uint64),
        "y_out": np.zeros((1, 1, 5, 5, 6), np.int32),
    }
    return fields, arrays


def test_a_whole_layer_runs():
    fields, arrays = described()
    run_layer(0, fields, arrays, 0, 1)


@pytest.mark.parametrize("name", ["x", "weights", "refs", "rowmap", "combos", "y_out", "start"])
def test_an_array_of_another_length_is_refused(name):
    fields, arrays = described()
    for wrong in (arrays[name].reshape(-1)[:-1].copy(), np.append(arrays[name], 0), None):
        with pytest.raises(ValueError, match="does not fit together"):
            run_layer(0, fields, arrays | {name: wrong}, 0, 1)


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("rowmap", 0, 5),
        ("rowmap", 0, -2),
        ("colmap", 3, 99),
        ("combos", 1, 99),
        ("combos", 2, 1 << 20),
        ("segments", 0, -1),
        ("segments", 1, 50),
        ("segments", 3, 1000),
        ("segments", 4, 30),
        ("blocks", 0, 7),
        ("blocks", 1, 4),
        ("blocks", 2, -1),
        ("clusters", 1, 99),
        ("clusters", 2, 30),
    ],
)
def test_a_table_that_points_elsewhere_is_refused(name, at, value):
    fields, arrays = described()
    table = arrays[name].copy()
    table.reshape(-1)[at] = value
    with pytest.raises(ValueError, match="does not fit together"):
        run_layer(0, fields, arrays | {name: table}, 0, 1)


@pytest.mark.parametrize("name", ["planes", "T", "H", "Ho", "PH", "rows", "Npad", "depth", "kind"])
def test_a_number_that_does_not_fit_is_refused(name):
    fields, arrays = described()
    for value in (-1, 1 << 40):
        with pytest.raises(ValueError, match="does not fit together"):
            run_layer(0, fields | {name: value}, arrays, 0, 1)
    del fields[name]
    with pytest.raises(ValueError, match=name):
        run_layer(0, fields, arrays, 0, 1)


def test_jobs_that_are_not_there_are_refused():
    fields, arrays = described()
    for first, last in ((0, 99), (-1, 1), (1, 0)):
        with pytest.raises(ValueError, match="jobs"):
            run_layer(0, fields, arrays, first, last)
    with pytest.raises(ValueError, match="instructions"):
        run_layer(7, fields, arrays, 0, 1)


def test_cells_as_numbers_are_checked_too():
    fields, arrays = described(read=adc("sar", 3, 1))
    run_layer(0, fields, arrays, 0, 1)
    with pytest.raises(ValueError, match="weights"):
        run_layer(0, fields, arrays | {"weights": arrays["weights"][:-1].copy()}, 0, 1)
