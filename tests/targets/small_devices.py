"""Devices for tests, the macros that they are in, and what is refused of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from mapper.diagnostics import MappingError
from targets import load_target
from targets.devices import device_from_data

SMALL = Path(__file__).with_name("small.toml")
ROWS_64 = load_target("adcless-64").macros[0]
ROWS_128 = load_target("adcless-128").macros[0]
DAY = 86400.0


def with_cell_bits(bits):
    return replace(ROWS_64, cell_bits=bits)


def a_device(**tables):
    data = {"name": "d", "kind": "rram", "summary": "s", "provenance": "p", **tables}
    return device_from_data(data, loc="d.toml")


def fact(value, **more):
    return {"value": value, "source": "a test", **more}


def problems(error):
    return [(diagnostic.code, diagnostic.message) for diagnostic in error.value.diagnostics]


def refused(**tables):
    with pytest.raises(MappingError) as error:
        a_device(**tables)
    return problems(error)
