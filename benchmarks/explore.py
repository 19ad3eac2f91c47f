"""How many points of an exploration are evaluated in a second, by kind.

    python -m benchmarks.explore [--json] [--points 500] [--networks N-MNIST DVSNet]
                                 [--only rates scaling overhead]

One thread, processor time. Points are drawn from a space of array, readout, width of weights,
columns a readout, copies, encoding and membranes (5,184 points, none twice), and begin with nothing
worked out but the import:

- ``mapped``: points without accuracy, each as it comes; ``placed``: of which copies alone are new;
  ``priced``: whose mapping is there;
- ``whole``: such points compiled and priced one by one, with nothing kept;
- ``constants``: points that differ in constants of the component library alone, all at once, and
  those that ``cost.py --sweep`` of the same network takes;
- ``run``: points with accuracy, on ``--recordings`` made-up recordings of six steps.

``scaling`` is wall time: the same points by one and by two worker processes, started before the
clock is. ``overhead`` is wall time a point: of its evaluation, and of that with the samplers and
the records on a disk, and with Dask on a local cluster of one worker.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.paper_networks import dvsnet
from mapper.cost import generate_cost
from mapper.cost.estimate import price
from mapper.cost.layer_counts import count_actions
from mapper.exploration.grid import drawn, point_at
from mapper.exploration.run import explore_space
from mapper.exploration.sampling import Sampling
from mapper.exploration.space import Space
from mapper.exploration.swept import Constants
from mapper.exploration.work import ExploreWork, explore_work
from mapper.frontend import Imported
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import SPIKE, Const, Graph, Value
from mapper.ir.windows import Window
from mapper.pipeline import make_passes, run_passes
from mapper.recordings import Recording
from mapper.study import open_study
from targets import load_preset, load_target

TARGET = "hpadc-sar5-64"
AXES: Mapping[str, list[Any]] = {
    "array": [32, 64, 128, "64x128"],
    "readout": ["sense-amp", "sar3", "sar4", "sar5"],
    "weight_bits": [2, 3, 4],
    "columns_per_readout": [1, 2, 4, 8],
    "copies": [1, 8, 64],
    "encoding": ["offset-binary", "twos-complement", "differential"],
    "membrane_bits": [12, 16, 24],
}
CONSTANTS = {"adc.energy_pj": (0.5, 2.0), "sense_amp.energy_pj": (0.01, 0.1)}
"""Swept from end to end, in all combinations."""
SIDE = 50
"""Values of each constant."""
STEPS = 6


def nmnist(seed: int = 0) -> Graph:
    """Return a network of the size of N-MNIST's: two convolutions, pools, one linear layer."""
    net, rng = GraphBuilder(), np.random.Generator(np.random.SFC64(seed))

    def drawn_weights(name: str, *shape: int) -> Const:
        scale = 1.5 / np.sqrt(np.prod(shape[1:]))
        return net.constant(name, (rng.standard_normal(shape) * scale).astype(np.float32))

    def fire(y: Value, name: str) -> Value:
        return net.neurons(y, leak=0.8, threshold=0.6, name=name)

    half = Window(kernel=(2, 2), stride=(2, 2))
    s = net.input("x", (2, 34, 34), SPIKE)
    for name, outputs, kernel in (("conv1", 12, 5), ("conv2", 32, 5)):
        weight = drawn_weights(f"{name}.w", outputs, s.shape[0], kernel, kernel)
        s = fire(net.conv2d(s, weight, name=f"{name}.y", loc=name), name)
        s = net.max_pool2d(s, half, name=f"{name}.pool")
    flat = net.flatten(s, name="flat")
    weight = drawn_weights("fc.w", 10, flat.shape[0])
    return net.graph(fire(net.linear(flat, weight, name="fc.y", loc="fc"), "fc"))


NETWORKS: Mapping[str, Callable[[], Graph]] = {"N-MNIST": nmnist, "DVSNet": dvsnet}


def work_of(network: str, *, recording: bool = False, samples: int = 0) -> ExploreWork:
    """Return the work of exploring a network."""
    graph = NETWORKS[network]()
    imported = Imported(graph=graph, time_form="step", producer="", opset=None, ports=())
    objectives = {"energy": "min", **({"accuracy": "max"} if recording else {})}
    space = Space.of_data(
        {"axes": dict(AXES), "objectives": objectives, "evaluation": {"steps": STEPS}}
    )
    given = made_up(graph, samples) if recording else None
    return explore_work(imported, load_target(TARGET), space, recording=given)


def made_up(graph: Graph, samples: int) -> Recording:
    """Return recordings of spikes, one in ten, with labels; all by chance."""
    rng = np.random.default_rng(0)
    (x,), (y,) = graph.inputs, graph.outputs
    arrays = {
        x.name: (rng.random((STEPS, samples, *x.shape)) < 0.1).astype(np.int64),
        "labels": rng.integers(0, y.shape[0], samples),
    }
    return Recording.of(arrays, graph.inputs)


def points_of(work: ExploreWork, count: int) -> list[dict[str, Any]]:
    """Return points of its space by chance, none twice."""
    axes, size = work.space.axes, work.space.size
    return [point_at(axes, drawn(size, place, 0)) for place in range(min(count, size))]


def seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def rates(network: str, count: int, samples: int) -> dict[str, Any]:
    """Return points a second by kind."""
    work = work_of(network)
    points, run = points_of(work, count), work.prepare()
    mapped = seconds(lambda: [run.record(point) for point in points])
    refused = sum(run.record(point)["state"] == "refused" for point in points)
    first = {**points[0], "copies": 1}
    placed = [{**first, "copies": copies} for copies in (8, 64)]
    run.record(first)
    again = seconds(lambda: [run.record(first) for _ in range(200)]) / 200
    chips = [seconds(partial(run.record, point)) for point in placed]
    few = points[: max(count // 25, 4)]
    whole = seconds(lambda: [compiled(work, point) for point in few]) / len(few)
    with_run = work_of(network, recording=True, samples=samples)
    judge, fewer = with_run.prepare(), points[: max(count // 10, 4)]
    judged = seconds(lambda: [judge.record(point) for point in fewer])
    return {
        "points": len(points),
        "refused": refused,
        "worked_out": {stage: done for stage, (_, done) in run.mapped.done().items()},
        "mapped": len(points) / mapped,
        "priced": 1 / again,
        "placed": len(chips) / sum(chips),
        "whole": 1 / whole,
        "run": len(fewer) / judged,
        "recordings": samples,
        "constants": constants(work, points[0]),
    }


def compiled(work: ExploreWork, point: Mapping[str, Any]) -> None:
    """Compile and price a point with nothing kept."""
    design = work.base.design(point)
    passes = make_passes(options=design.options)
    graph = work.imported.graph
    made, _ = run_passes(replace(graph, assignment=design.assignment), design.target, passes)
    price(count_actions(made, design.target), 0.1, STEPS, load_preset("physical"))


def constants(work: ExploreWork, point: Mapping[str, Any]) -> dict[str, float]:
    """Return points of constants a second, all at once, and as ``cost.py --sweep`` has them."""
    sides = {key: np.linspace(*ends, SIDE) for key, ends in CONSTANTS.items()}
    grid = np.meshgrid(*sides.values(), indexing="ij")
    columns = {key: values.ravel() for key, values in zip(sides, grid, strict=True)}
    run, number = work.prepare(), SIDE ** len(sides)
    held = Constants(run, point)
    ours = min(seconds(lambda: held.at(columns)) for _ in range(20))
    design = work.base.design(point)
    generated = generate_cost(run.mapped.counts(design), STEPS)
    module: dict[str, Any] = {"__name__": "cost"}
    exec(compile(generated, "cost.py", "exec"), module)  # ours, generated here
    theirs = min(
        seconds(lambda: module["evaluate_points"](columns, "physical", 0.1, STEPS))
        for _ in range(20)
    )
    return {"points": number, "at_once": number / ours, "cost_py": number / theirs}


def unseen(case: object, record: object) -> None:
    """Leave records unseen."""


def scaling(network: str, count: int) -> dict[str, float]:
    """Return points a second of wall time by one and by two processes."""
    work = work_of(network)
    points, found = points_of(work, count), {}
    for workers in (1, 2):
        with open_study(work, scheduler="processes", workers=workers, what="points") as running:
            running.run([{"point": point} for point in points[:workers]], unseen)  # started
            cases = [{"point": point} for point in points[workers:]]
            start = time.perf_counter()
            running.run(cases, unseen)
            found[f"workers_{workers}"] = len(cases) / (time.perf_counter() - start)
    return {**found, "ratio": found["workers_2"] / found["workers_1"]}


def overhead(network: str, count: int) -> dict[str, float]:
    """Return ms of wall time that a point takes beyond its evaluation."""
    work = work_of(network)
    points = points_of(work, count)
    run = work.prepare()
    for point in points:  # what points share is there, so that what is left is small
        run.record(point)
    start = time.perf_counter()
    for point in points:
        run.record(point)
    each = (time.perf_counter() - start) / len(points)
    found = {"evaluation_ms": 1e3 * each}
    for kind in ("random", "tpe", "nsga2"):
        sampling = Sampling(kind=kind, points=len(points))
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            explore_space(work, work.space, sampling, folder=Path(folder))
            found[f"{kind}_and_store_ms"] = (time.perf_counter() - start) / len(points) * 1e3
    with open_study(work, scheduler="dask", workers=1, what="points") as running:
        cases = [{"point": point} for point in points]
        running.run(cases[:1], unseen)
        start = time.perf_counter()
        running.run(cases[1:], unseen)
        found["dask_ms"] = (time.perf_counter() - start) / (len(cases) - 1) * 1e3
    return found


PARTS = ("rates", "scaling", "overhead")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--recordings", type=int, default=20)
    parser.add_argument("--networks", nargs="+", choices=[*NETWORKS], default=[*NETWORKS])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS])
    args = parser.parse_args()
    answer: dict[str, Any] = {
        "schema": "spikeloom/explore-speed/1",
        "processors": os.cpu_count(),
        "networks": {},
    }
    with threadpool_limits(limits=1):
        for network in args.networks:
            found: dict[str, Any] = {}
            if "rates" in args.only:
                found["rates"] = rates(network, args.points, args.recordings)
            if "scaling" in args.only:
                found["scaling"] = scaling(network, args.points)
            if "overhead" in args.only:
                found["overhead"] = overhead(network, min(args.points, 100))
            answer["networks"][network] = found
            print(f"{network} done", file=sys.stderr)
    print(json.dumps(answer, indent=1) if args.json else "\n".join(lines(answer)))
    return 0


def lines(answer: Mapping[str, Any]) -> list[str]:
    """Say the answer for people."""
    said = []
    for network, parts in answer["networks"].items():
        for part, found in parts.items():
            numbers = {name: value for name, value in found.items() if isinstance(value, float)}
            told = ", ".join(f"{name} {value:,.4g}" for name, value in numbers.items())
            said.append(f"{network} {part}: {told}")
    return said


if __name__ == "__main__":
    sys.exit(main())
