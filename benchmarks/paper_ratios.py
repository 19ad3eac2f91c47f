"""Energy and latency ratios of HP-ADC over ADC-less, beside those of the reference.

    python benchmarks/paper_ratios.py [--json] [--full]

Maps the reference's networks onto the shipped targets and estimates both presets. ``--full`` adds
FireFlowNet and SFN at 256x256 and SNN_VGG, for which the reference publishes intervals only.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.reference import MEASURED, Pair, cost_on
from mapper.networks import REFERENCES
from mapper.threads import one_blas_thread
from targets import load_preset

PUBLISHED = {"energy_ratio": (2.0, 7.0), "latency_ratio": (8.9, 24.6)}
"""arXiv 2211.02167, over all its networks and array sizes."""
FULL_SIZE = ("FireFlowNet", "SFN", "SNN_VGG")
BOUNDS = {"energy_ratio": 0.25, "latency_ratio": 0.30}
"""Relative errors that the five measured rows are to stay within."""


def ratios(network: str, size: int, array: int, preset: str) -> dict[str, Any]:
    """Estimate one network on both targets of one array size."""
    loaded = load_preset(preset)
    names = (f"adcless-{array}", f"hpadc-flash5-{array}")
    less, high = (cost_on(network, size, name, loaded) for name in names)
    pairs = {
        "energy": (less.total_pj.nominal, high.total_pj.nominal),
        "latency": tuple(c.latency_ns["inference_interval"].nominal for c in (less, high)),
    }
    return {
        "latency_ratio": pairs["latency"][1] / pairs["latency"][0],
        "energy_ratio": pairs["energy"][1] / pairs["energy"][0],
        "area_ratio": high.total_um2.nominal / less.total_um2.nominal,
        "energy_uj": [pj * 1e-6 for pj in pairs["energy"]],
        "latency_us": [ns * 1e-3 for ns in pairs["latency"]],
        "clock_ns": [c.latency_ns["cycle"].nominal for c in (less, high)],
        "limited_by": [list(c.limited_by) for c in (less, high)],
    }


def measured_row(pair: Pair) -> dict[str, Any]:
    """Return one row of the measured table, with our numbers and how far off they are."""
    row = {"network": pair.network, "size": pair.size, "array": pair.array}
    row |= ratios(pair.network, pair.size, pair.array, "paper")
    reference = {
        "reference_latency_ratio": pair.latency_ratio,
        "reference_energy_ratio": pair.energy_ratio,
        "reference_energy_uj": list(pair.energy_uj),
        "reference_latency_us": list(pair.latency_us),
    }
    errors = {f"{name}_error": row[name] / reference[f"reference_{name}"] - 1 for name in BOUNDS}
    physical = ratios(pair.network, pair.size, pair.array, "physical")
    return {
        **row,
        **reference,
        **errors,
        "within_bounds": all(abs(errors[f"{name}_error"]) <= most for name, most in BOUNDS.items()),
        "constants_fitted_on_it": pair.fitted,
        "physical_latency_ratio": physical["latency_ratio"],
        "physical_energy_ratio": physical["energy_ratio"],
    }


def full_size_row(network: str, array: int) -> dict[str, Any]:
    """Return one network at its published size, beside the published intervals."""
    size = REFERENCES[network].size
    row = {"network": network, "size": size, "array": array}
    physical = ratios(network, size, array, "physical")
    return {
        **row,
        **ratios(network, size, array, "paper"),
        "published": {name: list(ends) for name, ends in PUBLISHED.items()},
        "physical_latency_ratio": physical["latency_ratio"],
        "physical_energy_ratio": physical["energy_ratio"],
    }


@one_blas_thread
def report(full: bool) -> dict[str, Any]:
    """Gather everything that ``--json`` prints."""
    answer: dict[str, Any] = {
        "schema": "spikeloom/paper-ratios/1",
        "bounds": BOUNDS,
        "rows": [measured_row(pair) for pair in MEASURED],
    }
    if full:
        answer["full_size"] = [full_size_row(network, 64) for network in FULL_SIZE]
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--full", action="store_true", help="also the published sizes (minutes)")
    args = parser.parse_args()
    answer = report(args.full)
    if args.json:
        print(json.dumps(answer, indent=1))
        return
    print("network       array   latency: ours  reference    energy: ours  reference   physical")
    for row in answer["rows"]:
        print(
            f"{row['network']:<13} {row['array']:>5} {row['latency_ratio']:>15.2f} "
            f"{row['reference_latency_ratio']:>10.2f} {row['energy_ratio']:>15.2f} "
            f"{row['reference_energy_ratio']:>10.2f}   "
            f"{row['physical_latency_ratio']:.2f} / {row['physical_energy_ratio']:.2f}"
        )
    for row in answer.get("full_size", []):
        print(
            f"{row['network']:<13} {row['array']:>5} {row['latency_ratio']:>15.2f}   8.9-24.6 "
            f"{row['energy_ratio']:>15.2f}        2-7   "
            f"{row['physical_latency_ratio']:.2f} / {row['physical_energy_ratio']:.2f}"
        )


if __name__ == "__main__":
    main()
