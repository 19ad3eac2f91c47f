"""The ``spikeloom`` command: parse, call ``mapper.api``, print. No logic of its own."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text

from mapper import __version__, api, tables
from mapper.diagnostics import Diagnostic, MappingError, printable
from mapper.frontend import LIBRARIES, NirOptions
from mapper.inspection import Inspection
from passes import Pass
from targets import DEFAULT_PRESET

P = ParamSpec("P")
app = typer.Typer(
    help="Compile spiking neural networks to in-memory computing hardware.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
log = Console(stderr=True, highlight=False)
out = Console(highlight=False, width=None if sys.stdout.isatty() else 140)

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


def main() -> None:
    """Run the command line."""
    app()


def command(name: str) -> Callable[[Callable[P, Any]], Callable[P, None]]:
    """Register a command that returns its JSON data, and turn errors into exit codes."""

    def register(function: Callable[P, Any]) -> Callable[P, None]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            as_json = bool(kwargs.get("as_json"))
            try:
                with report_progress:
                    answer = function(*args, **kwargs)
            except MappingError as error:
                raise _refused(error.diagnostics, as_json) from None
            except OSError as error:
                raise _refused((_unusable_file(error),), as_json) from None
            except Exception as error:  # a bug of ours: one line for the user, details on request
                if os.environ.get("SPIKELOOM_TRACEBACK"):
                    raise
                raise _refused((_internal(error),), as_json) from None
            if as_json and answer is not None:
                print(json.dumps(answer, indent=1))
            if isinstance(answer, Mapping) and answer.get("bit_exact") is False:
                raise typer.Exit(1)

        app.command(name)(run)
        return run

    return register


def _warn(answer: Mapping[str, Any]) -> None:
    for text in answer.get("warnings", ()):
        print(printable(f"warning: {text}"), file=sys.stderr)


def _internal(error: Exception) -> Diagnostic:
    return Diagnostic(
        code="internal",
        message=f"{type(error).__name__}: {error}",
        help="this is a bug; please report it with the output under SPIKELOOM_TRACEBACK=1",
    )


def _unusable_file(error: OSError) -> Diagnostic:
    return Diagnostic(
        code="file-error",
        message=error.strerror or str(error),
        loc=str(error.filename or ""),
        help="check the path, its permissions and the space left",
    )


def _refused(diagnostics: tuple[Diagnostic, ...], as_json: bool) -> typer.Exit:
    if as_json:
        errors = [diagnostic.as_dict() for diagnostic in diagnostics]
        print(json.dumps({"schema": "spikeloom/errors/1", "errors": errors}, indent=1))
    for diagnostic in diagnostics:
        print(diagnostic, file=sys.stderr)
    return typer.Exit(1)


class _Reporter:
    """Says on stderr what is being done: in one place on a terminal, a line each in a log."""

    def __init__(self) -> None:
        self._status: Status | None = None

    def __enter__(self) -> None:
        if log.is_terminal:
            self._status = log.status("starting")
            self._status.start()

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __call__(self, text: str) -> None:
        shown = Text(printable(text))
        if self._status is not None:
            self._status.update(shown)
        else:
            log.print(Text("  ") + shown, style="dim")


report_progress = _Reporter()


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@command("demo")
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to put the builds.")] = Path(
        "spikeloom-demo"
    ),
    as_json: Json = False,
) -> dict[str, Any]:
    """Map a bundled trained network, verify it on a bundled recording, compare targets."""
    answer = api.demo(output, progress=report_progress)
    if not as_json:
        out.print(tables.demo(answer))
    return answer


@command("inspect")
def inspect(
    model: Model,
    target: Annotated[
        str | None, typer.Option(help="Also show how many crossbars of this target it takes.")
    ] = None,
    dt: Dt = None,
    reset: ResetTo = None,
    integration: Integration = None,
    library: Library = None,
    as_json: Json = False,
) -> dict[str, Any]:
    """Show what was recognised in a model: layers, neurons, time form, parameters."""
    nir = NirOptions(dt=dt, reset=reset, integration=integration, library=library)
    answer = api.inspect_model(model, target, nir)
    if not as_json:
        out.print(Inspection(answer))
    return answer


@command("compile")
def compile_(
    model: Model,
    target: Target,
    output: Annotated[Path, typer.Option("-o", "--output", help="Build folder to write.")],
    weight_bits: WeightBits = None,
    calibrate: Calibrate = None,
    print_after: Annotated[
        list[str] | None, typer.Option(metavar="PASS", help="Print the graph after this pass.")
    ] = None,
    stop_after: Annotated[
        str | None, typer.Option(metavar="PASS", help="Print the graph here and write nothing.")
    ] = None,
    dt: Dt = None,
    reset: ResetTo = None,
    integration: Integration = None,
    library: Library = None,
    as_json: Json = False,
) -> dict[str, Any] | None:
    """Map a trained network onto a target and write the build folder."""
    shown = {*(print_after or ()), *([stop_after] if stop_after else ())}

    def after(step: Pass, graph: object) -> None:
        report_progress(step.name)
        if step.name in shown:
            print(graph, end="", file=sys.stderr if as_json else sys.stdout)

    answer = api.compile_model(
        model,
        target,
        output,
        weight_bits=weight_bits,
        calibrate=calibrate,
        after=after,
        print_after=tuple(print_after or ()),
        stop_after=stop_after,
        nir=NirOptions(dt=dt, reset=reset, integration=integration, library=library),
    )
    _warn(answer or {})
    if not as_json and answer is not None:
        out.print(tables.compiled(answer))
    return answer


@command("run")
def run(
    folder: Folder,
    recording: Annotated[Path, typer.Option("--input", help="Inputs (.npz), [T, B, ...].")],
    output: Annotated[Path, typer.Option("--output", help="Outputs to write (.npz).")],
    backend: Annotated[str, typer.Option(help="numpy or native.")] = "numpy",
    trace: Annotated[
        bool, typer.Option("--trace", help="Also write OUTPUT.trace.npz, for 'cost --activity'.")
    ] = False,
    as_json: Json = False,
) -> dict[str, Any]:
    """Run a build on recordings, bit-accurately."""
    answer = api.run_build(
        folder, recording, output, backend=backend, trace=trace, progress=report_progress
    )
    if not as_json:
        out.print(tables.ran(answer))
    return answer


@command("verify")
def verify(
    path: Annotated[Path, typer.Argument(help="A model (.onnx, .nir) or a build folder.")],
    recording: Annotated[Path, typer.Option("--input", help="Inputs (.npz); may hold 'labels'.")],
    model: Annotated[
        Path | None, typer.Option(help="For a build folder: its model, for ring 3.")
    ] = None,
    dt: Dt = None,
    reset: ResetTo = None,
    integration: Integration = None,
    library: Library = None,
    as_json: Json = False,
) -> dict[str, Any]:
    """Check a model against ONNX Runtime, or all rings of a build."""
    nir = NirOptions(dt=dt, reset=reset, integration=integration, library=library)
    answer = api.verify(path, recording, model=model, nir=nir, progress=report_progress)
    _warn(answer)
    if not as_json:
        out.print(tables.verification(answer))
    return answer


@command("cost")
def cost(
    folder: Folder,
    activity: Annotated[
        str | None, typer.Option(help="Trace (.npz) of 'run --trace', or a density 0..1.")
    ] = None,
    steps: Steps = 1,
    preset: Preset = DEFAULT_PRESET,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Name the constants that move the totals most.")
    ] = False,
    as_json: Json = False,
) -> dict[str, Any]:
    """Estimate energy, latency and area of a build."""
    answer, text = api.cost_build(folder, activity, steps, preset, swings=sensitivity)
    if not as_json:
        print(text)
    return answer


@command("report")
def report(
    folder: Folder,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Page to write.")] = None,
    as_json: Json = False,
) -> dict[str, Any]:
    """Write the report of a build as one offline HTML page."""
    answer = api.report_build(folder, output)
    if not as_json:
        print(answer["report"])
    return answer


@command("compare")
def compare(
    model: Model,
    targets: Annotated[str, typer.Option(help="Targets, separated by commas.")],
    recording: Annotated[
        Path | None, typer.Option("--input", help="Recordings: calibrate, run and measure.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Keep the builds in this folder.")
    ] = None,
    weight_bits: WeightBits = None,
    dt: Dt = None,
    reset: ResetTo = None,
    integration: Integration = None,
    library: Library = None,
    steps: Steps = 1,
    preset: Preset = DEFAULT_PRESET,
    as_json: Json = False,
) -> dict[str, Any]:
    """Map a network onto several targets and put their costs side by side."""
    names = tuple(name for name in targets.split(",") if name)
    answer = api.compare_model(
        model,
        names,
        recording=recording,
        output=output,
        weight_bits=weight_bits,
        nir=NirOptions(dt=dt, reset=reset, integration=integration, library=library),
        steps=steps,
        preset=preset,
        progress=report_progress,
    )
    _warn(answer)
    if not as_json:
        out.print(tables.comparison(answer))
    return answer


@command("export")
def export(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .onnx or .nir.")],
    dt: Dt = None,
    reset: ResetTo = None,
    integration: Integration = None,
    library: Library = None,
    as_json: Json = False,
) -> dict[str, Any]:
    """Write the imported network in canonical form, for other tools."""
    nir = NirOptions(dt=dt, reset=reset, integration=integration, library=library)
    answer = api.export_model(model, output, nir)
    if not as_json:
        out.print(tables.exported(answer))
    return answer


@command("targets")
def targets(
    name: Annotated[str | None, typer.Argument(help="Show one target, or list of parts.")] = None,
    components: Annotated[
        bool, typer.Option("--components", help="Lists of published parts instead of targets.")
    ] = False,
    node: Annotated[float | None, typer.Option(help="Bring the parts to this node, nm.")] = None,
    voltage: Annotated[float | None, typer.Option(help="And to this supply, V.")] = None,
    as_json: Json = False,
) -> dict[str, Any]:
    """List the targets, or show one; or the published parts that costs are taken from."""
    if components:
        answer = api.show_components(name, node_nm=node, voltage_v=voltage)
    else:
        answer = api.show_targets(name)
    if not as_json:
        out.print(tables.components(answer) if components else tables.targets(answer))
    return answer


@command("passes")
def passes(
    name: Annotated[str | None, typer.Argument(help="Show one pass.")] = None,
    as_json: Json = False,
) -> dict[str, Any]:
    """List the passes in the order they run, or show one."""
    answer = api.show_passes(name)
    if not as_json:
        out.print(tables.passes(answer))
    return answer
