"""Everything the command line can do, one call each; answers are plain data for JSON."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mapper import backends
from mapper.backends import chosen
from mapper.build import (
    check_outside,
    check_page,
    check_replaceable,
    read_build,
    report,
    write_build,
)
from mapper.compare import compare_model, demo
from mapper.cost import Cost, estimate, tornado_lines, under_preset
from mapper.evidence import gather_evidence, read_activity
from mapper.executor import write_arrays
from mapper.export import export, format_of
from mapper.frontend import NirOptions, describe, import_model
from mapper.ir.core import Array, Graph
from mapper.listing import check_pass, show_components, show_passes, show_targets
from mapper.mapping import make_build, source_of, summary
from mapper.pipeline import After
from mapper.recordings import Recording, coding_tables, read_arrays, to_codes
from mapper.report import draw_figures, import_vl_convert, render_report, write_figures
from mapper.report.figures import CAPTIONS
from mapper.threads import one_blas_thread
from mapper.verify import (
    reference_ring,
    trained_ring,
    verify_model,
    verify_recorded,
)
from mapper.writing import whole_file
from targets import (
    DEFAULT_PRESET,
    Preset,
    Target,
    load_preset,
    load_target,
)

__all__ = [
    "compare_model",
    "compile_model",
    "cost_build",
    "demo",
    "export_model",
    "figures_of_build",
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

    ran = backends.run(graph, codes, backend, trace=trace, threads=threads, progress=done)
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
    """Verify a model against ONNX Runtime or given outputs, or every ring of a build folder."""
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
    return verify_recorded(build, recorded, reference, progress, trained).as_dict()


def cost_build(
    folder: Path,
    activity: str | None,
    steps: int,
    preset: str = DEFAULT_PRESET,
    *,
    swings: bool = False,
) -> tuple[dict[str, Any], str]:
    """Return the cost of a build as data and as text.

    ``activity`` is the path of a trace that ``run_build`` wrote, or a density 0..1 in text;
    ``DENSITY`` where None. ``preset`` names what to assume of the chip beyond its target;
    ``swings`` adds what each constant does to the totals.
    """
    assumed = load_preset(preset)
    build = read_build(folder)
    found, _ = read_activity(build.hardware, activity)

    def on(target: Target, assumed: Preset) -> Cost:
        return estimate(build.hardware, target, found, steps, assumed)

    cost = on(build.target, assumed)
    if not swings:
        return cost.as_dict(), str(cost)
    tornados = under_preset(on, build.target, assumed)
    data = {**cost.as_dict(), "sensitivity": [tornado.as_dict() for tornado in tornados]}
    return data, "\n".join([str(cost), "", *tornado_lines(tornados)])


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
    """Write the report page of a build; the folder's own page where no output is given.

    ``activity`` is a trace of ``run_build`` or a density, ``recording`` what to verify on;
    ``model`` adds the rings that need the model file.

    Raises:
        MappingError: ``report-output`` where the page would change the build, and for anything
            wrong with the files.
    """
    check_page(folder, output, asked=activity is not None or recording is not None or steps != 1)
    progress("checking the folder")
    build = read_build(folder)
    if output is None:
        return {"schema": "spikeloom/report/1", "report": str(folder / "report.html")}
    evidence = gather_evidence(
        build,
        activity=activity,
        steps=steps,
        recording=recording,
        model=model,
        nir=nir,
        progress=progress,
    )
    with whole_file(output) as temporary:
        temporary.write_text(render_report(report(build, evidence)), encoding="utf-8")
    found = evidence.verification
    verified = {} if found is None else {"bit_exact": found["bit_exact"]}
    return {"schema": "spikeloom/report/1", "report": str(output), **verified}


@one_blas_thread
def figures_of_build(
    folder: Path,
    output: Path,
    *,
    activity: str | None = None,
    steps: int = 1,
    preset: str = DEFAULT_PRESET,
    columns: int = 1,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Write the charts of a build's report as SVG, PNG and PDF, and ``figures.md`` with captions.

    ``activity`` is a trace of ``run_build`` or a density; ``preset`` names what to assume;
    ``columns`` (1 or 2) how many columns of a paper a figure is wide.

    Raises:
        MappingError: ``missing-extra`` without vl-convert, ``report-output`` where figures would
            change the build, and for anything wrong with the files. Nothing is written then.
    """
    import_vl_convert()
    check_outside(folder, output, "figures")
    load_preset(preset)
    progress("checking the folder")
    build = read_build(folder)
    evidence = gather_evidence(build, activity=activity, steps=steps, progress=progress)
    progress("drawing")
    figures = draw_figures(report(build, evidence, preset), columns)
    write_figures(figures, output)
    rows = [{"name": f.name, "caption": f.caption, "files": list(f.files)} for f in figures]
    return {
        "schema": "spikeloom/figures/1",
        "folder": str(output),
        "preset": preset,
        "figures": rows,
        "captions": CAPTIONS,
    }
