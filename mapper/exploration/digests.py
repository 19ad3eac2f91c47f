"""Digests of targets, many of which have one component library."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache
from hashlib import sha256
from typing import cast

from mapper.study.case import canonical
from targets import Library, Macro, Target, target_to_data
from targets.devices import Device
from targets.plain import to_plain


def target_digest(target: Target) -> str:
    """Return ``mapper.study.case.digest(target_to_data(target))``.

    Libraries and devices, which are long and the same in many targets, are written once.
    """
    # None is left out of what is written.
    bare = replace(target, components=cast(Library, None), macros=())
    entries = dict(_around(bare, repr(bare)))
    entries["components"] = _written(target.components)
    entries["macro"] = f"[{','.join(map(_macro, target.macros))}]"
    return sha256(_object(entries).encode()).hexdigest()


def _macro(macro: Macro) -> str:
    bare = replace(macro, device=None)
    entries = dict(_entries(bare, repr(bare)))
    if macro.device is not None:
        entries["device"] = _written(macro.device)
    return _object(entries)


@lru_cache(maxsize=256)
def _around(bare: Target, text: str) -> Mapping[str, str]:
    return {name: canonical(held) for name, held in target_to_data(bare).items()}


@lru_cache(maxsize=1024)
def _entries(macro: Macro, text: str) -> Mapping[str, str]:
    """Return its entries as they are written; ``text`` tells 1 from 1.0, which are equal."""
    held = cast(dict[str, object], to_plain(macro))
    return {name: canonical(value) for name, value in held.items()}


def _object(entries: Mapping[str, str]) -> str:
    return f"{{{','.join(f'{_name(name)}:{entries[name]}' for name in sorted(entries))}}}"


@cache
def _name(name: str) -> str:
    return canonical(name)


@lru_cache(maxsize=64)
def _written(facts: Library | Device) -> str:
    return canonical(to_plain(facts))
