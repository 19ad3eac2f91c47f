"""Recordings: what is read, how inputs are coded, and what is refused."""

import io
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mapper import npz
from mapper.diagnostics import MappingError
from mapper.inputs import take_inputs
from mapper.ir.core import SPIKE, Coding, Graph, IntType, Value
from mapper.ir.weights import load_constants
from mapper.recordings import measure_codes, read_arrays, to_codes

X = Value("x", SPIKE, (2, 3))
Y = Value("y", SPIKE, (4,))


def code(call, *args) -> str:
    with pytest.raises(MappingError) as refused:
        call(*args)
    return refused.value.diagnostics[0].code


def message(call, *args) -> str:
    with pytest.raises(MappingError) as refused:
        call(*args)
    return refused.value.diagnostics[0].message


def test_arrays_of_one_sample_get_a_batch_axis():
    found, _ = take_inputs({"x": np.zeros((5, 2, 3))}, (X,), "x.npz")
    assert found["x"].shape == (5, 1, 2, 3)


def test_a_lone_array_may_have_any_name():
    found, _ = take_inputs({"events": np.zeros((5, 1, 2, 3))}, (X,), "x.npz")
    assert set(found) == {"x"}


def test_names_and_shapes_are_refused_together_with_what_is_there():
    with pytest.raises(MappingError) as refused:
        take_inputs({"x": np.zeros((5, 1, 9)), "z": np.zeros(1)}, (X, Y), "x.npz")
    assert [str(d) for d in refused.value.diagnostics] == [
        "error[input-shape]: input 'x' has shape (5, 1, 9), expected [T, B, 2, 3] or "
        "[T, 2, 3]\n  --> x.npz\n  help: T time steps and B samples come first, all at least 1",
        "error[input-name]: no array for input 'y'; there is 'x', 'z'\n"
        "  --> x.npz\n  help: name an array 'y', of shape [T, B, 4] or [T, 4]",
    ]


def test_inputs_of_different_lengths_are_refused():
    arrays = {"x": np.zeros((5, 1, 2, 3)), "y": np.zeros((4, 1, 4))}
    differ = "time steps and samples differ: 'x' has 5 and 1, 'y' has 4 and 1"
    assert differ == message(take_inputs, arrays, (X, Y), "x.npz")


@pytest.mark.parametrize("steps", [0, 3])
def test_empty_recordings_are_refused(steps):
    arrays = {"x": np.zeros((steps, 0, 2, 3))}
    assert code(take_inputs, arrays, (X,), "x.npz") == "input-shape"


def test_codes_are_as_wide_as_the_greatest_count():
    """5 needs three bits; -2..1 needs two signed ones; spikes stay spikes."""
    codes = measure_codes({"a": np.array([0, 5]), "b": np.array([-2, 1]), "c": np.array([0.0])})
    assert [str(codes[name].type) for name in "abc"] == ["u3", "i2", "u1"]


def test_analogue_inputs_get_eight_bits_over_their_range():
    codes = measure_codes({"a": np.array([0.0, 0.5]), "b": np.array([-1.0, 0.5])})
    assert (str(codes["a"].type), codes["a"].step) == ("u8", 0.5 / 255)
    assert (str(codes["b"].type), codes["b"].step) == ("i8", 1 / 128)


def graph_of(type: IntType, step: float = 1.0) -> Graph:
    value = Value("x", type, (1,))
    return Graph(name="g", inputs=(value,), outputs=(value,), codings={"x": Coding(scale=step)})


def test_values_outside_the_code_are_refused_with_both_ranges():
    inputs = {"x": np.array([[[3]]])}
    assert message(to_codes, graph_of(SPIKE), inputs, "x.npz") == (
        "input 'x' spans 3..3, the network was compiled for spikes (0 or 1): 0..1"
    )


def test_fractions_are_refused_where_the_network_takes_integers():
    inputs = {"x": np.array([[[0.5]], [[1.0]]])}
    assert "no integers" in message(to_codes, graph_of(SPIKE), inputs, "x.npz")


def test_analogue_values_are_rounded_to_the_nearest_code():
    graph = graph_of(IntType(8, signed=False), step=0.1)
    assert to_codes(graph, {"x": np.array([[[0.26]]])}, "x.npz")["x"].tolist() == [[[3]]]


def written(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_files_that_hold_no_finite_numbers_are_refused(tmp_path):
    assert code(read_arrays, tmp_path / "missing.npz") == "bad-recording"
    (tmp_path / "text.npz").write_text("hello")
    assert code(read_arrays, tmp_path / "text.npz") == "bad-recording"
    whole = written(tmp_path / "whole.npz", x=np.zeros(9)).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-30])
    assert code(read_arrays, tmp_path / "cut.npz") == "bad-recording"
    assert "NaN" in message(read_arrays, written(tmp_path / "nan.npz", x=np.array([np.nan])))
    assert "not numbers" in message(read_arrays, written(tmp_path / "s.npz", x=np.array(["a"])))


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "pickle.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert code(read_arrays, path) == "bad-recording"


def test_a_file_that_claims_more_than_it_holds_is_refused_before_allocating(tmp_path):
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (1 << 20, 1 << 20)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    assert "at most" in message(read_arrays, tmp_path / "bomb.npz")


def test_numbers_no_network_takes_are_refused():
    """Beyond single precision; wider than any code; closer to zero than a step can be."""
    assert code(take_inputs, {"x": np.full((1, 1, 2, 3), 1e31)}, (X,), "x.npz") == "input-range"
    assert "65 bits" in message(measure_codes, {"x": np.array([(1 << 64) - 1], np.uint64)})
    assert "1e-30" in message(measure_codes, {"x": np.array([0.0, 1e-40])})


def test_a_value_that_64_bits_do_not_hold_is_out_of_range_like_any_other():
    inputs = {"x": np.array([[[1e25]]])}
    assert code(to_codes, graph_of(SPIKE), inputs, "x.npz") == "input-range"


def test_an_array_header_that_is_no_python_is_refused(tmp_path):
    text = b"{'descr': '<f8', 'shape': (1,"  # ends inside a bracket
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", header)
    assert code(read_arrays, tmp_path / "x.npz") == "bad-recording"
    with pytest.raises(MappingError, match="bad-weights"):
        load_constants(tmp_path / "x.npz")


def test_a_small_file_that_unpacks_to_very_much_is_refused_before_allocating(tmp_path):
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros(1 << 24, np.uint8))
    assert "unpack to 16777216 numbers" in message(read_arrays, tmp_path / "zeros.npz")
    np.savez(tmp_path / "plain.npz", x=np.zeros(1 << 24, np.uint8))
    assert read_arrays(tmp_path / "plain.npz")["x"].size == 1 << 24


def test_damaged_compressed_data_is_refused(tmp_path):
    """The first byte of the compressed array says a kind of block that there is none of."""
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(9))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    name, extra = (int.from_bytes(data[at : at + 2], "little") for at in (26, 28))
    data[30 + name + extra] = 0xFF
    (tmp_path / "x.npz").write_bytes(data)
    assert code(read_arrays, tmp_path / "x.npz") == "bad-recording"


@pytest.mark.parametrize("shape", ["(True, 2)", "(-1, 2)", "(2.0,)", "None", "((2,), 2)"])
def test_an_array_header_whose_sizes_are_no_numbers_is_refused(shape, tmp_path):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", header + b"\0\0")
    assert code(read_arrays, tmp_path / "x.npz") == "bad-recording"


def test_a_larger_file_may_unpack_to_more_but_not_to_a_thousandfold(tmp_path, monkeypatch):
    """Of a file of 1 MB: 100 MB always, and 10 MB of what is nearly empty."""
    monkeypatch.setattr(npz, "FREE_BYTES", 0)
    monkeypatch.setattr(npz, "MOST_EMPTY_BYTES", 10 << 20)
    random = np.random.default_rng(1).integers(0, 256, 1 << 20, np.uint8)
    for zeros, good in ((10 << 20, True), (15 << 20, False)):  # 8 bytes each, as codes
        np.savez_compressed(tmp_path / "x.npz", noise=random, x=np.zeros(zeros, np.uint8))
        if good:
            assert read_arrays(tmp_path / "x.npz")["x"].size == zeros
        else:
            assert "unpack to" in message(read_arrays, tmp_path / "x.npz")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.npz")
    assert "no regular file" in message(read_arrays, tmp_path / "x.npz")


def test_an_array_that_occurs_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for value in (0, 1):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile itself warns of the second name
                file = io.BytesIO()
                np.save(file, np.array([value]))
                archive.writestr("x.npy", file.getvalue())
    assert "twice" in message(read_arrays, tmp_path / "x.npz")
