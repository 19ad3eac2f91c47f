"""Devices: one TOML file of facts for each technology, and what it does in a macro, in counts."""

from targets.devices.conditions import parse_age
from targets.devices.counts import CellCounts, Imperfections, ReadoutCounts, WireCounts
from targets.devices.device import Device
from targets.devices.load import (
    device_from_data,
    device_names,
    is_shipped,
    load_device,
    shipped_device_text,
)
from targets.devices.settings import SETTINGS, parse_set
from targets.devices.settings import check as check_settings
from targets.devices.words import counts_of, said_of

__all__ = [
    "SETTINGS",
    "CellCounts",
    "Device",
    "Imperfections",
    "ReadoutCounts",
    "WireCounts",
    "check_settings",
    "counts_of",
    "device_from_data",
    "device_names",
    "is_shipped",
    "load_device",
    "parse_age",
    "parse_set",
    "said_of",
    "shipped_device_text",
]
