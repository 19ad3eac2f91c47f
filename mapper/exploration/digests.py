"""Digests of targets, many of which have one component library."""

from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

from mapper.study.case import canonical
from targets import Library, Target, target_to_data
from targets.plain import to_plain


def target_digest(target: Target) -> str:
    """Return ``mapper.study.case.digest(target_to_data(target))``, a library being written once."""
    rest = {name: canonical(held) for name, held in _without_library(target).items()}
    entries = {**rest, "components": _written(target.components)}
    text = ",".join(f"{canonical(name)}:{entries[name]}" for name in sorted(entries))
    return sha256(f"{{{text}}}".encode()).hexdigest()


def _without_library(target: Target) -> dict[str, Any]:
    # None is left out of what is written.
    return target_to_data(replace(target, components=cast(Library, None)))


@lru_cache(maxsize=64)
def _written(library: Library) -> str:
    return canonical(to_plain(library))
