"""Train a model through the stages of a schedule, keeping what is needed to go on or to look."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mapper.arguments import Takes, check_arguments
from mapper.proportions import Score
from mapper.training.backends.noise import Noise
from mapper.training.hardening.folder import RunFolder, configuration
from mapper.training.hardening.harden import HardwareModel, harden, target_of
from mapper.training.hardening.settle import check_codes
from mapper.training.hardening.stages import Schedule, Stage
from mapper.training.nets.arguments import check_given
from mapper.training.nets.layers import Granularity, Hardened
from mapper.training.nets.steps import as_numbers, check_fits, over_time
from targets import Target, target_to_data

_WARM_UP = 10
"""Steps over which the learning rate rises at the start of a stage."""

_SETTLING = 64
"""Samples that references and scales are set from when a readout comes in."""

_REFERENCE_RATE = 10.0
"""References are counts, hundreds of times as large as weights: they learn that much faster."""

_SCALE_RATE = 2.0

_Own = tuple[Noise | None, ...] | None
"""What chips did to each layer of a model before a run; None where it was not hardened yet."""


@runtime_checkable
class Task(Protocol):
    """What is trained for: data, a loss, and the number that is reported."""

    name: str
    greater_is_better: bool

    def batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, Any]]:
        """Yield training inputs ``[T, B, ...]`` with what they should give."""

    def held_out(self) -> Iterator[tuple[Tensor, Any]]:
        """Yield the samples the metric is measured on."""

    def loss(self, output: Tensor, wanted: Any) -> Tensor:
        """Return the loss of an output ``[T, B, ...]``."""

    def score(self, output: Tensor, wanted: Any) -> tuple[float, int]:
        """Return a sum over samples and how many there were; the metric is their ratio."""


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
            ValueError: The folder is of a run with other options.
        """
        if not isinstance(self.model, HardwareModel):
            return self._train(None)
        own = self.model.noise
        try:
            return self._train(own)
        finally:
            self.model.meet(own)

    def _train(self, own: _Own) -> nn.Module:
        parts = {"task": self.task, "options": self.options}
        check_given({"model": self.model, "report": self.report}, folder=self.folder)
        check_arguments(_TAKES, parts, {})
        target = target_of(self.target)
        self._check(target)
        kept = None
        if self.folder is not None:
            files = RunFolder(Path(self.folder))
            asked = configuration(type(self.model).__name__, self.task.name, target, self.options)
            files.start({**asked, **self._twin(own)})
            kept = files.checkpoint()
        torch.manual_seed(self.options.seed)
        model = self.model.to(self.options.device)
        if self.options.device == "cpu":  # convolutions of few channels are faster so
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for index, stage in enumerate(self.options.schedule):
            if kept is not None and index < kept["stage"]:
                continue
            model = self._enter(stage, model, kept, own)
            self._stage(index, stage, model, kept)
            kept = None
        return model

    def _twin(self, own: _Own) -> dict[str, Any]:
        """Return what a run on a model that is hardened already depends on, too: how it is made.

        No checkpoint has it, and a run that goes on with another twin gives other bits.
        """
        if not isinstance(self.model, HardwareModel) or own is None:
            return {}
        layers = [
            {
                "macro": layer.macro.name,
                "encoding": asdict(layer.encoding),
                "input_bits": layer.input_bits,
                "digital": layer.digital,
                "scale": layer.granularity,
                "chips": None if chips is None else asdict(chips),
            }
            for layer, chips in zip(self.model.layers(), own, strict=True)
        ]
        target = target_to_data(self.model.target)
        return {"twin": {"target": target, "input_bits": self.model.input_bits, "layers": layers}}

    def _check(self, target: Target) -> None:
        """Refuse at once what a later stage, evaluation or export would refuse."""
        x, _ = next(iter(self.task.batches(0, self.options.seed)))
        if isinstance(x, Tensor):
            x = x.to(next(self.model.parameters()).device)
        if isinstance(self.model, HardwareModel):
            self._check_chips(self.model, x)
        elif self._hardens:
            self._check_chips(self._hardened(self.model, target), x)
        else:
            check_fits(self.model, as_numbers(x, self.model))

    def _check_chips(self, model: HardwareModel, x: Tensor) -> None:
        model.check(x)
        for stage in self.options.schedule:
            model.disturb(stage.chips, age=stage.age)

    @property
    def _hardens(self) -> bool:
        return any(stage.kind != "float" for stage in self.options.schedule)

    def _enter(
        self, stage: Stage, model: nn.Module, kept: dict[str, Any] | None, own: _Own
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

    def _stage(
        self, index: int, stage: Stage, model: nn.Module, kept: dict[str, Any] | None
    ) -> None:
        optimiser = torch.optim.Adam(_groups(model, stage.rate))
        batches = sum(1 for _ in self.task.batches(0, self.options.seed))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: _share(step, stage.epochs * batches)
        )
        done = 0
        if kept is not None:
            done = kept["epoch"]
            optimiser.load_state_dict(kept["optimiser"])
            schedule.load_state_dict(kept["schedule"])
            self.history[:] = kept["history"]
            _set_random_state(kept["random"])
        before = sum(earlier.epochs for earlier in self.options.schedule[:index])
        for epoch in range(done, stage.epochs):
            started = time.perf_counter()
            loss = self._epoch(before + epoch, model, optimiser, schedule)
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} in epoch {epoch + 1} of stage {stage.name!r}: lower its "
                    f"rate, {stage.rate:g}"
                )
            seconds = time.perf_counter() - started
            row = {"stage": stage.name, "epoch": epoch + 1, "loss": loss, "seconds": seconds}
            if epoch + 1 == stage.epochs:
                self._remember_moments(before + epoch, model)
                row |= self._measured(model)
            self._tell(row, stage)
            self._keep(index, stage, epoch + 1, model, optimiser, schedule)

    def _keep(
        self,
        index: int,
        stage: Stage,
        epoch: int,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
    ) -> None:
        if self.folder is None:
            return
        checkpoint = {
            "stage": index,
            "epoch": epoch,
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "history": self.history,
            "random": _random_state(),
        }
        RunFolder(Path(self.folder)).keep(checkpoint, stage, finished=epoch == stage.epochs)

    def _epoch(
        self,
        epoch: int,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
    ) -> float:
        model.train()
        losses: list[tuple[Tensor, int]] = []  # read at the end: a GPU need not wait each step
        for x, wanted in self.task.batches(epoch, self.options.seed):
            if self._hardens:
                check_codes(x, self.options.input_bits, "the first")
            optimiser.zero_grad()
            loss = self.task.loss(run_model(model, x.to(self.options.device)), wanted)
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            losses.append((loss.detach(), x.shape[1]))
        return sum(float(loss) * n for loss, n in losses) / sum(n for _, n in losses)

    @torch.no_grad()
    def _remember_moments(self, epoch: int, model: nn.Module) -> None:
        """Set the moments that batch norms are folded with from one more pass over all batches.

        Those of training are of its last ten batches or so, while weights still moved. What is
        computed in integers depends on them, training does not (arXiv 2105.07576, section 3).
        """
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
        model.train()
        seen = 0
        for x, _ in self.task.batches(epoch, self.options.seed):
            seen += x.shape[1]
            for norm in norms:
                norm.momentum = x.shape[1] / seen  # a mean over samples: the last batch is short
            run_model(model, x.to(self.options.device))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def evaluate(self, model: nn.Module) -> float:
        """Return the metric on the held-out samples; a hardened model computes in integers."""
        total, count = self._held_out(model)
        return total / count

    def _measured(self, model: nn.Module) -> dict[str, Any]:
        """Return what a row of the history says of the held-out samples.

        Of a task that counts right answers these are ``metric``, ``metric_right``, ``metric_of``
        and its 95 % interval, ``metric_interval``; of others the metric alone.
        """
        total, count = self._held_out(model)
        if not getattr(self.task, "counts_right", False):
            return {"metric": total / count}
        return Score(round(total), count).as_dict("metric")

    @torch.no_grad()
    def _held_out(self, model: nn.Module) -> tuple[float, int]:
        """Return the sum of the scores of all held-out samples, and how many there are."""
        model.eval()
        total, count = 0.0, 0
        run: Callable[[Tensor], Tensor] | None = None
        for x, wanted in self.task.held_out():
            x = x.to(self.options.device)
            if run is None:
                run = _evaluation(model, x)
            score, samples = self.task.score(run(x), wanted)
            total, count = total + score, count + samples
        return total, count

    def _tell(self, row: dict[str, Any], stage: Stage) -> None:
        self.history.append(row)
        shown = f"{row['metric']:.4f}" if "metric" in row else ""
        if "metric_interval" in row:
            low, high = row["metric_interval"]
            shown += f" ({row['metric_right']} of {row['metric_of']}, 95 %: {low:.4f}..{high:.4f})"
        self.report(
            f"{row['stage']:>10} {row['epoch']:3d}/{stage.epochs}  loss {row['loss']:.4f}  "
            f"{row['seconds']:.1f} s  {shown}".rstrip()
        )


def _evaluation(model: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what computes a model's answers, a twin's compiled once for all batches."""
    if isinstance(model, HardwareModel):
        return model.compiled(example)
    return partial(over_time, model)


def _random_state() -> dict[str, Any]:
    """Return the state of torch's generators: dropout and noise draw from them."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _set_random_state(held: dict[str, Any]) -> None:
    torch.set_rng_state(held["cpu"])
    if torch.cuda.is_available() and held["cuda"]:
        torch.cuda.set_rng_state_all(held["cuda"])


def run_model(model: nn.Module, x: Tensor) -> Tensor:
    """Run a float or hardened model over ``x[T, B, ...]``."""
    if isinstance(model, HardwareModel):
        result: Tensor = model(x)
        return result
    return over_time(model, x)


def _groups(model: nn.Module, rate: float) -> list[dict[str, Any]]:
    """Sort parameters by how fast they learn."""
    references: list[nn.Parameter] = []
    scales: list[nn.Parameter] = []
    for module in model.modules():
        if isinstance(module, Hardened):
            references += [module.thresholds, module.converter_step]
            scales += [module.log_scale, module.bias, module.block_scale, module.log_step]
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            scales += list(module.parameters())
    sorted_out = {id(p) for p in (*references, *scales)}
    weights = [p for p in model.parameters() if id(p) not in sorted_out]
    return [
        {"params": weights, "lr": rate},
        {"params": scales, "lr": rate * _SCALE_RATE},
        {"params": references, "lr": rate * _REFERENCE_RATE},
    ]


def _share(step: int, total: int) -> float:
    """Return the learning rate's share at a step: a short rise, then a cosine to zero."""
    rise = min(1.0, (step + 1) / _WARM_UP)
    return rise * 0.5 * (1 + math.cos(math.pi * min(step / max(total, 1), 1.0)))
