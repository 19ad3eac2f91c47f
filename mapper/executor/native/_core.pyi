from typing import Any

def level() -> int: ...
def run_layer(
    level: int, fields: dict[str, int], arrays: dict[str, Any], first: int, last: int, /
) -> None: ...
def run_neurons(level: int, fields: dict[str, int], arrays: dict[str, Any], /) -> None: ...
def count_regions(
    arrays: dict[str, Any],
    images: int,
    height: int,
    width: int,
    words: int,
    rows: int,
    columns: int,
    /,
) -> None: ...
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
