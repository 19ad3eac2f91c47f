"""The simulator that the executor is raced with computes the same integers."""

import sys

import numpy as np
import pytest

from benchmarks import crosssim_core, peer
from benchmarks.executor import linear_layer
from mapper.executor.native import NativeExecutor
from mapper.kernels.core import unavailable

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())


def results(bits: int, codes: np.ndarray) -> np.ndarray:
    executor = NativeExecutor(linear_layer(bits), threads=1)
    return executor.run({"x": codes[None]})["layer0"][0]


@pytest.mark.parametrize("bits", [1, 8])
def test_both_give_the_same_integers_also_where_converters_saturate(bits):
    rng = np.random.default_rng(bits)
    name, run = peer.make_peer(linear_layer(bits))
    top = (1 << bits) - 1
    for codes in (rng.integers(0, top + 1, (3, 512)), np.full((1, 512), top)):
        peer.check_peer(name, run(codes), results(bits, codes))


def test_without_converters_that_saturate_the_layer_is_its_matrix():
    graph, codes = linear_layer(8), np.zeros((2, 512), np.int64)
    codes[:, ::10] = np.random.default_rng(0).integers(0, 256, codes[:, ::10].shape)
    weight = graph.constants["layer0.w"].astype(np.int64)
    np.testing.assert_array_equal(results(8, codes), codes @ weight)
    saturated = np.full((1, 512), 255)
    assert (results(8, saturated) != saturated @ weight)[0].nonzero()[0].tolist() == [0]


def test_another_result_is_refused_with_both_numbers():
    ours = np.array([[3, -4, 5]])
    peer.check_peer("it", ours + 1e-9, ours)
    with pytest.raises(AssertionError, match=r"2 of 3 results of it differ, by up to 2\.0"):
        peer.check_peer("it", ours + np.array([0.0, 2.0, -1.0]), ours)
    with pytest.raises(AssertionError, match="it gives numbers that are not whole"):
        peer.check_peer("it", ours + 0.01, ours)


def test_the_release_is_that_of_the_sources_on_the_path(tmp_path, monkeypatch):
    (tmp_path / "simulator").mkdir()
    (tmp_path / "simulator" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "simulator", raising=False)
    assert crosssim_core.release() == "of unknown version"
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "3.2.0"\n')
    assert crosssim_core.release() == "3.2.0"
