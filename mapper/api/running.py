"""Runs of a build on a recording: what starts often, so it imports what it needs alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mapper.api.run import Run, run_of
from mapper.build.folder import identity, read_build
from mapper.build.model import Build
from mapper.executor import engine
from mapper.ir.core import Graph
from mapper.ir.noise import recorded_inputs
from mapper.recordings import IN_MEMORY, Recording, check_no_keys, to_codes
from mapper.threads import one_blas_thread


@one_blas_thread
def run_folder(
    folder: Path,
    path: Path,
    *,
    layout: str | None,
    backend: str | None,
    threads: int | None,
    trace: bool,
    run_seed: int,
    progress: Callable[[str], None],
) -> Run:
    """Run a build in a folder on a file of recordings, as ``load(folder).run(path)`` does.

    The programs of the folder are neither used nor compared; their hashes are.
    """
    build = read_build(folder, compared=False)
    recorded = Recording.read(path, recorded_inputs(build.hardware), build.presented, layout)
    place = (folder, identity(folder))
    return run_on(
        build,
        recorded,
        place,
        backend=backend,
        threads=threads,
        spikes=False,
        trace=trace,
        run_seed=run_seed,
        progress=progress,
    )


def run_on(
    build: Build,
    recorded: Recording,
    place: tuple[Path, str] | None,
    *,
    backend: str | None,
    threads: int | None,
    spikes: bool,
    trace: bool,
    run_seed: int,
    progress: Callable[[str], None],
) -> Run:
    """Run a build on a recording; see ``Build.run``.

    Args:
        build: What runs.
        recorded: Its inputs.
        place: The folder it is in, and what it is known by there; None where it is in none.
        backend: As in ``Build.run``, and so are the others.
        threads: Of the native backend.
        spikes: Return those of every layer, too.
        trace: Count what is active.
        run_seed: Of the noise of reads.
        progress: Called with what is done.
    """
    graph = build.hardware
    check_no_keys(graph, recorded)
    codes = to_codes(graph, recorded.inputs, recorded.where, run_seed)

    def done(step: int) -> None:
        progress(f"time step {step} of {recorded.taken.steps}")

    shown = _spikes(graph) if spikes else ()
    ran = engine.run(
        graph,
        codes,
        None if backend is None else engine.chosen_backend(backend),
        watch=shown,
        trace=True,  # spikes are counted in any case: a layer that never fires is named
        threads=threads,
        progress=done,
        generated=build,
    )
    answer = run_of(build, ran, codes, recorded, spikes=shown, traced=trace)
    if not trace or place is None or recorded.where == IN_MEMORY:
        return answer
    from mapper.verify.activity import recorded_on  # pages are laid out there
    from mapper.verify.known import store

    progress("laying the page out")
    note = store(build, *place, recorded_on(build, ran, recorded))
    return replace(answer, notes=(*answer.notes, *filter(None, [note])))


def _spikes(graph: Graph) -> Sequence[str]:
    from mapper.verify.rings import spike_values

    return spike_values(graph)
