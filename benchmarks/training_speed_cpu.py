"""Time training steps on a CPU: ``python -m benchmarks.training_speed_cpu --json``.

Compiled kernels (``mapper.training.backends.native``) against torch's own operations, of one twin
with the same weights: one thread, steps of the two in turn, processor time, the least of each
(other work on the machine only adds). A step is forwards, backwards and Adam. Inputs are random
spikes of a tenth of density. Before that the two are compared: outputs with ``==``, gradients by
the norm of their difference. A third twin takes compiled steps with offsets and noise of reads, a
fourth is taught by the float network, by the distance of its task.
"""

import argparse
import copy
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.accuracy_settings import SETTINGS
from benchmarks.training_speed import TOLERANCE, path
from mapper.training import Awareness, HardwareModel, harden
from mapper.training.backends.noise import Noise
from mapper.training.hardening.tasks import Classification, Flow
from mapper.training.hardening.teaching import Teacher
from mapper.training.hardening.trainer import Task

SHAPES = {
    "nmnist": (6, 40, 2, 34, 34),
    "gesture": (10, 33, 2, 32, 32),
    "flow": (5, 20, 4, 32, 32),
}
"""Inputs ``[T, B, C, H, W]`` of networks of ``accuracy_settings``."""

TARGETS = ("adcless-diff-64", "adcless-64")

NOISE = Noise(offset=1.0, read=1.0)

WAYS = ("compiled", "torch", "noise", "taught")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int, default=3, help="timed, of each")
    parser.add_argument("--small", action="store_true", help="one sample each: shows that it runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for task, shape in SHAPES.items():
        shape = (shape[0], 1, *shape[2:]) if options.small else shape
        for target in TARGETS:
            rows.append(measure(task, target, shape, options.steps))
            print(line(rows[-1]), file=sys.stderr, flush=True)
    found = {
        "schema": "spikeloom/training-speed-cpu/1",
        "processor": processor(),
        "torch": torch.__version__,
        "threads": 1,
        "tolerance": TOLERANCE,
        "speed": rows,
    }
    print(json.dumps(found, indent=1) if options.json else "\n".join(line(row) for row in rows))
    return 0 if all(row["equal"] and row["gradient_error"] <= TOLERANCE for row in rows) else 1


def measure(task: str, target: str, shape: tuple[int, ...], steps: int) -> dict[str, Any]:
    """Compare both ways on one twin, then time them in turn."""
    torch.manual_seed(0)
    x = (torch.rand(shape) < 0.1).float()
    model = SETTINGS[task].model()
    twin = harden(model, target)
    twin.raise_awareness(Awareness(), x[:, :8])
    outputs, gradients = {}, {}
    for compiled in (True, False):
        with path(fused=compiled):
            outputs[compiled], gradients[compiled] = one_layer(twin, x)
    difference = (gradients[True] - gradients[False]).norm() / gradients[False].norm()
    noise, teacher = {"noise": NOISE}, {"taught": Teacher(model, a_task(task, x), "cpu")}
    run = {}
    for name in WAYS:
        own = copy.deepcopy(twin)
        own.disturb(noise.get(name))
        run[name] = stepper(own, x, teacher.get(name))
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(steps + 1):  # the first of each warms up
        for name in WAYS:
            with path(fused=name != "torch"):
                began = time.process_time()
                run[name]()
                seconds[name].append(time.process_time() - began)
    least = {name: min(found[1:]) for name, found in seconds.items()}
    return {
        "task": task,
        "network": SETTINGS[task].network,
        "target": target,
        "shape": list(shape),
        "equal": bool((outputs[True] == outputs[False]).all()),
        "gradient_error": float(difference),
        "torch_seconds": least["torch"],
        "compiled_seconds": least["compiled"],
        "ratio": least["torch"] / least["compiled"],
        "noise_seconds": least["noise"],
        "noise_ratio": least["noise"] / least["compiled"],
        "taught_seconds": least["taught"],
        "taught_ratio": least["taught"] / least["compiled"],
    }


def one_layer(twin: HardwareModel, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first layer's integers, and the gradient of its weights.

    In a whole network the rounding of a gradient in one layer changes that of all before it.
    """
    layer = next(twin.layers())
    sums = layer.sums(x.flatten(0, 1))
    upstream = torch.arange(sums.numel()).reshape(sums.shape).sin()
    (gradient,) = torch.autograd.grad(sums, layer.weight, upstream)
    return sums.detach(), gradient


def stepper(twin: nn.Module, x: Tensor, teacher: Teacher | None = None) -> Callable[[], None]:
    optimiser = torch.optim.Adam(twin.parameters(), 1e-4)

    def step() -> None:
        optimiser.zero_grad()
        output = twin(x)
        loss = output.square().mean()
        if teacher is not None:
            loss = loss + teacher.distance(output, x)
        torch.autograd.backward(loss)
        optimiser.step()

    return step


def a_task(name: str, x: Tensor) -> Task:
    """Return a task of a network's kind whose answers are all zero: its distance counts."""
    samples = x.shape[1]
    if SETTINGS[name].metric == "accuracy":
        labelled = x, torch.zeros(samples, dtype=torch.int64)
        return Classification(name, labelled, labelled)
    scenes = x, torch.zeros(samples, 2, *x.shape[3:]), torch.ones(samples, *x.shape[3:]) > 0
    return Flow(name, scenes, scenes)


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [row.partition(":")[2].strip() for row in file if row.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def line(row: dict[str, Any]) -> str:
    times = f"{row['torch_seconds']:8.3f} -> {row['compiled_seconds']:.3f} s"
    same = "equal" if row["equal"] else "OUTPUTS DIFFER"
    named = f"{row['task']:<8} {row['target']:<16} {times}  {row['ratio']:.2f}x"
    named += f", with noise {row['noise_ratio']:.2f} as long, taught {row['taught_ratio']:.2f}"
    return f"{named}  {same}, gradients within {row['gradient_error']:.1e}"


if __name__ == "__main__":
    sys.exit(main())
