"""A device: what cells, amplifiers and wires of one technology do, other than what is ideal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import Any, Literal, Protocol

from mapper.diagnostics import refuse
from targets.devices.cell import CELL_FACTS, Cell
from targets.devices.circuit import AMPLIFIER_FACTS, WIRE_FACTS, Amplifier, Replica, Wire
from targets.devices.conditions import check_conditions
from targets.devices.corner import at_corner, check_corner
from targets.devices.counts import Imperfections
from targets.devices.covered import COVERED, not_covered, too_little
from targets.devices.resolve import cell_counts, readout_counts, wire_counts
from targets.devices.settings import Parts, changed
from targets.fields import Name, Text
from targets.plain import lean
from targets.text import toml_text

DeviceKind = Literal["ideal", "rram", "pcm", "fefet", "mram", "sram", "other"]


NOTHING = Cell()


class Crossbar(Protocol):
    """What must be known of a macro: a ``targets.Macro`` has it."""

    @property
    def name(self) -> str: ...
    @property
    def cell_bits(self) -> int: ...
    @property
    def cell_levels(self) -> int | None: ...
    @property
    def block_rows(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What is known of one technology. A new one is a new file and no new code.

    Example:
        >>> found = load_device("rram-wan").on(load_target("adcless-64").macros[0])
        >>> round(found.cell.sigma[1], 3)
        0.043
    """

    name: Name
    kind: DeviceKind
    summary: Text
    provenance: Text
    """Where it comes from: a publication, or "assumed"."""
    cites: tuple[Name, ...] = ()
    """Keys of the works that it follows."""
    cell: Cell = NOTHING
    amplifier: Amplifier | None = None
    wire: Wire | None = None
    replica: Replica | None = None

    @property
    def not_covered(self) -> tuple[str, ...]:
        """Name the imperfections that it does not speak of."""
        return not_covered(self.cell, self.amplifier, self.wire, self.replica)

    @property
    def covered(self) -> tuple[str, ...]:
        """Name the imperfections that it speaks of."""
        return tuple(name for name in COVERED if name not in self.not_covered)

    @property
    def unverified(self) -> tuple[str, ...]:
        """Name the facts that nobody read in a source, ``cell.stuck_on``."""
        return tuple(path for path, held in self.facts() if not held.verified)

    @property
    def verified(self) -> bool:
        """Whether every fact of it was read in its source."""
        return not self.unverified

    @property
    def text(self) -> str:
        """Its canonical text: that of a TOML file which ``load_device`` reads to the same."""
        return toml_text(self.to_data())

    @property
    def digest(self) -> str:
        """SHA-256 of its canonical text, in hexadecimal."""
        return sha256(self.text.encode()).hexdigest()

    def to_data(self) -> dict[str, Any]:
        """Give it as plain dicts, lists and scalars; ``device_from_data`` reads it back."""
        data = lean(self)
        assert isinstance(data, dict)
        return data

    def facts(self) -> Iterator[tuple[str, Any]]:
        """Walk through all that has a source, each with its path: ``cell.spread.1``."""
        for name in ("cell", "amplifier", "wire", "replica"):
            table = getattr(self, name)
            if hasattr(table, "source"):
                yield name, table
            for member in fields(table) if table is not None else ():
                yield from _sourced(f"{name}.{member.name}", getattr(table, member.name))

    def with_set(self, values: Mapping[str, float]) -> "Device":
        """Return it with facts replaced: ``{"cell.sigma": 0.1, "amplifier.offset": 0.5}``.

        ``cell.sigma`` is a share of the step between two levels, ``amplifier.offset`` and
        ``amplifier.noise`` are counts; ``targets.devices.SETTINGS`` has them all. They replace
        facts with units.

        Raises:
            MappingError: ``device-setting`` for a name that there is not, or a value out of range.
        """
        if not values:
            return self
        old = Parts(
            cell=self.cell,
            amplifier=self.amplifier or Amplifier(),
            wire=self.wire,
            replica=self.replica,
        )
        new = changed(old, values)
        amplifier = None if new.amplifier == Amplifier() else new.amplifier
        return replace(self, cell=new.cell, amplifier=amplifier, wire=new.wire)

    def at(self, corner: str) -> "Device":
        """Return it with its facts at the ends of what is published: ``best`` or ``worst``.

        Each fact that has a low and a high value is taken at the end where less or more goes wrong
        on a chip; ``nominal`` leaves all as they are. The name of the device says the corner. Facts
        that go both ways, as the conductance of a cell that is on, stay nominal.

        Raises:
            MappingError: ``device-corner`` for what is no corner, or where facts do not go together
                at their ends.
        """
        check_corner(corner)
        if corner == "nominal":
            return self
        made = replace(
            self,
            name=f"{self.name:.56}-{corner}",
            summary=f"{self.summary:.1900}; at the {corner} ends of its facts",
            cell=at_corner(self.cell, CELL_FACTS, corner),
            amplifier=self.amplifier and at_corner(self.amplifier, AMPLIFIER_FACTS, corner),
            wire=self.wire and at_corner(self.wire, WIRE_FACTS, corner),
        )
        for problem in made.cell.problems():
            raise refuse(
                "device-corner",
                f"device '{self.name}' has no {corner} corner: {problem}",
                loc="--corner",
            )
        return made

    def on(
        self,
        macro: Crossbar,
        age: float | None = None,
        temperature: float | None = None,
        *,
        plane_bits: int = 1,
    ) -> Imperfections:
        """Return what it does in a macro, in counts; ``None`` where it does not say.

        Args:
            macro: Its cells' levels and the rows of a read are what counts depend on.
            age: Of the chip, in seconds after programming; None: as programmed.
            temperature: In degrees Celsius; None: that at which the facts hold.
            plane_bits: Bits of an input that a wordline carries in one read, 1..8.

        Raises:
            MappingError: ``device-levels`` where a cell does not hold so many levels,
                ``device-age`` where no chip is that old or that warm.
        """
        check_conditions(age, temperature)
        levels = self.check_levels(macro)
        cell = cell_counts(self.cell, levels, age, temperature)
        readout = readout_counts(
            self.amplifier,
            self.replica,
            self.cell,
            levels,
            rows=macro.block_rows,
            most_driven=(1 << plane_bits) - 1,
        )
        wire = wire_counts(self.wire, self.cell)
        return Imperfections(
            device=self.name,
            macro=macro.name,
            cell=cell,
            readout=readout,
            wire=wire,
            not_covered=(*self.not_covered, *too_little(self.amplifier, self.wire, readout, wire)),
        )

    def check_levels(self, macro: Crossbar) -> int:
        """Return how many levels a cell of a macro has.

        Raises:
            MappingError: ``device-levels`` where one of this device does not hold so many.
        """
        levels = macro.cell_levels or 1 << macro.cell_bits
        if self.cell.levels is None or levels <= self.cell.levels.number:
            return levels
        raise refuse(
            "device-levels",
            f"a cell of device '{self.name}' holds {self.cell.levels.number:g} levels, "
            f"one of macro '{macro.name}' has {levels}",
            help="choose another device, or a target with cells of fewer levels",
        )


def _sourced(path: str, held: object) -> Iterator[tuple[str, Any]]:
    if hasattr(held, "source"):
        yield path, held
    for i, item in enumerate(held if isinstance(held, tuple) else (), start=1):
        yield from _sourced(f"{path}.{i}", item)
