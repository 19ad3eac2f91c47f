"""The calls of one release ago, by their names of then: paths in, plain data for JSON out.

They stay for a release. ``mapper.compile``, ``mapper.load`` and what these return take their place.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapper.api import paths as typed
from mapper.api.charts import figures_of
from mapper.api.estimate import Estimate
from mapper.api.inputs import Progress
from mapper.api.inspection import inspect
from mapper.api.make import check_backend, export, load, passes_over, verify_model
from mapper.api.paths import DEFAULTS, CompareOptions, compare_paths
from mapper.build.folder import check_replaceable
from mapper.cost import tornado_lines
from mapper.demo import run_demo
from mapper.frontend import NirOptions
from mapper.listing import (
    check_pass,
    facts_of_target,
    parts_of,
    parts_there_are,
    passes_there_are,
    targets_there_are,
)
from mapper.pipeline import After
from mapper.report.headline import Headline
from targets import DEFAULT_PRESET


def inspect_model(
    model: Path, target: str | None = None, nir: NirOptions | None = None
) -> dict[str, Any]:
    """Return what was recognised in a model; ``inspect`` takes its place."""
    return inspect(model, target, nir=nir).as_dict()


def export_model(model: Path, output: Path, nir: NirOptions | None = None) -> dict[str, Any]:
    """Write the imported network in canonical form; ``export`` takes its place."""
    return export(model, output, nir=nir).as_dict()


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
    check_backend(backend)
    progress("checking the folder")
    build = load(folder)
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
    """Verify a model, or a build folder; ``verify_model`` and ``Build.verify`` take its place."""
    if not path.is_dir():
        return verify_model(path, recording, nir=nir, progress=progress).as_dict()
    progress("checking the folder")
    build = load(path)
    return build.verify(recording, model=model, nir=nir, progress=progress).as_dict()


@dataclass(frozen=True, slots=True)
class CostTold:
    """A cost for people: first what a report answers first, then every part."""

    estimate: Estimate

    @property
    def headline(self) -> Headline:
        return self.estimate.headline

    @property
    def sensitivity(self) -> str:
        """What the constants do to the totals; empty where that was not asked."""
        return "\n".join(tornado_lines(self.estimate.sensitivity or ()))

    @property
    def details(self) -> str:
        """Every part of every total."""
        return str(self.estimate.cost)


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
    return estimate.as_dict(), CostTold(estimate)


def report_build(
    folder: Path,
    output: Path | None,
    *,
    activity: str | None = None,
    steps: int | None = None,
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
    answer = load(folder).report(
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
    """Write the charts of a build's report, or of a comparison; ``figures_of`` takes its place."""
    return figures_of(
        folder,
        output,
        activity=activity,
        steps=steps,
        preset=preset,
        columns=columns,
        progress=progress,
    ).as_dict()


def show_targets(name: str | None) -> dict[str, Any]:
    """Return all targets, or every fact of one."""
    return (targets_there_are() if name is None else facts_of_target(name)).as_dict()


def show_components(
    name: str | None = None, *, node_nm: float | None = None, voltage_v: float | None = None
) -> dict[str, Any]:
    """Return the lists of published parts, or the parts of one."""
    if name is None:
        return parts_there_are().as_dict()
    return parts_of(name, node_nm=node_nm, voltage_v=voltage_v).as_dict()


def show_passes(name: str | None) -> dict[str, Any]:
    """Return the passes in the order they run, or one."""
    return passes_there_are(name).as_dict()


def compare(
    paths: tuple[Path, ...],
    options: CompareOptions = DEFAULTS,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Compare one model on several targets, or build folders."""
    return compare_paths(paths, options, progress).as_dict()


def compare_model(
    model: Path, options: CompareOptions, progress: Progress = lambda text: None
) -> dict[str, Any]:
    """Compare a model on several targets; ``compare_targets`` takes its place."""
    return typed.compare_model(model, options, progress).as_dict()


def compare_builds(
    folders: tuple[Path, ...],
    options: CompareOptions = DEFAULTS,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Compare build folders; ``compare_mappings`` takes its place."""
    return typed.compare_builds(folders, options, progress).as_dict()


def demo(output: Path, progress: Progress = lambda text: None) -> dict[str, Any]:
    """Carry the demo out; ``run_demo`` takes its place."""
    return run_demo(output, progress).as_dict()
