"""Energy and latency ratios of HP-ADC over ADC-less, beside those of the reference.

    python benchmarks/paper_ratios.py [--json] [--full]

Maps the reference's networks onto the shipped targets and estimates both presets. ``--full`` adds
FireFlowNet and SFN at 256x256 and SNN_VGG, for which the reference publishes intervals only.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.paper_networks import REFERENCES
from benchmarks.reference import MEASURED, Pair, cost_on
from mapper.cost.facts import corners_of
from mapper.threads import one_blas_thread
from targets import load_preset, load_target

PUBLISHED = {"energy_ratio": (2.0, 7.0), "latency_ratio": (8.9, 24.6)}
"""arXiv 2211.02167, over all its networks and array sizes."""
FULL_SIZE = ("FireFlowNet", "SFN", "SNN_VGG")
BOUNDS = {"energy_ratio": 0.25, "latency_ratio": 0.30}
"""Relative errors that the five measured rows are to stay within."""
ENERGY_FACTOR = 2.0
"""That absolute energies of the measured rows are to stay within, both ways."""


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
    over = [ours / theirs for ours, theirs in zip(row["energy_uj"], pair.energy_uj, strict=True)]
    slower = [
        ours / theirs for ours, theirs in zip(row["latency_us"], pair.latency_us, strict=True)
    ]
    return {
        **row,
        **reference,
        **errors,
        "energy_over_reference": over,
        "latency_over_reference": slower,
        "within_bounds": all(abs(errors[f"{name}_error"]) <= most for name, most in BOUNDS.items()),
        "energies_within_factor": all(1 / ENERGY_FACTOR <= f <= ENERGY_FACTOR for f in over),
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


def constants_of(array: int) -> dict[str, Any]:
    """Name the constants behind a row: one library and one hierarchy, whatever the network."""
    preset = load_preset("paper")
    assert preset.components is not None
    targets = [load_target(f"{name}-{array}") for name in ("adcless", "hpadc-flash5")]
    facts = [corners_of(target, preset) for target in targets]
    shared = [replace(corner, readouts={}) for corners in facts for corner in corners]
    assert all(one == shared[0] for one in shared), "a target changes a constant"
    text = repr((shared[0], preset.components, preset.hierarchy))
    return {
        "library": preset.components.name,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


@one_blas_thread
def report(full: bool) -> dict[str, Any]:
    """Gather everything that ``--json`` prints."""
    answer: dict[str, Any] = {
        "schema": "spikeloom/paper-ratios/1",
        "bounds": BOUNDS,
        "energy_factor": ENERGY_FACTOR,
        "components": [constants_of(pair.array) for pair in MEASURED],
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
    for line in lines(answer):
        print(line)


def lines(answer: dict[str, Any]) -> Iterator[str]:
    """Give the rows as text."""
    yield "network       array   latency: ours  reference    energy: ours  reference   physical"
    for row in answer["rows"]:
        yield (
            f"{row['network']:<13} {row['array']:>5} {row['latency_ratio']:>15.2f} "
            f"{row['reference_latency_ratio']:>10.2f} {row['energy_ratio']:>15.2f} "
            f"{row['reference_energy_ratio']:>10.2f}   "
            f"{row['physical_latency_ratio']:.2f} / {row['physical_energy_ratio']:.2f}"
        )
    for row in answer.get("full_size", []):
        yield (
            f"{row['network']:<13} {row['array']:>5} {row['latency_ratio']:>15.2f}   8.9-24.6 "
            f"{row['energy_ratio']:>15.2f}        2-7   "
            f"{row['physical_latency_ratio']:.2f} / {row['physical_energy_ratio']:.2f}"
        )
    yield ""
    yield "absolute, ADC-less / HP-ADC    energy uJ: ours      reference  factor   latency factor"
    for row in answer["rows"]:
        ours, theirs = row["energy_uj"], row["reference_energy_uj"]
        over, slower = row["energy_over_reference"], row["latency_over_reference"]
        yield (
            f"{row['network']:<13} {row['array']:>5} {ours[0]:>15.1f} / {ours[1]:>6.1f} "
            f"{theirs[0]:>6.1f} / {theirs[1]:>6.1f}  {over[0]:.2f} / {over[1]:.2f}  "
            f"{slower[0]:.2f} / {slower[1]:.2f}"
        )
    one = len({row["sha256"] for row in answer["components"]}) == 1
    within = all(row["within_bounds"] and row["energies_within_factor"] for row in answer["rows"])
    yield f"one set of constants for all rows: {'yes' if one else 'NO'}"
    yield f"ratios within 25 % and 30 %, energies within a factor of 2: {'yes' if within else 'NO'}"


if __name__ == "__main__":
    main()
