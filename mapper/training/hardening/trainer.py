"""Train a model through the stages of a schedule, keeping what is needed to go on or to look."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mapper.arguments import Takes, check_arguments
from mapper.training.hardening.checks import OwnChips, check_model, twin_data
from mapper.training.hardening.folder import RunFolder, configuration
from mapper.training.hardening.harden import HardwareModel, harden, target_of
from mapper.training.hardening.learning import Learning, random_state, set_random_state
from mapper.training.hardening.measuring import (
    held_out,
    measured,
    placed,
    remember_moments,
    run_model,
)
from mapper.training.hardening.settle import check_codes
from mapper.training.hardening.stages import Schedule, Stage
from mapper.training.hardening.tasks import Task
from mapper.training.hardening.teaching import Teacher, Teachers, check_teachers
from mapper.training.nets.arguments import check_given
from mapper.training.nets.layers import Granularity
from targets import Target

__all__ = ["Options", "Run", "Task", "run_model"]

_SETTLING = 64
"""Samples that references and scales are set from when a readout comes in."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to train; everything that a run depends on beside the model, the task and the target."""

    schedule: Schedule
    seed: int = 0
    weight_bits: int | None = None
    scale: Granularity = "layer"
    input_bits: int = 1
    device: str = field(default_factory=lambda: "cuda" if torch.cuda.is_available() else "cpu")
    """A GPU where torch finds one, unless another is named."""


_TAKES = {
    "options": Takes(words="the Options of a run", types=(Options,)),
    "task": Takes(words="a task: batches, held_out, loss and score", types=(Task,)),
}


@dataclass(frozen=True, kw_only=True)
class _UnderWay:
    """A stage under way."""

    index: int
    stage: Stage
    before: int
    """Epochs of the stages before it."""
    model: nn.Module
    learning: Learning
    teacher: Teacher | None

    @property
    def digest(self) -> str | None:
        return None if self.teacher is None else self.teacher.digest


@dataclass
class Run:
    """One training run and its folder.

    The same options, model, task and number of threads give the same bits on a CPU, also when a
    run is cut off and started again: it goes on after the last whole epoch.

    ``target`` is the name of a target, a path to its file, or what ``targets.load_target`` returns.
    """

    model: nn.Module
    task: Task
    target: str | Path | Target
    options: Options
    folder: Path | str | None = None
    report: Callable[[str], None] = print
    history: list[dict[str, Any]] = field(default_factory=list)

    def train(self) -> nn.Module:
        """Go through all stages; the first that is not ``float`` hardens the model.

        A model that is hardened already meets its own chips (``harden``, ``disturb``) in stages
        that name none, and again after the run. One that is hardened here has none of its own; it
        is left with those of its last stage.

        Raises:
            MappingError: The model, or the first batch, is none that the hardware computes, or a
                part of the run is no such thing. This is found before anything is trained.
            ValueError: The folder is of a run with other options, or another teacher.
        """
        if not isinstance(self.model, HardwareModel):
            return self._train(None)
        own = self.model.noise
        try:
            return self._train(own)
        finally:
            self.model.meet(own)

    def _train(self, own: OwnChips) -> nn.Module:
        parts = {"task": self.task, "options": self.options}
        check_given({"model": self.model, "report": self.report}, folder=self.folder)
        check_arguments(_TAKES, parts, {})
        target = target_of(self.target)
        self._check(target)
        files, kept = None, None
        if self.folder is not None:
            files = RunFolder(Path(self.folder))
            asked = configuration(self.model, self.task.name, target, self.options)
            files.start({**asked, **twin_data(self.model, own)})
            kept = files.checkpoint()
        schedule, device = self.options.schedule, self.options.device
        torch.manual_seed(self.options.seed)
        to_run = schedule if kept is None else schedule[kept["stage"] :]
        teachers = Teachers(to_run, self.task, device, self.model)
        model = placed(self.model, device)
        batches = sum(1 for _ in self.task.batches(0, self.options.seed))
        for index, stage in enumerate(schedule):
            if kept is not None and index < kept["stage"]:
                if files is not None and teachers.awaits(stage):
                    teachers.ended(stage, self._as_it_ended(index, target, files))
                continue
            model = self._enter(stage, model, kept, own)
            self._stage(
                _UnderWay(
                    index=index,
                    stage=stage,
                    before=sum(earlier.epochs for earlier in schedule[:index]),
                    model=model,
                    learning=Learning(model, stage, batches),
                    teacher=teachers.of(stage),
                ),
                kept,
            )
            teachers.ended(stage, model)
            kept = None
        return model

    def _check(self, target: Target) -> None:
        """Refuse at once what a later stage, evaluation or export would refuse."""
        x, _ = next(iter(self.task.batches(0, self.options.seed)))
        if isinstance(x, Tensor):
            x = x.to(next(self.model.parameters()).device)
        hardens = self._is_aware and not isinstance(self.model, HardwareModel)
        model = self._hardened(self.model, target) if hardens else self.model
        check_model(model, self.options.schedule, x)
        check_teachers(self.options.schedule, self.model, x)

    @property
    def _is_aware(self) -> bool:
        return any(stage.kind != "float" for stage in self.options.schedule)

    def _as_it_ended(self, index: int, target: Target, files: RunFolder) -> nn.Module:
        """Return the network as a stage of an earlier try left it."""
        model = copy.deepcopy(self.model)
        kinds = {stage.kind for stage in self.options.schedule[: index + 1]}
        if kinds != {"float"} and not isinstance(model, HardwareModel):
            model = self._hardened(model, target)
        model.load_state_dict(files.network(self.options.schedule[index].name))
        return model

    def _enter(
        self, stage: Stage, model: nn.Module, kept: dict[str, Any] | None, own: OwnChips
    ) -> nn.Module:
        """Return the model as a stage starts, or as it was stored in the middle of one."""
        if stage.kind != "float" and not isinstance(model, HardwareModel):
            model = self._hardened(model, target_of(self.target)).to(self.options.device)
        if kept is not None:
            model.load_state_dict(kept["model"])
        elif isinstance(model, HardwareModel) and not model.feels(stage.awareness):
            x, _ = next(self.task.batches(0, self.options.seed))
            settling = x[:, :_SETTLING].to(self.options.device)
            model.raise_awareness(stage.awareness, settling)
        if isinstance(model, HardwareModel):
            if stage.chips is None and own is not None:
                model.meet(own)
            else:
                model.disturb(stage.chips, age=stage.age)
        return model

    def _hardened(self, model: nn.Module, target: Target) -> HardwareModel:
        chosen = self.options
        return harden(
            model,
            target,
            weight_bits=chosen.weight_bits,
            scale=chosen.scale,
            input_bits=chosen.input_bits,
        )

    def _stage(self, under_way: _UnderWay, kept: dict[str, Any] | None) -> None:
        stage = under_way.stage
        done = 0 if kept is None else self._go_on(under_way, kept)
        if stage.epochs == 0:
            self._keep(under_way, 0)
        for epoch in range(done, stage.epochs):
            started = time.perf_counter()
            means = self._epoch(under_way, epoch)
            _check_finite(means, stage, epoch)
            under_way.learning.end_epoch(epoch + 1)
            seconds = time.perf_counter() - started
            row = {"stage": stage.name, "epoch": epoch + 1, **means, "seconds": seconds}
            if epoch + 1 == stage.epochs:
                remember_moments(under_way.model, self._inputs(under_way.before + epoch))
                row |= measured(under_way.model, self.task, self.options.device)
            self._tell(row, stage)
            self._keep(under_way, epoch + 1)

    def _go_on(self, under_way: _UnderWay, kept: dict[str, Any]) -> int:
        """Stand where a checkpoint says; return how many epochs of the stage are done."""
        if kept["teacher"] != under_way.digest:
            raise ValueError(
                f"{self.folder} is of a run whose stage {under_way.stage.name!r} was taught by "
                f"{kept['teacher']}, not {under_way.digest}: use another folder"
            )
        under_way.learning.go_on(kept)
        self.history[:] = kept["history"]
        set_random_state(kept["random"])
        return int(kept["epoch"])

    def _keep(self, under_way: _UnderWay, epoch: int) -> None:
        if self.folder is None:
            return
        checkpoint = {
            "stage": under_way.index,
            "epoch": epoch,
            "teacher": under_way.digest,
            "model": under_way.model.state_dict(),
            **under_way.learning.state(),
            "history": self.history,
            "random": random_state(),
        }
        stage = under_way.stage
        RunFolder(Path(self.folder)).keep(checkpoint, stage, finished=epoch == stage.epochs)

    def _inputs(self, epoch: int) -> Iterator[Tensor]:
        for x, _ in self.task.batches(epoch, self.options.seed):
            yield x.to(self.options.device)

    def _epoch(self, under_way: _UnderWay, epoch: int) -> dict[str, float]:
        """Learn from every batch once; return the mean loss, and that distance to a teacher."""
        under_way.model.train()
        seen: list[tuple[int, dict[str, Tensor]]] = []  # read at the end: a GPU need not wait
        for x, wanted in self.task.batches(under_way.before + epoch, self.options.seed):
            if self._is_aware:
                check_codes(x, self.options.input_bits, "the first")
            inputs = x.to(self.options.device)
            output = run_model(under_way.model, inputs)
            total = self.task.loss(output, wanted)
            parts = {"loss": total}
            if under_way.teacher is not None:
                parts["distance"] = under_way.teacher.distance(output, inputs)
                total = total + under_way.stage.teaching * parts["distance"]
            under_way.learning.step(total)
            seen.append((x.shape[1], {name: part.detach() for name, part in parts.items()}))
        samples = sum(n for n, _ in seen)
        return {
            name: sum(float(parts[name]) * n for n, parts in seen) / samples for name in seen[0][1]
        }

    def evaluate(self, model: nn.Module) -> float:
        """Return the metric on the held-out samples; a hardened model computes in integers."""
        total, count = held_out(model, self.task, self.options.device)
        return total / count

    def _tell(self, row: dict[str, Any], stage: Stage) -> None:
        self.history.append(row)
        shown = f"{row['metric']:.4f}" if "metric" in row else ""
        if "metric_interval" in row:
            low, high = row["metric_interval"]
            shown += f" ({row['metric_right']} of {row['metric_of']}, 95 %: {low:.4f}..{high:.4f})"
        taught = f"  to the teacher {row['distance']:.4f}" if "distance" in row else ""
        self.report(
            f"{row['stage']:>10} {row['epoch']:3d}/{stage.epochs}  loss {row['loss']:.4f}{taught}  "
            f"{row['seconds']:.1f} s  {shown}".rstrip()
        )


def _check_finite(means: dict[str, float], stage: Stage, epoch: int) -> None:
    for name, mean in means.items():
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"the {name} is {mean} in epoch {epoch + 1} of stage {stage.name!r}: lower its "
                f"rate, {stage.rate:g}"
            )
