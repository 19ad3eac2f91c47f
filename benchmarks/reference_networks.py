"""Export the reference design's networks at full size and compile each for every array size.

    python -m benchmarks.reference_networks [--network SNN_VGG] [--target adcless-64] [--json]

Each network is hardened for the target, settled on made spikes (a smaller image where the network
takes any size), written by ``export_onnx`` at its full input size and compiled by ``spikeloom
compile``, each step in a process of its own so that its memory is its own. The crossbars of the
build stand beside those of the published table.
"""

import argparse
import json
import os
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
from mapper.training.nets.models import DvsNet, FireFlowNet, SpikeFlowNet, SpikingResNet, SpikingVgg

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
    spikes = (torch.rand(2, 1, *(facts.settled_on or facts.shape)) < DENSITY).float()
    twin = harden(facts.make(), target, example=spikes)
    export_onnx(twin, path, torch.zeros(1, 1, *facts.shape))


def row(network: str, target: str) -> dict[str, Any]:
    """Export and compile in processes of their own, and read what was compiled."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, build = folder / "model.onnx", folder / "build"
        own = ["-m", "benchmarks.reference_networks", "--network", network, "--target", target]
        exported = _measured([*own, "--export", str(model)], folder)
        compile_it = ["-m", "mapper", "compile", str(model), "--target", target]
        compiled = _measured([*compile_it, "-o", str(build), "--json"], folder)
        size = model.stat().st_size / 2**20
    mapping = json.loads(compiled["printed"])
    rows = int(target.rpartition("-")[2])
    return {
        "network": network,
        "target": target,
        "crossbars": mapping["crossbars_without_copies"],
        "published": NETWORKS[network].published.get(rows),
        "crossbars_with_copies": mapping["crossbars"],
        "chips": mapping["chips"],
        "file_mib": round(size, 1),
        **{f"export_{key}": exported[key] for key in ("seconds", "peak_mib")},
        **{f"compile_{key}": compiled[key] for key in ("seconds", "peak_mib")},
    }


def _measured(arguments: list[str], folder: Path) -> dict[str, Any]:
    """Run Python; return what it printed, its seconds and its peak memory in MiB.

    Raises:
        RuntimeError: It failed, with what it said.
    """
    printed, said = folder / "stdout", folder / "stderr"
    started = time.perf_counter()
    with printed.open("w") as out, said.open("w") as err:
        process = subprocess.Popen([sys.executable, *arguments], stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(arguments)}: {said.read_text(encoding='utf-8')}")
    return {
        "printed": printed.read_text(encoding="utf-8"),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


def rows(networks: list[str], targets: list[str]) -> Iterator[dict[str, Any]]:
    for network in networks:
        for target in targets:
            yield row(network, target)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", action="append", choices=list(NETWORKS), help="all if none")
    parser.add_argument("--target", action="append", choices=TARGETS, help="all if none")
    parser.add_argument("--export", type=Path, metavar="FILE", help="only write this file")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    networks, targets = args.network or list(NETWORKS), args.target or list(TARGETS)
    if args.export:
        export(networks[0], targets[0], args.export)
        return
    found = []
    for each in rows(networks, targets):
        found.append(each)
        print("  ".join(f"{value!s:>10}" for value in each.values()), file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps({"schema": "spikeloom/reference-networks/1", "rows": found}, indent=1))
    wrong = [each for each in found if each["published"] not in (None, each["crossbars"])]
    if wrong:
        sys.exit(f"crossbars differ from the published table: {wrong}")


if __name__ == "__main__":
    main()
