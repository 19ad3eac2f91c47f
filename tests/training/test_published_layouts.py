"""Data sets in their published layouts: the published split, and what is said where one is not."""

import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.training.data import dvs_gesture, hdf5, mvsec, mvsec_truth, nmnist
from mapper.training.data.mvsec_truth import Truth, flow_between, opened_truth
from tests.training import layouts


def complaint(call, *args, **options) -> str:
    with pytest.raises(MappingError) as caught:
        call(*args, **options)
    return str(caught.value)


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="needs the extra 'train'")


def test_gestures_by_section_from_the_folder_they_were_unpacked_in(tmp_path):
    folder = layouts.gesture_folder(tmp_path)
    x, labels, sections = dvs_gesture.read_windows(folder, "test", size=64)
    # 2.2 s are two windows, 1 s is one, 0.9 s none.
    assert (labels.tolist(), sections.tolist()) == ([0, 0, 10], [0, 0, 1])
    assert x.shape == (20, 3, 2, 64, 64)
    # Class 11 is a dot in column 88 of 128, row 64, ON in odd steps; 4.0 s is an even one.
    assert np.argwhere(x[:2, 2]).tolist() == [[0, 0, 32, 44], [1, 1, 32, 44]]
    train, classes = dvs_gesture.read_set(folder / "DvsGesture", "train", size=32, steps=10)
    assert train.shape == (10, 23, 2, 32, 32)
    assert classes.tolist() == [*range(11), *range(8), *range(7, 11)]


def test_sections_that_overlap_are_windows_of_their_own(tmp_path):
    folder = layouts.gesture_folder(tmp_path)
    x, labels, sections = dvs_gesture.read_windows(folder, "train", binary=False)
    # The second trial's class 8 is from 16 to 17 s, and from 16.5 to 17.5 s.
    assert (labels[18:20].tolist(), sections[18:20].tolist()) == ([7, 7], [18, 19])
    assert x[:, 18].sum(axis=(1, 2, 3)).tolist() == [1] * 10 + [2] * 10
    assert x[:, 19].sum(axis=(1, 2, 3)).tolist() == [2] * 10 + [1] * 10
    assert dvs_gesture.count_sections(folder / "DvsGesture", "train") == 23


def test_what_is_not_there_of_the_gestures_is_said(tmp_path):
    text = complaint(dvs_gesture.read_set, tmp_path / "none", "train")
    assert text.startswith("error[no-data-set]: there is no such folder")
    assert "DvsGesture.tar.gz (3 GB, 5 GB unpacked), from https://ibm.ent.box.com/" in text
    assert "no trials_to_train.txt in it" in complaint(dvs_gesture.read_set, tmp_path, "train")
    (tmp_path / "DvsGesture.tar.gz").touch()
    assert "DvsGesture.tar.gz is not unpacked" in complaint(dvs_gesture.find, tmp_path)

    root = dvs_gesture.find(layouts.gesture_folder(tmp_path))
    (root / "user01_fluorescent.aedat").unlink()
    (root / "user02_lab_labels.csv").unlink()
    text = complaint(dvs_gesture.read_set, tmp_path, "train")
    assert "2 of 6 files are missing: user01_fluorescent.aedat, user02_lab_labels.csv\n" in text
    (root / "trials_to_test.txt").unlink()
    text = complaint(dvs_gesture.read_set, tmp_path, "train")
    assert "3 of 6 files are missing: trials_to_test.txt, user01_fluorescent.aedat" in text
    assert "no trials_to_test.txt in it" in complaint(dvs_gesture.read_set, tmp_path, "test")


def test_what_cannot_be_looked_for_is_said(tmp_path):
    root = dvs_gesture.find(layouts.gesture_folder(tmp_path))
    (root / "trials_to_train.txt").write_text(f"{'a' * 300}.aedat\n")
    text = complaint(dvs_gesture.read_set, root, "train")
    assert text.startswith(f"error[no-data-set]: '{'a' * 40}' cannot be looked for: File name too")
    (root / "trials_to_train.txt").write_text("a\0.aedat\n")
    assert "2 of 4 files are missing" in complaint(dvs_gesture.read_set, root, "train")
    for find in (dvs_gesture.find, nmnist.find, lambda at: mvsec.published(at, ("a",), 256)):
        text = complaint(find, tmp_path / ("b" * 300))
        assert text.startswith(f"error[no-data-set]: '{'b' * 40}' cannot be looked for: File name")


def test_a_trial_is_in_one_list(tmp_path):
    root = dvs_gesture.find(layouts.gesture_folder(tmp_path))
    (root / "trials_to_test.txt").write_text("user24_led.aedat\nuser02_lab.aedat\n")
    text = complaint(dvs_gesture.read_set, tmp_path, "test")
    assert text.startswith("error[bad-labels]: user02_lab.aedat stands in it twice, or in both")


def test_a_truncated_trial_is_refused(tmp_path):
    path = dvs_gesture.find(layouts.gesture_folder(tmp_path)) / "user24_led.aedat"
    path.write_bytes(path.read_bytes()[:-3])
    text = complaint(dvs_gesture.read_set, tmp_path, "test")
    assert text.startswith("error[bad-events]: the packet at ")


def test_the_published_split_of_mvsec(tmp_path, h5py):
    folder = layouts.mvsec_folder(tmp_path, h5py)
    names = (mvsec.TRAINED, *mvsec.TESTED)
    train, *tests = mvsec.published(folder, names, size=256)
    assert [len(sequence) for sequence in (train, *tests)] == [3] * 5
    for sequence in tests:
        x, flow, mask = sequence.read(sequence.spread(2))
        assert x.shape == (5, 2, 4, 256, 256)
        # Four events an interval of 40 ms, at 10, 18, 26 and 34 ms: bins 2, 4, 6 and 8 of 10.
        assert [int(x[:, n].sum()) for n in range(2)] == [4, 4]
        assert np.argwhere(x[:, 0])[:, 0].tolist() == [1, 2, 3, 4]
        assert np.argwhere(x[:, 0])[:, 1].tolist() == [2, 0, 3, 1]
        assert np.argwhere(mask[0]).tolist() == [[120 + k, 120 + k] for k in range(4)]
        # 1e-5: times are seconds since 1970 in float64, whose last digit is 2e-7 s of 40 ms.
        assert np.allclose(flow[0, :, 120, 120], [1.6, -0.8], rtol=1e-5)


def test_a_bonnet_covers_the_lower_rows_outdoors(tmp_path, h5py):
    for name in ("outdoor_day1", "indoor_flying1"):
        layouts.mvsec_sequence(tmp_path, name, h5py, since=mvsec.PARTS[name][0] + 0.1)
        with h5py.File(tmp_path / f"{name}_data.hdf5", "a") as file:
            file["davis/left/events"][0:2, 1] = [191, 192]
    outdoor, indoor = mvsec.published(tmp_path, ("outdoor_day1", "indoor_flying1"), size=256)
    assert [sequence.read([0])[2].sum() for sequence in (outdoor, indoor)] == [3, 4]


def test_four_images_apart(tmp_path, h5py, monkeypatch):
    layouts.mvsec_sequence(tmp_path, "a", h5py, since=1.0)
    paths = tmp_path / "a_data.hdf5", tmp_path / "a_gt.hdf5"
    sequence = mvsec.Sequence(*paths, apart=3, part=(0.5, np.inf))
    x, flow, _ = sequence.read([0])
    assert (len(sequence), int(x.sum())) == (1, 12)
    assert np.allclose(flow[0, :, 120, 120], [4.8, -2.4], rtol=1e-5)
    assert len(mvsec.Sequence(*paths, part=(0.0, 1.05))) == 1  # the first ends at 1.04 s
    # The first three images apart have 11 indices between them, and one event more is read.
    monkeypatch.setattr(mvsec, "MOST_EVENTS", 4)
    assert len(mvsec.Sequence(*paths, apart=3, part=(0.5, np.inf))) == 1
    monkeypatch.setattr(mvsec, "MOST_EVENTS", 3)
    sequence = mvsec.Sequence(*paths, apart=3, part=(0.5, np.inf))
    assert (len(sequence), sequence.crowded) == (0, 1)
    monkeypatch.setitem(mvsec.PARTS, "a", (0.5, np.inf))
    text = complaint(mvsec.published, tmp_path, ("a",), 256, 3)
    assert "0.5 to inf s after its first image; 1 with too many events\n" in text
    with pytest.raises(ValueError, match=r"images are 1\.\.8 apart, got 0"):
        mvsec.Sequence(*paths, apart=0)
    with pytest.raises(ValueError, match=r"images are 1\.\.8 apart, got 9"):
        mvsec.Sequence(*paths, apart=9)


def test_a_truth_in_either_layout_is_the_same(tmp_path, h5py):
    flows = []
    for saved in (False, True):
        layouts.mvsec_sequence(tmp_path, "a", h5py, since=1.0, saved=saved)
        with opened_truth(tmp_path / ("a_gt_flow_dist.npz" if saved else "a_gt.hdf5")) as truth:
            flows.append((truth.times.tolist(), truth.image(3)))
    assert flows[0][0] == flows[1][0]
    assert np.array_equal(flows[0][1], flows[1][1])


def test_a_header_of_python_2_is_read(tmp_path):
    # np.savez of Python 2 writes sides as 2L where they are long, and pads to 16 bytes.
    x = np.arange(2 * 260 * 346, dtype="<f8")
    with zipfile.ZipFile(tmp_path / "t.npz", "w", zipfile.ZIP_STORED) as archive:
        for name, shape, values in (
            ("timestamps", "(2L,)", np.array([1.0, 2.0])),
            ("x_flow_dist", "(2L, 260L, 346L)", x),
            ("y_flow_dist", "(2L, 260L, 346L)", -x),
        ):
            text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
            text += " " * (-(len(text) + 11) % 16) + "\n"
            head = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode()
            archive.writestr(f"{name}.npy", head + values.tobytes())
    with opened_truth(tmp_path / "t.npz") as truth:
        assert truth.times.tolist() == [1.0, 2.0]
        second = truth.image(1)
    assert second[:, 0, 0].tolist() == [260 * 346, -260 * 346]


def rewritten(path, **changes):
    held = {
        "timestamps": np.arange(3.0),
        "x_flow_dist": np.zeros((3, 260, 346)),
        "y_flow_dist": np.zeros((3, 260, 346)),
    } | changes
    np.savez(path, **{name: values for name, values in held.items() if values is not None})
    return path


def opened(path):
    with opened_truth(path) as truth:
        return truth.image(0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"timestamps": None}, "There is no item named 'timestamps.npy'"),
        ({"timestamps": np.array([3.0, 2.0, 1.0])}, "3 times of flow, 2 or more are needed"),
        ({"timestamps": np.full(3, np.inf)}, "timestamps holds what is no number"),
        ({"timestamps": np.full(3, np.finfo("g").max)}, "timestamps holds what is no number"),
        ({"timestamps": np.array(["a"])}, "timestamps is no array of numbers"),
        ({"timestamps": np.arange(4.0)}, "shape (3, 260, 346), expected (4, 260, 346)"),
        ({"y_flow_dist": np.zeros((3, 4, 4))}, "has shape (3, 4, 4), expected (any, 260, 346)"),
        ({"x_flow_dist": np.zeros((346, 260, 3)).T}, "x_flow_dist is written column by column"),
    ],
)
def test_broken_truths_are_refused(tmp_path, changes, said):
    text = complaint(opened, rewritten(tmp_path / "t.npz", **changes))
    assert text.startswith("error[bad-events]: ")
    assert said in text


def test_truths_that_are_cut_or_packed_are_refused(tmp_path):
    path = rewritten(tmp_path / "t.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    text = complaint(opened, path)
    assert "not a readable .npz file: File is not a zip file" in text
    assert "download it again where it is shorter than published" in text
    assert "No such file or directory" in complaint(opened, tmp_path / "none.npz")
    np.savez_compressed(path, **dict(np.load(rewritten(path))))
    assert "timestamps is compressed, as published it is not" in complaint(opened, path)
    claimed = whole.replace(b"(3, 260, 346)", b"(9, 260, 346)")
    path.write_bytes(claimed)
    assert "x_flow_dist takes 6477248 bytes, its member has 2159168" in complaint(opened, path)
    sizes = struct.pack("<I", 2159168), struct.pack("<I", 6477248)
    path.write_bytes(claimed.replace(*sizes))  # the archive claims as much
    assert "x_flow_dist ends at byte 6477" in complaint(opened, path)
    at = whole.index(b"x_flow_dist.npy") - 30
    path.write_bytes(whole[:at] + b"nope" + whole[at + 4 :])
    assert "no member begins at byte" in complaint(opened, path)
    path.write_bytes(whole.replace(b"\x93NUMPY\1", b"\x93NUMPY\7"))
    assert "of .npy" in complaint(opened, path)


def test_a_truth_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = rewritten(tmp_path / "t.npz")
    with opened_truth(path) as truth:
        path.write_bytes(path.read_bytes()[:1_000_000])
        assert "x_flow_dist ends within row 2 of 3" in complaint(truth.image, 2)


def test_any_byte_of_a_truth_may_be_another(tmp_path, monkeypatch):
    monkeypatch.setattr(mvsec_truth, "HEIGHT", 2)
    monkeypatch.setattr(mvsec_truth, "WIDTH", 3)
    flow = np.ones((3, 2, 3))
    path = rewritten(tmp_path / "t.npz", x_flow_dist=flow, y_flow_dist=flow)
    whole, drawn = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        held = bytearray(whole)
        held[drawn.integers(len(whole))] ^= 1 << drawn.integers(8)
        path.write_bytes(held)
        try:
            opened(path)
        except MappingError:
            refused += 1
    assert 50 < refused < 150  # numbers and what nothing reads may be any


def test_what_is_not_there_of_mvsec_is_said(tmp_path):
    names = (mvsec.TRAINED, *mvsec.TESTED)
    text = complaint(mvsec.published, tmp_path / "none", names, 256)
    assert text.startswith("error[no-data-set]: there is no such folder")
    assert "https://daniilidis-group.github.io/mvsec/download/" in text
    text = complaint(mvsec.published, tmp_path, names, 256)
    named = "outdoor_day2_data.hdf5, outdoor_day2_gt.hdf5, outdoor_day1_data.hdf5"
    assert f"10 of 10 files are missing: {named}, outdoor_day1_gt.hdf5 and 6 more" in text
    for name in names:
        (tmp_path / f"{name}_data.hdf5").touch()
        if name != "indoor_flying2":
            (tmp_path / f"{name}_gt_flow_dist.npz").touch()
    text = complaint(mvsec.published, tmp_path, names, 256)
    assert "1 of 10 files are missing: indoor_flying2_gt.hdf5\n" in text


def test_a_sequence_without_its_published_part_is_refused(tmp_path, h5py):
    layouts.mvsec_sequence(tmp_path, "outdoor_day1", h5py, since=1.0)
    text = complaint(mvsec.published, tmp_path, ("outdoor_day1",), 256)
    assert "error[bad-events]: no interval of known flow 222.4 to 240.4 s after its first" in text


def test_a_truth_without_flow_says_where_it_is(tmp_path, h5py):
    layouts.mvsec_sequence(tmp_path, "a", h5py, since=1.0)
    with h5py.File(tmp_path / "a_gt.hdf5", "a") as file:
        del file["davis/left/flow_dist"]
    text = complaint(mvsec.read_flow, tmp_path / "a_data.hdf5", tmp_path / "a_gt.hdf5")
    assert "no davis/left/flow_dist in the file itself" in text
    assert "*_gt_flow_dist.npz of the same page has it" in text


def test_a_download_that_was_cut_off_is_refused(tmp_path, h5py):
    layouts.mvsec_sequence(tmp_path, "outdoor_day1", h5py, since=222.5)
    path = tmp_path / "outdoor_day1_data.hdf5"
    path.write_bytes(path.read_bytes()[:-1000])
    text = complaint(mvsec.published, tmp_path, ("outdoor_day1",), 256)
    assert text.startswith("error[bad-events]: not a readable HDF5 file")
    assert "truncated file" in text
    assert "outdoor_day1_data.hdf5" in text


def test_times_that_unpack_to_more_than_they_are_are_refused(tmp_path, h5py):
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        held = file.create_dataset("ts", (3,), np.float64, chunks=(3,), compression="gzip")
        held.id.write_direct_chunk((0,), zlib.compress(bytes(1 << 25), 9))
    with hdf5.opened(path) as file, pytest.raises(MappingError) as caught:
        hdf5.numbers(path, file, "ts")
    (found,) = caught.value.diagnostics
    assert found.code == "bad-events"
    assert "a chunk of 24 bytes unpacks to more" in found.message


def test_memory_holds_one_interval_of_files_that_are_larger_than_it(tmp_path, h5py):
    """Files of the published sizes, of which only what is read was ever written."""
    rate, images, truths = 1_000_000, 11_700, 12_197
    with h5py.File(tmp_path / "a_data.hdf5", "w") as file:
        left = file.create_group("davis/left")
        shape = (400 * rate, 4)  # 12.8 GB
        events = left.create_dataset("events", shape, np.float64, chunks=(10_000, 4))
        left["image_raw_ts"] = 1e9 + np.arange(images) / 45
        left["image_raw_event_inds"] = np.arange(images) * (rate // 45)
        first = 9_000 * (rate // 45)
        events[first : first + 100] = [200.0, 100.0, 1e9 + 9_000 / 45 + 0.001, 1.0]
    with h5py.File(tmp_path / "a_gt.hdf5", "w") as file:
        left = file.create_group("davis/left")
        shape = (truths, 2, 260, 346)  # 17.6 GB
        flows = left.create_dataset("flow_dist", shape, np.float64, chunks=(1, 2, 260, 346))
        left["flow_dist_ts"] = 1e9 + np.arange(truths) / 20
        flows[4_000:4_002] = 1.0
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 10_000_000
    tracemalloc.start()
    sequence = mvsec.Sequence(tmp_path / "a_data.hdf5", tmp_path / "a_gt.hdf5")
    x, flow, mask = sequence.read([0, 9_000, len(sequence) - 1])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sequence) == images - 1
    assert (x[:, 1].max(), mask.sum(axis=(1, 2)).tolist()) == (100, [0, 1, 0])
    assert np.allclose(flow[1, :, 98, 155], 20 / 45)
    assert peak < 60_000_000  # three intervals' frames are 7 MB, the events of one 3 MB


def test_truths_that_begin_at_one_time_last_no_time():
    flows = np.ones((4, 2, 1, 6)) * np.array([1.0, 9.0, 2.0, 0.0]).reshape(4, 1, 1, 1)
    flows[:, 1] = 0.0
    truth = Truth(np.array([0.0, 1.0, 1.0, 2.0]), flows.__getitem__)
    moved, _ = flow_between(truth, (0.5, 2.0))
    assert moved[0, 0, :3].tolist() == [2.5, 2.5, 2.5]  # half of 1, none of 9, all of 2


def test_nmnist_in_a_folder_that_is_whole_or_not(tmp_path):
    text = complaint(nmnist.find, tmp_path / "none")
    assert text.startswith("error[no-data-set]: there is no such folder")
    assert "Train.zip (60,000 recordings) and Test.zip (10,000)" in text
    assert "no Train and no Test in it" in complaint(nmnist.find, tmp_path)
    (tmp_path / "train.txt").touch()
    assert nmnist.find(tmp_path) is None
    (tmp_path / "Train" / "0").mkdir(parents=True)
    (tmp_path / "Test.zip").touch()
    assert "Test.zip is not unpacked" in complaint(nmnist.find, tmp_path)
    (tmp_path / "Test").mkdir()
    assert nmnist.find(tmp_path) == tmp_path
    (tmp_path / "Train" / "0" / "00002.bin").touch()
    text = complaint(nmnist.read_folder, tmp_path / "Train", 10)
    assert "no .bin file of class 1, 2, 3, 4, 5, 6, 7, 8, 9\n" in text


def test_the_clock_of_nmnist_goes_over(tmp_path):
    path = tmp_path / "a.bin"
    parts = [(1, 2, 1, 8000), (0, 240, 0, 0), (3, 4, 0, 7), (0, 240, 0, 0), (5, 6, 1, 9)]
    path.write_bytes(b"".join(layouts.nmnist_event(*part) for part in parts))
    assert nmnist.read_events(path).tolist() == [
        [1, 2, 1, 8000],
        [3, 4, 0, 8192 + 7],
        [5, 6, 1, 2 * 8192 + 9],
    ]
