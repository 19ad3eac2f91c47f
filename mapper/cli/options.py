"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from mapper.frontend import LIBRARIES

Json = Annotated[bool, typer.Option("--json", help="Print data for machines on stdout.")]
Model = Annotated[Path, typer.Argument(help="Trained network, .onnx or .nir.")]
Folder = Annotated[Path, typer.Argument(help="Folder that 'compile' wrote.")]
Target = Annotated[str, typer.Option(help="Target name, or path of a .toml file.")]
Calibrate = Annotated[
    Path | None, typer.Option(help="Recordings (.npz) that set input codes and readout.")
]
Dt = Annotated[float | None, typer.Option(help="NIR: seconds of one time step.")]
ResetTo = Annotated[
    str | None,
    typer.Option(
        "--reset",
        help="NIR: at a spike, go to v_reset (value) or zero, or subtract v_threshold.",
    ),
]
Integration = Annotated[
    str | None, typer.Option(help="NIR: euler (1 - dt/tau) or exponential (exp(-dt/tau)).")
]
Library = Annotated[
    str | None, typer.Option(help=f"NIR: whose conventions hold: {', '.join(LIBRARIES)}.")
]
Steps = Annotated[int, typer.Option(help="Time steps of an inference, with a density.")]
Preset = Annotated[str, typer.Option(help="What to assume: paper, physical or as-built.")]
WeightBits = Annotated[int | None, typer.Option(help="Width of a weight, 2..8.")]
