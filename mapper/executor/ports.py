"""What a network takes, input codes and states, and how arrays for them are checked. NumPy alone.

A generated ``executor.py`` carries this text, so that it refuses what every engine refuses, and in
the same words.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from mapper.layout import (
    IN_STEPS,
    LayoutError,
    Presentation,
    Taken,
    fitting,
    misfit,
    together,
    with_time,
)

EXACT = 1 << 53
"""Up to here a float has every whole number, in the widest type that is taken."""


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
    ports: tuple[Port, ...],
    given: Mapping[str, np.ndarray],
    presented: Presentation = IN_STEPS,
    layout: str | None = None,
) -> dict[str, np.ndarray]:
    """Return every input as [T, B, ...]; refuse what is missing, misshapen or no input code."""
    arrays, _ = inputs_with_time(ports, given, presented, layout)
    for port in ports:
        for t, codes in enumerate(arrays[port.name]):
            check_codes(port, codes, f"time step {t}")
    return arrays


def inputs_with_time(
    ports: tuple[Port, ...],
    given: Mapping[str, np.ndarray],
    presented: Presentation,
    layout: str | None,
) -> tuple[dict[str, np.ndarray], Taken]:
    """Return every input as [T, B, ...], and what they were taken for."""
    known = [port.name for port in ports]
    for name in given:
        if name not in known:
            raise Refusal("input-name", f"no input is named {name!a}; there is {listed(known)}")
    found = {}
    for port in ports:
        if port.name not in given:
            raise Refusal("input-name", f"there is no array for the input {port.name!a}")
        array = np.asarray(given[port.name])
        image = port.name in presented.images
        shape = presented.of_one_sample(port.name, port.shape, array.ndim)
        taken = with_time(array, shape, image, layout)
        if taken is None:
            why = misfit(array.shape, fitting(shape, image, layout))
            raise Refusal("input-shape", f"{port.name!a} is {array.shape}{why}")
        array, still = taken
        found[port.name] = array.reshape(*array.shape[:2], *port.shape), still
    try:
        return together(found, presented, layout)
    except LayoutError as error:
        raise Refusal("input-shape", str(error)) from None


def check_codes(port: Port, codes: np.ndarray, where: str) -> None:
    """Refuse an array that holds anything but integers from ``port.low`` to ``port.high``."""
    if codes.dtype.kind not in "biuf":
        raise Refusal("input-type", f"{port.name!a} holds {codes.dtype}, not numbers")
    if codes.dtype.kind == "f" and max(-port.low, port.high) > EXACT:
        raise Refusal(
            "input-type",
            f"{port.name!a} holds {codes.dtype}, which rounds whole numbers beyond {EXACT};"
            f" expected integers from {port.low} to {port.high}, as integers",
        )
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


def unused_starts(states: Iterable[str], given: Iterable[str]) -> str:
    """Say which initial states a recording holds, which no run takes from there; empty if none.

    They are real numbers, of the model that was recorded; the states of a build are integers.
    """
    held = [name for name in states if name in set(given)]
    if not held:
        return ""
    return (
        f"the recording's start of {', '.join(map(ascii, held))} is not used: states start as the "
        "build says; executor.py --start takes other starts, in integers"
    )


def listed(names: Iterable[str]) -> str:
    """Name what there is."""
    return ", ".join(ascii(name) for name in names) or "none"
