"""What ``spikeloom assign`` takes: the float network of N-MNIST, and recordings it has not seen.

python -m examples.nmnist.assign --reduced --data ../shared/events/nmnist -o build/nmnist-float

``--train examples.nmnist.assign:short`` hardens the network for each assignment that is tried.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from examples.nmnist.run import make, options
from mapper.diagnostics import MappingError
from mapper.training import export_onnx
from mapper.training.assigning import Hardening
from mapper.training.hardening.trainer import Options, Run
from targets import Target

TARGET = "readouts-64"


def write(given: argparse.Namespace) -> None:
    """Train in single precision; write ``float.onnx`` and ``held_out.npz``."""
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    example = make(given)
    held_out, labels = example.task.test  # type: ignore[attr-defined]  # it is a Classification
    how = Options(schedule=example.schedule[:1], seed=given.seed, input_bits=1, device="cpu")
    trained = Run(example.model, example.task, TARGET, how, given.out / "run").train()
    export_onnx(trained.eval(), given.out / "float.onnx", held_out[:, :1].float())
    x = held_out.numpy().astype(np.uint8)
    np.savez_compressed(given.out / "held_out.npz", x=x, labels=labels.numpy())


def short(model: Path, target: Target) -> Hardening:
    """Train for one epoch of the reduced setting, on ``../shared/events/nmnist``."""
    torch.set_num_threads(1)
    given = argparse.Namespace(
        data=Path("../shared/events/nmnist"), reduced=True, tiny=False, seed=0
    )
    return Hardening(model=model, target=target, task=make(given).task, epochs=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry it out; 1 and diagnostics where the data or the folder cannot be used."""
    own = options()
    own.description = __doc__
    try:
        write(own.parse_args(arguments))
    except (MappingError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
