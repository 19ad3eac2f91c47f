"""The energy table that papers on spiking networks have, in Python."""

from collections.abc import Iterable
from pathlib import Path

from mapper.api.arguments import check_given
from mapper.api.comparing import read_mapped
from mapper.api.inputs import Inputs, Model, Progress, recorded_by, silent
from mapper.build.folder import check_outside
from mapper.compare.energy import energy_on
from mapper.cost.estimate import assumed
from mapper.frontend import Imported, NirOptions
from mapper.ir.assignment import Assignment
from mapper.report.comparison.energy import AC_PJ, MAC_PJ, EnergyTable
from mapper.report.references import FILE as BIBLIOGRAPHY
from mapper.report.references import bibtex
from mapper.threads import one_blas_thread
from mapper.writing import json_text, whole_file
from targets import DEFAULT_PRESET, Target


@one_blas_thread
def energy_table(
    model: Model | Imported,
    targets: Iterable[str | Path | Target],
    *,
    inputs: Inputs | None = None,
    layout: str | None = None,
    weight_bits: int | None = None,
    assignment: Assignment | str | Path | None = None,
    spread_steps: bool | None = None,
    density: float | None = None,
    steps: int = 1,
    preset: str = DEFAULT_PRESET,
    ac_pj: float = AC_PJ,
    mac_pj: float = MAC_PJ,
    output: str | Path | None = None,
    nir: NirOptions | None = None,
    progress: Progress = silent,
) -> EnergyTable:
    """Set counted operations, crossbars and a quantised ANN on these crossbars side by side.

    Args:
        model: As for ``compare_targets``.
        targets: One at least.
        inputs: Recordings that calibrate, that are run on every target, and whose spikes are
            counted.
        layout: Of these recordings, as ``Build.run`` takes it.
        weight_bits: Width of a weight; that of each target where None.
        assignment: What is decided for layers on every target, as ``compile`` takes it.
        spread_steps: Whether counts of spikes are read in binary steps, as ``compile`` takes it.
        density: Share of input bits that are 1, 0..1, in place of counted spikes.
        steps: Time steps of an inference, where nothing is counted.
        preset: What to assume of the chips: ``physical`` or ``as-built``.
        ac_pj: pJ of an accumulation; 0.9 is that of 32-bit floating point at 45 nm.
        mac_pj: pJ of a multiply-accumulate; 4.6 likewise.
        output: Folder for ``energy.md``, ``energy.tex``, ``energy.json`` and ``references.bib``;
            nothing is written where None.
        nir: What a NIR file leaves open.
        progress: Called with what comes next.

    Raises:
        MappingError: ``energy-table``, and for anything wrong with the model, a target, the
            recordings or the folder.

    Example:
        >>> import mapper
        >>> table = mapper.energy_table("model.onnx", ["adcless-64"], inputs="recording.npz")
        >>> table.targets[0].snn_pj.nominal < table.targets[0].ann_pj.nominal  # doctest: +SKIP
        True
    """
    check_given(
        {
            "targets": targets,
            "steps": steps,
            "preset": preset,
            "ac_pj": ac_pj,
            "mac_pj": mac_pj,
            "progress": progress,
        },
        density=density,
        output=output,
        spread_steps=spread_steps,
    )
    chosen, folder = assumed(preset), None if output is None else Path(output)
    if folder is not None:
        check_outside(folder, "an energy table")
    table = energy_on(
        read_mapped(
            model, targets, weight_bits, density, nir, (spread_steps,), assignment=assignment
        ),
        recorded_by(inputs, layout),
        steps=steps,
        preset=chosen,
        ac_pj=ac_pj,
        mac_pj=mac_pj,
        progress=progress,
    )
    if folder is not None:
        _write(table, folder)
    return table


def _write(table: EnergyTable, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "energy.md": table.as_markdown(),
        "energy.tex": table.as_latex(),
        "energy.json": json_text(table.as_dict()) + "\n",
        BIBLIOGRAPHY: bibtex(table.works),
    }
    for name, text in texts.items():
        with whole_file(folder / name) as path:
            path.write_text(text, encoding="utf-8")
