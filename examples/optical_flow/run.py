"""Optical flow with FireFlowNet or SFN: train, export, compile, verify, cost, report.

python -m examples.optical_flow.run --reduced -o build/flow
python -m examples.optical_flow.run --data mvsec -o build/flow-full
"""

import argparse
import sys

import torch
from torch import Tensor

from examples.pipeline import MANY, Example, main, parser, tell, within
from examples.rows import FlowRows
from mapper.ir.core import Array
from mapper.training.data import flow, mvsec
from mapper.training.data.published import MVSEC
from mapper.training.hardening.recorded import RecordedFlow
from mapper.training.hardening.stages import staged
from mapper.training.hardening.tasks import Flow
from mapper.training.nets.models import FireFlowNet, SpikeFlowNet

INPUT_BITS = 2
"""Events counted in a cell: up to 3."""

NETWORKS = {"FireFlowNet": (FireFlowNet, 32), "SFN": (SpikeFlowNet, 64)}
"""The flow networks of the reference as it calls them, with their width."""

Scenes = tuple[Array, Array, Array]


def make(options: argparse.Namespace) -> Example:
    """Return the example at the size that was asked for; synthetic scenes without ``--data``."""
    small = options.reduced or options.tiny
    network, full = NETWORKS[options.network]
    size, width = (
        (32 if options.reduced else 16, 8 if options.reduced else 4) if small else (64, full)
    )
    task, rows = None, None
    if options.data is not None:
        size = size if small else 256
        task, rows = _recorded(options, size)
    else:
        counts = (8, 4) if options.tiny else (240, 48) if small else (512, 128)
        train, test = (
            flow.make(count, size, 2 * options.seed + part) for part, count in enumerate(counts)
        )
        task = Flow(f"flow-{size}", _tensors(train), _tensors(test))
    schedule = staged(target=1) if options.tiny else staged(target=30)
    if options.reduced:
        schedule = staged(24, target=20)
    return Example(
        model=network(width),
        task=task,
        schedule=schedule,
        metric="average endpoint error, pixels",
        input_bits=INPUT_BITS,
        verified=2,
        seed=options.seed,
        rows=rows,
        real=None if rows else MVSEC,
    )


def _recorded(options: argparse.Namespace, size: int) -> tuple[RecordedFlow, FlowRows]:
    """Return the published split: outdoor_day2 to train, four other sequences to test."""
    names = (mvsec.TRAINED, *mvsec.TESTED)
    train, *tests = mvsec.published(options.data, names, size, options.apart)
    for name, sequence in zip(names, (train, *tests), strict=True):
        if sequence.crowded:
            tell(
                f"{name}: {sequence.crowded} intervals with over {mvsec.MOST_EVENTS:,} events an "
                f"image are left out, {len(sequence)} are used"
            )
    task = RecordedFlow(
        f"mvsec-dt{options.apart}-{size}",
        train,
        tuple(tests),
        most=2**INPUT_BITS - 1,
        each_epoch=16 if options.tiny else 800,
        held=4 if options.tiny else 100,
    )
    return task, FlowRows(
        task=task,
        tests=dict(zip(mvsec.TESTED, tests, strict=True)),
        frames=options.frames,
        size=size,
        apart=options.apart,
        network=options.network,
    )


def options() -> argparse.ArgumentParser:
    """Return the options of this example."""
    own = parser(__doc__, "folder of MVSEC files, as published: the row of the tables")
    own.add_argument(
        "--apart",
        type=within(1, mvsec.MOST_APART),
        default=1,
        help="images between start and end: dt=1, dt=4",
    )
    own.add_argument("--network", choices=NETWORKS, default="FireFlowNet", help="of the reference")
    own.add_argument(
        "--frames", type=within(1, MANY), default=MANY, help="most of a sequence in the row"
    )
    return own


def _tensors(scenes: Scenes) -> tuple[Tensor, Tensor, Tensor]:
    x, truth, mask = (torch.from_numpy(part) for part in scenes)
    return x.clamp(max=2**INPUT_BITS - 1), truth, mask


if __name__ == "__main__":
    sys.exit(main(options().parse_args(), make))
