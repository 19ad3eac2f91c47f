"""Optical flow with FireFlowNet: train, export, compile, verify, cost, report.

python -m examples.optical_flow.run --reduced -o build/flow
python -m examples.optical_flow.run --data mvsec -o build/flow-full
"""

import argparse
import sys

import torch
from torch import Tensor

from examples.pipeline import Example, main, parser
from mapper.ir.core import Array
from mapper.training.data import flow, mvsec
from mapper.training.hardening.stages import staged
from mapper.training.hardening.tasks import Flow
from mapper.training.nets.models import FireFlowNet

INPUT_BITS = 2
"""Events counted in a cell: up to 3."""

Scenes = tuple[Array, Array, Array]


def make(options: argparse.Namespace) -> Example:
    """Return the example at the size that was asked for; synthetic scenes without ``--data``."""
    small = options.reduced or options.tiny
    size, width = (
        (32 if options.reduced else 16, 8 if options.reduced else 4) if small else (64, 32)
    )
    if options.data is not None:
        size = 256
        train, test = (
            mvsec.read_flow(options.data / f"{name}_data.hdf5", options.data / f"{name}_gt.hdf5")
            for name in ("outdoor_day2", "outdoor_day1")
        )
    else:
        counts = (8, 4) if options.tiny else (240, 48) if small else (512, 128)
        train, test = (
            flow.make(count, size, 2 * options.seed + part) for part, count in enumerate(counts)
        )
    schedule = staged(1, 1, target=1) if options.tiny else staged(30, 10, target=20)
    if options.reduced:
        schedule = staged(24, 3, target=20)
    return Example(
        model=FireFlowNet(width),
        task=Flow(f"flow-{size}", _tensors(train), _tensors(test)),
        schedule=schedule,
        metric="average endpoint error, pixels",
        input_bits=INPUT_BITS,
        verified=2,
        seed=options.seed,
    )


def _tensors(scenes: Scenes) -> tuple[Tensor, Tensor, Tensor]:
    x, truth, mask = (torch.from_numpy(part) for part in scenes)
    return x.clamp(max=2**INPUT_BITS - 1), truth, mask


if __name__ == "__main__":
    sys.exit(main(parser(__doc__, "folder of MVSEC files").parse_args(), make))
