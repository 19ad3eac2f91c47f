"""Everything the command line can do, one call each; answers are plain data for JSON."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from mapper import __version__
from mapper.build import (
    DEMO_SCHEMA,
    Build,
    check_replaceable,
    read_build,
    report,
    sha256,
    write_build,
    written_aside,
)
from mapper.cost import DENSITY, Activity, Cost, estimate, measure
from mapper.diagnostics import refuse
from mapper.executor import write_arrays
from mapper.frontend import Imported, describe, import_model
from mapper.ir.core import Array, Graph, Value
from mapper.pipeline import After, make_passes, run_passes
from mapper.recordings import measure_codes, pick_inputs, read_arrays, to_codes, to_reals
from mapper.report import render_report
from mapper.verify import Ring, Verification, run_executor, verify_build, verify_model
from mapper.verify.answers import accuracy, wanted_classes
from mapper.verify.build import trace_executor
from mapper.verify.rings import REFERENCE
from passes import PIPELINE
from targets import Target, list_targets, load_target, target_to_data

Progress = Callable[[str], None]

CALIBRATION_SAMPLES = 8
"""Recordings that calibration looks at, and that a build folder keeps."""


def inspect_model(model: Path) -> dict[str, Any]:
    """Return what was recognised in a model."""
    return {"schema": "spikeloom/inspect/1", **describe(import_model(model))}


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
) -> dict[str, Any] | None:
    """Map a model onto a target and write the build folder.

    Returns the summary, or None where ``stop_after`` stopped before the end and nothing was
    written.

    Raises:
        MappingError: for anything wrong with the model, the target, the recordings, the options.
    """
    for name in (*print_after, *((stop_after,) if stop_after else ())):
        _check_pass(name)
    check_replaceable(output)
    loaded = load_target(target)
    imported = import_model(model)
    recordings = None
    if calibrate is not None:
        recordings = pick_inputs(read_arrays(calibrate), imported.graph.inputs, str(calibrate))
    build = make_build(
        imported,
        loaded,
        weight_bits,
        recordings,
        source=_source(model),
        after=after,
        stop_after=stop_after,
    )
    if build is None:
        return None
    write_build(build, output)
    return {**summary(build), "folder": str(output)}


def _source(model: Path) -> dict[str, str]:
    return {"file": model.name, "sha256": sha256(model)}


def make_build(
    imported: Imported,
    target: Target,
    weight_bits: int | None,
    recordings: Mapping[str, Array] | None,
    *,
    source: Mapping[str, str],
    after: After | None = None,
    stop_after: str | None = None,
) -> Build | None:
    """Run the passes over an imported network; None where they were stopped."""
    codes, samples = {}, {}
    if recordings is not None:
        codes = measure_codes(recordings)
        few = {name: array[:, :CALIBRATION_SAMPLES] for name, array in recordings.items()}
        samples = {
            name: np.rint(array / codes[name].step).astype(np.int64) for name, array in few.items()
        }
    steps = make_passes(target, weight_bits=weight_bits, codes=codes, samples=samples)
    graph, runs = run_passes(imported.graph, target, steps, after=after, stop_after=stop_after)
    if stop_after is not None and stop_after != steps[-1].name:
        return None
    return Build(
        hardware=graph,
        network=imported.graph,
        target=target,
        weight_bits=weight_bits or target.macros[0].weight_bits,
        passes=runs,
        samples=samples,
        source=source,
    )


def summary(build: Build) -> dict[str, Any]:
    """Return what a compilation made, in numbers."""
    page = report(build)
    return {
        "schema": "spikeloom/compile/1",
        "network": build.hardware.name,
        "target": build.target.name,
        "weight_bits": build.weight_bits,
        "calibrated": bool(build.samples),
        "crossbars": page.crossbars,
        "chips": page.chips,
        "layers": [
            {field.name: getattr(row, field.name) for field in fields(row)} for row in page.layers
        ],
        "cost": page.cost.as_dict(),
        "passes": [{"name": run.name, "exact": run.exact} for run in build.passes],
    }


def run_build(
    folder: Path,
    recording: Path,
    output: Path,
    *,
    backend: str = "numpy",
    trace: bool = False,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Run a build on recordings and write its integer outputs ``[T, B, ...]``."""
    if backend != "numpy":
        raise refuse(
            "unknown-backend",
            f"no backend is named '{backend}'",
            loc="--backend",
            help="use numpy",
        )
    progress("checking the folder")
    build = read_build(folder)
    arrays = read_arrays(recording)
    codes = _codes(build.hardware, arrays, recording)
    graph = build.hardware
    progress("running")
    written = {"output": str(output)}
    if trace:
        outputs, counts = trace_executor(graph, codes)
        path = output.with_suffix(".trace.npz")
        _save(path, counts)
        written["trace"] = str(path)
    else:
        outputs = run_executor(graph, codes)
    _save(output, {v.name: outputs[v.name] for v in graph.outputs})
    steps, samples = next(iter(codes.values())).shape[:2]
    return {
        "schema": "spikeloom/run/1",
        "backend": backend,
        "steps": steps,
        "samples": samples,
        "outputs": {v.name: _described(outputs[v.name]) for v in graph.outputs},
        **written,
    }


def _codes(graph: Graph, arrays: Mapping[str, Array], recording: Path) -> dict[str, Array]:
    inputs = pick_inputs(_without_extras(arrays, graph.inputs), graph.inputs, str(recording))
    return to_codes(graph, inputs, str(recording))


def _without_extras(arrays: Mapping[str, Array], inputs: tuple[Value, ...]) -> dict[str, Array]:
    """Leave out labels and reference outputs, which are no inputs."""
    names = {value.name for value in inputs}
    return {
        name: array
        for name, array in arrays.items()
        if name in names or not (name == "labels" or name.startswith("expected_"))
    }


def _described(array: Array) -> dict[str, Any]:
    return {"shape": list(array.shape), "mean": float(array.mean()), "max": int(array.max())}


def _save(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays beside their place, then rename: a file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as aside:
        temporary = Path(aside) / "arrays.npz"
        write_arrays(temporary, arrays, compress=True)
        temporary.replace(path)


def verify(
    path: Path,
    recording: Path,
    *,
    model: Path | None = None,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Verify a model against ONNX Runtime, or every ring of a build folder."""
    arrays = read_arrays(recording)
    if path.is_dir():
        return _verify_folder(path, arrays, recording, model, progress).as_dict()
    return verify_model(path, arrays, str(recording), progress).as_dict()


def _verify_folder(
    folder: Path,
    arrays: Mapping[str, Array],
    recording: Path,
    model: Path | None,
    progress: Progress,
) -> Verification:
    progress("checking the folder")
    build = read_build(folder)
    graph = build.hardware
    reals = pick_inputs(_without_extras(arrays, graph.inputs), graph.inputs, str(recording))
    codes = to_codes(graph, reals, str(recording))
    return verify_build(
        build,
        codes,
        reals,
        labels=_labels(graph, arrays, recording),
        reference=None if model is None else _reference_ring(model, build, reals, progress),
        progress=progress,
    )


def _labels(graph: Graph, arrays: Mapping[str, Array], recording: Path) -> Array | None:
    inputs = pick_inputs(_without_extras(arrays, graph.inputs), graph.inputs, str(recording))
    samples = next(iter(inputs.values())).shape[1]
    return wanted_classes(arrays, graph.outputs[0].name, samples, str(recording))


def _reference_ring(
    model: Path, build: Build, reals: Mapping[str, Array], progress: Progress
) -> Ring:
    if sha256(model) != build.source.get("sha256"):
        raise refuse(
            "other-model",
            f"the build was made from a file of hash {build.source.get('sha256', '?')[:16]}, "
            f"this one has {sha256(model)[:16]}",
            loc=str(model),
            help="give the model the build was compiled from",
        )
    checked = verify_model(model, reals, str(model), progress)
    return next(ring for ring in checked.rings if ring.name == REFERENCE)


def cost_build(folder: Path, activity: str | None, steps: int) -> tuple[dict[str, Any], str]:
    """Return the cost of a build as data and as text.

    ``activity`` is the path of a trace that ``run_build`` wrote, or a density 0..1 in text;
    ``DENSITY`` where None.
    """
    build = read_build(folder)
    found = _activity(build.hardware, activity)
    cost: Cost = estimate(build.hardware, build.target, found, steps)
    return cost.as_dict(), str(cost)


def _activity(graph: Graph, activity: str | None) -> Activity | float:
    if activity is None:
        return DENSITY
    try:
        return float(activity)
    except ValueError:
        return measure(graph, read_arrays(activity))


def report_build(folder: Path, output: Path | None) -> dict[str, Any]:
    """Write the report page of a build; the folder's own page where no output is given."""
    build = read_build(folder)
    if output is None:
        return {"schema": "spikeloom/report/1", "report": str(folder / "report.html")}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(render_report(report(build)), encoding="utf-8")
    return {"schema": "spikeloom/report/1", "report": str(output)}


def compare_model(
    model: Path,
    targets: tuple[str, ...],
    *,
    recording: Path | None = None,
    output: Path | None = None,
    weight_bits: int | None = None,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Map a model onto several targets; with recordings, calibrate, run and count real spikes."""
    loaded = [load_target(name) for name in targets]
    if not loaded:
        raise refuse("unknown-target", "no targets to compare", loc="--targets")
    imported = import_model(model)
    arrays = None if recording is None else read_arrays(recording)
    rows = []
    for target in loaded:
        progress(target.name)
        build, row = _compared(imported, target, weight_bits, arrays, recording, _source(model))
        rows.append(row)
        if output is not None:
            write_build(build, output / target.name)
    return {
        "schema": "spikeloom/compare/1",
        "network": imported.graph.name,
        "activity": "measured" if arrays is not None else f"density {DENSITY:g}",
        "targets": rows,
    }


def _compared(
    imported: Imported,
    target: Target,
    weight_bits: int | None,
    arrays: Mapping[str, Array] | None,
    recording: Path | None,
    source: Mapping[str, str],
) -> tuple[Build, dict[str, Any]]:
    where, inputs = str(recording), imported.graph.inputs
    reals = None if arrays is None else pick_inputs(_without_extras(arrays, inputs), inputs, where)
    build = make_build(imported, target, weight_bits, reals, source=source)
    assert build is not None  # nothing stopped the passes
    row = {**summary(build)}
    activity: Activity | float = DENSITY
    if reals is not None and arrays is not None:
        graph = build.hardware
        codes = to_codes(graph, reals, where)
        outputs, trace = trace_executor(graph, codes)
        activity = measure(graph, trace)
        labels = _labels(graph, arrays, Path(where))
        if labels is not None:
            row["accuracy"] = accuracy(to_reals(graph, outputs)[graph.outputs[0].name], labels)
    row["cost"] = estimate(build.hardware, target, activity).as_dict()
    return build, row


def show_targets(name: str | None) -> dict[str, Any]:
    """Return all targets, or every fact of one."""
    if name is not None:
        target = load_target(name)
        return {"schema": "spikeloom/targets/1", "target": target_to_data(target)}
    listed = [load_target(known) for known in list_targets()]
    return {
        "schema": "spikeloom/targets/1",
        "targets": [{"name": t.name, "summary": t.summary} for t in listed],
    }


def show_passes(name: str | None) -> dict[str, Any]:
    """Return the passes in the order they run, or one."""
    if name is not None:
        _check_pass(name)
    chosen = [kind for kind in PIPELINE if name in (None, kind.name)]
    return {
        "schema": "spikeloom/passes/1",
        "passes": [
            {
                "name": kind.name,
                "exact": kind.exact,
                "summary": kind.summary(),
                "removes": [op.mnemonic for op in kind.gone],
                **({"text": kind.text()} if name else {}),
            }
            for kind in chosen
        ],
    }


def _check_pass(name: str) -> None:
    known = [kind.name for kind in PIPELINE]
    if name not in known:
        raise refuse(
            "unknown-pass", f"no pass is named '{name}'", help=f"one of {', '.join(known)}"
        )


DEMO_TARGETS = ("ideal-128", "hpadc-flash5-64", "adcless-64", "adcless-diff-64")


def demo(output: Path, progress: Progress = lambda text: None) -> dict[str, Any]:
    """Map the bundled network onto four targets, verify each mapping, compare them."""
    check_replaceable(output)
    rows = []
    with as_file(files("mapper") / "data" / "demo") as data, written_aside(output) as aside:
        model, recording = data / "model.onnx", data / "recording.npz"
        imported = import_model(model)
        for name in DEMO_TARGETS:
            row = _demonstrated(load_target(name), imported, model, recording, progress, aside)
            rows.append(row)
        answer = {
            "schema": DEMO_SCHEMA,
            "version": __version__,
            "bit_exact": all(row["verification"]["bit_exact"] for row in rows),
            "targets": rows,
        }
        (aside / "demo.json").write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    return {**answer, "folder": str(output)}


def _demonstrated(
    target: Target,
    imported: Imported,
    model: Path,
    recording: Path,
    progress: Progress,
    folder: Path,
) -> dict[str, Any]:
    """Compile, keep, verify and cost the demo's network on one target."""
    progress(f"{target.name}: compile")
    arrays, inputs = read_arrays(recording), imported.graph.inputs
    reals = pick_inputs(_without_extras(arrays, inputs), inputs, recording.name)
    build, row = _compared(imported, target, None, arrays, recording, _source(model))
    write_build(build, folder / target.name)
    codes = to_codes(build.hardware, reals, recording.name)
    checked = verify_build(
        build,
        codes,
        reals,
        labels=_labels(build.hardware, arrays, recording),
        reference=_reference_ring(model, build, reals, lambda text: None),
        progress=lambda text: progress(f"{target.name}: {text}"),
    )
    return {**row, "verification": checked.as_dict()}
