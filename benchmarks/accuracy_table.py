"""The accuracy benchmark's results as a table: means and spreads over seeds."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.accuracy_settings import SHARED, TARGETS

BEGIN, END = "<!-- accuracy:begin -->", "<!-- accuracy:end -->"

COLUMNS = {
    "float": "float",
    "quantised": "4-bit weights",
    "converter": "5-bit ADC",
    "untrained": "1 bit, not retrained",
    "staged": "1 bit, staged",
    "jump": "1 bit, one jump",
    "quantised-long": "4-bit weights, as long",
    "float-long": "float, as long",
    "long": "1 bit, after long float",
    "quantised-whole": "4-bit weights, after long float",
    "float-whole": "float, as long as both",
}

COMPARISONS = {
    ("staged", "float"): "1 bit, staged, against float",
    ("staged", "float-long"): "1 bit, staged, against float trained as long",
    ("jump", "staged"): "One jump against the stages",
    ("long", "float-whole"): "1 bit after long float, against float of as many epochs",
    ("long", "quantised-whole"): "1 bit after long float, against 4-bit weights of as many epochs",
    ("long", "float-long"): "1 bit after long float, against float of half as many epochs",
    ("long", "staged"): "1 bit after long float, against staged",
}
"""Steps that are set side by side, target by target, and how the page calls that."""

Result = dict[str, Any]


def read(folder: Path) -> list[Result]:
    """Read all results of a folder, in the order of their names."""
    return [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.json"))]


def rows(results: list[Result]) -> Iterator[tuple[str, str]]:
    """Yield (task, target) of each row, tasks and targets in a fixed order."""
    for task in dict.fromkeys(result["task"] for result in results):
        trained = {r["target"] for r in results if r["task"] == task}
        for target in sorted(trained - {SHARED}, key=_order):
            yield task, target


def _order(target: str) -> tuple[bool, int]:
    return "diff" not in target, int(target.rpartition("-")[2])


_SHOWN = sorted(TARGETS, key=_order)
_HEADING = (
    "| task | " + " | ".join(f"`{target}`" for target in _SHOWN) + " |",
    "|---" * (len(_SHOWN) + 1) + "|",
)


def metrics(results: Iterable[Result], task: str, target: str, step: str) -> dict[int, float]:
    """Return the metric of a step by seed."""
    return {
        r["seed"]: r["metric"]
        for r in results
        if (r["task"], r["step"]) == (task, step) and r["target"] in (target, SHARED)
    }


def summary(results: list[Result], task: str, target: str, step: str) -> dict[str, Any] | None:
    """Return mean and standard deviation (of the sample) over seeds; None without results."""
    found = metrics(results, task, target, step)
    if not found:
        return None
    values = list(found.values())
    spread = stdev(values) if len(values) > 1 else None
    return {"mean": mean(values), "deviation": spread, "by_seed": found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """How much better a step is than another, over the seeds that both have; below 0: worse."""

    mean: float
    """Points of accuracy, or per cent of the other's endpoint error."""
    better: int
    """Seeds with which it is better."""
    seeds: int


def gain(results: list[Result], task: str, target: str, step: str, other: str) -> Gain | None:
    """Return how much better ``step`` is than ``other``; None where no seed has both."""
    ours, theirs = (metrics(results, task, target, name) for name in (step, other))
    pairs = [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    if not pairs:
        return None
    mine, others = (mean(values) for values in zip(*pairs, strict=True))
    if _is_accuracy(results, task):
        better = sum(a > b for a, b in pairs)
        return Gain(mean=100 * (mine - others), better=better, seeds=len(pairs))
    better = sum(a < b for a, b in pairs)
    return Gain(mean=100 * (others - mine) / others, better=better, seeds=len(pairs))


def _is_accuracy(results: list[Result], task: str) -> bool:
    return next(r["metric_name"] == "accuracy" for r in results if r["task"] == task)


def as_data(results: list[Result]) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "schema": "spikeloom/accuracy-table/1",
        "rows": [
            {
                "task": task,
                "target": target,
                **{step: summary(results, task, target, step) for step in COLUMNS},
            }
            for task, target in rows(results)
        ],
        "comparisons": [
            {"task": task, "target": target, "step": step, "against": other, **asdict(found)}
            for step, other in COMPARISONS
            for task, target in rows(results)
            if (found := gain(results, task, target, step, other)) is not None
        ],
    }


def as_markdown(results: list[Result]) -> str:
    """Return one table a task, and one for each of ``COMPARISONS``."""
    parts = [_table(results, task) for task in _tasks(results)]
    for (step, other), title in COMPARISONS.items():
        lines = list(_compared(results, step, other))
        if lines:
            parts.append("\n".join([f"**{title}**, better by:", "", *_HEADING, *lines]))
    return "\n\n".join(parts) + "\n"


def _tasks(results: list[Result]) -> list[str]:
    return list(dict.fromkeys(task for task, _ in rows(results)))


def _compared(results: list[Result], step: str, other: str) -> Iterator[str]:
    """Yield the lines of a comparison: a task each, its targets side by side."""
    for task in _tasks(results):
        unit = "points" if _is_accuracy(results, task) else "% of endpoint error"
        found = [gain(results, task, target, step, other) for target in _SHOWN]
        if any(found):
            yield f"| {task}, {unit} | " + " | ".join(_gain_cell(cell) for cell in found) + " |"


def _gain_cell(found: Gain | None) -> str:
    if found is None:
        return "-"
    return f"{found.mean:+.1f} ({found.better} of {found.seeds})"


def _table(results: list[Result], task: str) -> str:
    of_task = [r for r in results if r["task"] == task]
    percent = _is_accuracy(results, task)
    steps = [step for step in COLUMNS if any(r["step"] == step for r in of_task)]
    unit = "%" if percent else "pixels of endpoint error"
    facts = of_task[0]["setting"]
    size = f"width {facts['width']}, inputs {facts['size']}x{facts['size']}"
    lines = [
        f"**{task}**, {of_task[0]['network']} ({size}), {unit}:",
        "",
        "| target | " + " | ".join(COLUMNS[step] for step in steps) + " |",
        "|---" * (len(steps) + 1) + "|",
    ]
    for target in (target for name, target in rows(results) if name == task):
        cells = [_cell(summary(of_task, task, target, step), percent) for step in steps]
        lines.append(f"| `{target}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(found: dict[str, Any] | None, percent: bool) -> str:
    if found is None:
        return "-"
    factor, digits = (100, 1) if percent else (1, 3)
    text = f"{factor * found['mean']:.{digits}f}"
    if found["deviation"] is not None:
        text += f" ± {factor * found['deviation']:.{digits}f}"
    count = len(found["by_seed"])
    return text if count == 3 else f"{text} ({count})"


def write_into(path: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
