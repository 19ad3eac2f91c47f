"""Do the jobs of the accuracy benchmark: one step after the other, a small file for each."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.accuracy_data import Split, load, split
from benchmarks.accuracy_settings import (
    SHARED,
    STEPS,
    TARGETS,
    Job,
    Setting,
    Step,
    epochs_until,
)
from mapper.training import HardwareModel, harden
from mapper.training.hardening.trainer import Options, Run
from targets import Target, load_target

SCHEMA = "spikeloom/accuracy/1"

_OF_THE_READOUT = (
    "thresholds",
    "half_width",
    "calibrated",
    "converter_step",
    "log_scale",
    "block_scale",
    "settled",
    "_extra_state",
)
"""What a twin holds for its own crossbars, and takes from no other target."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a benchmark reads and writes, and what it is of."""

    results: Path
    work: Path
    """Checkpoints: what later steps start from, and what a run that was cut off goes on from."""
    data: Path
    settings: dict[str, Setting]
    validate: bool = False

    def result(self, job: Job, step: str) -> Path:
        return self.results / f"{job.task}_{job.target}_{job.seed}_{step}.json"

    def folder(self, job: Job, step: str) -> Path:
        return self.work / job.task / job.target / str(job.seed) / step

    def has_result(self, job: Job, step: str) -> bool:
        """Whether a step is done.

        Raises:
            ValueError: It was done with other settings.
        """
        path = self.result(job, step)
        if not path.exists():
            return False
        held = json.loads(path.read_text(encoding="utf-8"))
        wanted = {"setting": self.settings[job.task].as_data(), "validation": self.validate}
        for key, value in wanted.items():
            if held[key] != value:
                raise ValueError(f"{path} has {key} {held[key]}, not {value}: use another folder")
        return True

    def is_done(self, job: Job) -> bool:
        return all(self.has_result(job, step) for step in job.steps)

    def can_start_from(self, job: Job) -> bool:
        """Whether the last step's weights are at hand."""
        step = job.steps[-1]
        return self.has_result(job, step) and (self.folder(job, step) / f"{step}.pt").exists()


def do(job: Job, place: Place, device: str) -> Iterator[dict[str, Any]]:
    """Yield the result of each step of a job, after it was written."""
    place.results.mkdir(parents=True, exist_ok=True)
    data = _data(job.task, place)
    for name in job.steps:
        result = _Worker(job, place, device, data).step(STEPS[name])
        text = json.dumps(result, indent=1) + "\n"
        path = place.result(job, name)
        aside = path.with_suffix(".part")
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
        yield result


def _data(task: str, place: Place) -> Split:
    return _loaded(place.settings[task], place.data, place.validate)


@cache
def _loaded(setting: Setting, folder: Path, validate: bool) -> Split:
    return split(setting, load(setting, folder), validate)


@dataclass(frozen=True)
class _Worker:
    job: Job
    place: Place
    device: str
    data: Split

    @property
    def setting(self) -> Setting:
        return self.place.settings[self.job.task]

    def step(self, step: Step) -> dict[str, Any]:
        run = self._run(step)
        started = time.perf_counter()
        model = run.train()
        metric = run.history[-1]["metric"] if run.history else run.evaluate(model)
        parts = {
            name: replace(run, task=part).evaluate(model) for name, part in self.data.parts.items()
        }
        return {
            "schema": SCHEMA,
            "task": self.job.task,
            "network": self.setting.network,
            "target": self.job.target,
            "seed": self.job.seed,
            "step": step.name,
            "from": step.before,
            "rate": run.options.schedule[0].rate,
            "metric_name": self.setting.metric,
            "metric": metric,
            "parts": parts,
            "loss": run.history[-1]["loss"] if run.history else None,
            "epochs": run.options.schedule[0].epochs,
            "epochs_in_all": epochs_until(step, self.setting),
            "seconds": round(time.perf_counter() - started, 2),
            "seconds_training": round(sum(row["seconds"] for row in run.history), 2),
            "device": _device_name(self.device),
            "torch": torch.__version__,
            "validation": self.place.validate,
            "setting": self.setting.as_data(),
        }

    def _run(self, step: Step) -> Run:
        target = load_target(TARGETS[0] if step.shared else self.job.target)
        setting = self.setting
        stage = step.stage(setting)
        torch.manual_seed(self.job.seed)
        model = setting.model() if step.before is None else self._network(step.before, target)
        return Run(
            model=model,
            task=self.data.whole,
            target=target,
            options=Options(
                schedule=(stage,),
                seed=self.job.seed,
                scale=setting.scale,
                input_bits=setting.input_bits,
                device=self.device,
            ),
            folder=self.place.folder(self.job, step.name) if stage.epochs else None,
            report=lambda line: None,
        )

    def _network(self, step: str, target: Target) -> torch.nn.Module:
        """Return the network as a step left it, on the crossbars of a target if it has any."""
        before, setting = STEPS[step], self.setting
        job = replace(self.job, target=SHARED) if before.shared else self.job
        path = self.place.folder(job, before.name) / f"{before.name}.pt"
        held = torch.load(path, map_location="cpu", weights_only=True)["model"]
        model = setting.model()
        if before.kind == "float":
            model.load_state_dict(held)
            return model
        twin = harden(model, target, scale=setting.scale, input_bits=setting.input_bits)
        if before.shared:
            _take_over(twin, held)
        else:
            twin.load_state_dict(held)
        return twin


def _take_over(twin: HardwareModel, held: dict[str, Any]) -> None:
    """Load weights, steps, norms and neurons that were trained with exact sums."""
    common = {k: v for k, v in held.items() if k.rpartition(".")[2] not in _OF_THE_READOUT}
    missing, unexpected = twin.load_state_dict(common, strict=False)
    wrong = [k for k in missing if k.rpartition(".")[2] not in _OF_THE_READOUT]
    if wrong or unexpected:
        raise RuntimeError(f"the network changed: {wrong + unexpected}")


def _device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    threads, vectors = torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()
    return f"cpu, {threads} thread{'s' if threads > 1 else ''}, {vectors}"  # sums round by it
