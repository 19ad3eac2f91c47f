"""How fast the native executor is, against a dense convolution, NumPy and ONNX Runtime.

    python -m benchmarks.executor [--json] [--rounds 9] [--quick] [--variant avx2] [--engines]
                                  [--parts layers,peer,networks,dies]

One thread. Times are of the process, not of the clock on the wall, and everything that a ratio
compares is run in turn within each round: other work on the machine slows both sides alike. A
ratio is the median of its rounds' ratios; below 1 is faster. The dense side is what a
floating-point network computes, ``torch`` convolutions of the same sizes on all time steps at
once, without neurons, pooling or readout; the native side is whole layers and networks, readout
and neurons included. Needs torch (``pip install '.[train]'``). ``--variant`` holds torch and NumPy
to the same instructions (held.py); ``peer_held`` says to which. ``dies`` are imperfect chips over
the ideal one, as ``benchmarks.dies`` has them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.held import held_to, hold
from benchmarks.networks import NETWORKS, Net, spikes
from benchmarks.peer import check_peer, make_peer
from mapper.executor.base import Prepared
from mapper.executor.engine import ENGINES
from mapper.executor.native import NativeExecutor
from mapper.ir.core import Graph
from mapper.ir.encoding import Encoding
from mapper.ir.serialize import from_json, to_json
from mapper.ir.weights import load_constants, save_constants
from mapper.kernels.core import VARIANTS, best_level

PARTS = ("layers", "peer", "networks", "dies")
DENSITIES = (0.02, 0.1, 0.3, 0.5)
CASES = (  # channels, outputs, size, stride
    ("128->128 3x3", 128, 128, 32, 1),
    ("32->32 3x3", 32, 32, 64, 1),
    ("64->128 3x3 s2", 64, 128, 64, 2),
    ("512->512 3x3", 512, 512, 16, 1),
)
GRIDS = (  # encoding, cell bits, rows
    ("twos-complement", 1, 64),
    ("twos-complement", 1, 128),
    ("differential", 1, 64),
    ("offset-binary", 2, 64),
)


def timed(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Run everything in turn; return the processor seconds of each, by round."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return times


def ratio(times: dict[str, list[float]], over: str) -> float:
    return round(median(a / b for a, b in zip(times["native"], times[over], strict=True)), 4)


def dense(net: Net, steps: int) -> Callable[[], None]:
    """Return the floating-point convolutions of a network's layers, on all steps at once."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    work = []
    for kind, shape, outputs, kernel, stride in net.dense:
        x = (torch.rand(steps, *shape) < net.density).float()
        if kind == "linear":
            work.append((functional.linear, x, torch.randn(outputs, shape[0]), {}))
        elif kind == "conv":
            weight = torch.randn(outputs, shape[0], kernel, kernel)
            more = {"stride": stride, "padding": kernel // 2}
            work.append((functional.conv2d, x, weight, more))
        else:
            weight = torch.randn(shape[0], outputs, kernel, kernel)
            more = {"stride": stride, "padding": 1}
            work.append((functional.conv_transpose2d, x, weight, more))

    def run() -> None:
        for function, x, weight, more in work:
            function(x, weight, **more)

    return run


def layer_rows(rounds: int, quick: bool) -> Iterator[dict[str, Any]]:
    """Measure single layers with neurons, one time step."""
    for name, channels, outputs, size, stride in CASES[: 2 if quick else None]:
        for kind, cell_bits, rows in GRIDS:
            for density in (0.1, 0.5) if quick else DENSITIES:
                rng = np.random.default_rng(0)
                codes = spikes(rng, density, 1, 1, channels, size, size)
                encoding = Encoding(kind=kind, weight_bits=4, cell_bits=cell_bits)
                net = Net(codes, density, rows, encoding)
                graph = net.graph(name, net.conv(net.x, outputs, 3, stride))
                run = _layer_run(graph, codes)
                times = timed({"native": run, "dense": dense(net, 1)}, rounds)
                # Apart, as its large matrices leave nothing of anyone else's in the cache.
                slow = timed({"native": run, "numpy": _numpy_run(graph, codes)}, rounds)
                yield {
                    "name": name,
                    "variant": VARIANTS[best_level()],
                    "encoding": kind,
                    "rows": rows,
                    "cell_bits": cell_bits,
                    "density": density,
                    "ms": round(1e3 * median(times["native"]), 4),
                    "ratio_dense_torch": ratio(times, "dense"),
                    "ratio_numpy": ratio(slow, "numpy"),
                }


def _layer_run(graph: Graph, codes: np.ndarray) -> Callable[[], Any]:
    """Return the layer's kernel alone: spikes are packed already, as between layers."""
    executor = NativeExecutor(graph, threads=1)
    return executor.prepared({"x": codes})


def _numpy_run(graph: Graph, codes: np.ndarray) -> Callable[[], Any]:
    executor = ENGINES["numpy"].prepare(graph)
    return lambda: executor.run({"x": codes})


def linear_rows(rounds: int) -> Iterator[dict[str, Any]]:
    """Measure 512 -> 512 on 128x128 crossbars, 2-bit cells, 8-bit ADCs, 128 samples.

    The native side is a whole call here, from codes to codes: so is the peer's (peer.py).
    """
    for bits in (1, 8):
        rng = np.random.default_rng(0)
        codes = sum(spikes(rng, 0.2, 1, 128, 512) << plane for plane in range(bits))
        graph = linear_layer(bits)
        executor = ENGINES["native"].prepare(graph, threads=1)
        name, peer = make_peer(graph)
        runs = {
            "native": lambda executor=executor, codes=codes: executor.run({"x": codes}),
            "peer": lambda peer=peer, codes=codes: peer(codes[0]),
            "numpy": _numpy_run(graph, codes),
        }
        for given in (codes, np.full_like(codes, (1 << bits) - 1)):  # the second saturates ADCs
            ours = next(iter(executor.run({"x": given}).values()))[0]
            check_peer(name, peer(given[0]), ours)
        times = timed(runs, rounds)
        yield {
            "name": f"linear 512->512, 128 samples of {bits} bits, 8-bit ADC",
            "variant": VARIANTS[best_level()],
            "encoding": "offset-binary",
            "rows": 128,
            "cell_bits": 2,
            "density": 0.2,
            "ms": round(1e3 * median(times["native"]), 4),
            "ratio_dense_torch": None,
            "ratio_numpy": ratio(times, "numpy"),
            "peer": name,
            "ratio_peer": ratio(times, "peer"),
            "peer_ms": round(1e3 * median(times["peer"]), 4),
        }


def linear_layer(bits: int) -> Graph:
    """Return the layer of ``linear_rows``; one level of an ADC is one count, as of its peer's.

    Weights of the first output are the greatest, so its ADCs saturate where all wordlines drive.
    """
    cells = Encoding(kind="offset-binary", weight_bits=8, cell_bits=2)
    none = np.zeros((1, 1, 512), np.int64)
    net = Net(none, 0.2, 128, cells, adc_bits=8, adc_step=1, input_bits=bits)
    graph = net.graph("linear", net.sums(net.x, 512, None))
    least = -cells.weight_max  # of a range with two ends alike, which is what the peer has
    ((name, drawn),) = graph.constants.items()
    weight = np.maximum(drawn, least)
    weight[:, 0] = cells.weight_max
    return replace(graph, constants={name: weight})


def network_rows(rounds: int, names: list[str], engines: bool) -> Iterator[dict[str, Any]]:
    """Measure whole networks, from input codes to output spikes."""
    for name in names:
        make, shape, steps = NETWORKS[name]
        density = 0.1
        codes = spikes(np.random.default_rng(0), density, steps, 1, *shape)
        net = Net(codes, density)
        graph = make(net)
        executor = ENGINES["native"].prepare(graph, threads=1)
        trace = executor.trace({"x": codes}).counts
        fired = [trace[op.spike.name].sum() / steps / np.prod(op.spike.shape)
                 for op in graph.ops if getattr(op, "spike", None) is not None]  # fmt: skip
        runs = {
            "native": lambda executor=executor, codes=codes: executor.run({"x": codes}),
            "dense": dense(net, steps),
            "trace": lambda executor=executor, codes=codes: executor.trace({"x": codes}),
        }
        times = timed(runs, rounds)
        row = {
            "name": name,
            "variant": VARIANTS[best_level()],
            "density": round(float(np.mean(fired)), 4),
            "ms": round(1e3 * median(times["native"]), 3),
            "ratio_dense_torch": ratio(times, "dense"),
            "ratio_numpy": None,
            "ratio_onnxruntime": None,
            "trace_over_run": round(1 / ratio(times, "trace"), 3),
            "peak_mib": _peak(graph, codes),
        }
        if engines:
            row |= _engines(graph, codes, executor)
        yield row


def die_rows(rounds: int) -> Iterator[dict[str, Any]]:
    """Measure imperfect chips beside the ideal one."""
    from benchmarks import dies  # which takes ``timed`` from here

    yield from dies.rows(rounds, list(dies.CASES), list(dies.KINDS))


def _engines(graph: Graph, codes: np.ndarray, executor: Prepared) -> dict[str, Any]:
    """Compare with the slow engines, two rounds: they take seconds."""
    lowered = ENGINES["onnx"].prepare(graph)
    runs = {
        "native": lambda: executor.run({"x": codes}),
        "numpy": _numpy_run(graph, codes),
        "onnxruntime": lambda: lowered.run({"x": codes}),
    }
    times = timed(runs, 2)
    return {
        "ratio_numpy": ratio(times, "numpy"),
        "ratio_onnxruntime": ratio(times, "onnxruntime"),
    }


def _peak(graph: Graph, codes: np.ndarray) -> float:
    """Return the most memory that a process of its own takes to plan and run a network."""
    with tempfile.TemporaryDirectory() as folder:
        save_constants(graph, Path(folder) / "weights.npz")
        (Path(folder) / "graph.json").write_text(json.dumps(to_json(graph)))
        np.savez_compressed(Path(folder) / "x.npz", x=codes.astype(np.int8))
        command = [sys.executable, "-m", "benchmarks.executor", "--peak", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _run_once(folder: Path) -> None:
    graph = from_json(
        json.loads((folder / "graph.json").read_text()),
        load_constants(folder / "weights.npz"),
        str(folder),
    )
    with np.load(folder / "x.npz") as arrays:
        codes = arrays["x"]
    ENGINES["native"].prepare(graph, threads=1).run({"x": codes})
    status = Path("/proc/self/status").read_text()  # getrusage counts the parent's memory, too
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(round(int(peak.split()[1]) / 1024, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print data for machines")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="two layers, two densities")
    parser.add_argument("--engines", action="store_true", help="NumPy and ONNX Runtime on networks")
    parser.add_argument("--variant", choices=VARIANTS, help="a lower one than the processor has")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        _run_once(options.peak)
        return
    hold(options.variant, "benchmarks.executor")
    answer: dict[str, Any] = {"peer_held": held_to(), "layers": [], "networks": [], "dies": []}
    print(*(f"{k} {v}" for k, v in answer["peer_held"].items()), sep="  ", file=sys.stderr)
    names = [name for name in options.networks.split(",") if name]
    with threadpool_limits(limits=1):
        rows: list[tuple[str, Iterator[dict[str, Any]]]] = []
        parts = options.parts.split(",")
        if "layers" in parts:
            rows.append(("layers", layer_rows(options.rounds, options.quick)))
        if "peer" in parts:
            rows.append(("layers", linear_rows(options.rounds)))
        if "networks" in parts:
            rows.append(("networks", network_rows(options.rounds, names, options.engines)))
        if "dies" in parts:
            rows.append(("dies", die_rows(options.rounds)))
        for key, found in rows:
            for row in found:
                answer[key].append(row)
                print(*(f"{k} {v}" for k, v in row.items()), sep="  ", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
