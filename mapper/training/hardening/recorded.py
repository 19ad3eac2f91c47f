"""Optical flow from recordings that are too large for memory: read while they are needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mapper.ir.core import Array
from mapper.training.hardening.tasks import FlowErrors, endpoint_errors

FlowBatch = tuple[Tensor, tuple[Tensor, Tensor]]


class Intervals(Protocol):
    """A recording that gives its intervals by number, as ``data.mvsec.Sequence``."""

    def __len__(self) -> int: ...

    def spread(self, most: int) -> Array:
        """Return the numbers of up to ``most`` intervals, evenly spread."""

    def read(self, chosen: Array) -> tuple[Array, Array, Array]:
        """Return ``x [T, N, ...]``, ``flow [N, 2, H, W]`` and ``mask [N, H, W]``."""


@dataclass
class RecordedFlow(FlowErrors):
    """Intervals of recordings with their optical flow, of which memory holds a batch at a time.

    Args:
        name: Kept in the folder of a run.
        train: The recording to train on; each epoch draws ``each_epoch`` of its intervals, none
            twice, or takes all where there are no more.
        test: Recordings that are held back.
        most: Greatest count of events in a cell; more read as so many.
        batch: Intervals a step.
        each_epoch: As Lee et al. 2020 (Spike-FlowNet), 800.
        held: Intervals of all recordings held back together that a stage is measured on.
    """

    name: str
    train: Intervals
    test: tuple[Intervals, ...]
    most: int
    batch: int = 8
    each_epoch: int = 800
    held: int = 100
    greater_is_better: bool = False

    def batches(self, epoch: int, seed: int) -> Iterator[FlowBatch]:
        """Yield the intervals of an epoch; the last batch may be short."""
        drawn = torch.Generator().manual_seed(seed * 100_003 + epoch)
        chosen = torch.randperm(len(self.train), generator=drawn)[: self.each_epoch]
        yield from (self._read(self.train, part) for part in torch.split(chosen, self.batch))

    def held_out(self) -> Iterator[FlowBatch]:
        """Yield as many intervals of each recording held back, evenly spread."""
        each = -(-self.held // len(self.test))
        for recording in self.test:
            yield from self.intervals(recording, each)

    def intervals(self, recording: Intervals, most: int) -> Iterator[FlowBatch]:
        """Yield up to ``most`` intervals of a recording, evenly spread, a batch at a time."""
        chosen = torch.from_numpy(recording.spread(most))
        yield from (self._read(recording, part) for part in torch.split(chosen, self.batch))

    def _read(self, recording: Intervals, chosen: Tensor) -> FlowBatch:
        x, flow, mask = (torch.from_numpy(part) for part in recording.read(chosen.numpy()))
        return x.clamp(max=self.most).float(), (flow, mask)


def frame_errors(output: Tensor, flow: Tensor, mask: Tensor) -> tuple[list[float], list[float]]:
    """Return the mean endpoint error of each frame of an output ``[T, B, 2, H, W]``, and outliers.

    As published on MVSEC: an average endpoint error (AEE) is the mean over frames of their means,
    and outliers are the share of a frame's pixels with an error of 3 pixels or more, 0..1: what
    EV-FlowNet's ``flow_error_dense`` does not count as below 3. A frame without a masked pixel has
    none and is left out.
    """
    errors, outliers = [], []
    for n in range(len(flow)):
        frame = slice(n, n + 1)
        found = endpoint_errors(output[:, frame], flow[frame], mask[frame]).double()
        if len(found):
            errors.append(float(found.mean()))
            outliers.append(float((found >= _OUTLIER).double().mean()))
    return errors, outliers


_OUTLIER = 3.0
"""Pixels."""
