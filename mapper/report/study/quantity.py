"""What is charted: a quantity with its name and unit, as readers see it."""

from dataclasses import dataclass

from mapper.diagnostics import many
from mapper.report.numbers import number, spread_text, three_digits
from mapper.study.statistics import Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One quantity of every run, and what its runs are called."""

    name: str
    """Such as ``accuracy``."""
    unit: str
    factor: float = 1.0
    """From a value as it is kept to one in ``unit``: 100 from shares to percent."""
    run: str = "die"
    runs: str = "dies"
    grain: float = 0.0
    """Least step between two values, as they are kept: 1/250 of shares of 250; 0 where none is."""

    @property
    def step_unit(self) -> str:
        """What a difference is in: of percent, points."""
        return "points" if self.unit == "%" else self.unit

    def shown(self, value: float) -> float:
        """Return a value in ``unit``."""
        return value * self.factor

    def text(self, value: float) -> str:
        """Write a value that someone gave with its unit: ``90 %``."""
        return f"{number(self.shown(value))} {self.unit}".rstrip()

    def many(self, count: int) -> str:
        """Write a number of runs: ``1 die``, ``200 dies``."""
        return many(count, self.run, self.runs)

    def digits(self, value: float) -> str:
        """Write a value with three digits, without its unit."""
        return three_digits(self.shown(value))

    def spread(self, found: Distribution) -> str:
        """Write mean and sample standard deviation: ``88.7 ± 1.3``."""
        if found.deviation is None:
            return self.digits(found.mean)
        return spread_text(self.shown(found.mean), self.factor * found.deviation)


def accuracy_of(samples: int) -> Quantity:
    """Return the accuracy of dies that answer so many samples each; kept as shares 0..1."""
    return Quantity(name="accuracy", unit="%", factor=100.0, grain=1 / samples)
