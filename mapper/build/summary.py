"""What a compilation made, in numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from mapper.build.model import Build
from mapper.cost import Cost
from mapper.diagnostics import many, printable
from mapper.layout import Taken
from mapper.notebook import html_table
from mapper.report.data import LayerRow
from mapper.report.grids import LayerGrid, chips_of, weights_in_words
from passes.ran import PassRun

SCHEMA = "spikeloom/compile/1"
COLUMNS = (
    *("layer", "macro", "readout", "wordlines", "outputs", "weight bits", "blocks"),
    *("copies", "crossbars"),
)
"""Heads of the table of layers."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CompileSummary:
    """What ``spikeloom compile`` says: crossbars, layers, and what one inference costs."""

    build: Build
    folder: str = ""
    """Where the build was written; empty where it was not."""
    warnings: tuple[str, ...] = ()
    """What was assumed in reading the model, layers that never or always fire on the recordings
    of calibration, and that there were none where there ought to be."""
    recording: Taken | None = None
    """What the recordings that calibrated it were taken for; None where there were none, and of a
    build that was read from a folder."""

    @property
    def network(self) -> str:
        return self.build.hardware.name

    @property
    def target(self) -> str:
        return self.build.target.name

    @property
    def weight_bits(self) -> int:
        return self.build.weight_bits

    @property
    def weights(self) -> str:
        """How wide weights are, in words."""
        return weights_in_words(self.build.hardware, self.weight_bits)

    @property
    def calibrated(self) -> bool:
        """Recordings set input codes and readout."""
        return bool(self.build.samples)

    @property
    def grids(self) -> tuple[LayerGrid, ...]:
        """Layers on crossbars, in the order they are computed: nothing is priced for it."""
        return self.build.grids

    @property
    def layers(self) -> tuple[LayerRow, ...]:
        """The same layers with what each costs, as ``cost`` has it."""
        return self.build.page.layers

    @property
    def crossbars(self) -> int:
        """All copies of every layer."""
        return sum(grid.crossbars for grid in self.grids)

    @property
    def crossbars_without_copies(self) -> int:
        return sum(grid.crossbars // grid.copies for grid in self.grids)

    @property
    def chips(self) -> int:
        return chips_of(self.build.hardware, self.build.target)

    @property
    def cost(self) -> Cost:
        """Of one time step at the density that is assumed where nothing was measured."""
        return self.build.page.cost

    @property
    def passes(self) -> tuple[PassRun, ...]:
        return self.build.passes

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom compile``."""
        mapped = {
            "schema": SCHEMA,
            "network": self.network,
            "target": self.target,
            "weight_bits": self.weight_bits,
            "calibrated": self.calibrated,
            "crossbars": self.crossbars,
            "crossbars_without_copies": self.crossbars_without_copies,
            "chips": self.chips,
            "layers": [layer_dict(row) for row in self.layers],
            "cost": self.cost.as_dict(),
            "passes": [_pass_dict(run) for run in self.passes],
            **({} if self.build.host is None else {"on_host": self.build.host.as_dict()}),
            **self._time(),
        }
        if not self.folder:
            return mapped
        return {**mapped, "folder": self.folder, "warnings": list(self.warnings)}

    def _time(self) -> dict[str, Any]:
        """Return what is known of time: images and how long they are shown, the recordings."""
        shown = self.build.presented.images_entry
        return shown if self.recording is None else {**shown, "recording": self.recording.as_dict()}

    def __repr__(self) -> str:
        return printable(f"CompileSummary({self.head()})")

    def head(self) -> str:
        """Say in a line what was mapped onto what."""
        once, placed = self.crossbars_without_copies, self.crossbars
        copies = "" if placed == once else f", {placed:,} with the copies that save time,"
        return (
            f"{self.network} on {self.target}: {many(once, 'crossbar')}{copies} on "
            f"{many(self.chips, 'chip')}, {self.weights}"
        )

    def cells(self) -> Iterator[tuple[object, ...]]:
        """Yield what a table says of each layer, in the order of ``COLUMNS``."""
        for row in self.grids:
            blocks = f"{row.row_blocks} x {row.column_blocks}"
            packed = f", {row.packed} groups on each" if row.packed > 1 else ""
            yield (
                *(row.name, row.macro, row.readout, row.wordlines, row.outputs),
                *(row.weight_bits, f"{blocks}{packed}", row.copies, row.crossbars),
            )

    def _repr_html_(self) -> str:
        return html_table(self.head(), COLUMNS, self.cells(), self.warnings)


def _pass_dict(run: PassRun) -> dict[str, Any]:
    options = {"options": dict(run.options)} if run.options else {}
    return {"name": run.name, "exact": run.exact, **options}


def layer_dict(row: LayerRow) -> dict[str, Any]:
    """Return the JSON form of a layer."""
    return {field.name: getattr(row, field.name) for field in fields(row)}
