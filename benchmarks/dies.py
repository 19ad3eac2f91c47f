"""How fast dies run on the compiled kernels, against the chip as it should be.

    python -m benchmarks.dies [--json] [--rounds 7] [--variant avx2] [--networks DVSNet]
                              [--kinds offsets,stuck,cells,noise,yield]

One thread, processor time. A die and the ideal chip run in turn within each round, as in
``benchmarks.executor``, whose networks these are: DVSNet on one recording of 20 time steps, a
network of the size of the N-MNIST example on 50 recordings of 6. The die has random imperfections
of one kind: offsets of references (one count), stuck cells (2 %), cells that vary (10 %), or noise
of reads (half a count). ``plan_ms`` is what a further die of the same build takes to plan and pack,
``dies_a_second`` counts that and the run. ``yield`` is a study as ``spikeloom yield`` runs it, of
typical imperfections together: a die is drawn, packed and run, and what differs is counted.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.executor import timed
from benchmarks.networks import NETWORKS, Net, spikes, window
from mapper.dies.draw import Lot
from mapper.dies.trials import Trials, spike_layers
from mapper.executor.native import NativeExecutor
from mapper.ir.core import Array, Const, Graph, Op, Span, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.infer import infer_types
from mapper.ir.noise import KEY_TYPE, NOISE_LEVELS
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.kernels.core import VARIANT_VARIABLE, VARIANTS, best_level
from mapper.pipeline import run_passes
from passes.place import Place
from targets import Target, load_target
from targets.devices import load_device

Read = TypeVar("Read", AdcRead, SenseAmpRead)
FRACTION = 8
UNIT = 1 << FRACTION
COPIES = 4
KEY = Value("read_key", KEY_TYPE, ())
KINDS = ("offsets", "stuck", "cells", "noise", "yield")
TYPICAL = {
    "cell.sigma": 0.1,
    "cell.on_off": 20.0,
    "cell.stuck_on": 0.002,
    "cell.stuck_off": 0.005,
    "amplifier.offset": 0.5,
}
"""Of the dies of a study."""
DENSITY = 0.1


def nmnist(net: Net) -> Graph:
    s = net.pool(net._fire(net.sums(net.x, 12, window(5))))
    s = net.pool(net._fire(net.sums(s, 32, window(5))))
    return net.graph("N-MNIST", net.linear(s, 10))


CASES: dict[str, tuple[Callable[[Net], Graph], tuple[int, ...], int, int, int]] = {
    "DVSNet": (*NETWORKS["DVSNet"], 1, 0),
    "N-MNIST": (nmnist, (2, 34, 34), 6, 50, 0),
    "DVSNet-ADC": (*NETWORKS["DVSNet"], 1, 5),
}
"""Graph, input, time steps, recordings and bits of ADCs."""


def die_of(graph: Graph, kind: str, seed: int) -> Graph:
    """Return a graph with random imperfections of one kind in every crossbar layer."""
    rng, constants = np.random.default_rng(seed), dict(graph.constants)
    made: dict[str, CrossbarMvm] = {}
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, CrossbarMvm):
            made[op.partial_sum.name] = op
            op = _crossbars(op, kind, rng, constants)
        elif isinstance(op, AdcRead):
            op = _converts(op, made[op.partial_sum.name], kind, rng, constants)
        elif isinstance(op, SenseAmpRead):
            op = _reads(op, made[op.partial_sum.name], kind, rng, constants)
        ops.append(op)
    inputs = (*graph.inputs, KEY) if kind == "noise" else graph.inputs
    return infer_types(replace(graph, ops=tuple(ops), inputs=inputs, constants=constants))


def _copies(op: CrossbarMvm) -> int:
    return COPIES if op.window else 1


def _crossbars(
    op: CrossbarMvm, kind: str, rng: np.random.Generator, constants: dict[str, Array]
) -> CrossbarMvm:
    assert op.encoding is not None
    placed = replace(op, placement=replace(op.placement, copies=_copies(op)))
    digits = op.encoding.digits(constants[op.weight.name].astype(np.int64))
    cells = np.repeat(digits[None], _copies(op), axis=0) * UNIT
    if kind == "stuck":
        cells = np.where(rng.random(cells.shape) < 0.02, rng.choice([0, UNIT], cells.shape), cells)
    if kind == "cells":
        cells = cells + np.rint(0.1 * cells * rng.standard_normal(cells.shape)).astype(np.int64)
    name = f"{op.partial_sum.name}.cells"
    constants[name] = cells.astype(np.int16)
    return replace(placed, cells=Const(name), fraction=FRACTION)


def _reads(
    op: SenseAmpRead,
    mvm: CrossbarMvm,
    kind: str,
    rng: np.random.Generator,
    constants: dict[str, Array],
) -> SenseAmpRead:
    table = constants[op.thresholds.name].astype(float)
    grid = (len(table), _copies(mvm), *op.partial_sum.shape[1:4])
    drawn = rng.standard_normal(grid) if kind == "offsets" else np.zeros(grid)
    name = f"{op.partial_sum.name}.references"
    held = np.ceil(UNIT * (table[:, None] - 0.5 + drawn)).astype(np.int64)
    constants[name] = held
    return _noisy(replace(op, thresholds=Const(name), active=None), kind, constants)


def _converts(
    op: AdcRead, mvm: CrossbarMvm, kind: str, rng: np.random.Generator, constants: dict[str, Array]
) -> AdcRead:
    assert isinstance(op.first, int)
    assert isinstance(op.step, int)
    grid = (_copies(mvm), *op.partial_sum.shape[1:4])
    drawn = rng.standard_normal((2, *grid)) if kind == "offsets" else np.zeros((2, *grid))
    names = [f"{op.partial_sum.name}.{field}" for field in ("first", "width")]
    constants[names[0]] = np.ceil(UNIT * (op.first - 0.5 + drawn[0])).astype(np.int64)
    constants[names[1]] = np.rint(UNIT * op.step * (1 + 0.05 * drawn[1])).astype(np.int64)
    return _noisy(replace(op, first=Const(names[0]), width=Const(names[1])), kind, constants)


def _noisy(op: Read, kind: str, constants: dict[str, Array]) -> Read:
    if kind != "noise":
        return op
    constants["noise"] = np.rint(UNIT / 2 * _quantiles()).astype(np.int32)
    return replace(op, key=KEY, noise=Const("noise"), stream=len(constants))


def _quantiles() -> Array:
    return np.sort(np.random.default_rng(0).standard_normal(NOISE_LEVELS))


def placed(graph: Graph, target: Target) -> Graph:
    """Return a graph on the crossbars of a target, one copy of each layer."""
    (macro,) = target.macros
    ops = []
    for op in graph.ops:
        if isinstance(op, CrossbarMvm):
            assert op.encoding is not None
            each = macro.bitlines // op.encoding.bitlines_per_weight
            columns = tuple(Span(0, op.outputs).split(each))
            op = replace(op, columns=columns, placement=replace(op.placement, macro=macro.name))
        ops.append(op)
    return run_passes(replace(graph, ops=tuple(ops)), target, [Place()])[0]


def rows(rounds: int, networks: list[str], kinds: list[str]) -> Iterator[dict[str, Any]]:
    """Measure one die of each kind beside the ideal chip."""
    for name in networks:
        make, shape, steps, recordings, bits = CASES[name]
        drawn = spikes(np.random.default_rng(0), DENSITY, steps, 1, *shape)
        net = Net(drawn, DENSITY, adc_bits=bits)
        graph = make(net)
        codes = spikes(np.random.default_rng(1), DENSITY, steps, recordings, *shape)
        for kind in kinds:
            found = _study if kind == "yield" else _die
            row = {"network": name, "kind": kind, "variant": VARIANTS[best_level()]}
            yield row | found(graph, codes, kind, rounds)


def _die(graph: Graph, codes: Array, kind: str, rounds: int) -> dict[str, Any]:
    """Measure the run of a die, and planning one like it."""
    keys = np.random.default_rng(2).integers(0, KEY_TYPE.max, codes.shape[:2])
    ideal, die = NativeExecutor(graph, threads=1), die_of(graph, kind, 1)
    executor = NativeExecutor(die, threads=1)
    inputs = {"x": codes} | ({"read_key": keys} if kind == "noise" else {})
    runs = {
        "ideal": lambda: ideal.run({"x": codes}),
        "die": lambda: executor.run(inputs),
        "plan": lambda: executor.again(die),
    }
    times = timed(runs, rounds)
    return {
        **_told(times),
        **_a_cell("plan", times["plan"], die),
        "dies_a_second": round(1 / (median(times["die"]) + median(times["plan"])), 1),
        "notes": list(executor.notes),
    }


def _study(graph: Graph, codes: Array, kind: str, rounds: int) -> dict[str, Any]:
    """Measure what a study does for each die, and its parts."""
    exact = any(isinstance(op, AdcRead) for op in graph.ops)
    target = load_target("hpadc-sar5-64" if exact else "adcless-64")
    lot = Lot(device=load_device("ideal"), settings=TYPICAL)
    held = placed(graph, target)
    dies = Trials(graph=held, target=target, lot=lot, codes={"x": codes}).prepare()
    die = dies.die({"seed": 0})
    executor = NativeExecutor(die, watch=tuple(spike_layers(held)), threads=1)
    ideal = NativeExecutor(held, threads=1)
    given = ideal.packed({"x": codes})  # once for all dies
    runs = {
        "ideal": lambda: ideal.run({"x": codes}),
        "die": lambda: executor.run_packed(given),
        "draw": lambda: dies.die({"seed": 1}, checked=False),
        "plan": lambda: executor.again(die),
        "whole": lambda: dies({"seed": 2}),
    }
    times = timed(runs, rounds)
    return {
        **_told(times),
        **_a_cell("draw", times["draw"], die),
        **_a_cell("plan", times["plan"], die),
        "dies_a_second": round(1 / median(times["whole"]), 1),
        "notes": list(executor.notes),
    }


def _told(times: dict[str, list[float]]) -> dict[str, Any]:
    ratios = (a / b for a, b in zip(times["die"], times["ideal"], strict=True))
    return {
        "ideal_ms": round(1e3 * median(times["ideal"]), 2),
        "die_ms": round(1e3 * median(times["die"]), 2),
        "ratio": round(median(ratios), 3),
    }


def _a_cell(what: str, times: list[float], die: Graph) -> dict[str, Any]:
    cells = sum(
        die.constants[op.cells.name].size
        for op in die.ops
        if isinstance(op, CrossbarMvm) and op.cells is not None
    )
    return {
        f"{what}_ms": round(1e3 * median(times), 2),
        "cells": cells,
        f"{what}_ns_a_cell": round(1e9 * median(times) / cells, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print data for machines")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--variant", choices=VARIANTS, help="a lower one than the processor has")
    parser.add_argument("--networks", default=",".join(CASES))
    parser.add_argument("--kinds", default=",".join(KINDS))
    options = parser.parse_args()
    if options.variant:
        os.environ[VARIANT_VARIABLE] = options.variant
    found = []
    with threadpool_limits(limits=1):
        for row in rows(options.rounds, options.networks.split(","), options.kinds.split(",")):
            found.append(row)
            print(*(f"{k} {v}" for k, v in row.items()), sep="  ", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
