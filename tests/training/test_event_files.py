"""Loaders of real data sets, on small files in the real formats that these tests write."""

import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.training.data import dvs_gesture, hdf5, mvsec, nmnist
from mapper.training.data.mvsec_truth import Truth, flow_between
from tests.training.layouts import nmnist_event, packet

HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"


def complaint(call, *args, **options) -> str:
    with pytest.raises(MappingError) as caught:
        call(*args, **options)
    return str(caught.value)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_aedat_events_and_packets_of_other_kinds(tmp_path):
    special = struct.pack("<hhiiiiii", 0, 1, 8, 4, 0, 1, 1, 1) + bytes(8)
    first = packet([(1, 1, 5, 100, 7), (0, 1, 6, 6, 8), (1, 0, 127, 0, 9)])
    second = packet([(1, 1, 0, 0, 3)], overflow=1)
    path = written(tmp_path / "a.aedat", HEADER + special + first + second)
    events = dvs_gesture.read_aedat(path)
    assert events.tolist() == [(7, 100, 5, 1), (9, 0, 127, 0), (3 + 2**31, 0, 0, 1)]


def test_a_recording_without_events_is_empty(tmp_path):
    assert len(dvs_gesture.read_aedat(written(tmp_path / "a.aedat", HEADER))) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"#!AER-DAT2.0\r\n", "begins with b'#!AER-DAT2.0', expected b'#!AER-DAT3.1'"),
        (b"", "begins with b''"),
        (b"#!AER-DAT3.1\r\n#no end", "14 bytes of header without '#!END-HEADER'"),
        (HEADER + bytes(5), "5 bytes at 61, a packet's header has 28"),
        (
            HEADER + packet([(1, 1, 0, 0, 0)], claimed=2**31 - 1),
            "claims 2147483647 of 2147483647 events of 8 bytes, 8 bytes are left",
        ),
        (HEADER + packet([], claimed=-1), "claims -1 of -1 events"),
        (HEADER + packet([(1, 1, 0, 0, 0)], size=0), "events of 0 bytes"),
        (HEADER + packet([(1, 1, 0, 0, 0)], size=4), "polarity events of 4 bytes"),
        (HEADER + packet([(1, 1, 0, 0, 0)], overflow=-1), "overflow -1"),
        (HEADER + packet([(1, 1, 0, 128, 0)]), "an event in column 128, the sensor has 0..127"),
        (HEADER + packet([(1, 1, 0, 0, 2**31)]), "a time of 2147483648 us"),
    ],
)
def test_a_broken_aedat_file_is_refused_with_both_numbers(tmp_path, content, said):
    text = complaint(dvs_gesture.read_aedat, written(tmp_path / "a.aedat", content))
    assert text.startswith("error[bad-events]: ")
    assert said in text
    assert "a.aedat" in text


def a_gesture_folder(folder: Path, labels: str, name: str = "user01_led.aedat") -> Path:
    events = [(1, 1, 10, 20, 1_000_000), (1, 0, 11, 21, 1_950_000), (1, 1, 0, 0, 2_000_000)]
    written(folder / "user01_led.aedat", HEADER + packet(events))
    (folder / "user01_led_labels.csv").write_text(labels)
    (folder / "trials_to_train.txt").write_text(f"{name}\n\n")
    (folder / "trials_to_test.txt").write_text("")
    return folder


LABELS = "class,startTime_usec,endTime_usec\n11,1000000,3500000\n1,5000000,5900000\n"


def test_labelled_sections_are_cut_into_whole_windows(tmp_path):
    x, labels = dvs_gesture.read_set(a_gesture_folder(tmp_path, LABELS), "train", size=64)
    # 2.5 s are two windows of a second; 0.9 s are none.
    assert (x.shape, labels.tolist()) == ((20, 2, 2, 64, 64), [10, 10])
    assert np.argwhere(x).tolist() == [[0, 0, 1, 5, 10], [0, 1, 1, 0, 0], [19, 0, 0, 5, 10]]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("", "the headings are 'nothing'"),
        ("a,b,c\n", "the headings are 'a,b,c'"),
        (LABELS + "12,1,2\n", "line 4 has class 12, classes are 1..11"),
        (LABELS + "0,1,2\n", "line 4 has class 0"),
        (LABELS + "1,2,2\n", "line 4 ends at 2 us, before its start at 2 us"),
        (LABELS + "1,-2,2\n", "line 4 is '1,-2,2', not three integers"),
        (LABELS + "1,2\n", "not three integers"),
        (LABELS + f"1,2,{'9' * 5000}\n", "not three integers"),
        (LABELS + f"\n1,2,{'9' * 200_000}\n", "line 5 is '1,2,999"),
    ],
)
def test_broken_labels_are_refused(tmp_path, labels, said):
    text = complaint(dvs_gesture.read_set, a_gesture_folder(tmp_path, labels), "train")
    assert text.startswith("error[bad-labels]: ")
    assert said in text


def test_a_list_cannot_lead_out_of_its_folder(tmp_path):
    folder = a_gesture_folder(tmp_path, LABELS, name="../user01_led.aedat")
    assert "is no name of an .aedat file" in complaint(dvs_gesture.read_set, folder, "train")


def test_a_missing_list_and_too_many_windows_are_refused(tmp_path):
    folder = a_gesture_folder(
        tmp_path, "class,startTime_usec,endTime_usec\n1,0,900000000000000000\n"
    )
    assert "0 recordings, at least 1" in complaint(dvs_gesture.read_set, folder, "test")
    assert "at most 4294967296 are made" in complaint(dvs_gesture.read_set, folder, "train")
    short = "class,startTime_usec,endTime_usec\n1,0,9\n"
    a_gesture_folder(tmp_path, short)
    assert "0 recordings, at least 1" in complaint(dvs_gesture.read_set, folder, "train")


def test_a_pipe_is_not_waited_for(tmp_path, h5py):
    path = tmp_path / "a.aedat"
    os.mkfifo(path)
    said = "cannot be read: this is no regular file"
    assert said in complaint(dvs_gesture.read_aedat, path)
    assert "this is no regular file" in complaint(mvsec.read_flow, path, path)


@pytest.mark.parametrize(
    ("read", "most"),
    [
        (dvs_gesture.read_aedat, 512 << 20),
        (nmnist.read_events, 1 << 20),
        (dvs_gesture.read_labels, 1 << 20),
    ],
)
def test_a_file_past_the_limit_of_its_kind_is_not_read(tmp_path, read, most):
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(most + 1)  # nothing of it is written
    assert f"has {most + 1} bytes, at most {most} are read" in complaint(read, path)


def test_packets_of_one_event_or_none_take_no_more_than_their_events(tmp_path):
    packets = packet([(1, 1, 0, 0, 0)]) * 2000 + packet([]) * 2000 + packet([(0, 1, 0, 0, 0)])
    path = written(tmp_path / "a.aedat", HEADER + packets)
    tracemalloc.start()
    events = dvs_gesture.read_aedat(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(events) == 2000
    assert peak < 300_000  # the file has 128 KB, the events 26


def test_nmnist_in_its_original_folders(tmp_path):
    for label in range(10):
        (tmp_path / str(label)).mkdir()
        written(tmp_path / str(label) / "00001.bin", nmnist_event(label, 5, 1, 299_999))
    frames, labels = nmnist.read_folder(tmp_path, 10)
    assert (tuple(frames.shape), labels.tolist()) == ((10, 10, 2, 34, 34), [*range(10)])
    assert frames.nonzero().tolist() == [[9, label, 1, 5, label] for label in range(10)]


def test_broken_nmnist_files_are_refused(tmp_path):
    short = written(tmp_path / "a.bs2", bytes(7))
    assert "7 bytes are no whole number of events of 5" in complaint(nmnist.read_events, short)
    beside = written(tmp_path / "b.bs2", nmnist_event(34, 0, 0, 0))
    assert "column 34, the sensor has 0..33" in complaint(nmnist.read_events, beside)
    for line in ("a 10", "../a 1", "a", "a b", "a \u0663", f"a {'9' * 5000}"):
        (tmp_path / "list.txt").write_text(f"#sample #class\n{line}\n")
        assert "error[bad-labels]: line 2" in complaint(nmnist.read_set, tmp_path, "list.txt", 10)


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="needs the extra 'nir'")


def a_scene(folder: Path, h5py, **changes) -> tuple[Path, Path]:
    """Write two intervals of 0.04 s of MVSEC with a flow of 2 pixels right and 1 up a 0.05 s."""
    events = np.array(
        [[173, 130, 10.0001, 1], [174, 130, 10.0399, -1], [20, 130, 10.01, 1], [173, 131, 10.05, 1]]
    )
    flow = np.zeros((3, 2, 260, 346))
    flow[:, 0], flow[:, 1] = 2.0, -1.0
    flow[:, :, 131, 173] = 0.0  # unknown
    held = {
        "events": events,
        "image_raw_ts": np.array([10.0, 10.04, 10.08]),
        "image_raw_event_inds": np.array([0, 3, 4]),
        "flow_dist": flow,
        "flow_dist_ts": np.array([10.0, 10.05, 10.1]),
        **changes,
    }
    paths = folder / "a_data.hdf5", folder / "a_gt.hdf5"
    for path, names in zip(
        paths,
        (("events", "image_raw_ts", "image_raw_event_inds"), ("flow_dist", "flow_dist_ts")),
        strict=True,
    ):
        with h5py.File(path, "w") as file:
            group = file.create_group("davis/left")
            for name in names:
                if held[name] is not None:
                    group[name] = held[name]
    return paths


def test_mvsec_events_and_flow_of_an_interval(tmp_path, h5py):
    x, flow, mask = mvsec.read_flow(*a_scene(tmp_path, h5py), size=256)
    assert (x.shape, flow.shape, mask.shape) == (
        (5, 2, 4, 256, 256),
        (2, 2, 256, 256),
        (2, 256, 256),
    )
    # The crop begins at column 45 and row 2; column 20 is beside it. 0.05 s is a fifth of the way.
    assert np.argwhere(x).tolist() == [
        [0, 0, 0, 128, 128],
        [2, 1, 0, 129, 128],
        [4, 0, 3, 128, 129],
    ]
    # 0.04 s of 0.05 s; the second interval has the last 0.01 s of one truth and 0.03 s of the next.
    # The times are seconds in float64: 10.04 - 10.0 is off by 1e-15, far below single precision.
    assert np.allclose(flow[:, :, 0, 0], [[1.6, -0.8]] * 2, rtol=1e-6)
    assert np.argwhere(mask).tolist() == [[0, 128, 128], [0, 128, 129]]


def test_a_flow_follows_its_pixel():
    flows = np.zeros((2, 2, 1, 6))
    flows[0, 0, 0], flows[1, 0, 0] = 2.0, [1.0, 1.0, 3.0, 1.0, 1.0, 1.0]
    truth = Truth(np.array([0.0, 1.0, 2.0]), flows.__getitem__)
    moved, known = flow_between(truth, (0.0, 2.0))
    assert moved[0, 0, :4].tolist() == [5.0, 3.0, 3.0, 3.0]  # pixel 0 is at 2 when the 3 comes
    assert known[0].tolist() == [True, True, True, True, False, False]  # the last two leave


@pytest.mark.parametrize(
    ("span", "right"),
    [
        # 21.9 ms, shorter than 50: the first flow alone, though 11.9 ms are of the next.
        ((0.040, 0.0619), 2 * 21.9 / 50),
        ((0.050, 0.099), 8 * 49 / 50),
        # 60 ms: followed, 10 ms of the first and all of the second.
        ((0.040, 0.100), 2 * 10 / 50 + 8),
        ((0.000, 0.050), 2.0),  # as long: followed
    ],
)
def test_a_span_within_one_interval_of_the_truth_takes_its_first_flow(span, right):
    flows = np.zeros((3, 2, 1, 30))
    flows[0, 0], flows[1, 0], flows[2, 0] = 2.0, 8.0, 100.0
    truth = Truth(np.array([0.0, 0.05, 0.10]), flows.__getitem__)
    moved, known = flow_between(truth, span)
    assert moved[0, 0, :10] == pytest.approx(right, rel=1e-12)
    assert known[0, :10].all()


def test_a_component_of_zero_on_the_way_is_zero():
    flows = np.zeros((2, 2, 1, 9))
    flows[0, :, 0], flows[1, :, 0] = [[2.0], [0.25]], [[1.0], [0.0]]
    flows[:, :, 0, 5] = [[0.0, 0.25], [1.0, 0.25]]
    flows[1, :, 0, 3] = 0.0  # where pixel 1 comes to
    truth = Truth(np.array([0.0, 1.0, 2.0]), flows.__getitem__)
    moved, known = flow_between(truth, (0.0, 2.0))
    assert moved[:, 0, 0].tolist() == [3.0, 0.0]
    assert moved[:, 0, 5].tolist() == [0.0, 0.5]
    assert known[0, [0, 1, 5]].tolist() == [True, False, True]
    moved, known = flow_between(truth, (0.0, 0.5))  # not followed
    assert moved[:, 0, 0].tolist() == [1.0, 0.125]
    assert moved[:, 0, 5].tolist() == [0.0, 0.125]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"events": None}, "no davis/left/events in the file itself"),
        ({"events": np.zeros((4, 3))}, "has shape (4, 3), expected (any, 4)"),
        ({"events": np.full((4, 4), np.nan)}, "holds NaN or infinity"),
        ({"events": np.full((4, 4), 346.0)}, "column 346.0, the sensor has 0..345"),
        ({"image_raw_event_inds": np.array([0, 3, 5])}, "indices 0..5 of events must rise within"),
        ({"image_raw_event_inds": np.array([3, 0, 4])}, "must rise within 0..4"),
        ({"image_raw_event_inds": np.array([0, 3])}, "3 times of images, 2 indices"),
        ({"image_raw_ts": np.array([10.0, 9.0, 10.1])}, "are needed, none before another"),
        ({"image_raw_ts": np.array([np.inf, 1, 2])}, "holds what is no number"),
        ({"image_raw_ts": np.array([b"a", b"b", b"c"])}, "is no array of numbers"),
        ({"image_raw_ts": np.array([1.0, 2.0, 3.0])}, "0 recordings, at least 1"),
        ({"flow_dist_ts": np.array([10.0])}, "expected (1, 2, 260, 346)"),
        ({"flow_dist_ts": np.array([3.0, 2.0, 1.0])}, "3 times of flow"),
        ({"flow_dist": np.zeros((3, 2, 4, 4))}, "expected (3, 2, 260, 346)"),
    ],
)
def test_broken_mvsec_files_are_refused(tmp_path, h5py, changes, said):
    text = complaint(mvsec.read_flow, *a_scene(tmp_path, h5py, **changes))
    assert text.startswith("error[bad-events]: ")
    assert said in text


def replaced(path: Path, h5py, name: str, make) -> None:
    """Put what ``make`` makes of the group and the name in place of a list of a file."""
    with h5py.File(path, "a") as file:
        del file["davis/left"][name]
        make(file["davis/left"], name)


def test_mvsec_files_that_lead_elsewhere_or_are_none(tmp_path, h5py):
    data, truth = a_scene(tmp_path, h5py)
    assert "not a readable HDF5 file" in complaint(mvsec.read_flow, tmp_path / "none", truth)
    assert "not a readable HDF5" in complaint(
        mvsec.read_flow, written(tmp_path / "x.hdf5", b"x"), truth
    )
    with h5py.File(data, "a") as file:
        file["kept"] = file["davis/left/events"]
    for link in (h5py.ExternalLink("other.hdf5", "/events"), h5py.SoftLink("/kept")):
        replaced(data, h5py, "events", lambda left, name, link=link: left.update({name: link}))
        assert "no davis/left/events in the file itself" in complaint(mvsec.read_flow, data, truth)


def test_mvsec_numbers_in_other_files_are_not_read(tmp_path, h5py):
    data, truth = a_scene(tmp_path, h5py)
    times = np.array([10.0, 10.04, 10.08])
    written(tmp_path / "secret.bin", times.tobytes())
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["times"] = times
    virtual = h5py.VirtualLayout((3,), "f8")
    virtual[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "times", (3,))
    outside = [(str(tmp_path / "secret.bin"), 0, 24)]
    for make in (
        lambda left, name: left.create_dataset(name, (3,), "f8", external=outside),
        lambda left, name: left.create_virtual_dataset(name, virtual),
    ):
        replaced(data, h5py, "image_raw_ts", make)
        text = complaint(mvsec.read_flow, data, truth)
        assert "davis/left/image_raw_ts is in another file" in text


def test_mvsec_numbers_of_a_type_that_numpy_has_not_are_refused(tmp_path, h5py):
    def quadruple(left, name):
        kind = h5py.h5t.IEEE_F64LE.copy()
        kind.set_size(16)
        kind.set_precision(128)
        kind.set_fields(127, 112, 15, 0, 112)
        h5py.h5d.create(left.id, name.encode(), kind, h5py.h5s.create_simple((3,)))

    data, truth = a_scene(tmp_path, h5py)
    replaced(data, h5py, "image_raw_ts", quadruple)
    assert "Insufficient precision" in complaint(mvsec.read_flow, data, truth)


@pytest.mark.parametrize("error", [MemoryError, ValueError, OSError])
def test_what_h5py_raises_is_of_the_file_that_is_read(error, tmp_path, h5py, monkeypatch):
    class Broken:
        shape, dtype, chunks = (9, 4), np.dtype("f8"), None

        def __getitem__(self, _):
            raise error("a reason")

    text = complaint(hdf5.read_rows, tmp_path / "b", Broken(), 0, 9)
    assert text.startswith("error[bad-events]: not a readable HDF5 file: a reason")

    def flow(*_):
        raise error("of the truth")

    monkeypatch.setattr(mvsec, "flow_between", flow)
    with pytest.raises(error, match="of the truth"):
        mvsec.read_flow(*a_scene(tmp_path, h5py))


def test_small_files_of_mvsec_do_not_become_gigabytes(tmp_path, h5py):
    data, truth = a_scene(tmp_path, h5py)
    replaced(
        data,
        h5py,
        "image_raw_ts",
        lambda left, name: left.create_dataset(name, (500_000_000,), "f8", chunks=(1000,)),
    )
    text = complaint(mvsec.read_flow, data, truth)
    assert "image_raw_ts has 500000000 numbers, at most 10000000 are read" in text
    replaced(
        data,
        h5py,
        "events",
        lambda left, name: left.create_dataset(name, (1 << 30, 4), "f8", chunks=(1 << 22, 4)),
    )
    replaced(data, h5py, "image_raw_ts", lambda left, name: left.create_dataset(name, data=[1.0]))
    text = complaint(mvsec.read_flow, data, truth)
    assert "events is in chunks of 134217728 bytes, at most 67108864 are read" in text
    with h5py.File(tmp_path / "c.h5", "w") as file:
        held = file.create_dataset("a", (1 << 30, 4), "f8", chunks=(1000, 4))
        text = complaint(hdf5.read_rows, tmp_path / "c.h5", held, 0, 1 << 28)
    assert "take 8589934592 bytes, at most 4294967296 are made" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image_raw_ts": np.array([10, 9, 11], np.uint64)}, "none before another"),
        ({"flow_dist_ts": np.array([3, 2, 1], np.uint8)}, "3 times of flow, 2 or more"),
        (
            {"image_raw_event_inds": np.array([3, 0, 4], np.uint32)},
            "indices 0..4 of events must rise",
        ),
        ({"image_raw_ts": np.full(3, -(1 << 63))}, "holds what is no number below 1e+12"),
        ({"image_raw_ts": np.array([1, 2, 1e300], np.longdouble)}, "no number below 1e+12"),
    ],
)
def test_order_and_magnitude_of_integers_are_seen(tmp_path, h5py, changes, said):
    text = complaint(mvsec.read_flow, *a_scene(tmp_path, h5py, **changes))
    assert said in text
