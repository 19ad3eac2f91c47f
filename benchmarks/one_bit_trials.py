"""Try ideas for one bit on held-back training recordings: ``python -m benchmarks.one_bit_trials``.

    python -m benchmarks.accuracy --prepare --data FOLDER --task flow-narrow
    python -m benchmarks.one_bit_trials --task flow-narrow --idea taught --data FOLDER
    python -m benchmarks.one_bit_trials --table

An idea is a way to train one bit from a float network that was trained as long as the staged path
of ``benchmarks.accuracy``. Settings are chosen here: scores are of a fifth of the training
recordings, and the test set plays no part. Rows are kept in
``benchmarks/results/one_bit_trials.json``. A run that was cut off goes on where it was.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.accuracy_data import load, split
from benchmarks.accuracy_settings import SETTINGS, STEPS, Setting, small
from mapper.training import HardwareModel
from mapper.training.hardening.stages import Stage
from mapper.training.hardening.trainer import Options, Run, Task
from mapper.writing import whole_file

RESULTS = Path(__file__).resolve().parent / "results" / "one_bit_trials.json"
SCHEMA = "spikeloom/one-bit-trials/1"

FLOAT = STEPS["float-long"]
"""What ideas start from, are taught by and are compared with; one bit has its epochs and more."""


@dataclass(frozen=True, kw_only=True)
class Idea:
    """A way to train one bit, from float that was trained long."""

    decides: str
    """What the row is measured for."""
    rate: float = 4e-3
    teaching: float | None = None
    """Weight of the distance to the float network; None without a teacher."""
    averaged: int = 0
    """Last epochs whose weights are averaged."""
    sharpest: float = 1.0
    """Share of what data gave them that windows of gradients end with."""

    def stage(self, setting: Setting, teacher: nn.Module) -> Stage:
        plain = STEPS["staged"].stage(setting)
        stage = replace(plain, rate=self.rate, averaged=self.averaged)
        if self.teaching is None:
            return stage
        return replace(stage, teacher=teacher, teaching=self.teaching)


IDEAS = {
    "slow": Idea(decides="whether long float alone is enough, at the rate of before", rate=2e-3),
    "long": Idea(decides="whether twice the rate is better"),
    "taught": Idea(decides="whether one bit has a teacher by default", teaching=1.0),
    "averaged": Idea(decides="whether weights are averaged by default", averaged=5),
    "sharper": Idea(decides="whether windows of gradients shrink", sharpest=0.3),
    "faster": Idea(decides="whether four times the rate is better", rate=8e-3),
}


@dataclass
class Sharpening(Run):
    """A run whose windows of gradients shrink from epoch to epoch, to ``sharpest`` at the end."""

    sharpest: float = 1.0

    def _epoch(self, under_way: Any, epoch: int) -> dict[str, float]:
        if epoch > 0 and isinstance(under_way.model, HardwareModel):
            each = self.sharpest ** (1 / (under_way.stage.epochs - 1))
            for layer in under_way.model.layers():
                layer.half_width.mul_(each)
        return super()._epoch(under_way, epoch)


@dataclass(frozen=True, kw_only=True)
class Trials:
    """What is tried, and where runs are kept."""

    setting: Setting
    task: Task
    target: str
    seed: int
    work: Path

    def row(self, name: str) -> dict[str, Any]:
        """Train an idea; return what is kept of it."""
        float_run, network = self._trained(FLOAT.stage(self.setting), FLOAT.name, 1.0)
        idea = IDEAS[name]
        stage = idea.stage(self.setting, network)
        start = self.setting.model()
        start.load_state_dict(network.state_dict())
        run, _ = self._trained(stage, name, idea.sharpest, start)
        found, against = run.history[-1], float_run.history[-1]
        return {
            "task": self.setting.task,
            "target": self.target,
            "seed": self.seed,
            "idea": name,
            **asdict(idea),
            "epochs": [FLOAT.stage(self.setting).epochs, stage.epochs],
            "metric_name": self.setting.metric,
            "metric": found["metric"],
            "float": against["metric"],
            "losses": [round(row["loss"], 4) for row in run.history],
            "seconds": round(sum(row["seconds"] for row in run.history), 1),
            "torch": torch.__version__,
            "setting": self.setting.as_data(),
        }

    def _trained(
        self, stage: Stage, name: str, sharpest: float, model: nn.Module | None = None
    ) -> tuple[Run, nn.Module]:
        torch.manual_seed(self.seed)
        setting = self.setting
        shared = stage.kind == "float"
        run = Sharpening(
            self.setting.model() if model is None else model,
            self.task,
            self.target,
            Options(
                schedule=(stage,),
                seed=self.seed,
                scale=setting.scale,
                input_bits=setting.input_bits,
                device="cpu",
            ),
            self.work
            / setting.task
            / ("shared" if shared else self.target)
            / f"{self.seed}-{name}{'' if sharpest == 1 else f'-{sharpest:g}'}",
            report=_tell,
            sharpest=sharpest,
        )
        return run, run.train()


def main(arguments: list[str] | None = None) -> int:
    args = _arguments(arguments)
    torch.set_num_threads(1)
    if args.table:
        print(table(read(args.output)))
        return 0
    setting = small(SETTINGS[args.task]) if args.smoke else SETTINGS[args.task]
    trials = Trials(
        setting=setting,
        task=split(setting, load(setting, args.data), validate=True).whole,
        target=args.target,
        seed=args.seed,
        work=args.work,
    )
    for name in args.idea:
        row = trials.row(name)
        keep(args.output, row)
        print(line(row))
    return 0


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows that are kept in a file; none where there is no file."""
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return rows


_KEY = ("task", "target", "seed", "idea")


def keep(path: Path, row: dict[str, Any]) -> None:
    """Put a row into a file, in the place of one of the same task, target, seed and idea."""
    others = [held for held in read(path) if any(held[key] != row[key] for key in _KEY)]
    rows = sorted([*others, row], key=lambda held: [str(held[key]) for key in _KEY])
    lines = ",\n".join(f" {json.dumps(held)}" for held in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        text = f'{{"schema": "{SCHEMA}", "rows": [\n{lines}\n]}}\n'
        temporary.write_text(text, encoding="utf-8")


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as Markdown, each against the float network that it starts from, its teacher.

    Below 0 it is worse. Float has the first number of epochs, one bit both.
    """
    lines = [
        "| task, target, seed | idea | epochs | score | float | against its teacher |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        named = f"{row['task']}, `{row['target']}`, {row['seed']}"
        epochs = " + ".join(map(str, row["epochs"]))
        shown = f"{row['metric']:.3f} | {row['float']:.3f} | {_against(row)}"
        lines.append(f"| {named} | {row['idea']} | {epochs} | {shown} |")
    return "\n".join(lines)


def _against(row: dict[str, Any]) -> str:
    if row["metric_name"] == "accuracy":
        return f"{100 * (row['metric'] - row['float']):+.1f} points"
    return f"{100 * (row['float'] - row['metric']) / row['float']:+.1f} %"


def line(row: dict[str, Any]) -> str:
    named = f"{row['task']} {row['target']} seed {row['seed']} {row['idea']}"
    scores = f"{row['metric']:.4f}, float {row['float']:.4f}"
    return f"{named}: {scores}, against its teacher {_against(row)}"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--task", choices=list(SETTINGS), default="flow-narrow")
    add("--idea", action="append", choices=list(IDEAS), help="all where none is named")
    add("--target", default="adcless-diff-64")
    add("--seed", type=int, default=0)
    add("-o", "--output", type=Path, default=RESULTS, help="file of rows")
    add("--work", type=Path, default=Path("build/one-bit-trials"), help="folder of runs")
    add("--data", type=Path, default=Path("build/accuracy-data"), help="folder of data")
    add("--smoke", action="store_true", help="seconds: only shows that it runs")
    add("--table", action="store_true", help="print what is kept, as Markdown")
    args = parser.parse_args(arguments)
    args.idea = args.idea or list(IDEAS)
    return args


if __name__ == "__main__":
    sys.exit(main())
