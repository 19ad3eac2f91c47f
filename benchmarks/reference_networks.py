"""Export the reference design's networks at full size and compile each for every array size.

    python -m benchmarks.reference_networks [--network SNN_VGG] [--target adcless-64] [--json]

Each network is hardened for the target, settled on made spikes (a smaller image where the network
takes any size), written by ``export_onnx`` at its full input size and compiled by ``spikeloom
compile``, each step in a process of its own so that its memory is its own. The crossbars of the
build stand beside those of the published table.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mapper.training import export_onnx, harden
from mapper.training.models import (
    DvsNet,
    FireFlowNet,
    SpikeFlowNet,
    SpikingResNet,
    SpikingVgg,
)

DENSITY = 0.1
"""Of the made input spikes."""


@dataclass(frozen=True, kw_only=True)
class Network:
    make: Callable[[], nn.Module]
    shape: tuple[int, int, int]
    published: dict[int, int]
    """Crossbars at 32, 64 and 128 rows; empty where the table has none."""
    settled_on: tuple[int, int, int] | None = None
    """A smaller input for references and scales, where the network takes one."""


NETWORKS = {
    "DVSNet": Network(make=DvsNet, shape=(2, 64, 64), published={32: 372, 64: 104, 128: 32}),
    "FireFlowNet": Network(
        make=FireFlowNet,
        shape=(4, 256, 256),
        settled_on=(4, 32, 32),
        published={32: 224, 64: 62, 128: 19},
    ),
    "SFN": Network(
        make=SpikeFlowNet,
        shape=(4, 256, 256),
        settled_on=(4, 32, 32),
        published={32: 51_304, 64: 12_854, 128: 3_231},
    ),
    "SNN_VGG": Network(
        make=SpikingVgg, shape=(3, 32, 32), published={32: 157_432, 64: 39_392, 128: 9_868}
    ),
    "SNN_ResNet": Network(make=SpikingResNet, shape=(3, 32, 32), published={}),
}
TARGETS = tuple(
    f"{readout}-{size}" for readout in ("adcless", "hpadc-flash5") for size in (32, 64, 128)
)


def export(network: str, target: str, path: Path) -> None:
    """Write a hardened network of random weights (seed 0) for a target."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    facts = NETWORKS[network]
    small = (torch.rand(2, 1, *(facts.settled_on or facts.shape)) < DENSITY).float()
    twin = harden(facts.make(), target, example=small)
    export_onnx(twin, path, torch.zeros(1, 1, *facts.shape))


def row(network: str, target: str) -> dict[str, Any]:
    """Export and compile in processes of their own, and read the build back."""
    with tempfile.TemporaryDirectory() as folder:
        model, build = Path(folder) / "model.onnx", Path(folder) / "build"
        own = (sys.executable, "-m", "benchmarks.reference_networks")
        exported = _measured(
            [*own, "--export", str(model), "--network", network, "--target", target]
        )
        command = (sys.executable, "-m", "mapper", "compile", str(model), "--target", target)
        compiled = _measured([*command, "-o", str(build), "--json"])
        mapping = json.loads(compiled["stdout"])
        size = model.stat().st_size / 2**20
    rows = int(target.rpartition("-")[2])
    return {
        "network": network,
        "target": target,
        "crossbars": mapping["crossbars"],
        "published": NETWORKS[network].published.get(rows),
        "file_mib": round(size, 1),
        "export_s": exported["seconds"],
        "export_mib": exported["peak_mib"],
        "compile_s": compiled["seconds"],
        "compile_mib": compiled["peak_mib"],
    }


def _measured(command: list[str]) -> dict[str, Any]:
    """Run a command; return its output, seconds and the peak memory of its process in MiB."""
    timed = "import resource, runpy, sys"
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "stdout": done.stdout,
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mib": round(peak),
    }
