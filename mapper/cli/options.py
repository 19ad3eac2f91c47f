"""Arguments and options that several commands share."""

import inspect
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from mapper.frontend import LIBRARIES, NirOptions
from mapper.frontend.onnx.functions import with_functions as link

F = TypeVar("F", bound=Callable[..., Any])

Model = Annotated[Path, typer.Argument(help="Trained network, .onnx or .nir.")]
Target = Annotated[str, typer.Option(help="Target name, or path of a .toml file.")]
Calibrate = Annotated[
    Path | None, typer.Option(help="Recordings (.npz) that set input codes and readout.")
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
SpreadSteps = Annotated[
    bool,
    typer.Option(
        "--spread-steps",
        help="Read counts of spikes, 0 .. D, in D binary steps instead of bit planes.",
    ),
]
WeightBits = Annotated[int | None, typer.Option(help="Width of a weight, 1..8.")]
Assign = Annotated[
    Path | None,
    typer.Option(help="File (.toml) of what is decided for layers: macro, bits, packing, copies."),
]
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
    str,
    typer.Option(
        help="Who runs them: serial, threads, processes, dask or tcp://HOST:PORT of a cluster."
    ),
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


# --- bodies of a user's own operators --------------------------------------------------------

_FUNCTIONS = Annotated[
    Path | None,
    typer.Option(help="ONNX file with bodies of the model's own operators (functions)."),
]


def with_functions(*names: str) -> Callable[[F], F]:
    """Give a command the option ``--functions``.

    The first of its parameters ``names`` that holds a model's file is then one with functions.
    """

    def given(function: F) -> F:
        @wraps(function)
        def run(functions: Path | None = None, **held: Any) -> Any:
            if functions is None:
                return function(**held)
            name = next((name for name in names if _model_of(held[name])), None)
            if name is None:
                raise typer.BadParameter("it needs one model to be of", param_hint="--functions")
            with linked(_model_of(held[name]), functions) as path:
                found = [path] if isinstance(held[name], list) else path
                return function(**{**held, name: found})

        signature = inspect.signature(function)
        kept = list(signature.parameters.values())
        option = inspect.Parameter(
            "functions", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_FUNCTIONS
        )
        parameters = [*kept[:-1], option, kept[-1]]  # before --json
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run  # type: ignore[return-value]  # typer calls it by name

    return given


def _model_of(given: Path | list[Path] | None) -> Path | None:
    """Return the one model that an argument names; None where it names folders, or none."""
    paths = given if isinstance(given, list) else [given]
    return None if len(paths) != 1 or paths[0] is None or paths[0].is_dir() else paths[0]


@contextmanager
def linked(model: Path | None, functions: Path) -> Iterator[Path]:
    """Give a model's file with functions, under its own name.

    Raises:
        MappingError: what ``mapper.with_functions`` raises.
    """
    assert model is not None
    made = link(model, functions)
    with tempfile.TemporaryDirectory(prefix="spikeloom.") as folder:
        path = Path(folder) / model.name
        path.write_bytes(made.SerializeToString(deterministic=True))
        yield path


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
