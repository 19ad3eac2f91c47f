"""Devices: one TOML file of facts for each technology, and what it does in a macro, in counts."""

from targets.devices.counts import CellCounts, Imperfections, ReadoutCounts, WireCounts
from targets.devices.device import Device
from targets.devices.load import device_from_data, device_names, load_device, shipped_device_text
from targets.devices.settings import SETTINGS, parse_set

__all__ = [
    "SETTINGS",
    "CellCounts",
    "Device",
    "Imperfections",
    "ReadoutCounts",
    "WireCounts",
    "device_from_data",
    "device_names",
    "load_device",
    "parse_set",
    "shipped_device_text",
]
