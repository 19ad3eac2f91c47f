"""Compare the processor time and the memory that two versions of the compiler take.

    python -m benchmarks.compile_speed --trees OLD NEW [--runs 5] [--json]

``OLD`` and ``NEW`` are checkouts, which read the very same two files and take turns:

- ``compile`` of SNN_VGG, the largest of the reference networks, for ``adcless-32``: processor time
  and peak memory of the whole process. The constants of the two builds are compared as well.
- ``inspect`` of fifty convolutions with their neurons for ``adcless-64``: processor time beyond
  that of ``inspect --help``, which imports the same.

Both are medians. ``--write FOLDER`` only writes the files.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from benchmarks.paper_networks import spiking_vgg
from benchmarks.same_results import digests
from mapper.exchange.canonical import to_model

SEED = 0
LAYERS, CHANNELS, SIZE = 50, 64, 32
"""Of the convolutions: 3x3, from as many channels to as many, on images of SIZE x SIZE."""

VGG, CONVOLUTIONS = "snn_vgg.onnx", "conv50.onnx"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process took."""

    seconds: float
    """Of processor time, its own and the system's for it."""
    peak_bytes: int


def write_models(folder: Path) -> None:
    """Write both networks as ONNX files of one time step."""
    for name, model in ((VGG, to_model(spiking_vgg(seed=SEED))), (CONVOLUTIONS, convolutions())):
        (folder / name).write_bytes(model.SerializeToString(deterministic=True))


def convolutions(layers: int = LAYERS) -> ModelProto:
    """Return convolutions, each followed by an integrate-and-fire neuron.

    In plain operators, as an exporter writes them: the membrane is an input and an output of the
    step; a neuron fires at 1, which is then subtracted.
    """
    rng = np.random.Generator(np.random.SFC64(SEED))
    weights = [numpy_helper.from_array(np.array(1, np.float32), "one")]
    nodes, spikes = [], "x"
    for k in range(layers):
        drawn = rng.standard_normal((CHANNELS, CHANNELS, 3, 3), np.float32)
        weights.append(numpy_helper.from_array(drawn / np.float32(np.sqrt(9 * CHANNELS)), f"w{k}"))
        nodes += _layer(k, spikes)
        spikes = f"s{k}"
    inputs = [_port("x"), *(_port(f"v{k}") for k in range(layers))]
    outputs = [_port(spikes), *(_port(f"v{k}_out") for k in range(layers))]
    graph = helper.make_graph(nodes, "conv50", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _layer(k: int, spikes: str) -> list[NodeProto]:
    """Return the nodes of layer ``k``, whose spikes are ``s{k}``."""
    node = helper.make_node
    window: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    return [
        node("Conv", [spikes, f"w{k}"], [f"i{k}"], f"conv{k}", **window),
        node("Add", [f"v{k}", f"i{k}"], [f"u{k}"], f"charge{k}"),
        node("GreaterOrEqual", [f"u{k}", "one"], [f"f{k}"], f"fire{k}"),
        node("Cast", [f"f{k}"], [f"s{k}"], f"spike{k}", to=TensorProto.FLOAT),
        node("Mul", [f"s{k}", "one"], [f"r{k}"], f"amount{k}"),
        node("Sub", [f"u{k}", f"r{k}"], [f"v{k}_out"], f"reset{k}"),
    ]


def _port(name: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, CHANNELS, SIZE, SIZE])


def usage(python: str, tree: Path, arguments: list[str], folder: Path) -> Usage:
    """Run a command of the command line of a tree, and return what its process took.

    Raises:
        RuntimeError: It failed, with what it said.
    """
    said = folder / "said.txt"
    with said.open("w") as file:
        process = subprocess.Popen(
            [python, "-m", "mapper", *arguments],
            cwd=folder,  # 'python -m' looks for modules there first
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdout=file,
            stderr=file,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {said.read_text(encoding='utf-8')}")
    return Usage(seconds=used.ru_utime + used.ru_stime, peak_bytes=used.ru_maxrss * 1024)


def alternating(
    python: str, trees: list[Path], arguments: list[str], runs: int, folder: Path
) -> list[Usage]:
    """Return the medians of what each tree takes; the trees take turns."""
    found: list[list[Usage]] = [[] for _ in trees]
    for run in range(runs):
        for k, tree in enumerate(trees):
            given = [argument.format(k=k) for argument in arguments]
            found[k].append(usage(python, tree, given, folder))
            print(f"{run + 1} of {runs}: {given[0]} {found[k][-1]}", file=sys.stderr)
    return [
        Usage(
            seconds=median(each.seconds for each in of_tree),
            peak_bytes=int(median(each.peak_bytes for each in of_tree)),
        )
        for of_tree in found
    ]


def compiling(python: str, trees: list[Path], runs: int, folder: Path) -> dict[str, Any]:
    """Compare ``compile`` of the large network."""
    arguments = ["compile", VGG, "--target", "adcless-32", "-o", "build{k}"]
    old, new = alternating(python, trees, arguments, runs, folder)
    size = (folder / VGG).stat().st_size
    constants = [dict(digests(folder / f"build{k}" / "weights.npz")) for k in range(2)]
    return {
        "file_bytes": size,
        "old": asdict(old),
        "new": asdict(new),
        "ratio": new.seconds / old.seconds,
        "peak_of_file": [old.peak_bytes / size, new.peak_bytes / size],
        "equal_constants": constants[0] == constants[1],
    }


def inspecting(python: str, trees: list[Path], runs: int, folder: Path) -> dict[str, Any]:
    """Compare ``inspect`` of the convolutions; the time of imports is taken off."""
    arguments = ["inspect", CONVOLUTIONS, "--target", "adcless-64"]
    imports = alternating(python, trees, ["inspect", "--help"], runs, folder)
    whole = alternating(python, trees, arguments, runs, folder)
    beyond = [w.seconds - i.seconds for w, i in zip(whole, imports, strict=True)]
    return {
        "old": asdict(whole[0]),
        "new": asdict(whole[1]),
        "beyond_imports": beyond,
        "ratio": beyond[1] / beyond[0],
    }


def lines(answer: dict[str, Any]) -> list[str]:
    """Say the answer for people."""
    vgg, convs = answer["compile"], answer["inspect"]
    peaks = [f"{peak:.2f}" for peak in vgg["peak_of_file"]]
    seconds = [f"{each:.2f}" for each in convs["beyond_imports"]]
    return [
        f"compile SNN_VGG for adcless-32: {vgg['old']['seconds']:.2f} -> "
        f"{vgg['new']['seconds']:.2f} s, {vgg['ratio']:.2f}x; peak memory {peaks[0]} -> "
        f"{peaks[1]} of the file's {vgg['file_bytes'] / 2**20:.0f} MiB; constants "
        f"{'equal' if vgg['equal_constants'] else 'DIFFER'}",
        f"inspect {LAYERS} convolutions for adcless-64, after imports: {seconds[0]} -> "
        f"{seconds[1]} s, {convs['ratio']:.2f}x",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--trees", nargs=2, type=Path, metavar=("OLD", "NEW"))
    what.add_argument("--write", type=Path, metavar="FOLDER", help="only write the files there")
    parser.add_argument("--python", default=sys.executable, help="interpreter for both")
    parser.add_argument("--runs", type=int, default=5, help="of each tree")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.write:
        write_models(args.write)
        return 0
    trees = [tree.resolve() for tree in args.trees]
    with tempfile.TemporaryDirectory() as name:
        # In a process of its own: a child's peak starts at the memory of the process it is of.
        own = [sys.executable, "-m", "benchmarks.compile_speed", "--write", name]
        subprocess.run(own, check=True)
        folder = Path(name)
        answer = {
            "schema": "spikeloom/compile-speed/1",
            "runs": args.runs,
            "compile": compiling(args.python, trees, args.runs, folder),
            "inspect": inspecting(args.python, trees, args.runs, folder),
        }
    print(json.dumps(answer, indent=1) if args.json else "\n".join(lines(answer)))
    return 0 if answer["compile"]["equal_constants"] else 1


if __name__ == "__main__":
    sys.exit(main())
