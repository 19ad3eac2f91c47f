"""Arguments and options that several commands share."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from mapper.frontend import LIBRARIES, NirOptions

F = TypeVar("F", bound=Callable[..., Any])

Json = Annotated[bool, typer.Option("--json", help="Print data for machines on stdout.")]
Model = Annotated[Path, typer.Argument(help="Trained network, .onnx or .nir.")]
Folder = Annotated[Path, typer.Argument(help="Folder that 'compile' wrote.")]
Target = Annotated[str, typer.Option(help="Target name, or path of a .toml file.")]
Calibrate = Annotated[
    Path | None, typer.Option(help="Recordings (.npz) that set input codes and readout.")
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="steps|samples",
        help="What the first axis of an input counts, where it is not as the docs say.",
    ),
]
PassSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--pass",
        metavar="NAME{OPTION=VALUE,...}",
        help="Set options of a pass; 'spikeloom passes NAME' lists them. May be repeated.",
    ),
]
Steps = Annotated[int, typer.Option(help="Time steps of an inference, with a density.")]
Preset = Annotated[str, typer.Option(help="What to assume: paper, physical or as-built.")]
Every = Annotated[
    float | None,
    typer.Option(metavar="MS", help="Milliseconds from one inference to the next; back to back."),
]
WeightBits = Annotated[int | None, typer.Option(help="Width of a weight, 1..8.")]
Device = Annotated[
    str | None,
    typer.Option(help="Device name, or path of a .toml file; what the target names if not given."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Replace a fact of the device, as cell.sigma=0.1. May be repeated.",
    ),
]
Scheduler = Annotated[
    str, typer.Option(help="Who runs dies: serial, threads, processes, dask or dask:ADDRESS.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, max=4096, help="Of the scheduler; as many as processors.")
]
Corner = Annotated[
    str | None,
    typer.Option(
        metavar="best|nominal|worst",
        help="Facts of --device at the ends of what is published; nominal if not given.",
    ),
]
Age = Annotated[
    str | None,
    typer.Option(metavar="AGE", help="Age of the chip: 3600, 12h, 30d, 10y; as programmed."),
]


# --- what a NIR file leaves open -------------------------------------------------------------

Nir = Annotated[NirOptions | None, "--dt, --reset, --integration, --library"]
"""A parameter ``nir`` of a command; ``with_nir`` makes four options of it."""

_NIR = {
    "dt": Annotated[float | None, typer.Option(help="NIR: seconds of one time step.")],
    "reset": Annotated[
        str | None,
        typer.Option(
            "--reset",
            help="NIR: at a spike, go to v_reset (value) or zero, or subtract v_threshold.",
        ),
    ],
    "integration": Annotated[
        str | None, typer.Option(help="NIR: euler (1 - dt/tau) or exponential (exp(-dt/tau)).")
    ],
    "library": Annotated[
        str | None, typer.Option(help=f"NIR: whose conventions hold: {', '.join(LIBRARIES)}.")
    ],
}


def with_nir(function: F) -> F:
    """Give a command the options that fill its parameter ``nir``, which typer does not see."""

    @wraps(function)
    def run(**given: Any) -> Any:
        held = {name: given.pop(name) for name in _NIR}
        return function(**given, nir=NirOptions(**held))

    kind = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.signature(function)
    kept = [p.replace(kind=kind) for p in signature.parameters.values() if p.name != "nir"]
    made = [
        inspect.Parameter(name, kind, default=None, annotation=option)
        for name, option in _NIR.items()
    ]
    last = len(kept) - 1  # --json
    parameters = [*kept[:last], *made, *kept[last:]]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run  # type: ignore[return-value]  # typer calls it by name
