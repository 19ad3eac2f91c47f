"""How points of a space are chosen: the table ``[sampler]`` of a space, and the options over it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mapper.diagnostics import Diagnostic, MappingError, nearest

GRID = "grid"
RANDOM = "random"
TPE = "tpe"
NSGA2 = "nsga2"

SAMPLERS: Mapping[str, str] = {
    GRID: "every point, in the order in which axes and values are written",
    RANDOM: "points drawn from all of the space, none of them twice",
    TPE: "tree-structured Parzen estimators, by Optuna: points that resemble the better ones",
    NSGA2: "a genetic algorithm, by Optuna: a batch is a generation",
}
"""What each of them asks."""

ADAPTIVE = (TPE, NSGA2)
"""Samplers that look at what was found; by Optuna."""

MOST_POINTS = 50_000
"""Points of an exploration: the store of a study holds about as many."""

_USUAL_POINTS = 200

_BOUNDS = {"points": (1, MOST_POINTS), "batch": (1, 4096), "seed": (0, (1 << 63) - 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How points are chosen.

    Example:
        >>> Sampling.of_data({"kind": "nsga2", "points": 64}, "space.toml")
        Sampling(kind='nsga2', points=64, batch=16, seed=0)
    """

    kind: str = RANDOM
    points: int | None = None
    """How many; None: all of a grid, and 200 of the others."""
    batch: int = 16
    """Points that are chosen at once; what they give is known when the next batch is chosen."""
    seed: int = 0

    @classmethod
    def of_data(cls, data: object, loc: str = "") -> "Sampling":
        """Read the table ``[sampler]`` of a file; all that is wrong is told at once.

        Raises:
            MappingError: ``bad-space``.
        """
        if not isinstance(data, Mapping):
            raise MappingError([_problem(f"sampler is {data!r:.80}, no table", loc)])
        known = list(asdict(cls()))
        problems = [
            _problem(f"sampler has no {name!r:.80}{nearest(str(name), known)}", loc)
            for name in data
            if name not in known
        ]
        made = cls(**{name: data[name] for name in known if name in data})
        problems += made.problems(loc)
        if problems:
            raise MappingError(problems)
        return made

    def but(self, **given: str | int | None) -> "Sampling":
        """Return it with other settings; None leaves one as it is.

        Raises:
            MappingError: ``bad-space``.
        """
        changed: Mapping[str, Any] = {k: v for k, v in given.items() if v is not None}
        made = replace(self, **changed)
        if problems := made.problems(""):
            raise MappingError(problems)
        return made

    def problems(self, loc: str) -> list[Diagnostic]:
        """Return what is wrong with it."""
        found = []
        if self.kind not in SAMPLERS:
            near = nearest(str(self.kind), SAMPLERS)
            text = f"no sampler is called {self.kind!r:.80}{near}"
            found.append(_problem(text, loc, f"samplers: {', '.join(SAMPLERS)}"))
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if value is None and name == "points":
                continue
            if type(value) is not int or not low <= value <= high:
                text = f"{name} of the sampler is {value!r:.80}, not {low:,} to {high:,}"
                found.append(_problem(text, loc))
        if self.kind == NSGA2 and self.batch == 1:
            text = "batch of the sampler is 1: a generation of nsga2 takes 2 or more"
            found.append(_problem(text, loc))
        return found

    def count(self, size: int) -> int:
        """Return how many points of a space of ``size`` are asked.

        Raises:
            MappingError: ``bad-space`` where a grid has more than an exploration takes.
        """
        if self.points is None and self.kind == GRID and size > MOST_POINTS:
            text = f"the grid has {size:,} points, at most {MOST_POINTS:,} are explored"
            raise MappingError([_problem(text, "", "take another sampler, or fewer values")])
        usual = size if self.kind == GRID else _USUAL_POINTS
        return min(size, usual if self.points is None else self.points)


def _problem(message: str, loc: str, help: str = "") -> Diagnostic:
    return Diagnostic(code="bad-space", message=message, loc=loc, help=help)
