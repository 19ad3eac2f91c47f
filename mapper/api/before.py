"""The calls of one release ago, by their names of then: paths in, plain data for JSON out.

They stay for a release. ``mapper.compile``, ``mapper.load`` and what these return take their place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapper.api.figures import Figures, check_drawing, draw_into
from mapper.api.make import load, passes_over
from mapper.build.folder import check_replaceable
from mapper.build.make import make_build, source_of, summary
from mapper.compare.folder import is_comparison, read_comparison
from mapper.cost import tornado_lines
from mapper.diagnostics import refuse
from mapper.exchange.export import export, format_of
from mapper.executor.engine import chosen_backend
from mapper.frontend import NirOptions, describe, import_model
from mapper.listing import check_pass
from mapper.pipeline import After
from mapper.recordings import read_arrays
from mapper.report.comparison.page import caption_of, comparison_charts
from mapper.report.headline import Headline
from mapper.threads import one_blas_thread
from mapper.verify import verify_model
from targets import DEFAULT_PRESET, load_target

Progress = Callable[[str], None]


@one_blas_thread
def inspect_model(
    model: Path, target: str | None = None, nir: NirOptions | None = None
) -> dict[str, Any]:
    """Return what was recognised in a model and, with a target, how many crossbars it takes.

    ``nir`` says what a NIR file leaves open.

    Raises:
        MappingError: The model cannot be read, or not mapped onto the target.
    """
    loaded = None if target is None else load_target(target)
    imported = import_model(model, nir)
    answer = {"schema": "spikeloom/inspect/1", **describe(imported)}
    if loaded is None:
        return answer
    build = make_build(imported, loaded, None, None, source=source_of(model))
    assert build is not None  # nothing stops it before the end
    mapped = summary(build)
    told = ("target", "weight_bits", "crossbars", "chips", "layers")
    return {**answer, "mapping": {name: mapped[name] for name in told}}


def export_model(model: Path, output: Path, nir: NirOptions | None = None) -> dict[str, Any]:
    """Write the imported network in canonical form: ``.onnx`` or ``.nir``.

    ``nir`` says what a NIR file leaves open.

    Raises:
        MappingError: for anything wrong with the model, or ``export-format``, ``not-exportable``.
    """
    format_of(output)
    return {"schema": "spikeloom/export/1", **export(import_model(model, nir), output)}


@one_blas_thread
def compile_model(
    model: Path,
    target: str,
    output: Path,
    *,
    weight_bits: int | None = None,
    calibrate: Path | None = None,
    after: After | None = None,
    print_after: tuple[str, ...] = (),
    stop_after: str | None = None,
    nir: NirOptions | None = None,
) -> dict[str, Any] | None:
    """Map a model onto a target and write the build folder.

    Returns the summary, or None where ``stop_after`` stopped before the end and nothing was
    written.

    Raises:
        MappingError: for anything wrong with the model, the target, the recordings, the options.
    """
    for name in (*print_after, *((stop_after,) if stop_after else ())):
        check_pass(name)
    check_replaceable(output)
    build = passes_over(
        model,
        target,
        weight_bits=weight_bits,
        calibrate=calibrate,
        nir=nir,
        after=after,
        stop_after=stop_after,
    )
    return None if build is None else build.save(output).summary.as_dict()


def run_build(
    folder: Path,
    recording: Path,
    output: Path,
    *,
    backend: str | None = None,
    threads: int | None = None,
    trace: bool = False,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Run a build on recordings and write its integer outputs ``[T, B, ...]``.

    Without a ``backend`` it is the fastest one that is installed; without ``threads`` the native
    one uses every processor. The integers do not depend on either.
    """
    chosen_backend(backend)
    progress("checking the folder")
    build = load(folder, page=True)
    ran = build.run(recording, backend=backend, threads=threads, trace=trace, progress=progress)
    return ran.save(output).as_dict()


def verify(
    path: Path,
    recording: Path,
    *,
    model: Path | None = None,
    nir: NirOptions | None = None,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Verify a model against ONNX Runtime or given outputs, or every ring of a build folder.

    What is found of a build is kept in its folder as ``verification.json``, for its reports.
    """
    if not path.is_dir():
        arrays = read_arrays(recording)
        return verify_model(path, arrays, str(recording), progress, nir).as_dict()
    progress("checking the folder")
    build = load(path, page=True)
    return build.verify(recording, model=model, nir=nir, progress=progress).as_dict()


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTold:
    """A cost for people: first what a report answers first, then every part."""

    headline: Headline
    sensitivity: str
    """What the constants do to the totals; empty where that was not asked."""
    details: str
    """Every part of every total."""


def cost_build(
    folder: Path,
    activity: str | None,
    steps: int,
    preset: str = DEFAULT_PRESET,
    *,
    swings: bool = False,
) -> tuple[dict[str, Any], CostTold]:
    """Return the cost of a build as data and as text.

    ``activity`` is the path of a trace that ``run_build`` wrote, or a density 0..1 in text;
    ``DENSITY`` where None. ``preset`` names what to assume of the chip beyond its target;
    ``swings`` adds what each constant does to the totals.
    """
    estimate = load(folder).cost(activity, steps=steps, preset=preset, sensitivity=swings)
    return estimate.as_dict(), CostTold(
        headline=estimate.headline,
        sensitivity="\n".join(tornado_lines(estimate.sensitivity or ())),
        details=str(estimate.cost),
    )


def report_build(
    folder: Path,
    output: Path | None,
    *,
    activity: str | None = None,
    steps: int = 1,
    recording: Path | None = None,
    model: Path | None = None,
    nir: NirOptions | None = None,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Write the report page of a build, and return what it answers first.

    Where no output is given nothing is written: the folder has a page of its own, as compiled.

    ``activity`` is a trace of ``run_build`` or a density, ``recording`` what to verify on;
    ``model`` adds the rings that need the model file.

    Raises:
        MappingError: ``report-output`` where the page would change the build, and for anything
            wrong with the files.
    """
    progress("checking the folder")
    answer = load(folder, page=True).report(
        output,
        inputs=recording,
        activity=activity,
        steps=steps,
        model=model,
        nir=nir,
        progress=progress,
    )
    return answer.as_dict()


def draw_figures(
    folder: Path,
    output: Path,
    *,
    activity: str | None = None,
    steps: int | None = None,
    preset: str | None = None,
    columns: int = 1,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Write the charts of a build's report, or of a comparison, as SVG, PNG and PDF, with captions.

    Of a build, ``activity`` is a trace of ``run_build`` or a density, and ``preset`` names what to
    assume; the numbers of a comparison are fixed. ``columns`` (1 or 2) are those of a paper that a
    figure is wide. Figures of an earlier call that are not drawn anew are removed from ``output``
    where nobody changed them.

    Raises:
        MappingError: ``missing-extra`` without vl-convert, ``report-output`` where figures would
            change a build, ``compare-inputs`` for an option that a comparison cannot follow, and
            for anything wrong with the files. Nothing is written then.
    """
    check_drawing(output)
    progress("checking the folder")
    if is_comparison(folder):
        given = {"--activity": activity, "--steps": steps, "--preset": preset}
        _refuse_options([name for name, value in given.items() if value is not None])
        return _compared(folder, output, columns, progress).as_dict()
    drawn = load(folder).figures(
        output,
        activity=activity,
        steps=1 if steps is None else steps,
        preset=preset or DEFAULT_PRESET,
        columns=columns,
        progress=progress,
    )
    return drawn.as_dict()


def _compared(folder: Path, output: Path, columns: int, progress: Progress) -> Figures:
    answer = read_comparison(folder)
    progress("drawing")
    charts, said = comparison_charts(answer), caption_of(answer)
    return draw_into(output, charts, said, answer["preset"], columns)


def _refuse_options(options: Sequence[str]) -> None:
    if options:
        raise refuse(
            "compare-inputs",
            f"the numbers of a comparison are fixed: {', '.join(options)} would change nothing",
            help="give it to 'spikeloom compare' and draw what that writes",
        )
