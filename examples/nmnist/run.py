"""Digits of N-MNIST with two convolutions: train, export, compile, verify, cost, report.

python -m examples.nmnist.run --data ../shared/events/nmnist --reduced -o build/nmnist
python -m examples.nmnist.run --data N-MNIST -o build/nmnist-full
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from examples.pipeline import Example, main, parser
from mapper.training import LIF
from mapper.training.data import nmnist
from mapper.training.hardening.stages import staged
from mapper.training.hardening.tasks import Classification

Labelled = tuple[Tensor, Tensor]


def a_network() -> nn.Sequential:
    """Return the network of docs/training.md: 12 and 32 kernels of 5x5, stride 2, one linear."""
    return nn.Sequential(
        nn.Conv2d(2, 12, 5, stride=2, bias=False),
        nn.BatchNorm2d(12),
        LIF(leak=0.75, threshold=1.0),
        nn.Conv2d(12, 32, 5, stride=2, bias=False),
        nn.BatchNorm2d(32),
        LIF(leak=0.75, threshold=1.0),
        nn.Flatten(),
        nn.Linear(32 * 6 * 6, 10),
    )


def make(options: argparse.Namespace) -> Example:
    """Return the example; ``--data`` is a folder with lists of files or of the original layout."""
    steps = 6 if options.reduced or options.tiny else 10
    train, test = _read(options.data, steps)
    if options.tiny:
        train, test = ((x[:, :40], labels[:40]) for x, labels in (train, test))
    if options.tiny:
        schedule = staged(target=1)
    else:
        schedule = staged(target=12) if options.reduced else staged()
    return Example(
        model=a_network(),
        task=Classification("nmnist", train, test, shift=2),
        schedule=schedule,
        metric="accuracy",
        verified=20,
        seed=options.seed,
    )


def _read(folder: Path, steps: int) -> tuple[Labelled, Labelled]:
    """Return training and held-out recordings of either layout."""
    root = nmnist.find(folder)
    if root is not None:
        return nmnist.read_folder(root / "Train", steps), nmnist.read_folder(root / "Test", steps)
    (x, labels), (other, theirs) = (
        nmnist.read_set(folder, f"{name}.txt", steps) for name in ("train", "test")
    )
    cut = len(labels) * 4 // 5  # the last fifth of the list is held out beside the test list
    held_out = torch.cat([x[:, cut:], other], dim=1), torch.cat([labels[cut:], theirs])
    return (x[:, :cut], labels[:cut]), held_out


def options() -> argparse.ArgumentParser:
    """Return the options of this example."""
    own = parser(__doc__, "folder of N-MNIST")
    own.set_defaults(data=Path("../shared/events/nmnist"))
    return own


if __name__ == "__main__":
    sys.exit(main(options().parse_args(), make))
