"""Numbers that no engine computes with are refused where a model is read, by name."""

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.frontend.limits import check_limits
from mapper.ir.core import FLOAT, Graph, Value
from mapper.ir.network import MaxPool2d, Scale
from mapper.ir.windows import Window

X = Value("x", FLOAT, (1, 4, 4))


def refused(op) -> tuple[str, str]:
    graph = Graph(name="g", inputs=(X,), outputs=op.results, ops=(op,))
    with pytest.raises(MappingError) as told:
        check_limits(graph)
    (one,) = told.value.diagnostics
    return one.code, one.message


@pytest.mark.parametrize("number", [1e300, float("inf"), float("nan")])
def test_a_number_past_single_precision_is_refused(number):
    code, message = refused(Scale(x=X, factor=number, result=Value("y", FLOAT, X.shape)))
    assert code == "out-of-range"
    assert message.startswith(f"factor is {number}")


def test_maps_of_terabytes_are_refused_before_they_are_made():
    window = Window(kernel=(1, 1), padding=(1 << 22, 0, 1 << 22, 1 << 22))
    pool = MaxPool2d(x=X, window=window, result=Value("y", FLOAT, (1, *window.output_size(4, 4))))
    code, message = refused(pool)
    assert code == "out-of-range"
    assert "sizes are" in message


def test_what_engines_compute_with_is_not():
    op = Scale(x=X, factor=np.float32(3e38).item(), result=Value("y", FLOAT, X.shape))
    check_limits(Graph(name="g", inputs=(X,), outputs=op.results, ops=(op,)))
