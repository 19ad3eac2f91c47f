"""Every value of every shipped device, replaced: refused with a code, or finite in counts."""

from collections.abc import Iterator
from copy import deepcopy
from math import isfinite
from typing import Any

import pytest

from mapper.diagnostics import MappingError
from targets import load_target
from targets.devices import counts_of, device_from_data, device_names, load_device

MACRO = load_target("adcless-64").macros[0]
ODD = (None, True, "", "x" * 3000, [], {}, [[]], {"value": 1}, "1", b"")
NUMBERS = (0, -1, 1e-300, 1e300, 10**400, 1e6, 1e12, 0.999, float("nan"), float("inf"), -0.5)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Walk through the paths of everything in plain data, tables and leaves."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, held in items:
        yield (*path, key)
        if isinstance(held, dict | list):
            yield from places(held, (*path, key))


def edited(data: Any, path: tuple[Any, ...], new: Any) -> Any:
    made = deepcopy(data)
    at = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new
    return made


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, tuple):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


@pytest.mark.parametrize("name", device_names())
def test_an_edited_device_is_refused_or_finite(name, campaign):
    whole = load_device(name).to_data()
    cases = [(path, new) for path in places(whole) for new in (*ODD, *NUMBERS)]
    taken = 0
    for path, new in campaign(cases, 120):
        data = edited(whole, path, new)
        try:
            device = device_from_data(data, loc="d.toml")
        except MappingError as error:
            codes = {found.code for found in error.diagnostics}
            assert codes <= {"target-key", "target-value"}, (path, new)
            continue
        taken += 1
        check_finite(device, path, new)
    assert taken


def check_finite(device, path, new):
    for age in (None, 1e-6, 1.0, 1e10):
        for bits in (1, 3):
            found = device.on(MACRO, age, 85.0, plane_bits=bits)
            for key, value in counts_of(found).items():
                assert all(map(isfinite, numbers(value))), (path, new, key, value)
                assert all(n >= 0 for n in numbers(value)) or key.endswith("nu"), (path, new, key)
