"""What a pass did, and the options it had: what a build keeps of its passes, without them."""

from collections.abc import Mapping
from dataclasses import dataclass

from mapper.ir.frozen import FrozenMap

Plain = int | float | bool | str
"""What an option may hold."""
PassOptions = Mapping[str, Mapping[str, Plain]]
"""By the name of the pass, by the name of the option."""

NONE: PassOptions = FrozenMap({})

_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRun:
    """What one pass did: kept in the build folder and shown in the report."""

    name: str
    exact: bool
    ops: int
    options: Mapping[str, Plain] = FrozenMap({})
    """Those that were not left at their defaults, by name."""
    warnings: tuple[str, ...] = ()
    """What it says of the graph that it was given."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", FrozenMap(self.options))

    def __str__(self) -> str:
        return text_of(self.name, self.options)


def text_of(name: str, options: Mapping[str, Plain]) -> str:
    """Return ``replicate{max-copies=4}``, or the name alone where there are no options."""
    settings = ",".join(f"{option}={shown(value)}" for option, value in options.items())
    return f"{name}{{{settings}}}" if settings else name


def shown(value: object) -> str:
    """Write a value as the command line takes it, shortened."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
