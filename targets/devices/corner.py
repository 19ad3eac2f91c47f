"""Corners of a device: facts at the ends of what is published, where least or most goes wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from mapper.diagnostics import refuse
from targets.devices.fact import About, Fact

T = TypeVar("T")

CORNERS = ("best", "nominal", "worst")


def check_corner(corner: str) -> None:
    """Refuse what is no corner.

    Raises:
        MappingError: ``device-corner``.
    """
    if corner not in CORNERS:
        raise refuse(
            "device-corner",
            f"a corner is {', '.join(CORNERS[:-1])} or {CORNERS[-1]}, got {corner!r:.40}",
            loc="--corner",
        )


def at_corner(table: T, keys: Mapping[str, About], corner: str) -> T:
    """Return a table of a device with each fact that has ends at one of them.

    Those that have no end at which more goes wrong stay as they are.
    """
    moved: dict[str, Any] = {}
    for key, known in keys.items():
        held: Fact | None = getattr(table, key)
        if held is None or held.value is not None or known.worst is None:
            continue
        low, high = held.ends
        value = high if (known.worst == "high") == (corner == "worst") else low
        moved[key] = replace(held, value=value, low=None, nominal=None, high=None)
    return replace(table, **moved)  # type: ignore[type-var]  # a dataclass
