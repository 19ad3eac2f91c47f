"""Would DVSNet alone have chosen the form of the preset ``paper``? Its three terms, each without.

    python benchmarks/reference_forms.py --runs ../shared [--json]

Constants of ``paper`` were fitted on DVSNet, but the form of three terms was chosen with totals of
FireFlowNet and SFN in view. Here each term is left out, its constant is fitted again on DVSNet
alone, and both forms are compared: first on DVSNet, which may or may not tell them apart, then on
the two networks that are predictions. A fourth form lets the tree slow down with the tiles of the
chip and not with the wordlines of its crossbars, which grow together in the DVSNet runs.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.paper_networks import REFERENCES
from benchmarks.reference import (
    MEASURED,
    READOUTS,
    Pair,
    chip_runs,
    cost_on,
    layer_runs,
    mapped,
    tiles_of,
)
from mapper.cost import Cost, count_layers, estimate
from mapper.threads import one_blas_thread
from targets import Preset, load_preset, load_target

FITTED_STEPS = REFERENCES["DVSNet"].steps
FITTED_OUTPUTS = 32
"""Of the widest layer of DVSNet."""
FOUR_STEPS_US = {64: (247.0, 5152.0), 128: (434.0, 6191.0)}
"""Stage of DVSNet at 4 time steps by array, sense amplifiers and flash ADC: the same fork run again
(its density of 0.475 does not enter a latency)."""
BOTTLENECK = 2
"""The second layer of DVSNet sets the pace of all six runs."""
SAME_SHAPE = range(2, 12)
"""Layers of DVSNet that all convolve 32 to 32 channels, and differ in positions and copies."""

Form = Callable[[Preset, Pair], Preset]


def as_shipped(preset: Preset, pair: Pair) -> Preset:
    return preset


def steps_do_not_load(preset: Preset, pair: Pair) -> Preset:
    """Load one step at every read, with the bits a cycle that DVSNet's 20 steps would give."""
    assert preset.hierarchy is not None
    bits = preset.hierarchy.local_bits * REFERENCES[pair.network].steps / FITTED_STEPS
    return replace(preset, hierarchy=replace(preset.hierarchy, local_bits=bits))


def accumulator_is_fixed(preset: Preset, pair: Pair) -> Preset:
    """Take as many results at once as DVSNet's widest layer has outputs, in every network."""
    assert preset.hierarchy is not None
    graph = mapped(pair.network, 64, "adcless-64")
    widest = max(layer.outputs for layer in count_layers(graph, load_target("adcless-64")))
    cycles = preset.hierarchy.collect_cycles * widest / FITTED_OUTPUTS
    return replace(preset, hierarchy=replace(preset.hierarchy, collect_cycles=cycles))


def tree_of_tiles(folder: Path) -> tuple[Form, dict[str, float]]:
    """Fit the cycles of the tree as ``a + b sqrt(tiles)`` on the slowest layer of the six runs.

    Least squares in relative error. Returns the form and the root mean square errors of both.
    """
    rows, shipped = [], []
    for row in layer_runs(folder):
        if int(row["layer"]) == BOTTLENECK:
            target = f"{READOUTS[row['readout']]}-{row['array']}"
            cost = cost_on("DVSNet", 64, target, load_preset("paper"))
            found = cost.layers[BOTTLENECK - 1].stages_ns["arrival"].nominal * cost.steps
            measured = float(row["interconnect_latency_ns"])
            shipped.append(found / measured - 1)
            # Cycles of the run over those of a bus of one width in all arrays.
            slower = measured / found / int(row["array"])
            rows.append((math.sqrt(tiles_of(mapped("DVSNet", 64, target), 16)), slower))
    constant, slope = line(rows)
    errors = {"wordlines": _rms(shipped), "tiles": _rms(line_errors(rows))}

    def form(preset: Preset, pair: Pair) -> Preset:
        assert preset.hierarchy is not None
        tiles = tiles_of(mapped(pair.network, pair.size, f"adcless-{pair.array}"), 16)
        slower = (constant + slope * math.sqrt(tiles)) * pair.array
        bits = preset.hierarchy.bus_bits_per_wordline / slower
        return replace(preset, hierarchy=replace(preset.hierarchy, bus_bits_per_wordline=bits))

    return form, errors


def together(*forms: Form) -> Form:
    """Apply forms one after the other."""

    def form(preset: Preset, pair: Pair) -> Preset:
        for each in forms:
            preset = each(preset, pair)
        return preset

    return form


def energy_without_copies(factor: float) -> Callable[[Cost, list[int]], float]:
    """Charge a result once, and not once a copy, at ``factor`` times the shipped constant."""

    def total(cost: Cost, copies: list[int]) -> float:
        excess = (
            layer.energy_pj["collect"].nominal * (1 - factor / count)
            for layer, count in zip(cost.layers, copies, strict=True)
        )
        return cost.total_pj.nominal - math.fsum(excess)

    return total


def shipped_energy(cost: Cost, copies: list[int]) -> float:
    return cost.total_pj.nominal


def copies_of(network: str, target: str) -> list[int]:
    layers = count_layers(mapped(network, 64, target), load_target(target))
    return [max(layer.grid.copies, 1) for layer in layers]


def predictions(
    form: Form, energy: Callable[[Cost, list[int]], float] = shipped_energy
) -> Iterator[dict[str, Any]]:
    """Give the ratios of the measured rows under a form."""
    for pair in MEASURED:
        preset = form(load_preset("paper"), pair)
        targets = [f"{name}-{pair.array}" for name in ("adcless", "hpadc-flash5")]
        less, high = (cost_on(pair.network, pair.size, target, preset) for target in targets)
        copies = [copies_of(pair.network, target) for target in targets]
        slowest = [cost.latency_ns["inference_interval"].nominal for cost in (less, high)]
        yield {
            "network": pair.network,
            "array": pair.array,
            "latency_error": slowest[1] / slowest[0] / pair.latency_ratio - 1,
            "energy_error": energy(high, copies[1]) / energy(less, copies[0]) / pair.energy_ratio
            - 1,
            "latency_over_reference": [
                ns * 1e-3 / known for ns, known in zip(slowest, pair.latency_us, strict=True)
            ],
        }


def collection_on_layers(folder: Path) -> dict[str, float]:
    """Fit the accumulation of DVSNet's equal layers with and without copies.

    Energy for each position is ``a + b x copies`` or ``a`` alone, one pair of constants for each
    array and readout, by least squares in relative error; returns the root mean square errors.
    """
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in layer_runs(folder):
        if int(row["layer"]) in SAME_SHAPE:
            target = f"{READOUTS[row['readout']]}-{row['array']}"
            layer = count_layers(mapped("DVSNet", 64, target), load_target(target))
            positions = layer[int(row["layer"]) - 1].positions
            each = float(row["accumulate_energy_pJ"]) / positions
            groups.setdefault((row["array"], row["readout"]), []).append(
                (float(row["copies"]), each)
            )
    with_copies = [error for rows in groups.values() for error in line_errors(rows)]
    without = [error for rows in groups.values() for error in constant_errors(rows)]
    return {"with_copies": _rms(with_copies), "without_copies": _rms(without)}


def line_errors(rows: list[tuple[float, float]]) -> Iterator[float]:
    """Give the relative errors of the ``a + b x`` that fits best."""
    constant, slope = line(rows)
    return ((constant + slope * x) / y - 1 for x, y in rows)


def line(rows: list[tuple[float, float]]) -> tuple[float, float]:
    """Fit ``a + b x``, by the normal equations of the relative error."""
    weighted = [(1 / y, x / y) for x, y in rows]
    aa = math.fsum(p * p for p, _ in weighted)
    ab = math.fsum(p * q for p, q in weighted)
    bb = math.fsum(q * q for _, q in weighted)
    a, b = math.fsum(p for p, _ in weighted), math.fsum(q for _, q in weighted)
    determinant = aa * bb - ab * ab
    return (a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant


def constant_errors(rows: list[tuple[float, float]]) -> Iterator[float]:
    constant = math.fsum(1 / y for _, y in rows) / math.fsum(1 / y**2 for _, y in rows)
    return (constant / y - 1 for _, y in rows)


def _rms(errors: Iterable[float]) -> float:
    squares = [error**2 for error in errors]
    return math.sqrt(math.fsum(squares) / len(squares))


def collection_on_totals(folder: Path) -> float:
    """Return the factor on the shipped constant that fits DVSNet's six totals without copies."""
    pairs = []
    for run in chip_runs(folder):
        target = f"{READOUTS[run['readout']]}-{run['array']}"
        cost = cost_on("DVSNet", 64, target, load_preset("paper"))
        copies = copies_of("DVSNet", target)
        once = math.fsum(
            layer.energy_pj["collect"].nominal / count
            for layer, count in zip(cost.layers, copies, strict=True)
        )
        held = math.fsum(cost.energy_pj[name].nominal for name in ("shift_add", "accumulate"))
        measured = float(run["accumulate_energy_pJ"])
        pairs.append((once / measured, held / measured))
    wanted = math.fsum(once * (1 - held) for once, held in pairs)
    return max(wanted / math.fsum(once**2 for once, _ in pairs), 0.0)


def loading_at_four_steps(form: Form) -> list[dict[str, Any]]:
    """Compare DVSNet's stage at 4 time steps, where the constants saw 20."""
    preset = load_preset("paper")
    assert preset.hierarchy is not None
    if form is steps_do_not_load:
        bits = preset.hierarchy.local_bits * 4 / FITTED_STEPS
        preset = replace(preset, hierarchy=replace(preset.hierarchy, local_bits=bits))
    rows = []
    for array, measured in FOUR_STEPS_US.items():
        for name, stage in zip(("adcless", "hpadc-flash5"), measured, strict=True):
            target = f"{name}-{array}"
            cost = estimate(mapped("DVSNet", 64, target), load_target(target), 0.1, 4, preset)
            found = cost.latency_ns["inference_interval"].nominal * 1e-3
            rows.append({"target": target, "run_us": stage, "error": found / stage - 1})
    return rows


@one_blas_thread
def report(folder: Path) -> dict[str, Any]:
    factor = collection_on_totals(folder)
    tree, tree_errors = tree_of_tiles(folder)
    return {
        "schema": "spikeloom/reference-forms/1",
        "shipped": list(predictions(as_shipped)),
        "loading": {
            "dvsnet_at_4_steps": loading_at_four_steps(as_shipped),
            "dvsnet_at_4_steps_without": loading_at_four_steps(steps_do_not_load),
            "without": list(predictions(steps_do_not_load)),
        },
        "copies": {
            "dvsnet_layers_rms_error": collection_on_layers(folder),
            "refitted_by": factor,
            "without": list(predictions(as_shipped, energy_without_copies(factor))),
        },
        "accumulator": {"without": list(predictions(accumulator_is_fixed))},
        "tree": {"dvsnet_rms_error": tree_errors, "without": list(predictions(tree))},
        # What DVSNet and the description of the fork alone would have led to: each bit loaded once,
        # one accumulator as wide as DVSNet's, collection with copies, a tree of tiles.
        "dvsnet_alone": {
            "without": list(predictions(together(steps_do_not_load, accumulator_is_fixed, tree)))
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of reference_runs_*.csv")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    found = report(args.runs)
    if args.json:
        print(json.dumps(found, indent=1))
        return
    print("errors of ratios        latency / energy, all terms as shipped, then one left out:")
    names = ("loading", "copies", "accumulator", "tree", "dvsnet_alone")
    print(" " * 19 + "".join(f"{name:<20}" for name in ("shipped", *names)))
    for index, row in enumerate(found["shipped"]):
        cells = [row, *(found[name]["without"][index] for name in names)]
        text = "   ".join(f"{c['latency_error']:+7.1%} /{c['energy_error']:+7.1%}" for c in cells)
        print(f"  {row['network']:<12} {row['array']:>4}   {text}")
    print("latency over that of the reference, sense amplifiers / ADC, in the same order")
    for index, row in enumerate(found["shipped"]):
        cells = [row, *(found[name]["without"][index] for name in names)]
        pairs = ("{:.2f} / {:.2f}".format(*cell["latency_over_reference"]) for cell in cells)
        print(
            f"  {row['network']:<12} {row['array']:>4}" + "".join(f"{text:>20}" for text in pairs)
        )
    print("loading grows with the steps: DVSNet at 4 steps, with and without")
    loading = found["loading"]
    for one, other in zip(
        loading["dvsnet_at_4_steps"], loading["dvsnet_at_4_steps_without"], strict=True
    ):
        print(f"  {one['target']:<18} {one['error']:+8.1%} {other['error']:+8.1%}")
    print("collection grows with copies: layers of DVSNet, root mean square error")
    for name, error in found["copies"]["dvsnet_layers_rms_error"].items():
        print(f"  {name:<18} {error:8.1%}")
    print("tree slows down with wordlines or with tiles: DVSNet, root mean square error")
    for name, error in found["tree"]["dvsnet_rms_error"].items():
        print(f"  {name:<18} {error:8.1%}")
    print("accumulator as wide as the widest layer: DVSNet has one width, and cannot tell")


if __name__ == "__main__":
    main()
