from typing import Any

INTERFACE: int
VARIANTS: dict[str, int]
CONSTANTS: dict[str, dict[str, int]]
NUMBERS: dict[str, tuple[str, ...]]
ARRAYS: dict[str, tuple[str, ...]]

def level() -> int: ...
def run_layer(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int, /
) -> None: ...
def run_neurons(level: int, fields: dict[str, int], arrays: dict[str, Any], /) -> None: ...
def pack(
    level: int,
    arrays: dict[str, Any],
    planes: int,
    images: int,
    pixels: int,
    channels: int,
    low: int,
    high: int,
    /,
) -> bool: ...
def unpack(
    level: int,
    arrays: dict[str, Any],
    planes: int,
    images: int,
    pixels: int,
    channels: int,
    signed: int,
    /,
) -> None: ...
def count_on(
    level: int, arrays: dict[str, Any], planes: int, images: int, words: int, /
) -> None: ...
def count_regions(
    level: int,
    arrays: dict[str, Any],
    images: int,
    height: int,
    width: int,
    words: int,
    rows: int,
    columns: int,
    /,
) -> None: ...
def pack_cells(fields: dict[str, int], arrays: dict[str, Any], /) -> None: ...
def pack_references(fields: dict[str, int], arrays: dict[str, Any], /) -> None: ...
def draw_cells(level: int, fields: dict[str, int], arrays: dict[str, Any], /) -> bool: ...
def behind_wires(fields: dict[str, int], arrays: dict[str, Any], /) -> bool: ...
def lay_spikes(level: int, fields: dict[str, int], arrays: dict[str, Any], /) -> bool: ...
def read_forward(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int, /
) -> None: ...
def read_backward(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int, /
) -> None: ...
def walk_forward(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int, /
) -> None: ...
def walk_backward(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int, /
) -> None: ...
