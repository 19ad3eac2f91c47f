"""Files and commands that build a point."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mapper.exploration.found import Evaluated
from mapper.exploration.grid import Value

DESIGNS = "designs"
"""The folder of designs in that of an exploration, one folder a point."""

_OPTIONS = {"target.toml": "--target", "assignment.toml": "--assign"}
"""The option of ``spikeloom compile`` that each file of a design is for."""


class Designs(Protocol):
    """Work that knows how its points are built."""

    def design(self, point: Mapping[str, Value]) -> Mapping[str, str]:
        """Return the files that a point is compiled from, by name."""
        ...

    def compile_options(self, point: Mapping[str, Value]) -> tuple[str, ...]:
        """Return the options of ``spikeloom compile`` that make the rest of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an exploration was asked with, as a person writes it in its folder."""

    model: str
    calibrate: str = ""
    """The recording; empty where there is none."""
    options: tuple[str, ...] = ()
    """Others of the command that ``compile`` needs as well, such as ``--layout steps``."""


def files_of(designs: Designs, points: Iterable[Evaluated]) -> dict[str, str]:
    """Return the files of designs, by their path in the folder of the exploration."""
    return {
        f"{DESIGNS}/{point.number}/{name}": text
        for point in points
        for name, text in designs.design(point.point).items()
    }


def command_of(designs: Designs, point: Evaluated, asked: Asked) -> str:
    """Return the command that builds a point, run in the folder of the exploration.

    What is called like the folder is nowhere in there: the same exploration gives the same files.
    """
    place = f"{DESIGNS}/{point.number}"
    files = ((_OPTIONS[name], f"{place}/{name}") for name in designs.design(point.point))
    calibrate = ("--calibrate", asked.calibrate) if asked.calibrate else ()
    words: Sequence[str] = (
        *("spikeloom", "compile", asked.model),
        *(word for pair in files for word in pair),
        *designs.compile_options(point.point),
        *calibrate,
        *asked.options,
        *("-o", f"point-{point.number}"),
    )
    return shlex.join(words)
