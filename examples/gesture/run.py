"""Gesture recognition with DVSNet: train, export, compile, verify, cost, report.

python -m examples.gesture.run --reduced -o build/gesture
python -m examples.gesture.run --data DvsGesture -o build/gesture-full
"""

import argparse
import sys

import torch

from examples.pipeline import Example, main, parser
from mapper.training.data import dvs_gesture, gestures
from mapper.training.hardening.stages import staged
from mapper.training.hardening.tasks import Classification
from mapper.training.nets.models import DvsNet

STEPS = 20

REDUCED = ("hand-clap", "right-wave", "left-wave", "arm-roll")
"""Of the eleven gestures, what the reduced setting makes, in half as many time steps."""


def make(options: argparse.Namespace) -> Example:
    """Return the example at the size that was asked for; synthetic gestures without ``--data``."""
    small = options.reduced or options.tiny
    size, width = (32, 8 if options.reduced else 4) if small else (64, 32)
    classes = REDUCED if options.reduced and options.data is None else gestures.CLASSES
    steps = STEPS // 2 if options.reduced else STEPS
    if options.data is not None:
        train, test = (
            dvs_gesture.read_set(options.data, part, size=size, steps=steps)
            for part in ("train", "test")
        )
    else:
        counts = (11, 11) if options.tiny else (400, 100) if small else (1100, 440)
        train, test = (
            gestures.make(count, size, steps, 2 * options.seed + part, classes=classes)
            for part, count in enumerate(counts)
        )
    schedule = staged(1, 1, target=1) if options.tiny else staged(30, 10, target=20)
    if options.reduced:
        schedule = staged(24, 2, target=12)
    return Example(
        model=DvsNet(size, width, len(classes)),
        task=Classification(
            f"gesture-{size}",
            *((torch.from_numpy(x), torch.from_numpy(labels)) for x, labels in (train, test)),
            batch=10 if small else 16,
            shift=2 if options.reduced else 0,
        ),
        schedule=schedule,
        metric="accuracy",
        verified=1 if options.tiny else 4,
        seed=options.seed,
    )


if __name__ == "__main__":
    sys.exit(main(parser(__doc__, "folder of DVS128 Gesture").parse_args(), make))
