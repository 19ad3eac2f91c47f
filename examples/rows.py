"""What a trained network scores on published test sets, beside what others published on them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.reference import MEASURED
from mapper.proportions import Score, read_score
from mapper.training import HardwareModel, over_time
from mapper.training.hardening.recorded import Intervals, RecordedFlow, frame_errors

Answer = Callable[[Tensor], Tensor]
"""From inputs ``[T, B, ...]`` to outputs ``[T, B, ...]``."""

REFERENCE = "arXiv 2211.02167, abstract"
_RATIOS = ("energy_uj", "latency_us")
_ARRAY = 64
"""Wordlines of the reference's run that is shown."""


class Rows(Protocol):
    """A published test set and the table that is printed of it."""

    network: str
    """As the reference calls it."""

    @property
    def size(self) -> int:
        """Pixels a side of its inputs."""

    def measure(self, answer: Answer) -> dict[str, Any]:
        """Return what a network scores, as JSON."""

    def text(self, measured: Mapping[str, Mapping[str, Any]]) -> str:
        """Return the table, a row for each network of ``measured`` and the published ones."""


def answering(model: nn.Module) -> Answer:
    """Return what computes the answers of a float network, or the integers of a hardened one."""
    model = model.eval()
    if not isinstance(model, HardwareModel):
        return partial(over_time, model)
    made: list[Answer] = []  # compiled for the first batch, which fits all others

    def answer(x: Tensor) -> Tensor:
        if not made:
            made.append(model.compiled(x))
        return made[0](x)

    return answer


@dataclass(frozen=True, kw_only=True)
class GestureRows:
    """Accuracy of the sections of DVS128 Gesture: windows of a section are summed."""

    x: Tensor
    """Windows of the test list, ``[T, B, 2, size, size]``."""
    labels: Tensor
    sections: Tensor
    """Number of the section of each window; those of a section follow one another."""
    trials: tuple[int, int]
    """Recordings in the training and in the test list."""
    listed: int
    """Sections of the test list; one that is shorter than a window has no answer."""
    network: str = "DVSNet"

    @property
    def size(self) -> int:
        return self.x.shape[-1]

    @torch.no_grad()
    def measure(self, answer: Answer) -> dict[str, Any]:
        parts = torch.split(torch.arange(len(self.labels)), 50)
        sums = torch.cat([answer(self.x[:, part].float()).sum(dim=0).double() for part in parts])
        held, place = torch.unique(self.sections, return_inverse=True)
        totals = torch.zeros(len(held), sums.shape[1], dtype=torch.float64)
        totals.index_add_(0, place, sums)
        wanted = torch.empty(len(held), dtype=torch.int64)
        wanted[place] = self.labels
        sections = Score(int((totals.argmax(dim=1) == wanted).sum()), len(held))
        windows = Score(int((sums.argmax(dim=1) == self.labels).sum()), len(self.labels))
        return sections.as_dict("sections") | windows.as_dict("windows")

    def text(self, measured: Mapping[str, Mapping[str, Any]]) -> str:
        rows = [
            (f"here, {name}", str(read_score(found, "sections")), _windows(found))
            for name, found in measured.items()
        ]
        train, test = self.trials
        size, steps = self.size, self.x.shape[0]
        answered = f"{len(torch.unique(self.sections))} of {self.listed}"
        rows.append(("  sections", answered, "those of a whole window or more"))
        return _table(
            f"DVS128 Gesture, accuracy of {self.network} on sections, 11 classes; {test} of 24 "
            f"trials to test, {train} of 98 to train; {size}x{size}, {steps} steps a window of 1 s",
            ("network", "accuracy", "source"),
            [*rows, *_GESTURES],
        )


_GESTURES = [
    ("CNN on TrueNorth", "96.5 %", "Amir et al. 2017, of 11 classes as its abstract says"),
    ("Apolinario et al., 1.6 M weights", "97.7 %", "10.1038/s41467-025-68227-w, table 2"),
    ("She et al., 1.1 M weights", "98.0 %", "10.1038/s41467-025-68227-w, table 2"),
    ("arXiv 2211.02167, 1 bit", '"minimal accuracy degradation"', REFERENCE),
]


@dataclass(frozen=True, kw_only=True)
class FlowRows:
    """Average endpoint errors on the sequences of MVSEC that are held back."""

    task: RecordedFlow
    tests: Mapping[str, Intervals]
    frames: int
    """Most intervals of a sequence."""
    size: int
    apart: int
    network: str

    @torch.no_grad()
    def measure(self, answer: Answer) -> dict[str, Any]:
        return {
            name: _errors(answer, self.task.intervals(recording, self.frames))
            for name, recording in self.tests.items()
        }

    def text(self, measured: Mapping[str, Mapping[str, Any]]) -> str:
        rows = []
        for name, found in measured.items():
            cells = found.values()
            rows.append((f"here, {name}", *(_number(cell["aee"]) for cell in cells), "this run"))
            outliers = (_number(cell["outliers"], 100, " %") for cell in cells)
            rows.append(("  errors of 3 pixels or more", *outliers, ""))
        frames = [f"{cell['frames']} of {len(self.tests[name])}" for name, cell in found.items()]
        published = _FLOWS.get(self.apart, [])
        title = (
            f"MVSEC, average endpoint error (pixels) of {self.network}, dt={self.apart}, central "
            f"{self.size}x{self.size}, trained on outdoor_day2 with its true flow "
            "(the published ones without)"
        )
        if not published:
            title += f"; no published errors at dt={self.apart} are kept here"
        elif self.size != 256:
            title += "; published errors are of 256x256: not to be compared"
        columns = ("network", *self.tests, "source")
        table = _table(title, columns, [*rows, ("  frames", *frames, ""), *published])
        return "\n".join([table, _NOT_REPRODUCED] if published else [table])


_QUOTED = "quoted, not checked against the paper"
_LEE = f"Lee et al. 2020 (arXiv 2003.06696), {_QUOTED}"
_ZHU = f"Zhu et al. 2018 (arXiv 1802.06898), {_QUOTED}"
_FLOWS = {
    1: [
        ("Spike-FlowNet", "0.49", "0.84", "1.28", "1.11", _LEE),
        ("EV-FlowNet", "0.49", "1.03", "1.72", "1.53", _ZHU),
        ("arXiv 2211.02167, 1 bit", "-", "-", "-", "-", 'abstract: "minimal accuracy degradation"'),
    ]
}
"""By images apart, on ``mvsec.TESTED`` in its order."""

_NOT_REPRODUCED = (
    "  Users report that the released checkpoint of Spike-FlowNet does not give its 0.49 on "
    "outdoor_day1\n  (github.com/chan8972/Spike-FlowNet, issues 5 and 10)."
)


def ratios(found: Mapping[str, float], rows: Rows, targets: tuple[str, str]) -> str:
    """Return energy and latency of HP-ADC over ADC-less beside those of the reference.

    Args:
        found: ``energy_uj`` and ``latency_us``, each a ratio.
        rows: Of the network that was trained, and the size of what it was given.
        targets: ADC-less and HP-ADC.
    """
    wanted = rows.network, _ARRAY
    run = next(pair for pair in MEASURED if (pair.network, pair.array) == wanted)
    simulated = "its simulator, half of the inputs active (docs/cost.md)"
    lines = [
        (
            f"here, {_square(rows.size)}, measured activity",
            *(f"{found[k]:.2f}" for k in _RATIOS),
            " against ".join(targets),
        ),
        (
            f"reference, {run.network}, {_square(run.size)}",
            f"{run.energy_ratio}",
            f"{run.latency_ratio}",
            simulated,
        ),
        ("reference, all networks", "2 to 7", "8.9 to 24.6", REFERENCE),
    ]
    return _table("HP-ADC over ADC-less", ("chip", "energy", "latency", "source"), lines)


def _errors(answer: Answer, batches: Iterator[Any]) -> dict[str, Any]:
    errors: list[float] = []
    outliers: list[float] = []
    for x, wanted in batches:
        for all_of_it, some in zip(
            (errors, outliers), frame_errors(answer(x), *wanted), strict=True
        ):
            all_of_it += some
    if not errors:
        return {"aee": None, "outliers": None, "frames": 0}
    return {"aee": fmean(errors), "outliers": fmean(outliers), "frames": len(errors)}


def _number(value: float | None, factor: float = 1.0, unit: str = "") -> str:
    return "-" if value is None else f"{factor * value:.2f}{unit}"


def _square(size: int) -> str:
    return f"{size}x{size}"


def _windows(found: Mapping[str, Any]) -> str:
    return f"this run; windows {100 * found['windows']:.1f} % of {found['windows_of']:,}"


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return lines whose columns stand below one another."""
    cells = np.array([columns, *rows])
    widths = [max(map(len, column)) for column in cells.T]
    lines = ("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join([title, *(f"  {line}".rstrip() for line in lines)])
