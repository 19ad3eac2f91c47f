"""Train networks to make dies of: ``python -m benchmarks.networks_for_dies --target adcless-64``.

Of each target and seed there are three: ``staged``, as ``benchmarks.accuracy`` trains it; ``dies``,
with more epochs on chips of a device; and ``long``, its control, with as many on ideal chips. Each
is an ONNX file that compiles for the target; ``held-out.npz`` has the recordings of no training.
A run that was cut off goes on where it was.
"""

import argparse
import copy
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.accuracy_data import load, prepare, split
from benchmarks.accuracy_settings import SETTINGS, STEPS, Setting, small
from mapper.training import HardwareModel, export_onnx
from mapper.training.hardening.stages import Schedule
from mapper.training.hardening.trainer import Options, Run, Task
from targets.devices import Device, load_device, parse_set

STAGED = ("float", "quantised", "converter", "staged")
EPOCHS = 24
"""Of ``long`` and ``dies``, beside those of ``staged``."""
OFFSET = "amplifier.offset=1"
"""Counts, about twice what amplifiers have; nothing else decides (docs/training.md)."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained, and where it goes."""

    setting: Setting
    task: Task
    device: Device
    age: float | None
    epochs: int
    folder: Path

    def networks(self, target: str, seed: int) -> Iterator[dict[str, Any]]:
        """Yield the score of each network, after its file was written."""
        folder = self.folder / f"{self.setting.task}_{target}_{seed}"
        torch.manual_seed(seed)
        stages = tuple(STEPS[name].stage(self.setting) for name in STAGED)
        began = time.perf_counter()
        twin, score = self._trained(self.setting.model(), target, seed, stages, folder / "staged")
        yield self._written(twin, folder, target, seed, "staged", score, began)
        more = replace(stages[-1], epochs=self.epochs)
        for stage in (
            replace(more, name="long"),
            replace(more, name="dies", device=self.device, age=self.age),
        ):
            began = time.perf_counter()
            start = copy.deepcopy(twin)
            found, score = self._trained(start, target, seed, (stage,), folder / stage.name)
            yield self._written(found, folder, target, seed, stage.name, score, began)

    def _trained(
        self, model: torch.nn.Module, target: str, seed: int, stages: Schedule, folder: Path
    ) -> tuple[HardwareModel, float]:
        setting = self.setting
        options = Options(
            schedule=stages,
            seed=seed,
            scale=setting.scale,
            input_bits=setting.input_bits,
            device="cpu",
        )
        run = Run(model, self.task, target, options, folder=folder, report=_tell)
        twin = run.train()
        assert isinstance(twin, HardwareModel)
        return twin, float(run.history[-1]["metric"])

    def _written(
        self,
        twin: HardwareModel,
        folder: Path,
        target: str,
        seed: int,
        name: str,
        score: float,
        began: float,
    ) -> dict[str, Any]:
        x, _ = next(iter(self.task.held_out()))
        export_onnx(twin.eval(), folder / f"{name}.onnx", x[:, :1].float())
        row = {
            "schema": "spikeloom/networks-for-dies/1",
            "task": self.setting.task,
            "target": target,
            "seed": seed,
            "network": name,
            "metric": score,
            "metric_name": self.setting.metric,
            "device": self.device.to_data() if name == "dies" else None,
            "seconds": round(time.perf_counter() - began, 1),
        }
        (folder / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
        return row

    def keep_held_out(self) -> None:
        """Write the recordings of no training, ``x [T, B, ...]`` and ``labels [B]``."""
        batches = list(self.task.held_out())
        x = torch.cat([x for x, _ in batches], dim=1).numpy().astype(np.uint8)
        labels = torch.cat([wanted for _, wanted in batches]).numpy()
        self.folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(self.folder / f"{self.setting.task}_held-out.npz", x=x, labels=labels)


def main(arguments: list[str] | None = None) -> int:
    args = _arguments(arguments)
    torch.set_num_threads(1)
    setting = small(SETTINGS[args.task]) if args.smoke else SETTINGS[args.task]
    if not (args.data / f"{setting.task}.npz").exists():
        prepare(setting, args.data)
    plan = Plan(
        setting=setting,
        task=split(setting, load(setting, args.data), validate=False).whole,
        device=load_device(args.device).with_set(dict(map(parse_set, args.set or [OFFSET]))),
        age=args.age,
        epochs=1 if args.smoke else args.epochs,
        folder=args.output,
    )
    plan.keep_held_out()
    rows = [row for t in args.target for seed in args.seed for row in plan.networks(t, seed)]
    print(json.dumps(rows, indent=1) if args.json else "\n".join(map(_line, rows)))
    return 0


def _line(row: dict[str, Any]) -> str:
    named = f"{row['task']} {row['target']} seed {row['seed']} {row['network']}"
    return f"{named}: {row['metric_name']} {row['metric']:.4f}, {row['seconds'] / 60:.1f} min"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    tasks = [name for name, setting in SETTINGS.items() if setting.metric == "accuracy"]
    add("--task", choices=tasks, default="nmnist")
    add("--target", action="append", required=True, help="a target's name; again for more")
    add("--seed", action="append", type=int, help="0 where none is given")
    add("--device", default="ideal", help="chips of dies: a device's name or file")
    add("--set", action="append", metavar="NAME=VALUE", help=f"of the device; {OFFSET} if none")
    add("--age", type=float, help="of the chips, in seconds")
    add("--epochs", type=int, default=EPOCHS, help="of long and dies")
    add("-o", "--output", type=Path, default=Path("build/networks-for-dies"))
    add("--data", type=Path, default=Path("build/accuracy-data"), help="folder of data")
    add("--smoke", action="store_true", help="seconds: only shows that it runs")
    add("--json", action="store_true")
    args = parser.parse_args(arguments)
    args.seed = args.seed or [0]
    return args


if __name__ == "__main__":
    sys.exit(main())
