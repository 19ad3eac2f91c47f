"""Sizes and numbers of NIR files that are made to do harm: each is refused for its own reason."""

import zlib

import h5py
import numpy as np
import pytest

from tests.frontend.nir_models import raw
from tests.frontend.test_nir_files import ONE, refusal, tree


def packed(tmp_path, shape, **options):
    """Write a file whose neuron has its time constant stored like this; return its path."""
    path = raw(tmp_path / "net.nir", tree())
    with h5py.File(path, "r+") as file:
        neuron = file["node/nodes/n"]
        del neuron["tau"]
        neuron.create_dataset("tau", shape, "f8", **options)
    return path


def test_a_chunk_that_is_larger_than_its_dataset_is_counted(tmp_path):
    """A packed chunk is unpacked whole: one number of a file of kilobytes would take gigabytes."""
    large = {"maxshape": (None,), "chunks": (1 << 24,), "compression": "gzip"}
    found = refusal(packed(tmp_path, (1,), **large))
    assert found.code == "model-too-large"
    assert found.message.startswith("16777216 elements bring it to 134")


def test_a_chunk_that_unpacks_to_more_than_its_numbers_is_refused(tmp_path):
    path = packed(tmp_path, (1,), chunks=(1,), compression="gzip")
    with h5py.File(path, "r+") as file:
        file["node/nodes/n/tau"].id.write_direct_chunk((0,), zlib.compress(bytes(1 << 25), 9))
    assert refusal(path).message == "a chunk of 8 bytes unpacks to more"


def test_filters_that_unpack_by_settings_of_the_file_are_refused(tmp_path):
    path = packed(tmp_path, (1,), data=2 * ONE, chunks=(1,), scaleoffset=3)
    assert "packed with filter 6" in refusal(path).message


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([10**9], "an input of 1000000000 elements, at most 67108864 are read"),
        ([1] * 9, "it has 1 to 8 axes"),
        ([0], "none empty"),
    ],
)
def test_an_input_that_is_too_large_or_empty(tmp_path, shape, said):
    held = tree()
    held["node"]["nodes"]["input"]["shape"] = np.asarray(shape)
    assert said in refusal(raw(tmp_path / "net.nir", held)).message


def test_a_padding_of_a_billion_does_not_fail_to_fit_but_is_too_large(tmp_path):
    held = tree()
    pool = {"type": "SumPool2d", "kernel_size": [2, 2], "stride": [2, 2], "padding": [10**9] * 2}
    put_pool = {name: np.asarray(v) if name != "type" else v for name, v in pool.items()}
    held["node"]["nodes"] |= {"p": put_pool}
    held["node"]["nodes"]["input"]["shape"] = np.asarray([1, 4, 4])
    held["node"]["edges"] = [["input", "p"], ["p", "n"], ["n", "output"]]
    found = refusal(raw(tmp_path / "net.nir", held))
    assert found.code == "model-too-large"
    assert found.message.startswith("padded maps are 1 of [2000000004, 2000000004]")


def test_a_weight_past_single_precision_is_no_other_fault(tmp_path):
    held = tree()
    held["node"]["nodes"]["w"] = {"type": "Linear", "weight": np.full((1, 1), 1e200)}
    held["node"]["edges"] = [["input", "w"], ["w", "n"], ["n", "output"]]
    found = refusal(raw(tmp_path / "net.nir", held))
    assert (found.code, found.message) == (
        "nan-weights",
        "'w.weight' holds inf, magnitudes of at most 1e+30 are read",
    )


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ([["input", "n"], ["n", "output"], ["output", "input"]], "'output' -> 'input' leads out"),
        ([["input", "n"], ["n", "output"], ["n", "input"]], "'n' -> 'input' leads out"),
        ([[0.5, 1.0], [1.0, 2.0]], "a text is '0.5'"),
        ([[np.nan, np.inf]], "a text is 'nan'"),
    ],
)
def test_edges_that_no_graph_has(tmp_path, edges, said):
    held = tree()
    held["node"]["edges"] = edges if isinstance(edges[0][0], str) else np.asarray(edges)
    found = refusal(raw(tmp_path / "net.nir", held))
    assert found.code == "invalid-model"
    assert said in found.message


def test_a_delay_below_0_is_no_delay_that_differs(tmp_path):
    held = tree()
    held["node"]["nodes"]["d"] = {"type": "Delay", "delay": -5 * ONE}
    held["node"]["edges"] = [["input", "d"], ["d", "n"], ["n", "output"]]
    found = refusal(raw(tmp_path / "net.nir", held))
    assert (found.code, found.message) == ("invalid-model", "a delay is -5, it must be 0 or more")
