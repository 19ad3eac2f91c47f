"""Work for explorations of tests, in a module that worker processes can import: no compiler."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from mapper.exploration.space import Space
from mapper.study import Case, Record, Run

AXES = {
    "array": [32, 64, 128, 256],
    "weight_bits": [1, 2, 3, 4],
    "readout": ["sense-amp", "sar4", "sar5"],
    "columns_per_readout": {"from": 1, "to": 32, "steps": 6, "log": True},
}
DATA = {
    "axes": AXES,
    "objectives": {"energy": "min", "latency": "min", "accuracy": "max"},
    "constraints": {"area_mm2": {"at_most": 12}, "accuracy": {"at_least": 0.5}},
}
SPACE = Space.of_data(DATA)
"""288 points."""


@dataclass(frozen=True, kw_only=True)
class Formulas:
    """Energy, latency, area and accuracy by formulas; a large array of many bits is refused."""

    name: str = "formulas"
    log: Path | None = None
    """Gets a line for each case."""
    killed: Path | None = None
    """The worker that runs point 20 is killed, once: this file is there afterwards."""
    slow: float = 0.0
    """Seconds of a case."""

    def identity(self) -> Record:
        return {"work": self.name}

    def prepare(self) -> Run:
        return self._run

    def _run(self, case: Case) -> Record:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{case['number']}\n")
        if self.killed is not None and case["number"] == 20 and not self.killed.exists():
            self.killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.slow)
        return formulas(case["point"])


def formulas(point: Record) -> Record:
    """What a point gives."""
    array, bits, shared = (point[name] for name in ("array", "weight_bits", "columns_per_readout"))
    converter = {"sense-amp": 1, "sar4": 4, "sar5": 5}[point["readout"]]
    if array * bits > 600:
        return {"state": "refused", "code": "capacity", "why": f"{bits} bits do not fit"}
    energy = bits * converter / array**0.5 + array / 1000
    area = array * bits / 40 + 16 * converter / shared
    return {
        "state": "done",
        "energy_uj": [0.5 * energy, energy, 3 * energy],
        "latency_us": [converter * shared / 2, converter * shared, converter * shared * 2.0],
        "area_mm2": [area, area, area],
        "accuracy": 1 - 0.6 / (bits * converter),
        "target": f"{array}",
    }
