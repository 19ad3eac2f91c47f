"""Frozen dataclasses of facts as plain data, which ``targets.reader`` reads back."""

from dataclasses import Field, fields, is_dataclass
from typing import Any

from targets.cells import Interval


def to_plain(value: object) -> object:
    """Give dicts, lists and scalars; what a file leaves out is left out."""
    if hasattr(value, "to_data"):
        return value.to_data()
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return {
        str(member.metadata.get("key", member.name)): to_plain(held)
        for member in fields(value)
        if not _left_out(held := getattr(value, member.name), member)
    }


def _left_out(held: object, member: Field[Any]) -> bool:
    """Say whether a file leaves a value out: nothing, or a fact that plays no part."""
    return held is None or (isinstance(held, Interval) and held == member.default)


def lean(value: object) -> object:
    """Give the same without what is at its default: as short as a file can say it."""
    if isinstance(value, tuple):
        return [lean(item) for item in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return {
        str(member.metadata.get("key", member.name)): lean(held)
        for member in fields(value)
        if (held := getattr(value, member.name)) != member.default
    }
