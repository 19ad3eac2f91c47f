"""NIR files of every version, files that are none, and files made to do harm."""

import os
import sys
from contextlib import suppress

import h5py
import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.nir import file as nir_file
from mapper.frontend.nir import probe
from mapper.ir.neurons import Neuron
from tests.frontend.nir_models import chain, iaf, put, raw, run, saved

ONE = np.ones(1)
EDGES = [["input", "n"], ["n", "output"]]


def nodes(**more):
    held = {
        "input": {"type": "Input", "shape": np.array([1])},
        "n": {"type": "LIF", "tau": 2 * ONE, "r": 2 * ONE, "v_leak": 0 * ONE, "v_threshold": ONE},
        "output": {"type": "Output", "shape": np.array([1])},
    }
    held["n"].update(more)
    return held


def tree(**more):
    graph = {"type": "NIRGraph", "nodes": nodes(**more), "edges": EDGES}
    return {"version": "1.0.8", "node": graph}


def refusal(path):
    with pytest.raises(MappingError) as caught:
        import_model(path)
    (found,) = caught.value.diagnostics
    return found


def code_of(path):
    return refusal(path).code


# --- versions --------------------------------------------------------------------------------


def test_a_missing_v_reset_is_zero(tmp_path):
    path = raw(tmp_path / "net.nir", tree())
    (neuron,) = import_model(path).graph.ops
    assert (neuron.reset.kind, neuron.reset.amount) == ("value", 0.0)


def test_names_of_the_first_versions_are_read(tmp_path):
    graph = {
        "nodes": {
            "0": {"type": "Input", "shape": np.array([2])},
            "1": {"type": "Linear", "weights": np.ones((1, 2)), "bias": 0.5 * ONE},
            "2": {"type": "LIF", "tau": 2 * ONE, "r": 2 * ONE, "v_leak": 0 * ONE, "theta": ONE},
            "3": {"type": "Output"},
        },
        "edges": np.array([[0, 1], [1, 2], [2, 3]]),
        "version": "0.0.1",
    }
    path = raw(tmp_path / "net.nir", graph)
    found = run(path, [[0.25, 0.0], [0.25, 0.25]], dt=1)
    assert found["3"].ravel().tolist() == [0, 1]


def test_a_missing_w_in_is_one(tmp_path):
    fields = {"tau": 2 * ONE, "tau_mem": 2 * ONE, "tau_syn": 2 * ONE}
    path = raw(tmp_path / "net.nir", tree(type="CubaLIF", **fields))
    assert run(path, [[1.0]], dt=1)["n.i_next"].item() == 0.5


def test_a_file_of_one_node_is_a_network_of_one(tmp_path):
    path = raw(tmp_path / "net.nir", {"version": "1.0.8", "node": nodes()["n"]})
    assert [type(op) for op in import_model(path).graph.ops] == [Neuron]


def test_fixed_width_and_variable_texts_are_read(tmp_path):
    held = tree(type=np.bytes_(b"LIF"))
    held["node"]["edges"] = np.array(EDGES, "S8")
    assert import_model(raw(tmp_path / "net.nir", held)).producer == "nir 1.0.8"


def test_the_suffix_does_not_matter(tmp_path):
    path = raw(tmp_path / "network.bin", tree())
    assert import_model(path).graph.name == "network"


def test_nodes_are_read_in_the_order_of_their_numbers(tmp_path):
    path = saved(tmp_path, chain([1], *(iaf() for _ in range(12))))
    locs = [op.loc.rpartition(":n")[2] for op in import_model(path).graph.ops]
    assert locs == [str(k) for k in range(12)]


# --- not a network ---------------------------------------------------------------------------


def test_a_file_that_is_not_there(tmp_path):
    assert code_of(tmp_path / "net.nir") == "no-such-file"


@pytest.mark.parametrize("data", [b"\x08\x07", b"text" * 100])
def test_a_file_that_is_no_hdf5(data, tmp_path):
    path = tmp_path / "net.nir"
    path.write_bytes(data)
    assert code_of(path) == "not-nir"


def test_hdf5_that_holds_no_network(tmp_path):
    assert code_of(raw(tmp_path / "data.h5", {"data": ONE})) == "not-nir"


HALF = {
    "it has a version and nothing else": {"version": "1.0"},
    "a node has no type": {"version": "1.0", "node": {}},
    "its graph has no nodes": {"version": "1.0", "node": {"type": "NIRGraph"}},
    "its graph has no edges": {
        "version": "1.0",
        "node": {"type": "NIRGraph", "nodes": {"input": {"type": "Input", "shape": ONE}}},
    },
}
"""What stands in a file whose writer stopped at an error, by what is said of it."""


@pytest.mark.parametrize("reason", HALF)
def test_a_half_written_file_says_so(reason, tmp_path):
    with pytest.raises(MappingError) as caught:
        import_model(raw(tmp_path / "net.nir", HALF[reason]))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "truncated-model"
    assert f"the file is half-written: {reason}" in diagnostic.message
    assert "nir.write" in diagnostic.help


def test_an_empty_file_is_half_written(tmp_path):
    path = tmp_path / "net.nir"
    path.write_bytes(b"")
    assert code_of(path) == "truncated-model"


def test_a_cut_file(tmp_path):
    path = saved(tmp_path, chain([1], iaf()))
    path.write_bytes(path.read_bytes()[:-500])
    assert code_of(path) == "truncated-model"


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = saved(tmp_path, chain([1], iaf()))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MappingError, match=r"missing-extra[\s\S]*spikeloom\[nir\]"):
        import_model(path)


@pytest.mark.parametrize(
    "more",
    [
        {"type": "LIFE"},
        {"type": ""},
        {"type": ONE},
        {"tau": "long"},
        {"tau": {"value": ONE}},
        {"tau": np.array([b"x"])},
        {"tau": np.zeros(1, [("a", "f4")])},
        {"tau": np.ones(1, complex)},
        {"tau": np.ones(0)},
    ],
)
def test_a_node_that_makes_no_sense(more, tmp_path):
    assert code_of(raw(tmp_path / "net.nir", tree(**more))) in {
        "invalid-model",
        "unsupported-op",
        "unsupported-neuron",
    }


def test_a_neuron_of_another_kind_is_named_as_one(tmp_path):
    path = raw(tmp_path / "net.nir", tree(type="AdExLIF"))
    assert code_of(path) == "unsupported-neuron"


@pytest.mark.parametrize("edges", [np.zeros((2, 3)), ["ab"], [["input", "x" * 5000]], ONE])
def test_edges_that_make_no_sense(edges, tmp_path):
    held = tree()
    held["node"]["edges"] = edges
    assert code_of(raw(tmp_path / "net.nir", held)) == "invalid-model"


# --- made to do harm -------------------------------------------------------------------------


@pytest.fixture
def hostile(tmp_path):
    """A good file, open for what a test puts into its neuron; and a secret beside it."""
    raw(tmp_path / "secret.h5", {"tau": 2 * ONE, "n": nodes()["n"]})
    held = tree()
    del held["node"]["nodes"]["n"]["tau"]
    path = raw(tmp_path / "net.nir", held)
    with h5py.File(path, "a") as file:
        yield path, file


def neuron(file):
    return file["node/nodes/n"]


@pytest.mark.parametrize(
    "link", [h5py.ExternalLink("secret.h5", "/tau"), h5py.SoftLink("/version")]
)
def test_links_are_not_followed(link, hostile):
    path, file = hostile
    neuron(file)["tau"] = link
    file.close()
    assert code_of(path) == "invalid-model"


def test_a_linked_node_is_not_followed(hostile):
    path, file = hostile
    file["node/nodes/m"] = h5py.ExternalLink("secret.h5", "/n")
    file.close()
    assert code_of(path) == "invalid-model"


def test_numbers_in_another_file_are_not_read(hostile):
    path, file = hostile
    (path.parent / "secret.bin").write_bytes(np.float64(2).tobytes())
    neuron(file).create_dataset("tau", (1,), "f8", external=[("secret.bin", 0, 8)])
    file.close()
    assert code_of(path) == "invalid-model"


def test_a_virtual_dataset_is_not_read(hostile):
    path, file = hostile
    layout = h5py.VirtualLayout((1,), "f8")
    layout[:] = h5py.VirtualSource("secret.h5", "tau", (1,))
    neuron(file).create_virtual_dataset("tau", layout)
    file.close()
    assert code_of(path) == "invalid-model"


def test_a_few_bytes_do_not_become_gigabytes(hostile):
    path, file = hostile
    neuron(file).create_dataset("tau", (1 << 40,), "f8", chunks=(1 << 20,), compression="gzip")
    file.close()
    assert code_of(path) in ("invalid-model", "model-too-large")


def test_many_large_arrays_are_counted_together(hostile, monkeypatch):
    path, file = hostile
    for name in ("tau", "more", "most"):
        neuron(file).create_dataset(name, (1 << 25,), "f8", chunks=(1 << 20,), compression="gzip")
    file.close()
    monkeypatch.setattr(nir_file, "MAX_BYTES", 1 << 20)
    assert code_of(path) == "model-too-large"


def test_references_and_objects_are_not_read(hostile):
    path, file = hostile
    neuron(file).create_dataset("tau", data=np.array([file.ref], object), dtype=h5py.ref_dtype)
    file.close()
    assert code_of(path) == "invalid-model"


def test_arrays_of_any_length_are_not_read(hostile):
    path, file = hostile
    neuron(file).create_dataset("tau", (1,), h5py.vlen_dtype("f8"))
    file.close()
    assert code_of(path) == "invalid-model"


def test_filters_that_h5py_would_load_are_refused(hostile, monkeypatch):
    path, file = hostile
    neuron(file).create_dataset("tau", data=2 * ONE, compression="gzip")
    file.close()
    monkeypatch.setattr(nir_file, "FILTERS", frozenset({2}))
    assert code_of(path) == "invalid-model"


def test_a_graph_that_holds_itself_is_refused(hostile):
    path, file = hostile
    file["node/nodes/again"] = file["node"]
    file.close()
    assert code_of(path) in ("model-too-large", "invalid-model")


def test_groups_that_refer_to_one_another_are_refused_at_once(hostile):
    """Walked, 2 groups of 4 links would be 4**16 groups deep."""
    path, file = hostile
    metadata = file["node"].create_group("metadata")
    one, other = metadata.create_group("one"), metadata.create_group("other")
    for k in range(4):
        one[f"other{k}"], other[f"one{k}"] = other, one
    file.close()
    assert refusal(path).message == "a group is in two places"


def test_what_unpacks_to_more_than_the_file_can_mean_is_refused(hostile, monkeypatch):
    path, file = hostile
    neuron(file).create_dataset("tau", (1 << 20,), "f8", chunks=(1 << 16,), compression="gzip")
    file.close()
    monkeypatch.setattr(nir_file, "FREE_BYTES", 0)  # 8 MB of zeros, in a file of 20 kB
    assert path.stat().st_size < 50_000
    assert "write large arrays uncompressed" in refusal(path).help


def test_texts_of_one_length_count_with_all_their_bytes(hostile):
    path, file = hostile
    metadata = file["node"].create_group("metadata")
    metadata.create_dataset("t", (100,), "S2000000", chunks=(1,), compression="gzip")
    file.close()
    assert code_of(path) == "model-too-large"


def test_texts_of_any_length_are_counted_before_they_are_read(hostile, monkeypatch):
    path, file = hostile
    texts = file["node"].create_group("metadata").create_dataset("t", (50,), h5py.string_dtype())
    texts[...] = "x" * 1000
    file.close()
    most = f"left, parts = {probe.MOST_TEXT}"
    assert most in probe.CODE
    monkeypatch.setattr(probe, "CODE", probe.CODE.replace(most, "left, parts = 10000"))
    assert code_of(path) == "model-too-large"


def test_deep_nesting_is_refused(tmp_path):
    held = tree()["node"]
    for _ in range(40):
        inner = {"input": nodes()["input"], "g": held, "output": nodes()["output"]}
        held = {"type": "NIRGraph", "nodes": inner, "edges": [["input", "g"], ["g", "output"]]}
    path = raw(tmp_path / "net.nir", {"version": "1.0.8", "node": held})
    assert code_of(path) == "model-too-large"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
@pytest.mark.parametrize("name", ["pipe", "pipe.onnx", "pipe.nir"])
def test_a_pipe_in_the_place_of_a_model_is_not_opened(name, tmp_path):
    os.mkfifo(tmp_path / name)  # to open it would wait for someone who writes
    assert code_of(tmp_path / name) == "no-such-file"


def test_many_parts_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(nir_file, "MAX_PARTS", 10)
    assert code_of(raw(tmp_path / "net.nir", tree())) == "model-too-large"


def test_parts_are_counted_before_any_is_read(hostile, monkeypatch):
    path, file = hostile
    for k in range(200):
        file["node/nodes"].create_group(f"dead{k}")["type"] = b"IF"
    file.close()
    most = f"parts > {probe.MAX_PARTS}"
    assert most in probe.CODE
    monkeypatch.setattr(probe, "CODE", probe.CODE.replace(most, "parts > 400"))
    monkeypatch.setattr(nir_file, "_Reader", None)
    with pytest.raises(MappingError, match="the file has more than 32768 parts"):
        import_model(path)


@pytest.mark.campaign(2)
@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_damaged_bytes_end_in_a_diagnostic_or_a_network(at, tmp_path):
    good = saved(tmp_path, chain([1], iaf())).read_bytes()
    rng = np.random.default_rng(int(at * 10))
    path = tmp_path / "bad.nir"
    for _ in range(20):
        data = bytearray(good)
        for place in rng.integers(48, len(data), 8):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        with suppress(MappingError):  # anything else fails the test
            import_model(path)


def test_texts_that_never_end_are_refused(tmp_path, monkeypatch):
    """HDF5 loops on some damaged heaps; here the child that tries does."""
    path = raw(tmp_path / "net.nir", tree())
    monkeypatch.setattr(probe, "PATIENCE", 0.5)
    monkeypatch.setattr(probe, "CODE", "while True: pass")
    assert code_of(path) == "invalid-model"


def test_a_library_that_breaks_off_takes_nothing_with_it(tmp_path, monkeypatch):
    path = raw(tmp_path / "net.nir", tree())
    monkeypatch.setattr(probe, "CODE", "import os; os.abort()")
    assert code_of(path) == "invalid-model"


def test_a_node_that_reads_an_output_is_refused(tmp_path):
    held = tree()
    held["node"]["nodes"]["m"] = held["node"]["nodes"]["n"]
    held["node"]["nodes"]["end"] = {"type": "Output", "shape": np.array([1])}
    held["node"]["edges"] = [*EDGES, ["output", "m"], ["m", "end"]]
    assert code_of(raw(tmp_path / "net.nir", held)) == "invalid-model"


def test_names_from_a_file_are_escaped(tmp_path):
    held = tree()
    held["node"]["nodes"]["\x1b[2Jevil"] = {"type": "Wicked\x1b[2J"}
    held["node"]["edges"] = [["input", "\x1b[2Jevil"], ["\x1b[2Jevil", "output"]]
    with pytest.raises(MappingError) as caught:
        import_model(raw(tmp_path / "net.nir", held))
    assert "\x1b" not in str(caught.value)


def test_metadata_may_be_anything(tmp_path):
    held = tree()
    path = raw(tmp_path / "net.nir", held)
    with h5py.File(path, "a") as file:
        metadata = {"dt": "x", "reset": ONE, "names": {"name": "", "v": "input"}, "floor": "deep"}
        for place in ("node", "node/nodes/n", "node/nodes/input"):
            put(file[place].create_group("metadata"), metadata)
    assert len(import_model(path).graph.ops) == 1


def test_a_reset_that_cannot_be_is_refused(tmp_path):
    held = tree(metadata={"reset": "subtract", "reset_phase": "late"})
    assert code_of(raw(tmp_path / "net.nir", held)) == "invalid-model"
