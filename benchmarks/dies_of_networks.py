"""What chips make of networks: ``python -m benchmarks.dies_of_networks build/networks-for-dies``.

Takes the networks that ``benchmarks.networks_for_dies`` left and draws dies of each under one
imperfection after the other, and under several together; then calibrates some. A row a network and
condition goes into ``--results``, and a run that was cut off goes on there. ``--table`` prints what
is kept as Markdown, as docs/dies.md has it.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import mapper
from mapper.progress import Progress
from mapper.writing import whole_file

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "dies_of_networks.json"
SCHEMA = "spikeloom/dies-of-networks/1"
NETWORKS = ("staged", "long", "dies")
MONTH = 30 * 86400.0


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Chips of one kind."""

    told: str
    device: str = "ideal"
    settings: Mapping[str, float] = field(default_factory=dict)
    age: float | None = None
    few: bool = False
    """A fifth of the dies: draws take long."""
    calibrated: bool = False
    """Trims, biases and places, together, on recordings that do not judge them."""


def _ideal(told: str, few: bool = False, **settings: float) -> Condition:
    """Return chips that have nothing but these; ``cell_sigma`` is ``cell.sigma``."""
    named = {name.replace("_", ".", 1): value for name, value in settings.items()}
    return Condition(told=told, settings=named, few=few)


TYPICAL = "rram-typical"
CONDITIONS = {
    "offset-0.25": _ideal("offset 0.25 counts", amplifier_offset=0.25),
    "offset-0.5": _ideal("offset 0.5", amplifier_offset=0.5),
    "offset-1": _ideal("offset 1", amplifier_offset=1.0),
    "offset-2": _ideal("offset 2", amplifier_offset=2.0),
    "noise-0.5": _ideal("read noise 0.5 counts", amplifier_noise=0.5),
    "noise-1": _ideal("read noise 1", amplifier_noise=1.0),
    "cells-0.1": _ideal("cells 10 % of a step", cell_sigma=0.1),
    "cells-0.2": _ideal("cells 20 %", cell_sigma=0.2),
    "stuck-0.01": _ideal("1 % of cells stuck", cell_stuck_on=0.005, cell_stuck_off=0.005),
    "stuck-0.04": _ideal("4 % stuck", cell_stuck_on=0.02, cell_stuck_off=0.02),
    "pcm": Condition(told="PCM, as programmed", device="pcm"),
    "pcm-aged": Condition(told="PCM, after 30 days", device="pcm", age=MONTH),
    "wires": _ideal("wires, 4.7 Ohm a cell of 40 uS", few=True, wire_share=1.88e-4),
    "typical": Condition(told="typical RRAM", device=TYPICAL),
    "offset-1-calibrated": Condition(
        told="offset 1, calibrated",
        settings={"amplifier.offset": 1.0},
        few=True,
        calibrated=True,
    ),
    "typical-calibrated": Condition(
        told="typical, calibrated", device=TYPICAL, few=True, calibrated=True
    ),
}
CALIBRATES = 50
"""Recordings that a calibration is given; the others judge it."""
TRIM_STEP = 0.5
"""Counts: a reference that is off by less than half a count tips nothing."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network that was trained, and where it is."""

    task: str
    target: str
    seed: int
    network: str
    path: Path

    @property
    def key(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "target": self.target,
            "seed": self.seed,
            "network": self.network,
        }


def cases(folder: Path) -> Iterator[Case]:
    """Yield what ``benchmarks.networks_for_dies`` left in a folder, in the order of names."""
    for place in sorted(path.parent for path in folder.glob("*_*_*/staged.onnx")):
        task, target, seed = place.name.rsplit("_", 2)
        for network in NETWORKS:
            path = place / f"{network}.onnx"
            if path.exists():
                yield Case(task=task, target=target, seed=int(seed), network=network, path=path)


def measured(
    case: Case, conditions: Mapping[str, Condition], recording: Path, dies: int, tell: Progress
) -> Iterator[dict[str, Any]]:
    """Yield a row of each condition: accuracies of dies, 0..1, by seed."""
    with np.load(recording) as held:
        x, labels = held["x"], held["labels"]
    build = mapper.compile(str(case.path), case.target)
    (name,) = (value.name for value in build.hardware.inputs)
    events = {name: x, "labels": labels}
    for key, condition in conditions.items():
        count = max(1, dies // 5) if condition.few else dies
        tell(
            f"{case.task} {case.target} {case.seed} {case.network}: {condition.told}, {count} dies"
        )
        if condition.calibrated:
            values, ideal = _calibrated(build, condition, {name: x}, labels, count)
        else:
            found = build.dies(
                events,
                device=condition.device,
                settings=condition.settings,
                age=condition.age,
                dies=count,
            )
            values, ideal = found.values.tolist(), found.ideal.share
        samples = len(labels) - CALIBRATES * condition.calibrated
        yield {**case.key, "condition": key, "samples": samples, "ideal": ideal, "dies": values}


def _calibrated(
    build: mapper.Build, condition: Condition, x: Mapping[str, Any], labels: Any, count: int
) -> tuple[list[float], float]:
    """Return the accuracies of dies after calibration, and that of the ideal chip."""
    some = {name: array[:, :CALIBRATES] for name, array in x.items()}
    others = {name: array[:, CALIBRATES:] for name, array in x.items()}
    values, ideal = [], 0.0
    for seed in range(count):
        die = build.die(seed, device=condition.device, settings=condition.settings)
        done = die.calibrate(
            some,
            trim=True,
            trim_step=TRIM_STEP,
            biases=True,
            place=True,
            inputs={**others, "labels": labels[CALIBRATES:]},
        )
        values.append(done.worth["after"].right.share)
        ideal = done.worth["ideal"].right.share
    return values, ideal


# --- what is kept ------------------------------------------------------------------------------


def kept(results: Path) -> list[dict[str, Any]]:
    """Return the rows of a file; none where there is none."""
    if not results.exists():
        return []
    found: list[dict[str, Any]] = json.loads(results.read_text(encoding="utf-8"))["rows"]
    return found


def keep(results: Path, rows: list[dict[str, Any]]) -> None:
    """Replace the file in one step."""
    text = ",\n".join(json.dumps(row) for row in rows)
    with whole_file(results) as new:
        new.write_text(f'{{"schema": "{SCHEMA}", "rows": [\n{text}\n]}}\n', encoding="utf-8")


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table for each task and target: mean and deviation over dies and seeds."""
    designs = dict.fromkeys((row["task"], row["target"]) for row in rows)
    for task, target in designs:
        mine = [row for row in rows if (row["task"], row["target"]) == (task, target)]
        networks = [n for n in NETWORKS if any(row["network"] == n for row in mine)]
        seeds = len({row["seed"] for row in mine})
        yield f"**{task}, `{target}`**, {seeds} seed{'' if seeds == 1 else 's'}, %:\n"
        yield f"| | {' | '.join(networks)} |"
        yield f"|---|{'---|' * len(networks)}"
        ideal = [_cell([[row["ideal"]] for row in _of(mine, n, None)]) for n in networks]
        yield f"| ideal chip | {' | '.join(ideal)} |"
        for key, condition in CONDITIONS.items():
            cells = [_cell([row["dies"] for row in _of(mine, n, key)]) for n in networks]
            if any(cells):
                yield f"| {condition.told} | {' | '.join(cells)} |"
        yield ""


def _of(rows: list[dict[str, Any]], network: str, condition: str | None) -> list[dict[str, Any]]:
    """Return the rows of a network under one condition; of any that is not calibrated for None."""
    if condition is not None:
        return [r for r in rows if (r["network"], r["condition"]) == (network, condition)]
    whole = [r for r in rows if r["network"] == network]
    return list({r["seed"]: r for r in whole if not CONDITIONS[r["condition"]].calibrated}.values())


def _cell(dies: list[list[float]]) -> str:
    values = 100 * np.array([value for each in dies for value in each])
    if not values.size:
        return ""
    spread = f" ± {values.std(ddof=1):.1f}" if values.size > len(dies) else ""
    return f"{values.mean():.1f}{spread}"


def main(arguments: list[str] | None = None) -> int:
    args = _arguments(arguments)
    rows = kept(args.results)
    if args.table:
        print("\n".join(table(rows)))
        return 0
    chosen = {k: c for k, c in CONDITIONS.items() if not args.condition or k in args.condition}
    for case in cases(args.networks):
        done = {row["condition"] for row in rows if case.key.items() <= row.items()}
        left = {key: condition for key, condition in chosen.items() if key not in done}
        recording = args.networks / f"{case.task}_held-out.npz"
        for row in measured(case, left, recording, args.dies, _tell) if left else ():
            rows.append(row)
            keep(args.results, rows)
    return 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("networks", type=Path, nargs="?", default=Path("build/networks-for-dies"))
    add("--dies", type=int, default=100, help="of each network and condition")
    add("--condition", action="append", choices=list(CONDITIONS), help="all where none is given")
    add("--results", type=Path, default=RESULTS, help="file of rows")
    add("--table", action="store_true", help="print what is kept, run nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
