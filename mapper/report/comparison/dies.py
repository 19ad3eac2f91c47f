"""Dies of each side: what chips as they come from the fab do, beside what a chip costs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mapper.cost import Range
from mapper.diagnostics import many, printable
from mapper.proportions import Score
from mapper.report.numbers import nominal, percent, spread_text, three_digits, times_text
from mapper.study.statistics import HIGH, LOW, Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class SideDies:
    """Dies of one side, on the same recording as those of the others."""

    name: str
    """Of the side."""
    energy_pj: Range
    """Of one inference."""
    adcs: bool | None
    """Read by ADCs alone, or by sense amplifiers alone; None where it is neither."""
    device: str
    measured: str
    """``accuracy``, or what is known without labels."""
    ideal: Score
    """Of the ideal chip."""
    values: tuple[float, ...]
    """What is measured of each die, 0..1, by seed."""

    @property
    def found(self) -> Distribution:
        """The values in order."""
        return Distribution.of(self.values)


KINDS = {False: "sense amplifiers", True: "ADCs"}
"""Sides whose least energy is named, by whether they have ADCs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedDies:
    """Dies of all sides."""

    require: float | None
    """Share of samples, 0..1, from which on a die is good; None: nothing is asked."""
    first_seed: int
    sides: tuple[SideDies, ...]
    warnings: tuple[str, ...]
    """What devices do not say."""
    cites: tuple[str, ...] = ()
    """Keys of the works that devices come from."""
    share: float = HIGH
    """Of dies that have to be good, 0..1, for a design to count at equal yield."""

    def good(self, side: SideDies) -> Score | None:
        """Return how many dies of a side are good; None where nothing is required."""
        return None if self.require is None else side.found.reaching(self.require)

    def least(self, adcs: bool) -> SideDies | None:
        """Return the side of a kind that takes the least energy with enough good dies."""
        enough = (
            side
            for side in self.sides
            if side.adcs is adcs
            and (good := self.good(side)) is not None
            and good.share >= self.share
        )
        return min(enough, key=lambda side: side.energy_pj.nominal, default=None)

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads of ``rows``."""
        measured = self.sides[0].measured
        heads = ("dies of", "energy", f"{measured}, ideal (%)", f"{measured}, dies (%)")
        good = () if self.require is None else (f"at {100 * self.require:g} % or more",)
        return (*heads, "5th percentile", "dies", *good)

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row for each side."""
        return [self._row(side) for side in self.sides]

    def _row(self, side: SideDies) -> tuple[str, ...]:
        found, good = side.found, self.good(side)
        spread = found.deviation
        mean = 100 * found.mean
        told = three_digits(mean) if spread is None else spread_text(mean, 100 * spread)
        cells = (
            f"{printable(side.name)} ({printable(side.device)})",
            nominal(side.energy_pj.nominal, "pJ"),
            f"{100 * side.ideal.share:.1f}",
            told,
            three_digits(100 * found.quantile(LOW)),
            f"{len(side.values):,}",
        )
        if good is None:
            return cells
        low, high = good.interval
        return (*cells, f"{percent(good.share)} ({100 * low:.1f} .. {100 * high:.1f})")

    def told(self) -> Iterator[str]:
        """Say which design takes least energy at equal yield, one sentence each."""
        if self.require is None:
            return
        asked = f"{100 * self.share:g} % of dies at {100 * self.require:g} % or more"
        held = {adcs: self.least(adcs) for adcs in KINDS if any(s.adcs is adcs for s in self.sides)}
        for adcs, side in held.items():
            if side is None:
                yield f"no design with {KINDS[adcs]} that was compared has {asked}"
            else:
                energy = nominal(side.energy_pj.nominal, "pJ")
                name = printable(side.name)
                yield f"least energy with {KINDS[adcs]} and {asked}: {name}, {energy}"
        with_adcs, without = held.get(True), held.get(False)
        if with_adcs is not None and without is not None:
            times = with_adcs.energy_pj.nominal / without.energy_pj.nominal
            yield f"at equal yield ADCs take {times_text(times)} the energy of sense amplifiers"

    @property
    def note(self) -> str:
        """Say what dies are, for a caption."""
        dies = many(len(self.sides[0].values), "die")
        return (
            f"{dies} of each, seeds from {self.first_seed} on; mean ± sample standard deviation, "
            f"yield with its 95 % interval (Wilson)"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "require": self.require,
            "share": self.share,
            "first_seed": self.first_seed,
            "sides": [self._data(side) for side in self.sides],
            "least_energy": {
                key: None if (side := self.least(adcs)) is None else side.name
                for key, adcs in (("sense_amplifiers", False), ("adcs", True))
            },
            "warnings": list(self.warnings),
        }

    def _data(self, side: SideDies) -> dict[str, Any]:
        good = self.good(side)
        return {
            "name": side.name,
            "energy_pj": list(side.energy_pj),
            "adcs": side.adcs,
            "device": side.device,
            "measured": side.measured,
            "ideal": side.ideal.as_dict("share"),
            **side.found.as_dict(),
            "values": list(side.values),
            "yield": None if good is None else good.as_dict("share"),
        }
