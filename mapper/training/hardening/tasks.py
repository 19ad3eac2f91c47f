"""Tasks: classification and optical flow, by what the output says over time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from mapper.training.nets.refused import refused


@runtime_checkable
class Task(Protocol):
    """What is trained for: data, a loss, and the number that is reported.

    A task may have ``distance(output, answers)``, too: how far outputs ``[T, B, ...]`` are from
    those of a teacher, in the units of its loss. ``teaching.relative_distance`` stands in for it.
    """

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


@dataclass
class Classification:
    """Recordings with one label each; the class is the greatest output summed over time.

    Args:
        name: Kept in the folder of a run.
        train: ``(x[T, N, ...], labels[N])``, N recordings of T time steps: spikes or counts of
            any type, and class numbers from 0.
        test: The same, of recordings that are held back.
        batch: Recordings a step; the last batch of an epoch has what is left, so that each
            recording is seen once an epoch.
        shift: Training images move by up to so many pixels, a new move for each batch.

    Raises:
        TrainingError: ``input-shape``: there are not as many labels as recordings.

    Example:
        >>> import torch
        >>> from mapper.training.hardening.tasks import Classification
        >>> x, labels = torch.zeros(4, 100, 2, 16, 16), torch.arange(100) % 3
        >>> task = Classification("three", train=(x, labels), test=(x, labels), batch=48)
        >>> [tuple(x.shape) for x, _ in task.batches(epoch=0, seed=0)]
        [(4, 48, 2, 16, 16), (4, 48, 2, 16, 16), (4, 4, 2, 16, 16)]
    """

    name: str
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    batch: int = 40
    shift: int = 0
    greater_is_better: bool = True
    counts_right: ClassVar[bool] = True
    """Its score counts right answers, so its metric is a share with an interval."""

    def __post_init__(self) -> None:
        for name, (x, labels) in (("train", self.train), ("test", self.test)):
            _check_recordings(name, x, {"labels": labels})
            if labels.dim() != 1 or labels.is_floating_point() or bool((labels < 0).any()):
                raise refused(
                    "input-type",
                    f"{name}: labels are the numbers of classes, one a recording, got "
                    f"{labels.dtype} of shape {tuple(labels.shape)}",
                )

    def batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all recordings once, shuffled; the last batch may be short."""
        x, labels = self.train
        drawn = _draws(epoch, seed)
        for chosen in _shuffled(len(labels), self.batch, drawn):
            yield self._moved(x[:, chosen].float(), drawn), labels[chosen]

    def _moved(self, x: Tensor, drawn: torch.Generator) -> Tensor:
        if not self.shift:
            return x
        down, across = torch.randint(-self.shift, self.shift + 1, (2,), generator=drawn).tolist()
        return x.roll((down, across), (-2, -1))

    def held_out(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, labels = self.test
        for chosen in torch.split(torch.arange(len(labels)), 100):
            yield x[:, chosen].float(), labels[chosen]

    def loss(self, output: Tensor, wanted: Tensor) -> Tensor:
        return functional.cross_entropy(output.sum(dim=0), wanted.to(output.device).long())

    def distance(self, output: Tensor, answers: Tensor) -> Tensor:
        """Return the Kullback-Leibler divergence from a teacher's classes, summed over time."""
        y, wanted = output.sum(dim=0), answers.sum(dim=0)
        return functional.kl_div(
            functional.log_softmax(y, dim=1),
            functional.log_softmax(wanted, dim=1),
            reduction="batchmean",
            log_target=True,
        )

    def score(self, output: Tensor, wanted: Tensor) -> tuple[float, int]:
        right = output.sum(dim=0).argmax(dim=1) == wanted.to(output.device)
        return float(right.sum()), len(wanted)


class FlowErrors:
    """Loss, distance and score of flow: endpoint errors of ``(flow, mask)`` by batch."""

    def loss(self, output: Tensor, wanted: tuple[Tensor, Tensor]) -> Tensor:
        errors = endpoint_errors(output, *wanted)
        return errors.sum() / max(len(errors), 1)

    def distance(self, output: Tensor, answers: Tensor) -> Tensor:
        """Return the mean endpoint distance from a teacher's flow, in pixels, masked or not."""
        flow = answers.sum(dim=0)
        everywhere = torch.ones_like(flow[:, 0], dtype=torch.bool)
        return endpoint_errors(output, flow, everywhere).mean()

    def score(self, output: Tensor, wanted: tuple[Tensor, Tensor]) -> tuple[float, int]:
        errors = endpoint_errors(output, *wanted)
        return float(errors.double().sum()), len(errors)


@dataclass
class Flow(FlowErrors):
    """Scenes with their optical flow; the flow is the output summed over time, in pixels.

    ``train`` and ``test`` are ``(x[T, B, 4, H, W], flow[B, 2, H, W], mask[B, H, W])``, flow in
    pixels an interval, to the right and down. Only pixels in the mask count, in the loss and
    in the score. The loss is the mean endpoint error, ``sqrt(du^2 + dv^2)``; the score is that
    error over all masked pixels together. The last batch of an epoch has the scenes that are left.

    Raises:
        TrainingError: ``input-shape``: there are not as many flows or masks as recordings.
    """

    name: str
    train: tuple[Tensor, Tensor, Tensor]
    test: tuple[Tensor, Tensor, Tensor]
    batch: int = 8
    greater_is_better: bool = False

    def __post_init__(self) -> None:
        for name, (x, flow, mask) in (("train", self.train), ("test", self.test)):
            _check_recordings(name, x, {"flow": flow, "mask": mask})

    def batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        """Yield all scenes once, shuffled; the last batch may be short."""
        x, flow, mask = self.train
        for chosen in _shuffled(len(flow), self.batch, _draws(epoch, seed)):
            yield x[:, chosen].float(), (flow[chosen], mask[chosen])

    def held_out(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        x, flow, mask = self.test
        for chosen in torch.split(torch.arange(len(flow)), self.batch):
            yield x[:, chosen].float(), (flow[chosen], mask[chosen])


def endpoint_errors(output: Tensor, flow: Tensor, mask: Tensor) -> Tensor:
    """Return the endpoint error in pixels of each masked pixel of an output ``[T, B, 2, H, W]``."""
    missed = output.sum(dim=0) - flow.to(output.device)
    # The root has no slope at 0; 1e-6 pixels are nothing against any flow.
    return (missed.square().sum(dim=1) + 1e-12).sqrt()[mask.to(output.device)]


def _draws(epoch: int, seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 100_003 + epoch)


def _shuffled(samples: int, batch: int, drawn: torch.Generator) -> Iterator[Tensor]:
    """Yield all indices in a drawn order, a batch at a time; the last batch may be short."""
    yield from torch.split(torch.randperm(samples, generator=drawn), batch)


def _check_recordings(name: str, x: Tensor, wanted: Mapping[str, Tensor]) -> None:
    """Refuse recordings ``x[T, N, ...]`` whose answers are not N each."""
    given: dict[str, object] = {"recordings": x, **wanted}
    for said, tensor in given.items():
        if not isinstance(tensor, Tensor):
            message = f"{name}: {said} are a tensor of torch, got a {type(tensor).__name__}"
            raise refused("input-type", message, help="torch.from_numpy(array)")
    for what, answers in wanted.items():
        if x.dim() < 3 or answers.dim() < 1 or 0 in x.shape:
            raise refused(
                "input-shape",
                f"{name}: recordings are [T, N, ...], with {what} for each of N; got shapes "
                f"{tuple(x.shape)} and {tuple(answers.shape)}",
            )
        if x.shape[1] != len(answers):
            first = x.shape[0] == len(answers)
            raise refused(
                "input-shape",
                f"{name}: recordings are [T, N, ...] with N = {x.shape[1]} of shape "
                f"{tuple(x.shape)}, there are {len(answers)} {what}",
                help="recordings seem to come first: x.transpose(0, 1)" if first else "",
            )
