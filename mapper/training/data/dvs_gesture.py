"""DVS128 Gesture (Amir et al. 2017): AEDAT 3.1 recordings with labels, read from a local folder."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import Literal

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import Array
from mapper.training.data.camera import EVENT
from mapper.training.data.files import check_on_sensor, damaged, read_lines, read_whole, room_for
from mapper.training.data.frames import on_fewer_pixels, polarity_frames
from mapper.training.data.published import (
    GESTURE,
    absent,
    check_there,
    first_with,
    is_there,
)

SENSOR = 128
CLASSES = 11
WINDOW_US = 1_000_000
"""20 steps of 50 ms; a labelled section of some 6 s gives as many windows as fit in."""

_LISTS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}
_ARCHIVE = "DvsGesture.tar.gz"
_VERSION, _END = b"#!AER-DAT3.1", b"#!END-HEADER"
_PACKET = struct.Struct("<hhiiiiii")
_POLARITY, _POLARITY_BYTES = 1, 8
_MOST_BYTES = 512 << 20
"""Of a trial; a published one has some 40 MB."""
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
        folder: Where the lists and recordings are, or what it was unpacked in; nothing is ever
            downloaded.
        part: Which list.
        size: 128, or a half, a quarter or an eighth of it.
        steps: Frames a window.
        window_us: Length of a window.
        binary: 1 where there is an event, or counts up to 255.

    Raises:
        MappingError: ``no-data-set`` for files that are not there, with what to download;
            ``bad-events`` or ``bad-labels``; the message says what and where.
    """
    x, labels, _ = read_windows(folder, part, size, steps, window_us=window_us, binary=binary)
    return x, labels


def read_windows(
    folder: Path,
    part: Literal["train", "test"],
    size: int = 64,
    steps: int = 20,
    *,
    window_us: int = WINDOW_US,
    binary: bool = True,
) -> tuple[Array, Array, Array]:
    """Return what ``read_set`` does, and the number of the section of each window, ``int64 [B]``.

    Published accuracies are of sections. Their windows follow one another; a section that is
    shorter than a window has a number and no window. Arguments and errors are those of
    ``read_set``.
    """
    if size not in (128, 64, 32, 16):
        raise ValueError(f"size is 128, 64, 32 or 16, got {size}")
    root = find(folder)
    files = listed(root, part)
    trials = [read_labels(_labels_of(path)) for path in files]
    # Counted before they are made: a label may claim a section of any length.
    count = sum((s.end_us - s.start_us) // window_us for held in trials for s in held)
    room_for(root / _LISTS[part], count, (steps, 2, size, size))
    x = np.empty((steps, count, 2, size, size), np.uint8)
    labels, numbers = np.empty(count, np.int64), np.empty(count, np.int64)
    index = section = 0
    for path, held in zip(files, trials, strict=True):
        events = on_fewer_pixels(read_aedat(path), SENSOR // size)
        for number, gesture in enumerate(held, section):
            for span in _windows(gesture, window_us):
                x[:, index] = polarity_frames(events, size, steps, span, binary=binary)
                labels[index], numbers[index] = gesture.label, number
                index += 1
        section += len(held)
    return x, labels, numbers


def count_sections(root: Path, part: Literal["train", "test"]) -> int:
    """Return how many sections a list has, of the folder that ``find`` gives.

    ``read_windows`` gives no window of those that are shorter than one. Raises what it raises.
    """
    return sum(len(read_labels(_labels_of(path))) for path in listed(root, part))


def find(folder: Path) -> Path:
    """Return the published folder: this one, or ``DvsGesture`` in it.

    Raises:
        MappingError: ``no-data-set``, with what to download or to unpack.
    """
    if not is_there(folder, GESTURE, S_ISDIR):
        raise absent(folder, "there is no such folder", GESTURE)
    found = first_with(folder, _LISTS["train"], GESTURE, ("DvsGesture", "extract/DvsGesture"))
    if found is not None:
        return found
    packed = first_with(folder, _ARCHIVE, GESTURE, ("download",))
    reason = f"no {_LISTS['train']} in it"
    raise absent(folder, reason if packed is None else f"{_ARCHIVE} is not unpacked", GESTURE)


def listed(root: Path, part: Literal["train", "test"]) -> list[Path]:
    """Return the recordings of a list, of the folder that ``find`` gives.

    Raises:
        MappingError: ``no-data-set`` for recordings or labels that are not there, ``bad-labels``
            for lines that name none, twice the same, or one that the other list names, too.
    """
    names = _names(root, part)
    lists = [root / listing for listing in _LISTS.values()]
    check_there(root, [*lists, *names, *map(_labels_of, names)], GESTURE)
    other: Literal["train", "test"] = "test" if part == "train" else "train"
    seen = set(_names(root, other))
    for path in names:
        if path in seen:
            raise _mislabelled(root / _LISTS[part], f"{path.name} stands in it twice, or in both")
        seen.add(path)
    return names


def read_labels(path: Path) -> list[Section]:
    """Return the sections of a ``*_labels.csv``: class 1..11, start and end in microseconds.

    Raises:
        MappingError: ``bad-labels`` for headings or a line that are something else.
    """
    lines = [(n, line) for n, line in enumerate(read_lines(path), 1) if line.strip()]
    if not lines or [cell.strip() for cell in lines[0][1].split(",")] != _HEADINGS:
        found = lines[0][1][:60] if lines else "nothing"
        raise _mislabelled(path, f"the headings are {found!r}, expected {','.join(_HEADINGS)!r}")
    return [_section(path, number, line) for number, line in lines[1:]]


def read_aedat(path: Path) -> Array:
    """Return the valid polarity events of an AEDAT 3.1 file, dtype ``camera.EVENT``.

    Format: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html

    Raises:
        MappingError: ``bad-events`` where a packet claims what the file does not hold.
    """
    held = read_whole(path, _MOST_BYTES)
    # A packet of one event has a header of 28 bytes: counted first, no list of packets is kept.
    events = np.empty(sum(len(words) for words, _ in _packets(path, held)), EVENT)
    filled = 0
    for words, overflow in _packets(path, held):
        part = _events(path, words, overflow)
        events[filled : filled + len(part)] = part
        filled += len(part)
    return events[:filled]


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
        if number:
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


def _names(root: Path, part: Literal["train", "test"]) -> list[Path]:
    listing = root / _LISTS[part]
    if not is_there(listing, GESTURE):
        raise absent(root, f"no {listing.name} in it", GESTURE)
    return [root / _plain_name(listing, line) for line in read_lines(listing) if line.strip()]


def _labels_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_labels.csv")


def _plain_name(listing: Path, line: str) -> str:
    name = line.strip()
    if Path(name).name != name or not name.endswith(".aedat"):
        raise _mislabelled(listing, f"{name[:40]!r} is no name of an .aedat file beside the list")
    return name


def _section(path: Path, number: int, line: str) -> Section:
    cells = [cell.strip() for cell in line.split(",", len(_HEADINGS))]
    if len(cells) != len(_HEADINGS) or not all(c.isdecimal() and len(c) < 19 for c in cells):
        raise _mislabelled(path, f"line {number} is {line[:60]!r}, not three integers")
    label, start, end = map(int, cells)
    if not 1 <= label <= CLASSES:
        raise _mislabelled(path, f"line {number} has class {label}, classes are 1..{CLASSES}")
    if end <= start:
        raise _mislabelled(path, f"line {number} ends at {end} us, before its start at {start} us")
    return Section(label - 1, start, end)


def _windows(section: Section, length: int) -> Iterator[tuple[int, int]]:
    for start in range(section.start_us, section.end_us - length + 1, length):
        yield start, start + length


def _mislabelled(path: Path, reason: str) -> MappingError:
    return refuse("bad-labels", reason, loc=str(path))
