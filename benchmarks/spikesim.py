"""Apply SpikeSim's rule to its own VGG9 table: ``python benchmarks/spikesim.py --json``.

Its script prints 48 PEs, 6 tiles, 15,906,934.02624 pJ, 62,832,640.0 ns, 8,425,528.755833998 um2.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script

from mapper.cost.spikesim import VGG9, spikesim_cost
from targets import load_parts

STEPS = 5
PRINTED = {"energy_pj": 15906934.02624, "latency_ns": 62832640.0, "area_um2": 8425528.755833998}


def main(arguments: list[str] | None = None) -> int:
    """Print what the rule gives beside what the script prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print data for machines")
    options = parser.parse_args(arguments)
    cost = spikesim_cost(VGG9, load_parts("spikesim-65nm"), steps=STEPS)
    given = {
        "energy_pj": cost.total_pj.nominal,
        "latency_ns": cost.latency_ns,
        "area_um2": cost.total_um2.nominal,
    }
    if options.json:
        parts = {"energy_pj": cost.energy_pj, "area_um2": cost.area_um2}
        whole = {"pes": cost.pes, "tiles": cost.tiles, "pe_cycles": list(cost.pe_cycles)}
        totals = {name: {"ours": given[name], "printed": PRINTED[name]} for name in PRINTED}
        intervals = {"energy_pj": cost.total_pj._asdict(), "area_um2": cost.total_um2._asdict()}
        print(
            json.dumps(
                {
                    "schema": "spikeloom/spikesim/1",
                    **whole,
                    "totals": totals,
                    "intervals": intervals,
                    "parts": parts,
                    "layers": [asdict(layer) for layer in VGG9],
                },
                indent=1,
            )
        )
        return 0
    for name, printed in PRINTED.items():
        print(f"{name:<11} {given[name]:>20.6f}  printed {printed:.6f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
