"""The command ``run``, which starts often: it imports what it needs alone."""

from pathlib import Path
from typing import Annotated

import typer

from mapper.api.run import Run
from mapper.api.running import run_folder
from mapper.cli import told
from mapper.cli.frame import command, out, report_progress, warn
from mapper.cli.given import Folder, Json, Layout
from mapper.executor.engine import chosen_backend


@command("run")
def run(
    folder: Folder,
    recording: Annotated[Path, typer.Option("--input", help="Inputs (.npz).")],
    output: Annotated[Path, typer.Option("--output", help="Outputs to write (.npz).")],
    backend: Annotated[
        str | None, typer.Option(help="native or numpy; the first that is installed if not given.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the native backend; all processors.")
    ] = None,
    layout: Layout = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Also write OUTPUT.trace.npz, for 'cost --activity'.")
    ] = False,
    run_seed: Annotated[
        int, typer.Option(min=0, help="Of the noise of reads, on a die that has some.")
    ] = 0,
    as_json: Json = False,
) -> Run:
    """Run a build on recordings, bit-accurately."""
    chosen_backend(backend)
    report_progress("checking the folder")
    answer = run_folder(
        folder,
        recording,
        layout=layout,
        backend=backend,
        threads=threads,
        trace=trace,
        run_seed=run_seed,
        progress=report_progress,
    ).save(output)
    warn(answer.warnings)
    if not as_json:
        out.print(told.ran(answer))
    return answer
