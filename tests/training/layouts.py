"""Small recordings in the layouts of published data sets, as their files are written.

DVS128 Gesture: README.txt of DvsGesture.tar.gz and the AEDAT 3.1 specification. MVSEC: its download
page and its tools/gt_flow. N-MNIST: its page.
"""

import struct
from pathlib import Path

import numpy as np

HEADER = (
    b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"
    b"#Start-Time: 2016-11-08 14:05:31 (TZ-0800)\r\n#!END-HEADER\r\n"
)
HEADINGS = "class,startTime_usec,endTime_usec\n"

HEIGHT, WIDTH = 260, 346


def packet(events, *, kind=1, size=8, overflow=0, claimed=None) -> bytes:
    """Pack events (valid, polarity, y, x, time) as AEDAT 3.1 does."""
    number = len(events) if claimed is None else claimed
    head = struct.pack("<hhiiiiii", kind, 1, size, 4, overflow, number, number, number)
    words = [
        struct.pack("<II", valid | polarity << 1 | y << 2 | x << 17, time)
        for valid, polarity, y, x, time in events
    ]
    return head + b"".join(words)


def other_packets() -> bytes:
    """Return what a recording has beside polarity events: a special event, and an IMU sample."""
    special = struct.pack("<hhiiiiii", 0, 1, 8, 4, 0, 1, 1, 1) + bytes(8)
    return special + struct.pack("<hhiiiiii", 3, 1, 36, 4, 0, 1, 1, 1) + bytes(36)


def gesture_trial(folder: Path, name: str, sections) -> None:
    """Write a trial of sections (class 1..11, start, end in us): a dot for each class, 20 a s."""
    events = [
        (1, time // 50_000 % 2, 64, 8 * label, time)
        for label, start, end in sections
        for time in range(start, end, 50_000)
    ]
    events.sort(key=lambda event: event[-1])
    body = packet(events[:3]) + other_packets() + packet(events[3:])
    (folder / f"{name}.aedat").write_bytes(HEADER + body)
    rows = "".join(f"{label},{start},{end}\n" for label, start, end in sections)
    (folder / f"{name}_labels.csv").write_text(HEADINGS + rows)


def gesture_folder(folder: Path) -> Path:
    """Write DvsGesture: two trials to train, one to test with sections of 2.2, 1 and 0.9 s.

    As published trials do, one has class 8 twice: 12 rows, whose sections overlap.
    """
    root = folder / "DvsGesture"
    root.mkdir(parents=True)
    second = 1_000_000
    for user in ("user01_fluorescent", "user02_lab"):
        sections = [(k, k * 2 * second, k * 2 * second + second) for k in range(1, 12)]
        if user == "user02_lab":
            sections.insert(8, (8, 16_500_000, 17_500_000))  # the other is from 16 to 17 s
        gesture_trial(root, user, sections)
    test = [(1, second, 3_200_000), (11, 4 * second, 5 * second), (2, 6 * second, 6_900_000)]
    gesture_trial(root, "user24_led", test)
    (root / "trials_to_train.txt").write_text("user01_fluorescent.aedat\nuser02_lab.aedat\n\n")
    (root / "trials_to_test.txt").write_text("user24_led.aedat\n")
    return folder


def mvsec_sequence(folder: Path, name: str, h5py, *, since: float, saved: bool = False) -> None:
    """Write a sequence of three intervals of 40 ms from ``since`` s after its first image.

    The truth moves by 2 pixels right and 1 up in 50 ms, everywhere but in column 0.
    """
    folder.mkdir(parents=True, exist_ok=True)
    zero = 1_506_118_124.5  # seconds since 1970
    images = zero + np.array([0.0, *(since + 0.04 * np.arange(4))])
    times = (
        zero
        + since
        + 0.01
        + np.repeat(0.04 * np.arange(3), 4)
        + np.tile([0, 0.008, 0.016, 0.024], 3)
    )
    columns, rows = 165 + np.arange(12), 122 + np.arange(12)
    events = np.stack([columns, rows, times, np.tile([1.0, -1.0], 6)], axis=1)
    with h5py.File(folder / f"{name}_data.hdf5", "w") as file:
        left = file.create_group("davis/left")
        left["events"], left["image_raw_ts"] = events, images
        left["image_raw_event_inds"] = np.array([-1, -1, 4, 8, 11])
        raw = np.zeros((5, HEIGHT, WIDTH), np.uint8)
        left.create_dataset("image_raw", data=raw, compression="gzip")
        left["imu"], left["imu_ts"] = np.zeros((2, 6)), np.zeros(2)
    stamps = zero + since - 0.05 + 0.05 * np.arange(5)
    flow = np.zeros((5, 2, HEIGHT, WIDTH))
    flow[:, 0], flow[:, 1], flow[..., 0] = 2.0, -1.0, 0.0
    if saved:
        np.savez(
            folder / f"{name}_gt_flow_dist.npz",
            timestamps=stamps,
            x_flow_dist=flow[:, 0],
            y_flow_dist=flow[:, 1],
        )
        return
    with h5py.File(folder / f"{name}_gt.hdf5", "w") as file:
        left = file.create_group("davis/left")
        left.create_dataset("flow_dist", data=flow, compression="gzip")
        left["flow_dist_ts"] = stamps
        left["pose"], left["pose_ts"] = np.zeros((5, 4, 4)), stamps


def mvsec_folder(folder: Path, h5py) -> Path:
    """Write the five sequences of the published split, in folders of their scenes."""
    for name, since in (
        ("outdoor_day1", 222.5),
        ("outdoor_day2", 45.5),
        ("indoor_flying1", 4.5),
        ("indoor_flying2", 9.5),
        ("indoor_flying3", 7.5),
    ):
        inner = folder / name.rstrip("123")
        mvsec_sequence(inner, name, h5py, since=since, saved=name == "indoor_flying2")
    return folder


def nmnist_event(x: int, y: int, polarity: int, time: int) -> bytes:
    return bytes([x, y]) + (polarity << 23 | time).to_bytes(3, "big")
