"""Gesture recognition with DVSNet: train, export, compile, verify, cost, report.

python -m examples.gesture.run --reduced -o build/gesture
python -m examples.gesture.run --data DvsGesture -o build/gesture-full
"""

import argparse
import sys
from pathlib import Path

import torch

from examples.pipeline import Example, main, parser, tell
from examples.rows import GestureRows
from mapper.ir.core import Array
from mapper.training.data import dvs_gesture, gestures
from mapper.training.data.published import GESTURE
from mapper.training.hardening.stages import staged
from mapper.training.hardening.tasks import Classification
from mapper.training.nets.models import DvsNet

Labelled = tuple[Array, Array]

STEPS = 20

REDUCED = ("hand-clap", "right-wave", "left-wave", "arm-roll")
"""Of the eleven gestures, what the reduced setting makes, in half as many time steps."""


def make(options: argparse.Namespace) -> Example:
    """Return the example at the size that was asked for; synthetic gestures without ``--data``."""
    small = options.reduced or options.tiny
    size, width = (32, 8 if options.reduced else 4) if small else (64, 32)
    classes = REDUCED if options.reduced and options.data is None else gestures.CLASSES
    steps = STEPS // 2 if options.reduced else STEPS
    rows = None
    if options.data is not None:
        train, test, rows = _recorded(options.data, size, steps)
    else:
        counts = (11, 11) if options.tiny else (400, 100) if small else (1100, 440)
        train, test = (
            gestures.make(count, size, steps, 2 * options.seed + part, classes=classes)
            for part, count in enumerate(counts)
        )
    schedule = staged(target=1) if options.tiny else staged(target=30)
    if options.reduced:
        schedule = staged(24, target=12)
    return Example(
        model=DvsNet(size, width, len(classes)),
        task=Classification(
            f"{'gesture' if rows is None else 'dvs128-gesture'}-{size}",
            *((torch.from_numpy(x), torch.from_numpy(labels)) for x, labels in (train, test)),
            batch=10 if small else 16,
            shift=2 if options.reduced else 0,
        ),
        schedule=schedule,
        metric="accuracy",
        verified=1 if options.tiny else 4,
        seed=options.seed,
        rows=rows,
        real=None if rows else GESTURE,
    )


def _recorded(folder: Path, size: int, steps: int) -> tuple[Labelled, Labelled, GestureRows]:
    """Return the published lists of DVS128 Gesture; both are looked through before any is read."""
    root = dvs_gesture.find(folder)
    trials = len(dvs_gesture.listed(root, "train")), len(dvs_gesture.listed(root, "test"))
    tell(f"reading {sum(trials)} trials of DVS128 Gesture")
    train = dvs_gesture.read_set(root, "train", size, steps)
    x, labels, sections = dvs_gesture.read_windows(root, "test", size, steps)
    rows = GestureRows(
        x=torch.from_numpy(x),
        labels=torch.from_numpy(labels),
        sections=torch.from_numpy(sections),
        trials=trials,
        listed=dvs_gesture.count_sections(root, "test"),
    )
    return train, (x, labels), rows


def options() -> argparse.ArgumentParser:
    """Return the options of this example."""
    return parser(__doc__, "folder of DVS128 Gesture, as published: the row of the tables")


if __name__ == "__main__":
    sys.exit(main(options().parse_args(), make))
