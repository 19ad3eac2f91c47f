"""Everything the command line can do, one call each; answers are plain data for JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapper.build.folder import (
    PAGE,
    check_outside,
    check_page,
    check_replaceable,
    read_build,
    report,
    write_build,
)
from mapper.build.make import make_build, source_of, summary
from mapper.compare.folder import is_comparison, read_comparison
from mapper.compare.run import CompareOptions, compare, compare_builds, compare_model
from mapper.cost import tornado_lines
from mapper.demo import demo
from mapper.diagnostics import refuse
from mapper.exchange.export import export, format_of
from mapper.executor import engine
from mapper.executor.engine import chosen
from mapper.frontend import NirOptions, describe, import_model
from mapper.ir.core import Array, Graph
from mapper.ir.weights import write_arrays
from mapper.listing import check_pass, show_components, show_passes, show_targets
from mapper.pipeline import After
from mapper.recordings import Recording, coding_tables, read_arrays, to_codes
from mapper.report import import_vl_convert, render_report, write_figures
from mapper.report.comparison.page import caption_of, comparison_charts
from mapper.report.figures import CAPTIONS, draw, figure_charts, report_caption, swings_of
from mapper.report.headline import Headline, headline
from mapper.threads import one_blas_thread
from mapper.verify import (
    reference_ring,
    trained_ring,
    verify_model,
    verify_recorded,
)
from mapper.verify.evidence import gather_evidence
from mapper.verify.record import described_file, keep
from mapper.writing import whole_file
from targets import DEFAULT_PRESET, load_preset, load_target

__all__ = [
    "CompareOptions",
    "compare",
    "compare_builds",
    "compare_model",
    "compile_model",
    "cost_build",
    "demo",
    "draw_figures",
    "export_model",
    "inspect_model",
    "report_build",
    "run_build",
    "show_components",
    "show_passes",
    "show_targets",
    "verify",
]

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
    loaded = load_target(target)
    imported = import_model(model, nir)
    recordings = None
    if calibrate is not None:
        recordings = Recording.read(calibrate, imported.graph.inputs).inputs
    build = make_build(
        imported,
        loaded,
        weight_bits,
        recordings,
        source=source_of(model),
        after=after,
        stop_after=stop_after,
    )
    if build is None:
        return None
    write_build(build, output)
    return {**summary(build), "folder": str(output), "warnings": list(imported.warnings)}


@one_blas_thread
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
    chosen(backend)
    progress("checking the folder")
    build = read_build(folder)
    graph = build.hardware
    recorded = Recording.read(recording, graph.inputs)
    codes = to_codes(graph, recorded.inputs, recorded.where)
    steps, samples = next(iter(codes.values())).shape[:2]

    def done(step: int) -> None:
        progress(f"time step {step} of {steps}")

    ran = engine.run(graph, codes, backend, trace=trace, threads=threads, progress=done)
    outputs, written = ran.outputs, {"output": str(output)}
    if ran.trace is not None:
        path = output.with_suffix(".trace.npz")
        _save(path, ran.trace)
        written["trace"] = str(path)
    _save(output, {v.name: outputs[v.name] for v in graph.outputs})
    return {
        "schema": "spikeloom/run/1",
        "backend": ran.backend,
        **ran.details,
        "steps": steps,
        "samples": samples,
        "outputs": {v.name: _described(graph, v.name, outputs[v.name]) for v in graph.outputs},
        **written,
    }


def _described(graph: Graph, name: str, array: Array) -> dict[str, Any]:
    """Describe an integer output, and the reals it stands for: ``scale * code + offset``."""
    scale, offset = coding_tables(graph, name)
    return {
        "shape": list(array.shape),
        "mean": float(array.mean()),
        "max": int(array.max()),
        "scale": scale.tolist(),
        "offset": offset.tolist(),
    }


def _save(path: Path, arrays: Mapping[str, Array]) -> None:
    with whole_file(path) as temporary:
        write_arrays(temporary, arrays, compress=True)


@one_blas_thread
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
    build = read_build(path)
    recorded = Recording.read(recording, build.hardware.inputs)
    reference = trained = None
    if model is not None:
        reference = reference_ring(model, build, recorded.inputs, progress, nir)
        codes = to_codes(build.hardware, recorded.inputs, recorded.where)
        trained = trained_ring(model, build, codes)
    found = verify_recorded(build, recorded, reference, progress, trained).as_dict()
    given = {"input": recording, "model": model}
    files = {what: described_file(file) for what, file in given.items() if file is not None}
    warning = keep(path, found, files)
    return {**found, "warnings": [warning]} if warning else found


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
    load_preset(preset)
    build = read_build(folder, page=False)
    evidence = gather_evidence(build, activity=activity, steps=steps, folder=folder)
    page = report(build, evidence, preset)
    tornados = swings_of(page) if swings else ()
    moved = [tornado.as_dict() for tornado in tornados]
    data = page.cost.as_dict() | ({"sensitivity": moved} if swings else {})
    return data, CostTold(
        headline=headline(page),
        sensitivity="\n".join(tornado_lines(tornados)),
        details=str(page.cost),
    )


@one_blas_thread
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
    check_page(folder, output, asked=activity is not None or recording is not None or steps != 1)
    progress("checking the folder")
    build = read_build(folder)
    evidence = gather_evidence(
        build,
        activity=activity,
        steps=steps,
        recording=recording,
        model=model,
        nir=nir,
        folder=folder,
        progress=progress,
    )
    told = report(build, evidence)
    if output is not None:
        with whole_file(output) as temporary:
            temporary.write_text(render_report(told), encoding="utf-8")
    found = evidence.verification
    return {
        "schema": "spikeloom/report/1",
        "report": str(output or folder / PAGE),
        "as_compiled": output is None,
        **headline(told).as_dict(),
        "cost": told.cost.as_dict(),
        **({} if found is None else {"bit_exact": found["bit_exact"], "verification": found}),
    }


@one_blas_thread
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
    import_vl_convert()
    check_outside(output, "figures")
    progress("checking the folder")
    if is_comparison(folder):
        given = {"--activity": activity, "--steps": steps, "--preset": preset}
        _refuse_options([name for name, value in given.items() if value is not None])
        answer = read_comparison(folder)
        charts, said, assumed = comparison_charts(answer), caption_of(answer), answer["preset"]
    else:
        assumed = preset or DEFAULT_PRESET
        load_preset(assumed)
        build = read_build(folder, page=False)
        evidence = gather_evidence(build, activity=activity, steps=1 if steps is None else steps)
        page = report(build, evidence, assumed)
        charts, said = figure_charts(page, columns), report_caption(page)
    progress("drawing")
    figures = draw(charts, said, columns)
    write_figures(figures, output)
    rows = [{"name": f.name, "caption": f.caption, "files": list(f.files)} for f in figures]
    return {
        "schema": "spikeloom/figures/1",
        "folder": str(output),
        "preset": assumed,
        "figures": rows,
        "captions": CAPTIONS,
    }


def _refuse_options(options: Sequence[str]) -> None:
    if options:
        raise refuse(
            "compare-inputs",
            f"the numbers of a comparison are fixed: {', '.join(options)} would change nothing",
            help="give it to 'spikeloom compare' and draw what that writes",
        )
