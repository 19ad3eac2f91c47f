"""DVS128 Gesture (Amir et al. 2017): AEDAT 3.1 recordings with labels, read from a local folder."""

import csv
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import Array
from mapper.training.data.camera import EVENT
from mapper.training.data.files import check_on_sensor, damaged, read_lines, read_whole, room_for
from mapper.training.data.frames import on_fewer_pixels, polarity_frames

SENSOR = 128
CLASSES = 11
WINDOW_US = 1_000_000
"""20 steps of 50 ms; a labelled section of some 6 s gives as many windows as fit in."""

_LISTS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}
_VERSION, _END = b"#!AER-DAT3.1", b"#!END-HEADER"
_PACKET = struct.Struct("<hhiiiiii")
_POLARITY, _POLARITY_BYTES = 1, 8
_HEADINGS = ["class", "startTime_usec", "endTime_usec"]


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a recording with one gesture; ``label`` 0..10, times in microseconds."""

    label: int
    start_us: int
    end_us: int


def read_set(
    folder: Path,
    part: Literal["train", "test"],
    size: int = 64,
    steps: int = 20,
    *,
    window_us: int = WINDOW_US,
    binary: bool = True,
) -> tuple[Array, Array]:
    """Return frames ``uint8 [steps, B, 2, size, size]``, OFF and ON, and labels ``int64 [B]``.

    The folder is the published one: ``trials_to_train.txt`` and ``trials_to_test.txt`` list files
    ``*.aedat``, each with ``*_labels.csv``. Every whole window of a labelled section is a sample.

    Args:
        folder: Where the lists and recordings are; nothing is ever downloaded.
        part: Which list.
        size: 128, or a half, a quarter or an eighth of it.
        steps: Frames a window.
        window_us: Length of a window.
        binary: 1 where there is an event, or counts up to 255.

    Raises:
        MappingError: ``bad-events`` or ``bad-labels``; the message says what and where.
    """
    if size not in (128, 64, 32, 16):
        raise ValueError(f"size is 128, 64, 32 or 16, got {size}")
    listing = folder / _LISTS[part]
    files = [folder / _plain_name(listing, line) for line in read_lines(listing) if line.strip()]
    sections = [read_labels(path.with_name(f"{path.stem}_labels.csv")) for path in files]
    windows = [[w for s in held for w in _windows(s, window_us)] for held in sections]
    count = sum(map(len, windows))
    room_for(listing, count, (steps, 2, size, size))
    x = np.empty((steps, count, 2, size, size), np.uint8)
    index = 0
    for path, cut in zip(files, windows, strict=True):
        events = on_fewer_pixels(read_aedat(path), SENSOR // size)
        for window in cut:
            span = (window.start_us, window.end_us)
            x[:, index] = polarity_frames(events, size, steps, span, binary=binary)
            index += 1
    return x, np.array([window.label for cut in windows for window in cut], np.int64)


def read_labels(path: Path) -> list[Section]:
    """Return the sections of a ``*_labels.csv``: class 1..11, start and end in microseconds.

    Raises:
        MappingError: ``bad-labels`` for headings or a line that are something else.
    """
    lines = read_lines(path)
    rows = [row for row in csv.reader(lines) if row]
    if not rows or [cell.strip() for cell in rows[0]] != _HEADINGS:
        found = ",".join(rows[0])[:60] if rows else "nothing"
        raise _mislabelled(path, f"the headings are {found!r}, expected {','.join(_HEADINGS)!r}")
    return [_section(path, number, row) for number, row in enumerate(rows[1:], 2)]


def read_aedat(path: Path) -> Array:
    """Return the valid polarity events of an AEDAT 3.1 file, dtype ``camera.EVENT``.

    Format: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html

    Raises:
        MappingError: ``bad-events`` where a packet claims what the file does not hold.
    """
    held = read_whole(path)
    parts = [_events(path, *packet) for packet in _packets(path, held)]
    return np.concatenate([np.empty(0, EVENT), *parts])


def _packets(path: Path, held: bytes) -> Iterator[tuple[Array, int]]:
    """Yield the ``uint32 [N, 2]`` words of each polarity packet with its overflow count."""
    at = _after_header(path, held)
    while at < len(held):
        if len(held) - at < _PACKET.size:
            raise damaged(
                path, f"{len(held) - at} bytes at {at}, a packet's header has {_PACKET.size}"
            )
        kind, _, size, _, overflow, capacity, number, _ = _PACKET.unpack_from(held, at)
        start = at + _PACKET.size
        at = start + capacity * size
        if size < 1 or not 0 <= number <= capacity or at > len(held):
            raise damaged(
                path,
                f"the packet at {start - _PACKET.size} claims {number} of {capacity} events of "
                f"{size} bytes, {len(held) - start} bytes are left",
            )
        if kind != _POLARITY:
            continue
        if size != _POLARITY_BYTES or overflow < 0:
            raise damaged(
                path,
                f"polarity events of {size} bytes and overflow {overflow}, expected "
                f"{_POLARITY_BYTES} and 0 or more",
            )
        yield np.frombuffer(held, "<u4", 2 * number, start).reshape(-1, 2), overflow


def _after_header(path: Path, held: bytes) -> int:
    """Return where the packets begin."""
    if not held.startswith(_VERSION):
        raise damaged(path, f"begins with {held[:12]!r}, expected {_VERSION!r}")
    at = 0
    while held[at : at + 1] == b"#":
        end = held.find(b"\n", at)
        if end < 0:
            break
        line, at = held[at:end].rstrip(b"\r"), end + 1
        if line == _END:
            return at
    raise damaged(path, f"{at} bytes of header without {_END.decode()!r}")


def _events(path: Path, words: Array, overflow: int) -> Array:
    data, stamp = words[:, 0], words[:, 1]
    valid = (data & 1) == 1
    data, stamp = data[valid], stamp[valid].astype(np.int64)
    if len(stamp) and stamp.max() >= 1 << 31:
        raise damaged(path, f"a time of {int(stamp.max())} us, 31 bits hold {(1 << 31) - 1}")
    x, y = data >> 17, data >> 2 & 0x7FFF
    check_on_sensor(path, x, y, SENSOR, SENSOR)
    events = np.empty(len(data), EVENT)
    events["t_us"] = stamp + (overflow << 31)
    events["x"], events["y"], events["polarity"] = x, y, data >> 1 & 1
    return events


def _plain_name(listing: Path, line: str) -> str:
    name = line.strip()
    if Path(name).name != name or not name.endswith(".aedat"):
        raise _mislabelled(listing, f"{name[:40]!r} is no name of an .aedat file beside the list")
    return name


def _section(path: Path, number: int, row: list[str]) -> Section:
    cells = [cell.strip() for cell in row]
    if len(cells) != len(_HEADINGS) or not all(c.isdecimal() and len(c) < 19 for c in cells):
        raise _mislabelled(path, f"line {number} is {','.join(row)[:60]!r}, not three integers")
    label, start, end = map(int, cells)
    if not 1 <= label <= CLASSES:
        raise _mislabelled(path, f"line {number} has class {label}, classes are 1..{CLASSES}")
    if end <= start:
        raise _mislabelled(path, f"line {number} ends at {end} us, before its start at {start} us")
    return Section(label - 1, start, end)


def _windows(section: Section, length: int) -> Iterator[Section]:
    for start in range(section.start_us, section.end_us - length + 1, length):
        yield Section(section.label, start, start + length)


def _mislabelled(path: Path, reason: str) -> MappingError:
    return refuse("bad-labels", reason, loc=str(path))
