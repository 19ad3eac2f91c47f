"""``weights.npz``: the same bytes each time, no pickles, nothing that grows when it is read."""

import io
import zipfile

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.ir.core import Graph
from mapper.ir.weights import fingerprint, keyed, load_constants, narrow, save_constants
from tests.executor.hostile import HOSTILE


def graph_of(constants):
    return Graph(name="g", inputs=(), outputs=(), constants=constants)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.npz"


def test_constants_come_back_by_name(path):
    constants = {
        "w": np.arange(-6, 6).reshape(3, 4),
        "number": np.asarray(7),
        "real": np.float32([0.5, 2]),
        "double": np.float64(1 / 3),
        "empty": np.zeros((0, 3), np.int64),
        "turned": np.asfortranarray(np.arange(6).reshape(2, 3)),
    }
    save_constants(graph_of(constants), path)
    found = load_constants(path)
    assert found.keys() == constants.keys()
    for name, array in constants.items():
        assert found[name].shape == np.shape(array)
        assert np.array_equal(found[name], array)
        assert not found[name].flags.writeable
    assert found["real"].dtype == np.float32


def test_the_order_and_type_of_constants_change_no_byte(tmp_path):
    a, b = np.arange(5), np.arange(3)
    save_constants(graph_of({"a": a, "b": b}), tmp_path / "one")
    save_constants(graph_of({"b": b.astype(np.int16), "a": a}), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("low", "high", "type"),
    [(-128, 127, "i1"), (0, 128, "i2"), (-129, 0, "i2"), (0, 2**31, "i8"), (-(2**63), 0, "i8")],
)
def test_integers_are_stored_in_the_narrowest_signed_type(low, high, type):
    assert narrow(np.array([low, high])).dtype == np.dtype(type)


def test_integers_beyond_64_bits_are_refused():
    with pytest.raises(MappingError, match="more than 64 bits"):
        narrow(np.array([2**63], np.uint64))


def test_hostile_names_are_data_and_never_entries(path):
    constants = {name: np.asarray(i) for i, name in enumerate((*HOSTILE, "nul\0", "\ud800"))}
    save_constants(graph_of(constants), path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.namelist()
    assert sorted(entries) == sorted(["names.npy", *(f"c{i}.npy" for i in range(len(constants)))])
    assert {name: int(array) for name, array in load_constants(path).items()} == {
        name: int(array) for name, array in constants.items()
    }


def test_numpy_reads_the_file_too(path):
    save_constants(graph_of({"b": np.arange(3), "a": np.arange(2)}), path)
    with np.load(path, allow_pickle=False) as archive:
        assert archive["c1"].tolist() == [0, 1, 2]


def test_the_fingerprint_depends_on_every_byte_type_shape_and_key():
    base = {"c0": np.arange(4, dtype=np.int8)}
    others = (
        {"c0": np.array([0, 1, 2, 4], np.int8)},
        {"c0": np.arange(4, dtype=np.int16)},
        {"c0": np.arange(4, dtype=np.int8).reshape(2, 2)},
        {"c1": np.arange(4, dtype=np.int8)},
        {},
    )
    assert len({fingerprint(arrays) for arrays in (base, *others)}) == 6
    assert fingerprint(keyed({"x": np.arange(4)})) == fingerprint(base)


def archive(*entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in entries:
            made.writestr(name, content)
    return buffer.getvalue()


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def names(text):
    return ("names.npy", npy(np.frombuffer(text.encode(), np.uint8)))


ONE = ("c0.npy", npy(np.arange(3)))
HUGE = npy(np.zeros(3)).replace(b"(3,)", b"(9999999999,)")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "File is not a zip file"),
        (b"not a zip file", "File is not a zip file"),
        (archive(ONE), "'names'"),
        (archive(names("[]"), ONE), "0 names for the arrays c0"),
        (archive(names('["a", "b"]'), ONE), "2 names for the arrays c0"),
        (archive(names('["a", "a"]'), ONE, ("c1.npy", ONE[1])), "2 names"),
        (archive(names('{"a": 1}'), ONE), "the list of names is not one"),
        (archive(names("[1]"), ONE), "the list of names is not one"),
        (archive(names("not json"), ONE), "Expecting value"),
        (archive(names("[" * 100000), ONE), "recursion"),
        (archive(names('["a"]'), ("../c0.npy", ONE[1])), "1 names for the arrays ../c0"),
        (archive(names('["a"]'), ("c0.npy", b"no array")), "magic"),
        (archive(names('["a"]'), ("c0.npy", ONE[1][:-1])), "is not (3,) of int64"),
        (archive(names('["a"]'), ("c0.npy", ONE[1] + b"x")), "is not (3,) of int64"),
        (archive(names('["a"]'), ("c0.npy", HUGE)), "is not (9999999999,) of float64"),
        (archive(names('["a"]'), ("c0.npy", npy(np.array([None])))), "of object"),
        (archive(names('["a"]'), ("c0.npy", npy(np.array(["text"])))), "of <U4"),
        (archive(names('["a"]'), ("c0.npy", npy(np.zeros((2, 2), order="F")))), "of float64"),
        (archive(names('["a"]'), ("c0.npy", npy(np.arange(3), version=(2, 0)))), "format 1.0"),
        (archive(names('["a"]'), ONE, compression=zipfile.ZIP_DEFLATED), "entries are compressed"),
    ],
)
def test_files_that_save_constants_does_not_write_are_refused(content, complaint, path):
    path.write_bytes(content)
    with pytest.raises(MappingError) as refused:
        load_constants(path)
    (diagnostic,) = refused.value.diagnostics
    assert (diagnostic.code, diagnostic.loc) == ("bad-weights", str(path))
    assert complaint in diagnostic.message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_occurs_twice_is_refused(path):
    path.write_bytes(archive(names('["a"]'), ONE, ONE))
    with pytest.raises(MappingError, match="an entry occurs twice"):
        load_constants(path)


def test_a_changed_byte_is_noticed(path):
    save_constants(graph_of({"w": np.arange(100)}), path)
    content = bytearray(path.read_bytes())
    content[content.index(bytes(range(50)))] ^= 1
    path.write_bytes(content)
    with pytest.raises(MappingError, match="Bad CRC-32"):
        load_constants(path)


def test_entries_that_claim_more_than_the_file_holds_are_refused(path):
    content = archive(names('["a"]'), ONE)
    size = len(ONE[1]).to_bytes(4, "little")
    path.write_bytes(content.replace(size + size, (2**31).to_bytes(4, "little") * 2))
    with pytest.raises(MappingError, match="bytes in a file of"):
        load_constants(path)


def test_a_missing_file_is_refused(path):
    with pytest.raises(MappingError, match="No such file"):
        load_constants(path)
