"""What a device file holds of cells: one frozen dataclass for each of its tables.

What is not known is left out: it is absent, not zero. The unit of a value is in its name.
``targets.devices.resolve`` turns facts into counts of a macro.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from targets.devices.fact import MOST_MICROSIEMENS, MOST_SECONDS, About, Fact, bounded
from targets.fields import Amount, Bounds, Name, Text

Coefficient = Annotated[float, Bounds(-1e6, 1e6)]
Exponent = Annotated[float, Bounds(-1.0, 1.0)]
Microsiemens = Annotated[float, Bounds(0.0, MOST_MICROSIEMENS)]
Seconds = Annotated[float, Bounds(1e-12, MOST_SECONDS)]
Celsius = Annotated[float, Bounds(-273.0, 1000.0)]
Factor = Annotated[float, Bounds(0.0, 10.0)]

MOST_COEFFICIENTS = 8
"""Of a polynomial: what more of them make of large conductances no number holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """What cells of one level are found at: a measured distribution."""

    at_us: Microsiemens
    """The level that they were programmed to."""
    found_us: tuple[Microsiemens, ...]
    """Rising; value ``j`` of ``n`` is the quantile at ``(j + 1/2) / n``."""

    def problems(self) -> Iterator[str]:
        if len(self.found_us) < 2:
            yield f"found_us needs two quantiles or more, got {len(self.found_us)}"
        for before, after in pairwise(self.found_us):
            if before > after:
                yield f"found_us must rise, got {before:g} and then {after:g}"
                break


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far cells are from the level that they were programmed to: one standard deviation.

    One form of it: a polynomial or a table of the conductance, shares, a lognormal law, measured
    quantiles, or the mismatch of thresholds.
    """

    age_s: Seconds | None = None
    """Seconds after programming at which it was found; None: as programmed."""
    polynomial_us: tuple[Coefficient, ...] = ()
    """Coefficients of 1, ``x``, ``x^2`` and so on, in uS, where ``x = G / unit_us``."""
    unit_us: Annotated[float, Bounds(1e-6, MOST_MICROSIEMENS)] | None = None
    """Unit of the conductance in the polynomial; 1 uS where it is left out."""
    at_us: tuple[Microsiemens, ...] = ()
    """Conductances of the table, rising; between them it is linear, beyond them constant."""
    sigma_us: tuple[Amount, ...] = ()
    """Standard deviation at each of them."""
    share: Factor | None = None
    """Of a cell's own conductance."""
    range_share: Factor | None = None
    """Of the conductance between off and on, at every level."""
    step_share: Annotated[float, Bounds(0.0, 100.0)] | None = None
    """Of the step between two levels, at every level."""
    log_sigma: Factor | None = None
    """Of the logarithm of the conductance: lognormal, with the level as its median."""
    threshold_mv: Annotated[float, Bounds(0.0, 1e5)] | None = None
    """Of the threshold of a transistor cell; over ``overdrive_v`` it is a share of conductance."""
    overdrive_v: Annotated[float, Bounds(1e-3, 1e3)] | None = None
    """Gate voltage above the threshold at which such a cell is read, in its linear region."""
    level: tuple[Quantiles, ...] = ()
    """Measured distributions, one for each level, lowest first."""
    source: Text
    condition: Text | None = None
    verified: bool = True
    cites: tuple[Name, ...] = ()

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that it has; ``share`` and ``range_share`` may stand together."""
        return tuple(form for form in SPREAD_FORMS if getattr(self, form) not in (None, ()))

    @property
    def absolute(self) -> bool:
        """Whether it is stated in uS, so that counts follow from the conductance of levels."""
        return not {"polynomial_us", "sigma_us", "level"}.isdisjoint(self.forms)

    def polynomial_at(self, g_us: float) -> float:
        """Return the polynomial at a conductance, in uS."""
        x = g_us / (self.unit_us or 1.0)
        return sum(c * x**power for power, c in enumerate(self.polynomial_us))

    def problems(self) -> Iterator[str]:
        forms = self.forms
        if len(forms) != 1 and set(forms) != {"share", "range_share"}:
            known = ", ".join(SPREAD_FORMS)
            yield f"needs one of {known} (or share and range_share), got {', '.join(forms) or 0}"
        for key, other in (("unit_us", "polynomial_us"), ("overdrive_v", "threshold_mv")):
            if getattr(self, key) is not None and other not in forms:
                yield f"{key} goes with {other}"
        if self.threshold_mv is not None and self.overdrive_v is None:
            yield "threshold_mv goes with overdrive_v"
        if len(self.at_us) != len(self.sigma_us):
            yield (
                "at_us and sigma_us go together, "
                f"got {len(self.at_us)} and {len(self.sigma_us)} values"
            )
        if len(self.polynomial_us) > MOST_COEFFICIENTS:
            yield (
                f"polynomial_us has at most {MOST_COEFFICIENTS} coefficients, "
                f"got {len(self.polynomial_us)}"
            )
        counted = sorted({len(level.found_us) for level in self.level})
        if len(counted) > 1:
            yield f"every level has as many quantiles, got {counted[0]} and {counted[-1]}"
        at_us = self.at_us or tuple(level.at_us for level in self.level)
        if any(a >= b for a, b in pairwise(at_us)):
            yield f"at_us must rise, got {list(at_us)}"


SPREAD_FORMS = (
    "polynomial_us",
    "sigma_us",
    "share",
    "range_share",
    "step_share",
    "log_sigma",
    "threshold_mv",
    "level",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """How cells leave their level with age ``t``, in seconds, whatever the level is.

    All fall by ``fall_us ln t``, and each by a number of its own, of standard deviation
    ``sigma_us + sigma_per_log_us ln t``, which adds to that of programming as variances do.
    """

    fall_us: Amount = 0.0
    sigma_us: Amount = 0.0
    sigma_per_log_us: Amount = 0.0
    source: Text
    condition: Text | None = None
    verified: bool = True
    cites: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How conductance falls with age: ``g (t / t0)^-nu``, each cell with a ``nu`` of its own."""

    t0_s: Seconds
    """Age at which levels are as programmed."""
    nu: Exponent
    """Mean of the exponent of a cell that is on."""
    nu_per_log: Coefficient = 0.0
    """What each ``ln(G / G_on)`` adds to it."""
    nu_range: tuple[Exponent, ...] = ()
    """Its smallest and its greatest mean, where it depends on the level."""
    sigma: Exponent = 0.0
    """Standard deviation of the exponent of a cell that is on."""
    sigma_per_log: Coefficient = 0.0
    sigma_range: tuple[Exponent, ...] = ()
    source: Text
    condition: Text | None = None
    verified: bool = True
    cites: tuple[Name, ...] = ()

    def problems(self) -> Iterator[str]:
        rows = (
            ("nu", self.nu_per_log, self.nu_range),
            ("sigma", self.sigma_per_log, self.sigma_range),
        )
        for name, per_log, ends in rows:
            if (per_log != 0) != bool(ends):
                yield f"{name}_per_log and {name}_range go together"
            elif ends and (len(ends) != 2 or not 0 <= ends[0] <= ends[1]):
                yield f"{name}_range must be two numbers that rise, from 0 on, got {list(ends)}"
        if not self.sigma_range and self.sigma < 0:
            yield f"sigma must be 0 or more, got {self.sigma:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellNoise:
    """How far a cell's conductance is from its mean in one read: one standard deviation.

    ``share (G / G_on)^-power`` of its conductance, and where ``read_s`` is known times
    ``sqrt(ln((age + read_s) / (2 read_s)))``, as 1/f noise grows with age.
    """

    share: Factor
    """Of the conductance of a cell that is on."""
    power: Annotated[float, Bounds(0.0, 1.0)] = 0.0
    read_s: Seconds | None = None
    """How long a read takes, in seconds."""
    source: Text
    condition: Text | None = None
    verified: bool = True
    cites: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """What conductance gains with temperature: ``1 + share_per_k (T - at_c)``."""

    share_per_k: Exponent
    """Of the conductance, with each kelvin; below 0 where it falls."""
    at_c: Celsius
    """Degrees Celsius at which levels are as programmed."""
    source: Text
    condition: Text | None = None
    verified: bool = True
    cites: tuple[Name, ...] = ()


CELL_FACTS = {
    "levels": About("most levels that it holds", "", 2, 256),
    "on_us": About("conductance of its highest level", "uS", 1e-6, MOST_MICROSIEMENS),
    "off_us": About("conductance of its lowest level", "uS", 0, MOST_MICROSIEMENS, "high"),
    "on_off": About("highest over lowest conductance", "", 1.001, 1e12, "low"),
    "off_share": About("what a cell that is off adds, of one that is on", "", 0, 0.999, "high"),
    "stuck_on": About("share of cells that are always on", "", 0, 1, "high"),
    "stuck_off": About("share of cells that are always off", "", 0, 1, "high"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one cell does."""

    levels: Fact | None = None
    on_us: Fact | None = None
    off_us: Fact | None = None
    on_off: Fact | None = None
    off_share: Fact | None = None
    stuck_on: Fact | None = None
    stuck_off: Fact | None = None
    spread: tuple[Spread, ...] = ()
    """By age, the youngest first."""
    relaxation: Relaxation | None = None
    drift: Drift | None = None
    read_noise: CellNoise | None = None
    temperature: Temperature | None = None

    @property
    def leak(self) -> float | None:
        """Conductance of a cell that is off over that of one that is on, 0..1, if it is known."""
        if self.off_share is not None:
            return self.off_share.number
        if self.on_off is not None:
            return 1 / self.on_off.number
        if self.off_us is None:
            return None
        return self.off_us.number / self.on_us.number if self.on_us is not None else 0.0

    def problems(self) -> Iterator[str]:
        if beyond := list(bounded(self, CELL_FACTS)):
            yield from beyond
            return
        if self.levels is not None and (parts := [n for n in self.levels.ends if n % 1]):
            yield f"levels must be a whole number, got {parts[0]:g}"
        given = [k for k in ("off_us", "on_off", "off_share") if getattr(self, k) is not None]
        if len(given) > 1:
            yield f"off_us, on_off and off_share say the same thing: got {' and '.join(given)}"
        if self.off_us is not None and self.off_us.number > 0:
            if self.on_us is None:
                yield "off_us above 0 goes with on_us"
            elif self.off_us.ends[1] >= self.on_us.ends[0]:
                yield (
                    f"off_us must stay below on_us, got {self.off_us.ends[1]:g} "
                    f"and {self.on_us.ends[0]:g}"
                )
        shares = [fact.number for fact in (self.stuck_on, self.stuck_off) if fact is not None]
        if sum(shares) > 1:
            yield f"stuck_on and stuck_off are {sum(shares):g} together, at most 1"
        yield from self._spread_problems()

    def _spread_problems(self) -> Iterator[str]:
        ages = [spread.age_s or 0.0 for spread in self.spread]
        if any(a >= b for a, b in pairwise(ages)):
            yield f"spread is listed by age, each once, got {ages} s"
        if len(self.spread) > 1 and any(s.log_sigma is not None or s.level for s in self.spread):
            yield "a spread with log_sigma or level stands alone"
        if self.on_us is None and (self.relaxation or any(s.absolute for s in self.spread)):
            yield "a spread in uS, or a relaxation, goes with on_us"
        if self.on_us is None:
            return
        on = self.on_us.number
        off = on * (self.leak or 0.0)
        for spread in self.spread:
            for g in (off + (on - off) * i / 64 for i in range(65)):
                if (sigma := spread.polynomial_at(g)) < 0:
                    yield f"polynomial_us is {sigma:.4g} uS at {g:.4g} uS: a spread is 0 or more"
                    break
