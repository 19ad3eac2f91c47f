"""Chunks that unpack to more than they hold are refused before the library unpacks them."""

import zlib

import h5py
import numpy as np
import pytest

from mapper.hdf5 import HARMLESS, check_chunks

PLAIN = {"chunks": (3,), "compression": "gzip"}


@pytest.fixture
def dataset(tmp_path):
    """Make a dataset of a file that is open for writing."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        yield lambda shape=(3,), **options: file.create_dataset("x", shape, "f8", **options)


def bomb(bytes_unpacked: int) -> bytes:
    return zlib.compress(bytes(bytes_unpacked), 9)


def test_a_chunk_of_three_numbers_that_unpacks_to_32_megabytes_is_refused(dataset):
    held = dataset(**PLAIN)
    held.id.write_direct_chunk((0,), bomb(2 * HARMLESS))
    with pytest.raises(ValueError, match=r"a chunk of 24 bytes unpacks to more"):
        check_chunks(held)


def test_only_chunks_of_the_rows_that_are_read_are_looked_into(dataset):
    held = dataset((9, 2), chunks=(3, 1), compression="gzip")
    held.id.write_direct_chunk((3, 1), bomb(2 * HARMLESS))
    check_chunks(held, 0, 3)
    check_chunks(held, 6, 9)
    for first, over in ((0, 4), (5, 6), (3, 9)):
        with pytest.raises(ValueError, match="unpacks to more"):
            check_chunks(held, first, over)


def test_a_chunk_that_is_stored_in_more_than_it_holds_is_refused(dataset):
    held = dataset(**PLAIN)
    held.id.write_direct_chunk((0,), bytes(HARMLESS + 49))
    with pytest.raises(ValueError, match=rf"a chunk of 24 bytes is stored in {HARMLESS + 49}"):
        check_chunks(held)


def test_numbers_that_hardly_compress_fill_their_chunks(dataset):
    numbers = np.random.default_rng(0).random(3 << 13)
    held = dataset(numbers.shape, data=numbers, chunks=(1 << 14,), compression="gzip")
    assert held.id.get_chunk_info(0).size > HARMLESS // 1032  # so that it is unpacked
    check_chunks(held)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (2,)},
        {"chunks": (2,), "compression": "lzf", "shuffle": True},
        {"chunks": (2,), "compression": "gzip", "shuffle": True, "fletcher32": True},
    ],
)
def test_what_libraries_write_passes(dataset, options):
    held = dataset(**options)
    check_chunks(held)  # nothing is written yet
    held[:] = [1.0, 2.0, 3.0]
    check_chunks(held)


def test_filters_in_another_order_are_refused(tmp_path):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((3,))
    plan.set_deflate(9)
    plan.set_deflate(9)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        space = h5py.h5s.create_simple((3,))
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, space, plan)
        with pytest.raises(ValueError, match=r"packed with filters \[1, 1\]"):
            check_chunks(h5py.Dataset(made))
