"""The kernels refuse a layer that does not fit together, whatever the caller says."""

import numpy as np
import pytest

from mapper.executor.native import NativeExecutor
from mapper.executor.native.steps import LayerStep
from mapper.ir.windows import Window
from mapper.kernels.core import (
    count_on,
    count_regions,
    number,
    pack,
    run_layer,
    supported_levels,
    unavailable,
    unpack,
)
from mapper.kernels.structs import LayerCall, as_read
from tests.builders import Builder, adc, encoding, ideal, sense_amp
from tests.dies import die_of
from tests.small_graphs import random_weights

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())


def described(read=None, *, noisy=False, fine=False, **grid):
    """Return the fields and arrays of one small layer with room for its result."""
    net = Builder()
    x = net.input("x", (4, 5, 5))
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    net.output(net.crossbars(x, random_weights(36, 6), read or sense_amp(1), window=window, **grid))
    graph = net.graph()
    if noisy or fine:
        graph = die_of(graph, np.random.default_rng(0), ["fine"], noisy=noisy)
    (step,) = NativeExecutor(graph, level=0).plan.steps
    assert isinstance(step, LayerStep)
    (phase,) = step.layer.phases
    x, y = np.zeros((1, 1, 1, 5, 5, 1), np.uint64), np.zeros((1, 1, 5, 5, 6), np.int32)
    call = LayerCall(T=1, B=1, has_neurons=False, x=x, y_out=y)
    fields, arrays = as_read(call)
    return phase.numbers | fields, phase.arrays | arrays


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


@pytest.mark.parametrize(
    "name",
    [
        "planes",
        "T",
        "H",
        "Ho",
        "PH",
        "rows",
        "Npad",
        "depth",
        "kind",
        "merged",
        "parity",
        "copies",
        "cellcopies",
        "refcopies",
    ],
)
def test_a_number_that_does_not_fit_is_refused(name):
    fields, arrays = described()
    for value in (-1, 1 << 40):
        with pytest.raises(ValueError, match="does not fit together"):
            run_layer(0, fields | {name: value}, arrays, 0, 1)
    del fields[name]
    with pytest.raises(ValueError, match=name):
        run_layer(0, fields, arrays, 0, 1)


@pytest.mark.parametrize(
    "counts", [(1, 2, 2), (1, 2, 3), (2, 1, 4), (-1, 2, 4), (0, 1, 2), (1, 2, -4), (2, 3, 4)]
)
def test_slices_that_are_no_bits_of_one_number_are_refused(counts):
    fields, arrays = described()
    run_layer(0, fields | {"merged": 1}, arrays, 0, 1)  # as they are, 1, 2 and 4
    wrong = arrays | {"significances": np.array(counts, np.int32)}
    run_layer(0, fields, wrong, 0, 1)
    with pytest.raises(ValueError, match="does not fit together"):
        run_layer(0, fields | {"merged": 1}, wrong, 0, 1)


def test_slices_that_make_too_long_a_number_are_refused():
    fields, arrays = described()
    far = arrays | {"significances": np.array([1, 2, 1 << 15], np.int32)}
    with pytest.raises(ValueError, match="does not fit together"):
        run_layer(0, fields | {"merged": 1}, far, 0, 1)


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
    assert fields["kind"] == number("SUMS8")
    with pytest.raises(ValueError, match="chunk"):  # four wordlines are added at once
        run_layer(0, fields | {"chunk": 3}, arrays, 0, 1)
    with pytest.raises(ValueError, match="weights"):
        run_layer(0, fields, arrays | {"weights": arrays["weights"][:-1].copy()}, 0, 1)


def test_weights_in_place_of_cells_are_checked_too():
    cells = encoding("twos-complement", 4, 2)
    fields, arrays = described(read=adc("sar", 5, 1), encoding=cells, wordlines=20)
    run_layer(0, fields, arrays, 0, 1)
    assert fields["exact"] == 10
    with pytest.raises(ValueError, match="whole"):
        run_layer(0, fields, arrays | {"whole": arrays["whole"].reshape(-1)[:-1].copy()}, 0, 1)
    wrong = [{"exact": -1}, {"exact": 21}, {"fits": 0}, {"fits": 10}, {"whole_at": 64}]
    for numbers in [*wrong, {"whole_at": 16}, {"readout": 0, "exact": 5}, {"wide": 0}]:
        with pytest.raises(ValueError, match="does not fit together"):
            run_layer(0, fields | numbers, arrays, 0, 1)
    fields, arrays = described(read=ideal(), encoding=cells)
    run_layer(0, fields, arrays, 0, 1)
    assert "weights" not in arrays
    with pytest.raises(ValueError, match="weights"):
        run_layer(0, fields | {"exact": 35}, arrays, 0, 1)


def test_copies_need_cells_and_references_of_their_own():
    fields, arrays = described()
    fields |= {"copies": 2}
    run_layer(0, fields, arrays, 0, 1)
    twice = {name: np.concatenate([arrays[name]] * 2) for name in ("weights", "refs", "start")}
    whole = arrays | twice
    run_layer(0, fields | {"cellcopies": 2, "refcopies": 2}, whole, 0, 1)
    for field, names in {"cellcopies": ["weights"], "refcopies": ["refs", "start"]}.items():
        given = arrays | {name: twice[name] for name in names}
        run_layer(0, fields | {field: 2}, given, 0, 1)
        for name in names:
            with pytest.raises(ValueError, match=name):
                run_layer(0, fields | {field: 2}, given | {name: arrays[name]}, 0, 1)
        with pytest.raises(ValueError, match=field):
            run_layer(0, fields | {field: 3}, given, 0, 1)


def test_sums_that_are_compared_in_halves_are_checked_too():
    fields, arrays = described(read=sense_amp((1, 4, 9), (-3, 0, 3, 7)))
    run_layer(0, fields, arrays, 0, 1)
    assert not fields["wide"]
    for name in ("halves", "rests"):
        with pytest.raises(ValueError, match=name):
            run_layer(0, fields, arrays | {name: arrays[name].reshape(-1)[:-1].copy()}, 0, 1)
    for wrong in ({"half_full": 1}, {"kind": 3}, {"readout": 1}, {"L": 65}, {"down": 1}):
        with pytest.raises(ValueError, match="does not fit together"):
            run_layer(0, fields | wrong, arrays, 0, 1)


@pytest.mark.parametrize("level", supported_levels())
def test_few_outputs_take_one_vector_where_vectors_are_short(level):
    fields, arrays = described(fine=True)
    assert (fields["at_once"], fields["kind"]) == (16, 2)
    if level < 2:
        run_layer(level, fields, arrays, 0, 1)
    else:  # vectors of 32
        with pytest.raises(ValueError, match="at_once"):
            run_layer(level, fields, arrays, 0, 1)
    with pytest.raises(ValueError, match="does not fit together"):
        run_layer(level, fields | {"kind": 1}, arrays, 0, 1)


@pytest.mark.parametrize("read", [sense_amp(1), adc("sar", 3, 1)])
def test_noise_is_checked_too(read):
    fields, arrays = described(read, noisy=True)
    keys = np.zeros((1, 1), np.uint64)
    run_layer(0, fields, arrays | {"keys": keys}, 0, 1)
    for name in ("noise", "numbers", "keys"):
        whole = arrays | {"keys": keys}
        wrong = whole | {name: whole[name].reshape(-1)[:-1].copy()}
        with pytest.raises(ValueError, match=name):
            run_layer(0, fields, wrong, 0, 1)
    wrong = [{"noisy": 2}, {"up": 31}, {"wide": 0}, {"quick": 1}, {"half_full": 1}, {"G": 0}]
    if fields["readout"] == number("SENSE"):
        wrong += [{"reaches": 1}, {"reaches": 1 << 40}, {"noise_low": 1 << 40}]
    for numbers in [*wrong, {"sampled": 2}]:
        with pytest.raises(ValueError, match="does not fit together"):
            run_layer(0, fields | numbers, arrays | {"keys": keys}, 0, 1)


def test_counts_of_a_trace_need_room_for_both():
    fields, arrays = described()
    blocks, jobs = fields["nblocks"], 1
    counts = {"driven": np.zeros((1, 1, 5), np.int64), "heard": np.zeros((jobs, blocks), np.int64)}
    run_layer(0, fields, arrays | counts, 0, 1)
    for name, array in counts.items():
        for wrong in (array.reshape(-1)[:-1].copy(), np.append(array, 0)):
            with pytest.raises(ValueError, match="does not fit together"):
                run_layer(0, fields, arrays | counts | {name: wrong}, 0, 1)
    with pytest.raises(ValueError, match="driven"):
        run_layer(0, fields, arrays | {"heard": counts["heard"]}, 0, 1)


def test_regions_that_are_not_there_are_refused():
    arrays = {
        "x": np.zeros((2, 3, 4, 1), np.uint64),
        "rows": np.array([0, 1, 0], np.uint8),
        "columns": np.array([0, 0, 1, 1], np.uint8),
        "out": np.zeros((2, 2, 64), np.int64),
    }
    count_regions(0, arrays, 2, 3, 4, 1, 2, 2)
    for name in ("rows", "columns"):
        with pytest.raises(ValueError, match=name):
            count_regions(0, arrays | {name: arrays[name] + 1}, 2, 3, 4, 1, 2, 2)
    with pytest.raises(ValueError, match="x"):
        count_regions(0, arrays, 2, 3, 5, 1, 2, 2)
    with pytest.raises(ValueError, match="sizes"):
        count_regions(0, arrays, 0, 3, 4, 1, 2, 2)


def test_packed_values_of_another_size_are_refused():
    arrays = {"bits": np.zeros((2, 3, 4, 1), np.uint64), "numbers": np.zeros((3, 5, 4), np.int64)}
    assert pack(0, arrays, 2, 3, 4, 5, 0, 3)
    unpack(0, arrays, 2, 3, 4, 5, 0)
    for sizes in ((2, 3, 4, 65), (2, 4, 4, 5), (65, 3, 4, 5), (2, 3, -4, 5)):
        with pytest.raises(ValueError, match="does not fit together"):
            pack(0, arrays, *sizes, 0, 3)
        with pytest.raises(ValueError, match="does not fit together"):
            unpack(0, arrays, *sizes, 0)
    with pytest.raises(ValueError, match="out"):
        count_on(0, {"x": arrays["bits"], "out": np.zeros(2, np.int64)}, 2, 3, 4)
