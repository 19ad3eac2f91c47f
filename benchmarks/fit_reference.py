"""Fit the constants of the preset ``paper`` on the reference's six DVSNet runs.

    python benchmarks/fit_reference.py --runs ../shared [--json]

Prints what the model gives with the constants as they stand in the files, what the runs gave, and
for each constant the factor by which a least-squares fit in relative error would change it: 1.00
everywhere when the files hold the fit. FireFlowNet and SFN are never looked at here.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.reference import READOUTS, chip_runs, cost_on, layer_runs
from mapper.cost import Cost
from mapper.threads import one_blas_thread
from targets import load_preset

ENERGY = {
    "readout_energy_pJ": ("cells", "readout"),
    "accumulate_energy_pJ": ("shift_add", "accumulate", "collect"),
    "buffer_energy_pJ": ("buffer_read", "buffer_write"),
    "interconnect_energy_pJ": ("hop",),
    "leakage_energy_pJ": ("leakage",),
}
AREA = {
    "readout_area_um2": ("readouts",),
    "accumulate_area_um2": ("shift_adders", "adders"),
    "interconnect_area_um2": ("routers",),
    "other_area_um2": ("wordline_drivers", "memory"),
}
LATENCY = {
    "buffer_latency_ns": ("buffer", "load"),
    "interconnect_latency_ns": ("arrival",),
    "readout_latency_ns": ("read",),
    "accumulate_latency_ns": ("shift_add", "collect"),
}
FITTED = (
    ("interconnect_energy_pJ", "wire_pj_per_bit_mm"),
    ("buffer_energy_pJ", "buffer_read.energy_pj"),
    ("leakage_energy_pJ", "leakage.power_uw_per_mm2"),
    ("accumulate_area_um2", "shift_add.area_um2"),
    ("other_area_um2", "wordline_drive.area_um2 (with memory held)"),
    ("interconnect_area_um2", "hop.area_um2"),
    ("buffer_latency_ns", "1 / buffer_bits (with local_bits held)"),
    ("interconnect_latency_ns", "1 / bus_bits_per_wordline"),
    ("readout_energy_pJ", "flash_adc.energy_pj and wordline_ns"),
    ("accumulate_energy_pJ", "code_bit_pj and collect_pj_per_bit"),
    ("accumulate_latency_ns", "collect_cycles"),
)
BOTTLENECK = 2  # the second layer of DVSNet sets the pace of all six runs


@one_blas_thread
def compare(folder: Path) -> list[dict[str, Any]]:
    """Return, for each run and block, what was measured and what the model gives."""
    preset = load_preset("paper")
    bottlenecks = {
        (row["array"], row["readout"]): row
        for row in layer_runs(folder)
        if int(row["layer"]) == BOTTLENECK
    }
    rows = []
    for run in chip_runs(folder):
        target = f"{READOUTS[run['readout']]}-{run['array']}"
        cost = cost_on("DVSNet", 64, target, preset)
        stages = bottlenecks[run["array"], run["readout"]]
        rows.append(
            {
                "array": int(run["array"]),
                "readout": run["readout"],
                **_blocks(run, ENERGY, cost, "energy"),
                **_blocks(run, AREA, cost, "area"),
                **_blocks(stages, LATENCY, cost, "latency"),
                "energy_pJ": (float(run["energy_pJ"]), cost.total_pj.nominal),
                "area_um2": (float(run["area_um2"]), cost.total_um2.nominal),
                "clock_ns": (float(run["clock_ns"]), cost.latency_ns["cycle"].nominal),
                "pipeline_stage_ns": (
                    float(run["pipeline_stage_ns"]),
                    cost.latency_ns["inference_interval"].nominal,
                ),
            }
        )
    return rows


def _blocks(
    run: dict[str, str], blocks: dict[str, tuple[str, ...]], cost: Cost, kind: str
) -> dict[str, tuple[float, float]]:
    layer = cost.layers[BOTTLENECK - 1]
    values = {
        "energy": {name: value.nominal for name, value in cost.energy_pj.items()},
        "area": {name: value.nominal for name, value in cost.area_um2.items()},
        "latency": {name: value.nominal * cost.steps for name, value in layer.stages_ns.items()},
    }[kind]
    return {
        column: (float(run[column]), math.fsum(values[name] for name in names))
        for column, names in blocks.items()
    }


def factor(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the ``f`` that makes the sum of ``(f * model / measured - 1)^2`` least."""
    ratios = [model / measured for measured, model in pairs]
    return math.fsum(ratios) / math.fsum(ratio**2 for ratio in ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of reference_runs_*.csv")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    rows = compare(args.runs)
    factors = {
        f"{column}: {constant}": factor(row[column] for row in rows) for column, constant in FITTED
    }
    if args.json:
        print(json.dumps({"runs": rows, "factors": factors}, indent=1))
        return
    for row in rows:
        print(f"DVSNet, array {row['array']}, {row['readout']}")
        for column, value in row.items():
            if isinstance(value, tuple):
                measured, model = value
                error = 100 * (model / measured - 1)
                print(f"  {column:<24} {measured:12.5g} run {model:12.5g} model {error:+7.1f} %")
    print("factor that a fit of one constant alone would apply")
    for name, value in factors.items():
        print(f"  {value:6.3f}  {name}")


if __name__ == "__main__":
    main()
