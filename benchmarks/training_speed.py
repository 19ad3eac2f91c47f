"""Time hardware-aware training steps: ``python benchmarks/training_speed.py --json``.

Both paths run in one process, on a GPU where torch finds one: torch's own operations in chunks, and
the fused programs of ``mapper.training.backends.fused``. Before that the two are compared: outputs
with ``==``, gradients by the norm of their difference. Inputs are random spikes of a tenth of
density. On a CPU, where nothing is fused, smaller batches are timed and nothing is compared.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script

import torch
from torch import Tensor, nn

from mapper.training import LIF, Awareness, harden
from mapper.training.backends import choose, fused_neurons
from mapper.training.nets.models import DvsNet, FireFlowNet
from mapper.training.nets.partial_sums import read_sums

SECONDS = 85.0
"""No measurement starts after this."""

TOLERANCE = 2.0**-6
"""Of gradients, as a share of their norm: bfloat16 keeps 8 bits of each factor (2**-8), and the
path in torch's operations rounds each slope, slice and merge to it, up to four times in a row."""

TARGETS = ("adcless-64", "adcless-diff-64", "hpadc-flash5-64")


def nmnist() -> nn.Module:
    """Return the network of ``docs/training.md``."""
    return nn.Sequential(
        *(nn.Conv2d(2, 12, 5, stride=2), nn.BatchNorm2d(12), LIF(0.75)),
        *(nn.Conv2d(12, 32, 5, stride=2), nn.BatchNorm2d(32), LIF(0.75)),
        *(nn.Flatten(), nn.Linear(1152, 10)),
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], tuple[int, ...]]] = {
    # name: network, input [T, B, C, H, W] on a GPU, and on a CPU
    "nmnist": (nmnist, (6, 40, 2, 34, 34), (6, 40, 2, 34, 34)),
    "dvsnet-64": (lambda: DvsNet(size=64), (20, 16, 2, 64, 64), (2, 1, 2, 64, 64)),
    "fireflownet-64": (FireFlowNet, (5, 8, 4, 64, 64), (1, 1, 4, 64, 64)),
}


def main(arguments: list[str] | None = None) -> int:
    """Print what was measured; a case that fails is reported with its error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print data for machines")
    parser.add_argument("--small", action="store_true", help="the CPU's sizes on any device")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found: dict[str, Any] = {
        "schema": "spikeloom/training-speed/1",
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "tolerance": TOLERANCE,
        "checks": [],
        "speed": [],
    }
    for name, check in checks(device):
        found["checks"].append(attempt(name, check, started))
    for name in NETWORKS:
        for fused in (True, False) if device.type == "cuda" else (False,):
            small = options.small or device.type == "cpu"
            label = f"{name}, {'fused' if fused else 'torch'}"
            row = attempt(label, lambda n=name, f=fused, s=small: speed(n, f, s, device), started)
            found["speed"].append({"network": name, "fused": fused, **row})
    found["seconds"] = time.perf_counter() - started
    print(json.dumps(found, indent=1) if options.json else table(found))
    return 0 if all(row["ok"] for row in (*found["checks"], *found["speed"])) else 1


def attempt(name: str, measure: Callable[[], dict[str, Any]], started: float) -> dict[str, Any]:
    """Return what a case gives, or its error."""
    spent = time.perf_counter() - started
    if spent > SECONDS:
        row: dict[str, Any] = {"name": name, "ok": False, "error": f"not run: {spent:.0f} s spent"}
    else:
        try:
            row = {"name": name, "ok": True, **measure()}
        except Exception as error:  # a case that fails is a row of the answer; others go on
            traceback.print_exc()
            row = {"name": name, "ok": False, "error": f"{type(error).__name__}: {error}"[:2000]}
    print(f"{time.perf_counter() - started:6.1f} s  {row}", file=sys.stderr, flush=True)
    return row


@contextmanager
def path(fused: bool) -> Iterator[None]:
    """Compute fused where that can be, or not at all."""
    before = choose.FUSED
    choose.FUSED = fused
    try:
        yield
    finally:
        choose.FUSED = before


# --- correctness ---------------------------------------------------------------------------------


def checks(device: torch.device) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield comparisons of the two paths; none where nothing is fused."""
    if device.type != "cuda":
        return
    torch.manual_seed(0)
    yield "neurons", lambda: check_neurons(device)
    layers = {
        "conv 32->32 k3": (nn.Conv2d(32, 32, 3, padding=1), (8, 32, 16, 16)),
        "linear 1152->10": (nn.Linear(1152, 10), (240, 1152)),
        "transposed 16->8 k4": (nn.ConvTranspose2d(16, 8, 4, 2, 1), (8, 16, 8, 8)),
    }
    for target in TARGETS:
        chosen = (
            layers if target == TARGETS[0] else dict([*layers.items()][:1])
        )  # compiling is slow
        for name, (layer, shape) in chosen.items():
            yield f"{name} on {target}", lambda a=layer, b=shape, c=target: check(a, b, c, device)


def check(layer: nn.Module, shape: tuple[int, ...], target: str, device: Any) -> dict[str, Any]:
    """Compare one layer's two paths."""
    x = (torch.rand(shape) < 0.1).float().to(device)
    twin = harden(nn.Sequential(layer), target).to(device)
    with path(fused=False):
        twin.raise_awareness(Awareness(), x[None])
    hardened = next(twin.layers())
    weight, grid = hardened.whole_weights().detach(), hardened.grid
    scale = torch.ones(1, device=device)
    with path(fused=False):
        upstream = torch.randn_like(read_sums(x, weight, grid, hardened.reading(), scale))

    def run() -> dict[str, Tensor]:
        given = [t.clone().requires_grad_() for t in (x, weight, scale)]
        reading = hardened.reading()
        learned = getattr(reading, "thresholds", None)
        learned = hardened.converter_step if learned is None else hardened.thresholds
        sums = read_sums(given[0], given[1], grid, reading, given[2])
        gradients = torch.autograd.grad(sums, [*given, learned], upstream)
        names = ("input", "weight", "scale", "learned")
        return {"sums": sums.detach(), **dict(zip(names, gradients, strict=True))}

    return compared(run)


def check_neurons(device: torch.device) -> dict[str, Any]:
    neurons = LIF(0.8, 0.7, learn=("leak", "threshold")).to(device)
    x, upstream = torch.randn(20, 4, 1000, device=device), torch.randn(20, 4, 1000, device=device)
    assert fused_neurons.supports(x)

    def run() -> dict[str, Tensor]:
        source = x.clone().requires_grad_()
        spikes = neurons(source)
        learned = [neurons.leak, neurons.threshold]
        gradients = torch.autograd.grad(spikes, [source, *learned], upstream)
        names = ("input", "leak", "threshold")
        return {"sums": spikes.detach(), **dict(zip(names, gradients, strict=True))}

    return compared(run)


def compared(run: Callable[[], dict[str, Tensor]]) -> dict[str, Any]:
    """Compare fused with torch; run fused twice for its determinism."""
    with path(fused=True):
        found, again = run(), run()
    with path(fused=False):
        expected = run()
    errors = {
        name: float((found[name] - expected[name]).norm() / expected[name].norm().clamp(min=1e-9))
        for name in found
        if name != "sums"
    }
    result = {
        "equal": bool((found["sums"] == expected["sums"]).all()),
        "repeats": all(bool((found[name] == again[name]).all()) for name in found),
        "errors": errors,
    }
    # One number is a sum that may nearly cancel: its error has no scale of its own.
    wide = {name: error for name, error in errors.items() if expected[name].numel() > 1}
    good = result["equal"] and result["repeats"] and max(wide.values()) <= TOLERANCE
    return {**result, "ok": good}


# --- speed ---------------------------------------------------------------------------------------


def speed(name: str, fused: bool, small: bool, device: torch.device) -> dict[str, Any]:
    """Time training steps: forward, backward and Adam."""
    build, large_shape, small_shape = NETWORKS[name]
    shape = small_shape if small else large_shape
    torch.manual_seed(0)
    x = (torch.rand(shape) < 0.1).float().to(device)
    with path(fused):
        began = time.perf_counter()
        twin = harden(build().to(device), "adcless-64").to(device)
        twin.raise_awareness(Awareness(), x[:, :4])
        optimiser = torch.optim.Adam(twin.parameters(), 1e-4)

        def step() -> Tensor:
            optimiser.zero_grad()
            loss: Tensor = twin(x).square().mean()
            torch.autograd.backward(loss)
            optimiser.step()
            return loss.detach()

        first = float(step())  # compiles
        ready = time.perf_counter() - began
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        steps, began = 0, time.perf_counter()
        while steps < 3 or (time.perf_counter() - began < 2.0 and steps < 50):
            loss = step()
            steps += 1
            if device.type == "cuda" and steps % 3 == 0:
                torch.cuda.synchronize()
        last = float(loss)
        seconds = (time.perf_counter() - began) / steps
    memory = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return {
        "shape": list(shape),
        "seconds_per_step": seconds,
        "steps": steps,
        "until_ready": ready,
        "peak_bytes": memory,
        "losses": [first, last],
    }


def table(found: dict[str, Any]) -> str:
    lines = [f"device {found['device']}, torch {found['torch']}, {found['seconds']:.0f} s"]
    for row in found["checks"]:
        lines.append(f"{'ok' if row['ok'] else 'WRONG':<6} {row['name']}")
    for row in found["speed"]:
        told = row.get("error") or f"{row['seconds_per_step']:.4f} s a step, {row['shape']}"
        lines.append(f"{row['name']:<24} {told}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
