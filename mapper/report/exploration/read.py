"""The file of an exploration, read again for its charts; it may come from someone else."""

from typing import Any

from mapper.exploration.found import EXPLORATION_SCHEMA, Evaluated, Explored
from mapper.exploration.grid import on_axes
from mapper.exploration.sampling import MOST_POINTS
from mapper.exploration.space import Space
from mapper.json_values import text, whole
from mapper.report.exploration.data import ExplorationReport


def read_exploration(data: dict[str, Any]) -> ExplorationReport:
    """Return what ``Explored.as_dict`` says of points and front.

    Raises:
        MappingError: ``bad-space``.
        LookupError, TypeError, ValueError: It is no such file.
    """
    if data["schema"] != EXPLORATION_SCHEMA:
        raise ValueError(f"schema {data['schema']!r:.80}, not {EXPLORATION_SCHEMA!r}")
    space, rows = Space.of_data(data["space"]), data["points"]
    if not isinstance(rows, list) or len(rows) > MOST_POINTS:
        raise ValueError(f"points are no list of at most {MOST_POINTS:,}")
    return ExplorationReport(
        found=Explored(
            space=space,
            sampling=space.sampling,
            asked=space.sampling.points or len(rows),
            points=tuple(_point(number, row, space) for number, row in enumerate(rows)),
            identity={},
            network=text(data["network"]),
            target=text(data["target"]),
            samples=whole(data["samples"], "samples", least=0),
        )
    )


def _point(number: int, row: dict[str, Any], space: Space) -> Evaluated:
    if row["number"] != number:
        raise ValueError(f"point {number} is called {row['number']!r:.80}")
    batch = whole(row["batch"], "batch", least=0)
    case = {"number": number, "batch": batch, "point": on_axes(row["point"], space.axes)}
    record = {key: held for key, held in row.items() if key not in {*case, "feasible"}}
    return Evaluated.of(case, record, space)
