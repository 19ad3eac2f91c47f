"""What a network takes, input codes and states, and how arrays for them are checked. NumPy alone.

A generated ``executor.py`` carries this text, so that it refuses what every engine refuses, and in
the same words.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np


class Refusal(Exception):
    """What is wrong with the user's data, with a stable code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"error[{code}]: {message}")
        self.code, self.message = code, message


class Port(NamedTuple):
    """An input, or a state kept from step to step: integers low..high of this shape."""

    name: str
    shape: tuple[int, ...]
    low: int
    high: int


def checked_inputs(
    ports: tuple[Port, ...], given: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return every input as [T, B, ...]; refuse what is missing, misshapen or no input code."""
    known = [port.name for port in ports]
    for name in given:
        if name not in known:
            raise Refusal("input-name", f"no input is named {name!a}; there is {listed(known)}")
    arrays = {port.name: checked_input(port, given.get(port.name)) for port in ports}
    sizes = {name: array.shape[:2] for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name!a} has {t} and {b}" for name, (t, b) in sizes.items())
        raise Refusal("input-shape", f"time steps and samples differ: {found}")
    return arrays


def checked_input(port: Port, array: np.ndarray | None) -> np.ndarray:
    """Return one input as [T, B, ...]."""
    if array is None:
        raise Refusal("input-name", f"there is no array for the input {port.name!a}")
    array = np.asarray(array)
    if array.ndim == len(port.shape) + 1:
        array = array[:, None]
    if array.ndim != len(port.shape) + 2 or array.shape[2:] != port.shape:
        expected = ", ".join(["T", "B", *map(str, port.shape)])
        raise Refusal("input-shape", f"{port.name!a} is {array.shape}, expected [{expected}]")
    if 0 in array.shape[:2]:
        raise Refusal("input-shape", f"{port.name!a} is {array.shape}: no time steps or samples")
    for t, codes in enumerate(array):
        check_codes(port, codes, f"time step {t}")
    return array


def check_codes(port: Port, codes: np.ndarray, where: str) -> None:
    """Refuse an array that holds anything but integers from ``port.low`` to ``port.high``."""
    if codes.dtype.kind not in "biuf":
        raise Refusal("input-type", f"{port.name!a} holds {codes.dtype}, not numbers")
    whole: bool | np.ndarray = True
    if codes.dtype.kind == "f":
        codes = codes.astype(np.float64)  # from narrower floats, whose range is too small
        whole = np.floor(codes) == codes
    good = (codes >= port.low) & (codes <= port.high) & whole
    if not good.all():
        at = np.unravel_index(np.argmin(good), good.shape)
        place = ", ".join(map(str, at))
        raise Refusal(
            "input-range",
            f"{port.name!a} is {codes[at]} at {where}, [{place}];"
            f" expected integers from {port.low} to {port.high}",
        )


def initial_states(
    ports: tuple[Port, ...],
    starts: Mapping[str, np.ndarray],
    given: Mapping[str, np.ndarray],
    batch: int,
) -> dict[str, np.ndarray]:
    """Return what every state holds before the first step, [B, ...]: ``given``, else ``starts``."""
    known = [port.name for port in ports]
    for name in given:
        if name not in known:
            raise Refusal("input-name", f"no state is named {name!a}; there is {listed(known)}")
    states = {}
    for port in ports:
        start = np.asarray(given.get(port.name, starts[port.name]))
        if port.name in given:
            if start.shape not in (port.shape, (batch, *port.shape)):
                raise Refusal(
                    "input-shape",
                    f"{port.name!a} is {start.shape}, expected {(batch, *port.shape)}",
                )
            check_codes(port, start, "the start")
        full = np.broadcast_to(start.astype(np.int64), (batch, *port.shape))
        states[port.name] = full.copy()
    return states


def listed(names: Iterable[str]) -> str:
    """Name what there is."""
    return ", ".join(ascii(name) for name in names) or "none"
