"""What devices of a chip do not say: imperfections that its dies do not have, facts nobody read."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from passes.dies.facts import Conditions, facts_of
from targets import Target
from targets.devices import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUsed:
    """A device in the macros of a chip that a network takes."""

    name: str
    summary: str
    digest: str
    macros: tuple[str, ...]
    not_covered: tuple[str, ...]
    """Imperfections that it does not speak of, or too little of: dies do not have them."""
    unverified: tuple[str, ...]
    """Facts that nobody read in a source."""
    provenance: str = ""
    """Where it comes from, in words."""
    cites: tuple[str, ...] = ()
    """Keys of the works that it and its facts follow, each once."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "device": self.name,
            "summary": self.summary,
            "provenance": self.provenance,
            "cites": list(self.cites),
            "digest": self.digest,
            "macros": list(self.macros),
            "not_covered": list(self.not_covered),
            "unverified": list(self.unverified),
        }

    @property
    def told(self) -> tuple[str, ...]:
        """What a reader has to know of yields with it, as sentences without an end."""
        missing, unread = ", ".join(self.not_covered), ", ".join(self.unverified)
        return (
            *([f"device {self.name} does not cover {missing}"] if missing else []),
            *([f"device {self.name} has facts that nobody verified: {unread}"] if unread else []),
        )


def devices_used(graph: Graph, chip: Target, conditions: Conditions) -> tuple[DeviceUsed, ...]:
    """Return the devices that layers of a network meet, in their order.

    Args:
        graph: Of the ideal chip, placed.
        chip: The target, with its devices in its macros: ``Lot.of``, ``Drawn.chip``.
        conditions: Of the chips.

    Raises:
        MappingError: As ``passes.dies.facts.facts_of``.
    """
    macros = dict[str, dict[str, None]]()
    missing = dict[str, dict[str, None]]()
    devices = {}
    for op in graph.ops:
        if not isinstance(op, CrossbarMvm):
            continue
        facts = facts_of(op, chip, conditions)
        device = chip.macro(facts.macro).device
        assert device is not None
        devices[device.digest] = device
        macros.setdefault(device.digest, {})[facts.macro] = None
        missing.setdefault(device.digest, {}).update(dict.fromkeys(facts.not_covered))
    return tuple(
        DeviceUsed(
            name=device.name,
            summary=device.summary,
            digest=key,
            macros=tuple(macros[key]),
            not_covered=_once(missing[key]),
            unverified=device.unverified,
            provenance=" ".join(device.provenance.split()),
            cites=_cited(device),
        )
        for key, device in devices.items()
    )


def _cited(device: Device) -> tuple[str, ...]:
    facts = (getattr(held, "cites", ()) for _, held in device.facts())
    return _once(chain(device.cites, *facts))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
