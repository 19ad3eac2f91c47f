"""The tables of ``docs/validation.md``, from the scores of ``benchmarks/silicon.py``."""

from collections.abc import Iterator
from typing import Any

NAMES = {"JIA": "JIA, 0.85 V", "JIA12": "JIA, 1.2 V", "NEURRAM": "NEURRAM, 1 b in 3 b out"}
SCORES = {
    "blind_geomean_factor": "blind energy factor, geometric mean",
    "informed_max_error": "energy, largest",
    "informed_max_error_delay": "delay, largest",
    "informed_max_error_area": "area, largest",
    "sa_geomean_factor": "blind energy factor, geometric mean",
}


def markdown(found: dict[str, Any], nodes: dict[str, float]) -> Iterator[str]:
    """Give all tables, a blank line between them; ``nodes`` is nm by chip."""
    for lines in (
        scores(found),
        energies(found, nodes),
        delays_and_areas(found),
        left_out(found),
        *(
            lines
            for name in ("unseen", "third", "fourth")
            for lines in (
                unseen_scores(found[name]),
                unseen(found[name], nodes),
                unseen_others(found[name]),
            )
        ),
    ):
        yield from lines
        yield ""


def scores(found: dict[str, Any]) -> Iterator[str]:
    yield "| score | of | limit | here |"
    yield "|---|---|---|---|"
    for name, words in SCORES.items():
        value, limit = found[name], found["limits"][name]
        shown, bound = (
            (f"{value:.2f}", f"{limit:g}")
            if name.endswith("factor")
            else (_percent(value), _percent(limit, 0))
        )
        verdict = "" if found["met"][name] else ": missed"
        over = found["taken_over"][name].split(":")[0]
        yield f"| `{name}` | {words}; {over} | {bound} | **{shown}{verdict}** |"


def energies(found: dict[str, Any], nodes: dict[str, float]) -> Iterator[str]:
    yield "| chip | node | measured | blind | factor | informed | error | without fitted |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in _complete(found, "energy"):
        yield (
            f"| {NAMES.get(row['id'], row['id'])} | {nodes[row['id']]:g} | {row['measured']:.4g} | "
            f"{row['blind']:.4g} | {row['blind_factor']:.2f} | {row['informed']:.4g} | "
            f"{_percent(row['informed_error'])} | {_percent(row['independent_error'])} |"
        )


def delays_and_areas(found: dict[str, Any]) -> Iterator[str]:
    rows = {
        quantity: {row["id"]: row for row in _complete(found, quantity)}
        for quantity in ("delay", "area")
    }
    yield "| chip | delay | blind | informed, error | area | blind | informed, error |"
    yield "|---|---|---|---|---|---|---|"
    for name, area in rows["area"].items():
        delay = rows["delay"][name]
        seen = " s" if area["seen"] else ""
        yield f"| {name}{seen} | {_cells(delay, 1.0)} | {_cells(area, 1e-6)} |"


def _cells(row: dict[str, Any], unit: float) -> str:
    measured = f"{row['measured'] * unit:.4g}"
    if row["informed"] is None:
        return f"{measured} | - | -"
    blind, informed = (f"{row[key] * unit:.4g}" for key in ("blind", "informed"))
    return f"{measured} | {blind} | {informed}, {_percent(row['informed_error'])}"


def left_out(found: dict[str, Any]) -> Iterator[str]:
    yield "| constant | fitted with | errors of each from the others |"
    yield "|---|---|---|"
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in found["left_out"]:
        groups.setdefault(row["constant"], []).append(row)
    for constant, rows in groups.items():
        names = ", ".join(row["id"] for row in rows)
        errors = ", ".join(_percent(row["error"]) for row in rows)
        yield f"| {constant} | {names} | {errors} |"


def unseen_scores(found: dict[str, Any]) -> Iterator[str]:
    limits = {"all": "geomean_factor", "resistive": "resistive_geomean_factor"}
    yield "| energies | wanted | first predicted | here | here, informed |"
    yield "|---|---|---|---|---|"
    for name, score in found["by_kind"].items():
        limit = found["limits"].get(limits.get(name, ""))
        missed = limit is not None and score["blind"] > limit
        yield (
            f"| {name}, {score['chips']} | {limit or ''} | {score['first_predicted']:.2f} | "
            f"**{score['blind']:.2f}{': missed' if missed else ''}** | {score['informed']:.2f} |"
        )


def unseen(found: dict[str, Any], nodes: dict[str, float]) -> Iterator[str]:
    yield "| chip | node | measured | blind | factor | informed |"
    yield "|---|---|---|---|---|---|"
    for row in _complete(found, "energy"):
        informed = "-" if row["informed"] is None else f"{row['informed']:.4g}"
        yield (
            f"| {row['id']} | {nodes[row['id']]:g} | {row['measured']:.4g} | {row['blind']:.4g} | "
            f"{row['blind_factor']:.2f} | {informed} |"
        )


def unseen_others(found: dict[str, Any]) -> Iterator[str]:
    rows = {quantity: {row["id"]: row for row in _complete(found, quantity)} for quantity in UNITS}
    names = dict.fromkeys(row["id"] for row in found["chips"])
    known = [name for name in names if any(name in rows[quantity] for quantity in UNITS)]
    if not known:
        return
    yield "| chip | delay | blind | area | blind |"
    yield "|---|---|---|---|---|"
    for name in known:
        pairs = (_pair(rows[quantity].get(name), unit) for quantity, unit in UNITS.items())
        yield f"| {name} | {' | '.join(pairs)} |"


UNITS = {"delay": 1.0, "area": 1e-6}
"""What a table has, in its own unit: ns of ns, mm2 of um2."""


def _pair(row: dict[str, Any] | None, unit: float) -> str:
    if row is None:
        return "- | -"
    return f"{row['measured'] * unit:.4g} | {row['blind'] * unit:.4g}"


def _complete(found: dict[str, Any], quantity: str) -> Iterator[dict[str, Any]]:
    for row in found["chips"]:
        if row["group"] == "complete" and row["quantity"] == quantity:
            yield row


def _percent(value: float, digits: int = 1) -> str:
    return f"{value * 100:.{digits}f} %"
